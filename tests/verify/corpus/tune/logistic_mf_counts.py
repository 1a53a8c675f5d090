"""Logistic matrix factorisation of play counts with biases and two L2 strengths; dense matrices, long formulas."""

import numpy as np

rng = np.random.default_rng(1234)
n, k = 5, 3                      # as many users as items
R = rng.poisson(0.9, size=(n, n)).astype(float)
conf, lf, lb = 2.0, 0.08, 0.3


def point(rng):
    return {"U": rng.normal(size=(n, k)), "V": rng.normal(size=(n, k)), "bu": rng.normal(size=n), "bi": rng.normal(size=n)}


def loss(U, V, bu, bi):
    S = U @ V.T + bu[:, None] + bi[None, :]
    nll = np.mean((1 + conf * R) * np.logaddexp(0, S) - conf * R * S)
    return nll + 0.5 * lf * (np.sum(U ** 2) + np.sum(V ** 2)) + 0.5 * lb * (np.sum(bu ** 2) + np.sum(bi ** 2))


def derived(U, V, bu, bi):
    P = 1 / (1 + np.exp(-(U @ V.T + bu[:, None] + bi[None, :])))
    G = ((1 + conf * R) * P - conf * R) / R.size
    gU, gV = G @ V + lf * U, G.T @ U + lf * V
    gbu = G.sum(axis=1) + lb * bu
    gbi = G.sum(axis=0) + lb * bi
    return {"U": gU, "V": gV, "bu": gbu, "bi": gbi}


MISTAKES = [
    ("G = ((1 + conf * R) * P - conf * R) / R.size", "G = (P - conf * R) / R.size", "as for plain logistic regression: the weight of P is left out"),
    ("G = ((1 + conf * R) * P - conf * R) / R.size", "G = ((1 + conf * R) * P - conf * R) / n", "the mean is over the users only"),
    ("P = 1 / (1 + np.exp(-(U @ V.T + bu[:, None] + bi[None, :])))", "P = 1 / (1 + np.exp(-(U @ V.T + bu + bi)))", "the users' biases run along the items"),
    ("gU, gV = G @ V + lf * U, G.T @ U + lf * V", "gU, gV = G @ V + lf * U, G @ U + lf * V", "the transpose is left out for the items"),
    ("gbu = G.sum(axis=1) + lb * bu", "gbu = G.sum(axis=1) + lf * bu", "the factors' strength on the bias"),
    ("gbi = G.sum(axis=0) + lb * bi", "gbi = G.sum(axis=1) + lb * bi", "copied from the users, the axis not changed"),
]
