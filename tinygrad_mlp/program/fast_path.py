"""The usual call of a program, as one function made for it: only the numbers are others.

Nearly every call of a program has arguments of the same shapes as the last one, finds the very
arrays in the parameters that the last one left there, and the settings as they were. Making sure
of that, line by line in general code, takes as long as twenty operations on small arrays. So it is
written out for each program, as its instructions are::

    def usual(arguments):
        if len(arguments) != 2:
            return OUTDATED
        x, y = arguments
        if (
            type(x) is not ndarray or x.shape != (2, 4) or x.dtype is not float64
            or ...
        ):
            return OUTDATED
        with lock:
            state1 = of1.data
            state2 = get2()
            if (
                state1 is not known[0]
                or of3.grad is not None
                or ...
            ):
                return OUTDATED
            out = function(x, y, state1, state2)
        return tensor(out[0])

`OUTDATED` says that this is not the usual call; `Executable.run` finds out what it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tinygrad_mlp.program.instructions import Variable
from tinygrad_mlp.program.recording import Attribute, InputSource

Usual = Callable[[tuple[Any, ...]], Any]
"""From the arguments of a call to its result, or to `OUTDATED`."""


def usual_call(
    inputs: Sequence[Variable],
    assumptions: Sequence[tuple[Callable[[], Any], Any]],
    puts: Sequence[tuple[Callable[[Any], None], int]],
    constants: Sequence[tuple[Callable[[Any], None], Any]],
    result: tuple[int, Callable[[Any], Any]],
    **scope: Any,
) -> Usual:
    """The function that runs a program where nothing but the numbers of its arguments is new.

    Args:
        inputs: of the program; those that are data are the arguments, each an array.
        assumptions: what has to be as it was: functions, and what they returned.
        puts: what is called with values that the program's function returns, by their places.
        constants: what is called with values that are always the same.
        result: the place of the one result among the values, and what wraps it.
        scope: `function`, the program's function; `known`, the list of the arrays that were read
            last, in the order of the inputs that are no data; `lock`; `ndarray`; `OUTDATED`.
    """
    data, states, others, given = [], [], [], []
    for number, variable in enumerate(inputs):
        name = f"a{number}"
        given.append(name)
        if variable.label.kind == "data":
            data.append(name)
            scope[f"dtype{number}"] = variable.dtype
            others.append(f"type({name}) is not ndarray or {name}.shape != {variable.shape} "
                          f"or {name}.dtype is not dtype{number}")  # fmt: skip
            continue
        states.append((name, _read(variable.label, str(number), scope), variable))
    changed = [
        f"{name} is not known[{place}]"
        for place, (name, _, variable) in enumerate(states) if variable.dtype is not None
    ]  # fmt: skip
    for number, (get, expected) in enumerate(assumptions):
        now = _read(get, f"_assumed{number}", scope)
        if expected is None or isinstance(expected, bool):
            changed.append(f"{now} is not {expected}")
        else:
            scope[f"expected{number}"] = expected
            changed.append(f"{now} != expected{number}")
    at, scope["wrap"] = result
    after = [f"put{number}(out[{place}])" for number, (_, place) in enumerate(puts)]
    scope.update({f"put{number}": put for number, (put, _) in enumerate(puts)})
    for number, (put, value) in enumerate(constants):
        scope.update({f"put_constant{number}": put, f"constant{number}": value})
        after.append(f"put_constant{number}(constant{number})")
    text = "\n".join(
        [
            "def usual(arguments):",
            f"    if len(arguments) != {len(data)}:",
            "        return OUTDATED",
            *([f"    {', '.join(data)}, = arguments"] if data else []),
            *_unless(others, "    "),
            "    with lock:",
            *(f"        {name} = {read}" for name, read, _ in states),
            *_unless(changed, "        "),
            f"        out = function({', '.join(given)})",
            *(f"        {line}" for line in after),
            f"    return wrap(out[{at}])",
        ]
    )
    exec(compile(text, "<usual call>", "exec"), scope)
    made: Usual = scope["usual"]
    return made


def _read(source: InputSource | Callable[[], Any], number: str, scope: dict[str, Any]) -> str:
    """The expression that reads a place outside of the program, its names put into the scope."""
    get = source.get if isinstance(source, InputSource) else source
    if isinstance(get, Attribute):
        scope[f"of{number}"] = get.owner
        return f"of{number}.{get.attribute}"
    scope[f"get{number}"] = get
    return f"get{number}()"


def _unless(conditions: list[str], indent: str) -> list[str]:
    """The lines that end the call where one of the conditions is true."""
    if not conditions:
        return []
    return [
        f"{indent}if (",
        *(f"{indent}    {'or ' * (n > 0)}{text}" for n, text in enumerate(conditions)),
        f"{indent}):",
        f"{indent}    return OUTDATED",
    ]
