"""Additive regression: a polynomial in one feature, a cubic spline with free knots in the other.

Normal noise with a learned level; the spline's curvature and the polynomial's second differences are punished.
"""

import numpy as np

g = np.random.default_rng(606)
n = 9
x1, x2 = g.uniform(-1, 1, size=n), g.uniform(0, 2, size=n)
y = np.sin(2 * x1) + x2 ** 2 + 0.2 * g.normal(size=n)
V = np.vander(x1, 5, increasing=True)
grid = np.linspace(0.05, 1.95, 6)
D2 = np.diff(np.eye(5), 2, axis=0)
LAM, MU = 0.02, 0.1


def point(rng):
    return {"alpha": rng.normal(size=5), "c": rng.normal(size=4), "knots": rng.uniform(0, 1.5, size=4),
            "log_noise": 0.3 * rng.normal(size=1)}


def loss(alpha, c, knots, log_noise):
    fit = V @ alpha + np.maximum(x2[:, None] - knots, 0) ** 3 @ c
    second = np.maximum(grid[:, None] - knots, 0) @ (6 * c)
    nll = np.mean((y - fit) ** 2) / 2 * np.exp(-2 * log_noise[0]) + log_noise[0]
    return nll + LAM * np.mean(second ** 2) + MU * np.sum((D2 @ alpha) ** 2)


def derived(alpha, c, knots, log_noise):
    U, G = np.maximum(x2[:, None] - knots, 0), np.maximum(grid[:, None] - knots, 0)
    prec = np.exp(-2 * log_noise)
    res = V @ alpha + U ** 3 @ c - y
    curv = 6 * G @ c
    d_fit = prec * res / n
    d_curv = 2 * LAM * curv / len(grid)
    d_alpha = V.T @ d_fit + 2 * MU * D2.T @ D2 @ alpha
    d_c = (U ** 3).T @ d_fit + 6 * G.T @ d_curv
    d_knots = -c * (3 * (U ** 2).T @ d_fit + 6 * (G > 0).T @ d_curv)
    d_log_noise = 1 - prec * np.mean(res ** 2)
    return {"alpha": d_alpha, "c": d_c, "knots": d_knots, "log_noise": d_log_noise}


MISTAKES = [
    ("d_fit = prec * res / n", "d_fit = res / n", "the noise level is forgotten in the residual's gradient"),
    ("d_curv = 2 * LAM * curv / len(grid)", "d_curv = 2 * LAM * curv / n", "the mean over the grid, not over the samples"),
    ("d_knots = -c * (3 * (U ** 2).T @ d_fit + 6 * (G > 0).T @ d_curv)", "d_knots = -c * (3 * (U ** 2).T @ d_fit)", "the curvature depends on the knots as well"),
    ("d_knots = -c * (3 * (U ** 2).T @ d_fit + 6 * (G > 0).T @ d_curv)", "d_knots = -c * (3 * (U ** 2).T @ d_fit + 6 * G.T @ d_curv)", "the hinge instead of its derivative"),
    ("2 * MU * D2.T @ D2 @ alpha", "2 * MU * alpha", "a ridge instead of the penalty on differences"),
    ("d_log_noise = 1 - prec * np.mean(res ** 2)", "d_log_noise = 1 - prec / 2 * np.mean(res ** 2)", "the derivative of the exponent's 2 is forgotten"),
]
