"""RMS normalisation in front of a gated linear unit with a residual; rows are tokens; v_ means d loss / d v."""

import numpy as np

rng = np.random.default_rng(5)
n, p, d, m = 6, 3, 4, 5
X = rng.normal(size=(n, p))
T = rng.normal(size=(n, d))
eps = 1e-3


def point(rng):
    return {"E": rng.normal(size=(p, d)), "gain": rng.normal(size=d), "A": rng.normal(size=(d, m)),
            "a": rng.normal(size=m), "B": rng.normal(size=(d, m)), "b": rng.normal(size=m),
            "O": rng.normal(size=(m, d))}


def loss(E, gain, A, a, B, b, O):
    h = X @ E
    q = h / np.sqrt(np.mean(h * h, axis=1, keepdims=True) + eps) * gain
    out = h + ((q @ A + a) / (1 + np.exp(-(q @ B + b)))) @ O
    return 0.5 * np.sum((out - T) ** 2) / n


def rms(h):
    r = np.sqrt((h ** 2).mean(1, keepdims=True) + eps)
    return h / r, r


def rms_back(u_, u, r):
    return (u_ - u * (u_ * u).mean(1, keepdims=True)) / r


def derived(E, gain, A, a, B, b, O):
    h = X @ E
    u, r = rms(h)
    z = u * gain
    lin = z @ A + a
    s = 1 / (1 + np.exp(-z @ B - b))
    y = lin * s

    res = y @ O + h - T
    out_ = res / n
    O_ = y.T @ out_
    y_ = out_ @ O.T
    lin_ = y_ * s
    s_ = y_ * lin
    gate_ = s_ * s * (1 - s)
    A_, a_ = z.T @ lin_, lin_.sum(0)
    B_, b_ = z.T @ gate_, gate_.sum(0)
    z_ = lin_ @ A.T + gate_ @ B.T
    gain_ = (z_ * u).sum(0)
    u_ = z_ * gain
    h_ = rms_back(u_, u, r) + out_
    E_ = X.T @ h_
    return dict(E=E_, gain=gain_, A=A_, a=a_, B=B_, b=b_, O=O_)


MISTAKES = [
    ("return (u_ - u * (u_ * u).mean(1, keepdims=True)) / r", "return u_ / r", "the root mean square is taken for a constant"),
    ("return (u_ - u * (u_ * u).mean(1, keepdims=True)) / r", "return (u_ - u * (u_ * u).sum(1, keepdims=True)) / r", "sum for mean, as for the L2 norm"),
    ("gate_ = s_ * s * (1 - s)", "gate_ = s_ * s", "the derivative of the sigmoid without 1 - s"),
    ("z_ = lin_ @ A.T + gate_ @ B.T", "z_ = lin_ @ A.T", "the path through the gate is forgotten"),
    ("gain_ = (z_ * u).sum(0)", "gain_ = (z_ * z).sum(0)", "the scaled input for the normalised one"),
    ("h_ = rms_back(u_, u, r) + out_", "h_ = rms_back(u_, u, r)", "the residual path is forgotten"),
]
