"""Ridge regression with several outputs, correlated noise, and a learned ridge for each output."""

import numpy as np

rng0 = np.random.default_rng(17)
n, d, k = 8, 4, 3
X = rng0.normal(size=(n, d))
Y = rng0.normal(size=(n, k))
Omega = np.array([[1.4, 0.3, -0.2], [0.3, 0.9, 0.1], [-0.2, 0.1, 0.6]])


def point(rng):
    return {"W": rng.normal(size=(d, k)), "b": rng.normal(size=k),
            "eta": 0.4 * rng.normal(size=k) - 0.5}


def loss(W, b, eta):
    R = X @ W + b - Y
    fit = 0.5 * np.einsum("ik,kl,il->", R, Omega, R) / n
    ridge = 0.5 * np.trace(W @ np.diag(np.exp(eta)) @ W.T)
    return fit + ridge - 0.5 * d * np.sum(eta)


def derived(W, b, eta):
    lam = np.exp(eta)
    R = np.einsum("id,dk->ik", X, W) + b - Y
    G = np.einsum("ik,kl->il", R, Omega) / n          # dL/d(XW)
    dW = np.einsum("id,ik->dk", X, G)
    dW += np.einsum("dk,k->dk", W, lam)
    db = np.einsum("ik->k", G)
    deta = 0.5 * lam * np.einsum("dk,dk->k", W, W) - 0.5 * d
    return {"W": dW, "b": db, "eta": deta}


MISTAKES = [
    ('R = np.einsum("id,dk->ik", X, W) + b - Y', 'R = np.einsum("id,dk->ik", X, W) - Y',
     "the intercept is left out of the residual"),
    ('G = np.einsum("ik,kl->il", R, Omega) / n ', 'G = np.einsum("ik,kl->il", R, Omega) ',
     "the mean's 1/n is left out"),
    ('dW += np.einsum("dk,k->dk", W, lam)', 'dW += np.einsum("dk,k->dk", W, eta)',
     "the log of the ridge in place of the ridge"),
    ('dW += np.einsum("dk,k->dk", W, lam)', 'dW = np.einsum("dk,k->dk", W, lam)',
     "= for +=: the fit's part is overwritten"),
    ("deta = 0.5 * lam * np.einsum", "deta = 0.5 * np.einsum",
     "the derivative by the ridge and not by its log: the factor exp(eta) is left out"),
    ('db = np.einsum("ik->k", G)', 'db = np.einsum("ik->k", R) / n',
     "the noise precision is left out of the intercept's gradient"),
    ('np.einsum("dk,dk->k", W, W) - 0.5 * d', 'np.einsum("dk,dk->k", W, W) - 0.5 * n',
     "the number of samples in place of the number of features"),
]
