"""Mixture of spherical Gaussians: negative log-likelihood by log-sum-exp; means and logits."""

import numpy as np

gen = np.random.default_rng(29)
X = np.concatenate([gen.normal(size=(5, 2)) - 1.0, 0.7 * gen.normal(size=(4, 2)) + 1.2])
n, D = X.shape
K = 3
sigma2 = np.array([0.8, 1.3, 0.5])


def point(rng):
    return {"mu": rng.normal(size=(K, D)), "lam": rng.normal(size=K)}


def logsumexp(A, axis):
    m = np.max(A, axis=axis, keepdims=True)
    return np.squeeze(m, axis) + np.log(np.sum(np.exp(A - m), axis=axis))


def loss(mu, lam):
    log_pi = lam - logsumexp(lam, 0)
    sq = np.sum((X[:, None, :] - mu) ** 2, axis=2)
    log_joint = log_pi - 0.5 * sq / sigma2 - 0.5 * D * np.log(2 * np.pi * sigma2)
    return -np.mean(logsumexp(log_joint, 1))


def derived(mu, lam):
    Delta = X[:, None, :] - mu[None, :, :]
    pi = np.exp(lam - logsumexp(lam, 0))
    norm = (2 * np.pi * sigma2) ** (-0.5 * D)
    p = pi * norm * np.exp(-0.5 * np.einsum("ikd,ikd->ik", Delta, Delta) / sigma2)
    gamma = p / p.sum(axis=1, keepdims=True)          # responsibilities
    Nk = gamma.sum(axis=0)
    dmu = -np.einsum("ik,ikd->kd", gamma, Delta) / sigma2[:, None] / n
    dlam = pi - Nk / n
    return {"mu": dmu, "lam": dlam}


MISTAKES = [
    ("gamma = p / p.sum(axis=1, keepdims=True)", "gamma = p / p.sum(axis=0, keepdims=True)",
     "the responsibilities are normalised over samples and not over components"),
    ("p = pi * norm * np.exp(", "p = norm * np.exp(",
     "the mixture weights are left out of the responsibilities"),
    ("norm = (2 * np.pi * sigma2) ** (-0.5 * D)", "norm = (2 * np.pi * sigma2) ** -0.5",
     "the normaliser of one dimension is taken for that of D", ["p = pi * norm * np.exp("]),
    ('np.einsum("ikd,ikd->ik", Delta, Delta) / sigma2)', 'np.einsum("ikd,ikd->ik", Delta, Delta))',
     "the variance is left out of the exponent"),
    ("/ sigma2[:, None] / n", "/ n", "the variance is left out of the means' gradient"),
    ("dlam = pi - Nk / n", "dlam = -Nk / n",
     "the logits' own log-sum-exp is left out: only the responsibilities stay"),
    ("dlam = pi - Nk / n", "dlam = pi * (pi - Nk / n)",
     "a softmax factor that has cancelled already"),
]
