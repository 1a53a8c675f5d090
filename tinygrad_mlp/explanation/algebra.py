"""Making expressions, each different one once, and the operations that only formulas have."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_mlp.autograd.op import Op, op
from tinygrad_mlp.explanation.expression import Application, Expression, Number, Shape

# -- operations that formulas have and NumPy has not --------------------------------------------


@op(register=False, latex=r"\mathrm{{diag}}({a})")
def diag(a: Any) -> Any:
    """The diagonal matrix with the elements of `a`: what an elementwise factor is in columns."""
    return np.diag(np.ravel(a))


@op(register=False, latex="{a}")
def in_shape(a: Any, *, shape: Shape) -> Any:
    """The same elements as a column, or as what the column stands for: written the same."""
    return np.reshape(a, shape)


# -- making expressions ---------------------------------------------------------------------------


class Algebra:
    """Makes expressions, so that equal ones are one and the same object."""

    def __init__(self) -> None:
        self._known: dict[Any, Expression] = {}

    def number(self, number: Any, shape: Shape = (), dtype: Any = None) -> Number:
        """A number, in every element of an array of a shape if a dtype is given."""
        made = Number(number, shape, dtype)
        known = self._known.setdefault(
            ("number", repr(number), shape, made.dtype, made.plain), made)
        assert isinstance(known, Number)
        return known

    def apply(self, op: Op, args: Any, static: dict[str, Any], shape: Shape, dtype: Any,
              index: int = 0) -> Expression:
        """An operation on expressions."""
        made = Application(op, args, static, shape, dtype, index)
        key = (op, tuple(map(id, made.args)), repr(static), shape, index)
        return self._known.setdefault(key, made)
