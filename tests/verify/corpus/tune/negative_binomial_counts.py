"""Negative binomial regression with a log link and a learned dispersion; ridge on the slopes only.

The log-gamma difference is written as a sum: log G(y + r) - log G(r) = sum of log(r + j) for j < y.
"""

import numpy as np

rng = np.random.default_rng(909)
n, p = 8, 3
X = np.column_stack([np.ones(n), rng.normal(size=(n, p - 1))])
y = np.array([0, 3, 1, 5, 2, 0, 4, 1.0])
J = np.arange(5)
below = (J[None, :] < y[:, None]) * 1.0
tau = 0.1


def point(rng):
    return {"beta": 0.5 * rng.normal(size=p), "logr": 0.5 + 0.3 * rng.normal(size=1)}


def loss(beta, logr):
    mu = np.exp(X @ beta)
    r = np.exp(logr)
    ll = np.sum(below * np.log(r + J), axis=1) + r * np.log(r) + y * np.log(mu) - (r + y) * np.log(r + mu)
    return -np.mean(ll) + 0.5 * tau * np.sum(beta[1:] ** 2)


def derived(beta, logr):
    eta = X @ beta
    mu = np.exp(eta)
    r = float(np.exp(logr)[0])
    # score for eta: y - (r + y) mu / (r + mu) = r (y - mu) / (r + mu)
    u = r * (y - mu) / (r + mu)
    gb = -X.T @ u / n
    gb[1:] += tau * beta[1:]
    # score for r
    dig = np.array([sum(1 / (r + j) for j in range(int(k))) for k in y])
    dr = dig + np.log(r) + 1 - np.log(r + mu) - (r + y) / (r + mu)
    glogr = -np.mean(dr) * r
    return {"beta": gb, "logr": np.array([glogr])}


MISTAKES = [
    ("u = r * (y - mu) / (r + mu)\n", "u = y - mu\n", "the Poisson score: the dispersion's weight is lost"),
    ("dr = dig + np.log(r) + 1 - np.log(r + mu)", "dr = dig + np.log(r) - np.log(r + mu)", "the 1 from r log r is missing"),
    ("glogr = -np.mean(dr) * r", "glogr = -np.mean(dr)", "the chain through the logarithm is forgotten"),
    ("gb[1:] += tau * beta[1:]", "gb += tau * beta", "the intercept is penalised too"),
    ("gb = -X.T @ u / n", "gb = -X.T @ u", "the mean's 1/n is left out"),
    ("for j in range(int(k)))", "for j in range(1, int(k) + 1))", "off by one: the sum starts at j = 0"),
]
