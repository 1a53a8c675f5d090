"""Poisson regression of counts with an exposure (offset), a random effect for each group."""

import numpy as np

rng = np.random.default_rng(61)
n, d, J = 9, 3, 4
X = rng.normal(size=(n, d))
group = np.array([0, 2, 1, 3, 2, 0, 1, 2, 0])
exposure = rng.uniform(0.5, 3.0, size=n)
y = np.array([0.0, 3, 1, 0, 5, 2, 1, 4, 2])


def point(rng):
    return {"beta": 0.5 * rng.normal(size=d), "alpha": 0.5 * rng.normal(size=J),
            "log_tau": 0.3 * rng.normal(size=1)}


def loss(beta, alpha, log_tau):
    eta = X @ beta + alpha[group] + np.log(exposure)
    nll = np.mean(np.exp(eta) - y * eta)
    prior = 0.5 * np.exp(log_tau) * np.sum(alpha ** 2) - 0.5 * J * log_tau
    return nll + prior.sum()


def derived(beta, alpha, log_tau):
    tau = np.exp(log_tau)
    log_rate = np.einsum("ij,j->i", X, beta) + alpha[group]
    mu = exposure * np.exp(log_rate)
    score = (mu - y) / n                     # canonical link: dL/d eta
    dbeta = np.einsum("i,ij->j", score, X)
    dalpha = tau * alpha
    np.add.at(dalpha, group, score)
    dlog_tau = 0.5 * tau * np.dot(alpha, alpha) - 0.5 * J
    return {"beta": dbeta, "alpha": dalpha, "log_tau": dlog_tau}


MISTAKES = [
    ("mu = exposure * np.exp(log_rate)", "mu = np.exp(log_rate)", "the exposure is left out",
     ["log_rate = np.einsum(", "score = (mu - y) / n"]),
    ("mu = exposure * np.exp(log_rate)", "mu = np.exp(log_rate + exposure)",
     "the offset is the exposure and not its log"),
    ("score = (mu - y) / n ", "score = (log_rate - y) / n ",
     "the linear predictor in place of the mean"),
    ("score = (mu - y) / n ", "score = mu * (mu - y) / n ",
     "the link's derivative, which has cancelled, is multiplied in"),
    ("np.add.at(dalpha, group, score)", "dalpha[group] += score",
     "a group that occurs often gets its last sample only"),
    ("dalpha = tau * alpha", "dalpha = log_tau * alpha",
     "the log precision in place of the precision"),
    ("0.5 * tau * np.dot(alpha, alpha) - 0.5 * J",
     "0.5 * tau * np.dot(alpha, alpha) - 0.5 / tau * J",
     "the log precision's term is derived by the precision"),
]
