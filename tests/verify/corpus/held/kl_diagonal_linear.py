"""KL divergence of an encoder N(W'x + b, diag e^lam) from a learned prior N(nu, diag e^eta)."""

import numpy as np

X = np.random.default_rng(101).normal(size=(7, 4))
N, p = X.shape
k = 3


def point(rng):
    return {"W": 0.6 * rng.normal(size=(p, k)), "b": rng.normal(size=k),
            "lam": 0.5 * rng.normal(size=k), "nu": rng.normal(size=k),
            "eta": 0.5 * rng.normal(size=k)}


def loss(W, b, lam, nu, eta):
    mu = X @ W + b
    kl = 0.0
    for m in mu:
        maha = (m - nu) ** 2 * np.exp(-eta)
        kl = kl + 0.5 * np.sum(np.exp(lam - eta) + maha - 1.0 + eta - lam)
    return kl / N


def derived(W, b, lam, nu, eta):
    mu = np.einsum("np,pk->nk", X, W) + b
    Delta = mu - nu
    inv_Sigma = np.exp(-eta)
    ratio = np.exp(lam) * inv_Sigma
    # the mean of the squared distance, one number for each latent direction
    M2 = np.diag(Delta.T @ Delta) / N
    g = Delta * inv_Sigma / N
    dW = sum(np.outer(X[i], g[i]) for i in range(N))
    db = g.sum(axis=0)
    dnu = -db
    dlam = 0.5 * (ratio - 1.0)
    deta = 0.5 * (1.0 - ratio - M2 * inv_Sigma)
    return {"W": dW, "b": db, "lam": dlam, "nu": dnu, "eta": deta}


MISTAKES = [
    ("deta = 0.5 * (1.0 - ratio - M2 * inv_Sigma)", "deta = 0.5 * (1.0 - ratio)",
     "the prior's variance in the distance of the means is forgotten"),
    ("deta = 0.5 * (1.0 - ratio - M2 * inv_Sigma)", "deta = 0.5 * (1.0 - ratio - M2)",
     "the prior's precision is left out of the distance's term"),
    ("M2 = np.diag(Delta.T @ Delta) / N", "M2 = np.diag(np.cov(mu.T, bias=True))",
     "the spread round the mean of the means and not round nu"),
    ("g = Delta * inv_Sigma / N", "g = Delta * np.exp(-lam) / N",
     "the encoder's variance in place of the prior's"),
    ("dlam = 0.5 * (ratio - 1.0)", "dlam = 0.5 * (ratio - np.exp(-lam))",
     "the log determinant is derived by the variance and not by its log"),
    ("dnu = -db", "dnu = db", "the sign of mu - nu is forgotten"),
    ("mu = np.einsum(\"np,pk->nk\", X, W) + b\n", "mu = np.einsum(\"np,pk->nk\", X, W)\n",
     "the bias is left out of the means"),
]
