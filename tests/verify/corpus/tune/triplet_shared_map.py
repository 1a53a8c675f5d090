"""Triplet loss: anchor, positive and negative go through the same linear map."""

import numpy as np

rng = np.random.default_rng(51)
anchor = rng.normal(size=(7, 4))
positive = anchor + 0.8 * rng.normal(size=(7, 4))
negative = rng.normal(size=(7, 4))
alpha = 2.0
reg = 0.1


def point(rng):
    return {"W": 0.4 * rng.normal(size=(4, 3)), "scale": 1.0 + 0.3 * rng.normal(size=3)}


def embed(x, W, scale):
    return (x @ W) * scale


def sq_dist(u, v):
    return np.sum((u - v) ** 2, axis=1)


def loss(W, scale):
    a, p, n = (embed(x, W, scale) for x in (anchor, positive, negative))
    triplet = np.maximum(0, sq_dist(a, p) - sq_dist(a, n) + alpha)
    return triplet.mean() + 0.5 * reg * np.sum(W ** 2)


class SharedMap:
    """Used three times, so its gradients accumulate."""

    def __init__(self, W, scale):
        self.W, self.scale = W, scale
        self.grads = {"W": reg * W, "scale": np.zeros_like(scale)}

    def backward(self, x, dout):
        self.grads["scale"] += np.sum(dout * (x @ self.W), axis=0)
        self.grads["W"] += x.T @ (dout * self.scale)


def derived(W, scale):
    a = embed(anchor, W, scale)
    p = embed(positive, W, scale)
    n = embed(negative, W, scale)

    # only triplets that violate the margin count
    active = sq_dist(a, p) - sq_dist(a, n) + alpha > 0
    weight = active[:, None] / len(anchor)

    da = 2 * (n - p) * weight
    dp = -2 * (a - p) * weight
    dn = 2 * (a - n) * weight

    net = SharedMap(W, scale)
    for x, dout in zip([anchor, positive, negative], [da, dp, dn]):
        net.backward(x, dout)
    return net.grads


MISTAKES = [
    ("da = 2 * (n - p) * weight", "da = 2 * (a - p) * weight",
     "the anchor's distance to the negative is forgotten"),
    ("dp = -2 * (a - p) * weight", "dp = 2 * (a - p) * weight",
     "the positive is the subtracted one: the minus is lost"),
    ("weight = active[:, None] / len(anchor)", "weight = 1 / len(anchor)",
     "triplets that keep the margin count as well"),
    ("weight = active[:, None] / len(anchor)", "weight = active[:, None] / active.sum()",
     "a mean over the active triplets instead of over all"),
    ("self.grads[\"W\"] += x.T @ (dout * self.scale)", "self.grads[\"W\"] += x.T @ dout",
     "the scale is left out of the weights' gradient"),
    ("dn = 2 * (a - n) * weight", "dn = (a - n) * weight", "the square's 2 is left out"),
    ("active = sq_dist(a, p) - sq_dist(a, n) + alpha > 0",
     "active = sq_dist(a, p) - sq_dist(a, n) > 0", "the margin is left out of the test",
     ["weight = active[:, None] / len(anchor)"]),
]
