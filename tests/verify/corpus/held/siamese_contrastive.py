"""Siamese network: one encoder for both images of a pair, contrastive loss with a margin."""

import numpy as np

rng = np.random.default_rng(46)
left = rng.normal(size=(8, 5))
right = rng.normal(size=(8, 5))
same = np.array([1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0])
margin = 1.6


def point(rng):
    return {"W": 0.6 * rng.normal(size=(5, 3)), "b": 0.5 * rng.normal(size=3)}


def encode(x, W, b):
    return np.tanh(x @ W + b)


def loss(W, b):
    diff = encode(left, W, b) - encode(right, W, b)
    d = np.sqrt(np.sum(diff ** 2, axis=1))
    hinge = np.maximum(0, margin - d)
    return np.mean(same * d ** 2 + (1 - same) * hinge ** 2)


def encode_backward(dz, z, x):
    """Gradients of the encoder's weights for one branch."""
    dpre = dz * (1 - z ** 2)
    return x.T @ dpre, dpre.sum(axis=0)


def derived(W, b):
    z_left = encode(left, W, b)
    z_right = encode(right, W, b)
    diff = z_left - z_right
    dist = np.sqrt(np.sum(diff ** 2, axis=1))
    violation = np.maximum(0, margin - dist)

    # d loss / d dist, pulling together and pushing apart
    ddist = 2 * same * dist - 2 * (1 - same) * violation
    ddist = ddist / len(same)
    ddiff = ddist[:, None] * diff / dist[:, None]

    grads = {"W": np.zeros_like(W), "b": np.zeros_like(b)}
    for sign, z, x in [(1, z_left, left), (-1, z_right, right)]:
        dW, db = encode_backward(sign * ddiff, z, x)
        grads["W"] += dW
        grads["b"] += db
    return grads


MISTAKES = [
    ("ddist = 2 * same * dist - 2 * (1 - same) * violation",
     "ddist = 2 * same * dist + 2 * (1 - same) * violation",
     "the margin minus the distance: its minus is lost"),
    ("violation = np.maximum(0, margin - dist)", "violation = margin - dist",
     "pairs beyond the margin are not cut off",
     ["ddist = 2 * same * dist - 2 * (1 - same) * violation"]),
    ("ddiff = ddist[:, None] * diff / dist[:, None]", "ddiff = ddist[:, None] * diff",
     "the distance's derivative lacks the division by the distance"),
    ("[(1, z_left, left), (-1, z_right, right)]", "[(1, z_left, left), (1, z_right, right)]",
     "the right branch has the wrong sign", ["encode_backward(sign * ddiff, z, x)"]),
    ("[(1, z_left, left), (-1, z_right, right)]", "[(1, z_left, left)]",
     "the second branch is forgotten"),
    ('grads["W"] += dW', 'grads["W"] = dW', "the second branch overwrites the first"),
    ("dpre = dz * (1 - z ** 2)", "dpre = dz * z * (1 - z)",
     "the sigmoid's derivative where the encoder uses tanh"),
]
