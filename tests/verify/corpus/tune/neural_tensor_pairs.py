"""Neural tensor layer on pairs of entity embeddings, logistic loss; einsum throughout."""

import numpy as np

rng = np.random.default_rng(408)
m, d, K, N = 4, 3, 2, 7
I = np.array([0, 1, 2, 3, 0, 2, 1])
J = np.array([1, 2, 3, 1, 3, 0, 3])
lab = np.array([1.0, -1.0, 1.0, 1.0, -1.0, -1.0, 1.0])


def point(rng):
    return {"E": rng.normal(size=(m, d)), "W": 0.5 * rng.normal(size=(K, d, d)), "V": 0.5 * rng.normal(size=(K, 2 * d)),
            "b": 0.5 * rng.normal(size=K), "u": rng.normal(size=K)}


def loss(E, W, V, b, u):
    total = 0.0
    for i, j, sign in zip(I, J, lab):
        bilinear = np.array([E[i] @ W[k] @ E[j] for k in range(K)])
        g = u @ np.tanh(bilinear + V @ np.concatenate([E[i], E[j]]) + b)
        total += np.log(1 + np.exp(-sign * g))
    return total / N


def derived(E, W, V, b, u):
    x, y = E[I], E[J]
    xy = np.concatenate([x, y], axis=1)
    pre = np.einsum("ni,kij,nj->nk", x, W, y) + np.einsum("ki,ni->nk", V, xy) + b
    f = np.tanh(pre)
    s = np.einsum("nk,k->n", f, u)
    ds = -lab / (1 + np.exp(lab * s)) / N
    du = np.einsum("n,nk->k", ds, f)
    dpre = np.einsum("n,k,nk->nk", ds, u, 1 - f * f)
    db = np.einsum("nk->k", dpre)
    dV = np.einsum("nk,ni->ki", dpre, xy)
    dW = np.einsum("nk,ni,nj->kij", dpre, x, y)
    dxy = np.einsum("nk,ki->ni", dpre, V)
    dx = np.einsum("nk,kij,nj->ni", dpre, W, y) + dxy[:, :d]
    dy = np.einsum("nk,kij,ni->nj", dpre, W, x) + dxy[:, d:]
    dE = np.zeros_like(E)
    np.add.at(dE, I, dx)
    np.add.at(dE, J, dy)
    return {"E": dE, "W": dW, "V": dV, "b": db, "u": du}


MISTAKES = [
    ("ds = -lab / (1 + np.exp(lab * s)) / N", "ds = -lab / (1 + np.exp(-lab * s)) / N",
     "the sigmoid of the margin for that of the minus margin"),
    ('dpre = np.einsum("n,k,nk->nk", ds, u, 1 - f * f)', 'dpre = np.einsum("n,k,nk->nk", ds, u, 1 - pre * pre)',
     "the derivative of tanh in terms of the pre-activation"),
    ('dW = np.einsum("nk,ni,nj->kij", dpre, x, y)', 'dW = np.einsum("nk,ni,nj->kji", dpre, x, y)',
     "each slice is transposed"),
    ('dx = np.einsum("nk,kij,nj->ni", dpre, W, y) + dxy[:, :d]', 'dx = np.einsum("nk,kij,nj->ni", dpre, W, y)',
     "the linear part of the layer is forgotten for the first entity"),
    ('dy = np.einsum("nk,kij,ni->nj", dpre, W, x) + dxy[:, d:]', 'dy = np.einsum("nk,kij,nj->ni", dpre, W, x) + dxy[:, d:]',
     "copied from the line above: W is not transposed for the second entity"),
    ("np.add.at(dE, J, dy)", "dE[J] += dy", "an entity that occurs in several pairs is counted once"),
]
