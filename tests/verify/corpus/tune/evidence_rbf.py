"""Evidence of Bayesian linear regression with radial features; letters as in the textbook, log parameters."""

import numpy as np

rng = np.random.default_rng(2006)
N, M = 9, 4
x = np.linspace(-2, 2, N)
t = np.sin(2 * x) + 0.2 * rng.normal(size=N)


def point(rng):
    return {"logs": np.array([0.1, 1.0]) + 0.3 * rng.normal(size=2),      # log alpha, log beta
            "c": np.linspace(-1.5, 1.5, M) + 0.3 * rng.normal(size=M),    # centres
            "w": 0.2 * rng.normal(size=M)}                                # log widths


def loss(logs, c, w):
    a, b = np.exp(logs)
    Phi = np.exp(-(x[:, None] - c) ** 2 / (2 * np.exp(2 * w)))
    Sigma = np.eye(N) / b + Phi @ Phi.T / a
    return 0.5 * (N * np.log(2 * np.pi) + np.linalg.slogdet(Sigma)[1] + t @ np.linalg.solve(Sigma, t))


def derived(logs, c, w):
    a, b = np.exp(logs[0]), np.exp(logs[1])
    r2 = np.exp(2 * w)
    D = x[:, None] - c[None, :]
    Phi = np.exp(-D ** 2 / (2 * r2))
    A = a * np.eye(M) + b * Phi.T @ Phi
    S = np.linalg.inv(A)
    m = b * S @ Phi.T @ t
    e = t - Phi @ m
    # ln p = M/2 ln a + N/2 ln b - b/2 |e|^2 - a/2 |m|^2 - 1/2 ln|A|; m is the minimum, so it does not move at first order
    da = M / (2 * a) - m @ m / 2 - np.trace(S) / 2
    db = N / (2 * b) - e @ e / 2 - np.trace(S @ Phi.T @ Phi) / 2
    dPhi = b * np.outer(e, m) - b * Phi @ S
    dc = np.sum(dPhi * Phi * D / r2, axis=0)
    dw = np.sum(dPhi * Phi * D ** 2 / r2, axis=0)
    return {"logs": -np.array([a * da, b * db]), "c": -dc, "w": -dw}


MISTAKES = [
    ("m = b * S @ Phi.T @ t", "m = S @ Phi.T @ t", "beta is left out of the posterior mean"),
    ("da = M / (2 * a) - m @ m / 2 - np.trace(S) / 2", "da = M / (2 * a) - m @ m / 2", "ln|A| depends on alpha too"),
    ("db = N / (2 * b) - e @ e / 2 - np.trace(S @ Phi.T @ Phi) / 2", "db = M / (2 * b) - e @ e / 2 - np.trace(S @ Phi.T @ Phi) / 2", "M copied from the line above; it should be N"),
    ("dPhi = b * np.outer(e, m) - b * Phi @ S", "dPhi = b * np.outer(e, m) - b * Phi @ S / 2", "the derivative of Phi'Phi has two equal parts"),
    ("dw = np.sum(dPhi * Phi * D ** 2 / r2, axis=0)", "dw = np.sum(dPhi * Phi * D ** 2 / (r2 * np.sqrt(r2)), axis=0)", "the derivative by the width, not by its logarithm"),
    ('"logs": -np.array([a * da, b * db])', '"logs": -np.array([da, db])', "the chain rule of the logarithms is left out"),
]
