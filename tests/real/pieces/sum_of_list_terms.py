"""Ridge-like network whose cost adds up a list of terms; gradients in a dict of keys dW, dV."""

import numpy as np


def network(X, W, V):
    return np.dot(np.tanh(np.dot(X, W)), V)


def cost(W, V):
    terms = [np.sum((network(X, W, V) - Y) ** 2) / (2 * len(X))]
    for weights in (W, V):
        terms.append(0.5 * decay * np.sum(weights ** 2))
    terms.append(sparsity * np.sum(np.abs(W)))
    return np.sum(terms)


def gradients(W, V):
    h = np.tanh(np.dot(X, W))
    delta = (np.dot(h, V) - Y) / len(X)
    dV = np.dot(h.T, delta) + decay * V
    dh = np.dot(delta, V.T)
    dW = np.dot(X.T, dh * (1 - h ** 2)) + decay * W + sparsity * np.sign(W)
    return dict(dW=dW, dV=dV)


decay, sparsity = 0.1, 0.03
rng = np.random.default_rng(57)
X, Y = rng.normal(size=(7, 3)), rng.normal(size=(7, 2))
W, V = rng.normal(size=(3, 4)), rng.normal(size=(4, 2))


def plain():
    grads = gradients(W, V)
    return lambda: cost(W, V), {"W": W, "V": V}, {"W": grads["dW"], "V": grads["dV"]}


TABLE = {
    "style": "two functions",
    "glue": "tg.verify.check_derivation(cost, gradients, W=W, V=V)",
    "verdict": "right",
    "stores": "np.sum(terms) of a list of numbers",
    "mistakes": [
        (" + sparsity * np.sign(W)", "", "the absolute values' share is left out"),
        ("np.dot(h.T, delta) + decay * V", "np.dot(h.T, delta) + 2 * decay * V", "the 1/2 of the decay"),
        ("sparsity * np.sign(W)", "sparsity * W", "W in the place of its sign"),
    ],
}
