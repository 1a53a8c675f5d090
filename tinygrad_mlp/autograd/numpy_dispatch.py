"""NumPy's functions called with Tensors: `__array_ufunc__` and `__array_function__`.

`numpy_op` finds the operation that implements a function. Operations have the parameters that
matter to a derivative. Others that NumPy's functions have are expressed in operations here
(``dtype=``, ``where=`` and ``initial=`` of reductions, the order of memory in ``reshape``), left
out where they change nothing, or refused.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.argument_types import Axis
from tinygrad_mlp.autograd.call_site import function_called
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import IMPLEMENTED_BY, OPS, Op
from tinygrad_mlp.autograd.ops.shapes.shape import shape_of
from tinygrad_mlp.autograd.stores.assign import copyto, stored_by_ufunc
from tinygrad_mlp.autograd.tensor import Tensor
from tinygrad_mlp.errors import (
    InvalidArgumentError,
    NotDifferentiableError,
)

Keywords = dict[str, Any]

CONSTANT = (np.argwhere, np.nonzero, np.flatnonzero, np.allclose, np.array_equal, np.isreal,
            np.iscomplex, np.array_repr, np.array_str, np.array2string,
            np.shares_memory, np.may_share_memory)
"""Functions whose results are constant wherever they have a derivative: plain arrays. Those that
have a record, such as argmax and isnan, are not listed here."""

SHAPES_ONLY = (np.empty_like, np.result_type, np.iscomplexobj, np.isrealobj)
"""Functions that need the shape and the dtype only, which a traced value has, too."""

ADVICE = (
    "Write the expression without it (x = x + y for x += y, tg.where(...) for where=, a new array "
    "for an assignment), or use .numpy() where no gradient is needed.")


IN_ITS_PLACE: dict[Any, str] = {
    np.ptp: "tg.max(x) - tg.min(x)", np.ediff1d: "tg.diff(tg.ravel(x))",
    np.quantile: "tg.sort and an index, or tg.median", np.nansum: "tg.sum(tg.nan_to_num(x))",
    np.percentile: "tg.sort and an index, or tg.median", np.unstack: "a loop over x",
    np.nanmean: "tg.average(tg.nan_to_num(x), weights=~tg.isnan(x))", np.resize: "tg.tile",
    np.interp: "tg.searchsorted and the line between two points", np.vander: "x[:, None] ** powers",
    np.correlate: "tg.convolve(a, tg.flip(v))", np.block: "tg.concatenate",
    np.delete: "tg.take", np.insert: "tg.concatenate", np.compress: "x[condition]",
    np.extract: "x[condition]", np.choose: "tg.select", np.piecewise: "tg.select",
    np.apply_along_axis: "tg.stack([f(row) for row in x])",
    np.cov: "d @ d.T for d = x - tg.mean(x)",
    np.geomspace: "x * (y / x) ** np.linspace(0, 1, n)", np.linalg.eig: "tg.eigh, if symmetric",
    np.linalg.eigvals: "tg.eigvalsh, if symmetric", np.linalg.lstsq: "tg.pinv(a) @ b",
    np.linalg.matrix_rank: "tg.svdvals", np.linalg.cond: "tg.svdvals",
    "rfft": "real, imag = tg.rfft(x)", "irfft": "tg.irfft(real, imag)"}
"""What to write in the place of functions of NumPy that no operation implements."""


def shown(function: object) -> str:
    """Return a function's name as a user would write it: ``np.linalg.norm``, ``np.tanh``."""
    name = getattr(function, "__name__", str(function))
    if getattr(np, name, None) is function:
        return f"np.{name}"
    module = getattr(function, "__module__", None) or "scipy.special"  # whose ufuncs have none
    return f"{module}.{name}".replace("numpy.", "np.", 1)


def numpy_op(function: Callable[..., object]) -> Callable[..., Any]:
    """Return the operation that implements a function of NumPy or SciPy for Tensors.

    Raises:
        NotDifferentiableError: there is none.
    """
    known = _NUMPY.get(function)
    if known is None or isinstance(known, Op) and OPS.get(known.name) is not known:
        # The first call, or an operation was defined, redefined or removed since then.
        _NUMPY.clear()
        _NUMPY.update({one: partial(_constant, one, _array) for one in CONSTANT})
        _NUMPY.update({one: partial(_constant, one, _like) for one in SHAPES_ONLY})
        # Loaded if a function of it was called; else it need not be, and nothing is imported here.
        special = sys.modules.get("scipy.special")  # noqa: TID251
        fft = sys.modules.get("numpy.fft")  # noqa: TID251
        if fft is not None:
            _NUMPY.update({fft.fftshift: ops.fftshift, fft.ifftshift: ops.ifftshift})
        for op in OPS.values():
            _NUMPY.update(dict.fromkeys(op.record.numpy, op))
            if op.record.scipy and special:
                _NUMPY[getattr(special, op.record.scipy)] = op
        _NUMPY.update(IMPLEMENTED_BY)
        _NUMPY.update({np.shape: lambda a: a.shape, np.ndim: lambda a: a.ndim,
                       np.size: lambda a: a.size,
                       np.copy: lambda a: a.copy(), np.positive: lambda x: +x})
        known = _NUMPY.get(function)
    if known is None:
        raise _missing(function)
    return known


