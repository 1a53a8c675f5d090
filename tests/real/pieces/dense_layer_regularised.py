"""One dense layer object whose decay is added in backward, while forward knows nothing of it."""

import numpy as np


class Dense:
    def __init__(self, n_in, n_out, l2=0.0, seed=0):
        rng = np.random.RandomState(seed)
        self.W = rng.randn(n_in, n_out) / np.sqrt(n_in)
        self.b = 0.1 * rng.randn(n_out)
        self.l2 = l2

    def forward(self, x):
        self.x = x
        self.z = x.dot(self.W) + self.b
        self.out = 1.0 / (1.0 + np.exp(-self.z))
        return self.out

    def backward(self, grad):
        delta = grad * self.out * (1 - self.out)
        self.dW = self.x.T.dot(delta)
        self.dW += self.l2 * self.W
        self.db = delta.sum(0)
        return delta.dot(self.W.T)


layer = Dense(4, 3, l2=0.1, seed=12)
x = np.random.RandomState(13).randn(5, 4)


def plain():
    dout = np.random.default_rng(1).normal(size=layer.forward(x).shape)
    dx = layer.backward(dout)
    return (lambda: np.sum(layer.forward(x) * dout), {"x": x, "W": layer.W, "b": layer.b},
            {"x": dx, "W": layer.dW, "b": layer.db})


TABLE = {
    "style": "layer object",
    "glue": "tg.verify.check_layer(layer, x)",
    "verdict": "convention",
    "convention": "decay",
    "size": 0.1,
    "wrong": ["W"],
    "stores": "",
    "says": "0.1 W is added: a decay that is not in the loss",
    "change": ("        self.dW += self.l2 * self.W\n", ""),
}
