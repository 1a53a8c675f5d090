"""Max pooling with loops; written for stride = size, used with overlapping windows."""

import numpy as np


def max_pool_forward(x, pool_param):
    N, C, H, W = x.shape
    size, stride = pool_param["size"], pool_param["stride"]
    H_out = (H - size) // stride + 1
    W_out = (W - size) // stride + 1
    out = np.empty((N, C, H_out, W_out))
    for i in range(H_out):
        for j in range(W_out):
            window = x[:, :, i * stride:i * stride + size, j * stride:j * stride + size]
            out[:, :, i, j] = np.max(window, axis=(2, 3))
    return out, (x, pool_param)


def max_pool_backward(dout, cache):
    x, pool_param = cache
    N, C, H_out, W_out = dout.shape
    size, stride = pool_param["size"], pool_param["stride"]
    dx = np.zeros_like(x)
    for n in range(N):
        for c in range(C):
            for i in range(H_out):
                for j in range(W_out):
                    window = x[n, c, i * stride:i * stride + size, j * stride:j * stride + size]
                    r, s = np.unravel_index(np.argmax(window), window.shape)
                    dx[n, c, i * stride + r, j * stride + s] = dout[n, c, i, j]
    return dx


rng = np.random.default_rng(4)
x = rng.normal(size=(2, 2, 5, 5))
pool_param = {"size": 3, "stride": 2}


def plain():
    out, cache = max_pool_forward(x, pool_param)
    dout = np.random.default_rng(1).normal(size=out.shape)
    return (lambda: np.sum(max_pool_forward(x, pool_param)[0] * dout),
            {"x": x}, {"x": max_pool_backward(dout, cache)})


TABLE = {
    "style": "layer functions",
    "glue": "tg.verify.check_layer(max_pool_forward, max_pool_backward, x, pool_param)",
    "verdict": "wrong",
    "wrong": ["x"],
    "stores": "out[:, :, i, j] = ...",
    "says": "a maximum shared by two windows keeps only the last window's gradient",
    "change": ("j * stride + s] = dout", "j * stride + s] += dout"),
}
