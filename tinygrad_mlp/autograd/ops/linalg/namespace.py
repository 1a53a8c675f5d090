"""`tg.linalg`: the functions of `numpy.linalg`, under its names.

The functions are those of the package; where NumPy has one name twice (``np.trace`` and
``np.linalg.trace`` differ in the axes of the matrices), this is the one of `numpy.linalg`.
"""

from __future__ import annotations

import numpy as np

from tinygrad_mlp.autograd.argument_types import Operand
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import implements
from tinygrad_mlp.autograd.ops.linalg.determinants import det, slogdet
from tinygrad_mlp.autograd.ops.linalg.norms import matrix_norm, norm, vector_norm
from tinygrad_mlp.autograd.ops.linalg.solve import inv, matrix_power, pinv, solve
from tinygrad_mlp.autograd.ops.linalg.spectral import eigh, eigvalsh, svd, svdvals
from tinygrad_mlp.autograd.ops.linalg.triangular import cholesky, qr
from tinygrad_mlp.autograd.ops.products.matmul import matmul
from tinygrad_mlp.autograd.ops.products.tensordot import cross, multi_dot, outer, tensordot
from tinygrad_mlp.autograd.ops.shapes import axes, diagonals
from tinygrad_mlp.errors import LinAlgError

__all__ = [
    "LinAlgError", "cholesky", "cross", "det", "diagonal", "eigh", "eigvalsh", "inv", "matmul",
    "matrix_norm", "matrix_power", "matrix_transpose", "multi_dot", "norm", "outer", "pinv", "qr",
    "slogdet", "solve", "svd", "svdvals", "tensordot", "trace", "vector_norm"]


@implements(np.linalg.diagonal)
def diagonal(x: Operand, *, offset: int = 0) -> Array:
    """Return a diagonal of the matrices in the last two axes.

    Args:
        x: the matrices, shape ``(..., n, m)``.
        offset: how many places above the main diagonal.

    >>> diagonal(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([1., 4.])
    """
    return diagonals.diagonal(x, offset=offset, axis1=-2, axis2=-1)


@implements(np.linalg.trace)
def trace(x: Operand, *, offset: int = 0) -> Array:
    """Sum a diagonal of the matrices in the last two axes.

    Args:
        x: the matrices, shape ``(..., n, m)``; the result is of shape ``(...)``.
        offset: how many places above the main diagonal.

    >>> trace(np.array([[1.0, 2.0], [3.0, 4.0]])).item()
    5.0
    """
    return diagonals.trace(x, offset=offset, axis1=-2, axis2=-1)


@implements(np.linalg.matrix_transpose, np.matrix_transpose)
def matrix_transpose(x: Operand) -> Array:
    """Transpose the matrices in the last two axes.

    Args:
        x: the matrices, shape ``(..., n, m)``; the result is of shape ``(..., m, n)``.

    >>> matrix_transpose(np.array([[1.0, 2.0]])).shape
    (2, 1)
    """
    return axes.swapaxes(x, axis1=-1, axis2=-2)
