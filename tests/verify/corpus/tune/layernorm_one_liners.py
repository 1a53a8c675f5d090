"""Layer norm, tanh and a logistic loss with labels of +1 and -1; everything in long lines."""

import numpy as np

gen = np.random.default_rng(202)
X, y, eps = gen.normal(size=(6, 3)), np.array([1.0, -1.0, 1.0, 1.0, -1.0, -1.0]), 1e-6


def point(rng):
    return {"W": rng.normal(size=(3, 5)), "g": 1 + 0.3 * rng.normal(size=5), "b": 0.5 * rng.normal(size=5), "v": rng.normal(size=5)}


def loss(W, g, b, v):
    Z = X @ W
    mu = np.mean(Z, axis=1, keepdims=True)
    sd = np.sqrt(np.mean((Z - mu) ** 2, axis=1, keepdims=True) + eps)
    return np.mean(np.log(1 + np.exp(-y * (np.tanh(g * (Z - mu) / sd + b) @ v))))


def derived(W, g, b, v):
    avg = lambda M: M.mean(axis=-1, keepdims=True)
    C = X @ W - avg(X @ W); r = 1 / np.sqrt(avg(C * C) + eps); N = C * r; T = np.tanh(N * g + b)
    ds = -y / (1 + np.exp(y * (T @ v))) / y.size
    dU = np.outer(ds, v) * (1 - T ** 2)
    dN = dU * g
    dZ = r * (dN - avg(dN) - N * avg(dN * N))
    return {"W": X.T @ dZ, "g": np.sum(dU * N, axis=0), "b": np.sum(dU, axis=0), "v": T.T @ ds}


MISTAKES = [
    ("ds = -y / (1 + np.exp(y * (T @ v))) / y.size", "ds = -y / (1 + np.exp(-y * (T @ v))) / y.size", "the sign in the exponent: sigma(ys) for sigma(-ys)"),
    ("dU = np.outer(ds, v) * (1 - T ** 2)", "dU = np.outer(ds, v) * (1 - T)", "the square in tanh's slope is lost"),
    ("dN = dU * g", "dN = dU", "the gain is skipped on the way back"),
    ("dZ = r * (dN - avg(dN) - N * avg(dN * N))", "dZ = r * (dN - avg(dN) - C * avg(dN * N))", "the centred values for the normalised ones"),
    ("dZ = r * (dN - avg(dN) - N * avg(dN * N))", "dZ = r * (dN - dN.mean(axis=0) - N * avg(dN * N))", "the mean is over samples, as in batch norm"),
    ("r = 1 / np.sqrt(avg(C * C) + eps)", "r = 1 / np.sqrt(avg(C * C) * 5 / 4 + eps)", "n - 1 for n in the variance of the derivation"),
]
