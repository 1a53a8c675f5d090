"""A small framework: layers with .parameters and .gradients dicts, chained by a Sequential."""

import numpy as np


class Layer:
    def __init__(self):
        self.parameters = {}
        self.gradients = {}

    def __call__(self, x):
        return self.forward(x)


class Linear(Layer):
    def __init__(self, fan_in, fan_out, rng):
        super().__init__()
        self.parameters["W"] = rng.normal(size=(fan_in, fan_out)) * np.sqrt(2 / fan_in)
        self.parameters["b"] = rng.normal(size=(1, fan_out)) * 0.1

    def forward(self, x):
        self.x = x
        return x @ self.parameters["W"] + self.parameters["b"]

    def backward(self, upstream):
        self.gradients["W"] = self.x.T @ upstream
        self.gradients["b"] = upstream.sum(axis=0, keepdims=True)
        return upstream @ self.parameters["W"].T


class LeakyReLU(Layer):
    def __init__(self, slope=0.1):
        super().__init__()
        self.slope = slope

    def forward(self, x):
        self.negative = x < 0
        out = x.copy()
        out[self.negative] *= self.slope
        return out

    def backward(self, upstream):
        grad = upstream.copy()
        grad[self.negative] *= self.slope
        return grad


class Softplus(Layer):
    def forward(self, x):
        self.x = x
        return np.log1p(np.exp(x))

    def backward(self, upstream):
        return upstream / (1 + np.exp(-self.x))


class Sequential(Layer):
    def __init__(self, *layers):
        super().__init__()
        self.layers = list(layers)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x

    def backward(self, upstream):
        for layer in reversed(self.layers):
            upstream = layer.backward(upstream)
        return upstream


rng = np.random.default_rng(17)
net = Sequential(Linear(3, 4, rng), LeakyReLU(), Linear(4, 4, rng), Softplus(), Linear(4, 2, rng))
x = rng.normal(size=(5, 3))


def plain():
    dout = np.random.default_rng(1).normal(size=(5, 2))
    net.forward(x)
    arrays, given = {"x": x}, {"x": net.backward(dout)}
    for i, layer in enumerate(net.layers):
        for name, value in layer.parameters.items():
            arrays[f"{i}.{name}"], given[f"{i}.{name}"] = value, layer.gradients[name]
    return lambda: np.sum(net.forward(x) * dout), arrays, given


TABLE = {
    "style": "layer object",
    "glue": "tg.verify.check_layer(net, x)",
    "verdict": "right",
    "stores": "out[self.negative] *= self.slope",
    "says": "parameters of the layers in a list: layers[0].W with layers[0].gradients['W'] …",
    "mistakes": [
        ("return upstream / (1 + np.exp(-self.x))", "return upstream / (1 + np.exp(self.x))",
         "the derivative of softplus is sigmoid(x), not sigmoid(-x)"),
        ("grad[self.negative] *= self.slope", "grad[self.negative] = self.slope",
         "the slope in the place of slope times upstream"),
        ('self.gradients["b"] = upstream.sum(axis=0', 'self.gradients["b"] = upstream.mean(axis=0',
         "mean over the samples for the sum, in every layer"),
    ],
}
