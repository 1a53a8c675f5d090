"""A vanilla RNN that predicts a class at every step; row vectors, lists for the cache."""

import numpy as np

rng = np.random.default_rng(3)
T, D, H, K = 4, 3, 5, 3
xs = rng.normal(size=(T, D))
ys = [0, 2, 1, 2]


def point(rng):
    return {"Wxh": 0.6*rng.normal(size=(D, H)), "Whh": 0.6*rng.normal(size=(H, H)),
            "bh": 0.2*rng.normal(size=H), "Why": 0.7*rng.normal(size=(H, K)), "by": 0.2*rng.normal(size=K)}


def loss(Wxh, Whh, bh, Why, by):
    h = np.zeros(H)
    total = 0.0
    for t in range(T):
        h = np.tanh(xs[t] @ Wxh + h @ Whh + bh)
        s = h @ Why + by
        total = total + np.log(np.sum(np.exp(s))) - s[ys[t]]
    return total / T


def derived(Wxh, Whh, bh, Why, by):
    hs, ps = {-1: np.zeros(H)}, {}
    for t in range(T):
        hs[t] = np.tanh(xs[t]@Wxh + hs[t-1]@Whh + bh)
        e = np.exp(hs[t]@Why + by)
        ps[t] = e/e.sum()
    dWxh, dWhh, dWhy = np.zeros_like(Wxh), np.zeros_like(Whh), np.zeros_like(Why)
    dbh, dby = np.zeros_like(bh), np.zeros_like(by)
    dhnext = np.zeros(H)
    for t in reversed(range(T)):
        dy = np.copy(ps[t])
        dy[ys[t]] -= 1
        dy /= T
        dWhy += np.outer(hs[t], dy)
        dby += dy
        dh = Why@dy + dhnext
        draw = (1 - hs[t]**2)*dh
        dbh += draw
        dWxh += np.outer(xs[t], draw)
        dWhh += np.outer(hs[t-1], draw)
        dhnext = Whh@draw
    return dict(Wxh=dWxh, Whh=dWhh, bh=dbh, Why=dWhy, by=dby)


MISTAKES = [
    ("        dhnext = Whh@draw\n", "", "what comes from the next step is never passed on",
     ["dh = Why@dy + dhnext"]),
    ("dh = Why@dy + dhnext", "dh = Why@dy", "the next step's gradient is not added"),
    ("dWhh += np.outer(hs[t-1], draw)", "dWhh += np.outer(hs[t], draw)", "the new state instead of the old one"),
    ("dhnext = Whh@draw", "dhnext = Whh.T@draw", "the matrix is transposed"),
    ("        dy /= T\n", "", "the mean over steps is left out", ["dy[ys[t]] -= 1"]),
    ("draw = (1 - hs[t]**2)*dh", "draw = (1 - np.tanh(hs[t])**2)*dh", "tanh is applied twice"),
    ("        dy[ys[t]] -= 1\n", "", "the label's one is left out", ["dy /= T", "dy = np.copy(ps[t])"]),
    ("draw = (1 - hs[t]**2)*dh", "draw = (1 - hs[t])**2*dh", "the square is at the wrong place"),
]
