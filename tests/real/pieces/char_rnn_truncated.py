"""RNN language model whose gradient goes back two steps only; h[t] is stored into np.zeros."""

import numpy as np


class RNN:
    def __init__(self, word_dim, hidden_dim=4, bptt_truncate=2, seed=34):
        rng = np.random.default_rng(seed)
        self.word_dim = word_dim
        self.hidden_dim = hidden_dim
        self.bptt_truncate = bptt_truncate
        self.U = rng.uniform(-1, 1, (hidden_dim, word_dim))
        self.V = rng.uniform(-1, 1, (word_dim, hidden_dim))
        self.W = rng.uniform(-1, 1, (hidden_dim, hidden_dim))

    def forward_propagation(self, x):
        T = len(x)
        s = np.zeros((T + 1, self.hidden_dim))
        o = np.zeros((T, self.word_dim))
        for t in np.arange(T):
            s[t] = np.tanh(self.U[:, x[t]] + self.W.dot(s[t - 1]))
            z = self.V.dot(s[t])
            e = np.exp(z - z.max())
            o[t] = e / e.sum()
        return o, s

    def calculate_loss(self, x, y):
        o, s = self.forward_propagation(x)
        return -np.sum(np.log(o[np.arange(len(y)), y]))

    def bptt(self, x, y):
        T = len(y)
        o, s = self.forward_propagation(x)
        dLdU = np.zeros(self.U.shape)
        dLdV = np.zeros(self.V.shape)
        dLdW = np.zeros(self.W.shape)
        delta_o = o
        delta_o[np.arange(len(y)), y] -= 1.
        for t in np.arange(T)[::-1]:
            dLdV += np.outer(delta_o[t], s[t].T)
            delta_t = self.V.T.dot(delta_o[t]) * (1 - (s[t] ** 2))
            for bptt_step in np.arange(max(0, t - self.bptt_truncate), t + 1)[::-1]:
                dLdW += np.outer(delta_t, s[bptt_step - 1])
                dLdU[:, x[bptt_step]] += delta_t
                delta_t = self.W.T.dot(delta_t) * (1 - s[bptt_step - 1] ** 2)
        return [dLdU, dLdV, dLdW]


x = np.array([0, 3, 1, 4, 2, 0, 1])
y = np.array([3, 1, 4, 2, 0, 1, 4])
model = RNN(5)


def loss(U, V, W):
    model.U, model.V, model.W = U, V, W
    return model.calculate_loss(x, y)


def gradients(U, V, W):
    model.U, model.V, model.W = U, V, W
    return model.bptt(x, y)


U, V, W = model.U, model.V, model.W


def plain():
    return lambda: loss(U, V, W), {"U": U, "V": V, "W": W}, dict(zip("UVW", gradients(U, V, W)))


TABLE = {
    "style": "two functions",
    "glue": "tg.verify.check_derivation(loss, gradients, U=U, V=V, W=W)",
    "verdict": "convention",
    "convention": "truncated",
    "wrong": ["U", "W"],
    "stores": "s[t] = ...; delta_o[np.arange(len(y)), y] -= 1.",
    "says": "back-propagation through time stops after two steps; V is right",
    "change": ("max(0, t - self.bptt_truncate)", "0"),
}
