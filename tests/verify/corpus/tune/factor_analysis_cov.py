"""Factor analysis: Gaussian likelihood with covariance L L' + diag(exp(psi)) and a mean."""

import numpy as np

rng = np.random.default_rng(1313)
n, p, q = 8, 4, 2
X = rng.normal(size=(n, p)) @ (np.eye(p) + 0.4 * rng.normal(size=(p, p)))


def point(rng):
    return {"m": 0.5 * rng.normal(size=p), "L": rng.normal(size=(p, q)), "psi": 0.4 * rng.normal(size=p)}


def loss(m, L, psi):
    Sigma = L @ L.T + np.diag(np.exp(psi))
    R = X - m
    quad = np.sum(R * np.linalg.solve(Sigma, R.T).T)
    return 0.5 * n * np.linalg.slogdet(Sigma)[1] + 0.5 * quad


def derived(m, L, psi):
    C = L @ L.T + np.diag(np.exp(psi))
    Ci = np.linalg.inv(C)
    Xc = X - m
    S = Xc.T @ Xc / n                           # about m, not about the sample mean
    dC = 0.5 * n * (Ci - Ci @ S @ Ci)           # symmetric
    dL = 2 * dC @ L
    dpsi = np.diag(dC) * np.exp(psi)
    dm = -Ci @ Xc.sum(axis=0)
    return {"m": dm, "L": dL, "psi": dpsi}


MISTAKES = [
    ("dL = 2 * dC @ L", "dL = dC @ L", "L stands twice in L L': the factor of 2 is lost"),
    ("dC = 0.5 * n * (Ci - Ci @ S @ Ci)", "dC = 0.5 * n * (Ci - S)", "the inverse's differential is skipped"),
    ("dC = 0.5 * n * (Ci - Ci @ S @ Ci)", "dC = -0.5 * n * Ci @ S @ Ci", "the log-determinant's term is missing"),
    ("dpsi = np.diag(dC) * np.exp(psi)", "dpsi = np.diag(dC)", "the chain through the exponential is forgotten"),
    ("dm = -Ci @ Xc.sum(axis=0)", "dm = -Ci @ Xc.mean(axis=0)", "a mean for the sum over samples"),
    ("S = Xc.T @ Xc / n  ", "S = np.cov(X.T)    ", "the covariance about the sample mean, with n - 1"),
]
