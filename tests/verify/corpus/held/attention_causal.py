"""One attention head with a causal mask on one sequence; the rows are the time steps."""

import numpy as np

rng = np.random.default_rng(28)
T, D, dk = 5, 4, 3
target = rng.normal(size=(T, D))
mask = np.tril(np.ones((T, T), dtype=bool))


def point(rng):
    return {
        "X": rng.normal(size=(T, D)),
        "Wq": rng.normal(size=(D, dk)),
        "Wk": rng.normal(size=(D, dk)),
        "Wv": rng.normal(size=(D, D)),
    }


def softmax_rows(scores):
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def loss(X, Wq, Wk, Wv):
    scores = (X @ Wq) @ (X @ Wk).T / np.sqrt(dk)
    out = softmax_rows(np.where(mask, scores, -1e9)) @ (X @ Wv)
    return np.mean((out - target) ** 2)


def derived(X, Wq, Wk, Wv):
    # forward: O = softmax(Q K^T / sqrt(dk)) V
    Q = X @ Wq
    K = X @ Wk
    V = X @ Wv
    S = Q @ K.T / np.sqrt(dk)
    S = np.where(mask, S, -1e9)
    A = softmax_rows(S)
    O = A @ V

    # the loss is the mean over all T * D entries
    dO = 2 * (O - target) / (T * D)
    dA = dO @ V.T
    dV = A.T @ dO

    # softmax by rows: dS = A * (dA - sum_j dA_j A_j); masked entries have A = 0
    dS = A * (dA - np.sum(dA * A, axis=1, keepdims=True))
    dQ = dS @ K / np.sqrt(dk)
    dK = dS.T @ Q / np.sqrt(dk)

    dWq = X.T @ dQ
    dWk = X.T @ dK
    dWv = X.T @ dV
    dX = dQ @ Wq.T + dK @ Wk.T + dV @ Wv.T
    return {"X": dX, "Wq": dWq, "Wk": dWk, "Wv": dWv}


MISTAKES = [
    ("dK = dS.T @ Q / np.sqrt(dk)", "dK = dS @ Q / np.sqrt(dk)", "the scores' gradient is not transposed"),
    ("dQ = dS @ K / np.sqrt(dk)", "dQ = dS @ K", "the scaling by 1/sqrt(dk) is forgotten"),
    ("dV = A.T @ dO", "dV = A @ dO", "the attention matrix is not transposed"),
    ("dS = A * (dA - np.sum(dA * A, axis=1, keepdims=True))", "dS = A * (1 - A) * dA",
     "only the diagonal of the softmax's Jacobian"),
    ("dS = A * (dA - np.sum(dA * A, axis=1, keepdims=True))",
     "dS = A * (dA - np.sum(dA * A, axis=0, keepdims=True))", "the softmax's sum over the wrong axis"),
    ("dX = dQ @ Wq.T + dK @ Wk.T + dV @ Wv.T", "dX = dQ @ Wq.T + dK @ Wk.T",
     "the path through the values is forgotten"),
    ("    S = np.where(mask, S, -1e9)\n", "", "the causal mask is forgotten"),
]
