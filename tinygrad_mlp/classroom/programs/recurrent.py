"""A recurrent network over five steps, with backpropagation through time."""

import numpy as np

rng = np.random.default_rng(7)
steps, size = 5, 4
xs, target = rng.normal(size=(steps, 3)), rng.normal(size=size)
Wx, Wh, b = rng.normal(size=(size, 3)), rng.normal(size=(size, size)) / 2, rng.normal(size=size)


def loss(Wx, Wh, b):
    h = np.zeros(size)
    for t in range(steps):
        h = np.tanh(Wx @ xs[t] + Wh @ h + b)
    return 0.5 * np.sum((h - target) ** 2)


def derived(Wx, Wh, b):
    hs = [np.zeros(size)]
    for t in range(steps):
        hs.append(np.tanh(Wx @ xs[t] + Wh @ hs[-1] + b))
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)
    dh = hs[-1] - target
    for t in reversed(range(steps)):
        dz = dh * (1 - hs[t + 1] ** 2)
        dWx += np.outer(dz, xs[t])
        dWh += np.outer(dz, hs[t])
        db += dz
        dh = Wh.T @ dz
    return {"Wx": dWx, "Wh": dWh, "b": db}


MISTAKES = [
    ("dz = dh * (1 - hs[t + 1] ** 2)", "dz = dh", "tanh's derivative is forgotten"),
    ("dz = dh * (1 - hs[t + 1] ** 2)", "dz = dh * (1 - hs[t] ** 2)",
     "the derivative belongs to this step's output"),
    ("dWh += np.outer(dz, hs[t])", "dWh += np.outer(dz, hs[t + 1])",
     "Wh is multiplied with the state before the step"),
    ("dh = Wh.T @ dz", "dh = Wh @ dz", "the matrix is not transposed"),
    ("dWx += np.outer(dz, xs[t])", "dWx = np.outer(dz, xs[t])", "the steps add up"),
    ("for t in reversed(range(steps)):", "for t in reversed(range(1, steps)):",
     "the first step is left out"),
]
