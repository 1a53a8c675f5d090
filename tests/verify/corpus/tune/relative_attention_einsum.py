"""Self-attention of two heads with a learned bias for every relative offset; everything by einsum."""

import numpy as np

rng = np.random.default_rng(101)
T, D, H, E = 5, 4, 2, 3
X = rng.normal(size=(T, D))
Y = rng.normal(size=(T, D))
rel = np.arange(T)[:, None] - np.arange(T)[None, :] + T - 1


def point(rng):
    return {"Wq": rng.normal(size=(H, D, E)), "Wk": rng.normal(size=(H, D, E)), "Wv": rng.normal(size=(H, D, E)),
            "Wo": rng.normal(size=(H, E, D)), "B": rng.normal(size=(H, 2 * T - 1))}


def loss(Wq, Wk, Wv, Wo, B):
    Q = np.einsum("td,hde->hte", X, Wq)
    K = np.einsum("td,hde->hte", X, Wk)
    V = np.einsum("td,hde->hte", X, Wv)
    S = np.einsum("hie,hje->hij", Q, K) / np.sqrt(E) + B[:, rel]
    A = np.exp(S - S.max(axis=2, keepdims=True))
    A = A / A.sum(axis=2, keepdims=True)
    O = np.einsum("hij,hje,hed->id", A, V, Wo)
    return np.mean(np.sum((O - Y) ** 2, axis=1))


def derived(Wq, Wk, Wv, Wo, B):
    es = np.einsum
    q, k, v = (es("td,hde->hte", X, w) for w in (Wq, Wk, Wv))
    p = es("hie,hje->hij", q, k) * E ** -0.5 + B[:, rel]
    p = np.exp(p - p.max(-1, keepdims=True))
    p = p / p.sum(-1, keepdims=True)
    c = es("hij,hje->hie", p, v)
    go = 2 / T * (es("hie,hed->id", c, Wo) - Y)
    gWo = es("hie,id->hed", c, go)
    gc = es("id,hed->hie", go, Wo)
    gv = es("hij,hie->hje", p, gc)
    gp = es("hie,hje->hij", gc, v)
    gs = p * (gp - es("hij,hij->hi", p, gp)[:, :, None])
    gB = np.zeros_like(B)
    for h in range(H):
        np.add.at(gB[h], rel, gs[h])
    gq = es("hij,hje->hie", gs, k) * E ** -0.5
    gk = es("hij,hie->hje", gs, q) * E ** -0.5
    return {"Wq": es("td,hte->hde", X, gq), "Wk": es("td,hte->hde", X, gk), "Wv": es("td,hte->hde", X, gv),
            "Wo": gWo, "B": gB}


MISTAKES = [
    ('gv = es("hij,hie->hje", p, gc)', 'gv = es("hij,hje->hie", p, gc)', "the attention is not transposed: the indices of the forward product"),
    ('es("hij,hij->hi", p, gp)[:, :, None]', 'es("hij,hij->hj", p, gp)[:, None, :]', "the softmax's sum runs over the queries"),
    ("np.add.at(gB[h], rel, gs[h])", "gB[h][rel] += gs[h]", "an offset occurs many times, and only its last entry is added"),
    ("np.add.at(gB[h], rel, gs[h])", "np.add.at(gB[h], rel.T, gs[h])", "the offset is key minus query here, query minus key in the loss"),
    ('gk = es("hij,hie->hje", gs, q)', 'gk = es("hij,hje->hie", gs, q)', "copied from the queries: the score is not transposed"),
    ("gs, k) * E ** -0.5", "gs, k)", "the scaling is left out for the queries"),
]
