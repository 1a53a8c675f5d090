"""Writes docs/blackboard.md: gradients that every textbook has, beside the code of the loss.

``python -m tests.blackboard`` writes the page anew. A test holds that it is up to date, and so what
is printed for each row.
"""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
from itertools import pairwise
from pathlib import Path

import numpy as np

import tinygrad_mlp as tg

PAGE = Path(__file__).parents[1] / "docs" / "blackboard.md"

INTRODUCTION = """# On the blackboard

`tg.explain(f, values).closed` writes a gradient as a lecturer would: in few lines, in the names of
the code, with the quantities that books introduce. Each row below is a function, and what is
printed for it. All of it is evaluated and compared with the backward pass; what is no product of
matrices stays in index notation.

This page is written by `python -m tests.blackboard`.
"""


def least_squares(w, X, y):
    e = X @ w - y
    return tg.sum(e**2) / (2 * len(X))


def ridge(w, X, y, λ):
    return tg.sum((X @ w - y) ** 2) / (2 * len(X)) + λ / 2 * tg.sum(w**2)


def logistic_regression(w, X, y):
    p = tg.sigmoid(X @ w)
    return -tg.mean(y * tg.log(p) + (1 - y) * tg.log(1 - p))


def logistic_hessian_times_v(w, v, X, y):
    def loss(w):
        p = tg.sigmoid(X @ w)
        return -tg.mean(y * tg.log(p) + (1 - y) * tg.log(1 - p))

    return tg.grad(loss)(w) @ v


def logistic_hessian(w, X, y):
    def loss(w):
        p = tg.sigmoid(X @ w)
        return -tg.mean(y * tg.log(p) + (1 - y) * tg.log(1 - p))

    return tg.grad(loss)(w)


def softmax_jacobian(z):
    p = tg.softmax(z)
    return p


def softmax_regression(W, b, X, Y):
    P = tg.softmax(X @ W + b)
    return -tg.sum(Y * tg.log(P)) / len(X)


def softmax_without_overflow(W, b, X, Y):
    Z = X @ W + b
    S = Z - tg.max(Z, axis=1, keepdims=True)
    return -tg.sum(Y * (S - tg.log(tg.sum(tg.exp(S), axis=1, keepdims=True)))) / len(X)


def softmax_fused(W, b, X, Y):
    return tg.nn.softmax_cross_entropy(X @ W + b, Y)


def softmax_of_labels(W, X, labels):
    return -tg.mean(tg.log_softmax(X @ W)[np.arange(len(X)), labels])


def network_in_rows(W1, b1, W2, b2, X, Y):
    Z1 = X @ W1 + b1
    A1 = tg.tanh(Z1)
    Z2 = A1 @ W2 + b2
    return tg.sum((Z2 - Y) ** 2) / (2 * len(X))


def deep_network(W1, b1, W2, b2, W3, b3, W4, b4, X, Y):
    Z1 = X @ W1 + b1
    A1 = tg.relu(Z1)
    Z2 = A1 @ W2 + b2
    A2 = tg.relu(Z2)
    Z3 = A2 @ W3 + b3
    A3 = tg.relu(Z3)
    Z4 = A3 @ W4 + b4
    return tg.nn.softmax_cross_entropy(Z4, Y)


def deep_network_in_columns(W1, b1, W2, b2, W3, b3, W4, b4, x, y):
    a2 = tg.tanh(W1 @ x + b1)
    a3 = tg.tanh(W2 @ a2 + b2)
    a4 = tg.tanh(W3 @ a3 + b3)
    a5 = tg.sigmoid(W4 @ a4 + b4)
    return tg.sum((a5 - y) ** 2) / 2


def network_in_columns(W1, b1, W2, b2, x, y):
    z2 = W1 @ x + b1
    a2 = tg.tanh(z2)
    z3 = W2 @ a2 + b2
    a3 = tg.sigmoid(z3)
    return tg.sum((a3 - y) ** 2) / 2


