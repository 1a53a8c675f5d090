"""Radial basis function network with trained centres and widths; predictions in a loop."""

import numpy as np


class RBFNet:
    def __init__(self, centers, sigma, w, b):
        self.centers, self.sigma, self.w, self.b = centers, sigma, w, b

    def activations(self, X):
        Phi = np.zeros((len(X), len(self.centers)))
        for i in range(len(X)):
            for j in range(len(self.centers)):
                d = X[i] - self.centers[j]
                Phi[i, j] = np.exp(-d.dot(d) / (2 * self.sigma[j] ** 2))
        return Phi

    def loss_and_grad(self, X, y):
        n = len(X)
        Phi = self.activations(X)
        e = Phi.dot(self.w) + self.b - y
        loss = np.sum(e ** 2) / (2 * n)

        grad_w = Phi.T.dot(e) / n
        grad_b = np.array([e.sum() / n])
        grad_c = np.zeros_like(self.centers)
        grad_s = np.zeros_like(self.sigma)
        for i in range(n):
            for j in range(len(self.centers)):
                d = X[i] - self.centers[j]
                common = e[i] * self.w[j] * Phi[i, j] / n
                grad_c[j] += common * d / self.sigma[j] ** 2
                grad_s[j] += common * d.dot(d) / self.sigma[j] ** 2
        return loss, [grad_c, grad_s, grad_w, grad_b]


rng = np.random.default_rng(23)
X, y = rng.normal(size=(7, 2)), rng.normal(size=7)
centers, sigma = rng.normal(size=(3, 2)), rng.uniform(0.7, 1.6, size=3)
w, b = rng.normal(size=3), rng.normal(size=1)


def f(centers, sigma, w, b):
    return RBFNet(centers, sigma, w, b).loss_and_grad(X, y)


def plain():
    arrays = {"centers": centers, "sigma": sigma, "w": w, "b": b}
    return lambda: f(**arrays)[0], arrays, dict(zip(arrays, f(**arrays)[1]))


TABLE = {
    "style": "loss and gradients",
    "glue": "tg.verify.check_derivation(f, centers=centers, sigma=sigma, w=w, b=b)",
    "verdict": "wrong",
    "wrong": ["sigma"],
    "stores": "Phi[i, j] = ...",
    "says": "the derivative by the width has sigma**3 below; gradients come as a list in order",
    "change": ("d.dot(d) / self.sigma[j] ** 2\n        return", "d.dot(d) / self.sigma[j] ** 3\n        return"),
}
