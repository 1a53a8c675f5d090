"""Hidden features standardised within each group of rows, then tanh and a linear read-out; loops over groups."""

import numpy as np

rng = np.random.default_rng(409)
n, n_in, n_feat = 10, 3, 2
X = rng.normal(size=(n, n_in))
t = rng.normal(size=n)
group_of = np.array([0, 1, 0, 2, 1, 0, 2, 2, 0, 1])
EPS = 0.01


def point(rng):
    return {"W": rng.normal(size=(n_in, n_feat)), "scale": 1 + 0.4 * rng.normal(size=n_feat),
            "shift": rng.normal(size=n_feat), "v": rng.normal(size=n_feat)}


def loss(W, scale, shift, v):
    feats = X @ W
    normed = np.zeros_like(feats)
    for g in np.unique(group_of):
        rows = group_of == g
        part = feats[rows]
        normed[rows] = (part - np.mean(part, axis=0)) / np.sqrt(np.var(part, axis=0) + EPS)
    return np.mean((np.tanh(normed * scale + shift) @ v - t) ** 2)


def derived(W, scale, shift, v):
    F = X @ W
    out = np.zeros((n, n_feat))
    saved = []
    for g in range(3):
        idx = np.where(group_of == g)[0]
        for j in range(n_feat):
            dev = F[idx, j] - F[idx, j].mean()
            sd = np.sqrt((dev ** 2).mean() + EPS)
            out[idx, j] = scale[j] * dev / sd + shift[j]
            saved.append((idx, j, dev, sd))
    act = np.tanh(out)
    err = act @ v - t

    d_pred = 2 * err / n
    d_v = act.T @ d_pred
    d_act = np.outer(d_pred, v)
    d_out = d_act * (1 - act ** 2)

    d_scale, d_shift = np.zeros(n_feat), np.zeros(n_feat)
    d_F = np.zeros((n, n_feat))
    for idx, j, dev, sd in saved:
        size = len(idx)
        up = d_out[idx, j]
        d_shift[j] += up.sum()
        d_scale[j] += (up * dev / sd).sum()
        d_norm = up * scale[j]
        d_sd = -(d_norm * dev).sum() / sd ** 2
        d_var = d_sd / (2 * sd)
        d_dev = d_norm / sd + d_var * 2 * dev / size
        d_mean = -d_dev.sum()
        d_F[idx, j] = d_dev + d_mean / size
    d_W = X.T @ d_F
    return {"W": d_W, "scale": d_scale, "shift": d_shift, "v": d_v}


MISTAKES = [
    ("d_out = d_act * (1 - act ** 2)", "d_out = d_act * (1 - out ** 2)", "the derivative of tanh takes the pre-activation"),
    ("d_shift[j] += up.sum()", "d_shift[j] = up.sum()", "only the last group's share of the shift remains"),
    ("d_scale[j] += (up * dev / sd).sum()", "d_scale[j] += (up * dev).sum()",
     "the centred feature for the standardised one"),
    ("d_sd = -(d_norm * dev).sum() / sd ** 2", "d_sd = -(up * dev).sum() / sd ** 2", "the scale is skipped on the path through the deviation"),
    ("d_dev = d_norm / sd + d_var * 2 * dev / size", "d_dev = d_norm / sd + d_var * 2 * dev / n",
     "the variance's count is the group's, not all rows'"),
    ("d_F[idx, j] = d_dev + d_mean / size", "d_F[idx, j] = d_dev", "the group's mean is treated as a constant"),
]
