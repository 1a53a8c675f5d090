"""A call of a NumPy function with a Tensor among its arguments, as it is meant in NumPy.

Operations have the parameters that matter to a derivative. What NumPy's functions take besides is
put in terms of operations here (``dtype=``, ``where=`` and ``initial=`` of reductions, the order
of memory in ``reshape``), left out where it changes nothing, or refused.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.numpy_protocols import METHODS, numpy_op, refuse_options, shown
from tinygrad_mlp.autograd.op import Op
from tinygrad_mlp.autograd.ops.shapes.shape import shape_of
from tinygrad_mlp.errors import InvalidArgumentError

Keywords = dict[str, Any]

NEUTRAL: dict[str, tuple[Any, ...]] = {
    "out": (None,), "dtype": (None,), "where": (True, None), "initial": (None,), "order": ("C",),
    "copy": (None,), "subok": (False,), "casting": ("same_kind",), "overwrite_input": (False,),
    "returned": (False,), "mean": (None,),
}  # fmt: skip
"""Values with which a parameter says what holds without it. (`np._NoValue` is one everywhere.)"""

RENAMED: dict[Any, dict[str, str]] = {
    np.clip: {"min": "a_min", "max": "a_max"},
    np.var: {"correction": "ddof"},
    np.std: {"correction": "ddof"},
}
"""Second names that parameters have in NumPy."""


def numpy_call(function: Callable[..., Any], args: tuple[Any, ...], keywords: Keywords) -> Any:
    """The operation, or composed function, that stands for `function`, on these arguments.

    Raises:
        NotDifferentiableError: there is none.
        InvalidArgumentError: a parameter that operations do not have, such as ``out=``.
    """
    known = numpy_op(function)
    kept = 1 if function is np.ravel else 2
    if len(args) > kept and len(args) > getattr(known, "arity", kept):
        # Operations need not have the parameters that stand before the one that is given.
        names = _names(function)
        if len(names) >= len(args):
            keywords = {**dict(zip(names[kept:], args[kept:], strict=False)), **keywords}
            args = args[:kept]
    if keywords:
        renamed = RENAMED.get(function, {})
        keywords = {
            renamed.get(key, key): value for key, value in keywords.items()
            if value is not np._NoValue
            and not any(value is one for one in NEUTRAL.get(key, ()))
        }  # fmt: skip
        for options, composed in COMPOSED.get(function, ()):
            if not options.isdisjoint(keywords):
                return composed(known, *args, **keywords)
        refuse_options(shown(function), keywords)
    return known(*args, **keywords)


def method(name: str) -> Any:
    """The function that is called like a method of ndarray; None if there is none."""
    if name not in METHODS:
        return None
    function = getattr(np, name)
    return lambda *args, **keywords: numpy_call(function, args, keywords)


@cache
def _names(function: Callable[..., Any]) -> tuple[str, ...]:
    """What a function calls its parameters, as far as they can be given by position."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (ValueError, TypeError):
        return ()
    by_place = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return tuple(p.name for p in parameters if p.kind in by_place)


def _reduced(
    known: Op, a: Any, axis: Any = None, *, keepdims: bool = False, dtype: Any = None,
    where: Any = None, initial: Any = None, **more: Any,
) -> Any:  # fmt: skip
    """A reduction in `dtype`, of the elements chosen by `where`, together with `initial`."""
    refuse_options(f"np.{known.name}", more)
    if dtype is not None:
        a = a.astype(dtype)
    along: Keywords = {"axis": axis, "keepdims": keepdims, **more}
    if initial is None and where is not None and known in (ops.max, ops.min):
        raise InvalidArgumentError(
            f"np.{known.name} with where= expects initial=, the result where nothing is chosen."
        )
    if where is not None:
        where = np.broadcast_to(where, shape_of(a))
        other: Any = {ops.prod: 1, ops.max: initial, ops.min: initial}.get(known, 0)
        a = ops.where(where, a, other)
        if known is ops.mean:
            return ops.sum(a, **along) / np.sum(where, **along)
    if initial is None:
        return known(a, **along)
    if known is ops.sum or 0 in shape_of(a) and known is not ops.prod:
        return ops.sum(a, **along) + initial
    join = {ops.prod: ops.multiply, ops.max: ops.maximum, ops.min: ops.minimum}[known]
    return join(known(a, **along), initial)


def _converted(known: Callable[..., Any], a: Any, *args: Any, dtype: Any, **more: Any) -> Any:
    """The function of the same elements in another dtype."""
    refuse_options("dtype= of a function", more)
    return known(a.astype(dtype), *args, **more)


def _joined(known: Callable[..., Any], arrays: Any, *args: Any, dtype: Any, **more: Any) -> Any:
    """Arrays joined, in another dtype."""
    refuse_options("dtype= of a function", more)
    return known(arrays, *args, **more).astype(dtype)


def _in_order(
    known: Callable[..., Any], a: Any, shape: Any = -1, *, order: str, **more: Any
) -> Any:
    """The elements read, and written, in Fortran's order: the first index runs fastest."""
    if order != "F":
        raise InvalidArgumentError(f"order= must be 'C' or 'F' for a Tensor. Got {order!r}.")
    shape = tuple(shape) if np.ndim(shape) else (shape,)
    return ops.transpose(ops.reshape(ops.transpose(a, axes=None), shape=shape[::-1]), axes=None)


_with_dtype = frozenset({"dtype"})
_chosen = frozenset({"dtype", "where", "initial"})
_ordered = frozenset({"order"})

COMPOSED: dict[Any, tuple[tuple[frozenset[str], Callable[..., Any]], ...]] = {
    np.sum: ((_chosen, _reduced),),
    np.prod: ((_chosen, _reduced),),
    np.mean: ((_chosen - {"initial"}, _reduced),),
    **dict.fromkeys((np.max, np.amax, np.min, np.amin), ((_chosen - {"dtype"}, _reduced),)),
    **dict.fromkeys(
        (np.var, np.std, np.cumsum, np.cumprod, np.trace, np.linalg.trace),
        ((_with_dtype, _converted),),
    ),
    **dict.fromkeys(
        (np.concatenate, np.stack, np.hstack, np.vstack), ((_with_dtype, _joined),)
    ),
    np.reshape: ((_ordered, _in_order),),
    np.ravel: ((_ordered, _in_order),),
}
"""For a function, the parameters that operations do not have, and who puts them in their terms."""
