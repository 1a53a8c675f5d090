"""Soft decision tree of depth 2: three sigmoid gates, four leaves with class distributions, balance penalty at the root."""

import numpy as np

rng = np.random.default_rng(1234)
n, d, C = 10, 3, 3
X = rng.normal(size=(n, d))
cls = rng.integers(0, C, size=n)
balance = 0.3


def point(rng):
    return {"w_root": rng.normal(size=d), "w_left": rng.normal(size=d), "w_right": rng.normal(size=d),
            "bias": rng.normal(size=3), "leaves": rng.normal(size=(4, C))}


def loss(w_root, w_left, w_right, bias, leaves):
    r = 1 / (1 + np.exp(-(X @ w_root + bias[0])))
    l = 1 / (1 + np.exp(-(X @ w_left + bias[1])))
    q = 1 / (1 + np.exp(-(X @ w_right + bias[2])))
    reach = np.stack([(1 - r) * (1 - l), (1 - r) * l, r * (1 - q), r * q], axis=1)
    dist = np.exp(leaves) / np.sum(np.exp(leaves), axis=1, keepdims=True)
    like = np.sum(reach * dist[:, cls].T, axis=1)
    alpha = np.mean(r)
    return -np.mean(np.log(like)) - 0.5 * balance * (np.log(alpha) + np.log(1 - alpha))


def sigm(v):
    return 1.0 / (1.0 + np.exp(-v))


def derived(w_root, w_left, w_right, bias, leaves):
    # gate = probability of going right
    gate = {"root": sigm(X @ w_root + bias[0]), "left": sigm(X @ w_left + bias[1]), "right": sigm(X @ w_right + bias[2])}
    path = {
        "LL": (1 - gate["root"]) * (1 - gate["left"]),
        "LR": (1 - gate["root"]) * gate["left"],
        "RL": gate["root"] * (1 - gate["right"]),
        "RR": gate["root"] * gate["right"],
    }
    names = ["LL", "LR", "RL", "RR"]
    Q = {}
    for i, leaf in enumerate(names):
        e = np.exp(leaves[i] - leaves[i].max())
        Q[leaf] = e / e.sum()
    mix = sum(path[leaf] * Q[leaf][cls] for leaf in names)

    dmix = -1.0 / (n * mix)
    dpath = {leaf: dmix * Q[leaf][cls] for leaf in names}
    dleaves = np.zeros((4, C))
    for i, leaf in enumerate(names):
        dQ = np.zeros(C)
        for s in range(n):
            dQ[cls[s]] += dmix[s] * path[leaf][s]
        dleaves[i] = Q[leaf] * (dQ - np.dot(Q[leaf], dQ))

    dgate = {}
    dgate["left"] = (1 - gate["root"]) * (dpath["LR"] - dpath["LL"])
    dgate["right"] = gate["root"] * (dpath["RR"] - dpath["RL"])
    below_left = (1 - gate["left"]) * dpath["LL"] + gate["left"] * dpath["LR"]
    below_right = (1 - gate["right"]) * dpath["RL"] + gate["right"] * dpath["RR"]
    dgate["root"] = below_right - below_left
    alpha = gate["root"].mean()
    dalpha = -0.5 * balance * (1 / alpha - 1 / (1 - alpha))
    dgate["root"] += dalpha / n

    dz = {node: dgate[node] * gate[node] * (1 - gate[node]) for node in gate}
    return {
        "w_root": X.T @ dz["root"],
        "w_left": X.T @ dz["left"],
        "w_right": X.T @ dz["right"],
        "bias": np.array([dz[node].sum() for node in ("root", "left", "right")]),
        "leaves": dleaves,
    }


MISTAKES = [
    ("dQ[cls[s]] += dmix[s] * path[leaf][s]", "dQ[cls[s]] = dmix[s] * path[leaf][s]", "the last sample of a class overwrites the others"),
    ("dgate[\"right\"] = gate[\"root\"] * (dpath[\"RR\"] - dpath[\"RL\"])", "dgate[\"right\"] = (1 - gate[\"root\"]) * (dpath[\"RR\"] - dpath[\"RL\"])", "copied from the left node: the wrong branch of the root"),
    ("dgate[\"root\"] = below_right - below_left", "dgate[\"root\"] = below_right", "the root's gate also takes weight from the left subtree"),
    ("dalpha = -0.5 * balance * (1 / alpha - 1 / (1 - alpha))", "dalpha = -0.5 * balance * (1 / alpha + 1 / (1 - alpha))", "the sign of the inner derivative of log(1 - alpha)"),
    ("dleaves[i] = Q[leaf] * (dQ - np.dot(Q[leaf], dQ))", "dleaves[i] = Q[leaf] * (1 - Q[leaf]) * dQ", "only the diagonal of the softmax's Jacobian"),
    ("dgate[\"root\"] += dalpha / n", "dgate[\"root\"] += dalpha", "alpha is a mean over the samples"),
]