def network_with_cross_entropy(W1, b1, W2, b2, x, y):
    z2 = W1 @ x + b1
    a2 = tg.tanh(z2)
    z3 = W2 @ a2 + b2
    p = tg.sigmoid(z3)
    return -tg.sum(y * tg.log(p) + (1 - y) * tg.log(1 - p))


def network_of_rectifiers(W1, W2, X, Y):
    Z1 = X @ W1
    A1 = tg.relu(Z1)
    return tg.nn.softmax_cross_entropy(A1 @ W2, Y)


def recurrent_network(Wh, Wx, b, x, y, h_0):
    h = h_0
    for t in range(len(x)):
        h = tg.tanh(Wh @ h + Wx @ x[t] + b)
    return tg.sum((h - y) ** 2) / 2


def two_recurrent_layers(W, U, V, M, x, y, h_0, k_0):
    h, k = h_0, k_0
    for t in range(len(x)):
        h = tg.tanh(W @ x[t] + U @ h)
        k = tg.tanh(V @ h + M @ k)
    return tg.sum((k - y) ** 2) / 2


def long_short_term_memory(Wi, Wf, Wo, Wg, Ui, Uf, Uo, Ug, x, y, h_0, c_0):
    h, c = h_0, c_0
    for t in range(len(x)):
        i = tg.sigmoid(Wi @ x[t] + Ui @ h)
        f = tg.sigmoid(Wf @ x[t] + Uf @ h)
        o = tg.sigmoid(Wo @ x[t] + Uo @ h)
        g = tg.tanh(Wg @ x[t] + Ug @ h)
        c = f * c + i * g
        h = o * tg.tanh(c)
    return tg.sum((h - y) ** 2) / 2


def memory_with_joined_gates(Wx, Wh, b, X, Y, h_0, c_0):
    h, c, n = h_0, c_0, h_0.shape[1]
    for t in range(X.shape[1]):
        z = X[:, t] @ Wx + h @ Wh + b
        i, f = tg.sigmoid(z[:, :n]), tg.sigmoid(z[:, n : 2 * n])
        o, g = tg.sigmoid(z[:, 2 * n : 3 * n]), tg.tanh(z[:, 3 * n :])
        c = f * c + i * g
        h = o * tg.tanh(c)
    return tg.sum((h - Y) ** 2) / 2


def encoder_and_decoder(We, Ue, Wd, Ud, V, x, u, y, h_0):
    h = h_0
    for t in range(len(x)):
        h = tg.tanh(We @ x[t] + Ue @ h)
    s, losses = h, []
    for t in range(len(u)):
        s = tg.tanh(Wd @ u[t] + Ud @ s)
        losses.append(tg.sum((V @ s - y[t]) ** 2) / 2)
    return tg.sum(tg.stack(losses))


def gated_recurrent_unit(Wz, Wr, Wn, Uz, Ur, Un, x, y, h_0):
    h = h_0
    for t in range(len(x)):
        z = tg.sigmoid(Wz @ x[t] + Uz @ h)
        r = tg.sigmoid(Wr @ x[t] + Ur @ h)
        n = tg.tanh(Wn @ x[t] + Un @ (r * h))
        h = (1 - z) * n + z * h
    return tg.sum((h - y) ** 2) / 2


def batch_norm(Z, γ, β, R):
    ε = 1e-5
    μ = tg.mean(Z, axis=0)
    σ = tg.sqrt(tg.var(Z, axis=0) + ε)
    X_hat = (Z - μ) / σ
    out = γ * X_hat + β
    return tg.sum(out * R)


def layer_norm(Z, R):
    μ = tg.mean(Z, axis=1, keepdims=True)
    σ = tg.std(Z, axis=1, keepdims=True)
    X_hat = (Z - μ) / σ
    return tg.sum(X_hat * R)


