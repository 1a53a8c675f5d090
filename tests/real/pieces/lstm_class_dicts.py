"""LSTM class, one matrix for each gate, concatenated inputs, states in dicts by time."""

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


class LSTM:
    def __init__(self, vocab, n_h, seed=58):
        rng = np.random.RandomState(seed)
        n_z = n_h + vocab
        self.n_h, self.vocab = n_h, vocab
        self.params = {}
        for gate in ("f", "i", "c", "o"):
            self.params["W_" + gate] = rng.randn(n_h, n_z) / np.sqrt(n_z)
            self.params["b_" + gate] = 0.1 * rng.randn(n_h, 1)
        self.params["W_v"] = rng.randn(vocab, n_h)
        self.params["b_v"] = np.zeros((vocab, 1))

    def loss(self, inputs, targets):
        p = self.params
        z, f, i, g, o, c, h, y = ({} for _ in range(8))
        h[-1], c[-1] = np.zeros((self.n_h, 1)), np.zeros((self.n_h, 1))
        loss = 0
        for t, ix in enumerate(inputs):
            x = np.zeros((self.vocab, 1))
            x[ix] = 1
            z[t] = np.vstack((h[t - 1], x))
            f[t] = sigmoid(p["W_f"] @ z[t] + p["b_f"])
            i[t] = sigmoid(p["W_i"] @ z[t] + p["b_i"])
            g[t] = np.tanh(p["W_c"] @ z[t] + p["b_c"])
            o[t] = sigmoid(p["W_o"] @ z[t] + p["b_o"])
            c[t] = f[t] * c[t - 1] + i[t] * g[t]
            h[t] = o[t] * np.tanh(c[t])
            v = p["W_v"] @ h[t] + p["b_v"]
            y[t] = np.exp(v - v.max())
            y[t] /= y[t].sum()
            loss -= np.log(y[t][targets[t], 0])

        grads = {name: np.zeros_like(value) for name, value in p.items()}
        dh_next, dc_next = np.zeros_like(h[0]), np.zeros_like(c[0])
        for t in reversed(range(len(inputs))):
            dv = y[t].copy()
            dv[targets[t]] -= 1
            grads["W_v"] += dv @ h[t].T
            grads["b_v"] += dv
            dh = p["W_v"].T @ dv + dh_next
            do = dh * np.tanh(c[t]) * o[t] * (1 - o[t])
            dc = dc_next + dh * o[t] * (1 - np.tanh(c[t]) ** 2)
            dg = dc * i[t] * (1 - g[t] ** 2)
            di = dc * g[t] * i[t] * (1 - i[t])
            df = dc * c[t] * f[t] * (1 - f[t])
            dz = 0
            for gate, d in zip("fico", (df, di, dg, do)):
                grads["W_" + gate] += d @ z[t].T
                grads["b_" + gate] += d
                dz = dz + p["W_" + gate].T @ d
            dh_next = dz[:self.n_h]
            dc_next = f[t] * dc
        return loss, grads


model = LSTM(5, 3)
inputs, targets = [0, 2, 1, 4], [2, 1, 4, 3]


def plain():
    _, grads = model.loss(inputs, targets)
    return lambda: model.loss(inputs, targets)[0], model.params, grads


TABLE = {
    "style": "loss and gradients",
    "glue": "def f(**params): model.params.update(params); return model.loss(inputs, targets)\n"
            "tg.verify.check_derivation(f, **model.params)",
    "verdict": "wrong",
    "wrong": ["W_f", "W_i", "W_c", "W_o", "b_f", "b_i", "b_c", "b_o"],
    "stores": "y[t] /= y[t].sum(); dv[targets[t]] -= 1 in the gradients",
    "says": "the forget gate multiplies the previous cell c[t - 1], not c[t]",
    "change": ("df = dc * c[t] * f[t]", "df = dc * c[t - 1] * f[t]"),
}
