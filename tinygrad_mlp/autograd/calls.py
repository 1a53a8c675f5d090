"""The arguments of a call of an operation: sorted as NumPy would, and explained where wrong."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_mlp.errors import (
    DTypeError,
    IndexingError,
    InvalidArgumentError,
    LinAlgError,
    ShapeError,
    TinygradError,
)

if TYPE_CHECKING:
    from tinygrad_mlp.autograd.op import Op


def bound(
    op: Op, args: tuple[Any, ...], static: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Sort a call's arguments into array arguments and static parameters, as `Op.bind` says."""
    n = len(args) if op.variadic else len(op.arrays)
    given = dict(zip(op.defaults, args[n:], strict=False))
    names = () if op.variadic else op.arrays
    unknown = [k for k in static if k not in op.static_names and k not in names]
    twice = [k for k in static if k in given or k in op.arrays[: len(args)]]
    if len(args) > n + len(op.defaults) or unknown or (twice and not op.variadic):
        what = (
            f"unknown argument '{unknown[0]}'" if unknown
            else f"'{twice[0]}' given twice" if twice
            else f"{len(args)} arguments"
        )  # fmt: skip
        raise _bad_call(op, what)
    arrays = list(args[:n])
    if not op.variadic:
        for position in range(len(arrays), n):
            name = op.arrays[position]
            if name in static:
                arrays.append(static[name])
            elif position < op.required:
                raise _bad_call(op, f"no '{name}'")
            else:
                arrays.append(None)
    complete = {
        name: given[name] if name in given else static.get(name, default)
        for name, default in op.defaults.items()
    }
    for name, value in complete.items():
        if value is inspect.Parameter.empty:
            raise _bad_call(op, f"no '{name}'")
    return tuple(arrays), complete


def _bad_call(op: Op, what: str) -> InvalidArgumentError:
    signature = inspect.signature(op.forward)
    return InvalidArgumentError(f"{op.name}() expects {op.name}{signature}. Got {what}.")


def explained(
    op: Op, error: Exception, arrays: Sequence[Any], static: Mapping[str, Any]
) -> Exception:
    """NumPy's `error` said in terms of the operation and its arguments' shapes."""
    if isinstance(error, TinygradError):
        return error
    names = op.arrays * len(arrays) if op.variadic else op.arrays
    shown = [
        f"{name} of shape {np.shape(array)}"
        for name, array in zip(names, arrays, strict=False)
        if array is not None
    ]
    shown += [f"{key}={value!r}" for key, value in static.items()]
    kind: type[TinygradError] = ShapeError
    if isinstance(error, TypeError):
        kind = DTypeError
    elif isinstance(error, np.linalg.LinAlgError):
        kind = LinAlgError
    elif isinstance(error, IndexError) and not isinstance(error, ValueError):
        kind = IndexingError  # NumPy's AxisError is both, and a matter of shapes
    return kind(f"{op.name}() cannot take {', '.join(shown)}: {error}")