def layers_with_layer_norm(W1, W2, W3, X, R):
    H = X
    for W in (W1, W2, W3):
        μ = tg.mean(H, axis=1, keepdims=True)
        σ = tg.std(H, axis=1, keepdims=True)
        N = (H - μ) / σ
        H = H + tg.relu(N @ W)
    return tg.sum((H - R) ** 2) / 2


def attention_head(Wq, Wk, Wv, X, R):
    Q, K, V = X @ Wq, X @ Wk, X @ Wv
    d = K.shape[1]
    S = Q @ K.T / np.sqrt(d)
    A = tg.softmax(S)
    O = A @ V  # noqa: E741
    return tg.sum((O - R) ** 2) / 2


def heads_side_by_side(Wq1, Wk1, Wv1, Wo1, Wq2, Wk2, Wv2, Wo2, Wq3, Wk3, Wv3, Wo3, X, R):
    d = Wk1.shape[1]
    heads = (Wq1, Wk1, Wv1, Wo1), (Wq2, Wk2, Wv2, Wo2), (Wq3, Wk3, Wv3, Wo3)
    O = 0  # noqa: E741
    for Wq, Wk, Wv, Wo in heads:
        Q, K, V = X @ Wq, X @ Wk, X @ Wv
        S = Q @ K.T / np.sqrt(d)
        A = tg.softmax(S)
        O = O + A @ V @ Wo  # noqa: E741
    return tg.sum((O - R) ** 2) / 2


def heads_in_a_stack(Wq, Wk, Wv, Wo, X, R):
    d = Wk.shape[2]
    Q, K, V = X @ Wq, X @ Wk, X @ Wv
    S = Q @ tg.swapaxes(K, 1, 2) / np.sqrt(d)
    A = tg.softmax(S)
    O = tg.sum(A @ V @ Wo, axis=0)  # noqa: E741
    return tg.sum((O - R) ** 2) / 2


def convolution(w, x, R):
    return tg.sum(tg.conv2d(x, w) * R)


def average_pooling(w, x, R):
    Z = tg.conv2d(x, w)
    A = tg.relu(Z)
    return tg.sum(tg.avg_pool2d(A, 2) * R)


def log_determinant(S):
    return tg.linalg.slogdet(S)[1]


def quadratic_form(x, A):
    return x @ A @ x


def gaussian_likelihood(μ, Σ, x):
    r = x - μ
    return (tg.linalg.slogdet(Σ)[1] + r @ tg.linalg.inv(Σ) @ r) / 2


def divergence_of_gaussians(μ, s, m, t):
    return tg.sum(tg.log(t / s) + (s**2 + (μ - m) ** 2) / (2 * t**2) - 1 / 2)


def matrix_factorisation(U, V, R):
    return tg.sum((U @ V.T - R) ** 2) / 2


def embedding(E, R, words):
    return tg.sum((E[words] - R) ** 2) / 2


def residual_block(W, V, x, y):
    a = tg.tanh(W @ x)
    h = x + V @ a
    return tg.sum((h - y) ** 2) / 2


def tied_weights(W, X):
    H = tg.tanh(X @ W)
    return tg.sum((H @ W.T - X) ** 2) / 2


rng = np.random.default_rng(0)
n, d, k, m = 6, 4, 3, 5
ids = rng.integers(0, k, size=n)
DATA = {
    "X": rng.normal(size=(n, d)), "y": rng.uniform(0.1, 0.9, size=n), "Y": np.eye(k)[ids],
    "labels": ids, "words": rng.integers(0, 7, size=n)}


def parameter(*shape):
    return tg.Tensor(rng.normal(size=shape), requires_grad=True)


def positive(size):
    return tg.Tensor(rng.uniform(0.5, 2, size=size), requires_grad=True)


def matrix(size):
    return tg.Tensor(3 * np.eye(size) + rng.normal(size=(size, size)), requires_grad=True)


def data(*names, **others):
    return {name: DATA[name] for name in names} | others


def column(size):
    return rng.uniform(0.1, 0.9, size=(size, 1))


