"""Linear, batch norm, linear, softmax; the batch norm backwards is one formula. Rows are samples."""

import numpy as np

r0 = np.random.default_rng(8)
n, p, h, k = 7, 4, 5, 3
X = r0.normal(size=(n, p))
Y = np.eye(k)[r0.integers(0, k, size=n)]
eps = 1e-3


def point(rng):
    return {"W": rng.normal(size=(p, h)), "gam": 1 + 0.4 * rng.normal(size=h), "bet": rng.normal(size=h),
            "V": rng.normal(size=(h, k)), "c": rng.normal(size=k)}


def loss(W, gam, bet, V, c):
    a = X @ W
    a = gam * (a - np.mean(a, axis=0)) / np.sqrt(np.var(a, axis=0) + eps) + bet
    s = a @ V + c
    return np.mean(np.log(np.sum(np.exp(s), axis=1)) - np.sum(Y * s, axis=1))


def derived(W, gam, bet, V, c):
    A = X @ W
    istd = 1 / np.sqrt(A.var(0) + eps)
    Ah = (A - A.mean(0)) * istd
    B = gam * Ah + bet
    ex = np.exp(B @ V + c)
    G = (ex / ex.sum(1, keepdims=True) - Y) / n
    GB = G @ V.T
    GA = gam * istd / n * (n * GB - GB.sum(0) - Ah * (GB * Ah).sum(0))
    return {"W": X.T @ GA, "gam": (GB * Ah).sum(0), "bet": GB.sum(0), "V": B.T @ G, "c": G.sum(0)}


MISTAKES = [
    ("GA = gam * istd / n * (n * GB - GB.sum(0) - Ah * (GB * Ah).sum(0))", "GA = gam * istd / n * (n * GB - GB.sum(0) - Ah * GB.sum(0))", "the variance's path needs the sum weighted by the normalised values"),
    ("GA = gam * istd / n * (n * GB - GB.sum(0) - Ah * (GB * Ah).sum(0))", "GA = gam * istd / n * (n * GB - GB.sum(0) - (A - A.mean(0)) * (GB * Ah).sum(0))", "centred for normalised values"),
    ("GA = gam * istd / n * (n * GB - GB.sum(0) - Ah * (GB * Ah).sum(0))", "GA = gam * istd * (GB - GB.sum(0) - Ah * (GB * Ah).sum(0))", "1/n reaches the first term only"),
    ("istd = 1 / np.sqrt(A.var(0) + eps)", "istd = 1 / np.sqrt(A.var(0, ddof=1) + eps)", "the unbiased variance from habit"),
    ("GB = G @ V.T", "GB = G @ V.T * gam", "gamma is multiplied here and in the formula below once more"),
    ("\"gam\": (GB * Ah).sum(0)", "\"gam\": (GB * A).sum(0)", "gamma multiplies the normalised values, not the raw ones"),
]
