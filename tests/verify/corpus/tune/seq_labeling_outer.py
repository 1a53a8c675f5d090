"""An Elman network for one sequence, with squared error at the end only, explicit sums of paths."""

import numpy as np

rng = np.random.default_rng(61)
seq = rng.normal(size=(3, 2))
end = rng.normal(size=2)


def point(rng):
    return {"A": 0.7 * rng.normal(size=(4, 4)), "B": rng.normal(size=(4, 2)), "C": rng.normal(size=(2, 4))}


def loss(A, B, C):
    h = np.zeros(4)
    for x in seq:
        h = np.tanh(A @ h + B @ x)
    return np.sum((C @ h - end) ** 2)


def derived(A, B, C):
    h0 = np.zeros(4)
    h1 = np.tanh(A @ h0 + B @ seq[0])
    h2 = np.tanh(A @ h1 + B @ seq[1])
    h3 = np.tanh(A @ h2 + B @ seq[2])
    e = 2 * (C @ h3 - end)
    d3 = (C.T @ e) * (1 - h3 ** 2)
    d2 = (A.T @ d3) * (1 - h2 ** 2)
    d1 = (A.T @ d2) * (1 - h1 ** 2)
    gA = np.outer(d3, h2) + np.outer(d2, h1) + np.outer(d1, h0)
    gB = np.outer(d3, seq[2]) + np.outer(d2, seq[1]) + np.outer(d1, seq[0])
    gC = np.outer(e, h3)
    return {"A": gA, "B": gB, "C": gC}


MISTAKES = [
    ("gA = np.outer(d3, h2) + np.outer(d2, h1) + np.outer(d1, h0)", "gA = np.outer(d3, h2)", "only the last step"),
    ("gA = np.outer(d3, h2) + np.outer(d2, h1) + np.outer(d1, h0)", "gA = np.outer(d3, h3) + np.outer(d2, h2) + np.outer(d1, h1)", "the states after the step"),
    ("d2 = (A.T @ d3) * (1 - h2 ** 2)", "d2 = (A @ d3) * (1 - h2 ** 2)", "not transposed"),
    ("d1 = (A.T @ d2) * (1 - h1 ** 2)", "d1 = (A.T @ d2) * (1 - h2 ** 2)", "a line that was copied"),
    ("e = 2 * (C @ h3 - end)", "e = C @ h3 - end", "the 2"),
    ("gB = np.outer(d3, seq[2]) + np.outer(d2, seq[1]) + np.outer(d1, seq[0])", "gB = np.outer(d3, seq[0]) + np.outer(d2, seq[1]) + np.outer(d1, seq[2])", "the inputs in the wrong order"),
    ("d3 = (C.T @ e) * (1 - h3 ** 2)", "d3 = C.T @ e", "tanh's derivative at the last step"),
]
