"""Graph attention, one head, leaky relu, cross entropy on some nodes; neighbour lists and a dict for each node."""

import numpy as np

rng = np.random.default_rng(615)
nbrs = {0: [0, 1, 2], 1: [1, 0, 3], 2: [2, 0, 3, 4], 3: [3, 1, 2], 4: [4, 2, 5], 5: [5, 4]}
nodes = len(nbrs)
feats = rng.normal(size=(nodes, 4))
target = {0: 1, 2: 0, 3: 2, 5: 1}
SLOPE = 0.2


def point(rng):
    return {"W": rng.normal(size=(4, 3)), "a_self": rng.normal(size=3), "a_nbr": rng.normal(size=3),
            "W_out": rng.normal(size=(3, 3))}


def loss(W, a_self, a_nbr, W_out):
    h = feats @ W
    total = 0.0
    for i in target:
        hj = h[nbrs[i]]
        raw = h[i] @ a_self + hj @ a_nbr
        e = np.exp(np.where(raw > 0, raw, SLOPE * raw))
        o = np.tanh(e @ hj / e.sum()) @ W_out
        total += np.log(np.exp(o).sum()) - o[target[i]]
    return total / len(target)


def derived(W, a_self, a_nbr, W_out):
    h = feats @ W
    store = {}
    for i in target:
        s = {}
        s["raw"] = np.array([a_self @ h[i] + a_nbr @ h[j] for j in nbrs[i]])
        s["score"] = np.where(s["raw"] > 0, s["raw"], SLOPE * s["raw"])
        s["att"] = np.exp(s["score"]) / np.exp(s["score"]).sum()
        s["mix"] = sum(s["att"][p] * h[j] for p, j in enumerate(nbrs[i]))
        s["act"] = np.tanh(s["mix"])
        o = s["act"] @ W_out
        s["prob"] = np.exp(o) / np.exp(o).sum()
        store[i] = s

    gW_out = np.zeros_like(W_out)
    g_self = np.zeros_like(a_self)
    g_nbr = np.zeros_like(a_nbr)
    gh = np.zeros_like(h)
    for i, s in store.items():
        go = s["prob"].copy()
        go[target[i]] -= 1
        go /= len(target)
        gW_out += np.outer(s["act"], go)
        gact = W_out @ go
        gmix = gact * (1 - s["act"] ** 2)
        gatt = np.zeros(len(nbrs[i]))
        for p, j in enumerate(nbrs[i]):
            gatt[p] = gmix @ h[j]
            gh[j] += s["att"][p] * gmix
        gscore = s["att"] * (gatt - s["att"] @ gatt)
        graw = gscore * np.where(s["raw"] > 0, 1.0, SLOPE)
        for p, j in enumerate(nbrs[i]):
            g_self += graw[p] * h[i]
            g_nbr += graw[p] * h[j]
            gh[i] += graw[p] * a_self
            gh[j] += graw[p] * a_nbr
    return {"W": feats.T @ gh, "a_self": g_self, "a_nbr": g_nbr, "W_out": gW_out}


MISTAKES = [
    ("gmix = gact * (1 - s[\"act\"] ** 2)", "gmix = gact * (1 - s[\"mix\"] ** 2)", "tanh's derivative with its input in place of its value"),
    ("gh[j] += s[\"att\"][p] * gmix", "gh[j] = s[\"att\"][p] * gmix", "overwrites what other nodes have sent"),
    ("graw = gscore * np.where(s[\"raw\"] > 0, 1.0, SLOPE)", "graw = gscore * (s[\"raw\"] > 0)", "the plain relu's derivative"),
    ("g_nbr += graw[p] * h[j]", "g_nbr += graw[p] * h[i]", "copied from the line above, the index not changed"),
    ("gh[j] += graw[p] * a_nbr", "gh[i] += graw[p] * a_nbr", "the neighbour's part goes to the node itself"),
    ("go /= len(target)", "go /= nodes", "all the nodes are counted, not those with a class"),
]
