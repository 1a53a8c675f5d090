"""Embedding, self-attention with several heads, residual connection, layer norm; rows are tokens."""

import numpy as np

_g = np.random.default_rng(71)
T, F, D, H = 5, 4, 6, 2
K = D // H
tok = _g.normal(size=(T, F))
goal = _g.normal(size=(T, D))
EPS = 1e-5


def point(rng):
    return {
        "E": rng.normal(size=(F, D)),
        "Wq": 0.5 * rng.normal(size=(H, D, K)),
        "Wk": 0.5 * rng.normal(size=(H, D, K)),
        "Wv": 0.5 * rng.normal(size=(H, D, K)),
        "Wo": rng.normal(size=(D, D)),
        "g": 1 + 0.3 * rng.normal(size=D),
        "b": rng.normal(size=D),
    }


def loss(E, Wq, Wk, Wv, Wo, g, b):
    X = tok @ E
    q = np.einsum("td,hdk->htk", X, Wq)
    k = np.einsum("td,hdk->htk", X, Wk)
    v = np.einsum("td,hdk->htk", X, Wv)
    w = np.einsum("hik,hjk->hij", q, k) / np.sqrt(K)
    w = np.exp(w - w.max(axis=2, keepdims=True))
    w = w / w.sum(axis=2, keepdims=True)
    c = np.concatenate(list(np.einsum("hij,hjk->hik", w, v)), axis=1)
    r = X + c @ Wo
    r = r - r.mean(axis=1, keepdims=True)
    n = r / np.sqrt((r ** 2).mean(axis=1, keepdims=True) + EPS)
    return 0.5 * np.sum((n * g + b - goal) ** 2) / T


def derived(E, Wq, Wk, Wv, Wo, g, b):
    X = tok @ E
    qs, ks, vs, As = [], [], [], []
    C = np.zeros((T, D))
    for h in range(H):
        q, k, v = X @ Wq[h], X @ Wk[h], X @ Wv[h]
        S = q @ k.T / np.sqrt(K)
        A = np.exp(S - S.max(1, keepdims=True))
        A /= A.sum(1, keepdims=True)
        C[:, h * K:(h + 1) * K] = A @ v
        qs.append(q)
        ks.append(k)
        vs.append(v)
        As.append(A)
    R = X + C @ Wo
    mu = R.mean(1, keepdims=True)
    sd = np.sqrt(R.var(1, keepdims=True) + EPS)
    N = (R - mu) / sd

    # layer norm
    dY = (N * g + b - goal) / T
    dg = (dY * N).sum(0)
    db = dY.sum(0)
    dN = dY * g
    dR = (dN - dN.mean(1, keepdims=True) - N * (dN * N).mean(1, keepdims=True)) / sd

    # residual and output projection
    dWo = C.T @ dR
    dC = dR @ Wo.T
    dX = dR.copy()

    # heads
    dWq, dWk, dWv = np.zeros_like(Wq), np.zeros_like(Wk), np.zeros_like(Wv)
    for h in range(H):
        q, k, v, A = qs[h], ks[h], vs[h], As[h]
        dO = dC[:, h * K:(h + 1) * K]
        dA = dO @ v.T
        dv = A.T @ dO
        dS = A * (dA - (dA * A).sum(1, keepdims=True))
        dq = dS @ k / np.sqrt(K)
        dk = dS.T @ q / np.sqrt(K)
        dWq[h] = X.T @ dq
        dWk[h] = X.T @ dk
        dWv[h] = X.T @ dv
        dX += dq @ Wq[h].T + dk @ Wk[h].T + dv @ Wv[h].T
    dE = tok.T @ dX
    return {"E": dE, "Wq": dWq, "Wk": dWk, "Wv": dWv, "Wo": dWo, "g": dg, "b": db}


MISTAKES = [
    ("dR = (dN - dN.mean(1, keepdims=True) - N * (dN * N).mean(1, keepdims=True)) / sd", "dR = (dN - dN.mean(1, keepdims=True)) / sd", "the deviation is treated as a constant"),
    ("dX = dR.copy()", "dX = np.zeros_like(X)", "the residual connection is forgotten"),
    ("dS = A * (dA - (dA * A).sum(1, keepdims=True))", "dS = A * (dA - (dA * A).sum(1))", "keepdims is missing, the scores are square, so it broadcasts silently"),
    ("dk = dS.T @ q / np.sqrt(K)", "dk = dS.T @ q / np.sqrt(D)", "the width of the model for the width of a head"),
    ("dX += dq @ Wq[h].T + dk @ Wk[h].T + dv @ Wv[h].T", "dX += dq @ Wq[h].T + dk @ Wk[h].T + dv @ Wk[h].T", "copied, one name unchanged"),
    ("dN = dY * g", "dN = dY", "the gain is left out"),
]
