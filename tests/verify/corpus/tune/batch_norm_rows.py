"""Batch normalisation followed by the squared error; rows are samples, columns are features."""

import numpy as np

rng = np.random.default_rng(21)
N, D = 7, 4
eps = 1e-5
T = rng.normal(size=(N, D))


def point(rng):
    return {
        "x": 1.5 * rng.normal(size=(N, D)) + 0.3,
        "gamma": rng.uniform(0.6, 1.8, size=D),
        "beta": rng.normal(size=D),
    }


def loss(x, gamma, beta):
    normed = (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + eps)
    return 0.5 * np.sum((gamma * normed + beta - T) ** 2) / N


def derived(x, gamma, beta):
    # forward pass, one node of the graph for each line
    mu = np.mean(x, axis=0)                      # mu = 1/N sum_i x_i
    xmu = x - mu
    var = np.mean(xmu ** 2, axis=0)              # var = 1/N sum_i (x_i - mu)^2
    ivar = 1.0 / np.sqrt(var + eps)
    xhat = xmu * ivar
    y = gamma * xhat + beta

    # backward pass
    dy = (y - T) / N                             # L = 1/(2N) sum (y - t)^2
    dbeta = np.sum(dy, axis=0)
    dgamma = np.sum(dy * xhat, axis=0)
    dxhat = dy * gamma
    divar = np.sum(dxhat * xmu, axis=0)          # ivar is shared by the rows
    dvar = -0.5 * ivar ** 3 * divar              # d/dv (v + eps)^(-1/2)
    dxmu1 = dxhat * ivar
    dxmu2 = 2.0 * xmu * dvar / N
    dxmu = dxmu1 + dxmu2
    dmu = -np.sum(dxmu, axis=0)
    dx = dxmu + dmu / N
    return {"x": dx, "gamma": dgamma, "beta": dbeta}


MISTAKES = [
    ("dgamma = np.sum(dy * xhat, axis=0)", "dgamma = np.sum(dy * xmu, axis=0)",
     "the centred values in place of the normalised ones"),
    ("dxhat = dy * gamma", "dxhat = dy", "the factor gamma is forgotten"),
    ("dvar = -0.5 * ivar ** 3 * divar", "dvar = -0.5 * ivar * divar",
     "the power of the inverse deviation is wrong: 3 and not 1"),
    ("dxmu2 = 2.0 * xmu * dvar / N", "dxmu2 = 2.0 * xmu * dvar", "the variance is a mean: 1/N is left out"),
    ("dxmu = dxmu1 + dxmu2", "dxmu = dxmu1", "the path through the variance is forgotten"),
    ("dx = dxmu + dmu / N", "dx = dxmu + dmu", "the mean's 1/N is left out"),
    ("dmu = -np.sum(dxmu, axis=0)", "dmu = np.sum(dxmu, axis=0)", "the sign of x - mu is lost",
     ["dx = dxmu + dmu / N"]),
]
