"""Student-t regression with learned scale: location is a quadratic polynomial."""

import numpy as np

x = np.linspace(-1.0, 1.2, 8)
y = np.array([0.9, 0.2, 0.1, -0.3, 0.2, 0.4, 1.1, 3.0])
nu = 4.0


def point(rng):
    return {"a": rng.normal(), "b": rng.normal(), "c": rng.normal(), "ls": 0.3 * rng.normal()}


def loss(a, b, c, ls):
    mu = a + b * x + c * x ** 2
    r = (y - mu) / np.exp(ls)
    return np.sum(0.5 * (nu + 1) * np.log(1 + r ** 2 / nu)) + len(x) * ls


def derived(a, b, c, ls):
    n = len(x)
    res = y - (a + b * x + c * x**2)
    s2 = np.exp(2 * ls)
    w = (nu + 1) / (nu * s2 + res**2)
    g = -w * res
    da = g.sum()
    db = g @ x
    dc = g @ x**2
    dls = n - np.sum(w * res**2)
    return {"a": da, "b": db, "c": dc, "ls": dls}


MISTAKES = [
    ("w = (nu + 1) / (nu * s2 + res**2)", "w = (nu + 1) / (nu + res**2)", "the scale is left out"),
    ("w = (nu + 1) / (nu * s2 + res**2)", "w = (nu + 1) / (s2 + res**2)", "the degrees of freedom are left out"),
    ("s2 = np.exp(2 * ls)", "s2 = np.exp(ls)", "the standard deviation for the variance"),
    ("dls = n - np.sum(w * res**2)", "dls = -np.sum(w * res**2)", "the term of the normalisation"),
    ("dls = n - np.sum(w * res**2)", "dls = n - np.sum(w * res)", "not squared"),
    ("dc = g @ x**2", "dc = 2 * g @ x", "differentiated with respect to x"),
    ("g = -w * res", "g = w * res", "the residual is y - mu"),
]
