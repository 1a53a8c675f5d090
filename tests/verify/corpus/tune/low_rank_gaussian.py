"""Gaussian likelihood with covariance diag(D) + V V^T, by the Woodbury identity; rows are observations."""

import numpy as np

rng = np.random.default_rng(407)
n, p, q = 7, 4, 2
X = rng.normal(size=(n, p)) * np.array([1.0, 1.5, 0.7, 1.2]) + 0.3


def point(rng):
    return {"mu": rng.normal(size=p), "D": rng.uniform(0.6, 1.8, size=p), "V": rng.normal(size=(p, q))}


def loss(mu, D, V):
    Sigma = np.diag(D) + V @ V.T
    dev = X - mu
    return 0.5 * np.linalg.slogdet(Sigma)[1] + 0.5 * np.sum(dev * (dev @ np.linalg.inv(Sigma))) / n


def derived(mu, D, V):
    # log|Sigma| = sum log D + log|M|,  r'Sigma^{-1}r = r'Cr - w'M^{-1}w,  w = V'Cr
    C = 1 / D
    R = X - mu
    RC = R * C
    W = RC @ V
    M = np.eye(q) + V.T @ (C[:, None] * V)
    K = np.linalg.inv(M)
    Z = W @ K

    M_bar = 0.5 * K + 0.5 * Z.T @ Z / n
    W_bar = -Z / n
    VM = V @ M_bar
    V_bar = RC.T @ W_bar + 2 * C[:, None] * VM
    RC_bar = W_bar @ V.T + 0.5 * R / n
    R_bar = RC_bar * C + 0.5 * RC / n
    C_bar = (RC_bar * R).sum(axis=0) + (V * VM).sum(axis=1)
    D_bar = 0.5 / D - C_bar * C ** 2
    mu_bar = -R_bar.sum(axis=0)
    return {"mu": mu_bar, "D": D_bar, "V": V_bar}


MISTAKES = [
    ("M_bar = 0.5 * K + 0.5 * Z.T @ Z / n", "M_bar = 0.5 * K - 0.5 * Z.T @ Z / n",
     "the sign: the minus of the inverse's derivative is not counted"),
    ("M_bar = 0.5 * K + 0.5 * Z.T @ Z / n", "M_bar = 0.5 * Z.T @ Z / n", "the determinant of M is forgotten"),
    ("W_bar = -Z / n", "W_bar = -0.5 * Z / n", "only one of the two factors w in the quadratic form"),
    ("V_bar = RC.T @ W_bar + 2 * C[:, None] * VM", "V_bar = RC.T @ W_bar + C[:, None] * VM",
     "V occurs twice in V'CV, once is counted"),
    ("C_bar = (RC_bar * R).sum(axis=0) + (V * VM).sum(axis=1)", "C_bar = (RC_bar * R).sum(axis=0)",
     "the dependence of M on C is forgotten"),
    ("D_bar = 0.5 / D - C_bar * C ** 2", "D_bar = 0.5 / D - C_bar * C", "the derivative of 1/D lacks its square"),
]
