"""Denoising with a tied projection, group sparsity by smooth absolute values, and bias; lists of functions."""

import numpy as np

rng = np.random.default_rng(99)
X = rng.normal(size=(5, 4))
N = X + 0.3 * rng.normal(size=(5, 4))
eps, kappa = 0.1, 0.25


def point(rng):
    return {"P": 0.8 * rng.normal(size=(4, 2)), "mean": 0.2 * rng.normal(size=4)}


def loss(P, mean):
    code = (N - mean) @ P
    rec = code @ P.T + mean
    sparse = np.sum(np.sqrt(code ** 2 + eps))
    return 0.5 * np.sum((rec - X) ** 2) + kappa * sparse


def derived(P, mean):
    centred = N - mean
    code = centred @ P
    err = code @ P.T + mean - X
    dcode = err @ P + kappa * code / np.sqrt(code ** 2 + eps)
    dP = err.T @ code + centred.T @ dcode
    dmean = np.sum(err, axis=0) - np.sum(dcode @ P.T, axis=0)
    return {"P": dP, "mean": dmean}


MISTAKES = [
    ("dP = err.T @ code + centred.T @ dcode", "dP = centred.T @ dcode", "the matrix is used twice"),
    ("dP = err.T @ code + centred.T @ dcode", "dP = err.T @ code + N.T @ dcode", "the data before it is centred"),
    ("dmean = np.sum(err, axis=0) - np.sum(dcode @ P.T, axis=0)", "dmean = np.sum(err, axis=0)", "the mean is also subtracted at the input"),
    ("dmean = np.sum(err, axis=0) - np.sum(dcode @ P.T, axis=0)", "dmean = np.sum(err, axis=0) + np.sum(dcode @ P.T, axis=0)", "the sign"),
    ("dcode = err @ P + kappa * code / np.sqrt(code ** 2 + eps)", "dcode = err @ P", "the penalty is left out"),
    ("dcode = err @ P + kappa * code / np.sqrt(code ** 2 + eps)", "dcode = err @ P + kappa * np.sign(code)", "the derivative of the absolute value itself"),
    ("dcode = err @ P + kappa * code / np.sqrt(code ** 2 + eps)", "dcode = err @ P + 0.5 * kappa / np.sqrt(code ** 2 + eps)", "the inner derivative"),
    ("err = code @ P.T + mean - X", "err = code @ P.T + mean - N", "compared with the noisy data"),
]
