"""Logistic regression with fit and self.w -= lr * dw; gradient over all samples is summed."""

import numpy as np


class LogisticRegression:
    def __init__(self, lr=0.01, n_iters=1):
        self.lr = lr
        self.n_iters = n_iters
        self.weights = None
        self.bias = None

    def fit(self, X, y):
        n_samples, n_features = X.shape
        if self.weights is None:
            self.weights = np.zeros(n_features)
            self.bias = 0
        for _ in range(self.n_iters):
            predictions = 1 / (1 + np.exp(-(X.dot(self.weights) + self.bias)))
            dw = np.dot(X.T, predictions - y)
            db = np.sum(predictions - y)
            self.weights = self.weights - self.lr * dw
            self.bias = self.bias - self.lr * db
        return self

    def loss(self, X, y):
        p = 1 / (1 + np.exp(-(X.dot(self.weights) + self.bias)))
        return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))


rng = np.random.default_rng(49)
X = rng.normal(size=(8, 3))
y = (X[:, 0] > 0).astype(float)
clf = LogisticRegression()
clf.weights, clf.bias = rng.normal(size=3), np.array([0.3])


def plain():
    w, b = clf.weights, clf.bias
    clf.fit(X, y)
    given = {"w": (w - clf.weights) / clf.lr, "b": (b - clf.bias) / clf.lr}
    clf.weights, clf.bias = w, b
    return lambda: clf.loss(X, y), {"w": w, "b": b}, given


TABLE = {
    "style": "step",
    "glue": "tg.verify.check_step(lambda: clf.fit(X, y), clf, clf.lr, loss=lambda: clf.loss(X, y))",
    "verdict": "convention",
    "convention": "scale",
    "size": 8,
    "wrong": ["w", "b"],
    "stores": "",
    "says": "right up to the factor 8: summed over the samples, the loss is averaged",
    "change": ("            dw = np.dot(X.T, predictions - y)\n            db = np.sum(predictions - y)",
               "            dw = np.dot(X.T, predictions - y) / n_samples\n"
               "            db = np.sum(predictions - y) / n_samples"),
    "also": ["self.weights = self.weights - self.lr * dw", "self.bias = self.bias - self.lr * db"],
}
