"""Layer normalisation with the gradient in closed form; the gradients come in a dict."""

import numpy as np


def layernorm_forward(x, gamma, beta):
    eps = 1e-5
    mean = x.mean(axis=-1, keepdims=True)
    rstd = (x.var(axis=-1, keepdims=True) + eps) ** -0.5
    norm = (x - mean) * rstd
    return norm * gamma + beta, (norm, rstd, gamma)


def layernorm_backward(dout, cache):
    norm, rstd, gamma = cache
    dnorm = dout * gamma
    dx = dnorm - dnorm.mean(-1, keepdims=True) - norm * (dnorm * norm).mean(-1, keepdims=True)
    dx *= rstd
    axes = tuple(range(dout.ndim - 1))
    return {"dx": dx, "dgamma": (dout * norm).sum(axes), "dbeta": dout.sum(axes)}


rng = np.random.default_rng(6)
x = rng.normal(size=(2, 3, 5))
gamma, beta = rng.normal(size=5), rng.normal(size=5)


def plain():
    out, cache = layernorm_forward(x, gamma, beta)
    dout = np.random.default_rng(1).normal(size=out.shape)
    d = layernorm_backward(dout, cache)
    return (lambda: np.sum(layernorm_forward(x, gamma, beta)[0] * dout),
            {"x": x, "gamma": gamma, "beta": beta},
            {"x": d["dx"], "gamma": d["dgamma"], "beta": d["dbeta"]})


TABLE = {
    "style": "layer functions",
    "glue": "tg.verify.check_layer(layernorm_forward, layernorm_backward, x, gamma, beta)",
    "verdict": "right",
    "stores": "",
    "mistakes": [
        ("dnorm - dnorm.mean(-1, keepdims=True) - norm", "dnorm - norm", "the mean's path is left out"),
        ("dnorm = dout * gamma", "dnorm = dout", "gamma is left out"),
        ("norm * (dnorm * norm)", "norm * (dout * norm)", "gamma is left out of one path only"),
    ],
}
