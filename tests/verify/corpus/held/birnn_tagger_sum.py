"""Sequence tagger: a forward and a backward RNN, their states summed, a softmax per word."""

import numpy as np

rng = np.random.default_rng(50)
sentence = rng.normal(size=(5, 4))
tags = [1, 0, 2, 2, 0]
T = len(tags)


def point(rng):
    params = {}
    for d in ("f", "b"):
        params[f"Wx_{d}"] = rng.normal(size=(3, 4))
        params[f"Wh_{d}"] = rng.normal(size=(3, 3))
    params["V"] = rng.normal(size=(3, 3))
    params["c"] = rng.normal(size=3)
    return params


def softmax(z):
    e = np.exp(z - np.max(z))
    return e / e.sum()


def run_rnn(xs, Wx, Wh):
    """Returns the states; states[0] is the initial one."""
    states = [np.zeros(len(Wh))]
    for x in xs:
        states.append(np.tanh(Wx @ x + Wh @ states[-1]))
    return states


def loss(Wx_f, Wh_f, Wx_b, Wh_b, V, c):
    hf = run_rnn(sentence, Wx_f, Wh_f)[1:]
    hb = run_rnn(sentence[::-1], Wx_b, Wh_b)[1:][::-1]
    total = 0.0
    for t in range(T):
        total = total - np.log(softmax(V @ (hf[t] + hb[t]) + c)[tags[t]])
    return total / T


def bptt(xs, states, dstates, Wx, Wh):
    dWx, dWh = np.zeros_like(Wx), np.zeros_like(Wh)
    dnext = np.zeros(len(Wh))
    for t in reversed(range(len(xs))):
        dh = dstates[t] + dnext
        draw = dh * (1 - states[t + 1] ** 2)
        dWx += np.outer(draw, xs[t])
        dWh += np.outer(draw, states[t])
        dnext = Wh.T @ draw
    return dWx, dWh


def derived(Wx_f, Wh_f, Wx_b, Wh_b, V, c):
    states_f = run_rnn(sentence, Wx_f, Wh_f)
    states_b = run_rnn(sentence[::-1], Wx_b, Wh_b)
    grads = {"V": np.zeros_like(V), "c": np.zeros_like(c)}

    dsum = []
    for t in range(T):
        s = states_f[t + 1] + states_b[T - t]
        dy = softmax(V @ s + c)
        dy[tags[t]] -= 1
        dy /= T
        grads["V"] += np.outer(dy, s)
        grads["c"] += dy
        dsum.append(V.T @ dy)

    # the sum hands the same gradient to both directions
    grads["Wx_f"], grads["Wh_f"] = bptt(sentence, states_f, dsum, Wx_f, Wh_f)
    grads["Wx_b"], grads["Wh_b"] = bptt(sentence[::-1], states_b, dsum[::-1], Wx_b, Wh_b)
    return grads


MISTAKES = [
    ("bptt(sentence[::-1], states_b, dsum[::-1], Wx_b, Wh_b)",
     "bptt(sentence[::-1], states_b, dsum, Wx_b, Wh_b)",
     "the gradients of the backward direction are not turned round"),
    ("s = states_f[t + 1] + states_b[T - t]", "s = states_f[t + 1] + states_b[t + 1]",
     "the backward states are read in the wrong order"),
    ("dh = dstates[t] + dnext", "dh = dstates[t]",
     "the gradient from the next time step is left out"),
    ("dWh += np.outer(draw, states[t])", "dWh += np.outer(draw, states[t + 1])",
     "the recurrent weights see the state one step too late"),
    ("dnext = Wh.T @ draw", "dnext = Wh @ draw", "the recurrent weights are not transposed"),
    ("dnext = Wh.T @ draw", "dnext = Wh.T @ dh",
     "the gradient after tanh is sent back instead of the one before it"),
    ("        dy /= T\n", "", "the mean over the words is left out"),
]
