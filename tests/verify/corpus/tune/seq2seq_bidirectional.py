"""Sequence to sequence without gates: an encoder in both directions, a tanh bridge, a decoder with teacher forcing.

Vectors are columns; one sentence; lists hold the states (entry 0 is the initial one).
"""

import numpy as np

rng = np.random.default_rng(2024)
Tx, Ty, D, H, K = 4, 3, 3, 3, 4
src = rng.normal(size=(Tx, D))
labels = [2, 0, 3]
dec_in = np.eye(K)[[1, 2, 0]]  # the start symbol, then the true symbols, shifted by one


def point(rng):
    s = 0.7
    return {"Uf": s * rng.normal(size=(H, D)), "Wf": s * rng.normal(size=(H, H)),
            "Ub": s * rng.normal(size=(H, D)), "Wb": s * rng.normal(size=(H, H)),
            "M": s * rng.normal(size=(H, 2 * H)),
            "Ud": s * rng.normal(size=(H, K)), "Wd": s * rng.normal(size=(H, H)),
            "V": s * rng.normal(size=(K, H)), "c": rng.normal(size=K)}


def loss(Uf, Wf, Ub, Wb, M, Ud, Wd, V, c):
    hf = np.zeros(H)
    hb = np.zeros(H)
    for x in src:
        hf = np.tanh(Uf @ x + Wf @ hf)
    for x in src[::-1]:
        hb = np.tanh(Ub @ x + Wb @ hb)
    s = np.tanh(M @ np.concatenate([hf, hb]))
    total = 0.0
    for y_prev, y in zip(dec_in, labels):
        s = np.tanh(Ud @ y_prev + Wd @ s)
        o = V @ s + c
        m = np.max(o)
        total = total + m + np.log(np.sum(np.exp(o - m))) - o[y]
    return total / Ty


def derived(Uf, Wf, Ub, Wb, M, Ud, Wd, V, c):
    # ---- forward, keeping everything
    fw = [np.zeros(H)]
    for t in range(Tx):
        fw.append(np.tanh(Uf @ src[t] + Wf @ fw[t]))
    bw = [np.zeros(H)]
    for k in range(Tx):
        bw.append(np.tanh(Ub @ src[Tx - 1 - k] + Wb @ bw[k]))
    both = np.concatenate([fw[Tx], bw[Tx]])
    dec = [np.tanh(M @ both)]
    probs = []
    for t in range(Ty):
        dec.append(np.tanh(Ud @ dec_in[t] + Wd @ dec[t]))
        o = V @ dec[t + 1] + c
        e = np.exp(o - o.max())
        probs.append(e / e.sum())

    # ---- decoder, backwards in time
    gUd, gWd, gV, gc = np.zeros_like(Ud), np.zeros_like(Wd), np.zeros_like(V), np.zeros_like(c)
    gs = np.zeros(H)
    for t in range(Ty - 1, -1, -1):
        go = probs[t].copy()
        go[labels[t]] -= 1.0
        go = go / Ty
        gV += np.outer(go, dec[t + 1])
        gc += go
        gs = gs + V.T @ go
        ga = gs * (1 - dec[t + 1] ** 2)
        gUd += np.outer(ga, dec_in[t])
        gWd += np.outer(ga, dec[t])
        gs = Wd.T @ ga

    # ---- bridge
    gm = gs * (1 - dec[0] ** 2)
    gM = np.outer(gm, both)
    gboth = M.T @ gm

    # ---- encoder, left to right
    gUf, gWf = np.zeros_like(Uf), np.zeros_like(Wf)
    gh = gboth[:H]
    for t in range(Tx - 1, -1, -1):
        ga = gh * (1 - fw[t + 1] ** 2)
        gUf += np.outer(ga, src[t])
        gWf += np.outer(ga, fw[t])
        gh = Wf.T @ ga

    # ---- encoder, right to left
    gUb, gWb = np.zeros_like(Ub), np.zeros_like(Wb)
    gh = gboth[H:]
    for k in range(Tx - 1, -1, -1):
        ga = gh * (1 - bw[k + 1] ** 2)
        gUb += np.outer(ga, src[Tx - 1 - k])
        gWb += np.outer(ga, bw[k])
        gh = Wb.T @ ga

    return {"Uf": gUf, "Wf": gWf, "Ub": gUb, "Wb": gWb, "M": gM, "Ud": gUd, "Wd": gWd, "V": gV, "c": gc}


MISTAKES = [
    ("gs = gs + V.T @ go", "gs = V.T @ go", "what comes back from the later decoder steps is overwritten"),
    ("gm = gs * (1 - dec[0] ** 2)", "gm = gs * (1 - dec[1] ** 2)", "the tanh of the first decoder step for that of the bridge"),
    ("gUb += np.outer(ga, src[Tx - 1 - k])", "gUb += np.outer(ga, src[k])", "the backward encoder reads the sentence reversed; this pairs step k with word k"),
    ("gh = Wb.T @ ga", "gh = Wf.T @ ga", "copied from the forward encoder, one name unchanged"),
    ("gWd += np.outer(ga, dec[t])", "gWd += np.outer(ga, dec[t + 1])", "the state after the step for the one before it"),
    ("go = go / Ty", "go = go / Tx", "normalised by the length of the source"),
]
