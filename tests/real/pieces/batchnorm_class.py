"""Batch normalisation class with running statistics; dgamma, dbeta, and a compact dx."""

import numpy as np


class BatchNorm1d:
    def __init__(self, dim, eps=1e-5, momentum=0.1):
        self.eps = eps
        self.momentum = momentum
        self.gamma = np.ones(dim)
        self.beta = np.zeros(dim)
        self.running_mean = np.zeros(dim)
        self.running_var = np.ones(dim)
        self.training = True

    def forward(self, x):
        if self.training:
            mean, var = x.mean(axis=0), x.var(axis=0)
            self.running_mean = (1 - self.momentum) * self.running_mean + self.momentum * mean
            self.running_var = (1 - self.momentum) * self.running_var + self.momentum * var
        else:
            mean, var = self.running_mean, self.running_var
        self.std = np.sqrt(var + self.eps)
        self.xhat = (x - mean) / self.std
        return self.gamma * self.xhat + self.beta

    def backward(self, grad):
        m = len(grad)
        self.dbeta = grad.sum(axis=0)
        self.dgamma = (grad * self.xhat).sum(axis=0)
        dxhat = grad * self.gamma
        dx = m * dxhat - dxhat.sum(axis=0) - self.xhat * (dxhat * self.xhat).sum(axis=0)
        return dx / (m * self.std)


rng = np.random.default_rng(24)
bn = BatchNorm1d(3)
bn.gamma[:] = [0.5, 2.0, -1.0]
bn.beta[:] = [0.1, 0.0, -0.3]
x = 1 + 2 * rng.normal(size=(5, 3))


def plain():
    grad = np.random.default_rng(1).normal(size=bn.forward(x).shape)
    dx = bn.backward(grad)
    return (lambda: np.sum(bn.forward(x) * grad), {"x": x, "gamma": bn.gamma, "beta": bn.beta},
            {"x": dx, "gamma": bn.dgamma, "beta": bn.dbeta})


TABLE = {
    "style": "layer object",
    "glue": "tg.verify.check_layer(bn, x)",
    "verdict": "right",
    "stores": "",
    "says": "forward changes the running statistics: state, no parameters; called again it gives the same",
    "mistakes": [
        ("return dx / (m * self.std)", "return dx / self.std", "the factor 1/m is left out"),
        ("self.dgamma = (grad * self.xhat).sum(axis=0)", "self.dgamma = (grad * self.xhat).mean(axis=0)",
         "mean over the batch for the sum"),
        ("dx = m * dxhat - dxhat.sum(axis=0) - self", "dx = m * dxhat - self", "the path through the mean"),
    ],
}
