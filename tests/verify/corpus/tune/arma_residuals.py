"""ARMA(2, 1) by conditional likelihood: residual recursion, partial autocorrelations, derivatives carried forward.

e[t] = y[t] - c - phi1 y[t-1] - phi2 y[t-2] - theta e[t-1],  e = 0 before t = 2
phi2 = r2, phi1 = r1 (1 - r2), r = tanh(u), theta = tanh(v), sigma = exp(s)
"""

import numpy as np

gen = np.random.default_rng(77)
n = 14
y = np.cumsum(0.6 * gen.normal(size=n)) + gen.normal(size=n)
N = n - 2


def point(rng):
    return {"c": rng.normal(size=1), "u": 0.6 * rng.normal(size=2), "v": 0.6 * rng.normal(size=1), "s": 0.3 * rng.normal(size=1)}


def loss(c, u, v, s):
    r1, r2 = np.tanh(u)
    prev = 0.0
    sq = 0.0
    for t in range(2, n):
        prev = y[t] - c[0] - r1 * (1 - r2) * y[t - 1] - r2 * y[t - 2] - np.tanh(v[0]) * prev
        sq = sq + prev ** 2
    return s[0] + 0.5 * np.log(2 * np.pi) + 0.5 * np.exp(-2 * s[0]) * sq / N


def derived(c, u, v, s):
    r = np.tanh(u)
    phi1, phi2 = r[0] * (1 - r[1]), r[1]
    theta = np.tanh(v[0])
    var = np.exp(2 * s[0])

    e = np.zeros(n)
    e_c, e_phi1, e_phi2, e_theta = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n)
    for t in range(2, n):
        e[t] = y[t] - c[0] - phi1 * y[t - 1] - phi2 * y[t - 2] - theta * e[t - 1]
        e_c[t] = -1 - theta * e_c[t - 1]
        e_phi1[t] = -y[t - 1] - theta * e_phi1[t - 1]
        e_phi2[t] = -y[t - 2] - theta * e_phi2[t - 1]
        e_theta[t] = -e[t - 1] - theta * e_theta[t - 1]

    score = e / (var * N)
    l_c = score @ e_c
    l_phi1 = score @ e_phi1
    l_phi2 = score @ e_phi2
    l_theta = score @ e_theta
    l_s = 1 - score @ e

    l_r1 = l_phi1 * (1 - r[1])
    l_r2 = l_phi2 - l_phi1 * r[0]
    l_u = np.array([l_r1, l_r2]) * (1 - r ** 2)
    l_v = l_theta * (1 - theta ** 2)
    return {"c": np.array([l_c]), "u": l_u, "v": np.array([l_v]), "s": np.array([l_s])}


MISTAKES = [
    ("e_theta[t] = -e[t - 1] - theta * e_theta[t - 1]", "e_theta[t] = -e[t - 1]", "the earlier residual depends on theta too"),
    ("e_phi2[t] = -y[t - 2] - theta * e_phi2[t - 1]", "e_phi2[t] = -y[t - 2] - theta * e_phi1[t - 1]", "copied from the line above, one name unchanged"),
    ("e_phi1[t] = -y[t - 1] - theta * e_phi1[t - 1]", "e_phi1[t] = -y[t - 1] - phi1 * e_phi1[t - 1]", "the recursion runs with theta, not with phi"),
    ("l_r2 = l_phi2 - l_phi1 * r[0]", "l_r2 = l_phi2", "phi1 depends on the second partial autocorrelation too"),
    ("score = e / (var * N)", "score = e / (var * n)", "the first two values are conditioned on: they do not count"),
    ("e_c[t] = -1 - theta * e_c[t - 1]", "e_c[t] = -1 + theta * e_c[t - 1]", "the sign of the moving average's part"),
]
