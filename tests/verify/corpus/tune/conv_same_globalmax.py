"""1-D convolution with "same" padding, ReLU, global max over time, logistic output; index by index."""

import numpy as np

_rs = np.random.default_rng(1234)
B, Cin, L, Cout, KS = 4, 2, 7, 3, 3
x = _rs.normal(size=(B, Cin, L))
t = np.array([1.0, 0.0, 0.0, 1.0])
pad = KS // 2


def point(rng):
    return {"k": rng.normal(size=(Cout, Cin, KS)), "b": 0.5 * rng.normal(size=Cout),
            "v": rng.normal(size=Cout), "a": rng.normal(), "scale": rng.uniform(0.5, 1.5, size=Cin)}


def loss(k, b, v, a, scale):
    xp = np.pad(x * scale[:, None], ((0, 0), (0, 0), (pad, pad)))
    z = np.zeros((B, Cout, L)) + b[:, None]
    for j in range(KS):
        z = z + np.einsum("bcl,oc->bol", xp[:, :, j:j + L], k[:, :, j])
    m = np.maximum(z, 0).max(axis=2)
    s = m @ v + a
    return np.mean(np.logaddexp(0, s) - t * s)


def derived(k, b, v, a, scale):
    # forward
    xs = np.zeros((B, Cin, L))
    for c in range(Cin):
        xs[:, c] = scale[c] * x[:, c]
    xp = np.zeros((B, Cin, L + 2 * pad))
    xp[:, :, pad:pad + L] = xs
    z = np.empty((B, Cout, L))
    for n in range(B):
        for o in range(Cout):
            for p in range(L):
                z[n, o, p] = np.sum(k[o] * xp[n, :, p:p + KS]) + b[o]
    r = np.maximum(z, 0)
    arg = r.argmax(2)
    m = r.max(2)
    s = m @ v + a

    # backward
    ds = (1 / (1 + np.exp(-s)) - t) / B
    da = ds.sum()
    dv = m.T @ ds
    dm = np.outer(ds, v)
    dr = np.zeros_like(r)
    for n in range(B):
        for o in range(Cout):
            dr[n, o, arg[n, o]] = dm[n, o]
    dz = dr * (z > 0)
    dk = np.zeros_like(k)
    db = np.zeros_like(b)
    dxp = np.zeros_like(xp)
    for n in range(B):
        for o in range(Cout):
            for p in range(L):
                dk[o] += dz[n, o, p] * xp[n, :, p:p + KS]
                dxp[n, :, p:p + KS] += dz[n, o, p] * k[o]
                db[o] += dz[n, o, p]
    dxs = dxp[:, :, pad:pad + L]
    dscale = np.zeros_like(scale)
    for c in range(Cin):
        dscale[c] = np.sum(dxs[:, c] * x[:, c])
    return {"k": dk, "b": db, "v": dv, "a": da, "scale": dscale}


MISTAKES = [
    ("dxp[n, :, p:p + KS] += dz[n, o, p] * k[o]", "dxp[n, :, p:p + KS] += dz[n, o, p] * k[o, :, ::-1]", "the kernel is flipped although the window is scattered already"),
    ("dxs = dxp[:, :, pad:pad + L]", "dxs = dxp[:, :, :L]", "the padding is cut off at one end only"),
    ("dr[n, o, arg[n, o]] = dm[n, o]", "dr[n, o] = dm[n, o] / L", "as for mean pooling, every position gets its share"),
    ("dz = dr * (z > 0)", "dz = dr * (dr > 0)", "the ReLU's mask is taken from the gradient, not from its input"),
    ("dscale[c] = np.sum(dxs[:, c] * x[:, c])", "dscale[c] = np.sum(dxs[:, c] * xs[:, c])", "the scaled input for the raw one"),
    ("dxp[n, :, p:p + KS] += dz[n, o, p] * k[o]", "dxp[n, :, p:p + KS] = dz[n, o, p] * k[o]", "= for +=, the windows overlap"),
]
