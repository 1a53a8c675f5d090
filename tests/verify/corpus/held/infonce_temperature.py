"""InfoNCE: two linear embeddings on the sphere, pairs on the diagonal, a learned temperature."""

import numpy as np

rng = np.random.default_rng(23)
N, p, q, d = 6, 4, 5, 3
X = rng.normal(size=(N, p))
Z = rng.normal(size=(N, q))


def point(rng):
    return {"A": rng.normal(size=(p, d)), "B": rng.normal(size=(q, d)),
            "eta": np.array(0.2 * rng.normal() - 0.4)}


def loss(A, B, eta):
    a, b = X @ A, Z @ B
    a = a / np.sqrt(np.sum(a * a, axis=1, keepdims=True))
    b = b / np.sqrt(np.sum(b * b, axis=1, keepdims=True))
    S = a @ b.T * np.exp(-eta)
    m = S.max(axis=1, keepdims=True)
    logZ = m[:, 0] + np.log(np.exp(S - m).sum(axis=1))
    return np.mean(logZ - np.diag(S))


def normalise(V):
    r = np.linalg.norm(V, axis=1, keepdims=True)
    return V / r, r


def through_norm(g, u, r):
    # d(v/|v|)/dv = (I - u u') / |v|: drop the radial part
    radial = np.einsum("nd,nd->n", g, u)
    return (g - radial[:, None] * u) / r


def derived(A, B, eta):
    mu, r_mu = normalise(X @ A)
    nu, r_nu = normalise(Z @ B)
    tau = np.exp(eta)
    C = np.einsum("nd,md->nm", mu, nu)
    P = np.exp(C / tau - np.max(C / tau, axis=1, keepdims=True))
    P /= np.sum(P, axis=1, keepdims=True)
    Lam = (P - np.eye(N)) / N                # dL/dS
    dmu = Lam @ nu / tau
    dnu = Lam.T @ mu / tau
    dA = X.T @ through_norm(dmu, mu, r_mu)
    dB = Z.T @ through_norm(dnu, nu, r_nu)
    deta = -np.einsum("nm,nm->", Lam, C) / tau
    return {"A": dA, "B": dB, "eta": deta}


MISTAKES = [
    ("return (g - radial[:, None] * u) / r", "return g / r",
     "the norm is taken to be constant: the radial part stays"),
    ("return (g - radial[:, None] * u) / r", "return g - radial[:, None] * u",
     "the division by the norm is left out"),
    ("dnu = Lam.T @ mu / tau", "dnu = Lam @ mu / tau", "the matrix of scores is not transposed"),
    ("dmu = Lam @ nu / tau", "dmu = Lam @ nu", "the temperature is left out on one side"),
    ("P /= np.sum(P, axis=1, keepdims=True)", "P /= np.sum(P, axis=0, keepdims=True)",
     "the softmax is normalised over the wrong axis"),
    ('deta = -np.einsum("nm,nm->", Lam, C) / tau',
     'deta = -np.einsum("nm,nm->", Lam, C) / tau ** 2',
     "the derivative by the temperature and not by its log"),
    ("dB = Z.T @ through_norm(dnu, nu, r_nu)", "dB = Z.T @ through_norm(dnu, nu, r_mu)",
     "the norms of the other embedding"),
]
