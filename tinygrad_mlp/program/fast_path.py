"""The fast path of a compiled function: a call in which only the numbers of the arguments are new.

In nearly every call the arguments have the shapes of the last call, the parameters hold the very
arrays that the last call left there, and the settings are unchanged. Checking that line by line in
general code takes as long as twenty operations on small arrays. So a function is written for each
program, like its instructions. Where it returns `OUTDATED`, `Executable.run` finds out what has
changed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from tinygrad_mlp.program.instructions import Variable
from tinygrad_mlp.program.recording import Attribute

OUTDATED = object()
"""Returned by a run whose program does not hold any more, so that another one must be recorded."""



def _references_of_a_variable() -> int:
    """Return how many references to an object are counted that only one local variable holds."""
    array = object()
    return sys.getrefcount(array)  # 1 or 2: not every Python counts the argument


UNSHARED = _references_of_a_variable() + 2
"""References to an array of a parameter that nobody else holds: those of a local variable, of the
parameter, and of the program that wrote it. If there are more, a graph, say, holds the array or a
view of it, and what is written into it would change what they hold."""

FastPath = Callable[[tuple[Any, ...]], Any]
"""A function from the arguments of a call to its result, or to `OUTDATED`."""


def fast_path(inputs: Sequence[Variable], assumptions: Sequence[tuple[Callable[[], Any], Any]],
              written: Collection[Variable | None],
              puts: Sequence[tuple[Callable[[Any], None], int]],
              constants: Sequence[tuple[Callable[[object], None], object]],
              results: Sequence[tuple[int, Callable[[object], object]]], alone: bool,
              **scope: Any) -> FastPath:
    """Return the function that runs a program where only the numbers of the arguments are new.

    The first `inputs` are data, each an array. Those `written` are overwritten by the program.
    `puts` are called with values of the given places among those that the program returns, and
    `constants` with the values beside them. `results` are places as well, with the functions that
    make a Tensor or an array of each; one may stand `alone`, more form a tuple. `scope` holds
    `function`, `lock`, and in `known` the arrays that the other inputs held last.
    """
    scope.update(ndarray=np.ndarray, getrefcount=sys.getrefcount, OUTDATED=OUTDATED)
    data = [v for v in inputs if v.label.kind == "data"]
    states = list(enumerate(inputs[len(data) :]))
    arguments = [f"a{n}" for n in range(len(data))]
    others = [
        f"type({a}) is not ndarray or {a}.shape != {v.shape} "
        f"or {a}.dtype is not {_name(v.dtype, scope)}"
        for a, v in zip(arguments, data, strict=True)]
    settings = [_different(get, expected, scope) for get, expected in assumptions]
    changed = [f"s{n} is not known[{n}]" for n, v in states if v.dtype is not None]
    changed += [f"getrefcount(s{n}) > {UNSHARED}" for n, v in states if v in written]
    returned = [f"{_name(wrap, scope)}(out[{place}])" for place, wrap in results]
    text = [
        "def fast_path(arguments):",
        f"    if len(arguments) != {len(data)}:",
        "        return OUTDATED",
        *([f"    {', '.join(arguments)}, = arguments"] if data else []),
        *_unless(others, "    "),
        "    with lock:",
        *_unless(settings, "        "),  # first: they decide which states there are
        *(f"        s{n} = {_reading(v.label.get, scope)}" for n, v in states),
        *_unless(changed, "        "),
        f"        out = function({', '.join([*arguments, *(f's{n}' for n, _ in states)])})",
        *(f"        {_name(put, scope)}(out[{place}])" for put, place in puts),
        *(f"        {_name(put, scope)}({_name(value, scope)})" for put, value in constants),
        f"    return {', '.join(returned)}{'' if alone else ','}"]
    exec(compile("\n".join(text), "<fast path>", "exec"), scope)
    made: FastPath = scope.pop("fast_path")
    return made


def _name(value: object, scope: dict[str, object]) -> str:
    """Return a new name for an object that the generated function uses."""
    name = f"v{len(scope)}"
    scope[name] = value
    return name


def _reading(get: Callable[[], object], scope: dict[str, object]) -> str:
    """Return the code that reads a place outside of the program."""
    if isinstance(get, Attribute):
        return f"{_name(get.owner, scope)}.{get.attribute}"
    return f"{_name(get, scope)}()"


def _different(get: Callable[[], object], expected: object, scope: dict[str, object]) -> str:
    """Return the condition that a place does not hold what it is expected to hold."""
    if expected is None or isinstance(expected, bool):
        return f"{_reading(get, scope)} is not {expected}"
    return f"{_reading(get, scope)} != {_name(expected, scope)}"


def _unless(conditions: list[str], indent: str) -> list[str]:
    """Return the lines that end the call where one of the conditions is true."""
    if not conditions:
        return []
    return [
        f"{indent}if (",
        *(f"{indent}    {'or ' * (n > 0)}{text}" for n, text in enumerate(conditions)),
        f"{indent}):",
        f"{indent}    return OUTDATED"]
