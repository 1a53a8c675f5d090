"""Linear chain over three labels, sentences of unequal length; the partition sum by the forward recursion."""

import math

import numpy as np

rng = np.random.default_rng(404)
n_labels, n_feats = 3, 4
sentences = [rng.normal(size=(length, n_feats)) for length in (4, 3, 5)]
gold = [[0, 2, 1, 1], [1, 0, 2], [2, 2, 0, 1, 0]]


def point(rng):
    return {"weights": rng.normal(size=(n_feats, n_labels)), "trans": rng.normal(size=(n_labels, n_labels)),
            "start": rng.normal(size=n_labels)}


def loss(weights, trans, start):
    total = 0.0
    for feats, tags in zip(sentences, gold):
        unary = feats @ weights
        score = start[tags[0]] + unary[0, tags[0]]
        front = start + unary[0]
        for t in range(1, len(tags)):
            score = score + trans[tags[t - 1], tags[t]] + unary[t, tags[t]]
            front = unary[t] + np.log(np.sum(np.exp(front[:, None] + trans), axis=0))
        total = total + np.log(np.sum(np.exp(front))) - score
    return total / len(sentences)


def forward_table(emit, trans, start):
    steps = len(emit)
    alpha = [[0.0] * n_labels for _ in range(steps)]
    for k in range(n_labels):
        alpha[0][k] = start[k] + emit[0][k]
    for t in range(1, steps):
        for k in range(n_labels):
            acc = 0.0
            for j in range(n_labels):
                acc += math.exp(alpha[t - 1][j] + trans[j][k])
            alpha[t][k] = emit[t][k] + math.log(acc)
    return alpha


def derived(weights, trans, start):
    grad_weights = np.zeros((n_feats, n_labels))
    grad_trans = np.zeros((n_labels, n_labels))
    grad_start = np.zeros(n_labels)
    for feats, tags in zip(sentences, gold):
        steps = len(tags)
        emit = feats @ weights
        alpha = forward_table(emit, trans, start)
        partition = sum(math.exp(value) for value in alpha[steps - 1])
        grad_emit = np.zeros((steps, n_labels))
        grad_alpha = np.zeros((steps, n_labels))
        # through the log of the partition sum
        for k in range(n_labels):
            grad_alpha[steps - 1][k] = math.exp(alpha[steps - 1][k]) / partition
        for t in range(steps - 1, 0, -1):
            for k in range(n_labels):
                grad_emit[t][k] += grad_alpha[t][k]
                inner = alpha[t][k] - emit[t][k]
                for j in range(n_labels):
                    share = math.exp(alpha[t - 1][j] + trans[j][k] - inner)
                    flow = grad_alpha[t][k] * share
                    grad_alpha[t - 1][j] += flow
                    grad_trans[j][k] += flow
        for k in range(n_labels):
            grad_emit[0][k] += grad_alpha[0][k]
            grad_start[k] += grad_alpha[0][k]
        # the gold path
        grad_start[tags[0]] -= 1.0
        for t in range(steps):
            grad_emit[t][tags[t]] -= 1.0
            if t > 0:
                grad_trans[tags[t - 1]][tags[t]] -= 1.0
        for t in range(steps):
            for f in range(n_feats):
                for k in range(n_labels):
                    grad_weights[f][k] += feats[t][f] * grad_emit[t][k]
    count = len(sentences)
    return {"weights": grad_weights / count, "trans": grad_trans / count, "start": grad_start / count}


MISTAKES = [
    ("grad_alpha[steps - 1][k] = math.exp(alpha[steps - 1][k]) / partition", "grad_alpha[steps - 1][k] = 1.0 / partition",
     "the derivative of the log is taken at the sum, not through each exponential"),
    ("inner = alpha[t][k] - emit[t][k]", "inner = alpha[t][k]", "the shares are not normalised: the emission is still in the entry"),
    ("grad_alpha[t - 1][j] += flow", "grad_alpha[t - 1][j] = flow", "only the last next label's share remains"),
    ("grad_trans[j][k] += flow", "grad_trans[k][j] += flow", "the expected transitions are transposed"),
    ("grad_start[k] += grad_alpha[0][k]", "grad_start[k] += grad_alpha[steps - 1][k]",
     "the last step's marginal for the first"),
    ("grad_emit[t][tags[t]] -= 1.0", "grad_emit[t][tags[t - 1]] -= 1.0", "the gold label is one step too early"),
]
