"""Making expressions, each different one once, and the operations that only formulas have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.op import Op, op
from tinygrad_mlp.explanation.expression import Application, Expression, Number, Shape, within

# -- operations that formulas have and NumPy has not --------------------------------------------


@op(register=False, latex=r"\mathrm{{diag}}({a})")
def diag(a: Any) -> Any:
    """The diagonal matrix with the elements of `a`: what an elementwise factor is in columns."""
    return np.diag(np.ravel(a))


@op(register=False, latex=r"{a} {b}^\top")
def outer(a: Any, b: Any) -> Any:
    """The outer product ``a bᵀ`` of two vectors."""
    return np.outer(a, b)


@op(register=False, latex="{a}")
def in_shape(a: Any, *, shape: Shape) -> Any:
    """The same elements as a column, or as what the column stands for: written the same."""
    return np.reshape(a, shape)


@op(register=False, elementwise=True, latex=r"{condition} \odot {x}")
def where_only(condition: Any, x: Any) -> Any:
    """`x` where the condition holds, 0 elsewhere, also where x is infinite there."""
    return np.where(condition, x, 0)


@op(register=False, elementwise=True, latex=r"(1 - {condition}) \odot {x}")
def where_not(condition: Any, x: Any) -> Any:
    """`x` where the condition does not hold, 0 elsewhere, also where x is infinite there."""
    return np.where(condition, 0, x)


@op(register=False, elementwise=True, latex=r"\frac{{{a}}}{{{b}}}")
def ratio(a: Any, b: Any) -> Any:
    """``a / b``, and 0 where a is 0, also where b is."""
    a, b = np.broadcast_arrays(a, b)
    return np.where(a == 0, 0, a / np.where(a == 0, 1, b)).astype(np.result_type(a, b))


# -- making expressions ---------------------------------------------------------------------------

Rule = Callable[["Algebra", Application], Expression | None]
"""Gives something simpler of the same value, shape and dtype, or None."""


class Algebra:
    """Makes expressions, so that equal ones are one and the same object.

    `rules` are what to simplify by (see `simplify.RULES`); nothing without.
    """

    def __init__(self, rules: Mapping[Op, Sequence[Rule]] | None = None) -> None:
        self.rules = rules or {}
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
        """An operation on expressions, or something simpler of the same value."""
        made = Application(op, args, static, shape, dtype, index)
        for rule in self.rules.get(op, ()):
            simpler = rule(self, made)
            if simpler is not None:
                return simpler
        key = (op, tuple(map(id, made.args)), repr(static), shape, index)
        return self._known.setdefault(key, made)

    def like(self, e: Expression, op: Op, *args: Expression | None, **static: Any) -> Expression:
        """An operation whose result has the shape and dtype of `e`."""
        return self.apply(op, args, static, e.shape, e.dtype)

    def minus(self, e: Expression) -> Expression:
        """``−e``."""
        return self.like(e, ops.negative, e)

    def product(self, a: Expression, b: Expression) -> Expression:
        """The product of two matrices."""
        shape = (a.shape[0], b.shape[1])
        return self.apply(ops.matmul, (a, b), {}, shape, np.result_type(a.dtype, b.dtype))

    def transposed(self, a: Expression) -> Expression:
        """The transpose of a matrix."""
        return self.apply(ops.transpose, (a,), {"axes": None}, a.shape[::-1], a.dtype)

    def shaped(self, a: Expression, shape: Shape) -> Expression:
        """The elements in another shape, written the same."""
        return self.apply(in_shape, (a,), {"shape": shape}, shape, a.dtype)

    def rewritten(self, e: Expression,
                  change: Callable[[Expression], Expression | None]) -> Expression:
        """`e` with parts replaced, from the inside out; `change` gives None for what stays."""
        new: dict[Expression, Expression] = {}
        for part in within([e]):
            made = part
            if isinstance(part, Application):
                args = [None if a is None else new[a] for a in part.args]
                if any(a is not b for a, b in zip(args, part.args, strict=True)):
                    made = self.apply(
                        part.op, args, part.static, part.shape, part.dtype, part.index)
            new[part] = change(made) or made
        return new[e]
