"""Logistic regression; 1e-7 inside the logarithms of the cost, none in the gradient."""

import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def propagate(w, b, X, Y):
    """w: (D, 1), b: scalar, X: (D, m), Y: (1, m) -> grads, cost"""
    m = X.shape[1]
    epsilon = 1e-7
    A = sigmoid(np.dot(w.T, X) + b)
    cost = -1 / m * np.sum(Y * np.log(A + epsilon) + (1 - Y) * np.log(1 - A + epsilon))

    dw = 1 / m * np.dot(X, (A - Y).T)
    db = 1 / m * np.sum(A - Y)
    cost = np.squeeze(cost)
    grads = {"dw": dw, "db": db}
    return grads, cost


rng = np.random.default_rng(35)
X = rng.normal(size=(3, 8))
X[:, 0] = [2.0, 1.0, -1.0]
w, b = np.array([[2.5], [1.5], [-1.0]]), np.array(0.4)
Y = (rng.random((1, 8)) < 0.5).astype(float)
Y[0, 0] = 0.0


def plain():
    grads, _ = propagate(w, b, X, Y)
    return lambda: propagate(w, b, X, Y)[1], {"w": w, "b": b}, {"w": grads["dw"], "b": grads["db"]}


TABLE = {
    "style": "loss and gradients",
    "glue": "tg.verify.check_derivation(lambda w, b: propagate(w, b, X, Y), w=w, b=b)",
    "verdict": "convention",
    "convention": "constant in the log",
    "wrong": ["w", "b"],
    "stores": "",
    "says": "right up to the constant 1e-7 in the logarithms, which the gradient leaves out; "
            "gradients first, loss second",
    "change": ("    epsilon = 1e-7", "    epsilon = 0.0"),
    "also": ["dw = 1 / m", "db = 1 / m", "cost = -1 / m"],
}
