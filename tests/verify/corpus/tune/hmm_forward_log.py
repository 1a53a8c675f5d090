"""Hidden Markov model: log-likelihood by the forward algorithm in logs; start, transitions, emissions from softmaxes."""

import numpy as np

seqs = [[0, 2, 1, 3, 0], [1, 1, 3], [2, 0, 3, 3], [3, 2]]
K, M = 3, 4
n_obs = sum(len(o) for o in seqs)


def point(rng):
    return {"start": rng.normal(size=K), "trans": rng.normal(size=(K, K)), "emit": rng.normal(size=(K, M))}


def lse(z, axis):
    top = z.max(axis=axis, keepdims=True)
    return np.log(np.exp(z - top).sum(axis=axis)) + np.squeeze(top, axis)


def loss(start, trans, emit):
    ls = start - lse(start, 0)
    lt = trans - lse(trans, 1)[:, None]
    le = emit - lse(emit, 1)[:, None]
    ll = 0.0
    for o in seqs:
        f = ls + le[:, o[0]]
        for sym in o[1:]:
            f = lse(f[:, None] + lt, 0) + le[:, sym]
        ll += lse(f, 0)
    return -ll / n_obs


def derived(start, trans, emit):
    ls = start - lse(start, 0)
    lt = trans - lse(trans, 1)[:, None]
    le = emit - lse(emit, 1)[:, None]
    g_ls, g_lt, g_le = np.zeros(K), np.zeros((K, K)), np.zeros((K, M))
    for o in seqs:
        fs = [ls + le[:, o[0]]]
        for t in range(1, len(o)):
            fs.append(lse(fs[t - 1][:, None] + lt, 0) + le[:, o[t]])
        # walk back; g is the gradient by fs[t]
        g = -np.exp(fs[-1] - lse(fs[-1], 0)) / n_obs
        for t in range(len(o) - 1, 0, -1):
            g_le[:, o[t]] += g
            pair = fs[t - 1][:, None] + lt
            came_from = np.exp(pair - lse(pair, 0)[None, :])
            g_pair = came_from * g[None, :]
            g_lt += g_pair
            g = g_pair.sum(axis=1)
        g_le[:, o[0]] += g
        g_ls += g
    # through the log-softmaxes
    d_start = g_ls - np.exp(ls) * g_ls.sum()
    d_trans = g_lt - np.exp(lt) * g_lt.sum(axis=1, keepdims=True)
    d_emit = g_le - np.exp(le) * g_le.sum(axis=1, keepdims=True)
    return {"start": d_start, "trans": d_trans, "emit": d_emit}


MISTAKES = [
    ("came_from = np.exp(pair - lse(pair, 0)[None, :])", "came_from = np.exp(pair - lse(pair, 1)[:, None])", "normalised over the next states, not over the previous ones"),
    ("g_pair = came_from * g[None, :]", "g_pair = came_from * g[:, None]", "the later state's gradient along the wrong axis"),
    ("g = g_pair.sum(axis=1)", "g = g_pair.sum(axis=0)", "summed over the previous states, which gives back the same g"),
    ("d_trans = g_lt - np.exp(lt) * g_lt.sum(axis=1, keepdims=True)", "d_trans = g_lt - np.exp(lt) * g_lt.sum(axis=1)", "keepdims is forgotten"),
    ("g_le[:, o[t]] += g", "g_le[:, o[t - 1]] += g", "the symbol of the step before"),
    ("        g_le[:, o[0]] += g\n", "", "the first symbol's emission is forgotten", ["g_ls += g", "g_le[:, o[t]] += g"]),
]
