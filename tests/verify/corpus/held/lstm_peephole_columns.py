"""LSTM with peepholes, four steps, samples in columns; i and f peep at the old cell, o at the new one."""

import numpy as np

g = np.random.default_rng(302)
T, D, H, K, N = 4, 2, 3, 2, 3
xs = g.normal(size=(T, D, N))
targets = g.normal(size=(T, K, N))


def point(rng):
    return {"W": 0.6 * rng.normal(size=(4 * H, D + H)), "b": 0.3 * rng.normal(size=(4 * H, 1)),
            "pi": rng.normal(size=(H, 1)), "pf": rng.normal(size=(H, 1)), "po": rng.normal(size=(H, 1)),
            "V": rng.normal(size=(K, H))}


def sig(a):
    return 1 / (1 + np.exp(-a))


def loss(W, b, pi, pf, po, V):
    h = np.zeros((H, N))
    c = np.zeros((H, N))
    total = 0.0
    for t in range(T):
        a = W @ np.vstack([xs[t], h]) + b
        i = sig(a[:H] + pi * c)
        f = sig(a[H:2 * H] + pf * c)
        c = f * c + i * np.tanh(a[2 * H:3 * H])
        h = sig(a[3 * H:] + po * c) * np.tanh(c)
        total += np.sum((V @ h - targets[t]) ** 2)
    return total / (2 * N)


def derived(W, b, pi, pf, po, V):
    h, c = np.zeros((H, N)), np.zeros((H, N))
    caches = []
    for t in range(T):
        xh = np.vstack([xs[t], h])
        a = W @ xh + b
        c_prev = c
        i = sig(a[:H] + pi * c_prev)
        f = sig(a[H:2 * H] + pf * c_prev)
        z = np.tanh(a[2 * H:3 * H])
        c = f * c_prev + i * z
        o = sig(a[3 * H:] + po * c)
        tc = np.tanh(c)
        h = o * tc
        caches.append((xh, c_prev, i, f, z, c, o, tc, h))

    dW, db, dV = np.zeros_like(W), np.zeros_like(b), np.zeros_like(V)
    dpi, dpf, dpo = np.zeros_like(pi), np.zeros_like(pf), np.zeros_like(po)
    dh_next, dc_next = np.zeros((H, N)), np.zeros((H, N))
    for t in reversed(range(T)):
        xh, c_prev, i, f, z, c, o, tc, h = caches[t]
        dy = (V @ h - targets[t]) / N
        dV += dy @ h.T
        dh = V.T @ dy + dh_next
        do = dh * tc * o * (1 - o)
        dc = dc_next + dh * o * (1 - tc ** 2)
        dc += po * do
        di = dc * z * i * (1 - i)
        df = dc * c_prev * f * (1 - f)
        dz = dc * i * (1 - z ** 2)
        dpi += np.sum(di * c_prev, axis=1, keepdims=True)
        dpf += np.sum(df * c_prev, axis=1, keepdims=True)
        dpo += np.sum(do * c, axis=1, keepdims=True)
        da = np.vstack([di, df, dz, do])
        dW += da @ xh.T
        db += da.sum(axis=1, keepdims=True)
        dh_next = (W.T @ da)[D:]
        dc_next = dc * f + pi * di + pf * df
    return {"W": dW, "b": db, "pi": dpi, "pf": dpf, "po": dpo, "V": dV}


MISTAKES = [
    ("        dc += po * do\n", "", "the cell's path through the output gate's peephole is forgotten", ["dc = dc_next + dh * o * (1 - tc ** 2)"]),
    ("dc_next = dc * f + pi * di + pf * df", "dc_next = dc * f", "the old cell's paths through the two peepholes are forgotten"),
    ("dpo += np.sum(do * c, axis=1, keepdims=True)", "dpo += np.sum(do * c_prev, axis=1, keepdims=True)", "copied from the lines above: the output gate peeps at the new cell"),
    ("dc = dc_next + dh * o * (1 - tc ** 2)", "dc = dc_next + dh * o * (1 - c ** 2)", "the derivative of tanh at the cell itself"),
    ("df = dc * c_prev * f * (1 - f)", "df = dc * c * f * (1 - f)", "the forget gate multiplies the old cell, not the new one"),
    ("dh = V.T @ dy + dh_next", "dh = V.T @ dy", "the hidden state's gradient does not come back from the next step"),
]
