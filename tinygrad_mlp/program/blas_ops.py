"""Operations that only compiled programs use: products of matrices formed by SciPy's BLAS.

BLAS is the library of matrix products below NumPy and SciPy. Its routine `gemm` adds a product to
a matrix that is already in memory, which NumPy cannot ask for; `ger` does so for an outer product.
"""

from __future__ import annotations

from typing import Any

from tinygrad_mlp.autograd.op import op


@op(register=False)
def accumulate(c: Any, alpha: Any, a: Any, b: Any) -> Any:
    """Add a multiple of a product of matrices to a matrix: ``c + alpha · a b``."""
    return c + alpha * (a @ b)


@op(register=False)
def product(a: Any, b: Any) -> Any:
    """Compute ``a b`` by the BLAS library that `accumulate` uses."""
    return a @ b
