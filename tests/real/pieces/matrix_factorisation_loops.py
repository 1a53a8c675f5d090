"""Matrix factorisation with biases over observed entries; loss and gradients in one loop."""

import numpy as np


def mf_cost(P, Q, bu, bi, ratings, mu, lam):
    dP, dQ = np.zeros_like(P), np.zeros_like(Q)
    dbu, dbi = np.zeros_like(bu), np.zeros_like(bi)
    cost = 0.0
    for u, i, r in ratings:
        pred = mu + bu[u] + bi[i] + P[u, :].dot(Q[:, i])
        e = r - pred
        cost += e ** 2 + lam * (np.sum(P[u, :] ** 2) + np.sum(Q[:, i] ** 2) + bu[u] ** 2 + bi[i] ** 2)
        dP[u, :] += -2 * e * Q[:, i] + 2 * lam * P[u, :]
        dQ[:, i] += -2 * e * P[u, :] + 2 * lam * Q[:, i]
        dbu[u] += -2 * e + 2 * lam * bu[u]
        dbi[i] += -2 * e + 2 * lam * bi[i]
    return cost, (dP, dQ, dbu, dbi)


ratings = [(0, 1, 4.0), (0, 2, 3.0), (1, 0, 5.0), (2, 1, 1.0), (3, 3, 2.0), (2, 2, 4.0), (1, 3, 3.5)]
rng = np.random.default_rng(41)
P, Q, bu, bi = rng.normal(size=(4, 2)), rng.normal(size=(2, 4)), rng.normal(size=4), rng.normal(size=4)
mu, lam = np.mean([r for _, _, r in ratings]), 0.1


def plain():
    arrays = {"P": P, "Q": Q, "bu": bu, "bi": bi}
    return (lambda: mf_cost(P, Q, bu, bi, ratings, mu, lam)[0], arrays,
            dict(zip(arrays, mf_cost(P, Q, bu, bi, ratings, mu, lam)[1])))


TABLE = {
    "style": "loss and gradients",
    "glue": "f = lambda P, Q, bu, bi: mf_cost(P, Q, bu, bi, ratings, mu, lam)\n"
            "tg.verify.check_derivation(f, P=P, Q=Q, bu=bu, bi=bi)",
    "verdict": "right",
    "stores": "P[u, :].dot(Q[:, i]); dP[u, :] += ... in the gradients",
    "says": "the gradients are a tuple in the order of the parameters",
    "mistakes": [
        ("dQ[:, i] += -2 * e * P[u, :] + 2 * lam * Q[:, i]", "dQ[:, i] += -2 * e * P[u, :] - 2 * lam * Q[:, i]",
         "the decay of Q has the wrong sign"),
        ("dbu[u] += -2 * e + 2 * lam * bu[u]", "dbu[u] += -2 * e", "the decay is left out for one bias"),
        ("dP[u, :] += -2 * e", "dP[u, :] = -2 * e", "a user's ratings overwrite each other"),
    ],
}
