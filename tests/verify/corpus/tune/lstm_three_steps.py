"""LSTM over three steps, column vectors; every gate is kept in a list."""

import numpy as np

rng = np.random.default_rng(8)
xs = [rng.normal(size=(2, 1)) for _ in range(3)]
target = rng.normal(size=(3, 1))


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def point(rng):
    p = {}
    for g in "ifog":
        p["W" + g] = 0.8 * rng.normal(size=(3, 5))  # acts on [h; x]
        p["b" + g] = 0.5 * rng.normal(size=(3, 1))
    return p


def loss(Wi, bi, Wf, bf, Wo, bo, Wg, bg):
    hid = np.zeros((3, 1))
    cell = np.zeros((3, 1))
    for x in xs:
        u = np.concatenate([hid, x])
        cell = sigmoid(Wf @ u + bf) * cell + sigmoid(Wi @ u + bi) * np.tanh(Wg @ u + bg)
        hid = sigmoid(Wo @ u + bo) * np.tanh(cell)
    return np.sum((hid - target) ** 2)


def derived(Wi, bi, Wf, bf, Wo, bo, Wg, bg):
    h = [np.zeros((3, 1))]
    c = [np.zeros((3, 1))]
    us, i, f, o, g = [], [], [], [], []
    for t in range(3):
        u = np.vstack((h[t], xs[t]))
        us.append(u)
        i.append(sigmoid(Wi @ u + bi))
        f.append(sigmoid(Wf @ u + bf))
        o.append(sigmoid(Wo @ u + bo))
        g.append(np.tanh(Wg @ u + bg))
        c.append(f[t] * c[t] + i[t] * g[t])
        h.append(o[t] * np.tanh(c[t + 1]))

    gWi, gWf, gWo, gWg = 0 * Wi, 0 * Wf, 0 * Wo, 0 * Wg
    gbi, gbf, gbo, gbg = 0 * bi, 0 * bf, 0 * bo, 0 * bg
    dh = 2 * (h[3] - target)
    dc = np.zeros((3, 1))
    for t in [2, 1, 0]:
        tc = np.tanh(c[t + 1])
        dc = dc + dh * o[t] * (1 - tc ** 2)
        zo = dh * tc * o[t] * (1 - o[t])
        zi = dc * g[t] * i[t] * (1 - i[t])
        zf = dc * c[t] * f[t] * (1 - f[t])
        zg = dc * i[t] * (1 - g[t] ** 2)
        gWi += zi @ us[t].T
        gWf += zf @ us[t].T
        gWo += zo @ us[t].T
        gWg += zg @ us[t].T
        gbi += zi
        gbf += zf
        gbo += zo
        gbg += zg
        du = Wi.T @ zi + Wf.T @ zf + Wo.T @ zo + Wg.T @ zg
        dh = du[:3]
        dc = dc * f[t]
    return {"Wi": gWi, "bi": gbi, "Wf": gWf, "bf": gbf,
            "Wo": gWo, "bo": gbo, "Wg": gWg, "bg": gbg}


MISTAKES = [
    ("dc = dc + dh * o[t] * (1 - tc ** 2)", "dc = dh * o[t] * (1 - tc ** 2)",
     "the cell's own path from the later step is overwritten"),
    ("zf = dc * c[t] * f[t] * (1 - f[t])", "zf = dc * c[t + 1] * f[t] * (1 - f[t])",
     "the new cell state for the old one"),
    ("zg = dc * i[t] * (1 - g[t] ** 2)", "zg = dc * i[t] * g[t] * (1 - g[t])",
     "the candidate goes through tanh, not the sigmoid"),
    ("        dc = dc * f[t]\n", "", "the forget gate is left out on the way back",
     ["dc = dc + dh * o[t] * (1 - tc ** 2)"]),
    ("du = Wi.T @ zi + Wf.T @ zf + Wo.T @ zo + Wg.T @ zg", "du = Wi.T @ zi + Wf.T @ zf + Wg.T @ zg",
     "the path through the output gate is left out"),
    ("zo = dh * tc * o[t] * (1 - o[t])", "zo = dh * c[t + 1] * o[t] * (1 - o[t])",
     "the cell is not put through tanh"),
    ("zi = dc * g[t] * i[t] * (1 - i[t])", "zi = dc * g[t] * f[t] * (1 - i[t])",
     "a line that was copied keeps the letter of another gate"),
]
