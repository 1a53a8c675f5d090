"""Systems whose matrix has few diagonals, as in `scipy.linalg`: their solution takes linear time.

The matrix is stored by its diagonals, from the uppermost on: ``a[u + i − j, j]`` is its element in
row i and column j, where u diagonals lie above the main one. The rest means nothing.
"""

from __future__ import annotations

import numpy as np

from tinygrad_mlp.autograd.argument_types import Operand
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import Sample, op
from tinygrad_mlp.autograd.ops.elementwise.selection import where
from tinygrad_mlp.autograd.ops.linalg.sylvester import scipy_linalg
from tinygrad_mlp.autograd.ops.shapes.shape import shape_of
from tinygrad_mlp.autograd.ops.sums import sum as sum_
from tinygrad_mlp.errors import InvalidArgumentError, ShapeError

__all__ = ["solve_banded"]


def _transposed(a: Array, lower: int, upper: int) -> Array:
    """Return the diagonals of the transposed matrix."""
    above, row = np.arange(-lower, upper + 1)[:, None], np.arange(a.shape[1])
    column = row + above
    inside = (column >= 0) & (column < len(row))
    return where(inside, a[upper - above, column % len(row)], 0)


def _banded_b(g: Array, y: Array, a: Array, b: Array, lower: int, upper: int) -> Array:
    return solve_banded_op(_transposed(a, lower, upper), g, lower=upper, upper=lower)


def _banded_a(g: Array, y: Array, a: Array, b: Array, lower: int, upper: int) -> Array:
    column = np.arange(a.shape[1])
    row = column + np.arange(-upper, lower + 1)[:, None]
    products = _banded_b(g, y, a, b, lower, upper)[row % len(column)] * y
    inside = (row >= 0) & (row < len(column))
    return -where(inside, products if b.ndim == 1 else sum_(products, axis=-1), 0)


def _dense(a: Array, lower: int, upper: int) -> Array:
    """Return the matrix that is stored by its diagonals."""
    n = a.shape[1]
    whole = np.zeros((n, n))
    for i, j in np.ndindex(n, n):
        if -lower <= j - i <= upper:
            whole[i, j] = a[upper + i - j, j]
    return whole


def _samples(rng: np.random.Generator) -> list[Sample]:
    """Draw systems whose main diagonal is large."""
    found = []
    for lower, upper, shape in ((1, 1, (4,)), (2, 1, (4, 2)), (0, 1, (3,))):
        a = rng.normal(size=(lower + upper + 1, shape[0]))
        a[upper] += 4
        found.append(Sample(a, rng.normal(size=shape), lower=lower, upper=upper))
    return found


@op(name="solve_banded", rules={"a": _banded_a, "b": _banded_b},
    equation="A @ y = b,  A[i, j] = a[u + i − j, j],  Aᵀ @ b̄ = g,  ā[u + i − j, j] = −b̄[i] y[j]",
    latex=lambda a, b, lower, upper: rf"\mathrm{{band}}_{{{lower}, {upper}}}({a})^{{-1}} {b}",
    reference=lambda a, b, lower, upper: np.linalg.solve(_dense(a, lower, upper), b),
    samples=_samples, floating=True)
def solve_banded_op(a: Array, b: Array, *, lower: int, upper: int) -> Array:
    if a.shape[1] == 1:
        if a[upper, 0] == 0:
            raise np.linalg.LinAlgError("solve_banded() expects an invertible matrix. Got [[0]].")
        return b / a[upper]  # of which SciPy before version 1.15 takes another row
    return scipy_linalg().solve_banded((lower, upper), a, b, check_finite=False)


def solve_banded(l_and_u: tuple[int, int], a: Operand, b: Operand) -> Array:
    """Solve ``A y = b`` for a matrix with few diagonals, in linear time.

    Args:
        l_and_u: the numbers of diagonals below and above the main one, (l, u).
        a: the diagonals of A, shape ``(l + u + 1, n)``, with ``a[u + i − j, j] = A[i, j]``.
        b: a vector, shape ``(n,)``, or right sides in columns, shape ``(n, k)``.

    Raises:
        InvalidArgumentError: `l_and_u` are not two integers of at least 0.
        ShapeError: the shapes do not fit.
        LinAlgError: the matrix is singular.

    Source: scipy.linalg.solve_banded; the rule from ``dA y + A dy = db``.

    >>> a = np.array([[0.0, 1.0, 1.0], [2.0, 2.0, 2.0], [1.0, 1.0, 0.0]])
    >>> solve_banded((1, 1), a, [3.0, 4.0, 3.0])
    array([1., 1., 1.])
    """
    if not isinstance(l_and_u, (tuple, list)) or len(l_and_u) != 2 or any(
            isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 0 for n in l_and_u):
        raise InvalidArgumentError(
            f"solve_banded() expects l_and_u to be two integers of at least 0. Got {l_and_u!r}.")
    lower, upper = map(int, l_and_u)
    stored, right = shape_of(a), shape_of(b)
    if len(stored) != 2 or stored[0] != lower + upper + 1 or right[:1] != stored[1:] or (
            len(right) not in (1, 2)):
        raise ShapeError(
            f"solve_banded() expects diagonals of shape ({lower + upper + 1}, n) and a right side "
            f"of shape (n,) or (n, k). Got {stored} and {right}.")
    return solve_banded_op(a, b, lower=lower, upper=upper)
