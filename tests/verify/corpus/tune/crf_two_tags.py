"""A chain with forward recursion in the log domain: log partition minus the score of the tags."""

import numpy as np

rng = np.random.default_rng(101)
T, K = 4, 3
tags = np.array([0, 2, 1, 1])


def point(rng):
    return {"E": rng.normal(size=(T, K)), "A": 0.7 * rng.normal(size=(K, K))}


def loss(E, A):
    alpha = E[0]
    for t in range(1, T):
        s = alpha[:, None] + A
        m = np.max(s, axis=0)
        alpha = E[t] + m + np.log(np.sum(np.exp(s - m), axis=0))
    logz = np.log(np.sum(np.exp(alpha)))
    gold = np.sum(E[np.arange(T), tags]) + np.sum(A[tags[:-1], tags[1:]])
    return logz - gold


def derived(E, A):
    alphas = [np.exp(E[0])]
    M = np.exp(A)
    for t in range(1, T):
        alphas.append(np.exp(E[t]) * (alphas[-1] @ M))
    Z = alphas[-1].sum()
    beta = np.ones(K)
    dE = np.zeros((T, K))
    dA = np.zeros((K, K))
    for t in range(T - 1, -1, -1):
        dE[t] = alphas[t] * beta / Z
        if t > 0:
            w = np.exp(E[t]) * beta
            dA += np.outer(alphas[t - 1], w) * M / Z
            beta = M @ w
    dE[np.arange(T), tags] -= 1
    for i, j in zip(tags[:-1], tags[1:]):
        dA[i, j] -= 1
    return {"E": dE, "A": dA}


MISTAKES = [
    ("beta = M @ w", "beta = M.T @ w", "the matrix is transposed"),
    ("dA += np.outer(alphas[t - 1], w) * M / Z", "dA += np.outer(alphas[t], w) * M / Z", "the step's own forward message"),
    ("dA += np.outer(alphas[t - 1], w) * M / Z", "dA += np.outer(alphas[t - 1], w) / Z", "the transition's weight is left out"),
    ("    dE[np.arange(T), tags] -= 1\n", "", "the gold tags are left out", ["for i, j in zip(tags[:-1], tags[1:]):"]),
    ("dA[i, j] -= 1", "dA[j, i] -= 1", "from and to are exchanged"),
    ("w = np.exp(E[t]) * beta", "w = beta", "the emission is left out of the backward message"),
    ("dE[t] = alphas[t] * beta / Z", "dE[t] = alphas[t] / Z", "the backward message is left out"),
]
