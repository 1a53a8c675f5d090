"""Softmax classifier, vectorised: p[range(N), y] -= 1; the decay is only in the gradient."""

import numpy as np


def softmax_loss_vectorized(W, X, y, reg):
    N = X.shape[0]
    scores = X.dot(W)
    scores -= np.max(scores, axis=1, keepdims=True)
    p = np.exp(scores)
    p /= np.sum(p, axis=1, keepdims=True)
    loss = np.sum(-np.log(p[range(N), y])) / N

    p[range(N), y] -= 1
    dW = X.T.dot(p) / N
    dW += reg * W
    return loss, dW


rng = np.random.default_rng(31)
X = rng.normal(size=(7, 4))
y = rng.integers(0, 3, size=7)
W = rng.normal(size=(4, 3))


def plain():
    return (lambda: softmax_loss_vectorized(W, X, y, 0.2)[0], {"W": W},
            {"W": softmax_loss_vectorized(W, X, y, 0.2)[1]})


TABLE = {
    "style": "loss and gradients",
    "glue": "tg.verify.check_derivation(lambda W: softmax_loss_vectorized(W, X, y, 0.2), W=W)",
    "verdict": "convention",
    "convention": "decay",
    "size": 0.2,
    "wrong": ["W"],
    "stores": "scores -= ...; p /= ...; p[range(N), y] -= 1",
    "says": "0.2 W is added: a decay that is not in the loss",
    "change": ("    dW += reg * W\n", ""),
}
