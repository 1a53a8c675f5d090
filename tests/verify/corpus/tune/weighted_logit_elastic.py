"""Logistic regression: class weights, label smoothing, learned feature scales and a smoothed elastic net."""

import numpy as np

rng = np.random.default_rng(7)
X = rng.normal(size=(11, 5))
t = (rng.random(11) < 0.35).astype(float)
sm = 0.1                     # label smoothing
cw = np.where(t == 1, 3.0, 0.8)
lam, rho, mu = 0.2, 0.6, 0.05


def point(rng):
    return {"w": rng.normal(size=5), "a": 0.5 * rng.normal(size=5), "b": rng.normal(size=1)}


def loss(w, a, b):
    z = (X * np.exp(a)) @ w + b
    ts = t * (1 - sm) + 0.5 * sm
    nll = np.sum(cw * (np.logaddexp(0, z) - ts * z)) / np.sum(cw)
    v = w * np.exp(a)
    return nll + lam * (rho * np.sum(np.sqrt(v ** 2 + mu ** 2) - mu) + 0.5 * (1 - rho) * np.sum(w ** 2))


def derived(w, a, b):
    # v = w exp(a): the effective weights; everything but the ridge sees only v and b
    ea = np.exp(a); v = w * ea
    pr = 1 / (1 + np.exp(-(X @ v + b)))
    y = (1 - sm) * t + sm / 2
    dz = cw * (pr - y) / cw.sum()
    gv = X.T @ dz + lam * rho * v / np.sqrt(v ** 2 + mu ** 2)
    return {"w": gv * ea + lam * (1 - rho) * w, "a": gv * v, "b": np.array([dz.sum()])}


MISTAKES = [
    ("dz = cw * (pr - y) / cw.sum()", "dz = cw * (pr - y) / len(t)", "a weighted mean is divided by the sum of the weights"),
    ("y = (1 - sm) * t + sm / 2", "y = (1 - sm) * t + sm", "all of the smoothing mass on one of the two classes"),
    ("gv = X.T @ dz + lam * rho * v / np.sqrt(v ** 2 + mu ** 2)", "gv = X.T @ dz + lam * rho * np.sign(v)", "the subgradient of the plain absolute value"),
    ("gv = X.T @ dz + lam * rho * v / np.sqrt(v ** 2 + mu ** 2)", "gv = X.T @ dz + lam * rho * w / np.sqrt(w ** 2 + mu ** 2)", "the smoothed penalty is on the effective weights"),
    ("dz = cw * (pr - y) / cw.sum()", "dz = cw * (pr - y) * pr * (1 - pr) / cw.sum()", "the sigmoid's derivative, which cross entropy cancels"),
    ("return {\"w\": gv * ea + lam * (1 - rho) * w, \"a\": gv * v, \"b\": np.array([dz.sum()])}", "return {\"w\": gv * ea + lam * (1 - rho) * w, \"a\": gv * w, \"b\": np.array([dz.sum()])}", "the derivative of exp(a) is 1 here: w for w exp(a)"),
]
