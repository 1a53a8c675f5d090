"""MLP with any number of layers; params and grads in dicts with keys W1, b1 and dW1, db1."""

import numpy as np


class MLP:
    def __init__(self, sizes, seed=0):
        rng = np.random.default_rng(seed)
        self.L = len(sizes) - 1
        self.params = {}
        for l in range(1, self.L + 1):
            self.params["W" + str(l)] = rng.normal(0, 1 / np.sqrt(sizes[l - 1]), (sizes[l - 1], sizes[l]))
            self.params["b" + str(l)] = rng.normal(0, 0.1, sizes[l])
        self.grads = {}

    def forward(self, X):
        self.a = [X]
        for l in range(1, self.L + 1):
            z = self.a[-1] @ self.params[f"W{l}"] + self.params[f"b{l}"]
            self.a.append(np.tanh(z) if l < self.L else z)
        return self.a[-1]

    def backward(self, dout):
        delta = dout
        for l in range(self.L, 0, -1):
            if l < self.L:
                delta = delta * (1 - self.a[l] ** 2)
            self.grads[f"dW{l}"] = self.a[l - 1].T @ delta
            self.grads[f"db{l}"] = delta.sum(axis=0)
            delta = delta @ self.params[f"W{l}"].T
        return delta


net = MLP([3, 4, 5, 2], seed=21)
X = np.random.default_rng(22).normal(size=(6, 3))


def plain():
    dout = np.random.default_rng(1).normal(size=net.forward(X).shape)
    dX = net.backward(dout)
    return (lambda: np.sum(net.forward(X) * dout), {"X": X, **net.params},
            {"X": dX, **{k: net.grads["d" + k] for k in net.params}})


TABLE = {
    "style": "layer object",
    "glue": "tg.verify.check_layer(net, X)",
    "verdict": "right",
    "stores": "",
    "says": "params['W1'] goes with grads['dW1']",
    "mistakes": [
        ("(1 - self.a[l] ** 2)", "(1 - self.a[l - 1].mean() ** 2)", "tanh' of another layer's mean"),
        ("delta = delta * (1 - self.a[l] ** 2)", "delta = delta * (1 - np.tanh(self.a[l]) ** 2)",
         "tanh is applied twice"),
        ('self.a[l - 1].T @ delta', 'self.a[l - 1].T @ delta / len(delta)', "averaged, forward is not"),
    ],
}
