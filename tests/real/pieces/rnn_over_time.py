"""Vanilla RNN over a minibatch of sequences; hidden states are stored into an empty array."""

import numpy as np


def rnn_step_forward(x, prev_h, Wx, Wh, b):
    next_h = np.tanh(x.dot(Wx) + prev_h.dot(Wh) + b)
    return next_h, (x, prev_h, Wx, Wh, next_h)


def rnn_step_backward(dnext_h, cache):
    x, prev_h, Wx, Wh, next_h = cache
    dtanh = (1 - next_h ** 2) * dnext_h
    dx = dtanh.dot(Wx.T)
    dprev_h = dtanh.dot(Wh.T)
    dWx = x.T.dot(dtanh)
    dWh = prev_h.T.dot(dtanh)
    db = dtanh.sum(axis=0)
    return dx, dprev_h, dWx, dWh, db


def rnn_forward(x, h0, Wx, Wh, b):
    N, T, D = x.shape
    H = h0.shape[1]
    h = np.empty((N, T, H))
    cache = []
    prev = h0
    for t in range(T):
        h[:, t, :], c = rnn_step_forward(x[:, t, :], prev, Wx, Wh, b)
        prev = h[:, t, :]
        cache.append(c)
    return h, cache


def rnn_backward(dh, cache):
    N, T, H = dh.shape
    D = cache[0][0].shape[1]
    dx = np.zeros((N, T, D))
    dprev = np.zeros((N, H))
    dWx, dWh, db = np.zeros((D, H)), np.zeros((H, H)), np.zeros(H)
    for t in reversed(range(T)):
        dx[:, t, :], dprev, dWx_t, dWh_t, db_t = rnn_step_backward(dh[:, t, :] + dprev, cache[t])
        dWx += dWx_t
        dWh += dWh_t
        db += db_t
    dh0 = dprev
    return dx, dh0, dWx, dWh, db


rng = np.random.default_rng(7)
x = rng.normal(size=(2, 4, 3))
h0 = rng.normal(size=(2, 5))
Wx, Wh, b = rng.normal(size=(3, 5)), 0.5 * rng.normal(size=(5, 5)), rng.normal(size=5)


def plain():
    h, cache = rnn_forward(x, h0, Wx, Wh, b)
    dh = np.random.default_rng(1).normal(size=h.shape)
    arrays = {"x": x, "h0": h0, "Wx": Wx, "Wh": Wh, "b": b}
    return (lambda: np.sum(rnn_forward(x, h0, Wx, Wh, b)[0] * dh), arrays,
            dict(zip(arrays, rnn_backward(dh, cache))))


TABLE = {
    "style": "layer functions",
    "glue": "tg.verify.check_layer(rnn_forward, rnn_backward, x, h0, Wx, Wh, b)",
    "verdict": "right",
    "stores": "h[:, t, :], c = ...",
    "mistakes": [
        ("(dh[:, t, :] + dprev, cache[t])", "(dh[:, t, :], cache[t])",
         "nothing flows back from the next step"),
        ("dtanh = (1 - next_h ** 2) * dnext_h", "dtanh = dnext_h", "tanh' is left out in every step"),
        ("dprev_h = dtanh.dot(Wh.T)", "dprev_h = dtanh.dot(Wh)", "Wh is not transposed"),
        ("dWh = prev_h.T.dot(dtanh)", "dWh = next_h.T.dot(dtanh)", "this step's state, not the previous one"),
    ],
}
