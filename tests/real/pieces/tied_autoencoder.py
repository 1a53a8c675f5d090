"""Autoencoder with tied weights; backward forgets that W is used twice."""

import numpy as np


class TiedAutoencoder:
    def __init__(self, n_visible, n_hidden, rng):
        bound = np.sqrt(6.0 / (n_visible + n_hidden))
        self.W = rng.uniform(-bound, bound, size=(n_visible, n_hidden))
        self.b_hid = 0.1 * rng.standard_normal(n_hidden)
        self.b_vis = 0.1 * rng.standard_normal(n_visible)

    def encode(self, x):
        return 1 / (1 + np.exp(-(x @ self.W + self.b_hid)))

    def decode(self, h):
        return h @ self.W.T + self.b_vis

    def loss(self, x):
        """Half the squared reconstruction error per sample, and the gradients."""
        n = len(x)
        h = self.encode(x)
        r = self.decode(h)
        value = 0.5 * np.sum((r - x) ** 2) / n

        dr = (r - x) / n
        dh = dr @ self.W
        da = dh * h * (1 - h)
        grads = {"W": x.T @ da, "b_hid": da.sum(0), "b_vis": dr.sum(0)}
        return value, grads


rng = np.random.default_rng(20)
X = rng.standard_normal((6, 5))
ae = TiedAutoencoder(5, 3, rng)


def with_parameters(W, b_hid, b_vis):
    ae.W, ae.b_hid, ae.b_vis = W, b_hid, b_vis
    return ae.loss(X)


W, b_hid, b_vis = ae.W, ae.b_hid, ae.b_vis


def plain():
    return (lambda: with_parameters(W, b_hid, b_vis)[0], {"W": W, "b_hid": b_hid, "b_vis": b_vis},
            with_parameters(W, b_hid, b_vis)[1])


TABLE = {
    "style": "loss and gradients",
    "glue": "tg.verify.check_derivation(with_parameters, W=W, b_hid=b_hid, b_vis=b_vis)",
    "verdict": "wrong",
    "wrong": ["W"],
    "stores": "",
    "says": "W is used in encode and in decode: the decoder's share dr.T @ h is left out",
    "change": ('"W": x.T @ da,', '"W": x.T @ da + dr.T @ h,'),
}
