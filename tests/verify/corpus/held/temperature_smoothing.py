"""Classifier with a learned temperature and smoothed labels; sample by sample, vectors are columns (W x)."""

import numpy as np

r = np.random.default_rng(304)
N, D, H, C = 6, 3, 4, 5
xx = r.normal(size=(N, D))
yy = r.integers(0, C, size=N)
eps = 0.2


def point(rng):
    return {"U": rng.normal(size=(H, D)), "c": 0.3 * rng.normal(size=H), "W": rng.normal(size=(C, H)),
            "b": 0.3 * rng.normal(size=C), "tau": np.array(rng.uniform(0.6, 1.7))}


def loss(U, c, W, b, tau):
    L = 0.0
    for x, y in zip(xx, yy):
        u = (W @ np.tanh(U @ x + c) + b) / tau
        logp = u - np.max(u) - np.log(np.sum(np.exp(u - np.max(u))))
        L -= (1 - eps) * logp[y] + eps * np.mean(logp)
    return L / N


def derived(U, c, W, b, tau):
    gU = np.zeros((H, D))
    gc = np.zeros(H)
    gW = np.zeros((C, H))
    gb = np.zeros(C)
    gt = 0.0
    for x, y in zip(xx, yy):
        h = np.tanh(U @ x + c)
        z = W @ h + b
        p = np.exp(z / tau - np.max(z / tau))
        p /= p.sum()
        q = np.full(C, eps / C)
        q[y] += 1 - eps
        du = (p - q) / N
        dz = du / tau
        gt -= du @ z / tau ** 2
        gb += dz
        gW += np.outer(dz, h)
        dh = W.T @ dz
        dk = dh * (1 - h * h)
        gc += dk
        gU += np.outer(dk, x)
    return {"U": gU, "c": gc, "W": gW, "b": gb, "tau": gt}


MISTAKES = [
    ("gt -= du @ z / tau ** 2", "gt -= du @ z / tau", "the temperature's derivative of 1 / tau lacks a power"),
    ("dh = W.T @ dz", "dh = W.T @ du", "the temperature is skipped on the way to the hidden layer"),
    ("q[y] += 1 - eps", "q[y] = 1 - eps", "assigned and not added: the smoothed target does not sum to one"),
    ("gW += np.outer(dz, h)", "gW = np.outer(dz, h)", "only the last sample is kept"),
    ("q = np.full(C, eps / C)", "q = np.full(C, eps / (C - 1))", "the smoothing is spread over the other classes only, as in another convention"),
    ("gt -= du @ z / tau ** 2", "gt -= dz @ z / tau ** 2", "the gradient of the logits before the division by tau, where it is that after it"),
]
