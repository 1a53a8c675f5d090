"""Gaussian log-likelihood of a sample: mean and precision matrix, with a weak prior on both."""

import numpy as np

gen = np.random.default_rng(41)
X = gen.normal(size=(7, 3)) @ np.diag([1.0, 0.6, 1.7]) + np.array([0.4, -0.8, 0.2])
N, d = X.shape
kappa, nu = 0.3, 0.7


def point(rng):
    A = rng.normal(size=(3, 3))
    Lam = 1.5 * np.eye(3) + 0.3 * A @ A.T + 0.2 * rng.normal(size=(3, 3))
    return {"mu": rng.normal(size=3), "Lam": Lam}


def loss(mu, Lam):
    D = X - mu
    quad = np.einsum("ni,ij,nj->", D, Lam, D)
    _, logdet = np.linalg.slogdet(Lam)
    nll = 0.5 * (quad - N * logdet + N * d * np.log(2 * np.pi))
    return nll + 0.5 * kappa * mu @ mu + 0.5 * nu * np.trace(Lam)


def derived(mu, Lam):
    # d(x' A x)/dA = x x',  d log det A / dA = A^{-T};  Lam is not taken to be symmetric
    delta = X - mu
    S = np.einsum("ni,nj->ij", delta, delta)
    s = np.einsum("ni->i", delta)
    Sigma = np.linalg.inv(Lam)
    dmu = -0.5 * (Lam + Lam.T) @ s + kappa * mu
    dLam = 0.5 * (S - N * Sigma.T)
    dLam += 0.5 * nu * np.eye(d)
    return {"mu": dmu, "Lam": dLam}


MISTAKES = [
    ("dLam = 0.5 * (S - N * Sigma.T)", "dLam = 0.5 * (S - N * Sigma)",
     "the log determinant's inverse is not transposed"),
    ("dmu = -0.5 * (Lam + Lam.T) @ s + kappa * mu", "dmu = -Lam @ s + kappa * mu",
     "the precision matrix is taken to be symmetric"),
    ("dmu = -0.5 * (Lam + Lam.T) @ s + kappa * mu", "dmu = 0.5 * (Lam + Lam.T) @ s + kappa * mu",
     "the inner derivative -1 of x - mu is left out"),
    ("dLam = 0.5 * (S - N * Sigma.T)", "dLam = 0.5 * (S - Sigma.T)",
     "the log determinant is counted once and not for each sample"),
    ('S = np.einsum("ni,nj->ij", delta, delta)', "S = np.cov(X.T, bias=True) * N",
     "the scatter is taken round the sample's mean and not round mu"),
    ("Sigma = np.linalg.inv(Lam)", "Sigma = Lam", "the inverse is left out",
     ["dLam = 0.5 * (S - N * Sigma.T)"]),
    ("dLam += 0.5 * nu * np.eye(d)", "dLam += 0.5 * nu * np.ones((d, d))",
     "the trace's derivative is a matrix of ones and not the identity"),
]
