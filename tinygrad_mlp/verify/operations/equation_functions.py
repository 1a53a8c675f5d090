"""The functions that equations can call, by the names they have there."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.op import OPS


class NoMeaning(Exception):
    """Raised for a sample that an equation says nothing about."""


class IdentityMatrix:
    """The identity matrix `I`, which has the size of the matrix beside it."""


def special(name: str) -> Callable[..., Any]:
    """Return a function of scipy.special, which is loaded when it is called."""

    def call(*args: Any) -> Any:
        from scipy import special

        return getattr(special, name)(*args)

    return call


def transposed(a: Any) -> Any:
    """Return the matrices in the last two axes transposed; a vector has no transpose."""
    if np.ndim(a) < 2:
        raise NoMeaning("a vector has no transpose")
    return np.swapaxes(a, -1, -2)


def matrix_product(a: Any, b: Any) -> Any:
    """Return the product of matrices in the last two axes; a vector is none."""
    if np.ndim(a) < 2 or np.ndim(b) < 2:
        raise NoMeaning("a vector is no matrix")
    return np.matmul(a, b)


def diagonal_matrix(a: Any) -> Any:
    """Return matrices with the last axis on their diagonals."""
    return a[..., None, :] * np.eye(a.shape[-1])


def matrix_scalar(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a function of matrices that keeps their two axes with length 1."""
    return lambda a: np.asarray(f(a))[..., None, None]


ELEMENTWISE: dict[str, Callable[..., Any]] = {
    "ln": np.log, "log₂": np.log2, "log₁₀": np.log10, "sin": np.sin, "cos": np.cos, "tan": np.tan,
    "arcsin": np.arcsin, "arccos": np.arccos, "arctan": np.arctan, "sinh": np.sinh,
    "cosh": np.cosh, "tanh": np.tanh, "arsinh": np.arcsinh, "arcosh": np.arccosh,
    "artanh": np.arctanh, "sign": np.sign, "sqrt": np.sqrt, "cbrt": np.cbrt, "abs": np.abs,
    "floor": np.floor, "ceil": np.ceil, "trunc": np.trunc, "rint": np.rint, "isnan": np.isnan,
    "square": np.square, "cube": lambda x: x * x * x, "negative": np.negative,
    "add": np.add, "subtract": np.subtract, "multiply": np.multiply, "divide": np.divide,
    "power": np.float_power, "where": np.where, "holds": lambda c: np.asarray(c, float) * (c != 0),
    "equal": np.equal, "not_equal": np.not_equal, "less": np.less, "less_equal": np.less_equal,
    "greater": np.greater, "greater_equal": np.greater_equal, "logical_and": np.logical_and,
    "logical_or": np.logical_or, "logical_not": np.logical_not,
    "min": np.minimum, "max": np.maximum, "C": special("binom"), "σ": special("expit"),
    "Φ": special("ndtr"), "φ": lambda x: np.exp(-x * x / 2) / math.sqrt(2 * math.pi),
    "ψ": special("digamma"), "Γ": special("gamma"), "erf": special("erf"),
}  # fmt: skip
"""The functions of one element of each argument."""

OF_MATRICES: dict[str, Callable[..., Any]] = {
    "matmul": matrix_product, "transposed": transposed, "inverse": np.linalg.inv,
    "pinv": np.linalg.pinv,
    "inverse_transposed": lambda a: transposed(np.linalg.inv(a)), "diag": diagonal_matrix,
    "det": matrix_scalar(np.linalg.det),
    "tr": matrix_scalar(lambda a: np.trace(a, axis1=-2, axis2=-1)),
    "eigenvectors": lambda a: np.linalg.eigh(a)[1],
    "left_vectors": lambda a: np.linalg.svd(a, full_matrices=False)[0],
    "right_vectors": lambda a: transposed(np.linalg.svd(a, full_matrices=False)[2]),
}  # fmt: skip

OVER_AXES: dict[str, Callable[..., Any]] = {
    "Σ": np.sum, "Π": np.prod, "mean": np.mean, "max": np.max, "min": np.min,
}  # fmt: skip
"""The functions over the operation's `axis`, which is kept; over all axes where it has none."""

SYMBOLS = {"π": math.pi, "e": math.e, "∞": math.inf, "I": IdentityMatrix()}
PREFIXES = {"softmax", "mean", "det", "tr", *ELEMENTWISE} - {"where", "C", "add"}
"""The functions that need no parentheses."""


def function_named(name: str) -> Callable[..., Any] | None:
    """Return what an equation calls by a name: a function of NumPy or SciPy, or an operation."""
    known = ELEMENTWISE.get(name) or OF_MATRICES.get(name) or getattr(np, name, None)
    if callable(known):
        return known
    if name in ("iv", "polygamma", "erfinv"):
        return special(name)
    return OPS.get(name)
