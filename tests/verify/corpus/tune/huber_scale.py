"""Huber regression with a concomitant scale; psi is the clipped residual."""

import numpy as np

rng = np.random.default_rng(7)
X = rng.normal(size=(10, 3))
noise = np.array([0.1, -0.2, 6.0, 0.3, -0.4, 0.2, -5.0, 0.1, 4.0, -0.3])
y = X @ np.array([1.0, -2.0, 0.5]) + 0.3 + noise
n, d = X.shape
delta, lam = 1.3, 0.15


def point(rng):
    return {"beta": np.array([0.8, -1.6, 0.2]) + 0.3 * rng.normal(size=3),
            "beta0": 0.3 * rng.normal(size=1), "rho": 0.1 * rng.normal(size=1)}


def loss(beta, beta0, rho):
    z = (y - X @ beta - beta0) / np.exp(rho)
    u = np.abs(z)
    huber = np.where(u <= delta, 0.5 * z ** 2, delta * u - 0.5 * delta ** 2)
    return np.mean(huber) + np.sum(rho) + 0.5 * lam * beta @ beta


def derived(beta, beta0, rho):
    sigma = np.exp(rho)
    eps = (y - beta0 - np.einsum("ij,j->i", X, beta)) / sigma
    psi = eps.copy()
    far = np.abs(eps) > delta
    psi[far] = delta * np.sign(eps[far])
    g = -psi / (n * sigma)                   # dL/d(prediction)
    dbeta = np.einsum("i,ij->j", g, X) + lam * beta
    dbeta0 = np.array([g.sum()])
    # d eps / d rho = -eps
    drho = np.array([1.0 - psi @ eps / n])
    return {"beta": dbeta, "beta0": dbeta0, "rho": drho}


MISTAKES = [
    ("psi[far] = delta * np.sign(eps[far])", "psi[far] = np.sign(eps[far])",
     "delta is left out of the linear part's slope"),
    ("psi[far] = delta * np.sign(eps[far])", "psi[far] = delta",
     "the sign of the residual is left out of the linear part"),
    ("far = np.abs(eps) > delta", "far = eps > delta",
     "large negative residuals are taken for small ones"),
    ("g = -psi / (n * sigma)", "g = psi / (n * sigma)",
     "the residual is y - f: the sign is turned round"),
    ("g = -psi / (n * sigma)", "g = -psi / n", "the inner derivative 1/sigma is left out"),
    ("drho = np.array([1.0 - psi @ eps / n])", "drho = np.array([1.0 - psi @ psi / n])",
     "the clipped residual twice: right for the quadratic part only"),
    ("dbeta = np.einsum(\"i,ij->j\", g, X) + lam * beta",
     "dbeta = np.einsum(\"i,ij->j\", g, X) + 2 * lam * beta",
     "the half before the penalty is forgotten"),
]
