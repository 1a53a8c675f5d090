"""Softmax regression whose probabilities are clipped before the logarithm; one is clipped."""

import numpy as np


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def categorical_crossentropy(y_true, y_pred):
    y_pred = np.clip(y_pred, 1e-3, 1 - 1e-3)
    return np.mean(-np.sum(y_true * np.log(y_pred), axis=1))


def fit_loss(W, b):
    """The loss, and the usual short gradient of softmax with cross-entropy."""
    p = softmax(X @ W + b)
    loss = categorical_crossentropy(Y, p)
    dz = (p - Y) / len(X)
    return loss, (X.T @ dz, dz.sum(axis=0))


rng = np.random.default_rng(56)
X = rng.normal(size=(6, 3))
X[0] = [3.0, -3.0, 3.0]
Y = np.eye(3)[[2, 1, 0, 2, 1, 0]]
W = np.array([[2.0, 0.1, -1.0], [-1.0, 0.3, 1.0], [1.0, -0.2, -0.5]])
b = np.array([0.1, 0.0, -0.2])


def plain():
    return lambda: fit_loss(W, b)[0], {"W": W, "b": b}, dict(zip("Wb", fit_loss(W, b)[1]))


TABLE = {
    "style": "loss and gradients",
    "glue": "tg.verify.check_derivation(fit_loss, W=W, b=b)",
    "verdict": "convention",
    "convention": "clip active",
    "wrong": ["W", "b"],
    "stores": "",
    "says": "sample 0 has a probability below 1e-3: the clip is active there, and the loss flat; "
            "the gradient is that without the clip",
    "change": ("    y_pred = np.clip(y_pred, 1e-3, 1 - 1e-3)\n", ""),
    "also": ["dz = (p - Y) / len(X)", "return np.mean(-np.sum(y_true"],
}
