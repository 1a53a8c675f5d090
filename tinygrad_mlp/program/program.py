"""A program: a recorded step as a plain list of instructions."""

from __future__ import annotations

import keyword
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.mode import changed_mode
from tinygrad_mlp.errors import ProgramError
from tinygrad_mlp.program.instructions import Instruction, Variable, is_random
from tinygrad_mlp.program.recording import Update
from tinygrad_mlp.support.html import listing


@dataclass(frozen=True)
class Program:
    """The computation of a step, in order.

    Attributes:
        inputs: the values it starts from: data, parameters, states. The `label` of each says
            which it is.
        instructions: the operations.
        results: the values that it returns: variables, or constants.
        updates: what it changes outside of itself at the end of a run.
        required: variables that must be finite, or else nothing is changed.
        buffers: memory that results are written into, allocated once.
        by_columns: buffers and variables that lie in memory column by column.
        passes: what the passes have done to it, a line each.
        name: the name of the recorded function.
        write_source: the function that writes a program as NumPy source code. It is passed in so
            that this module needs none of those that build on it.

    >>> import numpy as np, tinygrad_mlp as tg
    >>> step = tg.compile(lambda x: tg.sum(tg.exp(x)))
    >>> step(np.zeros(2)).item()
    2.0
    >>> [instruction.op.name for instruction in step.program.instructions]
    ['exp', 'sum']
    """

    inputs: tuple[Variable, ...]
    instructions: tuple[Instruction, ...]
    results: tuple[Any, ...]
    updates: tuple[Update, ...] = ()
    required: tuple[Variable, ...] = ()
    buffers: tuple[Variable, ...] = ()
    by_columns: frozenset[Variable] = frozenset()
    passes: tuple[str, ...] = ()
    name: str = "step"
    write_source: Callable[[Program], str] = field(kw_only=True, repr=False)

    # -- looking at it -----------------------------------------------------------------------

    def explain_passes(self) -> str:
        """Return what each pass has saved, a line for each."""
        return "\n".join(self.passes) or "no passes were run"

    @property
    def source(self) -> str:
        """The program as NumPy source code, which runs on its own."""
        return self.write_source(self)

    def _repr_html_(self) -> str:
        return listing(str(self)) + listing(self.source, "NumPy source")

    def __str__(self) -> str:
        """Return a listing: a line for each input, instruction, result and update, with shapes."""
        names = unique_names(self)

        def shown(a: Any) -> str:
            if isinstance(a, Variable):
                return names[a]
            return "None" if a is None else repr(a) if np.ndim(a) == 0 else f"array{np.shape(a)}"

        lines = [f"{self.name}:"]
        for variable in self.inputs:
            kind = variable.label.kind
            lines.append(f"  {kind:<9} {names[variable]:<12} {_type_of(variable)}")
        for line in self.instructions:
            left = ", ".join(names[r] for r in line.results)
            given = [shown(o) for o in line.operands]
            given += [f"{key}={value!r}" for key, value in line.static.items()]
            into = "" if line.into is None else f" -> {names[line.into]}"
            call = f"{line.op.name}({', '.join(given)}){into}"
            lines.append(f"  {left:<12} = {call:<44} # {_type_of(line.results[0])}")
        lines += [f"  return    {shown(r)}" for r in self.results]
        for update in self.updates:
            target = "" if update.target is None else f" (was {names[update.target]})"
            lines.append(f"  update    {shown(update.value)}{target}")
        return "\n".join(lines)

    # -- what passes need --------------------------------------------------------------------

    def outputs(self) -> list[Any]:
        """Return what is handed over after a run: the results, then the updated values."""
        return [*self.results, *(update.value for update in self.updates)]

    def returned(self) -> list[Variable]:
        """Return the variables among the outputs: what the program's function returns."""
        return [a for a in self.outputs() if isinstance(a, Variable)]

    def escaping(self) -> set[Variable]:
        """Return the variables that someone outside holds after a run."""
        return set(self.returned())

    def uses(self) -> dict[Variable, int]:
        """Return how often each variable is used, by instructions or outside."""
        used = [v for line in self.instructions for v in line.variables]
        outside = (*self.outputs(), *self.required)
        return Counter([*used, *(a for a in outside if isinstance(a, Variable))])

    def line_by_line(self, change: Callable[[Instruction], Instruction]) -> tuple[Program, int]:
        """Return the program with `change` done to each instruction, and how many differ."""
        lines = tuple(map(change, self.instructions))
        saved = sum(new is not old for new, old in zip(lines, self.instructions, strict=True))
        return replace(self, instructions=lines), saved

    def rewritten(self, instructions: Iterable[Instruction],
                  instead: Mapping[Variable, object]) -> Program:
        """Return the program of these instructions, with others in the place of variables."""

        def of(a: object) -> Any:
            while isinstance(a, Variable) and a in instead:
                a = instead[a]
            return a

        final = {variable: of(variable) for variable in instead}
        return replace(
            self,
            instructions=tuple(line.replacing(final) for line in instructions),
            results=tuple(map(of, self.results)),
            updates=tuple(update._replace(value=of(update.value)) for update in self.updates),
            required=tuple(v for v in map(of, self.required) if isinstance(v, Variable)))

    # -- running and checking it -------------------------------------------------------------

    def run(self, values: Iterable[object]) -> tuple[list[Any], list[Any]]:
        """Compute results and updated values from values of the inputs, line by line.

        This is slow but needs no source code, so that the fast way can be checked against it.
        """
        known: dict[Any, Any] = dict(zip(self.inputs, values, strict=True))

        def of(a: object) -> Any:
            return known[a] if isinstance(a, Variable) else a

        with changed_mode(hook=None, recorder=None):
            for line in self.instructions:
                known.update(zip(line.results, line.forward(map(of, line.operands)), strict=True))
        return list(map(of, self.results)), [of(update.value) for update in self.updates]

    def check(self) -> None:
        """Check that everything is computed once, before it is used, and has its type.

        Raises:
            ProgramError: naming the instruction, what was expected and what it is.
        """
        defined = set(self.inputs)
        memory = {*self.inputs, *self.buffers}
        for number, line in enumerate(self.instructions):
            where = f"instruction {number} ({line.op.name})"
            _check_line(where, line, defined, memory)
            if not is_random(line.static):
                _check_types(where, line)
            defined.update(line.results)
        for a in (*self.outputs(), *self.required):
            if isinstance(a, Variable) and a not in defined:
                raise ProgramError(f"the program hands over {a!r}, which is never computed.")


