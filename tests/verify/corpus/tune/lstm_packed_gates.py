"""LSTM over three steps; the four gates come from one product W [h; x] + b, examples are columns."""

import numpy as np

rnd = np.random.default_rng(77)
n_steps, nx, nh, m = 3, 2, 3, 5
seq = rnd.normal(size=(n_steps, nx, m))
y_true = rnd.normal(size=(1, m))


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def point(rng):
    return {"W": rng.normal(size=(4 * nh, nh + nx)), "b": rng.normal(size=(4 * nh, 1)),
            "Wy": rng.normal(size=(1, nh)), "by": rng.normal(size=(1, 1)), "h0": rng.normal(size=(nh, 1)),
            "c0": rng.normal(size=(nh, 1))}


def loss(W, b, Wy, by, h0, c0):
    hid = h0 + np.zeros((nh, m))
    cell = c0 + np.zeros((nh, m))
    for xt in seq:
        gi, gf, go, gg = np.split(W @ np.concatenate([hid, xt]) + b, 4)
        cell = sigmoid(gf) * cell + sigmoid(gi) * np.tanh(gg)
        hid = sigmoid(go) * np.tanh(cell)
    return 1 / (2 * m) * np.sum((Wy @ hid + by - y_true) ** 2)


def lstm_step(xt, h_prev, c_prev, W, b):
    concat = np.vstack((h_prev, xt))
    z = W @ concat + b
    i = sigmoid(z[:nh])
    f = sigmoid(z[nh:2 * nh])
    o = sigmoid(z[2 * nh:3 * nh])
    g = np.tanh(z[3 * nh:])
    c_next = f * c_prev + i * g
    h_next = o * np.tanh(c_next)
    return h_next, c_next, (concat, i, f, o, g, c_prev, c_next)


def lstm_step_back(dh_next, dc_next, cache, W):
    concat, i, f, o, g, c_prev, c_next = cache
    tc = np.tanh(c_next)
    dc = dc_next + dh_next * o * (1 - tc ** 2)
    dz = np.zeros((4 * nh, m))
    dz[:nh] = dc * g * i * (1 - i)
    dz[nh:2 * nh] = dc * c_prev * f * (1 - f)
    dz[2 * nh:3 * nh] = dh_next * tc * o * (1 - o)
    dz[3 * nh:] = dc * i * (1 - g ** 2)
    dW = dz @ concat.T
    db = np.sum(dz, axis=1, keepdims=True)
    dconcat = W.T @ dz
    dh_prev = dconcat[:nh]
    dc_prev = dc * f
    return dh_prev, dc_prev, dW, db


def derived(W, b, Wy, by, h0, c0):
    h, c = np.repeat(h0, m, axis=1), np.repeat(c0, m, axis=1)
    caches = []
    for t in range(n_steps):
        h, c, cache = lstm_step(seq[t], h, c, W, b)
        caches.append(cache)
    dy = (Wy @ h + by - y_true) / m
    grads = {"W": np.zeros_like(W), "b": np.zeros_like(b)}
    grads["Wy"] = dy @ h.T
    grads["by"] = np.sum(dy, axis=1, keepdims=True)
    dh = Wy.T @ dy
    dc = np.zeros_like(c)
    for t in reversed(range(n_steps)):
        dh, dc, dW_t, db_t = lstm_step_back(dh, dc, caches[t], W)
        grads["W"] += dW_t
        grads["b"] += db_t
    grads["h0"] = np.sum(dh, axis=1, keepdims=True)
    grads["c0"] = np.sum(dc, axis=1, keepdims=True)
    return grads


MISTAKES = [
    ("dc = dc_next + dh_next * o * (1 - tc ** 2)", "dc = dh_next * o * (1 - tc ** 2)", "the cell's own path from the next step is dropped"),
    ("dc = dc_next + dh_next * o * (1 - tc ** 2)", "dc = dc_next + dh_next * o * (1 - c_next ** 2)", "tanh's derivative from the cell before the activation"),
    ("dz[nh:2 * nh] = dc * c_prev * f * (1 - f)", "dz[nh:2 * nh] = dc * c_next * f * (1 - f)", "the forget gate multiplies the cell of the step before"),
    ("dz[3 * nh:] = dc * i * (1 - g ** 2)", "dz[3 * nh:] = dc * i * g * (1 - g)", "the sigmoid's derivative copied to the tanh gate"),
    ("dc_prev = dc * f", "dc_prev = dc_next * f", "the part that came through the hidden state is left behind"),
    ("dh_prev = dconcat[:nh]", "dh_prev = dconcat[-nh:]", "the state stands first in the concatenation, not last"),
]
