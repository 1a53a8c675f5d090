"""Bidirectional RNN layer; the backward direction's gradients run over time the wrong way."""

import numpy as np


class BiRNN:
    def __init__(self, n_in, n_h, seed=61):
        rng = np.random.default_rng(seed)
        self.n_h = n_h
        self.weights = {
            "Wf": rng.normal(size=(n_in, n_h)), "Uf": 0.6 * rng.normal(size=(n_h, n_h)),
            "Wb": rng.normal(size=(n_in, n_h)), "Ub": 0.6 * rng.normal(size=(n_h, n_h)),
        }
        self.gradients = {}

    def forward(self, x):
        w, T = self.weights, len(x)
        self.x = x
        self.hf = np.zeros((T + 1, self.n_h))
        self.hb = np.zeros((T + 1, self.n_h))
        for t in range(T):
            self.hf[t] = np.tanh(x[t] @ w["Wf"] + self.hf[t - 1] @ w["Uf"])
        for t in reversed(range(T)):
            self.hb[t] = np.tanh(x[t] @ w["Wb"] + self.hb[t + 1] @ w["Ub"])
        return np.hstack([self.hf[:T], self.hb[:T]])

    def backward(self, dout):
        w, T = self.weights, len(self.x)
        g = self.gradients = {k: np.zeros_like(v) for k, v in w.items()}
        dx = np.zeros_like(self.x)
        carry = np.zeros(self.n_h)
        for t in reversed(range(T)):
            da = (dout[t, :self.n_h] + carry) * (1 - self.hf[t] ** 2)
            g["Wf"] += np.outer(self.x[t], da)
            g["Uf"] += np.outer(self.hf[t - 1], da)
            dx[t] += w["Wf"] @ da
            carry = w["Uf"] @ da
        carry = np.zeros(self.n_h)
        for t in reversed(range(0, T)):
            da = (dout[t, self.n_h:] + carry) * (1 - self.hb[t] ** 2)
            g["Wb"] += np.outer(self.x[t], da)
            g["Ub"] += np.outer(self.hb[t + 1], da)
            dx[t] += w["Wb"] @ da
            carry = w["Ub"] @ da
        return dx


rnn = BiRNN(2, 3)
x = np.random.default_rng(62).normal(size=(4, 2))


def plain():
    dout = np.random.default_rng(1).normal(size=rnn.forward(x).shape)
    dx = rnn.backward(dout)
    return (lambda: np.sum(rnn.forward(x) * dout), {"x": x, **rnn.weights}, {"x": dx, **rnn.gradients})


TABLE = {
    "style": "layer object",
    "glue": "tg.verify.check_layer(rnn, x)",
    "verdict": "wrong",
    "wrong": ["x", "Wb", "Ub"],
    "stores": "self.hf[t] = ..., read again as self.hf[t - 1]",
    "says": "the backward direction's gradient runs from the first step to the last; hf[-1] is the spare row",
    "change": ("for t in reversed(range(0, T)):", "for t in range(0, T):"),
    "also": ['carry = w["Ub"] @ da', "da = (dout[t, self.n_h:] + carry)"],
}
