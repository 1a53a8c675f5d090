"""What NumPy's functions mean on Tensors.

`numpy_op` finds the operation for a function. The rest: methods of ufuncs (``np.add.reduce``),
functions whose result is constant wherever it has a derivative, and what is said of those that
have no rule.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.graph import Value
from tinygrad_mlp.autograd.op import IMPLEMENTED_BY, OPS, Op
from tinygrad_mlp.errors import InvalidArgumentError, NotDifferentiableError

METHODS = (
    "std", "prod", "cumsum", "cumprod", "repeat", "take", "diagonal", "trace", "round", "argsort",
    "searchsorted", "nonzero", "all", "any", "ravel",
)  # fmt: skip
"""Methods that a Tensor shares with ndarray and that are an operation, or a plain function, of
the same name with the Tensor as first argument."""

CONSTANT = (
    np.argwhere, np.nonzero, np.flatnonzero, np.allclose, np.array_equal, np.array_repr,
    np.array_str, np.array2string, np.shares_memory, np.may_share_memory,
)  # fmt: skip
"""Their results are constant wherever they have a derivative: plain arrays. Those that have a
record, as argmax and isnan, are not listed here."""

SHAPES_ONLY = (np.empty_like, np.result_type, np.iscomplexobj, np.isrealobj)
"""They ask for the shape and the dtype only, which are known of a traced value, too."""

ADVICE = (
    "Write the expression without it (x = x + y for x += y, tg.where(...) for where=, a new array "
    "for an assignment), or use .numpy() where no gradient is needed."
)

_REDUCE = {
    np.add: "sum", np.multiply: "prod", np.maximum: "max", np.minimum: "min",
    np.logical_and: "all", np.logical_or: "any",
}  # fmt: skip
_ACCUMULATE = {np.add: "cumsum", np.multiply: "cumprod"}


def shown(function: Any) -> str:
    """A function as a user would write it: ``np.linalg.norm``.

    >>> shown(np.linalg.norm), shown(np.tanh)
    ('np.linalg.norm', 'np.tanh')
    """
    name = getattr(function, "__name__", str(function))
    if getattr(np, name, None) is function:
        return f"np.{name}"
    module = getattr(function, "__module__", None) or "scipy.special"  # whose ufuncs have none
    return f"{module}.{name}".replace("numpy.", "np.", 1)


def without_rule(function: Any) -> NotDifferentiableError:
    """What to say of a function that no operation stands for."""
    name = shown(function)
    return NotDifferentiableError(
        f"{name} has no gradient rule, so it cannot be applied to a Tensor. Use another function; "
        f"or give it a rule: @tg.op(rules={{'x': lambda g, y, x: ...}}, numpy={name}) before a "
        f"function of x that calls it; or apply it to .numpy() if no gradient is needed."
    )


def numpy_op(function: Callable[..., Any]) -> Callable[..., Any]:
    """The operation that stands for a function of NumPy or SciPy when it is called on a Tensor.

    Raises:
        NotDifferentiableError: there is none.
    """
    known = _NUMPY.get(function)
    if known is None or isinstance(known, Op) and OPS.get(known.name) is not known:
        # The first call, or an operation was defined, redefined or removed since then.
        _NUMPY.clear()
        # Loaded if a function of it was called; else it need not be, and nothing is imported here.
        special = sys.modules.get("scipy.special")  # noqa: TID251
        for op in OPS.values():
            _NUMPY.update(dict.fromkeys(op.record.numpy, op))
            if op.record.scipy and special:
                _NUMPY[getattr(special, op.record.scipy)] = op
        _NUMPY.update(IMPLEMENTED_BY)
        _NUMPY.update({np.shape: lambda a: a.shape, np.ndim: lambda a: a.ndim,
                       np.size: lambda a: a.size,
                       np.copy: lambda a: a.copy(), np.positive: lambda x: +x})  # fmt: skip
        known = _NUMPY.get(function)
    if known is None:
        known = constant(function)
    if known is None:
        raise without_rule(function)
    return known


_NUMPY: dict[Any, Callable[..., Any]] = {}


def refuse_options(name: str, options: Mapping[str, Any]) -> None:
    """Stop at ``out=`` and ``where=``: what they write to, or leave out, would leave the graph.

    Raises:
        InvalidArgumentError: one of them is given.
    """
    given = [key for key in ("out", "where") if options.get(key) is not None]
    if given:
        in_place = " (an in-place operation such as += is an out=, too)" if "out" in given else ""
        raise InvalidArgumentError(
            f"{name} cannot take {', '.join(f'{key}=' for key in given)} where a Tensor is "
            f"involved{in_place}: it would leave the graph. {ADVICE}"
        )


def constant(function: Callable[..., Any]) -> Callable[..., Any] | None:
    """The function on the arrays behind Tensors, if its result has no derivative; else None."""
    if function in SHAPES_ONLY:
        return lambda *args, **kwargs: function(*map(_like, args), **kwargs)
    if function in CONSTANT:
        return lambda *args, **kwargs: function(
            *map(_array, args), **{key: _array(value) for key, value in kwargs.items()}
        )
    return None


def _array(a: Any) -> Any:
    return a.numpy() if isinstance(a, Value) else a  # type: ignore[attr-defined]


def _like(a: Any) -> Any:
    return np.empty(a.shape, a.dtype) if isinstance(a, Value) else a  # type: ignore[attr-defined]


def ufunc_method(ufunc: Any, kind: str, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """``np.add.reduce`` and the like, in operations.

    Raises:
        InvalidArgumentError: no operation does the same.
    """
    name = f"np.{ufunc.__name__}.{kind}"
    refuse_options(name, options)
    if kind == "outer" and not options:
        a, b = inputs
        spread = a if np.ndim(a) == 0 else ops.reshape(a, shape=np.shape(a) + (1,) * np.ndim(b))
        return ufunc(spread, b)
    if kind in ("reduce", "accumulate"):
        options.setdefault("axis", 0)  # a ufunc's default, unlike np.sum's
        known = OPS.get((_REDUCE if kind == "reduce" else _ACCUMULATE).get(ufunc, ""))
        if known is not None:
            return known(*inputs, **options)
    raise InvalidArgumentError(
        f"{name} cannot be applied to a Tensor: there is no gradient rule for it. {ADVICE}"
    )


def refuse_storing(depth: int) -> None:
    """Stop where a number is taken of a tracked tensor to be stored in an array: ``a[0] = x``.

    NumPy asks for a float there, as ``float(x)`` does, and the gradient would be lost without a
    word. What is asking can be told from the instruction that the caller stands at.

    Args:
        depth: how many callers above this function the asking one is.

    Raises:
        NotDifferentiableError: it is an assignment to an element.
    """
    from dis import opname

    frame = sys._getframe(depth + 1)
    if frame.f_lasti >= 0 and opname[frame.f_code.co_code[frame.f_lasti]] in (
        "STORE_SUBSCR", "STORE_SLICE",
    ):  # fmt: skip
        raise cannot_become_an_array()


def cannot_become_an_array() -> NotDifferentiableError:
    """What to say where NumPy would take the numbers of a tracked tensor and lose its history."""
    return NotDifferentiableError(
        "a tensor that requires a gradient cannot become (a part of) a plain array unnoticed: its "
        "history would be lost. Join tensors with tg.array([...]) instead of np.array([...]) "
        "(or tg.stack, tg.concatenate), also instead of filling an array element by element; use "
        ".numpy() or .detach() if the history is to be lost."
    )


def array(data: Any, dtype: Any = None) -> Any:
    """What ``np.array`` makes of nested lists, with Tensors among their elements.

    ``y[i, j, …] = data[i][j]…``; the gradient of each element is the entry of the cotangent at
    its place. NumPy cannot be told to leave Tensors in a list alone, so ``np.array([t1, t2])`` is
    an error and this its remedy.

    Args:
        data: a number, an array, a Tensor, or a list or tuple of such, nested to any depth; all
            elements of a list of the same shape.
        dtype: of the result; by default NumPy's promotion of what is in it.

    Returns:
        A Tensor where a Tensor is in it, else an ndarray; always a copy.

    Raises:
        ShapeError: the elements of a list are of different shapes.

    >>> import tinygrad_mlp as tg
    >>> f = lambda x: tg.sum(tg.array([[x[0], 2.0], [x[1], x[0]]]) ** 2)
    >>> tg.grad(f)(np.array([3.0, 4.0]))
    array([12.,  8.])
    """
    made = _joined(data)
    if isinstance(made, Value):
        return made if dtype is None else made.astype(dtype)  # type: ignore[attr-defined]
    return np.array(made, dtype=dtype)


def _joined(data: Any) -> Any:
    if isinstance(data, Value):
        return data.copy()  # type: ignore[attr-defined]
    if not isinstance(data, (list, tuple)):
        return data
    parts = [_joined(part) for part in data]
    if any(isinstance(part, Value) for part in parts):
        return ops.stack(parts)
    return np.array(parts) if parts else np.array(data)
