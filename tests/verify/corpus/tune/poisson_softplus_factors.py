"""Poisson matrix factorisation: softplus factors, exposures, a background and a gamma prior; entry by entry."""

import numpy as np

r = np.random.default_rng(303)
N, M, K = 5, 4, 2
expo = r.uniform(0.5, 2.0, size=N)
Y = r.poisson(2.0, size=(N, M)).astype(float)
SHAPE, RATE = 1.7, 0.4


def point(rng):
    return {"A": rng.normal(size=(N, K)), "B": rng.normal(size=(M, K)), "c": rng.normal(size=M)}


def loss(A, B, c):
    theta = np.log1p(np.exp(A))
    beta = np.log1p(np.exp(B))
    rate = expo[:, None] * (theta @ beta.T) + np.log1p(np.exp(c))
    prior = np.sum(RATE * theta - (SHAPE - 1) * np.log(theta))
    return np.mean(rate - Y * np.log(rate)) + prior / N


def derived(A, B, c):
    th, be, bg = np.logaddexp(0, A), np.logaddexp(0, B), np.logaddexp(0, c)
    dth = np.zeros((N, K))
    dbe = np.zeros((M, K))
    dbg = np.zeros(M)
    for i in range(N):
        for j in range(M):
            mu = expo[i] * np.dot(th[i], be[j]) + bg[j]
            e = (1 - Y[i, j] / mu) / (N * M)
            dbg[j] += e
            for k in range(K):
                dth[i, k] += e * expo[i] * be[j, k]
                dbe[j, k] += e * expo[i] * th[i, k]
    dth += (RATE - (SHAPE - 1) / th) / N
    dA = dth / (1 + np.exp(-A))
    dB = dbe / (1 + np.exp(-B))
    dc = dbg / (1 + np.exp(-c))
    return {"A": dA, "B": dB, "c": dc}


MISTAKES = [
    ("e = (1 - Y[i, j] / mu) / (N * M)", "e = (mu - Y[i, j]) / (N * M)", "the formula of the log link, from memory"),
    ("dbe[j, k] += e * expo[i] * th[i, k]", "dbe[j, k] += e * th[i, k]", "the exposure is forgotten for the items"),
    ("dbg[j] += e\n", "dbg[j] += e * expo[i]\n", "the background has no exposure"),
    ("dth[i, k] += e", "dth[i, k] = e", "overwritten by every item"),
    ("dA = dth / (1 + np.exp(-A))", "dA = dth / (1 + np.exp(-th))", "softplus' derivative at its output"),
    ("(SHAPE - 1) / th) / N", "(SHAPE - 1) / A) / N", "the log of the prior is of theta, not of the raw parameter"),
]
