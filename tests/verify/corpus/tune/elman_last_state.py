"""Elman network, classes from the last state, the initial state learned; samples are columns, terse names."""

import numpy as np

rng = np.random.default_rng(88)
T, D, m, B, C = 4, 2, 3, 5, 3
xs = [rng.normal(size=(D, B)) for _ in range(T)]
Y = np.eye(C)[:, rng.integers(0, C, size=B)]


def point(rng):
    return {"U": rng.normal(size=(m, D)), "W": 0.7 * rng.normal(size=(m, m)), "b": 0.3 * rng.normal(size=(m, 1)),
            "h0": rng.normal(size=(m, 1)), "V": rng.normal(size=(C, m)), "c": rng.normal(size=(C, 1))}


def loss(U, W, b, h0, V, c):
    h = h0 @ np.ones((1, B))
    for x in xs:
        h = np.tanh(U @ x + W @ h + b)
    o = V @ h + c
    o = o - o.max(axis=0)
    return np.mean(np.log(np.exp(o).sum(axis=0)) - (Y * o).sum(axis=0))


def derived(U, W, b, h0, V, c):
    hs = [np.repeat(h0, B, axis=1)]
    for x in xs:
        hs.append(np.tanh(U @ x + W @ hs[-1] + b))
    p = np.exp(V @ hs[-1] + c)
    p /= p.sum(axis=0)
    do = (p - Y) / B
    dV = do @ hs[-1].T
    dc = do.sum(axis=1, keepdims=True)
    dU, dW, db = 0 * U, 0 * W, 0 * b
    dh = V.T @ do
    for t in range(T - 1, -1, -1):
        da = dh * (1 - hs[t + 1] ** 2)
        dU += da @ xs[t].T
        dW += da @ hs[t].T
        db += da.sum(axis=1, keepdims=True)
        dh = W.T @ da
    dh0 = dh.sum(axis=1, keepdims=True)
    return {"U": dU, "W": dW, "b": db, "h0": dh0, "V": dV, "c": dc}


MISTAKES = [
    ("da = dh * (1 - hs[t + 1] ** 2)", "da = dh * (1 - hs[t] ** 2)", "tanh's derivative at the state before"),
    ("dW += da @ hs[t].T", "dW += da @ hs[t + 1].T", "the state after the step, not the one that came in"),
    ("dh = W.T @ da", "dh = W.T @ dh", "goes back from h to h without the tanh"),
    ("dh = W.T @ da", "dh = dh + W.T @ da", "adds to the gradient of the later state as if each state were in the loss"),
    ("dh0 = dh.sum(axis=1, keepdims=True)", "dh0 = dh.mean(axis=1, keepdims=True)", "mean over the batch a second time"),
    ("p /= p.sum(axis=0)", "p /= p.sum()", "softmax over the whole batch, the axis is forgotten"),
]
