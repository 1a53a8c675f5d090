"""Siamese network: both inputs through the same two layers, logistic regression on |ea - eb|; columns are pairs."""

import numpy as np

rs = np.random.default_rng(707)
n = 6
XA, XB = rs.normal(size=(3, n)), rs.normal(size=(3, n))
same = np.array([1.0, 0, 1, 1, 0, 0])
DECAY = 0.05


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def softplus(z):
    return np.logaddexp(0, z)


def point(rng):
    return {"W1": rng.normal(size=(4, 3)), "b1": rng.normal(size=(4, 1)), "W2": 0.6 * rng.normal(size=(3, 4)),
            "v": rng.normal(size=3), "c": rng.normal(size=1)}


def loss(W1, b1, W2, v, c):
    left = np.tanh(W2 @ softplus(W1 @ XA + b1))
    right = np.tanh(W2 @ softplus(W1 @ XB + b1))
    logit = v @ np.abs(left - right) + c
    bce = np.mean(softplus(logit) - same * logit)
    return bce + DECAY * (np.sum(W1 ** 2) + np.sum(W2 ** 2))


def derived(W1, b1, W2, v, c):
    za = W1 @ XA + b1
    ha = softplus(za)
    ea = np.tanh(W2 @ ha)

    zb = W1 @ XB + b1
    hb = softplus(zb)
    eb = np.tanh(W2 @ hb)

    diff = ea - eb
    dist = np.abs(diff)
    prob = sigmoid(v @ dist + c)

    dlogit = (prob - same) / n
    dv = dist @ dlogit
    dc = np.sum(dlogit, keepdims=True)
    ddist = np.outer(v, dlogit)
    ddiff = ddist * np.sign(diff)

    # branch a
    dua = ddiff * (1 - ea ** 2)
    dW2 = dua @ ha.T
    dha = W2.T @ dua
    dza = dha * sigmoid(za)
    dW1 = dza @ XA.T
    db1 = dza.sum(axis=1, keepdims=True)

    # branch b
    dub = -ddiff * (1 - eb ** 2)
    dW2 += dub @ hb.T
    dhb = W2.T @ dub
    dzb = dhb * sigmoid(zb)
    dW1 += dzb @ XB.T
    db1 += dzb.sum(axis=1, keepdims=True)

    # decay
    dW1 += 2 * DECAY * W1
    dW2 += 2 * DECAY * W2
    return {"W1": dW1, "b1": db1, "W2": dW2, "v": dv, "c": dc}


MISTAKES = [
    ("dlogit = (prob - same) / n", "dlogit = (prob - same) * prob * (1 - prob) / n", "the sigmoid is derived twice"),
    ("ddiff = ddist * np.sign(diff)", "ddiff = ddist * diff", "the derivative of the absolute value is its sign"),
    ("dub = -ddiff * (1 - eb ** 2)", "dub = ddiff * (1 - eb ** 2)", "copied from branch a without the minus"),
    ("dhb = W2.T @ dub", "dhb = W2.T @ dua", "copied from branch a, one name unchanged"),
    ("dza = dha * sigmoid(za)", "dza = dha * sigmoid(ha)", "softplus' derivative at its output"),
    ("dW2 += dub @ hb.T", "dW2 = dub @ hb.T", "branch a's share of the common weights is overwritten"),
]