def _missing(function: Callable[..., object]) -> NotDifferentiableError:
    """Return the error for a function without a rule, in the name of the one that was called."""
    name = shown(function)
    called = function_called()
    ours = "full" if called is np.full else getattr(_NUMPY.get(called), "__name__", None)
    if ours and called is not function:
        return NotDifferentiableError(
            f"{shown(called)} cannot be applied to a Tensor here: it calls {name}, which has no "
            f"gradient rule. Use tg.{ours}, which takes Tensors in all its arguments.")
    if called is not None:
        name = shown(called)
    # (Those of np.fft by their names, as it is loaded only when it is used.)
    advice = IN_ITS_PLACE.get(called or function) or IN_ITS_PLACE.get(name.removeprefix("np.fft."))
    return NotDifferentiableError(
        f"{name} has no gradient rule, so it cannot be applied to a Tensor. "
        f"{f'Use {advice}' if advice else 'Use another function'}; or give it a rule: "
        f"@tg.op(rules={{'x': lambda g, y, x: ...}}, numpy={name}) before a function of x that "
        f"calls it; or apply it to .numpy() if no gradient is needed.")


_NUMPY: dict[Any, Callable[..., Any]] = {}


def _constant(function: Any, plain: Callable[[object], object], *args: object,
              **keywords: object) -> Any:
    """Call a function whose result has no derivative on the arrays of Tensors."""
    return function(*map(plain, args), **{key: plain(value) for key, value in keywords.items()})


def _array(a: object) -> Any:
    return a.numpy() if isinstance(a, Tensor) else a


def _like(a: object) -> Any:
    return np.empty(a.shape, a.dtype) if isinstance(a, Tensor) else a


def refuse_options(name: str, options: Keywords) -> None:
    """Refuse ``out=`` and ``where=``: what they write to, or leave out, would leave the graph."""
    given = [key for key in ("out", "where") if options.get(key) is not None]
    if given:
        in_place = " (an in-place operation such as += is an out=, too)" if "out" in given else ""
        raise InvalidArgumentError(
            f"{name} cannot take {', '.join(f'{key}=' for key in given)} where a Tensor is "
            f"involved{in_place}: it would leave the graph. {ADVICE}")


# -- ufuncs ----------------------------------------------------------------------------------------


def call_ufunc(tensor: Tensor, ufunc: np.ufunc, method: str, *inputs: object,
               **options: object) -> Any:
    """Call the operation that implements a ufunc: NumPy's protocol `__array_ufunc__`."""
    name = f"np.{ufunc.__name__}" if method == "__call__" else f"np.{ufunc.__name__}.{method}"
    if method == "at" or options.get("out") is not None:
        return stored_by_ufunc(name, ufunc, method, *inputs, **options)
    refuse_options(name, options)
    if method != "__call__":
        return _ufunc_method(name, ufunc, method, inputs, options)
    if options:
        raise InvalidArgumentError(
            f"{name} cannot take {', '.join(f'{k}=' for k in options)} where a Tensor is "
            f"involved. Use .astype(...) for dtype=, and leave the others out.")
    return numpy_op(ufunc)(*inputs)


def _ufunc_method(name: str, ufunc: Any, method: str, inputs: tuple[Any, ...],
                  options: Keywords) -> Any:
    """Call ``np.add.reduce`` and the like as operations."""
    if method == "outer" and not options:
        a, b = inputs
        spread = a if np.ndim(a) == 0 else ops.reshape(a, shape=np.shape(a) + (1,) * np.ndim(b))
        return ufunc(spread, b)
    known = _METHODS.get(method, {}).get(ufunc)
    if known is None:
        raise InvalidArgumentError(
            f"{name} cannot be applied to a Tensor: there is no gradient rule for it. {ADVICE}")
    return known(*inputs, **{"axis": 0, **options})  # a ufunc's default axis, unlike np.sum's


_METHODS: dict[str, dict[Any, Op]] = {
    "reduce": {np.add: ops.sum, np.multiply: ops.prod, np.maximum: ops.max, np.minimum: ops.min,
               np.logical_and: ops.all, np.logical_or: ops.any},
    "accumulate": {np.add: ops.cumsum, np.multiply: ops.cumprod}}


# -- functions -------------------------------------------------------------------------------------

