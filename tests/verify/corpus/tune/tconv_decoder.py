"""Decoder with two transposed 1-D convolutions (stride 2, cropped), tanh after each, squared error; the codes are learned."""

import numpy as np

rng = np.random.default_rng(909)
N, C0, C1, L, KS, ST, PAD = 2, 2, 3, 3, 4, 2, 1
TARGET = rng.uniform(-0.8, 0.8, size=(N, 1, 12))


def point(rng):
    return {"z": rng.normal(size=(N, C0, L)), "w1": 0.6 * rng.normal(size=(C0, C1, KS)), "b1": 0.3 * rng.normal(size=C1),
            "w2": 0.5 * rng.normal(size=(C1, 1, KS)), "b2": 0.3 * rng.normal(size=1)}


def up(x, w, b):
    """(N, Cin, L) to (N, Cout, 2 L)."""
    n, _, length = x.shape
    full = np.zeros((n, w.shape[1], (length - 1) * ST + KS))
    for i in range(length):
        full[:, :, i * ST:i * ST + KS] += np.tensordot(x[:, :, i], w, axes=(1, 0))
    return full[:, :, PAD:-PAD] + b[None, :, None]


def loss(z, w1, b1, w2, b2):
    out = np.tanh(up(np.tanh(up(z, w1, b1)), w2, b2))
    return 0.5 * np.sum((out - TARGET) ** 2) / N


def up_grad(dy, x, w):
    n, _, length = x.shape
    dfull = np.zeros((n, w.shape[1], (length - 1) * ST + KS))
    dfull[:, :, PAD:-PAD] = dy
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for i in range(length):
        window = dfull[:, :, i * ST:i * ST + KS]
        dx[:, :, i] = np.tensordot(window, w, axes=([1, 2], [1, 2]))
        dw += np.tensordot(x[:, :, i], window, axes=(0, 0))
    db = dy.sum(axis=(0, 2))
    return dx, dw, db


def derived(z, w1, b1, w2, b2):
    pre1 = up(z, w1, b1)
    act1 = np.tanh(pre1)
    out = np.tanh(up(act1, w2, b2))
    d = (out - TARGET) / N
    d *= 1 - out ** 2
    d, dw2, db2 = up_grad(d, act1, w2)
    d *= 1 - act1 ** 2
    dz, dw1, db1 = up_grad(d, z, w1)
    return {"z": dz, "w1": dw1, "b1": db1, "w2": dw2, "b2": db2}


MISTAKES = [
    ("dfull[:, :, PAD:-PAD] = dy", "dfull[:, :, :-2 * PAD] = dy", "the crop is undone at the wrong end"),
    ("window = dfull[:, :, i * ST:i * ST + KS]", "window = dfull[:, :, i:i + KS]", "the stride is forgotten on the way back"),
    ("dx[:, :, i] = np.tensordot(window, w, axes=([1, 2], [1, 2]))", "dx[:, :, i] = np.tensordot(window, w[:, :, ::-1], axes=([1, 2], [1, 2]))", "the kernel is flipped, as for a convolution"),
    ("dw += np.tensordot(x[:, :, i], window, axes=(0, 0))", "dw = np.tensordot(x[:, :, i], window, axes=(0, 0))", "only the last position counts"),
    ("d *= 1 - act1 ** 2", "d *= 1 - pre1 ** 2", "tanh's derivative with its input in place of its value"),
    ("d, dw2, db2 = up_grad(d, act1, w2)", "d, dw2, db2 = up_grad(d, pre1, w2)", "the kernel's gradient with the values before the tanh"),
]
