"""The gradients of the classic experiment's network, as one derives them by hand.

Column vectors and diagonal matrices are written out, exactly as in the derivation. No operation of
this package is used, so that automatic differentiation can be compared with them. Layers are
numbered from 1 (the input), so that ``z2 = W1 x`` and ``z3 = W2 a2``. ``docs/tutorial.md`` states
the experiment in full.

    D2 = diag(1 − tanh²(z2))          D3 = diag(g(z3) (1 − g(z3)))

Vectors may be given with shape ``(n,)`` or ``(n, 1)``. The cross entropy's formula divides by
g (1 − g), as the derivation does: where g rounds to 0 or 1 it gives NaN (0 · ∞), which the
simplified form g(z) − y does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.errors import ShapeError
from tinygrad_mlp.support.checks import one_of

LOSSES = ("mean_square", "cross_entropy")


class Gradients(NamedTuple):
    """Derivatives of the loss, one array for each layer of weights, first layer first.

    Attributes:
        weights: ``∂L/∂W``, each of the shape of its W.
        biases: ``∂L/∂b``, each of shape ``(n_out,)``, also for a network without biases.
        deltas: ``∂L/∂z`` of layers 2, 3, …, each of shape ``(n_out,)``.

    Source: the classic experiment, extended to any number of layers.

    >>> made = layered([np.zeros((2, 3)), np.ones((1, 2))], np.ones(3), [1.0], loss="cross_entropy")
    >>> [array.shape for array in made.weights], made.deltas[-1]
    ([(2, 3), (1, 2)], array([-0.5]))
    """

    weights: list[Array]
    biases: list[Array]
    deltas: list[Array]


def g(z: Array) -> Array:
    """Return the sigmoid, ``1 / (1 + e^−z)``.

    >>> g(np.array([0.0, 2.0])).round(4)
    array([0.5   , 0.8808])
    """
    return np.asarray(1 / (1 + np.exp(-z)))


def _column(v: ArrayLike, name: str, n: int) -> Array:
    """Return a vector of `n` numbers as a column."""
    v = np.asarray(v, dtype=float)
    if v.shape not in ((n,), (n, 1)):
        raise ShapeError(f"formulas: {name} must have shape ({n},) or ({n}, 1). Got {v.shape}.")
    return np.reshape(v, (n, 1))


def mean_square(W1: ArrayLike, W2: ArrayLike, x: ArrayLike, y: ArrayLike) -> dict[str, Array]:
    """Return the gradients of the squared error of one sample.

    ``L = ½ (y − g(z3))ᵀ (y − g(z3))``

    ``∂L/∂W2 = −D3 (y − g(z3)) a2ᵀ``

    ``∂L/∂W1 = −D2 W2ᵀ D3 (y − g(z3)) xᵀ``

    Args:
        W1: first weights, shape ``(n2, p)``.
        W2: second weights, shape ``(k, n2)``.
        x: input, p numbers.
        y: target, k numbers.

    Raises:
        ShapeError: the shapes do not fit together.

    Source: the classic experiment, with the squared error.

    >>> gradients = mean_square(np.zeros((2, 1)), np.ones((1, 2)), [4.0], [1.0])
    >>> gradients["W1"]  # z2 = z3 = 0: D2 = 1, D3 = ¼, and the error is ½
    array([[-0.5],
           [-0.5]])
    """
    W2, x, y, a2, z3, D2, D3 = _network(W1, W2, x, y)
    error = y - g(z3)
    return {"W1": -D2 @ W2.T @ D3 @ error @ x.T, "W2": -D3 @ error @ a2.T}


def cross_entropy(W1: ArrayLike, W2: ArrayLike, x: ArrayLike, y: ArrayLike) -> dict[str, Array]:
    """Return the gradients of the cross entropy of one sample.

    ``L = −Σ (y ln g(z3) + (1 − y) ln(1 − g(z3)))``

    ``∂L/∂W2 = D3 ((1 − y)/(1 − g(z3)) − y/g(z3)) a2ᵀ``

    ``∂L/∂W1 = D2 W2ᵀ D3 ((1 − y)/(1 − g(z3)) − y/g(z3)) xᵀ``

    Args:
        W1: first weights, shape ``(n2, p)``.
        W2: second weights, shape ``(k, n2)``.
        x: input, p numbers.
        y: target, k numbers.

    Raises:
        ShapeError: the shapes do not fit together.

    Source: the classic experiment, with the cross entropy.

    >>> cross_entropy(np.zeros((2, 3)), np.ones((1, 2)), np.ones(3), np.array([1.0]))["W1"]
    array([[-0.5, -0.5, -0.5],
           [-0.5, -0.5, -0.5]])
    """
    W2, x, y, a2, z3, D2, D3 = _network(W1, W2, x, y)
    slope = (1 - y) / (1 - g(z3)) - y / g(z3)
    return {"W1": D2 @ W2.T @ D3 @ slope @ x.T, "W2": D3 @ slope @ a2.T}


def _network(W1: ArrayLike, W2: ArrayLike, x: ArrayLike, y: ArrayLike) -> tuple[Array, ...]:
    """Return what both derivations use of the network with one hidden layer."""
    W1, W2 = np.asarray(W1, dtype=float), np.asarray(W2, dtype=float)
    if W1.ndim != 2 or W2.ndim != 2 or W2.shape[1] != W1.shape[0]:
        raise ShapeError(
            f"formulas: W1 must have shape (n2, p), and W2 shape (k, n2). Got {W1.shape} and "
            f"{W2.shape}.")
    x, y = _column(x, "x", W1.shape[1]), _column(y, "y", W2.shape[0])
    z2 = W1 @ x
    a2 = np.tanh(z2)
    z3 = W2 @ a2
    D2 = np.diag((1 - np.tanh(z2) ** 2).ravel())
    D3 = np.diag((g(z3) * (1 - g(z3))).ravel())
    return W2, x, y, a2, z3, D2, D3


def layered(weights: Sequence[ArrayLike], x: ArrayLike, y: ArrayLike, *, loss: str,
            biases: Sequence[Any] | None = None) -> Gradients:
    """Return the gradients of one sample for any number of layers.

    With ``z_{l+1} = W_l a_l + b_l``, tanh in the hidden layers and the sigmoid in the last layer N:

    ``δ_N = D_N ∂L/∂a_N``,  ``δ_l = D_l W_lᵀ δ_{l+1}``,  ``∂L/∂W_l = δ_{l+1} a_lᵀ``,
    ``∂L/∂b_l = δ_{l+1}``

    Args:
        weights: W_1, …, W_{N−1}; W_l of shape ``(n_{l+1}, n_l)``.
        x: input, n_1 numbers.
        y: target, n_N numbers.
        loss: "mean_square" or "cross_entropy".
        biases: b_1, …, b_{N−1}, or None for a network without.

    Raises:
        ShapeError: the shapes do not fit together.
        InvalidArgumentError: an unknown loss.

    Source: Nielsen, "Neural Networks and Deep Learning", 2015, ch. 2, (BP1) to (BP4).

    >>> made = layered([np.zeros((2, 3)), np.ones((1, 2))], np.ones(3), [1.0], loss="mean_square")
    >>> made.deltas  # D3 = ¼, D2 = 1, and the error is ½
    [array([-0.125, -0.125]), array([-0.125])]
    """
    one_of(loss, LOSSES, "formulas.layered: loss")
    matrices = [np.asarray(W, dtype=float) for W in weights]
    shifts = [0.0] * len(matrices) if biases is None else [
        _column(b, "b", len(W)) for b, W in zip(biases, matrices, strict=True)]
    a = [_column(x, "x", matrices[0].shape[1])]
    z = []
    for W, b in zip(matrices, shifts, strict=True):
        z.append(W @ a[-1] + b)
        a.append(np.tanh(z[-1]))
    a[-1] = g(z[-1])
    y = _column(y, "y", len(z[-1]))
    error = (a[-1] - y) if loss == "mean_square" else (1 - y) / (1 - a[-1]) - y / a[-1]
    deltas = [np.diag((a[-1] * (1 - a[-1])).ravel()) @ error]
    for W, z_l in zip(matrices[:0:-1], z[-2::-1], strict=True):
        D = np.diag((1 - np.tanh(z_l) ** 2).ravel())
        deltas.insert(0, D @ W.T @ deltas[0])
    flat = [d.ravel() for d in deltas]
    return Gradients([d @ a_l.T for d, a_l in zip(deltas, a, strict=False)], flat, list(flat))