def _check_line(where: str, line: Instruction, defined: set[Variable],
                memory: set[Variable]) -> None:
    for operand in line.variables:
        if operand not in defined:
            raise ProgramError(f"{where} uses {operand!r} before it is computed.")
    unknown = set(line.static) - {*line.op.defaults, "position"}
    if unknown:
        raise ProgramError(f"{where} has no parameter {', '.join(sorted(unknown))}.")
    again = defined.intersection(line.results)
    if again:
        raise ProgramError(f"{where} computes {again.pop()!r} a second time.")
    if line.into is not None and line.into not in memory:
        raise ProgramError(f"{where} writes into {line.into!r}, which is not memory.")
    if line.into is not None and line.into.type != line.results[0].type:
        raise ProgramError(f"{where} writes {line.results[0]!r} into {line.into!r}.")


def _check_types(where: str, line: Instruction) -> None:
    """Compare the types of results with those of a trial, where made-up numbers allow one."""
    operands = [_made_up(o) if isinstance(o, Variable) else o for o in line.operands]
    try:
        with changed_mode(hook=None, recorder=None), np.errstate(all="ignore"):
            values = line.forward(operands)
    except (ArithmeticError, np.linalg.LinAlgError, IndexError, AttributeError):
        return
    except (ValueError, TypeError) as error:
        raise ProgramError(f"{where} cannot take these operands: {error}") from error
    for variable, value in zip(line.results, values, strict=True):
        if variable.dtype is not None and (value.shape, value.dtype) != variable.type:
            raise ProgramError(
                f"{where} is written down as {variable!r}, but gives "
                f"{value.dtype}{list(value.shape)}.")


def _made_up(variable: Variable) -> Any:
    """Return an array of a variable's type; matrices of floats are regular."""
    if variable.dtype is None:
        return 0.5
    array = np.ones(variable.shape, variable.dtype)
    if variable.dtype.kind == "f" and array.ndim >= 2:
        array[..., np.arange(min(array.shape[-2:])), np.arange(min(array.shape[-2:]))] += 1
    return array


def _type_of(variable: Variable) -> str:
    return "number" if variable.dtype is None else f"{variable.shape} {variable.dtype}"


def unique_names(program: Program, reserved: Iterable[str] = ()) -> dict[Variable, str]:
    """Return a name for every variable: an identifier that no other has, nor is `reserved`."""
    taken = {"np", "blas", "special", "math", program.name, *reserved}
    everything = [(v, v.label.kind[0]) for v in program.inputs]
    everything += [(v, "buffer") for v in program.buffers]
    everything += [(r, "t") for line in program.instructions for r in line.results]
    names: dict[Variable, str] = {}
    for named in (True, False):  # names that were given come before those that are made up
        for variable, letter in everything:
            if (variable.name is not None) is named:
                names[variable] = _name_of(variable, letter, taken)
    return names


def _name_of(variable: Variable, letter: str, taken: set[str]) -> str:
    text = re.sub(r"\W", "_", variable.name or "")
    if text.isidentifier() and not keyword.iskeyword(text):
        return unique_name(text, taken)
    made = (f"{letter}{number}" for number in count(1))
    return unique_name(next(name for name in made if name not in taken), taken)


def unique_name(wanted: str, taken: set[str]) -> str:
    """Return a name like the one that is wanted, and add it to those that are taken."""
    name, number = wanted, 1
    while name in taken:
        number += 1
        name = f"{wanted}_{number}"
    taken.add(name)
    return name
