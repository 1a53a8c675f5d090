"""Batch normalisation with scale and shift, and a squared error."""

import numpy as np

rng = np.random.default_rng(5)
target, eps = rng.normal(size=(6, 3)), 1e-3
n = len(target)
x, gamma, beta = rng.normal(size=(6, 3)), rng.normal(size=3), rng.normal(size=3)


def loss(x, gamma, beta):
    centred = x - x.mean(axis=0)
    variance = (centred**2).mean(axis=0)
    x_hat = centred / np.sqrt(variance + eps)
    return 0.5 * np.sum((gamma * x_hat + beta - target) ** 2)


def derived(x, gamma, beta):
    centred = x - x.mean(axis=0)
    variance = (centred**2).mean(axis=0)
    std = np.sqrt(variance + eps)
    x_hat = centred / std
    dout = gamma * x_hat + beta - target
    dgamma = np.sum(dout * x_hat, axis=0)
    dbeta = np.sum(dout, axis=0)
    dx_hat = dout * gamma
    dvariance = np.sum(dx_hat * centred, axis=0) * -0.5 / std**3
    dcentred = dx_hat / std + dvariance * 2 * centred / n
    dx = dcentred - dcentred.mean(axis=0)
    return {"x": dx, "gamma": dgamma, "beta": dbeta}


MISTAKES = [
    ("dx = dcentred - dcentred.mean(axis=0)", "dx = dcentred", "the path through the mean"),
    ("dcentred = dx_hat / std + dvariance * 2 * centred / n", "dcentred = dx_hat / std",
     "the path through the variance"),
    ("dvariance * 2 * centred / n", "dvariance * centred / n", "the square's factor 2"),
    ("-0.5 / std**3", "-0.5 / std", "the root's derivative is taken at the wrong power"),
    ("-0.5 / std**3", "0.5 / std**3", "the sign of the inverse root's derivative"),
    ("dgamma = np.sum(dout * x_hat, axis=0)", "dgamma = np.sum(dout * x, axis=0)",
     "the scale multiplies x_hat, not x"),
]
