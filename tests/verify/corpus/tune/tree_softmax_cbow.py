"""Hierarchical softmax on a bag of context words, as in word2vec, with a tanh layer between."""

import numpy as np

VOCAB, DIM = 6, 3
# word -> [(inner node, 1 for left and 0 for right), ...] from the root down
PATHS = {
    0: [(0, 1), (1, 1)],
    1: [(0, 1), (1, 0), (3, 1)],
    2: [(0, 1), (1, 0), (3, 0)],
    3: [(0, 0), (2, 1)],
    4: [(0, 0), (2, 0), (4, 1)],
    5: [(0, 0), (2, 0), (4, 0)],
}
DATA = [([0, 1, 1], 2), ([3, 4], 1), ([5, 0, 5, 2], 4), ([2, 2, 1], 5), ([4], 0), ([1, 3, 3], 3)]


def point(rng):
    return {"E": rng.normal(size=(VOCAB, DIM)), "P": rng.normal(size=(DIM, DIM)), "nodes": rng.normal(size=(5, DIM)),
            "bias": rng.normal(size=5)}


def loss(E, P, nodes, bias):
    total = 0.0
    for ctx, word in DATA:
        h = np.tanh(np.mean(E[ctx], axis=0) @ P)
        for node, left in PATHS[word]:
            z = nodes[node] @ h + bias[node]
            total = total + np.log1p(np.exp(-z if left else z))
    return total / len(DATA)


def derived(E, P, nodes, bias):
    neu1e_E = np.zeros_like(E)
    gP = np.zeros_like(P)
    gnodes = np.zeros_like(nodes)
    gbias = np.zeros_like(bias)
    for context, word in DATA:
        cw = len(context)
        neu1 = sum(E[w] for w in context) / cw
        hid = np.tanh(neu1 @ P)
        neu1e = np.zeros(DIM)
        for point_, code in PATHS[word]:
            f = 1 / (1 + np.exp(-(hid @ nodes[point_] + bias[point_])))
            g = (f - code) / len(DATA)
            neu1e += g * nodes[point_]
            gnodes[point_] += g * hid
            gbias[point_] += g
        gpre = neu1e * (1 - hid * hid)
        gP += np.outer(neu1, gpre)
        gneu1 = P @ gpre
        for w in context:
            neu1e_E[w] += gneu1 / cw
    return {"E": neu1e_E, "P": gP, "nodes": gnodes, "bias": gbias}


MISTAKES = [
    ("g = (f - code) / len(DATA)", "g = (f - (1 - code)) / len(DATA)", "word2vec's code convention: the loss has 1 for left"),
    ("neu1e += g * nodes[point_]", "neu1e = g * nodes[point_]", "only the last node of the path reaches the hidden layer"),
    ("gnodes[point_] += g * hid", "gnodes[point_] += g * neu1", "the mean of the context instead of the hidden layer"),
    ("gneu1 = P @ gpre", "gneu1 = gpre @ P", "the transpose of the projection"),
    ("neu1e_E[w] += gneu1 / cw", "neu1e_E[w] += gneu1", "the mean over the context counts as a sum, as in the original C code"),
    ("gpre = neu1e * (1 - hid * hid)", "gpre = neu1e * hid * (1 - hid)", "the sigmoid's derivative for tanh"),
]
