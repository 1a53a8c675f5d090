"""Depthwise 1-d convolution, squeeze-and-excitation gates, then a pointwise mix; one signal at a time."""

import numpy as np

_r = np.random.default_rng(808)
signals = _r.normal(size=(2, 3, 7))     # sample, channel, time
wanted = _r.normal(size=(2, 5))


def sigmoid(u):
    return 1.0 / (1.0 + np.exp(-u))


def point(rng):
    return {"dw": rng.normal(size=(3, 3)), "squeeze": rng.normal(size=(4, 3)), "excite": rng.normal(size=(3, 4)), "mix": rng.normal(size=3)}


def loss(dw, squeeze, excite, mix):
    total = 0.0
    for x, y in zip(signals, wanted):
        f = dw[:, 0:1] * x[:, 0:5] + dw[:, 1:2] * x[:, 1:6] + dw[:, 2:3] * x[:, 2:7]
        gate = sigmoid(excite @ np.tanh(squeeze @ np.mean(f, axis=1)))
        total = total + np.mean((mix @ (f * gate[:, None]) - y) ** 2)
    return total / 2


def backward_one(x, y, dw, squeeze, excite, mix):
    feat = np.stack([np.correlate(x[c], dw[c], mode="valid") for c in range(3)])
    z = feat.mean(axis=1)
    hid = np.tanh(squeeze @ z)
    gate = sigmoid(excite @ hid)
    scaled = feat * gate[:, None]
    err = mix @ scaled - y

    g_pred = 2 * err / 5
    g_mix = scaled @ g_pred
    g_scaled = np.outer(mix, g_pred)
    g_gate = (g_scaled * feat).sum(axis=1)
    g_logit = g_gate * gate * (1 - gate)
    g_excite = np.outer(g_logit, hid)
    g_hid = (excite.T @ g_logit) * (1 - hid ** 2)
    g_squeeze = np.outer(g_hid, z)
    g_z = squeeze.T @ g_hid
    g_feat = g_scaled * gate[:, None]
    g_feat += g_z[:, None] / 5
    g_dw = np.stack([np.correlate(x[c], g_feat[c], mode="valid") for c in range(3)])
    return g_dw, g_squeeze, g_excite, g_mix


def derived(dw, squeeze, excite, mix):
    parts = [backward_one(x, y, dw, squeeze, excite, mix) for x, y in zip(signals, wanted)]
    total = [sum(column) / len(parts) for column in zip(*parts)]
    return dict(zip(["dw", "squeeze", "excite", "mix"], total))


MISTAKES = [
    ("    g_feat += g_z[:, None] / 5\n", "", "the gates' own path to the features is forgotten", ["g_feat = g_scaled * gate[:, None]", 'g_dw = np.stack([np.correlate(x[c], g_feat[c], mode="valid") for c in range(3)])']),
    ("g_feat += g_z[:, None] / 5", "g_feat += g_z[:, None]", "the squeeze is a mean: 1/5 is left out"),
    ("g_logit = g_gate * gate * (1 - gate)", "g_logit = g_gate * z * (1 - z)", "the sigmoid's slope from the squeezed means, not from the gate"),
    ("g_mix = scaled @ g_pred", "g_mix = feat @ g_pred", "the features before they are gated"),
    ("g_hid = (excite.T @ g_logit) * (1 - hid ** 2)", "g_hid = excite.T @ g_logit", "tanh's slope is forgotten"),
    ("np.correlate(x[c], g_feat[c], mode", "np.convolve(x[c], g_feat[c], mode", "a convolution where the correlation belongs"),
]