def layers(rows, sizes=(d, m, k)):
    made = {}
    for number, (before, after) in enumerate(pairwise(sizes), start=1):
        made[f"W{number}"] = parameter(before, after) if rows else parameter(after, before)
        made[f"b{number}"] = parameter(after) if rows else parameter(after, 1)
    return made


def gates(letter, names, columns):
    return {f"{letter}{name}": parameter(3, columns) for name in names}


def heads(**shapes):
    return {f"W{letter}{number}": parameter(*shape)
            for number in (1, 2, 3) for letter, shape in shapes.items()}


ROWS = {
    "Linear models": [
        (least_squares, {"w": parameter(d), **data("X", "y")}),
        (ridge, {"w": parameter(d), **data("X", "y", λ=0.1)}),
        (logistic_regression, {"w": parameter(d), **data("X", "y")}),
        (logistic_hessian, {"w": parameter(d), **data("X", "y")}),
        (logistic_hessian_times_v, {"w": parameter(d), "v": rng.normal(size=d), **data("X", "y")}),
        (softmax_jacobian, {"z": parameter(k)}),
        (softmax_regression, {"W": parameter(d, k), "b": parameter(k), **data("X", "Y")}),
        (softmax_without_overflow, {"W": parameter(d, k), "b": parameter(k), **data("X", "Y")}),
        (softmax_fused, {"W": parameter(d, k), "b": parameter(k), **data("X", "Y")}),
        (softmax_of_labels, {"W": parameter(d, k), **data("X", "labels")})],
    "Networks": [
        (network_in_rows, {**layers(True), **data("X"), "Y": rng.normal(size=(n, k))}),
        (network_in_columns, {**layers(False), "x": column(d), "y": column(k)}),
        (network_with_cross_entropy, {**layers(False), "x": column(d), "y": column(k)}),
        (deep_network, {**layers(True, (d, m, 6, m, k)), **data("X", "Y")}),
        (deep_network_in_columns, {
            **layers(False, (d, m, 6, m, k)), "x": column(d), "y": column(k)}),
        (network_of_rectifiers, {"W1": parameter(d, m), "W2": parameter(m, k), **data("X", "Y")}),
        (recurrent_network, {
            "Wh": parameter(3, 3), "Wx": parameter(3, 2), "b": parameter(3),
            "x": rng.normal(size=(5, 2)), "y": rng.normal(size=3), "h_0": rng.normal(size=3)}),
        (two_recurrent_layers, {
            "W": parameter(3, 2), "U": parameter(3, 3), "V": parameter(4, 3), "M": parameter(4, 4),
            "x": rng.normal(size=(5, 2)), "y": rng.normal(size=4), "h_0": rng.normal(size=3),
            "k_0": rng.normal(size=4)}),
        (long_short_term_memory, {
            **gates("W", "ifog", 2), **gates("U", "ifog", 3), "x": rng.normal(size=(5, 2)),
            "y": rng.normal(size=3), "h_0": rng.normal(size=3), "c_0": rng.normal(size=3)}),
        (memory_with_joined_gates, {
            "Wx": parameter(2, 12), "Wh": parameter(3, 12), "b": parameter(12),
            "X": rng.normal(size=(4, 5, 2)), "Y": rng.normal(size=(4, 3)),
            "h_0": rng.normal(size=(4, 3)), "c_0": rng.normal(size=(4, 3))}),
        (encoder_and_decoder, {
            "We": parameter(3, 2), "Ue": parameter(3, 3), "Wd": parameter(3, 2),
            "Ud": parameter(3, 3), "V": parameter(2, 3), "x": rng.normal(size=(6, 2)),
            "u": rng.normal(size=(4, 2)), "y": rng.normal(size=(4, 2)),
            "h_0": rng.normal(size=3)}),
        (gated_recurrent_unit, {
            **gates("W", "zrn", 2), **gates("U", "zrn", 3), "x": rng.normal(size=(5, 2)),
            "y": rng.normal(size=3), "h_0": rng.normal(size=3)}),
        (residual_block, {
            "W": parameter(m, d), "V": parameter(d, m), "x": rng.normal(size=d),
            "y": rng.normal(size=d)}),
        (tied_weights, {"W": parameter(d, k), **data("X")})],
    "Parts of networks": [
        (batch_norm, {
            "Z": parameter(n, d), "γ": parameter(d), "β": parameter(d),
            "R": rng.normal(size=(n, d))}),
        (layer_norm, {"Z": parameter(n, d), "R": rng.normal(size=(n, d))}),
        (layers_with_layer_norm, {
            "W1": parameter(d, d), "W2": parameter(d, d), "W3": parameter(d, d), **data("X"),
            "R": rng.normal(size=(n, d))}),
        (attention_head, {
            "Wq": parameter(d, 2), "Wk": parameter(d, 2), "Wv": parameter(d, k), **data("X"),
            "R": rng.normal(size=(n, k))}),
        (heads_side_by_side, {
            **heads(q=(d, 2), k=(d, 2), v=(d, k), o=(k, d)), **data("X"),
            "R": rng.normal(size=(n, d))}),
        (heads_in_a_stack, {
            "Wq": parameter(3, d, 2), "Wk": parameter(3, d, 2), "Wv": parameter(3, d, k),
            "Wo": parameter(3, k, d), **data("X"), "R": rng.normal(size=(n, d))}),
        (convolution, {
            "w": parameter(1, 1, 2, 3), "x": parameter(1, 1, 5, 6),
            "R": rng.normal(size=(1, 1, 4, 4))}),
        (average_pooling, {
            "w": parameter(1, 1, 2, 2), "x": parameter(1, 1, 5, 7),
            "R": rng.normal(size=(1, 1, 2, 3))}),
        (embedding, {"E": parameter(7, d), **data("words"), "R": rng.normal(size=(n, d))})],
    "Matrices and distributions": [
        (log_determinant, {"S": matrix(3)}),
        (quadratic_form, {"x": parameter(3), "A": parameter(3, 3)}),
        (gaussian_likelihood, {"μ": parameter(3), "Σ": matrix(3), "x": rng.normal(size=3)}),
        (divergence_of_gaussians, {
            "μ": parameter(3), "s": positive(3), "m": parameter(3), "t": positive(3)}),
        (matrix_factorisation, {
            "U": parameter(n, 2), "V": parameter(d, 2), "R": rng.normal(size=(n, d))})]}


