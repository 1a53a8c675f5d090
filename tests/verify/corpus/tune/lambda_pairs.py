"""Ranking of documents within queries: a weighted logistic loss over pairs, weights as in LambdaRank."""

import numpy as np

_rng = np.random.default_rng(404)
SIGMA = 1.5
QUERIES = [
    (_rng.normal(size=(4, 3)), np.array([2, 0, 1, 0])),
    (_rng.normal(size=(5, 3)), np.array([0, 3, 1, 1, 0])),
    (_rng.normal(size=(3, 3)), np.array([1, 0, 2])),
]


def swap_weight(rel, i, j):
    """What the swap of i and j would change of the DCG in the order as listed, over the best DCG."""
    best = sum((2.0 ** g - 1) / np.log2(p + 2) for p, g in enumerate(sorted(rel, reverse=True)))
    return abs(2.0 ** rel[i] - 2.0 ** rel[j]) * abs(1 / np.log2(i + 2) - 1 / np.log2(j + 2)) / best


def point(rng):
    return {"W1": rng.normal(size=(3, 4)), "b1": rng.normal(size=4), "w2": rng.normal(size=4)}


def loss(W1, b1, w2):
    total = 0.0
    for docs, rel in QUERIES:
        s = np.tanh(docs @ W1 + b1) @ w2
        terms = [swap_weight(rel, i, j) * np.log1p(np.exp(-SIGMA * (s[i] - s[j])))
                 for i in range(len(rel)) for j in range(len(rel)) if rel[i] > rel[j]]
        total = total + sum(terms) / len(terms)
    return total / len(QUERIES)


def lambdas(scores, rel):
    lam = np.zeros(len(scores))
    n_pairs = 0
    for i in range(len(scores)):
        for j in range(len(scores)):
            if rel[i] <= rel[j]:
                continue
            rho = 1 / (1 + np.exp(SIGMA * (scores[i] - scores[j])))
            push = SIGMA * rho * swap_weight(rel, i, j)
            lam[i] -= push
            lam[j] += push
            n_pairs += 1
    return lam / n_pairs


def derived(W1, b1, w2):
    dW1, db1, dw2 = np.zeros_like(W1), np.zeros_like(b1), np.zeros_like(w2)
    for docs, rel in QUERIES:
        pre = docs @ W1 + b1
        hid = np.tanh(pre)
        lam = lambdas(hid @ w2, rel) / len(QUERIES)
        dw2 += lam @ hid
        dhid = np.outer(lam, w2)
        dpre = dhid * (1 - hid ** 2)
        dW1 += docs.T @ dpre
        db1 += dpre.sum(axis=0)
    return {"W1": dW1, "b1": db1, "w2": dw2}


MISTAKES = [
    ("rho = 1 / (1 + np.exp(SIGMA * (scores[i] - scores[j])))", "rho = 1 / (1 + np.exp(-SIGMA * (scores[i] - scores[j])))", "the probability of the right order instead of the wrong one"),
    ("push = SIGMA * rho * swap_weight(rel, i, j)", "push = rho * swap_weight(rel, i, j)", "the inner derivative sigma is left out"),
    ("lam[j] += push", "lam[j] -= push", "copied from the better document, sign unchanged"),
    ("return lam / n_pairs", "return lam / len(scores)", "by the number of documents instead of pairs"),
    ("dpre = dhid * (1 - hid ** 2)", "dpre = dhid * (1 - pre ** 2)", "tanh's derivative formula fed with the pre-activation"),
    ("dw2 += lam @ hid", "dw2 = lam @ hid", "only the last query stays"),
]
