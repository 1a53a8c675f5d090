"""Negative sampling as a function; a word may be drawn several times as a negative sample."""

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def negSamplingLossAndGradient(centerWordVec, outsideWordIdx, outsideVectors, negSampleWordIndices):
    indices = [outsideWordIdx] + list(negSampleWordIndices)

    u_o = outsideVectors[outsideWordIdx]
    u_k = outsideVectors[negSampleWordIndices]
    s_o = sigmoid(np.dot(u_o, centerWordVec))
    s_k = sigmoid(-np.dot(u_k, centerWordVec))
    loss = -np.log(s_o) - np.sum(np.log(s_k))

    gradCenterVec = (s_o - 1) * u_o + np.dot(1 - s_k, u_k)
    gradOutsideVecs = np.zeros_like(outsideVectors)
    coefficients = np.concatenate([[s_o - 1], 1 - s_k])
    gradOutsideVecs[indices] += np.outer(coefficients, centerWordVec)
    return loss, gradCenterVec, gradOutsideVecs


rng = np.random.default_rng(47)
v_c = rng.normal(size=3)
U = rng.normal(size=(6, 3))
negatives = [1, 4, 1, 5]


def plain():
    _, gc, go = negSamplingLossAndGradient(v_c, 2, U, negatives)
    return (lambda: negSamplingLossAndGradient(v_c, 2, U, negatives)[0],
            {"v_c": v_c, "U": U}, {"v_c": gc, "U": go})


TABLE = {
    "style": "loss and gradients",
    "glue": "f = lambda v_c, U: negSamplingLossAndGradient(v_c, 2, U, negatives)\n"
            "tg.verify.check_derivation(f, v_c=v_c, U=U)",
    "verdict": "wrong",
    "wrong": ["U"],
    "stores": "gradOutsideVecs[indices] += ..., in the gradients only",
    "says": "word 1 is drawn twice and counted once: += with repeated indices; np.add.at",
    "change": ("gradOutsideVecs[indices] += np.outer(coefficients, centerWordVec)",
               "np.add.at(gradOutsideVecs, indices, np.outer(coefficients, centerWordVec))"),
}
