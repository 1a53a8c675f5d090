"""Structured SVM loss, naive: loops over samples and classes, gradient accumulated beside the loss."""

import numpy as np


def svm_loss_naive(W, X, y, reg):
    """W: (D, C), X: (N, D), y: (N,) -> loss, dW"""
    dW = np.zeros(W.shape)
    num_classes = W.shape[1]
    num_train = X.shape[0]
    loss = 0.0
    for i in range(num_train):
        scores = X[i].dot(W)
        correct_class_score = scores[y[i]]
        for j in range(num_classes):
            if j == y[i]:
                continue
            margin = scores[j] - correct_class_score + 1
            if margin > 0:
                loss += margin
                dW[:, j] += X[i]
                dW[:, y[i]] -= X[i]
    loss /= num_train
    dW /= num_train
    loss += reg * np.sum(W * W)
    dW += 2 * reg * W
    return loss, dW


rng = np.random.default_rng(30)
X = rng.normal(size=(6, 4))
y = rng.integers(0, 3, size=6)
W = rng.normal(size=(4, 3))


def plain():
    return (lambda: svm_loss_naive(W, X, y, 0.05)[0], {"W": W},
            {"W": svm_loss_naive(W, X, y, 0.05)[1]})


TABLE = {
    "style": "loss and gradients",
    "glue": "tg.verify.check_derivation(lambda W: svm_loss_naive(W, X, y, 0.05), W=W)",
    "verdict": "right",
    "stores": "X[i].dot(W); dW[:, j] += X[i] in the gradients",
    "mistakes": [
        ("dW[:, y[i]] -= X[i]", "dW[:, y[i]] += X[i]", "the right class has the wrong sign"),
        ("dW += 2 * reg * W", "dW += reg * W", "the factor 2 of the square"),
        ("    dW /= num_train\n", "", "summed, not averaged"),
    ],
}
