"""Linear regression with an L2 penalty on the weights."""

import numpy as np

rng = np.random.default_rng(0)
X, y = rng.normal(size=(8, 3)), rng.normal(size=8)
n, penalty = len(X), 0.3
w, c = rng.normal(size=3), np.array(0.2)


def loss(w, c):
    residual = X @ w + c - y
    return np.sum(residual**2) / (2 * n) + penalty / 2 * np.sum(w**2)


def derived(w, c):
    residual = X @ w + c - y
    dw = X.T @ residual / n + penalty * w
    dc = np.sum(residual) / n
    return {"w": dw, "c": dc}


MISTAKES = [
    ("X.T @ residual / n + penalty * w", "X.T @ residual / n",
     "the penalty has a gradient, too"),
    ("X.T @ residual / n + penalty * w", "X.T @ residual / n + penalty / 2 * w",
     "the square's 2 cancels the half"),
    ("X.T @ residual / n + penalty * w", "X.T @ residual + penalty * w",
     "the loss is a mean over samples"),
    ("dc = np.sum(residual) / n", "dc = np.sum(residual)", "the loss is a mean over samples"),
    ("    residual = X @ w + c - y\n    dw", "    residual = X @ w - y\n    dw",
     "the residual holds the constant"),
]
