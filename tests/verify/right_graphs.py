"""Losses of many kinds, each with right gradients that are written in several ways.

`GRAPHS` maps a name to a function of a generator, which draws the data and the point and returns a
`Graph`. None of the derivations is meant to be stable or short: they are what people write.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import tinygrad_mlp as tg


class Graph(NamedTuple):
    """A loss, a point, and right derivations.

    Attributes:
        free: whether the point may be any numbers; otherwise it is in a set.
        minimum: a point where all gradients vanish, or None.
    """

    loss: Callable[..., Any]
    point: dict[str, Any]
    derivations: list[Callable[..., Any]]
    free: bool = True
    minimum: dict[str, Any] | None = None


GRAPHS: dict[str, Callable[[np.random.Generator], Graph]] = {}


def graph(make):
    GRAPHS[make.__name__] = make
    return make


def g(z):
    return 1 / (1 + np.exp(-z))


def softmax(Z):
    E = np.exp(Z - Z.max(axis=-1, keepdims=True))
    return E / E.sum(axis=-1, keepdims=True)


# -- linear models -----------------------------------------------------------------------------


@graph
def least_squares(rng):
    X, y = rng.normal(size=(7, 3)), rng.normal(size=7)

    def loss(w):
        return np.mean((X @ w - y) ** 2)

    def matrix(w):
        return {"w": 2 / len(X) * X.T @ (X @ w - y)}

    def loops(w):
        out = np.zeros(len(w))
        for i in range(len(X)):
            error = sum(X[i, j] * w[j] for j in range(len(w))) - y[i]
            for j in range(len(w)):
                out[j] += 2 * error * X[i, j] / len(X)
        return {"w": out}

    def normal(w):
        return {"w": 2 * (X.T @ X @ w - X.T @ y) / len(X)}

    best = np.linalg.lstsq(X, y, rcond=None)[0]
    return Graph(loss, {"w": rng.normal(size=3)}, [matrix, loops, normal], minimum={"w": best})


@graph
def ridge(rng):
    X, Y, lam = rng.normal(size=(6, 3)), rng.normal(size=(6, 2)), float(rng.uniform(0.01, 1))

    def loss(W, b):
        E = X @ W + b - Y
        return 0.5 * np.sum(E * E) + lam * np.sum(W * W)

    def matrix(W, b):
        E = X @ W + b - Y
        return {"W": X.T @ E + 2 * lam * W, "b": E.sum(0)}

    def einsum(W, b):
        E = X @ W + b - Y
        return {"W": np.einsum("ni,nk->ik", X, E) + lam * (W + W), "b": np.einsum("nk->k", E)}

    def samples(W, b):
        dW, db = 2 * lam * W, np.zeros_like(b)
        for x, target in zip(X, Y, strict=True):
            e = x @ W + b - target
            dW += np.outer(x, e)
            db += e
        return {"W": dW, "b": db}

    return Graph(loss, {"W": rng.normal(size=(3, 2)), "b": rng.normal(size=2)},
                 [matrix, einsum, samples])


@graph
def lasso(rng):
    X, y = rng.normal(size=(6, 4)), rng.normal(size=6)

    def loss(w):
        return 0.5 * np.sum((X @ w - y) ** 2) + 0.7 * np.sum(np.abs(w))

    return Graph(loss, {"w": rng.normal(size=4)}, [
        lambda w: {"w": X.T @ (X @ w - y) + 0.7 * np.sign(w)},
        lambda w: {"w": X.T @ (X @ w - y) + np.where(w > 0, 0.7, -0.7)},
        lambda w: {"w": X.T @ (X @ w - y) + 0.7 * (2.0 * (w >= 0) - 1)}])


@graph
def logistic(rng):
    X, y = rng.normal(size=(6, 3)), rng.integers(0, 2, 6) * 1.0

    def loss(w, b):
        z = X @ w + b
        return np.mean(np.logaddexp(0, z) - y * z)

    def matrix(w, b):
        e = g(X @ w + b) - y
        return {"w": X.T @ e / 6, "b": np.mean(e)}

    def by_tanh(w, b):
        e = 0.5 * (1 + np.tanh((X @ w + b) / 2)) - y
        return {"w": (e[:, None] * X).mean(0), "b": e.sum() / 6}

    return Graph(loss, {"w": rng.normal(size=3), "b": rng.normal()}, [matrix, by_tanh])


@graph
def cross_entropy_of_probabilities(rng):
    X, y = rng.normal(size=(5, 3)), rng.integers(0, 2, 5) * 1.0

    def loss(w):
        p = tg.sigmoid(X @ w)
        return -np.sum(y * np.log(p) + (1 - y) * np.log(1 - p))

    def short(w):
        return {"w": X.T @ (g(X @ w) - y)}

    def written_out(w):
        p = g(X @ w)
        return {"w": X.T @ (((1 - y) / (1 - p) - y / p) * p * (1 - p))}

    def diagonal(w):
        p = g(X @ w)
        return {"w": X.T @ np.diag(p * (1 - p)) @ ((p - y) / (p * (1 - p)))}

    return Graph(loss, {"w": rng.normal(size=3)}, [short, written_out, diagonal])


@graph
def softmax_regression(rng):
    X, T = rng.normal(size=(5, 3)), np.eye(4)[rng.integers(0, 4, 5)]

    def loss(W, b):
        Z = X @ W + b
        Z = Z - np.max(Z, axis=1, keepdims=True)
        return -np.mean(np.sum(T * (Z - np.log(np.sum(np.exp(Z), axis=1, keepdims=True))), axis=1))

    def short(W, b):
        D = (softmax(X @ W + b) - T) / len(X)
        return {"W": X.T @ D, "b": D.sum(0)}

    def jacobians(W, b):
        dW, db = np.zeros_like(W), np.zeros_like(b)
        for x, t in zip(X, T, strict=True):
            p = softmax(x @ W + b)
            dz = (np.diag(p) - np.outer(p, p)) @ (-t / p) / len(X)
            dW += np.outer(x, dz)
            db += dz
        return {"W": dW, "b": db}

    def log_sum_exp(W, b):
        Z = X @ W + b
        P = np.exp(Z - np.logaddexp.reduce(Z, axis=1, keepdims=True))
        return {"W": np.einsum("ni,nk->ik", X, P - T) / 5, "b": np.mean(P - T, axis=0)}

    return Graph(loss, {"W": rng.normal(size=(3, 4)), "b": rng.normal(size=4)},
                 [short, jacobians, log_sum_exp])


@graph
def poisson(rng):
    X, y = rng.normal(size=(6, 2)), rng.poisson(2.0, 6) * 1.0

    def loss(w):
        return np.sum(np.exp(X @ w)) - y @ (X @ w)

    return Graph(loss, {"w": rng.normal(size=2)}, [
        lambda w: {"w": X.T @ (np.exp(X @ w) - y)},
        lambda w: {"w": np.exp(X @ w) @ X - y @ X}])


@graph
def support_vectors(rng):
    X, y = rng.normal(size=(6, 3)), rng.choice([-1.0, 1.0], 6)

    def loss(w, b):
        return 0.5 * w @ w + 2.0 * np.sum(np.maximum(0, 1 - y * (X @ w + b)))

    def masked(w, b):
        on = 1.0 * (y * (X @ w + b) < 1)
        return {"w": w - 2 * X.T @ (on * y), "b": -2 * (on @ y)}

    def loops(w, b):
        dw, db = w.copy(), 0.0
        for x, t in zip(X, y, strict=True):
            if 1 - t * (x @ w + b) >= 0:
                dw -= 2 * t * x
                db -= 2 * t
        return {"w": dw, "b": db}

    return Graph(loss, {"w": rng.normal(size=3), "b": rng.normal()}, [masked, loops])


@graph
def huber(rng):
    X, y, d = rng.normal(size=(6, 2)), 3 * rng.normal(size=6), 0.8

    def loss(w):
        e = X @ w - y
        return np.sum(np.where(np.abs(e) <= d, 0.5 * e**2, d * (np.abs(e) - 0.5 * d)))

    return Graph(loss, {"w": rng.normal(size=2)}, [
        lambda w: {"w": X.T @ np.clip(X @ w - y, -d, d)},
        lambda w: {"w": X.T @ np.where(
            np.abs(X @ w - y) < d, X @ w - y, d * np.sign(X @ w - y))}])


@graph
def pinball(rng):
    x, y = rng.normal(size=9), rng.normal(size=9)

    def loss(a, c):
        e = y - a * x - c
        return np.mean(np.maximum(0.3 * e, -0.7 * e))

    def where(a, c):
        s = np.where(y - a * x - c > 0, 0.3, -0.7)
        return {"a": -np.mean(s * x), "c": -np.mean(s)}

    return Graph(loss, {"a": rng.normal(), "c": rng.normal()}, [
        where, lambda a, c: {
            "a": -np.mean((0.3 - (y - a * x - c <= 0)) * x),
            "c": -np.mean(0.3 - (y - a * x - c <= 0))}])


# -- networks ----------------------------------------------------------------------------------


@graph
def two_layers(rng):
    X, Y = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))

    def loss(W1, b1, W2, b2):
        return np.mean(np.sum((np.tanh(X @ W1 + b1) @ W2 + b2 - Y) ** 2, axis=1))

    def rows(W1, b1, W2, b2):
        A = np.tanh(X @ W1 + b1)
        D2 = 2 * (A @ W2 + b2 - Y) / len(X)
        D1 = D2 @ W2.T * (1 - A**2)
        return {"W1": X.T @ D1, "b1": D1.sum(0), "W2": A.T @ D2, "b2": D2.sum(0)}

    def by_cosh(W1, b1, W2, b2):
        Z = X @ W1 + b1
        D2 = 2 * (np.tanh(Z) @ W2 + b2 - Y) / len(X)
        D1 = np.einsum("nk,hk->nh", D2, W2) / np.cosh(Z) ** 2
        return {"W1": np.einsum("ni,nh->ih", X, D1), "b1": np.ones(5) @ D1,
                "W2": np.einsum("nh,nk->hk", np.tanh(Z), D2), "b2": np.ones(5) @ D2}

    point = {"W1": rng.normal(size=(3, 4)), "b1": rng.normal(size=4),
             "W2": rng.normal(size=(4, 2)), "b2": rng.normal(size=2)}
    return Graph(loss, point, [rows, by_cosh])


@graph
def columns(rng):
    x, y = rng.normal(size=(3, 1)), rng.uniform(0.1, 0.9, (2, 1))

    def loss(W1, W2):
        return 0.5 * np.sum((tg.sigmoid(W2 @ np.tanh(W1 @ x)) - y) ** 2)

    def diagonals(W1, W2):
        a2 = np.tanh(W1 @ x)
        a3 = g(W2 @ a2)
        D2, D3 = np.diag(1 - a2.ravel() ** 2), np.diag((a3 * (1 - a3)).ravel())
        d3 = D3 @ (a3 - y)
        return {"W1": D2 @ W2.T @ d3 @ x.T, "W2": d3 @ a2.T}

    def outers(W1, W2):
        a2 = np.tanh(W1 @ x)
        a3 = g(W2 @ a2)
        d3 = np.multiply(a3 - a3 * a3, a3 - y)
        return {"W1": np.outer((W2.T @ d3) * (1 - a2) * (1 + a2), x), "W2": np.outer(d3, a2)}

    return Graph(loss, {"W1": rng.normal(size=(4, 3)), "W2": rng.normal(size=(2, 4))},
                 [diagonals, outers])


@graph
def rectified(rng):
    X, T = rng.normal(size=(5, 3)), np.eye(2)[rng.integers(0, 2, 5)]
    X[0] = 0  # whose units are at the kink where there is no bias

    def loss(W1, W2):
        return tg.nn.softmax_cross_entropy(tg.relu(X @ W1) @ W2, T)

    def of(mask):
        def derived(W1, W2):
            Z = X @ W1
            A = np.maximum(Z, 0)
            D = (softmax(A @ W2) - T) / len(X)
            return {"W1": X.T @ (D @ W2.T * mask(Z, A)), "W2": A.T @ D}
        return derived

    return Graph(loss, {"W1": rng.normal(size=(3, 4)), "W2": rng.normal(size=(4, 2))}, [
        of(lambda Z, A: Z > 0), of(lambda Z, A: A > 0), of(lambda Z, A: Z >= 0),
        of(lambda Z, A: np.heaviside(Z, 0.5)), of(lambda Z, A: np.where(Z < 0, 0, 1))])


@graph
def deep(rng):
    x, y = rng.normal(size=3), rng.normal(size=3)

    def loss(W1, W2, W3):
        a = x
        for W in (W1, W2, W3):
            a = np.tanh(W @ a)
        return 0.5 * np.sum((a - y) ** 2)

    def loops(W1, W2, W3):
        weights, activations = [W1, W2, W3], [x]
        for W in weights:
            activations.append(np.tanh(W @ activations[-1]))
        out, delta = [], activations[-1] - y
        for W, a, below in zip(weights[::-1], activations[:0:-1], activations[-2::-1], strict=True):
            delta = delta * (1 - a * a)
            out.insert(0, np.outer(delta, below))
            delta = W.T @ delta
        return dict(zip(("W1", "W2", "W3"), out, strict=True))

    def products(W1, W2, W3):
        a1 = np.tanh(W1 @ x)
        a2 = np.tanh(W2 @ a1)
        a3 = np.tanh(W3 @ a2)
        D1, D2, D3 = (np.diag(1 - a**2) for a in (a1, a2, a3))
        e = a3 - y
        return {"W3": np.outer(D3 @ e, a2), "W2": np.outer(D2 @ W3.T @ D3 @ e, a1),
                "W1": np.outer(D1 @ W2.T @ D2 @ W3.T @ D3 @ e, x)}

    return Graph(loss, {f"W{i}": rng.normal(size=(3, 3)) for i in (1, 2, 3)}, [loops, products])


@graph
def skip_connection(rng):
    x = rng.normal(size=4)

    def loss(W, V):
        a = np.tanh(W @ x)
        return np.sum(np.sin(a + np.tanh(V @ a)))

    def derived(W, V):
        a = np.tanh(W @ x)
        b = np.tanh(V @ a)
        d = np.cos(a + b)
        db = d * (1 - b**2)
        da = d + V.T @ db
        return {"V": np.outer(db, a), "W": np.outer(da * (1 - a**2), x)}

    def by_jacobian(W, V):
        a = np.tanh(W @ x)
        b = np.tanh(V @ a)
        d = np.cos(a + b)
        J = np.eye(4) + np.diag(1 - b**2) @ V
        return {"V": ((1 - b**2) * d)[:, None] * a, "W": np.outer(np.diag(1 - a**2) @ (J.T @ d), x)}

    return Graph(loss, {"W": rng.normal(size=(4, 4)), "V": rng.normal(size=(4, 4))},
                 [derived, by_jacobian])


@graph
def layer_norm(rng):
    X, R = rng.normal(size=(4, 3)), rng.normal(size=(4, 5))

    def loss(W, gamma, beta):
        Z = X @ W
        N = (Z - np.mean(Z, axis=1, keepdims=True)) / np.sqrt(
            np.var(Z, axis=1, keepdims=True) + 1e-5)
        return np.sum(R * np.tanh(gamma * N + beta))

    def short(W, gamma, beta):
        Z = X @ W
        s = np.sqrt(Z.var(1, keepdims=True) + 1e-5)
        N = (Z - Z.mean(1, keepdims=True)) / s
        D = R * (1 - np.tanh(gamma * N + beta) ** 2)
        dN = D * gamma
        dZ = (dN - dN.mean(1, keepdims=True) - N * (dN * N).mean(1, keepdims=True)) / s
        return {"W": X.T @ dZ, "gamma": (D * N).sum(0), "beta": D.sum(0)}

    def long(W, gamma, beta):
        Z, m = X @ W, 5
        mu, var = Z.mean(1, keepdims=True), Z.var(1, keepdims=True)
        N = (Z - mu) * (var + 1e-5) ** -0.5
        D = R / np.cosh(gamma * N + beta) ** 2
        dN = D * gamma
        dvar = np.sum(dN * (Z - mu) * -0.5 * (var + 1e-5) ** -1.5, axis=1, keepdims=True)
        dmu = np.sum(-dN * (var + 1e-5) ** -0.5, axis=1, keepdims=True) + dvar * np.mean(
            -2 * (Z - mu), axis=1, keepdims=True)
        dZ = dN * (var + 1e-5) ** -0.5 + dvar * 2 * (Z - mu) / m + dmu / m
        return {"W": X.T @ dZ, "gamma": np.sum(D * N, axis=0), "beta": np.sum(D, axis=0)}

    return Graph(loss, {"W": rng.normal(size=(3, 5)), "gamma": rng.uniform(0.5, 2, 5),
                        "beta": rng.normal(size=5)}, [short, long])


@graph
def batch_norm(rng):
    X, R = rng.normal(size=(6, 2)), rng.normal(size=(6, 3))

    def loss(W, gamma):
        Z = X @ W
        return np.sum(R * (gamma * (Z - np.mean(Z, axis=0)) / np.std(Z, axis=0)) ** 3)

    def short(W, gamma):
        Z = X @ W
        s = Z.std(0)
        N = (Z - Z.mean(0)) / s
        D = 3 * R * (gamma * N) ** 2
        dN = D * gamma
        return {"W": X.T @ ((dN - dN.mean(0) - N * np.mean(dN * N, axis=0)) / s),
                "gamma": np.sum(D * N, axis=0)}

    def summed(W, gamma):
        Z, n = X @ W, 6
        C = Z - Z.sum(0) / n
        var = (C * C).sum(0) / n
        D = 3 * R * (gamma * C / np.sqrt(var)) ** 2
        dC = D * gamma / np.sqrt(var)
        dvar = -0.5 * np.sum(D * gamma * C, axis=0) * var**-1.5
        dC = dC + 2 * C * dvar / n
        return {"W": X.T @ (dC - dC.mean(0)), "gamma": (D * C).sum(0) / np.sqrt(var)}

    return Graph(loss, {"W": rng.normal(size=(2, 3)), "gamma": rng.normal(size=3)}, [short, summed])


@graph
def attention(rng):
    X, R = rng.normal(size=(4, 3)), rng.normal(size=(4, 2))

    def loss(Q, K, V):
        S = (X @ Q) @ (X @ K).T / np.sqrt(2)
        E = np.exp(S - np.max(S, axis=1, keepdims=True))
        return np.sum(R * (E / np.sum(E, axis=1, keepdims=True) @ (X @ V)))

    def rows(Q, K, V):
        q, k, v = X @ Q, X @ K, X @ V
        P = softmax(q @ k.T / np.sqrt(2))
        dP = R @ v.T
        dS = P * (dP - (dP * P).sum(1, keepdims=True)) / np.sqrt(2)
        return {"Q": X.T @ dS @ k, "K": X.T @ dS.T @ q, "V": X.T @ (P.T @ R)}

    def loops(Q, K, V):
        q, k, v = X @ Q, X @ K, X @ V
        dq, dk, dv = np.zeros_like(q), np.zeros_like(k), np.zeros_like(v)
        for i in range(4):
            p = softmax(k @ q[i] / 2**0.5)
            ds = (np.diag(p) - np.outer(p, p)) @ (v @ R[i]) / 2**0.5
            dq[i] = ds @ k
            dk += np.outer(ds, q[i])
            dv += np.outer(p, R[i])
        return {"Q": X.T @ dq, "K": X.T @ dk, "V": X.T @ dv}

    return Graph(loss, {n: rng.normal(size=(3, 2)) for n in "QKV"}, [rows, loops])


@graph
def recurrent(rng):
    xs, y = rng.normal(size=(4, 2)), rng.normal(size=3)

    def loss(U, R, b):
        h = np.zeros(3)
        for x in xs:
            h = np.tanh(U @ x + R @ h + b)
        return 0.5 * np.sum((h - y) ** 2)

    def lists(U, R, b):
        hs = [np.zeros(3)]
        for x in xs:
            hs.append(np.tanh(U @ x + R @ hs[-1] + b))
        dU, dR, db, dh = np.zeros_like(U), np.zeros_like(R), np.zeros_like(b), hs[-1] - y
        for t in reversed(range(4)):
            dz = dh * (1 - hs[t + 1] ** 2)
            dU += np.outer(dz, xs[t])
            dR += np.outer(dz, hs[t])
            db += dz
            dh = R.T @ dz
        return {"U": dU, "R": dR, "b": db}

    def stored(U, R, b):
        H, D = np.zeros((5, 3)), np.zeros((4, 3))
        for t in range(4):
            H[t + 1] = np.tanh(U @ xs[t] + R @ H[t] + b)
        D[3] = (H[4] - y) * (1 - H[4] ** 2)
        for t in (2, 1, 0):
            D[t] = R.T @ D[t + 1] * (1 - H[t + 1] ** 2)
        return {"U": D.T @ xs, "R": D.T @ H[:-1], "b": D.sum(0)}

    return Graph(loss, {"U": rng.normal(size=(3, 2)), "R": rng.normal(size=(3, 3)) / 2,
                        "b": rng.normal(size=3)}, [lists, stored])


@graph
def gated_cell(rng):
    x, h, c, r = rng.normal(size=2), rng.normal(size=3), rng.normal(size=3), rng.normal(size=3)
    v = np.concatenate([x, h])

    def loss(Wf, Wi, Wo, Wc):
        new = tg.sigmoid(Wf @ v) * c + tg.sigmoid(Wi @ v) * np.tanh(Wc @ v)
        return np.sum(r * tg.sigmoid(Wo @ v) * np.tanh(new))

    def derived(Wf, Wi, Wo, Wc):
        f, i, o, u = g(Wf @ v), g(Wi @ v), g(Wo @ v), np.tanh(Wc @ v)
        t = np.tanh(f * c + i * u)
        dn = r * o * (1 - t**2)
        return {"Wf": np.outer(dn * c * f * (1 - f), v), "Wi": np.outer(dn * u * i * (1 - i), v),
                "Wo": np.outer(r * t * o * (1 - o), v), "Wc": np.outer(dn * i * (1 - u**2), v)}

    def stacked(Wf, Wi, Wo, Wc):
        z = np.stack([Wf, Wi, Wo]) @ v
        f, i, o = 1 / (1 + np.exp(-z))
        u = np.tanh(Wc @ v)
        n = f * c + i * u
        dn = r * o / np.cosh(n) ** 2
        D = np.stack([dn * c, dn * u, r * np.tanh(n)]) * np.stack([f, i, o]) * (
            1 - np.stack([f, i, o]))
        G = np.einsum("kh,d->khd", D, v)
        return {"Wf": G[0], "Wi": G[1], "Wo": G[2], "Wc": np.outer(dn * i, v) * (
            1 - u**2)[:, None]}

    return Graph(loss, {n: rng.normal(size=(3, 5)) for n in ("Wf", "Wi", "Wo", "Wc")},
                 [derived, stacked])


@graph
def convolution(rng):
    x, r = rng.normal(size=8), rng.normal(size=6)

    def loss(k):
        parts = [np.sum(x[i:i + 3] * k) for i in range(6)]
        return np.sum(r * np.tanh(tg.stack(parts)))

    def windows(k):
        X = np.lib.stride_tricks.sliding_window_view(x, 3)
        return {"k": X.T @ (r * (1 - np.tanh(X @ k) ** 2))}

    def loops(k):
        out = np.zeros(3)
        for i in range(6):
            out += r[i] * (1 - np.tanh(x[i:i + 3] @ k) ** 2) * x[i:i + 3]
        return {"k": out}

    return Graph(loss, {"k": rng.normal(size=3)}, [
        windows, loops, lambda k: {"k": np.correlate(
            x, r * (1 - np.tanh(np.correlate(x, k, "valid")) ** 2), "valid")}])


@graph
def largest_of_rows(rng):
    X = rng.normal(size=(5, 3))
    X[3] = X[1]  # a tie at every point

    def loss(W):
        return np.sum(np.max(X @ W, axis=1) ** 2) + np.max(X @ W)

    def of(pick):
        def derived(W):
            Z = X @ W
            D = np.zeros_like(Z)
            for i, row in enumerate(Z):
                D[i, pick(row)] += 2 * row.max()
            D[np.unravel_index(Z.argmax(), Z.shape)] += 1
            return {"W": X.T @ D}
        return derived

    return Graph(loss, {"W": rng.normal(size=(3, 4))},
                 [of(np.argmax), of(lambda row: len(row) - 1 - np.argmax(row[::-1]))])


@graph
def embedding(rng):
    idx, y = rng.integers(0, 5, 6), rng.normal(size=2)

    def loss(E, w):
        h = np.mean(E[idx], axis=0)
        return np.sum((np.tanh(h) * w - y) ** 2)

    def scatter(E, w):
        a = np.tanh(E[idx].mean(0))
        d = 2 * (a * w - y)
        dE = np.zeros_like(E)
        np.add.at(dE, idx, d * w * (1 - a**2) / 6)
        return {"E": dE, "w": d * a}

    def one_hot(E, w):
        H = np.eye(5)[idx].mean(0)
        a = np.tanh(H @ E)
        d = 2 * (a * w - y)
        return {"E": np.outer(H, d * w * (1 - a**2)), "w": d * a}

    return Graph(loss, {"E": rng.normal(size=(5, 2)), "w": rng.normal(size=2)}, [scatter, one_hot])


@graph
def negative_sampling(rng):
    signs = np.array([1.0, -1.0, -1.0])

    def loss(u, V):
        return -np.sum(np.log(tg.sigmoid(signs * (V @ u))))

    return Graph(loss, {"u": rng.normal(size=4), "V": rng.normal(size=(3, 4))}, [
        lambda u, V: {"u": V.T @ (signs * (g(signs * (V @ u)) - 1)),
                      "V": np.outer(signs * (g(signs * (V @ u)) - 1), u)},
        lambda u, V: {"u": sum(-s * g(-s * (v @ u)) * v for s, v in zip(signs, V, strict=True)),
                      "V": [-s * g(-s * (v @ u)) * u for s, v in zip(signs, V, strict=True)]}])


@graph
def autoencoder(rng):
    x, noise = rng.normal(size=4), rng.normal(size=2)

    def loss(M, S, D):
        mu, logvar = M @ x, S @ x
        z = mu + np.exp(logvar / 2) * noise
        return 0.5 * np.sum((D @ z - x) ** 2) - 0.5 * np.sum(1 + logvar - mu**2 - np.exp(logvar))

    def derived(M, S, D):
        mu, lv = M @ x, S @ x
        s = np.exp(lv / 2)
        z = mu + s * noise
        e = D @ z - x
        dz = D.T @ e
        return {"M": np.outer(dz + mu, x), "D": np.outer(e, z),
                "S": np.outer(dz * noise * s / 2 - 0.5 * (1 - s**2), x)}

    def other(M, S, D):
        mu, lv = M @ x, S @ x
        z = mu + np.sqrt(np.exp(lv)) * noise
        dz = (D @ z - x) @ D
        return {"M": dz[:, None] * x + mu[:, None] * x, "D": (D @ z - x)[:, None] * z[None, :],
                "S": (0.5 * dz * (z - mu))[:, None] * x + 0.5 * (np.exp(lv) - 1)[:, None] * x}

    return Graph(loss, {"M": rng.normal(size=(2, 4)), "S": rng.normal(size=(2, 4)),
                        "D": rng.normal(size=(4, 2))}, [derived, other])


# -- functions of vectors and numbers ----------------------------------------------------------


@graph
def norm(rng):
    x = rng.normal(size=3)

    def loss(w):
        return np.linalg.norm(w) + w @ x

    return Graph(loss, {"w": rng.normal(size=3)}, [
        lambda w: {"w": w / max(np.linalg.norm(w), 1e-300) + x},
        lambda w: {"w": (w / np.sqrt(w @ w) if w.any() else 0 * w) + x},
        lambda w: {"w": (w / np.linalg.norm(w) if w.any() else np.array([0.6, 0.0, 0.8])) + x}],
        minimum={"w": np.zeros(3)})


@graph
def cosine(rng):
    b = rng.normal(size=4)

    def loss(a):
        return np.sum(a * b) / (np.sqrt(np.sum(a * a)) * np.sqrt(np.sum(b * b)))

    def quotient(a):
        na, nb = np.linalg.norm(a), np.linalg.norm(b)
        return {"a": b / (na * nb) - (a @ b) * a / (na**3 * nb)}

    def projected(a):
        u, v = a / np.linalg.norm(a), b / np.linalg.norm(b)
        return {"a": (np.eye(4) - np.outer(u, u)) @ v / np.linalg.norm(a)}

    return Graph(loss, {"a": rng.normal(size=4)}, [quotient, projected])


@graph
def triplet(rng):
    x = rng.normal(size=(3, 4))

    def loss(W):
        a, p, n = (W @ row for row in x)
        return tg.relu(np.sum((a - p) ** 2) - np.sum((a - n) ** 2) + 5.0)

    def derived(W):
        ap, an = x[0] - x[1], x[0] - x[2]
        on = np.sum((W @ ap) ** 2) - np.sum((W @ an) ** 2) + 5 > 0
        return {"W": on * 2 * (np.outer(W @ ap, ap) - np.outer(W @ an, an))}

    return Graph(loss, {"W": rng.normal(size=(2, 4)) / 2}, [
        derived, lambda W: {"W": 2 * W @ (x[0] - x[1:]).T @ np.diag([1, -1]) @ (x[0] - x[1:]) * (
            np.sum((W @ (x[0] - x[1])) ** 2) - np.sum((W @ (x[0] - x[2])) ** 2) >= -5)}])


@graph
def polynomial(rng):
    c = rng.normal(size=4)

    def loss(t):
        return np.sum(((c[3] * t + c[2]) * t + c[1]) * t + c[0])

    return Graph(loss, {"t": rng.normal(size=3)}, [
        lambda t: {"t": c[1] + 2 * c[2] * t + 3 * c[3] * t**2},
        lambda t: {"t": np.polyval(np.polyder(c[::-1]), t)}])


@graph
def waves(rng):
    def loss(a, f):
        return np.sum(a * np.sin(np.exp(f) * a) / (1 + a**2))

    def derived(a, f):
        w, n = np.exp(f), 1 + a * a
        s, c = np.sin(w * a), np.cos(w * a)
        return {"a": (s + a * w * c) / n - 2 * a * a * s / n**2, "f": np.sum(a * a * w * c / n)}

    return Graph(loss, {"a": rng.normal(size=4), "f": rng.normal()}, [
        derived, lambda a, f: {
            "a": ((np.sin(np.exp(f) * a) + a * np.exp(f) * np.cos(np.exp(f) * a)) * (1 + a**2)
                  - a * np.sin(np.exp(f) * a) * 2 * a) / (1 + a**2) ** 2,
            "f": (a**2 / (1 + a**2) * np.exp(f)) @ np.cos(np.exp(f) * a)}])


@graph
def product(rng):
    def loss(x):
        return np.prod(x) + np.sum(np.cumsum(x) ** 2)

    def others(x):
        return {"x": [np.prod(np.delete(x, i)) + 2 * np.cumsum(x)[i:].sum() for i in range(len(x))]}

    def pairs(x):
        left = np.concatenate([[1], np.cumprod(x)[:-1]])
        right = np.concatenate([np.cumprod(x[::-1])[-2::-1], [1]])
        return {"x": left * right + 2 * np.cumsum(np.cumsum(x)[::-1])[::-1]}

    return Graph(loss, {"x": rng.normal(size=4)}, [others, pairs])


@graph
def spread(rng):
    x = rng.normal(3, 1, 7)

    def loss(a):
        return np.std(a * x) / np.mean((a * x) ** 2)

    def derived(a):
        z = a * x
        s, m = z.std(), np.mean(z**2)
        return {"a": np.mean((z - z.mean()) / s / m * x) - s / m**2 * np.mean(2 * z * x)}

    def by_squares(a):
        z = a * x
        s = np.sqrt(np.mean(z**2) - np.mean(z) ** 2)
        return {"a": np.sign(a) * x.std() / np.mean(z**2) - 2 * s * np.mean(z * x) / np.mean(
            z**2) ** 2}

    return Graph(loss, {"a": rng.uniform(0.5, 2)}, [derived, by_squares])


@graph
def factorisation(rng):
    M, mask = rng.normal(size=(4, 3)), rng.integers(0, 2, (4, 3))

    def loss(U, V):
        return np.sum(mask * (U @ V.T - M) ** 2)

    def matrix(U, V):
        E = 2 * mask * (U @ V.T - M)
        return {"U": E @ V, "V": E.T @ U}

    def entries(U, V):
        dU, dV = np.zeros_like(U), np.zeros_like(V)
        for i, j in zip(*np.nonzero(mask), strict=True):
            e = U[i] @ V[j] - M[i, j]
            dU[i] += 2 * e * V[j]
            dV[j] += 2 * e * U[i]
        return {"U": dU, "V": dV}

    return Graph(loss, {"U": rng.normal(size=(4, 2)), "V": rng.normal(size=(3, 2))},
                 [matrix, entries])


@graph
def mixture(rng):
    x = rng.normal(size=6)

    def loss(m, logits):
        L = -0.5 * (x[:, None] - m) ** 2 + tg.log_softmax(logits)
        return -np.sum(tg.logsumexp(L, axis=1))

    def responsibilities(m, logits):
        p = softmax(logits)
        R = p * np.exp(-0.5 * (x[:, None] - m) ** 2)
        R = R / R.sum(1, keepdims=True)
        return {"m": -np.sum(R * (x[:, None] - m), axis=0), "logits": 6 * p - R.sum(0)}

    def stable(m, logits):
        R = softmax(-0.5 * (x[:, None] - m) ** 2 + logits)
        return {"m": np.einsum("nk,nk->k", R, m - x[:, None]),
                "logits": np.sum(softmax(logits) - R, axis=0)}

    return Graph(loss, {"m": rng.normal(size=3), "logits": rng.normal(size=3)},
                 [responsibilities, stable])


# -- points in sets ----------------------------------------------------------------------------


@graph
def covariance(rng):
    X = rng.normal(size=(8, 3))
    C = X.T @ X / 8

    def loss(S):
        return np.linalg.slogdet(S)[1] + np.trace(np.linalg.solve(S, C))

    def inverses(S):
        assert np.allclose(S, S.T)
        P = np.linalg.inv(S)
        return {"S": P - P @ C @ P}

    def by_cholesky(S):
        L = np.linalg.cholesky(S)
        Q = np.linalg.solve(L, np.eye(3))
        return {"S": Q.T @ (np.eye(3) - Q @ C @ Q.T) @ Q}

    A = rng.normal(size=(3, 5))
    return Graph(loss, {"S": A @ A.T / 5}, [inverses, by_cholesky], free=False, minimum={"S": C})


@graph
def triangular_factor(rng):
    v = rng.normal(size=3)

    def loss(L):
        return np.sum(np.log(np.diagonal(L))) + 0.5 * np.sum((L @ v) ** 2)

    L = np.tril(rng.normal(size=(3, 3)), -1) + np.diag(rng.uniform(0.5, 2, 3))
    return Graph(loss, {"L": L}, [
        lambda L: {"L": np.diag(1 / np.diag(L)) + np.outer(L @ v, v)},
        lambda L: {"L": np.eye(3) / np.diag(L) + (L @ v)[:, None] * v}], free=False)


@graph
def quadratic_form(rng):
    x = rng.normal(size=3)

    def loss(A, y):
        return y @ A @ y - 2 * x @ y + np.trace(A @ A)

    A = rng.normal(size=(3, 3))
    A = A @ A.T
    return Graph(loss, {"A": A, "y": rng.normal(size=3)}, [
        lambda A, y: {"A": np.outer(y, y) + 2 * A, "y": 2 * A @ y - 2 * x},
        lambda A, y: {"A": y[:, None] * y + A + A.T, "y": (A + A.T) @ y - 2 * x},
        lambda A, y: {"A": np.einsum("i,j->ij", y, y) + 2 * A.T, "y": 2 * y @ A - 2 * x}],
        free=False)


@graph
def inverse(rng):
    B = rng.normal(size=(3, 3))

    def loss(A):
        return np.trace(np.linalg.inv(A) @ B)

    return Graph(loss, {"A": rng.normal(size=(3, 3)) + 3 * np.eye(3)}, [
        lambda A: {"A": -(np.linalg.inv(A) @ B @ np.linalg.inv(A)).T},
        lambda A: {"A": -np.linalg.solve(A, np.linalg.solve(A.T, B.T).T).T}], free=False)


@graph
def entropy(rng):
    q = rng.dirichlet(np.ones(4))

    def loss(p):
        return np.sum(p * (np.log(p) - np.log(q)))

    def derived(p):
        assert (p > 0).all() and abs(p.sum() - 1) < 1e-5
        return {"p": np.log(p / q) + 1}

    return Graph(loss, {"p": rng.dirichlet(np.ones(4))}, [
        derived, lambda p: {"p": 1 + np.log(p) - np.log(q)}], free=False)


@graph
def transitions(rng):
    T = rng.dirichlet(np.ones(3), 3)
    start = rng.dirichlet(np.ones(3))

    def loss(T):
        return -np.log((start @ T @ T)[0])

    def derived(T):
        v = (start @ T @ T)[0]
        return {"T": -(np.outer(start, T[:, 0]) + np.outer(start @ T, np.eye(3)[0])) / v}

    return Graph(loss, {"T": T}, [
        derived, lambda T: {"T": -1 / (start @ (T @ T)[:, 0]) * (
            start[:, None] * T[None, :, 0] + (T.T @ start)[:, None] * [1, 0, 0])}], free=False)


@graph
def gamma_likelihood(rng):
    x = rng.gamma(2.0, 1.5, 8)

    def loss(k, s):
        return -np.sum((k - 1) * np.log(x) - x / s - k * np.log(s) - tg.gammaln(k))

    def derived(k, s):
        return {"k": -np.sum(np.log(x)) + 8 * np.log(s) + 8 * float(tg.digamma(np.array(k))),
                "s": -x.sum() / s**2 + 8 * k / s}

    return Graph(loss, {"k": rng.uniform(0.5, 3), "s": rng.uniform(0.5, 3)}, [
        derived, lambda k, s: {
            "k": np.sum(np.log(s / x)) + 8 * float(tg.digamma(np.array(k))),
            "s": np.sum(k / s - x / s**2)}], free=False)


@graph
def thresholds(rng):
    z = rng.normal(size=5)

    def loss(t):
        p = tg.sigmoid(t[None, :] - z[:, None])
        return -np.sum(np.log(p[:, 1:] - p[:, :-1]))

    def derived(t):
        assert (np.diff(t) > 0).all()
        p = g(t - z[:, None])
        d = np.zeros_like(p)
        d[:, 1:] -= 1 / np.diff(p, axis=1)
        d[:, :-1] += 1 / np.diff(p, axis=1)
        return {"t": np.sum(d * p * (1 - p), axis=0)}

    return Graph(loss, {"t": np.sort(rng.normal(size=4))}, [derived], free=False)


@graph
def rotation(rng):
    A, B = rng.normal(size=(2, 3, 4))

    def loss(Q):
        return np.sum((Q @ A - B) ** 2)

    Q = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    return Graph(loss, {"Q": Q}, [
        lambda Q: {"Q": 2 * (Q @ A - B) @ A.T},
        lambda Q: {"Q": 2 * Q @ A @ A.T - 2 * B @ A.T}], free=False)


@graph
def direction(rng):
    k = rng.normal(size=3)

    def loss(u):
        return np.exp(2 * np.sum(k * u)) + np.sum(u**4)

    u = rng.normal(size=3)
    return Graph(loss, {"u": u / np.linalg.norm(u)}, [
        lambda u: {"u": 2 * k * np.exp(2 * k @ u) + 4 * u**3},
        lambda u: {"u": np.array([2 * a * np.exp(2 * k @ u) + 4 * b**3
                                  for a, b in zip(k, u, strict=True)])}], free=False)
