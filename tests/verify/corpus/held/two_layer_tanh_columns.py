"""Two layers with tanh, one column vector at a time; squared error."""

import numpy as np

rng = np.random.default_rng(5)
X = rng.normal(size=(3, 5))  # a sample is a column
Y = rng.normal(size=(2, 5))
n = 5


def point(rng):
    return {
        "W1": 0.7 * rng.normal(size=(4, 3)),
        "b1": rng.normal(size=(4, 1)),
        "W2": rng.normal(size=(2, 4)),
        "b2": rng.normal(size=(2, 1)),
    }


def loss(W1, b1, W2, b2):
    J = 0.0
    for k in range(n):
        h = np.tanh(W1 @ X[:, k:k + 1] + b1)
        o = W2 @ h + b2
        J = J + 0.5 * np.sum((o - Y[:, k:k + 1]) ** 2)
    return J / n


def derived(W1, b1, W2, b2):
    gW1 = np.zeros(W1.shape)
    gb1 = np.zeros(b1.shape)
    gW2 = np.zeros(W2.shape)
    gb2 = np.zeros(b2.shape)
    for k in range(n):
        x = X[:, k:k + 1]
        t = Y[:, k:k + 1]
        # forward
        z1 = W1 @ x + b1
        a1 = np.tanh(z1)
        z2 = W2 @ a1 + b2
        # backward
        dz2 = z2 - t
        gW2 += dz2 @ a1.T
        gb2 += dz2
        da1 = W2.T @ dz2
        dz1 = da1 * (1 - a1 ** 2)
        gW1 += dz1 @ x.T
        gb1 += dz1
    gW1 /= n
    gb1 /= n
    gW2 /= n
    gb2 /= n
    return {"W1": gW1, "b1": gb1, "W2": gW2, "b2": gb2}


MISTAKES = [
    ("dz1 = da1 * (1 - a1 ** 2)", "dz1 = da1 * (1 - z1 ** 2)",
     "the derivative of tanh is written with its argument, not its value"),
    ("dz1 = da1 * (1 - a1 ** 2)", "dz1 = da1", "the derivative of tanh is left out"),
    ("dz1 = da1 * (1 - a1 ** 2)", "dz1 = da1 * a1 * (1 - a1)", "the sigmoid's derivative for tanh"),
    ("dz2 = z2 - t", "dz2 = 2 * (z2 - t)", "the loss has a half: no factor 2"),
    ("gW2 += dz2 @ a1.T", "gW2 += dz2 @ z1.T", "the weight's input is taken before tanh"),
    ("gb1 += dz1", "gb1 += da1", "the bias takes the gradient after the activation"),
    ("    gb2 /= n\n", "", "one of the four sums is not averaged", ["gb2 += dz2"]),
]
