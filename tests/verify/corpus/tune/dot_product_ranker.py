"""Bayesian personalised ranking with embeddings; triples of user, liked item, other item."""

import numpy as np

triples = np.array([[0, 1, 3], [0, 2, 3], [1, 0, 2], [2, 3, 0], [2, 1, 0]])
lam = 0.05


def point(rng):
    return {"P": rng.normal(size=(3, 4)), "Q": rng.normal(size=(4, 4)), "bias": 0.3 * rng.normal(size=4)}


def loss(P, Q, bias):
    u, i, j = triples[:, 0], triples[:, 1], triples[:, 2]
    diff = np.sum(P[u] * (Q[i] - Q[j]), axis=1) + bias[i] - bias[j]
    nll = np.mean(np.log(1 + np.exp(-diff)))
    return nll + lam * (np.sum(P ** 2) + np.sum(Q ** 2))


def derived(P, Q, bias):
    u, i, j = triples.T
    n = len(triples)
    x = (P[u] * (Q[i] - Q[j])).sum(1) + bias[i] - bias[j]
    g = -1 / (1 + np.exp(x)) / n
    dP = np.zeros_like(P)
    dQ = np.zeros_like(Q)
    db = np.zeros_like(bias)
    np.add.at(dP, u, g[:, None] * (Q[i] - Q[j]))
    np.add.at(dQ, i, g[:, None] * P[u])
    np.add.at(dQ, j, -g[:, None] * P[u])
    np.add.at(db, i, g)
    np.subtract.at(db, j, g)
    dP += 2 * lam * P
    dQ += 2 * lam * Q
    return {"P": dP, "Q": dQ, "bias": db}


MISTAKES = [
    ("np.add.at(dP, u, g[:, None] * (Q[i] - Q[j]))", "dP[u] += g[:, None] * (Q[i] - Q[j])", "indices that occur twice are added once"),
    ("np.add.at(dQ, j, -g[:, None] * P[u])", "np.add.at(dQ, j, g[:, None] * P[u])", "the sign of the other item"),
    ("    np.add.at(dQ, j, -g[:, None] * P[u])\n", "", "the other item's gradient is left out", ["np.add.at(db, i, g)", "np.add.at(dQ, i, g[:, None] * P[u])"]),
    ("g = -1 / (1 + np.exp(x)) / n", "g = 1 / (1 + np.exp(x)) / n", "the sign of the log-sigmoid"),
    ("np.add.at(dP, u, g[:, None] * (Q[i] - Q[j]))", "np.add.at(dP, u, g[:, None] * Q[i])", "the other item is left out"),
    ("dQ += 2 * lam * Q", "dQ += 2 * lam * P[u].sum()", "a wrong array in the penalty"),
    ("np.add.at(db, i, g)", "np.add.at(db, i, x)", "the score and not its gradient"),
    ("    dP += 2 * lam * P\n", "", "the penalty on P is left out", ["np.subtract.at(db, j, g)", "dQ += 2 * lam * Q"]),
]
