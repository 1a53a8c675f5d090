"""Next-word model with tied weights: the embedding matrix is the output matrix as well."""

import numpy as np

# two context words -> next word
contexts = np.array([[0, 4], [4, 2], [2, 2], [5, 0], [1, 3]])
next_word = np.array([2, 5, 1, 4, 0])
batch = len(contexts)
vocab, dim = 6, 4


def point(rng):
    return {
        "E": rng.normal(size=(vocab, dim)),
        "W": rng.normal(size=(dim, dim)),
        "b": rng.normal(size=vocab),
    }


def forward(E, W, b):
    x = E[contexts].sum(axis=1)
    h = np.tanh(x @ W)
    logits = h @ E.T + b
    logits = logits - logits.max(axis=1, keepdims=True)
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    cache = {"x": x, "h": h}
    return probs, cache


def loss(E, W, b):
    probs, _ = forward(E, W, b)
    return -np.log(probs[np.arange(batch), next_word]).mean()


def derived(E, W, b):
    probs, cache = forward(E, W, b)
    x, h = cache["x"], cache["h"]
    grads = {}

    one_hot = np.eye(vocab)[next_word]
    dlogits = (probs - one_hot) / batch

    # E as the output layer
    grads["E"] = dlogits.T @ h
    grads["b"] = dlogits.sum(axis=0)
    dh = dlogits @ E

    dpre = dh * (1 - h ** 2)
    grads["W"] = x.T @ dpre
    dx = dpre @ W.T

    # E as the lookup table: each word of the context gets dx
    for position in range(contexts.shape[1]):
        np.add.at(grads["E"], contexts[:, position], dx)
    return grads


MISTAKES = [
    ("np.add.at(grads[\"E\"], contexts[:, position], dx)",
     "grads[\"E\"][contexts[:, position]] += dx", "a word that comes up twice counts once"),
    ("np.add.at(grads[\"E\"], contexts[:, position], dx)",
     "np.add.at(grads[\"E\"], contexts[:, position], dx / contexts.shape[1])",
     "the context is summed and not averaged"),
    ("    grads[\"E\"] = dlogits.T @ h\n", "    grads[\"E\"] = np.zeros_like(E)\n",
     "the matrix's use as output layer is forgotten"),
    ("    for position in range(contexts.shape[1]):", "    for position in range(1):",
     "only the first word of the context gets a gradient"),
    ("np.add.at(grads[\"E\"], contexts[:, position], dx)",
     "np.add.at(grads[\"E\"], contexts[:, position], dpre)",
     "the gradient in front of the weights goes into the table"),
    ("dpre = dh * (1 - h ** 2)", "dpre = dh * (1 - x ** 2)",
     "tanh's derivative from its input instead of its value"),
    ("dx = dpre @ W.T", "dx = dpre @ W", "the weights are not transposed"),
]
