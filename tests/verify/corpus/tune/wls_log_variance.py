"""Quadratic trend by weighted least squares; the variance exp(a + b x) is learned too. One point at a time."""

import numpy as np

rng = np.random.default_rng(401)
N = 9
x = rng.uniform(-1.5, 1.5, size=N)
y = 0.5 - x + 0.7 * x ** 2 + np.exp(0.3 * x) * rng.normal(size=N)


def point(rng):
    return {"beta": rng.normal(size=3), "ab": 0.5 * rng.normal(size=2)}


def loss(beta, ab):
    fit = beta[0] + beta[1] * x + beta[2] * x ** 2
    logvar = ab[0] + ab[1] * x
    return np.mean(0.5 * (y - fit) ** 2 / np.exp(logvar) + 0.5 * logvar)


def derived(beta, ab):
    g_beta = np.zeros(3)
    g_ab = np.zeros(2)
    for i in range(N):
        mu_i = beta[0] + beta[1] * x[i] + beta[2] * x[i] ** 2
        s2_i = np.exp(ab[0] + ab[1] * x[i])
        wt_i = 1 / s2_i
        res_i = y[i] - mu_i
        # half res^2 / s2 + half log s2
        d_mu = -wt_i * res_i
        d_s2 = 0.5 * wt_i - 0.5 * res_i ** 2 * wt_i ** 2
        d_eta = d_s2 * s2_i
        g_beta[0] += d_mu
        g_beta[1] += d_mu * x[i]
        g_beta[2] += d_mu * x[i] ** 2
        g_ab[0] += d_eta
        g_ab[1] += d_eta * x[i]
    g_beta = g_beta / N
    g_ab = g_ab / N
    return {"beta": g_beta, "ab": g_ab}


MISTAKES = [
    ("wt_i = 1 / s2_i", "wt_i = 1 / np.sqrt(s2_i)", "weights by the standard deviation, not the variance"),
    ("d_mu = -wt_i * res_i", "d_mu = -res_i", "the mean's gradient is that of ordinary least squares"),
    ("d_s2 = 0.5 * wt_i - 0.5 * res_i ** 2 * wt_i ** 2", "d_s2 = -0.5 * res_i ** 2 * wt_i ** 2",
     "the log-variance term of the likelihood is forgotten"),
    ("d_eta = d_s2 * s2_i", "d_eta = d_s2", "the derivative of the exponential is left out"),
    ("g_beta[2] += d_mu * x[i] ** 2", "g_beta[2] += d_mu * x[i]", "the line above copied, the square not added"),
    ("g_ab = g_ab / N", "g_ab = g_ab / (N - 2)", "normalised by the degrees of freedom instead of the count"),
]
