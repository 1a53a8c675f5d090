"""Dropout and PReLU layers in a chain; masks are arrays, outputs are changed in place."""

import numpy as np


class Dropout:
    def __init__(self, ratio, shape, seed):
        self.mask = np.random.RandomState(seed).rand(*shape) > ratio
        self.scale = 1 / (1 - ratio)

    def forward(self, x):
        out = np.array(x)
        out[~self.mask] = 0
        out *= self.scale
        return out

    def backward(self, dout):
        dx = np.zeros_like(dout)
        dx[self.mask] = dout[self.mask] * self.scale
        return dx


class PReLU:
    def __init__(self, slopes):
        self.a = slopes
        self.da = np.zeros_like(slopes)

    def forward(self, x):
        self.x = x
        self.neg = x < 0
        out = x.copy()
        for j in range(x.shape[1]):
            out[self.neg[:, j], j] *= self.a[j]
        return out

    def backward(self, dout):
        self.da.fill(0)
        self.da += np.sum(dout * self.x * self.neg, axis=0)
        return np.where(self.neg, dout * self.a, dout)


class Chain:
    def __init__(self, *layers):
        self.layers = layers

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, dout):
        for layer in self.layers[::-1]:
            dout = layer.backward(dout)
        return dout


chain = Chain(PReLU(np.array([0.1, 0.3, -0.2])), Dropout(0.4, (5, 3), 64))
x = np.random.RandomState(65).randn(5, 3)


def plain():
    dout = np.random.default_rng(1).normal(size=chain.forward(x).shape)
    dx = chain.backward(dout)
    prelu = chain.layers[0]
    return lambda: np.sum(chain.forward(x) * dout), {"x": x, "a": prelu.a}, {"x": dx, "a": prelu.da}


TABLE = {
    "style": "layer object",
    "glue": "tg.verify.check_layer(chain, x)",
    "verdict": "right",
    "stores": "out[self.neg[:, j], j] *= ...; out[~self.mask] = 0; out *= self.scale",
    "says": "layers[0].a goes with layers[0].da; the boolean mask is no parameter",
    "mistakes": [
        ("dout[self.mask] * self.scale", "dout[self.mask]", "the scaling is left out of backward"),
        ("np.sum(dout * self.x * self.neg, axis=0)", "np.sum(dout * self.x, axis=0)",
         "the slopes' gradient has no mask"),
        ("np.where(self.neg, dout * self.a, dout)", "np.where(self.neg, dout, dout * self.a)",
         "the branches are exchanged"),
    ],
}
