"""Matrix factorisation with biases: a loop over the observed ratings; L2 on the factors."""

import numpy as np

R = [(0, 1, 4.0), (0, 3, 1.0), (1, 0, 5.0), (1, 1, 2.0), (2, 4, 3.0), (2, 2, 1.5),
     (3, 4, 4.5), (3, 0, 2.0), (3, 3, 3.5)]
mu = 2.9
lam = 0.2


def point(rng):
    return {
        "U": rng.normal(size=(4, 3)),
        "V": rng.normal(size=(5, 3)),
        "bu": rng.normal(size=4),
        "bv": rng.normal(size=5),
    }


def loss(U, V, bu, bv):
    L = 0.0
    for a, c, r in R:
        L = L + 0.5 * (r - mu - bu[a] - bv[c] - np.sum(U[a] * V[c])) ** 2
    return L + 0.5 * lam * (np.sum(U ** 2) + np.sum(V ** 2))


def derived(U, V, bu, bv):
    gU = np.zeros(U.shape)
    gV = np.zeros(V.shape)
    gbu = np.zeros(bu.shape)
    gbv = np.zeros(bv.shape)
    for a, c, r in R:
        pred = mu + bu[a] + bv[c]
        for k in range(3):
            pred += U[a, k] * V[c, k]
        e = r - pred
        for k in range(3):
            gU[a, k] += -e * V[c, k]
            gV[c, k] += -e * U[a, k]
        gbu[a] -= e
        gbv[c] -= e
    # regulariser, once for each row
    for a in range(4):
        gU[a] += lam * U[a]
    for c in range(5):
        gV[c] += lam * V[c]
    return {"U": gU, "V": gV, "bu": gbu, "bv": gbv}


MISTAKES = [
    ("gV[c, k] += -e * U[a, k]", "gV[c, k] += -e * V[c, k]", "the factor itself for the other one"),
    ("gU[a, k] += -e * V[c, k]", "gU[a, k] += e * V[c, k]", "the minus from r - pred is left out"),
    ("gU[a, k] += -e * V[c, k]", "gU[a, k] += -e * V[c, k] + lam * U[a, k]",
     "the penalty is counted once for each rating as well as for each row",
     ["gU[a] += lam * U[a]"]),
    ("gbv[c] -= e", "gbv[c] -= 2 * e", "the loss has a half: no factor 2"),
    ("for c in range(5):", "for c in range(4):", "the bound of the other loop: the last item is not penalised",
     ["gV[c] += lam * V[c]"]),
    ("pred = mu + bu[a] + bv[c]", "pred = bu[a] + bv[c]", "the mean rating is left out"),
    ("gbu[a] -= e", "gbu[a] = -e", "= for -=: only the last rating of a user counts"),
]
