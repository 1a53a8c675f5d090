"""MLP whose layers update themselves in backward, before they pass the gradient down."""

import numpy as np


class Layer:
    def __init__(self, n_in, n_out, activation, rng):
        self.W = rng.normal(size=(n_in, n_out)) / np.sqrt(n_in)
        self.b = rng.normal(size=(1, n_out)) * 0.1
        self.activation = activation

    def forward(self, x):
        self.x = x
        z = x @ self.W + self.b
        self.a = np.tanh(z) if self.activation == "tanh" else z
        return self.a

    def backward(self, grad, lr):
        if self.activation == "tanh":
            grad = grad * (1 - self.a ** 2)
        self.W -= lr * self.x.T @ grad
        self.b -= lr * grad.sum(axis=0, keepdims=True)
        return grad @ self.W.T


class Network:
    def __init__(self, rng):
        self.layers = [Layer(3, 5, "tanh", rng), Layer(5, 4, "tanh", rng), Layer(4, 2, "linear", rng)]

    def train_on_batch(self, X, Y, lr=0.1):
        out = X
        for layer in self.layers:
            out = layer.forward(out)
        loss = np.mean((out - Y) ** 2)
        grad = 2 * (out - Y) / out.size
        for layer in reversed(self.layers):
            grad = layer.backward(grad, lr)
        return loss


rng = np.random.default_rng(51)
X, Y = rng.normal(size=(6, 3)), rng.normal(size=(6, 2))
net = Network(rng)


def plain():
    names = [f"{k}{i}" for i in range(3) for k in "Wb"]
    before = {n: getattr(net.layers[int(n[1])], n[0]).copy() for n in names}

    def restore():
        for n in names:
            setattr(net.layers[int(n[1])], n[0], before[n].copy())

    def value():
        restore()
        loss = net.train_on_batch(X, Y)
        after.update({n: getattr(net.layers[int(n[1])], n[0]).copy() for n in names})
        restore()
        return loss
    after = {}
    value()
    return value, before, {n: (before[n] - after[n]) / 0.1 for n in names}


TABLE = {
    "style": "step",
    "glue": "tg.verify.check_step(lambda: net.train_on_batch(X, Y), net, lr=0.1)",
    "verdict": "wrong",
    "wrong": ["W0", "b0", "W1", "b1"],
    "stores": "self.W -= ... of a parameter, which is the step",
    "says": "the gradient is passed down through W after its update; the last layer is right",
    "change": ("        self.W -= lr * self.x.T @ grad\n"
               "        self.b -= lr * grad.sum(axis=0, keepdims=True)\n"
               "        return grad @ self.W.T",
               "        down = grad @ self.W.T\n"
               "        self.W -= lr * self.x.T @ grad\n"
               "        self.b -= lr * grad.sum(axis=0, keepdims=True)\n"
               "        return down"),
}
