"""A linear layer, layer normalisation with gain and bias, ReLU and a linear readout."""

import numpy as np

rng = np.random.default_rng(22)
N, M, D = 6, 3, 5
eps = 1e-5
X = rng.normal(size=(N, M))
t = rng.normal(size=N)


def point(rng):
    return {
        "W": rng.normal(size=(M, D)),
        "gamma": rng.uniform(0.5, 1.5, size=D),
        "beta": 0.5 * rng.normal(size=D),
        "v": rng.normal(size=D),
    }


def loss(W, gamma, beta, v):
    S = X @ W
    C = S - S.mean(axis=1, keepdims=True)
    S_hat = C / np.sqrt((C * C).mean(axis=1, keepdims=True) + eps)
    pred = np.maximum(gamma * S_hat + beta, 0.0) @ v
    return np.mean((pred - t) ** 2)


def derived(W, gamma, beta, v):
    # forward
    H = X @ W
    mu = H.mean(axis=1, keepdims=True)
    sigma = np.sqrt(H.var(axis=1, keepdims=True) + eps)
    Hhat = (H - mu) / sigma
    Z = gamma * Hhat + beta
    A = np.maximum(Z, 0.0)
    y = A @ v

    # L = 1/N sum (y - t)^2
    dy = 2.0 * (y - t) / N
    dv = A.T @ dy
    dA = np.outer(dy, v)
    dZ = dA * (Z > 0)

    # z = gamma * hhat + beta
    dbeta = dZ.sum(axis=0)
    dgamma = (dZ * Hhat).sum(axis=0)
    dHhat = gamma * dZ

    # dh = 1/sigma (dhhat - mean(dhhat) - hhat mean(dhhat * hhat)), the means over a row
    m1 = dHhat.mean(axis=1, keepdims=True)
    m2 = (dHhat * Hhat).mean(axis=1, keepdims=True)
    dH = (dHhat - m1 - Hhat * m2) / sigma
    dW = X.T @ dH
    return {"W": dW, "gamma": dgamma, "beta": dbeta, "v": dv}


MISTAKES = [
    ("dZ = dA * (Z > 0)", "dZ = dA", "the derivative of the ReLU is missing"),
    ("m1 = dHhat.mean(axis=1, keepdims=True)", "m1 = dHhat.mean(axis=0, keepdims=True)",
     "the mean is taken over the batch, as in batch norm"),
    ("m2 = (dHhat * Hhat).mean(axis=1, keepdims=True)", "m2 = (dHhat * Hhat).sum(axis=1, keepdims=True)",
     "a sum where the formula has a mean", ["dH = (dHhat - m1 - Hhat * m2) / sigma"]),
    ("dH = (dHhat - m1 - Hhat * m2) / sigma", "dH = (dHhat - m1 - m2) / sigma",
     "the second mean is not multiplied by hhat"),
    ("dHhat = gamma * dZ", "dHhat = dZ", "the gain is forgotten on the way back"),
    ("dgamma = (dZ * Hhat).sum(axis=0)", "dgamma = (dZ * H).sum(axis=0)",
     "the gain multiplies the normalised values, not the raw ones"),
    ("dy = 2.0 * (y - t) / N", "dy = (y - t) / N", "the 2 of the square is left out"),
]
