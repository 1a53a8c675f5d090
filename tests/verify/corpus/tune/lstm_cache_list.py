"""LSTM over four steps with a linear read-out at every step; a list of caches."""

import numpy as np

rng = np.random.default_rng(303)
T, D, H = 4, 2, 3
xs = rng.normal(size=(T, D))
ys = rng.normal(size=T)


def sig(z):
    return 1 / (1 + np.exp(-z))


def point(rng):
    return {"Wx": 0.7 * rng.normal(size=(4 * H, D)), "Wh": 0.7 * rng.normal(size=(4 * H, H)),
            "b": 0.5 * rng.normal(size=4 * H), "w": rng.normal(size=H)}


def loss(Wx, Wh, b, w):
    h, c, total = np.zeros(H), np.zeros(H), 0.0
    for t in range(T):
        z = Wx @ xs[t] + Wh @ h + b
        c = sig(z[H:2 * H]) * c + sig(z[:H]) * np.tanh(z[3 * H:])
        h = sig(z[2 * H:3 * H]) * np.tanh(c)
        total = total + 0.5 * (w @ h - ys[t]) ** 2
    return total


def derived(Wx, Wh, b, w):
    h, c = np.zeros(H), np.zeros(H)
    caches = []
    for x, y in zip(xs, ys):
        h0, c0 = h, c
        a = Wx.dot(x) + Wh.dot(h0) + b
        i, f, o = sig(a[:H]), sig(a[H:2 * H]), sig(a[2 * H:3 * H])
        g = np.tanh(a[3 * H:])
        c = f * c0 + i * g
        tc = np.tanh(c)
        h = o * tc
        caches.append((x, h0, c0, i, f, o, g, tc, h, w.dot(h) - y))
    dWx, dWh, db, dw = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b), np.zeros_like(w)
    dh_next, dc_next = np.zeros(H), np.zeros(H)
    for x, h0, c0, i, f, o, g, tc, h, err in reversed(caches):
        dw += err * h
        dh = err * w + dh_next
        do = dh * tc
        dc = dh * o * (1 - tc ** 2) + dc_next
        di = dc * g
        dg = dc * i
        df = dc * c0
        da = np.concatenate([di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g ** 2)])
        dWx += np.outer(da, x)
        dWh += np.outer(da, h0)
        db += da
        dh_next = Wh.T.dot(da)
        dc_next = dc * f
    return {"Wx": dWx, "Wh": dWh, "b": db, "w": dw}


MISTAKES = [
    ("dc = dh * o * (1 - tc ** 2) + dc_next", "dc = dh * o * (1 - tc ** 2)", "the cell's gradient from the next step is forgotten"),
    ("dWh += np.outer(da, h0)", "dWh += np.outer(da, h)", "the new hidden state for the old one"),
    ("dh = err * w + dh_next", "dh = dh_next + w", "the error is left out of the read-out's gradient"),
    ("dc_next = dc * f", "dc_next = dc * i", "the input gate for the forget gate"),
    ("dg * (1 - g ** 2)])", "dg * g * (1 - g)])", "the sigmoid's slope for tanh's"),
    ("df = dc * c0", "df = dc * g", "the candidate for the old cell in the forget gate's gradient"),
]
