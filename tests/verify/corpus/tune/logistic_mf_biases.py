"""Logistic matrix factorisation from observed (user, item, label) triples, biases, ridge."""

import numpy as np

_r = np.random.default_rng(314)
NU, NI, R, M = 5, 4, 2, 12
u = _r.integers(0, NU, M)
i = _r.integers(0, NI, M)
y = _r.integers(0, 2, M).astype(float)
lam, lamb = 0.3, 0.1


def point(rng):
    return {"P": rng.normal(size=(NU, R)), "Q": rng.normal(size=(NI, R)),
            "bu": rng.normal(size=NU), "bi": rng.normal(size=NI), "mu": rng.normal()}


def loss(P, Q, bu, bi, mu):
    s = mu + bu[u] + bi[i] + np.sum(P[u] * Q[i], axis=1)
    nll = np.mean(np.logaddexp(0, s) - y * s)
    return nll + lam / 2 * (np.sum(P ** 2) + np.sum(Q ** 2)) + lamb / 2 * (np.sum(bu ** 2) + np.sum(bi ** 2))


def sig(z):
    return 1 / (1 + np.exp(-z))


def scatter(idx, rows, like):
    """Sums rows by index."""
    res = np.zeros_like(like)
    np.add.at(res, idx, rows)
    return res


def derived(P, Q, bu, bi, mu):
    pu, qi = P[u], Q[i]
    s = (pu * qi).sum(1) + bu[u] + bi[i] + mu
    e = (sig(s) - y) / M
    gmu = e.sum()
    gbu = scatter(u, e, bu)
    gbi = scatter(i, e, bi)
    gpu = e[:, None] * qi
    gqi = e[:, None] * pu
    gP = scatter(u, gpu, P)
    gQ = scatter(i, gqi, Q)
    gP += lam * P
    gQ += lam * Q
    gbu += lamb * bu
    gbi += lamb * bi
    return {"P": gP, "Q": gQ, "bu": gbu, "bi": gbi, "mu": gmu}


MISTAKES = [
    ("    np.add.at(res, idx, rows)", "    res[idx] += rows", "a repeated index is counted only once"),
    ("e = (sig(s) - y) / M", "e = (sig(s) - y) / (NU * NI)", "the mean is over the observed triples, not over the whole matrix"),
    ("gqi = e[:, None] * pu", "gqi = e[:, None] * qi", "copied from the line above, the factor unchanged"),
    ("e = (sig(s) - y) / M", "e = (sig(s) - y) * sig(s) * (1 - sig(s)) / M", "the sigmoid's slope cancels in the logistic loss"),
    ("gbi += lamb * bi", "gbi += lam * bi", "the factors' ridge for the biases'"),
    ("gP += lam * P", "gP += lam * scatter(u, pu, P)", "the penalty is counted once a triple rather than once a user"),
]
