"""Equations and functions of matrices, as in `scipy.linalg`."""

from typing import Any

from tinygrad_mlp.autograd.ops import (
    det,
    inv,
    norm,
    pinv,
    solve,
    solve_banded,
    solve_sylvester,
    sqrtm,
    svd,
    swapaxes,
    tril,
    triu,
)

__all__ = ["det", "inv", "norm", "pinv", "solve", "solve_banded", "solve_sylvester",
           "solve_triangular", "sqrtm", "svd"]


def solve_triangular(a: Any, b: Any, trans: int | str = 0, lower: bool = False) -> Any:
    """Solve ``a y = b``, or with `trans` ``aᵀ y = b``, with the lower or the upper triangle of a.

    >>> import numpy as np
    >>> solve_triangular(np.array([[2.0, 9.0], [1.0, 4.0]]), np.array([2.0, 5.0]), lower=True)
    array([1., 1.])
    """
    triangle = tril(a) if lower else triu(a)
    return solve(triangle if trans in (0, "N") else swapaxes(triangle, axis1=-1, axis2=-2), b)