ARRAYS = ("logistic_hessian", "softmax_jacobian")
"""The functions that compute an array, whose Jacobian is shown."""


def cases():
    """All rows: a function, and the values of its arguments."""
    return [row for rows in ROWS.values() for row in rows]


def formulas(closed):
    """The equations one below the other, as the site's converter knows no environments."""
    rows = closed.latex.split("\n")[1:-1]
    rows = [row.removesuffix(r" \\").replace("& ", "", 1).replace("&=", "=", 1) for row in rows]
    return "\n\n".join(f"$${row}$$" for row in rows)


def section(function, values):
    """A row of the page."""
    closed = tg.explain(function, values).closed
    title = function.__name__.replace("_", " ").capitalize()
    title = re.sub("hessian|jacobian|gaussian", lambda m: m[0].capitalize(), title)
    code = textwrap.dedent(inspect.getsource(function)).replace("  # noqa: E741", "")
    glossary = "\n".join(["", *(f"{line}" for line in closed.glossary)])
    return (f"### {title}\n\n```python\n{code}```\n\n```text\n{closed}\n```\n\n"
            f"{formulas(closed)}\n\n```text{glossary}\n```\n")


def page():
    """The whole page."""
    parts = [INTRODUCTION]
    for heading, rows in ROWS.items():
        parts += [f"## {heading}\n", *(section(*row) for row in rows)]
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")
