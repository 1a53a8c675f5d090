"""Gaussian process, RBF kernel: negative log marginal likelihood in the log hyperparameters."""

import numpy as np

rng = np.random.default_rng(5)
x = np.sort(rng.uniform(-2, 2, size=6))
y = np.sin(2 * x) + 0.2 * rng.normal(size=6)
n = len(x)
D2 = (x[:, None] - x[None, :]) ** 2


def point(rng):
    return {"log_ell": np.array(0.2 * rng.normal() - 0.3),
            "log_sf": np.array(0.2 * rng.normal() + 0.1),
            "log_sn": np.array(0.2 * rng.normal() - 0.9)}


def loss(log_ell, log_sf, log_sn):
    K = np.exp(2 * log_sf) * np.exp(-0.5 * D2 * np.exp(-2 * log_ell))
    Ky = K + np.exp(2 * log_sn) * np.eye(n)
    logdet = np.linalg.slogdet(Ky)[1]
    return 0.5 * y @ np.linalg.solve(Ky, y) + 0.5 * logdet + 0.5 * n * np.log(2 * np.pi)


def derived(log_ell, log_sf, log_sn):
    ell = np.exp(log_ell)
    sf2, sn2 = np.exp(2 * log_sf), np.exp(2 * log_sn)
    Kf = sf2 * np.exp(-0.5 * D2 / ell ** 2)
    Kinv = np.linalg.inv(Kf + sn2 * np.eye(n))
    alpha = Kinv @ y
    # dL/dtheta = 1/2 tr[(K^-1 - alpha alpha') dK/dtheta]
    Q = 0.5 * (Kinv - np.outer(alpha, alpha))
    dK_ell = Kf * D2 / ell ** 2
    dK_sf = 2 * Kf
    dK_sn = 2 * sn2 * np.eye(n)
    return {"log_ell": np.trace(Q @ dK_ell),
            "log_sf": np.trace(Q @ dK_sf),
            "log_sn": np.trace(Q @ dK_sn)}


MISTAKES = [
    ("Q = 0.5 * (Kinv - np.outer(alpha, alpha))", "Q = 0.5 * (Kinv + np.outer(alpha, alpha))",
     "the sign of the quadratic term: d(K^-1) = -K^-1 dK K^-1"),
    ("Q = 0.5 * (Kinv - np.outer(alpha, alpha))", "Q = 0.5 * (Kinv - np.outer(y, alpha))",
     "one of the two inverses in the quadratic term is left out"),
    ("dK_ell = Kf * D2 / ell ** 2", "dK_ell = Kf * D2 / ell ** 3",
     "the derivative by the length scale and not by its log"),
    ("dK_ell = Kf * D2 / ell ** 2", "dK_ell = 0.5 * Kf * D2 / ell ** 2",
     "the exponent 2 of the length scale is left out of the derivative"),
    ("dK_sn = 2 * sn2 * np.eye(n)", "dK_sn = sn2 * np.eye(n)",
     "the factor 2 of the log standard deviation is left out"),
    ("Kinv = np.linalg.inv(Kf + sn2 * np.eye(n))",
     "Kinv = np.linalg.inv(Kf + np.exp(log_sn) * np.eye(n))",
     "the noise's standard deviation stands on the diagonal in place of its variance"),
    ("dK_sf = 2 * Kf", "dK_sf = 2 * (Kf + sn2 * np.eye(n))",
     "the noise is scaled with the signal's variance"),
]
