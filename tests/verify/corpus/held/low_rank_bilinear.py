"""Bilinear regression x' U V' z + w' x with a quadratic penalty on the low-rank matrix."""

import numpy as np

data = np.random.default_rng(88)
p, q, r, n = 4, 5, 2, 9
X, Z = data.normal(size=(n, p)), data.normal(size=(n, q))
y = data.normal(size=n)
lam, eta = 0.35, 0.2


def point(rng):
    return {"U": rng.normal(size=(p, r)), "V": rng.normal(size=(q, r)), "w": rng.normal(size=p)}


def loss(U, V, w):
    f = np.sum((X @ U) * (Z @ V), axis=1) + X @ w
    frob = np.trace(U.T @ U @ V.T @ V)                # ||U V'||^2
    return 0.5 * np.mean((f - y) ** 2) + 0.5 * lam * frob + 0.5 * eta * w @ w


def derived(U, V, w):
    Theta = np.einsum("ir,jr->ij", U, V)
    eps = np.einsum("ni,ij,nj->n", X, Theta, Z) + X @ w - y
    G = np.zeros((p, q))
    for e, xi, zi in zip(eps, X, Z):
        G += e / n * np.outer(xi, zi)
    G += lam * Theta
    dU = G @ V
    dV = G.T @ U
    dw = X.T @ eps / n + eta * w
    return {"U": dU, "V": dV, "w": dw}


MISTAKES = [
    ("    G += lam * Theta\n", "", "the penalty's derivative is left out"),
    ("G += lam * Theta", "G += 2 * lam * Theta", "the half before the penalty is forgotten"),
    ("G += e / n * np.outer(xi, zi)", "G += e * np.outer(xi, zi)", "the mean's 1/n is left out"),
    ("G += e / n * np.outer(xi, zi)", "G = e / n * np.outer(xi, zi)",
     "= for +=: only the last sample counts"),
    ("Theta, Z) + X @ w - y", "Theta, Z) - y",
     "the linear part is left out of the residual"),
    ("dw = X.T @ eps / n + eta * w", "dw = X.T @ eps / n + lam * w",
     "the matrix's penalty in place of the vector's"),
    ("dV = G.T @ U", "dV = G.T @ dU", "the gradient of U in place of U"),
]
