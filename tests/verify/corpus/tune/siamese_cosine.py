"""Two towers with shared weights; the cosine of their outputs is fitted to a target. Rows are pairs."""

import numpy as np

rng = np.random.default_rng(402)
pairs, n_in, n_hid, n_emb = 6, 4, 5, 3
A = rng.normal(size=(pairs, n_in))
B = rng.normal(size=(pairs, n_in))
target = rng.choice([-1.0, 0.0, 1.0], size=(pairs, 1))


def point(rng):
    return {"W1": 0.7 * rng.normal(size=(n_in, n_hid)), "c1": rng.normal(size=n_hid),
            "W2": rng.normal(size=(n_hid, n_emb))}


def loss(W1, c1, W2):
    p = np.tanh(A @ W1 + c1) @ W2
    q = np.tanh(B @ W1 + c1) @ W2
    cos = np.sum(p * q, axis=1) / np.linalg.norm(p, axis=1) / np.linalg.norm(q, axis=1)
    return np.mean((cos - target[:, 0]) ** 2)


def tower(inputs, W1, c1, W2):
    cache = {"x": inputs}
    cache["h"] = np.tanh(inputs @ W1 + c1)
    cache["z"] = cache["h"] @ W2
    cache["len"] = np.sqrt((cache["z"] ** 2).sum(axis=1, keepdims=True))
    return cache


def tower_backward(cache, dz, W2, grads):
    grads["W2"] += cache["h"].T @ dz
    dh = dz @ W2.T
    da = dh * (1 - cache["h"] ** 2)
    grads["W1"] += cache["x"].T @ da
    grads["c1"] += da.sum(axis=0)


def derived(W1, c1, W2):
    left = tower(A, W1, c1, W2)
    right = tower(B, W1, c1, W2)
    inner = (left["z"] * right["z"]).sum(axis=1, keepdims=True)
    lengths = left["len"] * right["len"]
    sim = inner / lengths

    dsim = 2 * (sim - target) / pairs
    dinner = dsim / lengths
    dlengths = -dsim * inner / lengths ** 2
    dlen_left = dlengths * right["len"]
    dlen_right = dlengths * left["len"]
    dz_left = dinner * right["z"] + dlen_left * left["z"] / left["len"]
    dz_right = dinner * left["z"] + dlen_right * right["z"] / right["len"]

    grads = {"W1": np.zeros_like(W1), "c1": np.zeros_like(c1), "W2": np.zeros_like(W2)}
    tower_backward(left, dz_left, W2, grads)
    tower_backward(right, dz_right, W2, grads)
    return grads


MISTAKES = [
    ('grads["W2"] += cache["h"].T @ dz', 'grads["W2"] = cache["h"].T @ dz', "only the second tower's share of W2 remains"),
    ('dlengths = -dsim * inner / lengths ** 2', 'dlengths = -dsim * inner / lengths',
     "the derivative of the reciprocal lacks its square"),
    ('dlen_left = dlengths * right["len"]', 'dlen_left = dlengths * left["len"]', "its own length for the other tower's"),
    ('dz_right = dinner * left["z"] + dlen_right * right["z"] / right["len"]', 'dz_right = dinner * left["z"]',
     "the right length is treated as a constant"),
    ('da = dh * (1 - cache["h"] ** 2)', 'da = dh * (1 - np.tanh(cache["h"]) ** 2)',
     "the derivative of tanh at the post-activation"),
    ('tower_backward(right, dz_right, W2, grads)', 'tower_backward(right, dz_left, W2, grads)',
     "the line above copied, the gradient's name not changed"),
]
