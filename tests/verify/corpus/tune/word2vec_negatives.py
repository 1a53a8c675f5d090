"""Skip-gram with negative sampling; np.add.at because words repeat."""

import numpy as np

rng = np.random.default_rng(1717)
VOCAB, DIM = 6, 3
center = np.array([0, 1, 1, 4, 2])
context = np.array([1, 2, 0, 5, 3])
negative = np.array([[3, 4], [5, 5], [4, 2], [0, 1], [0, 0]])
decay = 0.01


def point(rng):
    return {"E": rng.normal(size=(VOCAB, DIM)), "O": rng.normal(size=(VOCAB, DIM))}


def loss(E, O):
    v = E[center]
    pos = np.sum(v * O[context], axis=1)
    neg = np.sum(v[:, None, :] * O[negative], axis=2)
    nll = np.sum(np.log(1 + np.exp(-pos))) + np.sum(np.log(1 + np.exp(neg)))
    return nll / len(center) + decay * np.sum(E ** 2)


def derived(E, O):
    n = center.size
    vc = E[center]                                   # n, DIM
    uo = O[context]                                  # n, DIM
    un = O[negative]                                 # n, 2, DIM
    a = 1 / (1 + np.exp(-(vc * uo).sum(1)))          # want 1
    b = 1 / (1 + np.exp(-np.einsum("nd,nkd->nk", vc, un)))   # want 0
    gpos = (a - 1) / n
    gneg = b / n
    dvc = gpos[:, None] * uo
    dvc += (gneg[:, :, None] * un).sum(1)
    dE = 2 * decay * E
    np.add.at(dE, center, dvc)
    dO = np.zeros_like(O)
    np.add.at(dO, context, gpos[:, None] * vc)
    np.add.at(dO, negative, gneg[:, :, None] * vc[:, None, :])
    return {"E": dE, "O": dO}


MISTAKES = [
    ("np.add.at(dE, center, dvc)", "dE[center] += dvc", "a word that stands twice as a centre counts only once"),
    ("gpos = (a - 1) / n", "gpos = a / n", "the target 1 is left out for the true pairs"),
    ("dvc += (gneg[:, :, None] * un).sum(1)", "dvc += (gneg[:, :, None] * un).mean(1)", "a mean over the negatives for their sum"),
    ("dE = 2 * decay * E", "dE = np.zeros_like(E)", "the decay's gradient is lost"),
    ("np.add.at(dO, negative, gneg[:, :, None] * vc[:, None, :])", "np.add.at(dO, negative, gneg[:, :, None] * un)", "the negatives' own vectors for the centre's"),
    ("np.add.at(dO, context, gpos[:, None] * vc)", "np.add.at(dO, center, gpos[:, None] * vc)", "added at the wrong rows"),
]
