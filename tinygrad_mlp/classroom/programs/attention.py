"""One head of attention."""

import numpy as np

rng = np.random.default_rng(9)
X, target = rng.normal(size=(4, 5)), rng.normal(size=(4, 3))
root = np.sqrt(3)
Wq, Wk, Wv = (rng.normal(size=(5, 3)) for _ in range(3))


def softmax(S):
    E = np.exp(S - S.max(axis=1, keepdims=True))
    return E / E.sum(axis=1, keepdims=True)


def loss(Wq, Wk, Wv):
    A = softmax((X @ Wq) @ (X @ Wk).T / root)
    return 0.5 * np.sum((A @ (X @ Wv) - target) ** 2)


def derived(Wq, Wk, Wv):
    Q, K, V = X @ Wq, X @ Wk, X @ Wv
    A = softmax(Q @ K.T / root)
    dO = A @ V - target
    dV = A.T @ dO
    dA = dO @ V.T
    dS = A * (dA - np.sum(dA * A, axis=1, keepdims=True))
    dQ = dS @ K / root
    dK = dS.T @ Q / root
    return {"Wq": X.T @ dQ, "Wk": X.T @ dK, "Wv": X.T @ dV}


MISTAKES = [
    ("dS = A * (dA - np.sum(dA * A, axis=1, keepdims=True))", "dS = A * dA",
     "the softmax normalises: its outputs depend on all scores of the row"),
    ("dS = A * (dA - np.sum(dA * A, axis=1, keepdims=True))",
     "dS = A * (dA - np.sum(dA * A, axis=0, keepdims=True))", "the softmax runs along rows"),
    ("dQ = dS @ K / root", "dQ = dS @ K", "the scale of the scores is forgotten"),
    ("dK = dS.T @ Q / root", "dK = dS @ Q / root", "the scores are not transposed"),
    ("dV = A.T @ dO", "dV = A @ dO", "the weights are not transposed"),
    ("dS = A * (dA - np.sum(dA * A, axis=1, keepdims=True))",
     "dS = A * (1 - A) * dA", "this treats the softmax as a sigmoid"),
]
