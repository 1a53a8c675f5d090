"""Two 1-D convolutions with stride and dilation, leaky ReLU, average over time, linear read-out."""

import numpy as np

rng = np.random.default_rng(31)
N, C0, C1, C2, L, KS = 3, 2, 3, 4, 17, 3
STRIDE1, DIL1 = 2, 2
STRIDE2, DIL2 = 1, 2
SLOPE = 0.1
L1 = (L - DIL1 * (KS - 1) - 1) // STRIDE1 + 1
L2 = (L1 - DIL2 * (KS - 1) - 1) // STRIDE2 + 1
X = rng.normal(size=(N, C0, L))
target = rng.normal(size=N)


def point(rng):
    return {"F1": rng.normal(size=(C1, C0, KS)), "b1": rng.normal(size=C1),
            "F2": rng.normal(size=(C2, C1, KS)), "b2": rng.normal(size=C2), "w": rng.normal(size=C2)}


def loss(F1, b1, F2, b2, w):
    def layer(a, F, b, stride, dil, length):
        cols = [a[:, :, j * dil:j * dil + stride * (length - 1) + 1:stride] for j in range(KS)]
        z = sum(np.einsum("oc,nct->not", F[:, :, j], cols[j]) for j in range(KS)) + b[:, None]
        return np.where(z > 0, z, SLOPE * z)
    top = layer(layer(X, F1, b1, STRIDE1, DIL1, L1), F2, b2, STRIDE2, DIL2, L2)
    return np.mean((np.mean(top, axis=2) @ w - target) ** 2)


def conv(a, F, b, stride, dil, length):
    z = np.zeros((N, F.shape[0], length))
    for t in range(length):
        for j in range(KS):
            z[:, :, t] += a[:, :, t * stride + j * dil] @ F[:, :, j].T
    return z + b.reshape(1, -1, 1)


def conv_bwd(dz, a, F, stride, dil):
    da = np.zeros_like(a)
    dF = np.zeros_like(F)
    for t in range(dz.shape[2]):
        for j in range(KS):
            pos = t * stride + j * dil
            dF[:, :, j] += dz[:, :, t].T @ a[:, :, pos]
            da[:, :, pos] += dz[:, :, t] @ F[:, :, j]
    db = dz.sum(axis=(0, 2))
    return da, dF, db


def lrelu(z):
    return np.maximum(z, SLOPE * z)


def derived(F1, b1, F2, b2, w):
    z1 = conv(X, F1, b1, STRIDE1, DIL1, L1)
    a1 = lrelu(z1)
    z2 = conv(a1, F2, b2, STRIDE2, DIL2, L2)
    a2 = lrelu(z2)
    pooled = a2.mean(axis=2)
    pred = pooled @ w

    dpred = 2.0 / N * (pred - target)
    dw = pooled.T @ dpred
    dpooled = np.outer(dpred, w)
    da2 = np.repeat(dpooled[:, :, None], L2, axis=2) / L2
    dz2 = da2 * np.where(z2 > 0, 1.0, SLOPE)
    da1, dF2, db2 = conv_bwd(dz2, a1, F2, STRIDE2, DIL2)
    dz1 = da1 * np.where(z1 > 0, 1.0, SLOPE)
    _, dF1, db1 = conv_bwd(dz1, X, F1, STRIDE1, DIL1)
    return {"F1": dF1, "b1": db1, "F2": dF2, "b2": db2, "w": dw}


MISTAKES = [
    ("da[:, :, pos] += dz[:, :, t] @ F[:, :, j]", "da[:, :, pos] = dz[:, :, t] @ F[:, :, j]", "overlapping windows overwrite each other"),
    ("pos = t * stride + j * dil", "pos = t * stride + j", "the dilation is forgotten on the way back"),
    ("da[:, :, pos] += dz[:, :, t] @ F[:, :, j]", "da[:, :, pos] += dz[:, :, t] @ F[:, :, KS - 1 - j]", "the kernel is flipped although the positions already scatter it the right way round"),
    ("da2 = np.repeat(dpooled[:, :, None], L2, axis=2) / L2", "da2 = np.repeat(dpooled[:, :, None], L2, axis=2) / L1", "the average is over the second layer's length"),
    ("dz1 = da1 * np.where(z1 > 0, 1.0, SLOPE)", "dz1 = da1 * np.where(z1 > 0, 1.0, 0.0)", "the derivative of the plain ReLU"),
    ("db = dz.sum(axis=(0, 2))", "db = dz.sum(axis=2).mean(axis=0)", "the bias averaged over the samples a second time"),
]
