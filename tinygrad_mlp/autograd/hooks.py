"""The result of a call for a hook that computes the output of an operation itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinygrad_mlp.autograd.graph import Node, Value
from tinygrad_mlp.autograd.mode import MODE
from tinygrad_mlp.autograd.op import Op


def as_value(
    op: Op, args: Sequence[Any], arrays: tuple[Any, ...], static: dict[str, Any], out: Any
) -> Any:
    """Return what the call ``op(*args, **static)`` returns where its output is `out`.

    Args:
        op: the operation.
        args: the arguments.
        arrays: what takes the place of the arguments' arrays.
        static: the static parameters, all of them.
        out: the output that the hook has computed, or the outputs.
    """
    # (A traced array is a value, too, but takes the place of an array: it is its own data.)
    values = [a for a in args if isinstance(a, Value) and id(a.data) != id(a)]
    if not values or op.nondifferentiable:
        return out
    parents: list[Node | Value | None] = [
        None if not isinstance(a, Value) or not a.requires_grad
        else a if a.node is None or a.node.op.outputs > 1
        else a.node
        for a in args
    ]  # fmt: skip
    requires_grad = MODE.get().recording and any(a.requires_grad for a in values)
    return op.wrap(values[-1].result_class, parents, arrays, static, out, requires_grad)
