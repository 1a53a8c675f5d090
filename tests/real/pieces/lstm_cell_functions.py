"""LSTM with one matrix for the four gates; a, i, f, o, g sliced from it."""

import numpy as np


def sigmoid(x):
    pos_mask = x >= 0
    neg_mask = x < 0
    z = np.zeros_like(x)
    z[pos_mask] = np.exp(-x[pos_mask])
    z[neg_mask] = np.exp(x[neg_mask])
    top = np.ones_like(x)
    top[neg_mask] = z[neg_mask]
    return top / (1 + z)


def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    H = prev_h.shape[1]
    a = x.dot(Wx) + prev_h.dot(Wh) + b
    i = sigmoid(a[:, :H])
    f = sigmoid(a[:, H:2 * H])
    o = sigmoid(a[:, 2 * H:3 * H])
    g = np.tanh(a[:, 3 * H:])
    next_c = f * prev_c + i * g
    next_h = o * np.tanh(next_c)
    cache = (x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c)
    return next_h, next_c, cache


def lstm_step_backward(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c = cache
    tanh_c = np.tanh(next_c)
    do = dnext_h * tanh_c
    dc = dnext_h * o * (1 - tanh_c ** 2)
    di, df, dg = dc * g, dc * prev_c, dc * i
    dprev_c = (dnext_c + dc) * f
    da = np.hstack((di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g ** 2)))
    dx = da.dot(Wx.T)
    dprev_h = da.dot(Wh.T)
    dWx = x.T.dot(da)
    dWh = prev_h.T.dot(da)
    db = np.sum(da, axis=0)
    return dx, dprev_h, dprev_c, dWx, dWh, db


def lstm_forward(x, h0, Wx, Wh, b):
    N, T, D = x.shape
    h = np.zeros((N, T, h0.shape[1]))
    prev_h, prev_c = h0, np.zeros_like(h0)
    cache = {}
    for t in range(T):
        prev_h, prev_c, cache[t] = lstm_step_forward(x[:, t], prev_h, prev_c, Wx, Wh, b)
        h[:, t] = prev_h
    return h, cache


def lstm_backward(dh, cache):
    N, T, H = dh.shape
    D = cache[0][0].shape[1]
    dx = np.zeros((N, T, D))
    dprev_h, dprev_c = np.zeros((N, H)), np.zeros((N, H))
    dWx, dWh, db = np.zeros((D, 4 * H)), np.zeros((H, 4 * H)), np.zeros(4 * H)
    for t in range(T - 1, -1, -1):
        grads = lstm_step_backward(dh[:, t] + dprev_h, dprev_c, cache[t])
        dx[:, t], dprev_h, dprev_c = grads[:3]
        dWx += grads[3]
        dWh += grads[4]
        db += grads[5]
    return dx, dprev_h, dWx, dWh, db


rng = np.random.default_rng(8)
x = rng.normal(size=(2, 3, 3))
h0 = rng.normal(size=(2, 2))
Wx, Wh, b = rng.normal(size=(3, 8)), rng.normal(size=(2, 8)), rng.normal(size=8)


def plain():
    h, cache = lstm_forward(x, h0, Wx, Wh, b)
    dh = np.random.default_rng(1).normal(size=h.shape)
    arrays = {"x": x, "h0": h0, "Wx": Wx, "Wh": Wh, "b": b}
    return (lambda: np.sum(lstm_forward(x, h0, Wx, Wh, b)[0] * dh), arrays,
            dict(zip(arrays, lstm_backward(dh, cache))))


TABLE = {
    "style": "layer functions",
    "glue": "tg.verify.check_layer(lstm_forward, lstm_backward, x, h0, Wx, Wh, b)",
    "verdict": "wrong",
    "wrong": ["x", "h0", "Wx", "Wh", "b"],
    "stores": "z[pos_mask] = ...",
    "says": "the cell's gradient from the next step (dnext_c) does not reach the gates",
    "change": ("dc = dnext_h * o * (1 - tanh_c ** 2)\n    di, df, dg = dc * g, dc * prev_c, dc * i\n"
               "    dprev_c = (dnext_c + dc) * f",
               "dc = dnext_c + dnext_h * o * (1 - tanh_c ** 2)\n"
               "    di, df, dg = dc * g, dc * prev_c, dc * i\n    dprev_c = dc * f"),
}
