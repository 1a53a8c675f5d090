"""Neural ODE, three steps of the midpoint rule, states in columns; linear encoder."""

import numpy as np

rng = np.random.default_rng(2222)
U = rng.normal(size=(2, 4))
Yend = rng.normal(size=(3, 4))
dt = 0.5
STEPS = 3


def point(rng):
    return {"E": rng.normal(size=(3, 2)), "W": rng.normal(size=(3, 3)), "b": 0.5 * rng.normal(size=(3, 1)), "c": 0.5 + 0.3 * rng.normal(size=1)}


def loss(E, W, b, c):
    h = E @ U
    for _ in range(STEPS):
        k = np.tanh(W @ h + b) - c * h
        mid = h + 0.5 * dt * k
        h = h + dt * (np.tanh(W @ mid + b) - c * mid)
    return 0.5 * np.mean(np.sum((h - Yend) ** 2, axis=0))


def derived(E, W, b, c):
    # forward, remember states and midpoints with their tanh
    states, mids, th1, th2 = [], [], [], []
    h = E @ U
    for k in range(STEPS):
        states.append(h)
        th1.append(np.tanh(W @ h + b))
        m = h + dt / 2 * (th1[k] - c * h)
        mids.append(m)
        th2.append(np.tanh(W @ m + b))
        h = h + dt * (th2[k] - c * m)

    lam = (h - Yend) / U.shape[1]
    gW, gb, gc = 0 * W, 0 * b, 0 * c
    for k in reversed(range(STEPS)):
        # the full step
        f2 = dt * lam
        p2 = f2 * (1 - th2[k] ** 2)
        gW += p2 @ mids[k].T
        gb += p2.sum(axis=1, keepdims=True)
        gc -= (f2 * mids[k]).sum()
        dm = W.T @ p2 - c * f2
        # the half step
        f1 = dt / 2 * dm
        p1 = f1 * (1 - th1[k] ** 2)
        gW += p1 @ states[k].T
        gb += p1.sum(axis=1, keepdims=True)
        gc -= (f1 * states[k]).sum()
        lam = lam + dm + W.T @ p1 - c * f1
    return {"E": lam @ U.T, "W": gW, "b": gb, "c": gc}


MISTAKES = [
    ("f1 = dt / 2 * dm", "f1 = dt * dm", "the half step's 1/2 is lost"),
    ("lam = lam + dm + W.T @ p1 - c * f1", "lam = dm + W.T @ p1 - c * f1", "the old state's straight path to the new one is missing"),
    ("dm = W.T @ p2 - c * f2", "dm = W.T @ p2", "the decay's part of the field is forgotten"),
    ("gW += p2 @ mids[k].T", "gW += p2 @ states[k].T", "the field is taken at the midpoint, not at the state"),
    ("p1 = f1 * (1 - th1[k] ** 2)", "p1 = f1 * (1 - th2[k] ** 2)", "the slope at the midpoint for that at the state"),
    ("        gb += p1.sum(axis=1, keepdims=True)\n", "", "the bias's use in the half step is not added", ["gb += p2.sum(axis=1, keepdims=True)"]),
]