NEUTRAL: dict[str, tuple[Any, ...]] = {
    "out": (None,), "dtype": (None,), "where": (True, None), "initial": (None,), "order": ("C",),
    "copy": (None,), "subok": (False,), "casting": ("same_kind",), "overwrite_input": (False,),
    "returned": (False,), "mean": (None,)}
"""Values of parameters that change nothing. (`np._NoValue` is one everywhere.)"""

RENAMED: dict[Any, dict[str, str]] = {np.clip: {"min": "a_min", "max": "a_max"},
                                      **dict.fromkeys((np.var, np.std), {"correction": "ddof"})}
"""Other names that parameters have in NumPy."""


def call_function(tensor: Tensor, function: Callable[..., object], types: object, args: Any,
                  keywords: Keywords) -> Any:
    """Call what implements a function of NumPy: the protocol `__array_function__`."""
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
            if value is not np._NoValue and not any(value is one for one in NEUTRAL.get(key, ()))}
        options, composed = COMPOSED.get(function, ((), known))
        refuse_options(shown(function), {k: v for k, v in keywords.items() if k not in options})
        if not keywords.keys().isdisjoint(options):
            return (composed(*args, **keywords) if composed is known else
                    composed(known, *args, **keywords))
    return known(*args, **keywords)


@cache
def _names(function: Callable[..., object]) -> tuple[str, ...]:
    """Return the names of the parameters that a function takes by position."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (ValueError, TypeError):
        return ()
    by_place = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return tuple(p.name for p in parameters if p.kind in by_place)


def _reduced(known: Op, a: Array, axis: Axis = None, *, keepdims: bool = False,
             dtype: DTypeLike | None = None, where: Array | None = None,
             initial: float | None = None, **more: object) -> Array:
    """Reduce in `dtype` the elements chosen by `where`, together with `initial`."""
    if dtype is not None:
        a = a.astype(dtype)
    along: Keywords = {"axis": axis, "keepdims": keepdims, **more}
    if initial is None and where is not None and known in (ops.max, ops.min):
        raise InvalidArgumentError(
            f"np.{known.name} with where= expects initial=, the result where nothing is chosen.")
    if where is not None:
        where = np.broadcast_to(where, shape_of(a))
        nothing: dict[Op, Any] = {ops.prod: 1, ops.max: initial, ops.min: initial}
        other = nothing.get(known, 0)
        a = ops.where(where, a, other)
        if known is ops.mean:
            return ops.sum(a, **along) / np.sum(where, **along)
    if initial is None:
        return known(a, **along)
    if known is ops.sum or 0 in shape_of(a) and known is not ops.prod:
        return ops.sum(a, **along) + initial
    joins: dict[Op, Op] = {
        ops.prod: ops.multiply, ops.max: ops.maximum, ops.min: ops.minimum}
    return joins[known](known(a, **along), initial)


def _converted(known: Callable[..., object], a: Array, *args: object, dtype: DTypeLike | None,
               **more: object) -> Any:
    """Call the function on the same elements in another dtype."""
    return known(a.astype(dtype), *args, **more)


def _joined(known: Callable[..., Any], arrays: object, *args: object, dtype: DTypeLike | None,
            **more: object) -> Any:
    """Join arrays in another dtype."""
    return known(arrays, *args, **more).astype(dtype)


def _in_order(known: object, a: Array, shape: Any = -1, *, order: str, **more: object) -> Array:
    """Read and write the elements in Fortran's order: the first index runs fastest."""
    if order != "F":
        raise InvalidArgumentError(f"order= must be 'C' or 'F' for a Tensor. Got {order!r}.")
    shape = tuple(shape) if np.ndim(shape) else (shape,)
    return ops.transpose(ops.reshape(ops.transpose(a, axes=None), shape=shape[::-1]), axes=None)


COMPOSED: dict[Any, tuple[tuple[str, ...], Callable[..., Any]]] = {
    **dict.fromkeys((np.sum, np.prod), (("dtype", "where", "initial"), _reduced)),
    np.mean: (("dtype", "where"), _reduced),
    **dict.fromkeys((np.max, np.amax, np.min, np.amin), (("where", "initial"), _reduced)),
    **dict.fromkeys((np.var, np.std, np.cumsum, np.cumprod, np.trace, np.linalg.trace),
                    (("dtype",), _converted)),
    **dict.fromkeys((np.concatenate, np.stack, np.hstack, np.vstack), (("dtype",), _joined)),
    **dict.fromkeys((np.reshape, np.ravel), (("order",), _in_order)),
    np.copyto: (("where",), copyto)}
"""For a function, parameters that its operation does not have, and what expresses them."""


Tensor.__array_ufunc__ = call_ufunc
Tensor.__array_function__ = call_function
