"""Character-level RNN in the minimal style: dicts of states by time, globals, clipped gradients."""

import numpy as np

data = "hello help hole"
chars = sorted(set(data))
vocab_size = len(chars)
char_to_ix = {ch: i for i, ch in enumerate(chars)}

hidden_size = 6
np.random.seed(33)
Wxh = np.random.randn(hidden_size, vocab_size) * 0.9
Whh = np.random.randn(hidden_size, hidden_size) * 0.7
Why = np.random.randn(vocab_size, hidden_size) * 0.9
bh = np.zeros((hidden_size, 1))
by = np.zeros((vocab_size, 1))


def lossFun(inputs, targets, hprev):
    """inputs, targets: lists of integers; hprev: (H, 1). Returns loss, gradients, last state."""
    xs, hs, ys, ps = {}, {}, {}, {}
    hs[-1] = np.copy(hprev)
    loss = 0
    for t in range(len(inputs)):
        xs[t] = np.zeros((vocab_size, 1))
        xs[t][inputs[t]] = 1
        hs[t] = np.tanh(np.dot(Wxh, xs[t]) + np.dot(Whh, hs[t - 1]) + bh)
        ys[t] = np.dot(Why, hs[t]) + by
        ps[t] = np.exp(ys[t]) / np.sum(np.exp(ys[t]))
        loss += -np.log(ps[t][targets[t], 0])

    dWxh, dWhh, dWhy = np.zeros_like(Wxh), np.zeros_like(Whh), np.zeros_like(Why)
    dbh, dby = np.zeros_like(bh), np.zeros_like(by)
    dhnext = np.zeros_like(hs[0])
    for t in reversed(range(len(inputs))):
        dy = np.copy(ps[t])
        dy[targets[t]] -= 1
        dWhy += np.dot(dy, hs[t].T)
        dby += dy
        dh = np.dot(Why.T, dy) + dhnext
        dhraw = (1 - hs[t] * hs[t]) * dh
        dbh += dhraw
        dWxh += np.dot(dhraw, xs[t].T)
        dWhh += np.dot(dhraw, hs[t - 1].T)
        dhnext = np.dot(Whh.T, dhraw)
    for dparam in [dWxh, dWhh, dWhy, dbh, dby]:
        np.clip(dparam, -1, 1, out=dparam)
    return loss, dWxh, dWhh, dWhy, dbh, dby, hs[len(inputs) - 1]


inputs = [char_to_ix[c] for c in data[:-1]]
targets = [char_to_ix[c] for c in data[1:]]
hprev = np.zeros((hidden_size, 1))


def plain():
    arrays = {"Wxh": Wxh, "Whh": Whh, "Why": Why, "bh": bh, "by": by}
    return (lambda: lossFun(inputs, targets, hprev)[0], arrays,
            dict(zip(arrays, lossFun(inputs, targets, hprev)[1:6])))


TABLE = {
    "style": "loss and gradients",
    "glue": "def f(**p): globals().update(p); return lossFun(inputs, targets, hprev)\n"
            "tg.verify.check_derivation(f, Wxh=Wxh, Whh=Whh, Why=Why, bh=bh, by=by)",
    "verdict": "convention",
    "convention": "clipping",
    "size": 1,
    "wrong": ["Wxh", "Whh", "Why", "bh", "by"],
    "stores": "xs[t][inputs[t]] = 1 (of data: no obstacle); dy[targets[t]] -= 1 in the gradients",
    "says": "right before they were clipped to [-1, 1]; the last value returned, a state, is no gradient",
    "change": ("        np.clip(dparam, -1, 1, out=dparam)", "        pass"),
}
