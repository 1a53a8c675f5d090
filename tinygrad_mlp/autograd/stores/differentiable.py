"""Functions that record stores, although their file has ``import numpy as np``: `differentiable`.

While such a function is differentiated, the variables that hold NumPy in it, and in all that it
calls, hold the recording module. The code of its functions has ``dot(a, b)`` in the place of
``a.dot(b)``, since the method of a plain array takes no tensor. Both do the same as before outside
of differentiation, so other threads may run the functions meanwhile.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import RLock
from types import CodeType, FunctionType
from typing import Any, TypeVar, cast

import numpy as np

from tinygrad_mlp.autograd.graph import Value
from tinygrad_mlp.autograd.mode import MODE, changed_mode
from tinygrad_mlp.autograd.pytree import leaves
from tinygrad_mlp.autograd.stores.creation import NUMPY, RECORDING
from tinygrad_mlp.autograd.stores.reachable import Holder, variables
from tinygrad_mlp.support.source_rewriting import (
    Change,
    FunctionSource,
    copied,
    rebound,
    source_of,
)

F = TypeVar("F", bound=Callable[..., Any])

_INSTEAD: dict[int, Any] = {
    id(np): NUMPY, **{id(getattr(np, name)): made for name, made in RECORDING.items()}}
"""What a variable holds instead of NumPy, or of one of its functions; by `id`."""

_LOCK = RLock()
_HELD: dict[tuple[int, str], list[Any]] = {}
"""For each variable with another value: the number of calls that need it, the variable, the value
that it had, and the one that it has now."""


def differentiable(f: F) -> F:
    """Return `f` as a function that records what is stored into the arrays it creates.

    In the place of ``import tinygrad_mlp.numpy as np`` in a file that is to stay as it is:
    ``h = np.zeros(3); h[0] = x`` is recorded where `f` is differentiated, checked or traced, or is
    called with a tensor that requires a gradient; also in the functions and methods that it calls,
    but for those of installed packages. Otherwise `f` is called as it is.

    Args:
        f: a function or method that uses NumPy by a global variable, or by one of an enclosing
            function. May be used as a decorator.

    Returns:
        The function.

    >>> import numpy as np, tinygrad_mlp as tg
    >>> @tg.differentiable
    ... def powers(x):
    ...     y = np.ones(3)
    ...     for i in range(1, 3):
    ...         y[i] = y[i - 1] * x
    ...     return np.sum(y)  # 1 + x + x²
    >>> float(tg.grad(powers)(3.0))
    7.0
    """

    @functools.wraps(f)
    def recording(*args: object, **keywords: object) -> Any:
        mode = MODE.get()
        if not mode.differentiating and mode.recording and any(
                isinstance(a, Value) and a.requires_grad for a in leaves([args, keywords])):
            with changed_mode(differentiating=getattr(f, "__name__", "differentiable")):
                return recording(*args, **keywords)
        with stores_recorded(f, args, keywords):
            return f(*args, **keywords)

    return cast(F, recording)


@contextmanager
def stores_recorded(*values: object) -> Iterator[None]:
    """Let the functions that `values` are or hold record stores, where gradients are wanted."""
    if not MODE.get().differentiating:
        yield
        return
    held: list[Holder] = []
    try:
        with _LOCK:
            held.extend(variable for variable in variables(*values) if _enter(variable))
        yield
    finally:
        with _LOCK:
            for variable in held:
                _leave(variable)


def _enter(variable: Holder) -> bool:
    """Give a variable its other value, if it has one."""
    key = id(variable.holder), variable.name
    if key in _HELD:
        _HELD[key][0] += 1
        return True
    value = variable.value
    made = _rewritten(variable.holder) if isinstance(value, CodeType) else _INSTEAD.get(id(value))
    if made is None:
        return False
    _HELD[key] = [1, variable, value, made]
    variable.value = made
    return True


def _leave(variable: Holder) -> None:
    """Give a variable its own value again, if no other call needs the other one."""
    key = id(variable.holder), variable.name
    held = _HELD[key]
    held[0] -= 1
    if not held[0]:
        del _HELD[key]
        if variable.value is held[3]:
            variable.value = held[2]


# -- the method .dot -------------------------------------------------------------------------------

MARK = "<dot of tinygrad_mlp>"
"""Stands in rewritten code where the function `dot` will be."""

_CODES: dict[tuple[CodeType, str], CodeType | None] = {}
"""For a function's code and file, the rewritten code; None if there is nothing to rewrite."""


def dot(a: Any, *others: Any, **options: Any) -> Any:
    """Return ``a.dot(*others)``."""
    if isinstance(a, np.ndarray):
        return np.dot(a, *others, **options)
    return a.dot(*others, **options)


def calling_dot(function: ast.expr) -> Change:
    """Return the change of ``a.dot(b)`` to ``function(a, b)``."""

    def change(original: ast.AST, copy: Any) -> ast.AST:
        called = getattr(copy, "func", None)
        if isinstance(called, ast.Attribute) and called.attr == "dot":
            made = ast.Call(function, [called.value, *copy.args], copy.keywords)
            return ast.copy_location(made, copy)
        return copy

    return change


def _rewritten(function: FunctionType) -> CodeType | None:
    """Return the code of a function with `dot`; None if it has no ``.dot``, or no source."""
    code = function.__code__
    key = code, code.co_filename  # two files may hold equal functions
    if key not in _CODES:
        if len(_CODES) > 1000:
            _CODES.clear()
        source = source_of(function) if _uses_dot(code) else None
        _CODES[key] = None if source is None else _compiled(function, source)
    return _CODES[key]


def _compiled(function: FunctionType, source: FunctionSource) -> CodeType | None:
    marked = ast.Attribute(ast.Constant(MARK), "__call__", ast.Load())
    tree = copied(source.tree, calling_dot(marked))
    made: CodeType = rebound(function, source, tree).__code__
    return _unmarked(made) if made.co_freevars == function.__code__.co_freevars else None


def _uses_dot(code: CodeType) -> bool:
    return "dot" in code.co_names or any(
        _uses_dot(c) for c in code.co_consts if isinstance(c, CodeType))


def _unmarked(code: CodeType) -> CodeType:
    """Return the code with the function `dot` in the place of the mark."""
    return code.replace(co_consts=tuple(
        _unmarked(c) if isinstance(c, CodeType) else dot if c == MARK else c
        for c in code.co_consts))
