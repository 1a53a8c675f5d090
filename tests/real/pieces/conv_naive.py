"""Convolution with loops over samples, filters and places; out is filled element by element."""

import numpy as np


def conv_forward_naive(x, w, b, conv_param):
    stride, pad = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    H_out = 1 + (H + 2 * pad - HH) // stride
    W_out = 1 + (W + 2 * pad - WW) // stride
    x_pad = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), mode="constant")
    out = np.zeros((N, F, H_out, W_out))
    for n in range(N):
        for f in range(F):
            for i in range(H_out):
                for j in range(W_out):
                    window = x_pad[n, :, i * stride:i * stride + HH, j * stride:j * stride + WW]
                    out[n, f, i, j] = np.sum(window * w[f]) + b[f]
    cache = (x, w, b, conv_param)
    return out, cache


def conv_backward_naive(dout, cache):
    x, w, b, conv_param = cache
    stride, pad = conv_param["stride"], conv_param["pad"]
    N, F, H_out, W_out = dout.shape
    HH, WW = w.shape[2:]
    x_pad = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), mode="constant")
    dx_pad = np.zeros_like(x_pad)
    dw = np.zeros_like(w)
    db = np.zeros_like(b)
    for n in range(N):
        for f in range(F):
            db[f] += np.sum(dout[n, f])
            for i in range(H_out):
                for j in range(W_out):
                    rows = slice(i * stride, i * stride + HH)
                    cols = slice(j * stride, j * stride + WW)
                    dw[f] += x_pad[n, :, rows, cols] * dout[n, f, i, j]
                    dx_pad[n, :, rows, cols] += w[f] * dout[n, f, i, j]
    dx = dx_pad[:, :, pad:-pad, pad:-pad]
    return dx, dw, db


rng = np.random.default_rng(2)
x = rng.normal(size=(2, 2, 4, 4))
w = rng.normal(size=(2, 2, 3, 3))
b = rng.normal(size=2)
conv_param = {"stride": 1, "pad": 1}


def plain():
    out, cache = conv_forward_naive(x, w, b, conv_param)
    dout = np.random.default_rng(1).normal(size=out.shape)
    dx, dw, db = conv_backward_naive(dout, cache)
    return (lambda: np.sum(conv_forward_naive(x, w, b, conv_param)[0] * dout),
            {"x": x, "w": w, "b": b}, {"x": dx, "w": dw, "b": db})


TABLE = {
    "style": "layer functions",
    "glue": "tg.verify.check_layer(conv_forward_naive, conv_backward_naive, x, w, b, conv_param)",
    "verdict": "right",
    "stores": "out[n, f, i, j] = ...",
    "says": "conv_param is a setting and no input: dict of integers, without a gradient",
    "mistakes": [
        ("dx_pad[n, :, rows, cols] += w[f] * dout[n, f, i, j]",
         "dx_pad[n, :, rows, cols] = w[f] * dout[n, f, i, j]",
         "overlapping windows overwrite each other instead of adding up"),
        ("db[f] += np.sum(dout[n, f])", "db[f] = np.sum(dout[n, f])",
         "only the last sample's share of the bias"),
        ("dw[f] += x_pad[n, :, rows, cols] * dout[n, f, i, j]",
         "dw[f] += x_pad[n, :, rows, cols][:, ::-1, ::-1] * dout[n, f, i, j]",
         "the window is flipped"),
    ],
}
