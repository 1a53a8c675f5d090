"""Encoder-decoder recurrent network with teacher forcing, pairs of unequal lengths; column vectors in lists."""

import numpy as np

rng = np.random.default_rng(406)
din, dout, hid = 3, 2, 4
lengths = [(4, 3), (2, 4), (3, 2)]
sources = [[rng.normal(size=(din, 1)) for _ in range(ls)] for ls, lt in lengths]
targets = [[rng.normal(size=(dout, 1)) for _ in range(lt)] for ls, lt in lengths]


def point(rng):
    return {"We": 0.6 * rng.normal(size=(hid, din)), "Ue": 0.6 * rng.normal(size=(hid, hid)),
            "Wd": 0.6 * rng.normal(size=(hid, dout)), "Ud": 0.6 * rng.normal(size=(hid, hid)),
            "Wo": rng.normal(size=(dout, hid))}


def loss(We, Ue, Wd, Ud, Wo):
    total = 0.0
    for src, tgt in zip(sources, targets):
        h = np.zeros((hid, 1))
        for x in src:
            h = np.tanh(We @ x + Ue @ h)
        prev = np.zeros((dout, 1))
        part = 0.0
        for y in tgt:
            h = np.tanh(Wd @ prev + Ud @ h)
            part += np.sum((Wo @ h - y) ** 2)
            prev = y
        total += part / len(tgt)
    return total / len(sources)


def derived(We, Ue, Wd, Ud, Wo):
    gWe, gUe, gWd, gUd, gWo = [np.zeros_like(M) for M in (We, Ue, Wd, Ud, Wo)]
    for src, tgt in zip(sources, targets):
        # encoder states, enc[0] is zero
        enc = [np.zeros((hid, 1))]
        for x in src:
            enc.append(np.tanh(We @ x + Ue @ enc[-1]))
        # decoder states, dec[0] is the encoder's last
        dec = [enc[-1]]
        ins = [np.zeros((dout, 1))] + tgt[:-1]
        errs = []
        for t in range(len(tgt)):
            dec.append(np.tanh(Wd @ ins[t] + Ud @ dec[-1]))
            errs.append(Wo @ dec[-1] - tgt[t])

        carry = np.zeros((hid, 1))
        for t in reversed(range(len(tgt))):
            delta_o = 2.0 * errs[t] / (len(tgt) * len(sources))
            gWo += delta_o @ dec[t + 1].T
            dh = Wo.T @ delta_o + carry
            delta = dh * (1.0 - dec[t + 1] ** 2)
            gWd += delta @ ins[t].T
            gUd += delta @ dec[t].T
            carry = Ud.T @ delta
        for t in reversed(range(len(src))):
            delta = carry * (1.0 - enc[t + 1] ** 2)
            gWe += delta @ src[t].T
            gUe += delta @ enc[t].T
            carry = Ue.T @ delta
    return {"We": gWe, "Ue": gUe, "Wd": gWd, "Ud": gUd, "Wo": gWo}


MISTAKES = [
    ("delta_o = 2.0 * errs[t] / (len(tgt) * len(sources))", "delta_o = 2.0 * errs[t] / (len(src) * len(sources))",
     "the source's length for the target's"),
    ("dh = Wo.T @ delta_o + carry", "dh = Wo.T @ delta_o", "the gradient from the later decoder steps is forgotten"),
    ("delta = dh * (1.0 - dec[t + 1] ** 2)", "delta = dh * (1.0 - dec[t] ** 2)", "the derivative of tanh at the state before"),
    ("gUd += delta @ dec[t].T", "gUd += delta @ dec[t + 1].T", "the state after the step for the one before"),
    ("carry = Ud.T @ delta", "carry = Ud @ delta", "the transpose is left out"),
    ("carry = Ue.T @ delta", "carry = Ud.T @ delta", "copied from the decoder, the matrix's name not changed"),
]
