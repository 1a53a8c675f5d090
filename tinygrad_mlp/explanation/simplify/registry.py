"""The rules' registry, and what rules look for."""

from __future__ import annotations

from collections.abc import Callable

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.op import Op
from tinygrad_mlp.explanation.algebra import Rule
from tinygrad_mlp.explanation.expression import Application, Expression, Number

RULES: dict[Op, list[Rule]] = {}


def rule(*operations: Op) -> Callable[[Rule], Rule]:
    """Enters a rule for operations; those entered first are tried first."""

    def enter(function: Rule) -> Rule:
        for operation in operations:
            RULES.setdefault(operation, []).append(function)
        return function

    return enter


def same_kind(e: Expression | None, whole: Expression) -> bool:
    """Whether `e` can stand for `whole`: of the same shape and dtype."""
    return e is not None and e.shape == whole.shape and e.dtype == whole.dtype


def is_number(e: Expression | None, number: float) -> bool:
    """Whether it is that number."""
    return isinstance(e, Number) and bool(e.number == number)


def is_op(e: Expression | None, *operations: Op) -> bool:
    """Whether it is the result of one of these operations."""
    return isinstance(e, Application) and e.op in operations


def arguments(e: Expression | None) -> tuple[Expression, ...]:
    """The arguments of an application."""
    assert isinstance(e, Application)
    return e.parts()


def is_transpose(e: Expression | None) -> bool:
    """Whether it is a matrix with its two axes exchanged."""
    if not isinstance(e, Application) or e.ndim != 2:
        return False
    if e.op is ops.swapaxes:
        return bool((e.static["axis1"] - e.static["axis2"]) % 2)
    if e.op is not ops.transpose:
        return False
    axes = e.static["axes"]
    return axes is None or axes[0] % 2 == 1


def is_scalar_number(e: Expression) -> bool:
    """Whether it is a number without a shape, or a quotient of two."""
    if is_op(e, ops.divide) and e.shape == ():
        return all(isinstance(a, Number) for a in arguments(e))
    return isinstance(e, Number) and e.shape == ()
