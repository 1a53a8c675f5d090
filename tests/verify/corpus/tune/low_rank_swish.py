"""Low-rank adapter of two frozen layers, Huber loss, functions per layer."""

import numpy as np

y0 = np.random.default_rng(18)
X = y0.normal(size=(5, 4))
T = y0.normal(size=(5, 3))
W = y0.normal(size=(4, 4))
V = y0.normal(size=(4, 3))
scale = 0.7


def point(rng):
    return {"A": rng.normal(size=(4, 2)), "B": rng.normal(size=(2, 4)), "s": rng.normal(size=4)}


def loss(A, B, s):
    pre = X @ W + scale * (X @ A) @ B
    h = pre / (1 + np.exp(-pre))
    r = (h * s) @ V - T
    return np.sum(np.where(np.abs(r) <= 1, 0.5 * r ** 2, np.abs(r) - 0.5)) / len(X)


def derived(A, B, s):
    low = X @ A
    pre = X @ W + scale * low @ B
    gate = 1 / (1 + np.exp(-pre))
    h = pre * gate
    r = (h * s) @ V - T
    dr = np.clip(r, -1, 1) / len(X)
    dhs = dr @ V.T
    ds = (dhs * h).sum(0)
    dh = dhs * s
    dpre = dh * (gate + pre * gate * (1 - gate))
    dB = scale * low.T @ dpre
    dlow = scale * dpre @ B.T
    dA = X.T @ dlow
    return {"A": dA, "B": dB, "s": ds}


MISTAKES = [
    ("dpre = dh * (gate + pre * gate * (1 - gate))",
     "dpre = dh * gate * (1 - gate)", "only one term of the product rule"),
    ("dpre = dh * (gate + pre * gate * (1 - gate))",
     "dpre = dh * (gate + gate * (1 - gate))", "the factor of the gate's slope is lost"),
    ("dpre = dh * (gate + pre * gate * (1 - gate))",
     "dpre = dh * gate", "the second term of the product rule is lost"),
    ("dr = np.clip(r, -1, 1) / len(X)",
     "dr = r / len(X)", "Huber's clipping is forgotten"),
    ("dr = np.clip(r, -1, 1) / len(X)",
     "dr = np.sign(r) / len(X)", "the derivative of the absolute error everywhere"),
    ("ds = (dhs * h).sum(0)",
     "ds = (dhs * pre).sum(0)", "the values before the activation"),
    ("dh = dhs * s",
     "dh = dhs", "the gain is forgotten on the way back"),
    ("dB = scale * low.T @ dpre",
     "dB = low.T @ dpre", "the scale is forgotten in B"),
    ("dlow = scale * dpre @ B.T",
     "dlow = dpre @ B.T", "the scale is forgotten in A"),
]
