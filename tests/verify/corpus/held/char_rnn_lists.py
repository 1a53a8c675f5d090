"""Character-level RNN: one sequence, softmax at each step, the states in lists."""

import numpy as np

ids = [2, 0, 3, 3, 1, 4]
xs = ids[:-1]
ys = ids[1:]
T = 5
V, H = 5, 3


def point(rng):
    return {
        "Wxh": 0.6 * rng.normal(size=(H, V)),
        "Whh": 0.8 * rng.normal(size=(H, H)),
        "Why": rng.normal(size=(V, H)),
        "bh": 0.3 * rng.normal(size=(H, 1)),
        "by": 0.3 * rng.normal(size=(V, 1)),
    }


def loss(Wxh, Whh, Why, bh, by):
    h = np.zeros((H, 1))
    J = 0.0
    for t in range(T):
        h = np.tanh(Wxh[:, xs[t]:xs[t] + 1] + Whh @ h + bh)
        o = Why @ h + by
        J = J + np.log(np.sum(np.exp(o))) - o[ys[t], 0]
    return J


def derived(Wxh, Whh, Why, bh, by):
    x, hs, ps = [], [], []
    hprev = np.zeros((H, 1))
    for t in range(T):
        v = np.zeros((V, 1))
        v[xs[t]] = 1
        x.append(v)
        hprev = np.tanh(Wxh @ v + Whh @ hprev + bh)
        hs.append(hprev)
        o = Why @ hprev + by
        ps.append(np.exp(o) / np.sum(np.exp(o)))

    dWxh, dWhh, dWhy = np.zeros_like(Wxh), np.zeros_like(Whh), np.zeros_like(Why)
    dbh, dby = np.zeros_like(bh), np.zeros_like(by)
    dhnext = np.zeros((H, 1))
    for t in reversed(range(T)):
        dy = np.copy(ps[t])
        dy[ys[t]] -= 1
        dWhy += dy @ hs[t].T
        dby += dy
        dh = Why.T @ dy + dhnext
        dhraw = (1 - hs[t] * hs[t]) * dh  # through tanh
        dbh += dhraw
        dWxh += dhraw @ x[t].T
        if t > 0:
            dWhh += dhraw @ hs[t - 1].T
        dhnext = Whh.T @ dhraw
    return {"Wxh": dWxh, "Whh": dWhh, "Why": dWhy, "bh": dbh, "by": dby}


MISTAKES = [
    ("dWhh += dhraw @ hs[t - 1].T", "dWhh += dhraw @ hs[t].T",
     "the state of this step for that of the step before"),
    ("dh = Why.T @ dy + dhnext", "dh = Why.T @ dy", "the path through the later steps is left out"),
    ("dhnext = Whh.T @ dhraw", "dhnext = Whh @ dhraw", "the transpose is left out"),
    ("dhnext = Whh.T @ dhraw", "dhnext = Whh.T @ dh", "the derivative of tanh is not passed on"),
    ("dy[ys[t]] -= 1", "dy[xs[t]] -= 1", "the input character for the target character"),
    ("dby += dy", "dby = dy", "= for +=: only the first step is left"),
    ("for t in reversed(range(T)):", "for t in range(T):",
     "the loop back through time runs forwards", ["dh = Why.T @ dy + dhnext"]),
]
