"""Batch normalisation, forward in small steps, backward step by step."""

import numpy as np


def batchnorm_forward(x, gamma, beta, eps=1e-5):
    N, D = x.shape

    # step 1: mean
    mu = 1.0 / N * np.sum(x, axis=0)
    # step 2: centre
    xmu = x - mu
    # step 3: square
    sq = xmu ** 2
    # step 4: variance
    var = 1.0 / N * np.sum(sq, axis=0)
    # step 5: standard deviation
    sqrtvar = np.sqrt(var + eps)
    # step 6: invert
    ivar = 1.0 / sqrtvar
    # step 7: normalise
    xhat = xmu * ivar
    # steps 8 and 9
    gammax = gamma * xhat
    out = gammax + beta

    cache = (xhat, gamma, xmu, ivar, sqrtvar, var, eps)
    return out, cache


def batchnorm_backward(dout, cache):
    xhat, gamma, xmu, ivar, sqrtvar, var, eps = cache
    N, D = dout.shape

    # step 9
    dbeta = np.sum(dout, axis=0)
    dgammax = dout
    # step 8
    dgamma = np.sum(dgammax * xhat, axis=0)
    dxhat = dgammax * gamma
    # step 7
    divar = np.sum(dxhat * xmu, axis=0)
    dxmu1 = dxhat * ivar
    # step 6
    dsqrtvar = -1.0 / sqrtvar * divar
    # step 5
    dvar = 0.5 * 1.0 / np.sqrt(var + eps) * dsqrtvar
    # step 4
    dsq = 1.0 / N * np.ones((N, D)) * dvar
    # step 3
    dxmu2 = 2 * xmu * dsq
    # step 2
    dx1 = dxmu1 + dxmu2
    dmu = -1 * np.sum(dxmu1 + dxmu2, axis=0)
    # step 1
    dx2 = 1.0 / N * np.ones((N, D)) * dmu
    # step 0
    dx = dx1 + dx2
    return dx, dgamma, dbeta


rng = np.random.default_rng(5)
x = 2 + 3 * rng.normal(size=(6, 4))
gamma = rng.normal(size=4)
beta = rng.normal(size=4)


def plain():
    out, cache = batchnorm_forward(x, gamma, beta)
    dout = np.random.default_rng(1).normal(size=out.shape)
    dx, dgamma, dbeta = batchnorm_backward(dout, cache)
    return (lambda: np.sum(batchnorm_forward(x, gamma, beta)[0] * dout),
            {"x": x, "gamma": gamma, "beta": beta}, {"x": dx, "gamma": dgamma, "beta": dbeta})


TABLE = {
    "style": "layer functions",
    "glue": "tg.verify.check_layer(batchnorm_forward, batchnorm_backward, x, gamma, beta)",
    "verdict": "wrong",
    "wrong": ["x"],
    "stores": "",
    "says": "the derivative of 1/s is -1/s**2",
    "change": ("dsqrtvar = -1.0 / sqrtvar * divar", "dsqrtvar = -1.0 / sqrtvar ** 2 * divar"),
}
