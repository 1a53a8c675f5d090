"""Robust regression: Student-t noise, 4 degrees of freedom, a scale that depends on the input."""

import numpy as np

rs = np.random.default_rng(305)
nu, lam = 4.0, 0.03
x = rs.normal(size=(9, 3))
y = rs.standard_t(3, size=9) + x[:, 0]


def point(rng):
    return {"A": rng.normal(size=(3, 4)), "w": rng.normal(size=4), "m0": rng.normal(size=1), "v": rng.normal(size=3), "s0": rng.normal(size=1)}


def loss(A, w, m0, v, s0):
    mean = np.tanh(x @ A) @ w + m0
    sigma = np.log(1 + np.exp(x @ v + s0)) + 0.1
    nll = np.log(sigma) + (nu + 1) / 2 * np.log(1 + ((y - mean) / sigma) ** 2 / nu)
    return np.mean(nll) + lam * np.sum(v ** 2)


def derived(A, w, m0, v, s0):
    h = np.tanh(x @ A)
    eta = x @ v + s0
    sigma, r = np.log(1 + np.exp(eta)) + 0.1, y - h @ w - m0
    omega = (nu + 1) / (nu * sigma ** 2 + r ** 2)                       # the weight of a robust fit
    d_mean = -omega * r / len(y)
    d_sigma = (1 / sigma - omega * r ** 2 / sigma) / len(y)
    d_eta = d_sigma * np.exp(eta) / (1 + np.exp(eta))
    return {
        "A": x.T @ (np.outer(d_mean, w) * (1 - h ** 2)),
        "w": h.T @ d_mean,
        "m0": np.array([d_mean.sum()]),
        "v": x.T @ d_eta + 2 * lam * v,
        "s0": np.array([d_eta.sum()]),
    }


MISTAKES = [
    ("omega = (nu + 1) / (nu * sigma ** 2 + r ** 2)", "omega = (nu + 1) / (nu + r ** 2)", "the weight of unit scale, from memory"),
    ("d_sigma = (1 / sigma - omega * r ** 2 / sigma) / len(y)", "d_sigma = -omega * r ** 2 / sigma / len(y)", "the derivative of log sigma is forgotten"),
    ("d_eta = d_sigma * np.exp(eta) / (1 + np.exp(eta))", "d_eta = d_sigma * np.exp(sigma) / (1 + np.exp(sigma))", "softplus is differentiated at its value and not at its argument"),
    ("d_mean = -omega * r / len(y)", "d_mean = omega * r / len(y)", "the sign: the residual is target minus mean"),
    ('"v": x.T @ d_eta + 2 * lam * v', '"v": x.T @ d_eta + lam * v', "the penalty has no half in front"),
    ("d_sigma = (1 / sigma - omega * r ** 2 / sigma) / len(y)", "d_sigma = (1 / sigma - omega * r ** 2 / sigma ** 3) / len(y)", "the cube of the scale again, though omega holds its square already"),
]
