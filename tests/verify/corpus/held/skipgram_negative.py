"""word2vec skip-gram: one centre word, its contexts, two negative samples for each of them."""

import numpy as np

center = 2
contexts = [0, 4, 5]
negs = [[1, 6], [3, 1], [6, 0]]


def sig(x):
    return 1.0 / (1.0 + np.exp(-x))


def point(rng):
    return {"V": rng.normal(size=(7, 4)), "U": rng.normal(size=(7, 4))}


def loss(V, U):
    # V holds the centre vectors, U the context vectors
    J = 0.0
    for c in range(3):
        J = J - np.log(sig(np.sum(U[contexts[c]] * V[center])))
        for k in negs[c]:
            J = J - np.log(sig(-np.sum(U[k] * V[center])))
    return J


def derived(V, U):
    gV = np.zeros_like(V)
    gU = np.zeros_like(U)
    v = V[center]
    gv = np.zeros(4)
    for c in range(3):
        pos = contexts[c]
        # the true context: label 1
        u = U[pos]
        d = sig(np.dot(u, v)) - 1
        gv += d * u
        gU[pos] += d * v
        # the negatives: label 0
        for k in negs[c]:
            un = U[k]
            dn = sig(np.dot(un, v))
            gv += dn * un
            gU[k] += dn * v
    gV[center] = gv
    return {"V": gV, "U": gU}


MISTAKES = [
    ("d = sig(np.dot(u, v)) - 1", "d = sig(np.dot(u, v))", "the label 1 is left out"),
    ("d = sig(np.dot(u, v)) - 1", "d = 1 - sig(np.dot(u, v))", "the sign is turned round"),
    ("dn = sig(np.dot(un, v))", "dn = sig(np.dot(un, v)) - 1", "the label of a true context, copied"),
    ("gU[k] += dn * v", "gU[k] = dn * v",
     "= for +=: a word that is drawn twice, or is a context too, keeps the last only"),
    ("gv += dn * un", "gv += dn * u", "the true context's vector for the negative's"),
    ("            gv += dn * un\n", "", "the centre word gets nothing from the negatives",
     ["gV[center] = gv"]),
    ("gV[center] = gv", "gV[center] = gv / 3", "a mean over the contexts, where the loss has a sum"),
]
