"""Cross attention from a short query sequence to a memory; columns are positions."""

import numpy as np

rs = np.random.default_rng(606)
d, S, T = 3, 5, 4
M = rs.normal(size=(d, S))      # memory
X = rs.normal(size=(d, T))      # queries
Y = rs.normal(size=(d, T))


def point(rng):
    return {"A": rng.normal(size=(d, d)), "C": rng.normal(size=(d, d)), "G": rng.normal(size=(d, d)), "b": rng.normal(size=(d, 1))}


def loss(A, C, G, b):
    # scores[s, t]: memory position s for query t
    scores = (A @ M).T @ (C @ X) / np.sqrt(3)
    w = np.exp(scores)
    w = w / np.sum(w, axis=0)
    out = np.tanh((G @ M) @ w + b) + X
    return np.sum((out - Y) ** 2) / (2 * T)


def derived(A, C, G, b):
    Km, Q, V = A @ M, C @ X, G @ M
    Z = Km.T @ Q / np.sqrt(d)
    P = np.exp(Z - Z.max(0))
    P /= P.sum(0)
    O = np.tanh(V @ P + b)
    # back
    dU = (O + X - Y) / T * (1 - O ** 2)
    db = dU.sum(1, keepdims=True)
    dV = dU @ P.T
    dP = V.T @ dU
    # softmax down each column, Jacobian written out
    dZ = np.zeros((S, T))
    for t in range(T):
        p = P[:, t]
        dZ[:, t] = (np.diag(p) - np.outer(p, p)) @ dP[:, t]
    dZ /= np.sqrt(d)
    dKm = Q @ dZ.T
    dQ = Km @ dZ
    return {"A": dKm @ M.T, "C": dQ @ X.T, "G": dV @ M.T, "b": db}


MISTAKES = [
    ("dZ[:, t] = (np.diag(p) - np.outer(p, p)) @ dP[:, t]", "dZ[:, t] = np.diag(p - p ** 2) @ dP[:, t]", "only the diagonal of the Jacobian"),
    ("    dZ /= np.sqrt(d)\n", "", "the scale of the scores is forgotten", ["dKm = Q @ dZ.T", "dQ = Km @ dZ", "dZ[:, t] = (np.diag(p) - np.outer(p, p)) @ dP[:, t]"]),
    ("dU = (O + X - Y) / T * (1 - O ** 2)", "dU = (O - Y) / T * (1 - O ** 2)", "the residual connection is left out of the error"),
    ("dKm = Q @ dZ.T", "dKm = X @ dZ.T", "the queries before their projection"),
    ("dP = V.T @ dU", "dP = Km.T @ dU", "the keys for the values"),
    ('"C": dQ @ X.T', '"C": X @ dQ.T', "the operands change places: the transpose of the gradient"),
]
