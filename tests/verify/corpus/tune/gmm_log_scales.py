"""Diagonal Gaussian mixture: softmax weights, log-scales, small priors on the weights and the precisions; einsum."""

import numpy as np

rng = np.random.default_rng(404)
N, K, D = 12, 3, 2
X = 1.5 * rng.normal(size=(N, D))
alpha = 0.05
beta = 0.02


def point(rng):
    return {"logits": rng.normal(size=K), "mu": rng.normal(size=(K, D)), "ls": 0.4 * rng.normal(size=(K, D))}


def loss(logits, mu, ls):
    logw = logits - np.log(np.sum(np.exp(logits)))
    q = (X[:, None, :] - mu[None, :, :]) * np.exp(-ls)
    lp = logw + np.sum(-0.5 * q * q - ls - 0.5 * np.log(2 * np.pi), axis=2)
    top = np.max(lp, axis=1)
    ll = top + np.log(np.sum(np.exp(lp - top[:, None]), axis=1))
    return -np.mean(ll) - alpha * np.sum(logw) + beta * np.sum(np.exp(-2 * ls))


def derived(logits, mu, ls):
    w = np.exp(logits) / np.exp(logits).sum()
    prec = np.exp(-2 * ls)
    diff = X[:, None] - mu
    maha = np.einsum("nkd,kd->nk", diff ** 2, prec)
    joint = w * np.exp(-0.5 * maha - ls.sum(1))          # up to (2 pi)^(-D/2)
    resp = joint / joint.sum(1, keepdims=True)

    # responsibilities carry the derivative of the log of the sum
    g_logjoint = -resp / N
    g_logw = g_logjoint.sum(0) - alpha
    g_logits = g_logw - w * g_logw.sum()
    g_maha = -0.5 * g_logjoint
    g_diff = 2 * np.einsum("nk,nkd,kd->nkd", g_maha, diff, prec)
    g_mu = -np.einsum("nkd->kd", g_diff)
    g_prec = np.einsum("nk,nkd->kd", g_maha, diff ** 2) + beta
    g_ls = -2 * prec * g_prec
    g_ls = g_ls - g_logjoint.sum(0)[:, None]
    return {"logits": g_logits, "mu": g_mu, "ls": g_ls}


MISTAKES = [
    ("g_logjoint = -resp / N", "g_logjoint = -resp / (N * K)", "the mean is over the samples only"),
    ("g_logits = g_logw - w * g_logw.sum()", "g_logits = g_logw", "the logits are taken for the log-weights: the normaliser is forgotten"),
    ("resp = joint / joint.sum(1, keepdims=True)", "resp = joint / joint.sum(0, keepdims=True)", "normalised over the samples, not over the components"),
    ("    g_ls = g_ls - g_logjoint.sum(0)[:, None]\n", "", "the log-determinant's path is forgotten", ["g_ls = -2 * prec * g_prec"]),
    ("g_diff = 2 * np.einsum(\"nk,nkd,kd->nkd\", g_maha, diff, prec)", "g_diff = 2 * np.einsum(\"nk,nkd,kd->nkd\", g_maha, diff, np.exp(-ls))", "divided by the scale where it should be the variance"),
    ("g_ls = -2 * prec * g_prec", "g_ls = -2 * g_prec", "the derivative of exp(-2 ls) without the exponential"),
]
