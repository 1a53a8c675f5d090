"""Autoencoder with tied weights: h = sigmoid(W x + b), and W.T h + c is near x again."""

import numpy as np

rng = np.random.default_rng(17)
data = rng.normal(size=(4, 5))  # five columns
num = 5


def point(rng):
    return {
        "W": 0.7 * rng.normal(size=(3, 4)),
        "b": rng.normal(size=(3, 1)),
        "c": rng.normal(size=(4, 1)),
    }


def loss(W, b, c):
    E = 0.0
    for s in range(num):
        col = data[:, [s]]
        h = 1 / (1 + np.exp(-(W @ col + b)))
        E = E + np.mean((W.T @ h + c - col) ** 2)
    return E / num


def derived(W, b, c):
    gW, gb, gc = np.zeros((3, 4)), np.zeros((3, 1)), np.zeros((4, 1))
    for s in range(num):
        x = data[:, [s]]
        a = W @ x + b
        h = 1 / (1 + np.exp(-a))
        xr = W.T @ h + c
        dxr = 2 * (xr - x) / 4   # mean over the 4 entries
        gc += dxr
        # decoder
        gW += h @ dxr.T
        dh = W @ dxr
        da = dh * h * (1 - h)
        # encoder
        gW += da @ x.T
        gb += da
    return {"W": gW / num, "b": gb / num, "c": gc / num}


MISTAKES = [
    ("        gW += h @ dxr.T\n", "", "the path through the decoder is forgotten",
     ["gW += da @ x.T"]),
    ("gW += h @ dxr.T", "gW = h @ dxr.T", "= for +=: what earlier columns gave is overwritten"),
    ("gW += da @ x.T", "gW = da @ x.T", "= for +=: the encoder's part replaces the decoder's"),
    ("da = dh * h * (1 - h)", "da = dh * a * (1 - a)",
     "the sigmoid's derivative is written with its argument"),
    ("dxr = 2 * (xr - x) / 4", "dxr = 2 * (xr - x)",
     "the loss takes the mean over the entries: 1/4 is left out"),
    ("gW += da @ x.T", "gW += da @ xr.T", "the reconstruction for the input"),
    ("gb += da", "gb += dh", "the bias takes the gradient after the activation"),
]
