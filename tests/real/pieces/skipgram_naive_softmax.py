"""Skip-gram with naive softmax: loss and gradients of one centre word over its window."""

import numpy as np


def softmax(x):
    orig_shape = x.shape
    if len(x.shape) > 1:
        tmp = np.max(x, axis=1)
        x = x - tmp.reshape((x.shape[0], 1))
        x = np.exp(x)
        x = x / np.sum(x, axis=1).reshape((x.shape[0], 1))
    else:
        x = np.exp(x - np.max(x))
        x = x / np.sum(x)
    assert x.shape == orig_shape
    return x


def naiveSoftmaxLossAndGradient(centerWordVec, outsideWordIdx, outsideVectors):
    y_hat = softmax(np.dot(outsideVectors, centerWordVec))
    loss = -np.log(y_hat[outsideWordIdx])
    delta = y_hat.copy()
    delta[outsideWordIdx] -= 1
    gradCenterVec = np.dot(outsideVectors.T, delta)
    gradOutsideVecs = np.outer(delta, centerWordVec)
    return loss, gradCenterVec, gradOutsideVecs


def skipgram(currentCenterWord, outsideWords, word2Ind, centerWordVectors, outsideVectors):
    loss = 0.0
    gradCenterVecs = np.zeros(centerWordVectors.shape)
    gradOutsideVectors = np.zeros(outsideVectors.shape)
    center = word2Ind[currentCenterWord]
    for word in outsideWords:
        l, gc, go = naiveSoftmaxLossAndGradient(centerWordVectors[center], word2Ind[word], outsideVectors)
        loss += l
        gradCenterVecs[center] += gc
        gradOutsideVectors += go
    return loss, gradCenterVecs, gradOutsideVectors


word2Ind = {w: i for i, w in enumerate("abcde")}
rng = np.random.default_rng(46)
centerVectors = rng.normal(size=(5, 3))
outsideVectors = rng.normal(size=(5, 3))


def f(center, outside):
    return skipgram("c", ["a", "b", "e", "b"], word2Ind, center, outside)


def plain():
    _, gc, go = f(centerVectors, outsideVectors)
    return (lambda: f(centerVectors, outsideVectors)[0],
            {"center": centerVectors, "outside": outsideVectors}, {"center": gc, "outside": go})


TABLE = {
    "style": "loss and gradients",
    "glue": "tg.verify.check_derivation(f, center=centerVectors, outside=outsideVectors)",
    "verdict": "right",
    "stores": "delta[outsideWordIdx] -= 1, in the gradients only",
    "mistakes": [
        ("gradCenterVecs[center] += gc", "gradCenterVecs[center] = gc", "only the last word of the window counts"),
        ("gradOutsideVecs = np.outer(delta, centerWordVec)",
         "gradOutsideVecs = np.outer(y_hat, centerWordVec)", "the right word's minus one is left out"),
        ("gradCenterVecs[center] += gc", "gradCenterVecs[word2Ind[word]] += gc",
         "the gradient goes to the outside word's row"),
    ],
}
