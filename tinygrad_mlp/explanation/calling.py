"""Calling the function that computes an output, to learn what its values are called there."""

from __future__ import annotations

import dis
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import CodeType, FrameType
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.graph import Value
from tinygrad_mlp.autograd.mode import changed_mode
from tinygrad_mlp.autograd.stores.differentiable import stores_recorded
from tinygrad_mlp.autograd.tensor import Tensor
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.support.source_rewriting import INSTALLED, codes_of

CONSTANTS = ("LOAD_CONST", "LOAD_SMALL_INT", "RETURN_CONST")
"""Instructions that give a number that stands in the code."""


class Called(NamedTuple):
    """The output of a function, its targets, and values by the names that the function has.

    `literals` are numbers that stand in the code without a name, and `samples` is the length of the
    first matrix of data, which is n if that has no name.
    """

    output: Any
    targets: list[Value]
    names: dict[str, Any]
    literals: set[float]
    samples: int | None


def called(function: Callable[..., Any], values: Any) -> Called:
    """Call a function with values by name; all floats among them become tensors of that name.

    So ``1 − y`` is recorded as such, and a number λ is not taken for another of the same size. The
    targets are the tensors that require gradients; without any, the first value.
    """
    if not isinstance(values, Mapping):
        raise InvalidArgumentError(
            f"explain() expects the values of a function's arguments as a mapping by name: "
            f"explain(f, {{'w': w, 'X': X}}). Got {type(values).__name__}.")
    given = {name: _tracked(value, name) for name, value in values.items()}
    wanted = [name for name, v in values.items() if isinstance(v, Value) and v.requires_grad]
    wanted = wanted or [name for name, v in given.items() if isinstance(v, Tensor)][:1]
    output, local, codes = _with_locals(function, given)
    for name in _counters(function):
        local.pop(name, None)
    outside = {name: value for name, value in _outside(function).items() if name not in local}
    names = {}
    for name, value in {**outside, **local}.items():
        if isinstance(value, Tensor) and value.node is not None and value.node.name is None:
            # The output itself is L, unless it is an array.
            if value.node is not getattr(output, "node", None) or np.size(_data(output)) != 1:
                value.name = name
        elif isinstance(value, (int, float, np.ndarray)) and not isinstance(value, bool):
            names[name] = value
        elif isinstance(value, Tensor) and value.node is None and name not in given:
            names[name] = value.data  # an array that the function has made
    literals = _literals(codes, names.values())
    data = [v for name, v in given.items() if name not in wanted and np.ndim(_data(v)) == 2]
    samples = len(_data(data[0])) if data else None
    return Called(output, [given[name] for name in wanted], names, literals, samples)


def _data(value: Any) -> Any:
    return value.data if isinstance(value, Value) else value


def weighted(output: Any) -> tuple[Any, Any]:
    """``Σ v ⊙ f`` of an array f, and v: numbers by which no two elements are confused."""
    v = np.random.default_rng(0).uniform(0.5, 1.5, size=output.data.shape)
    return ops.sum(output * v), v


def _tracked(value: Any, name: str) -> Any:
    data = value.data if isinstance(value, Value) else value
    number = isinstance(data, float)
    if number or (isinstance(data, np.ndarray) and data.dtype.kind == "f"):
        return Tensor(data, requires_grad=True, name=name)
    return value


def _with_locals(function: Callable[..., Any],
                 given: Mapping[str, Any]) -> tuple[Any, dict[str, Any], list[CodeType]]:
    """The result of a call, the local variables at its end, and the user's codes that ran."""
    local: dict[str, Any] = {}

    def look(frame: FrameType, event: str, argument: Any) -> None:
        if event == "return" and frame.f_code is code:
            local.update(frame.f_locals)
        ran[frame.f_code] = None

    before = sys.getprofile()
    with changed_mode(recording=True, differentiating="explain"), stores_recorded(function):
        code = getattr(function, "__code__", None)
        ran = {} if code is None else dict.fromkeys(codes_of(code))
        if before is not None and not callable(before):
            return function(**given), {}, [*ran]  # a profiler like cProfile could not be put back
        sys.setprofile(look)
        try:
            output = function(**given)
        finally:
            sys.setprofile(before)
    users = [each for each in ran if not each.co_filename.startswith((*INSTALLED, "<frozen"))]
    return output, local, users


def _literals(codes: Sequence[CodeType], named: Iterable[Any]) -> set[float]:
    """The sizes of the numbers in codes, but for those that a variable of the first one has."""
    found: set[float] = set()
    given: set[float] = set()
    for code in codes:
        loaded: list[float] = []
        for instruction in dis.get_instructions(code):
            if code is codes[0] and instruction.opname.startswith(("STORE", "UNPACK")):
                given.update(loaded)
            value = instruction.argval if instruction.opname in CONSTANTS else None
            several = value if isinstance(value, tuple) else (value,)
            loaded = [abs(v) for v in several if isinstance(v, (int, float))]
            found.update(loaded)
    return found - given.intersection(v for v in named if isinstance(v, (int, float)))


def _counters(function: Callable[..., Any]) -> set[str]:
    """The variables of loops, which have another value at each step."""
    code = getattr(function, "__code__", None)
    found: set[str] = set()
    stores = 0  # how many of the next instructions store what a loop gives
    for instruction in dis.get_instructions(code) if code is not None else ():
        if instruction.opname == "FOR_ITER":
            stores = 1
        elif stores and instruction.opname == "UNPACK_SEQUENCE":
            stores = int(instruction.argval)
        elif stores and instruction.opname.startswith("STORE"):
            named = instruction.argval  # of several at once in later versions of Python
            several = named if isinstance(named, tuple) else (named,)
            found.update(several[:1] if "LOAD" in instruction.opname else several)
            stores -= 1
        else:
            stores = 0
    return found


def _outside(function: Callable[..., Any]) -> dict[str, Any]:
    """The variables from outside that the body of a function names."""
    if not hasattr(function, "__code__"):
        return {}
    found = inspect.getclosurevars(function)
    return {**found.globals, **found.nonlocals}
