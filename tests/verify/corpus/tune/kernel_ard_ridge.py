"""Kernel ridge regression in the dual weights with a Gaussian kernel, one learned length per input (log scale)."""

import numpy as np

rng = np.random.default_rng(1515)
n, d = 6, 2
X = rng.normal(size=(n, d))
y = rng.normal(size=n)
lam = 0.2


def point(rng):
    return {"alpha": rng.normal(size=n), "loglen": 0.3 * rng.normal(size=d), "offset": rng.normal(size=1)}


def loss(alpha, loglen, offset):
    Z = X / np.exp(loglen)
    K = np.exp(-0.5 * np.sum((Z[:, None, :] - Z[None, :, :]) ** 2, axis=2))
    return np.mean((K @ alpha + offset - y) ** 2) + lam * alpha @ K @ alpha


def derived(alpha, loglen, offset):
    length = np.exp(loglen)
    diff2 = (X[:, None, :] - X[None, :, :]) ** 2
    gram = np.exp(-0.5 * (diff2 / length ** 2).sum(axis=-1))
    fit = gram @ alpha
    res = 2 / n * (fit + offset - y)

    grad_alpha = gram @ res + 2 * lam * fit
    grad_gram = np.outer(res, alpha) + lam * np.outer(alpha, alpha)
    grad_loglen = np.zeros(d)
    for k in range(d):
        # d gram / d loglen_k = gram * diff2_k / length_k^2
        grad_loglen[k] = np.sum(grad_gram * gram * diff2[:, :, k] / length[k] ** 2)
    return {"alpha": grad_alpha, "loglen": grad_loglen, "offset": np.array([res.sum()])}


MISTAKES = [
    ("grad_alpha = gram @ res + 2 * lam * fit", "grad_alpha = gram @ res + 2 * lam * alpha", "the penalty's kernel is lost, as if it were plain ridge"),
    ("grad_gram = np.outer(res, alpha) + lam * np.outer(alpha, alpha)", "grad_gram = np.outer(res, alpha)", "the penalty's use of the kernel is forgotten"),
    ("grad_gram * gram * diff2[:, :, k] / length[k] ** 2)", "grad_gram * gram * diff2[:, :, k] / length[k] ** 3)", "the slope for the length, not for its logarithm"),
    ("grad_gram * gram * diff2[:, :, k] / length[k] ** 2)", "grad_gram * diff2[:, :, k] / length[k] ** 2)", "exp's own value is left out of its slope"),
    ("res = 2 / n * (fit + offset - y)", "res = 2 / n * (fit - y)", "the offset is left out of the residual"),
    ("np.array([res.sum()])", "np.array([res.mean()])", "the 1/n is taken twice"),
]
