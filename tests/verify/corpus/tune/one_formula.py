"""Ridge regression with interactions and a logistic output: everything in the dictionary."""

import numpy as np

rng = np.random.default_rng(50)
F = rng.normal(size=(9, 4))
lab = np.array([1, -1, 1, 1, -1, 1, -1, -1, 1.0])
reg, scale = 0.1, 1.5


def point(rng):
    return {"u": rng.normal(size=4), "q": rng.normal(size=4), "k": rng.normal(size=())}


def loss(u, q, k):
    margin = lab * (F @ u + (F ** 2) @ q + k) / scale
    return np.mean(np.log(1 + np.exp(-margin))) + reg * (u @ u + np.sum(np.abs(q)))


def derived(u, q, k):
    m = lab * (F @ u + F**2 @ q + k) / scale
    s = -lab / (1 + np.exp(m)) / (len(lab) * scale)
    return {
        "u": F.T @ s + 2*reg*u,
        "q": (F**2).T @ s + reg*np.sign(q),
        "k": s.sum(),
    }


MISTAKES = [
    ('"q": (F**2).T @ s + reg*np.sign(q)', '"q": (F**2).T @ s + reg*q', "the derivative of |q| is its sign"),
    ('"q": (F**2).T @ s + reg*np.sign(q)', '"q": 2 * F.T @ s + reg*np.sign(q)', "the square is differentiated though it is data"),
    ("s = -lab / (1 + np.exp(m)) / (len(lab) * scale)", "s = -lab / (1 + np.exp(-m)) / (len(lab) * scale)", "the wrong probability"),
    ("s = -lab / (1 + np.exp(m)) / (len(lab) * scale)", "s = -lab / (1 + np.exp(m)) / len(lab)", "the scale is left out"),
    ("s = -lab / (1 + np.exp(m)) / (len(lab) * scale)", "s = -1 / (1 + np.exp(m)) / (len(lab) * scale)", "the label is left out"),
    ('"u": F.T @ s + 2*reg*u', '"u": F.T @ s + reg*u', "the square's 2"),
    ('"k": s.sum()', '"k": s.mean()', "1/n is there already"),
]
