"""Self-attention with two heads, written with einsum: t, s positions; h heads; k keys; v values."""

import numpy as np

rng = np.random.default_rng(13)
T, D, H, A, V, M = 5, 4, 2, 3, 2, 3     # positions, inputs, heads, keys, values, outputs
X = rng.normal(size=(T, D))
Y = rng.normal(size=(T, M))


def point(rng):
    return {"Q": 0.7 * rng.normal(size=(D, H, A)), "K": 0.7 * rng.normal(size=(D, H, A)),
            "U": 0.7 * rng.normal(size=(D, H, V)), "O": 0.7 * rng.normal(size=(H, V, M))}


def softmax(S):
    E = np.exp(S - S.max(axis=-1, keepdims=True))
    return E / E.sum(axis=-1, keepdims=True)


def loss(Q, K, U, O):
    q, k, u = (np.einsum("td,dha->hta", X, W) for W in (Q, K, U))
    P = softmax(np.einsum("hta,hsa->hts", q, k) / np.sqrt(A))
    out = np.einsum("hts,hsv,hvm->tm", P, u, O)
    return 0.5 * np.mean(np.sum((out - Y) ** 2, axis=1))


def derived(Q, K, U, O):
    q = np.einsum("td,dha->tha", X, Q)
    k = np.einsum("td,dha->tha", X, K)
    u = np.einsum("td,dhv->thv", X, U)
    beta = 1.0 / np.sqrt(A)
    P = softmax(beta * np.einsum("tha,sha->hts", q, k))
    C = np.einsum("hts,shv->thv", P, u)
    # backwards, output first
    E = (np.einsum("thv,hvm->tm", C, O) - Y) / T
    dO = np.einsum("thv,tm->hvm", C, E)
    dC = np.einsum("tm,hvm->thv", E, O)
    du = np.einsum("hts,thv->shv", P, dC)
    dP = np.einsum("thv,shv->hts", dC, u)
    dS = P * (dP - np.einsum("hts,hts->ht", P, dP)[:, :, None])
    dq = beta * np.einsum("hts,sha->tha", dS, k)
    dk = beta * np.einsum("hts,tha->sha", dS, q)
    dQ, dK = (np.einsum("td,tha->dha", X, g) for g in (dq, dk))
    dU = np.einsum("td,thv->dhv", X, du)
    return {"Q": dQ, "K": dK, "U": dU, "O": dO}


MISTAKES = [
    ('du = np.einsum("hts,thv->shv", P, dC)', 'du = np.einsum("hts,shv->thv", P, dC)',
     "the attention weights are not transposed on the way to the values"),
    ("dS = P * (dP - np.einsum(\"hts,hts->ht\", P, dP)[:, :, None])", "dS = P * (1 - P) * dP",
     "only the diagonal of the softmax's Jacobian"),
    ('np.einsum("hts,hts->ht", P, dP)[:, :, None])', 'np.einsum("hts,hts->hs", P, dP)[:, None, :])',
     "the softmax's inner sum runs over queries and not over keys"),
    ('dq = beta * np.einsum("hts,sha->tha", dS, k)', 'dq = np.einsum("hts,sha->tha", dS, k)',
     "the scale 1/sqrt(A) is left out of the queries' gradient"),
    ('dk = beta * np.einsum("hts,tha->sha", dS, q)', 'dk = beta * np.einsum("hts,sha->tha", dS, q)',
     "the scores' gradient is not transposed on the way to the keys"),
    ("beta = 1.0 / np.sqrt(A)", "beta = 1.0 / np.sqrt(D)",
     "the scale is taken from the inputs' size and not from the keys'"),
    ('dO = np.einsum("thv,tm->hvm", C, E)', 'dO = np.einsum("thv,tm->hvm", u, E)',
     "the values in place of the attended context"),
]
