"""Two-layer regression net with batch norm (gamma, beta) before the ReLU; short names, as in MATLAB."""

import numpy as np

rng = np.random.default_rng(101)
m = 7
X = rng.normal(size=(m, 3))
Y = rng.normal(size=(m, 2))
ep = 1e-5
lam = 0.05


def point(rng):
    return {"W1": rng.normal(size=(3, 4)), "g": 1 + 0.3 * rng.normal(size=4), "be": 0.4 * rng.normal(size=4),
            "W2": rng.normal(size=(4, 2)), "b2": rng.normal(size=2)}


def loss(W1, g, be, W2, b2):
    a = X @ W1
    mu = np.mean(a, axis=0)
    v = np.mean((a - mu) ** 2, axis=0)
    h = np.maximum(g * (a - mu) / np.sqrt(v + ep) + be, 0)
    return 0.5 * np.sum((h @ W2 + b2 - Y) ** 2) / m + lam * np.sum(W2 ** 2)


def derived(W1, g, be, W2, b2):
    # forward
    A = X @ W1
    xc = A - A.mean(0)
    s = np.sqrt((xc ** 2).mean(0) + ep)
    xh = xc / s
    N = g * xh + be
    H = np.maximum(N, 0)
    E = H @ W2 + b2 - Y
    # top layer
    dO = E / m
    dW2 = H.T @ dO + 2 * lam * W2
    db2 = dO.sum(0)
    dH = dO @ W2.T
    dN = dH * (N > 0)
    # batch norm
    dg = (dN * xh).sum(0)
    dbe = dN.sum(0)
    dxh = dN * g
    dxc = dxh / s
    ds = -(dxh * xc).sum(0) / s ** 2
    dv = ds / (2 * s)
    dxc += 2 * xc * dv / m
    dA = dxc - dxc.mean(0)
    dW1 = X.T @ dA
    return {"W1": dW1, "g": dg, "be": dbe, "W2": dW2, "b2": db2}


MISTAKES = [
    ("dg = (dN * xh).sum(0)", "dg = (dN * xc).sum(0)", "gamma multiplies the normalised values, not the centred ones"),
    ("ds = -(dxh * xc).sum(0) / s ** 2", "ds = -(dxh * xc).sum(0) / s", "the square of s is lost"),
    ("dA = dxc - dxc.mean(0)", "dA = dxc", "the path through the batch mean is forgotten"),
    ("dxc += 2 * xc * dv / m", "dxc = 2 * xc * dv / m", "overwritten in place of added: the direct path is lost"),
    ("dW2 = H.T @ dO + 2 * lam * W2", "dW2 = H.T @ dO", "the penalty's gradient is left out"),
    ("dN = dH * (N > 0)", "dN = dH * (A > 0)", "the ReLU's slope is taken before the normalisation"),
]
