"""Embedding bag: mean of the rows of each bag; the same word may occur twice."""

import numpy as np


def embedding_bag_forward(W, bags):
    out = np.zeros((len(bags), W.shape[1]))
    for n, bag in enumerate(bags):
        out[n] = W[bag].mean(axis=0)
    return out, (W.shape, bags)


def embedding_bag_backward(dout, cache):
    shape, bags = cache
    dW = np.zeros(shape)
    for n, bag in enumerate(bags):
        dW[bag] += dout[n] / len(bag)
    return dW


bags = [np.array([0, 2, 2]), np.array([1, 3]), np.array([2, 4, 0, 4])]
W = np.random.default_rng(10).normal(size=(6, 3))


def plain():
    out, cache = embedding_bag_forward(W, bags)
    dout = np.random.default_rng(1).normal(size=out.shape)
    return (lambda: np.sum(embedding_bag_forward(W, bags)[0] * dout),
            {"W": W}, {"W": embedding_bag_backward(dout, cache)})


TABLE = {
    "style": "layer functions",
    "glue": "tg.verify.check_layer(embedding_bag_forward, embedding_bag_backward, W, bags)",
    "verdict": "wrong",
    "wrong": ["W"],
    "stores": "out[n] = ...",
    "says": "a word that occurs twice in a bag is counted once: np.add.at",
    "change": ("dW[bag] += dout[n] / len(bag)", "np.add.at(dW, bag, dout[n] / len(bag))"),
}
