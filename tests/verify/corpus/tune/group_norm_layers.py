"""Linear, group normalisation, linear; forward and backward functions with caches, as in the course notes."""

import numpy as np

rng = np.random.default_rng(310)
N, D, C, G, K = 6, 4, 6, 2, 3
S = C // G
X = rng.normal(size=(N, D))
T = rng.normal(size=(N, K))
EPS = 1e-3


def point(rng):
    return {"W1": rng.normal(size=(D, C)), "b1": rng.normal(size=C), "gamma": 1 + 0.5 * rng.normal(size=C),
            "beta": rng.normal(size=C), "W2": rng.normal(size=(C, K)), "b2": rng.normal(size=K)}


def loss(W1, b1, gamma, beta, W2, b2):
    z = (X @ W1 + b1).reshape(N, G, S)
    z = (z - z.mean(axis=2, keepdims=True)) / np.sqrt(z.var(axis=2, keepdims=True) + EPS)
    y = (gamma * z.reshape(N, C) + beta) @ W2 + b2
    return 0.5 * np.sum((y - T) ** 2) / N


def affine_forward(x, w, b):
    return x @ w + b, (x, w)


def affine_backward(dout, cache):
    x, w = cache
    dx = dout @ w.T
    dw = x.T @ dout
    db = dout.sum(axis=0)
    return dx, dw, db


def groupnorm_forward(x, gamma, beta):
    x = x.reshape(N, G, S)
    mu = x.mean(axis=2, keepdims=True)
    xmu = x - mu
    var = (xmu ** 2).mean(axis=2, keepdims=True)
    istd = 1.0 / np.sqrt(var + EPS)
    xhat = xmu * istd
    out = gamma * xhat.reshape(N, C) + beta
    return out, (xmu, istd, xhat, gamma)


def groupnorm_backward(dout, cache):
    xmu, istd, xhat, gamma = cache
    dbeta = dout.sum(axis=0)
    dgamma = (dout * xhat.reshape(N, C)).sum(axis=0)
    dxhat = (dout * gamma).reshape(N, G, S)
    distd = (dxhat * xmu).sum(axis=2, keepdims=True)
    dxmu_a = dxhat * istd
    dvar = -0.5 * distd * istd ** 3
    dxmu_b = 2.0 * xmu * dvar / S
    dxmu = dxmu_a + dxmu_b
    dmu = -dxmu.sum(axis=2, keepdims=True)
    dx = dxmu + dmu / S
    return dx.reshape(N, C), dgamma, dbeta


def derived(W1, b1, gamma, beta, W2, b2):
    h, cache1 = affine_forward(X, W1, b1)
    g, cache_gn = groupnorm_forward(h, gamma, beta)
    y, cache2 = affine_forward(g, W2, b2)
    grads = {}
    dy = (y - T) / N
    dg, grads["W2"], grads["b2"] = affine_backward(dy, cache2)
    dh, grads["gamma"], grads["beta"] = groupnorm_backward(dg, cache_gn)
    _, grads["W1"], grads["b1"] = affine_backward(dh, cache1)
    return grads


MISTAKES = [
    ("dvar = -0.5 * distd * istd ** 3", "dvar = -0.5 * distd * istd ** 2", "the power of the inverse deviation is wrong"),
    ("dxmu_b = 2.0 * xmu * dvar / S", "dxmu_b = 2.0 * xmu * dvar / C", "all the channels are counted, not those of a group"),
    ("dx = dxmu + dmu / S", "dx = dxmu", "the mean is taken for a constant"),
    ("dgamma = (dout * xhat.reshape(N, C)).sum(axis=0)", "dgamma = (dout * xmu.reshape(N, C)).sum(axis=0)", "gamma multiplies the normalised values, not the centred ones"),
    ("dxhat = (dout * gamma).reshape(N, G, S)", "dxhat = dout.reshape(N, G, S)", "gamma is left out on the way back"),
    ("distd = (dxhat * xmu).sum(axis=2, keepdims=True)", "distd = (dxhat * xmu).sum(axis=(1, 2), keepdims=True)", "summed over the groups too"),
]
