"""Multi-class hinge loss with margin 1, one sample and one class at a time."""

import numpy as np

rng = np.random.default_rng(14)
X = rng.normal(size=(6, 5))
y = [0, 3, 1, 2, 2, 0]
num = 6
C = 4
reg = 0.1


def point(rng):
    return {"W": 0.6 * rng.normal(size=(4, 5)), "b": 0.5 * rng.normal(size=4)}


def loss(W, b):
    total = 0.0
    for i in range(num):
        scores = W @ X[i] + b
        for j in range(C):
            if j != y[i]:
                total = total + np.maximum(0.0, scores[j] - scores[y[i]] + 1.0)
    return total / num + reg * np.sum(W ** 2)


def derived(W, b):
    dW = np.zeros_like(W)
    db = np.zeros_like(b)
    for i in range(num):
        s = W.dot(X[i]) + b
        correct = s[y[i]]
        for j in range(C):
            if j == y[i]:
                continue
            margin = s[j] - correct + 1
            if margin > 0:
                dW[j] += X[i]
                dW[y[i]] -= X[i]
                db[j] += 1
                db[y[i]] -= 1
    dW /= num
    db /= num
    dW += 2 * reg * W
    return {"W": dW, "b": db}


MISTAKES = [
    ("                dW[y[i]] -= X[i]\n", "", "the correct class gets no gradient",
     ["dW[j] += X[i]"]),
    ("dW[y[i]] -= X[i]", "dW[y[i]] = -X[i]", "= for -=: earlier margins are thrown away"),
    ("margin = s[j] - correct + 1", "margin = s[j] - correct", "the margin of 1 is left out",
     ["if margin > 0:"]),
    ("dW += 2 * reg * W", "dW += reg * W", "the penalty has no half: the 2 is left out"),
    ("    dW += 2 * reg * W\n", "", "the penalty is left out"),
    ("db[y[i]] -= 1", "db[y[i]] += 1", "the sign of the correct class"),
    ("    dW /= num\n", "", "the weights are not averaged", ["dW += 2 * reg * W"]),
]
