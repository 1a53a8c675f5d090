"""RMS norm, SwiGLU block and residual on a batch of token sequences (b, t, d)."""

import numpy as np

rng = np.random.default_rng(403)
B, L, V, D, F = 2, 3, 5, 4, 6
S = rng.normal(size=(B, L, V))
Tgt = rng.normal(size=(B, L, D))
EPS = 1e-3


def point(rng):
    return {"E": rng.normal(size=(V, D)), "g": 1 + 0.3 * rng.normal(size=D), "Wg": rng.normal(size=(D, F)),
            "Wu": rng.normal(size=(D, F)), "Wd": rng.normal(size=(F, D))}


def loss(E, g, Wg, Wu, Wd):
    emb = S @ E
    normed = emb / np.sqrt(np.mean(emb ** 2, axis=2, keepdims=True) + EPS) * g
    gate = normed @ Wg
    out = emb + (gate / (1 + np.exp(-gate)) * (normed @ Wu)) @ Wd
    return 0.5 * np.sum((out - Tgt) ** 2) / (B * L)


def derived(E, g, Wg, Wu, Wd):
    x = S @ E
    r = (np.mean(x * x, -1, keepdims=True) + EPS) ** -0.5
    xh = x * r
    n = xh * g
    a, u = n @ Wg, n @ Wu
    s = 1 / (1 + np.exp(-a))
    sw = a * s
    m = sw * u
    o = x + m @ Wd

    do = (o - Tgt) / (B * L)
    dWd = np.einsum("btf,btd->fd", m, do)
    dm = do @ Wd.T
    du = dm * sw
    dsw = dm * u
    da = dsw * (s + sw * (1 - s))
    dWg = np.einsum("btd,btf->df", n, da)
    dWu = np.einsum("btd,btf->df", n, du)
    dn = da @ Wg.T + du @ Wu.T
    dg = np.einsum("btd,btd->d", dn, xh)
    dxh = dn * g
    dx = do + r * (dxh - xh * np.mean(dxh * xh, -1, keepdims=True))
    dE = np.einsum("btv,btd->vd", S, dx)
    return {"E": dE, "g": dg, "Wg": dWg, "Wu": dWu, "Wd": dWd}


MISTAKES = [
    ("do = (o - Tgt) / (B * L)", "do = (o - Tgt) / B", "the mean is over all tokens, not over the sequences"),
    ("du = dm * sw", "du = dm * s", "the gate is taken for a plain sigmoid"),
    ("da = dsw * (s + sw * (1 - s))", "da = dsw * s * (1 - s)", "the derivative of the sigmoid for that of swish"),
    ("dn = da @ Wg.T + du @ Wu.T", "dn = da @ Wg.T", "the path through the up projection is forgotten"),
    ("dg = np.einsum(\"btd,btd->d\", dn, xh)", "dg = np.einsum(\"btd,btd->d\", dn, x)",
     "the gain's gradient takes the input before the normalisation"),
    ("dx = do + r * (dxh - xh * np.mean(dxh * xh, -1, keepdims=True))",
     "dx = do + r * (dxh - np.mean(dxh, -1, keepdims=True) - xh * np.mean(dxh * xh, -1, keepdims=True))",
     "the formula of layer norm, which subtracts a mean"),
]
