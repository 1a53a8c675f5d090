"""Fully connected layer and ReLU with caches, as in a course's assignment."""

import numpy as np


def affine_forward(x, w, b):
    """x: (N, d_1, ..., d_k), w: (D, M), b: (M,)"""
    N = x.shape[0]
    out = x.reshape(N, -1).dot(w) + b
    cache = (x, w, b)
    return out, cache


def affine_backward(dout, cache):
    x, w, b = cache
    dx = dout.dot(w.T).reshape(x.shape)
    dw = x.reshape(x.shape[0], -1).T.dot(dout)
    db = np.sum(dout, axis=0)
    return dx, dw, db


def relu_forward(x):
    out = x.copy()
    out[out < 0] = 0
    return out, x


def relu_backward(dout, cache):
    x = cache
    dx = np.array(dout)
    dx[x <= 0] = 0
    return dx


def affine_relu_forward(x, w, b):
    a, fc_cache = affine_forward(x, w, b)
    out, relu_cache = relu_forward(a)
    return out, (fc_cache, relu_cache)


def affine_relu_backward(dout, cache):
    fc_cache, relu_cache = cache
    da = relu_backward(dout, relu_cache)
    return affine_backward(da, fc_cache)


rng = np.random.default_rng(0)
x = rng.normal(size=(3, 2, 2))
w = rng.normal(size=(4, 5))
b = rng.normal(size=5)


def plain():
    out, cache = affine_relu_forward(x, w, b)
    dout = np.random.default_rng(1).normal(size=out.shape)
    dx, dw, db = affine_relu_backward(dout, cache)
    return (lambda: np.sum(affine_relu_forward(x, w, b)[0] * dout),
            {"x": x, "w": w, "b": b}, {"x": dx, "w": dw, "b": db})


TABLE = {
    "style": "layer functions",
    "glue": "tg.verify.check_layer(affine_relu_forward, affine_relu_backward, x, w, b)",
    "verdict": "right",
    "stores": "out[out < 0] = 0",
    "mistakes": [
        ("dx[x <= 0] = 0", "dx[dout <= 0] = 0", "the mask of the gradient and not of the input"),
        ("dout.dot(w.T).reshape(x.shape)", "dout.dot(w.T)[:, ::-1].reshape(x.shape)",
         "features in reversed order"),
    ],
}
