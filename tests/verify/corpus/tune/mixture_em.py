"""Mixture of two Gaussians in one dimension: means, log standard deviations, one logit."""

import numpy as np

x = np.array([-1.2, -0.7, 0.1, 0.9, 1.4, 2.2, 2.9])


def point(rng):
    return {"m": np.array([-0.5, 1.5]) + 0.3 * rng.normal(size=2), "s": 0.2 * rng.normal(size=2),
            "a": 0.4 * rng.normal(size=1)}


def loss(m, s, a):
    w = 1 / (1 + np.exp(-a))
    z = (x[:, None] - m) / np.exp(s)
    d = np.exp(-0.5 * z ** 2) / (np.exp(s) * np.sqrt(2 * np.pi))
    mix = w * d[:, 0] + (1 - w) * d[:, 1]
    return -np.sum(np.log(mix))


def derived(m, s, a):
    pi1 = 1 / (1 + np.exp(-a[0]))
    pi = np.array([pi1, 1 - pi1])
    sd = np.exp(s)
    dev = x[:, None] - m[None, :]
    dens = np.exp(-dev**2 / (2 * sd**2)) / (np.sqrt(2*np.pi) * sd)
    joint = dens * pi
    r = joint / joint.sum(axis=1, keepdims=True)
    dm = -(r * dev).sum(axis=0) / sd**2
    ds = -(r * (dev**2 / sd**2 - 1)).sum(axis=0)
    da = np.array([np.sum(pi1 - r[:, 0])])
    return {"m": dm, "s": ds, "a": da}


MISTAKES = [
    ("dm = -(r * dev).sum(axis=0) / sd**2", "dm = -(r * dev).sum(axis=0) / sd", "the variance divides"),
    ("ds = -(r * (dev**2 / sd**2 - 1)).sum(axis=0)", "ds = -(r * dev**2 / sd**2).sum(axis=0)", "the normalisation constant depends on s"),
    ("ds = -(r * (dev**2 / sd**2 - 1)).sum(axis=0)", "ds = -(r * (dev**2 / sd**3 - 1 / sd)).sum(axis=0)", "the derivative with respect to the standard deviation, not to its logarithm"),
    ("r = joint / joint.sum(axis=1, keepdims=True)", "r = dens / dens.sum(axis=1, keepdims=True)", "the responsibilities lack the mixing weights"),
    ("da = np.array([np.sum(pi1 - r[:, 0])])", "da = np.array([np.sum(r[:, 0] - pi1)])", "the sign"),
    ("da = np.array([np.sum(pi1 - r[:, 0])])", "da = np.array([-np.sum(r[:, 0] / pi1)])", "the derivative with respect to the weight, and only half"),
    ("dm = -(r * dev).sum(axis=0) / sd**2", "dm = -dev.sum(axis=0) / sd**2", "the responsibilities are left out"),
    ("r = joint / joint.sum(axis=1, keepdims=True)", "r = joint / joint.sum(axis=0)", "normalised over the samples"),
]
