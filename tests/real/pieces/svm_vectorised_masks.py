"""Multiclass hinge loss without loops; margins and counts are written into by masks."""

import numpy as np


def svm_loss(x, y):
    """x: scores (N, C), y: labels. Returns loss and dx."""
    N = x.shape[0]
    correct_class_scores = x[np.arange(N), y]
    margins = np.maximum(0, x - correct_class_scores[:, np.newaxis] + 1.0)
    margins[np.arange(N), y] = 0
    loss = np.sum(margins) / N
    num_pos = np.sum(margins > 0, axis=1)
    dx = np.zeros_like(x)
    dx[margins > 0] = 1
    dx[np.arange(N), y] -= num_pos
    dx /= N
    return loss, dx


class LinearSVM:
    def __init__(self, W, b):
        self.W, self.b = W, b

    def loss(self, X, y):
        loss, dscores = svm_loss(X.dot(self.W) + self.b, y)
        return loss, {"W": X.T.dot(dscores), "b": dscores.sum(axis=0)}


rng = np.random.default_rng(60)
X, y = rng.normal(size=(6, 4)), rng.integers(0, 3, size=6)
W, b = rng.normal(size=(4, 3)), rng.normal(size=3)


def plain():
    return (lambda: LinearSVM(W, b).loss(X, y)[0], {"W": W, "b": b}, LinearSVM(W, b).loss(X, y)[1])


TABLE = {
    "style": "loss and gradients",
    "glue": "tg.verify.check_derivation(lambda W, b: LinearSVM(W, b).loss(X, y), W=W, b=b)",
    "verdict": "right",
    "stores": "X.dot(self.W); margins[np.arange(N), y] = 0",
    "mistakes": [
        ("dx[np.arange(N), y] -= num_pos", "dx[np.arange(N), y] -= 1", "the count of margins is left out"),
        ("dx[margins > 0] = 1", "dx[margins > 1] = 1", "the mask asks for margins above one"),
        ("    dx /= N\n", "", "summed, not averaged"),
    ],
}
