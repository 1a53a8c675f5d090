"""Normalised radial basis functions with learned centres and widths; samples are columns."""

import numpy as np

gen = np.random.default_rng(505)
D, K, M, N = 2, 4, 3, 7
X = gen.normal(size=(D, N))
Y = gen.normal(size=(M, N))


def point(rng):
    return {"C": rng.normal(size=(D, K)), "log_s": 0.3 * rng.normal(size=K), "W": rng.normal(size=(M, K)),
            "b": rng.normal(size=(M, 1))}


def loss(C, log_s, W, b):
    dist2 = np.sum((X[:, None, :] - C[:, :, None]) ** 2, axis=0)
    g = np.exp(-dist2 / (2 * np.exp(2 * log_s)[:, None]))
    out = W @ (g / np.sum(g, axis=0)) + b
    return np.sum((out - Y) ** 2) / (2 * N)


def derived(C, log_s, W, b):
    # forward
    Delta = X[:, None, :] - C[:, :, None]                        # D K N
    R2 = (Delta * Delta).sum(0)                                  # K N
    gamma = np.exp(-2 * log_s)[:, None]                          # K 1
    G = np.exp(-0.5 * gamma * R2)
    Z = G.sum(0, keepdims=True)                                  # 1 N
    Phi = G / Z
    Err = (W @ Phi + b - Y) / N                                  # M N
    # output layer
    dW = Err @ Phi.T
    db = Err.sum(1, keepdims=True)
    dPhi = W.T @ Err
    # normalisation
    dG = (dPhi - (dPhi * Phi).sum(0, keepdims=True)) / Z
    # G = exp(Q), Q = -gamma R2 / 2
    dQ = dG * G
    dgamma = -0.5 * (dQ * R2).sum(1)
    dR2 = -0.5 * gamma * dQ
    # widths and centres
    dlog_s = -2 * gamma[:, 0] * dgamma
    dDelta = 2 * Delta * dR2
    dC = -dDelta.sum(2)
    return {"C": dC, "log_s": dlog_s, "W": dW, "b": db}


MISTAKES = [
    ("dG = (dPhi - (dPhi * Phi).sum(0, keepdims=True)) / Z", "dG = dPhi / Z", "the normaliser is taken as a constant"),
    ("(dPhi * Phi).sum(0, keepdims=True)", "(dPhi * Phi).sum(1, keepdims=True)", "summed over the samples instead of the basis functions"),
    ("dQ = dG * G\n", "dQ = dG * Phi\n", "exp's derivative with the normalised activations"),
    ("dR2 = -0.5 * gamma * dQ", "dR2 = -0.5 * dQ", "the width is forgotten on the way to the distance"),
    ("dlog_s = -2 * gamma[:, 0] * dgamma", "dlog_s = -2 * log_s * dgamma", "the exponential of the log width: times the log instead of the value"),
    ("dC = -dDelta.sum(2)", "dC = dDelta.sum(2)", "the centre is subtracted"),
]
