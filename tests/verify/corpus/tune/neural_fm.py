"""Neural factorisation machine: bi-interaction pooling, one ReLU layer, logistic loss with labels -1 / +1."""

import numpy as np

rng = np.random.default_rng(808)
B, F, k, h = 9, 6, 4, 5
x = rng.normal(size=(B, F)) * (rng.random(size=(B, F)) < 0.7)
y = np.where(rng.random(size=B) < 0.5, -1.0, 1.0)
l2 = 0.03


def point(rng):
    return {"w0": rng.normal(size=1), "w": rng.normal(size=F), "V": 0.7 * rng.normal(size=(F, k)),
            "W1": rng.normal(size=(k, h)), "b1": rng.normal(size=h), "p": rng.normal(size=h)}


def loss(w0, w, V, W1, b1, p):
    pairs = np.zeros((B, k))
    for i in range(F):
        for j in range(i + 1, F):
            pairs = pairs + (x[:, i] * x[:, j])[:, None] * (V[i] * V[j])
    score = w0 + x @ w + np.maximum(pairs @ W1 + b1, 0) @ p
    return np.mean(np.logaddexp(0, -y * score)) + 0.5 * l2 * np.sum(V ** 2)


def derived(w0, w, V, W1, b1, p):
    # 1/2 [ (sum_i x_i v_i)^2 - sum_i x_i^2 v_i^2 ]
    S = x @ V
    Q = (x ** 2) @ (V ** 2)
    bi = 0.5 * (S ** 2 - Q)
    pre = bi @ W1 + b1
    hid = np.maximum(pre, 0)
    yhat = w0 + x @ w + hid @ p

    d_yhat = -y / (1 + np.exp(y * yhat)) / B
    d_w0 = d_yhat.sum(keepdims=True)
    d_w = x.T @ d_yhat
    d_p = hid.T @ d_yhat
    d_hid = d_yhat[:, None] * p[None, :]
    d_pre = d_hid * (pre > 0)
    d_W1 = bi.T @ d_pre
    d_b1 = d_pre.sum(axis=0)
    d_bi = d_pre @ W1.T
    d_S = d_bi * S
    d_Q = -0.5 * d_bi
    d_V = x.T @ d_S
    d_V += 2 * V * ((x ** 2).T @ d_Q)
    d_V += l2 * V
    return {"w0": d_w0, "w": d_w, "V": d_V, "W1": d_W1, "b1": d_b1, "p": d_p}


MISTAKES = [
    ("    d_V += 2 * V * ((x ** 2).T @ d_Q)\n", "", "the squares that are subtracted are taken for a constant", ["d_V = x.T @ d_S"]),
    ("d_V += 2 * V * ((x ** 2).T @ d_Q)", "d_V += 2 * V * (x.T @ d_Q)", "x for its square"),
    ("d_S = d_bi * S", "d_S = 2 * d_bi * S", "the half in front of the square is forgotten"),
    ("d_yhat = -y / (1 + np.exp(y * yhat)) / B", "d_yhat = -y / (1 + np.exp(-y * yhat)) / B", "the probability of the label for its complement"),
    ("d_pre = d_hid * (pre > 0)", "d_pre = d_hid * (bi @ W1 > 0)", "the ReLU is switched without the bias"),
    ("d_V += l2 * V", "d_V += l2 * V / B", "the penalty is not part of the mean"),
]
