"""A GRU unrolled over two steps by hand, column vectors, no loops."""

import numpy as np

rng = np.random.default_rng(22)
x1, x2 = rng.normal(size=2), rng.normal(size=2)
h0 = rng.normal(size=3)
y = rng.normal(size=3)
sig = lambda a: 1 / (1 + np.exp(-a))


def point(rng):
    return {"Wz": rng.normal(size=(3, 5)), "Wr": rng.normal(size=(3, 5)), "Wc": rng.normal(size=(3, 5))}


def loss(Wz, Wr, Wc):
    h = h0
    for x in (x1, x2):
        hx = np.concatenate([h, x])
        z = 1 / (1 + np.exp(-(Wz @ hx)))
        r = 1 / (1 + np.exp(-(Wr @ hx)))
        c = np.tanh(Wc @ np.concatenate([r * h, x]))
        h = (1 - z) * h + z * c
    return 0.5 * np.sum((h - y) ** 2)


def step(h, x, Wz, Wr, Wc):
    hx = np.r_[h, x]
    z, r = sig(Wz @ hx), sig(Wr @ hx)
    rx = np.r_[r * h, x]
    c = np.tanh(Wc @ rx)
    return (1 - z) * h + z * c, (h, hx, z, r, rx, c)


def back(dh, cache, Wz, Wr, Wc):
    h, hx, z, r, rx, c = cache
    dz = dh * (c - h)
    dc = dh * z
    dprev = dh * (1 - z)
    dac = dc * (1 - c * c)
    dWc = np.outer(dac, rx)
    drx = Wc.T @ dac
    dr = drx[:3] * h
    dprev = dprev + drx[:3] * r
    dar = dr * r * (1 - r)
    daz = dz * z * (1 - z)
    dWr = np.outer(dar, hx)
    dWz = np.outer(daz, hx)
    dprev = dprev + (Wr.T @ dar)[:3] + (Wz.T @ daz)[:3]
    return dprev, dWz, dWr, dWc


def derived(Wz, Wr, Wc):
    h1, cache1 = step(h0, x1, Wz, Wr, Wc)
    h2, cache2 = step(h1, x2, Wz, Wr, Wc)
    dh, a2, b2, c2 = back(h2 - y, cache2, Wz, Wr, Wc)
    _, a1, b1, c1 = back(dh, cache1, Wz, Wr, Wc)
    return {"Wz": a1 + a2, "Wr": b1 + b2, "Wc": c1 + c2}


MISTAKES = [
    ("dz = dh * (c - h)", "dz = dh * c", "z multiplies the old state, too"),
    ("dprev = dh * (1 - z)", "dprev = dh * z", "the old state has the factor 1 - z"),
    ("dprev = dprev + drx[:3] * r", "dprev = dprev + drx[:3]", "the reset gate is left out"),
    ("dprev = dprev + (Wr.T @ dar)[:3] + (Wz.T @ daz)[:3]", "dprev = dprev + (Wz.T @ daz)[:3]", "the path through the reset gate's input"),
    ("dWc = np.outer(dac, rx)", "dWc = np.outer(dac, hx)", "the state is reset before"),
    ("dac = dc * (1 - c * c)", "dac = dc * c * (1 - c)", "tanh, not the sigmoid"),
    ("daz = dz * z * (1 - z)", "daz = dz * (1 - z)", "half of the sigmoid's derivative"),
    ('return {"Wz": a1 + a2, "Wr": b1 + b2, "Wc": c1 + c2}', 'return {"Wz": a1 + a2, "Wr": b1 + b2, "Wc": c2}', "the first step is left out"),
]
