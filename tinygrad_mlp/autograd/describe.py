"""Operations, arrays and tensors in words: for messages, and for notebooks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.call_site import CallSite
from tinygrad_mlp.autograd.gradients import ancestors
from tinygrad_mlp.autograd.graph import Array, Node, Value
from tinygrad_mlp.autograd.op import Op
from tinygrad_mlp.autograd.tensor import Tensor
from tinygrad_mlp.support.html import listing, table


def trouble(a: object) -> str:
    """Describe what is not finite in an array: which kinds, how many elements, and where.

    >>> trouble(np.array([[1.0, np.nan], [-np.inf, 2.0]]))
    'NaN and -inf in 2 of 4 elements, the first at index (0, 1)'
    """
    a = np.asarray(a)
    bad = ~np.isfinite(a)
    kinds = {"NaN": np.isnan(a), "inf": a == np.inf, "-inf": a == -np.inf}
    found = " and ".join(name for name, at in kinds.items() if at.any())
    if a.ndim == 0:
        return found
    first = tuple(int(i) for i in np.argwhere(bad)[0])
    return f"{found} in {bad.sum()} of {a.size} elements, the first at index {first}"


def described(a: object) -> str:
    """Describe an array by shape, dtype and range; a single number by its value.

    >>> described(np.array([0.5, np.inf]))
    'of shape (2,), float64, value 0.5, and inf in 1 of 2 elements, the first at index (1,)'
    >>> described(2), described(np.zeros((0, 3)))
    ('2', 'of shape (0, 3), float64')
    """
    if isinstance(a, (int, float)):
        return repr(a)
    a = np.asarray(a)
    shown = f"of shape {a.shape}, {a.dtype}"
    if a.dtype.kind not in "fiu":
        return shown
    fine = np.isfinite(a)
    values = a[fine]
    if values.size:
        low, high = (f"{value:.6g}" for value in (values.min(), values.max()))
        shown += f", value {low}" if low == high else f", values from {low} to {high}"
    if not fine.all():
        shown += f", and {trouble(a)}" if values.size else f", {trouble(a)}"
    return shown


def listed(arrays: Iterable[tuple[str, object]]) -> str:
    """List named arrays, one a line, without those that are None."""
    return "".join(f"    {name} {described(a)}\n" for name, a in arrays if a is not None)


def origin_of(arg: object) -> str:
    """Return the kind of an argument, for a message."""
    if not isinstance(arg, Value):
        return "a plain array"
    if arg.node is None:
        return "a leaf"
    return f"computed by {arg.node.op.name}() without debug() or changed since,"


def label(op: Op, position: int, arg: object) -> str:
    """Return the name of an argument's parameter, with that of the value passed for it."""
    name = f"{op.parameter(position)}[{position}]" if op.variadic else op.parameter(position)
    own = arg.name if isinstance(arg, (Value, Node)) else None
    return f"{name} ('{own}')" if own else name


def called(op: Op, site: CallSite | None) -> str:
    """Return a sentence that says where an operation was called."""
    if site is None:
        return (
            f"{op.name}() was recorded without debug(), so the line that called it is not known: "
            f"compute the output under debug(), too.")
    return f"{op.name}() was called at {site}"


def first_non_finite(value: Value) -> str:
    """Return a sentence that says where the first NaN or infinity behind `value` came from.

    The recorded graph is searched from the oldest node to the newest.
    """
    if value.node is None:
        return "it was not computed by any recorded operation"
    for node in ancestors([value.node]):
        arrays = node.arrays or ()
        for parent, array in zip(node, arrays, strict=False):
            if not isinstance(parent, Node) and not finite(array):
                name = f"'{parent.name}' " if parent is not None and parent.name else ""
                return f"an argument {name}of '{node.op.name}' was not finite before it"
        outs = node.op.as_tuple(node.out)
        if not all(finite(out) for out in outs):
            shapes = ", ".join(str(np.shape(a)) for a in arrays if a is not None)
            return (f"the first value that is not finite was produced by '{node.op.name}' from "
                    f"arguments of shape {shapes}")
    return "no single operation produced it"


def finite(array: Array) -> bool:
    """Return whether an array, or a number, is free of NaN and infinity; None is."""
    return array is None or bool(np.isfinite(array).all())


def as_html(tensor: Tensor) -> str:
    """Return a tensor as a table with its numbers, for notebooks."""
    made = tensor.node
    about: dict[str, Any] = {"shape": tensor.shape, "dtype": tensor.dtype}
    if tensor.name is not None:
        about = {"name": tensor.name, **about}
    if tensor.requires_grad:
        about["gradient"] = "leaf" if made is None else f"through {made.op.name}"
    shown = table(list(about), [list(about.values())]) + listing(str(tensor.data))
    return shown if tensor.grad is None else shown + listing(str(tensor.grad), "gradient")


def as_text(tensor: Tensor) -> str:
    """Return what ``repr`` shows of a tensor."""
    shown = [np.array2string(tensor.data, separator=", ", prefix="Tensor(")]
    if tensor.data.dtype != np.float64:
        shown.append(f"dtype={tensor.data.dtype}")
    if tensor.name is not None:
        shown.append(f"name={tensor.name!r}")
    if tensor._requires_grad:
        made = tensor.node
        shown.append("requires_grad=True" if made is None else f"op={made.op.name}")
    return f"Tensor({', '.join(shown)})"


Tensor._repr_html_ = as_html
Tensor.__repr__ = as_text  # type: ignore[method-assign, assignment]
