"""The parts of a program: variables, and the instructions that compute them."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.op import Op

Number = (bool, int, float)


class Variable:
    """A value of a program: an input, or a result of an instruction.

    A variable knows its shape and dtype. Its number is known only while the program is recorded,
    when everything is computed for an example.

    Attributes:
        data: the value in the example, a Python number for a number; None once it is dropped.
        instruction: the instruction that computes it; None for an input.
        index: its place among the results of that instruction.
        label: any object by which the code that makes an input recognises it later.
        name: the name in listings, or None.
        shape: lengths of the axes.
        dtype: type of the elements. None for a Python number, beside which float32 stays float32.

    >>> from tinygrad_mlp.program import Trace
    >>> variable = Trace().input(np.array([1.0, 2.0]), label="data").variable
    >>> variable.label, variable.shape, variable.instruction is None
    ('data', (2,), True)
    """

    __slots__ = ("data", "instruction", "index", "label", "name", "shape", "dtype")

    def __init__(self, data: Any, instruction: Instruction | None = None, index: int = 0,
                 label: Any = None) -> None:
        self.data = data
        self.instruction = instruction
        self.index = index
        self.label = label
        self.name: str | None = None
        self.shape: tuple[int, ...] = np.shape(data)
        self.dtype: np.dtype[Any] | None = None if type(data) in Number else data.dtype

    def like(self, name: str | None = None, label: object = None) -> Variable:
        """Return a new variable of the same type, computed by nothing and without an example."""
        made = copy.copy(self)
        made.data = made.instruction = None
        made.index, made.name, made.label = 0, name, label
        return made

    @property
    def type(self) -> tuple[tuple[int, ...], np.dtype[Any] | None]:
        """Shape and dtype. Memory of the same type can hold the value."""
        return self.shape, self.dtype

    def __repr__(self) -> str:
        return f"{self.name or '_'}: {self.dtype or 'number'}{list(self.shape)}"


class Instruction:
    """One operation of a program.

    Attributes:
        op: the operation.
        operands: the array arguments: variables, constant arrays, Python numbers, or None.
        static: the keyword parameters.
        results: the outputs, of which there is usually one.
        into: the variable whose memory takes the result, or None for new memory.

    `out` is the value that the operation returned in the example; the results are made from it.

    >>> import numpy as np, tinygrad_mlp as tg
    >>> double = tg.compile(lambda x: 2 * x)
    >>> double(np.array([1.0, 2.0]))
    array([2., 4.])
    >>> [instruction.op.name for instruction in double.program.instructions]
    ['multiply']
    """

    __slots__ = ("op", "operands", "static", "results", "into")

    def __init__(self, op: Op, operands: tuple[Any, ...], static: dict[str, Any], out: Any) -> None:
        self.op = op
        self.operands = operands
        self.static = static
        self.results = tuple(Variable(o, self, i) for i, o in enumerate(op.as_tuple(out)))
        self.into: Variable | None = None

    @property
    def variables(self) -> list[Variable]:
        """The variables among the operands."""
        return [o for o in self.operands if isinstance(o, Variable)]

    @property
    def transposed(self) -> Variable | None:
        """The variable whose last two axes it exchanges; None for another operation."""
        matrix = self.op.name == "transpose" and self.static["axes"] is None
        swapped = self.op.name == "swapaxes" and set(self.static.values()) == {-1, -2}
        of = self.operands[0] if matrix or swapped else None
        return of if isinstance(of, Variable) else None

    def changed(self, **fields: object) -> Instruction:
        """Return an instruction with the same results and other `fields`."""
        made = copy.copy(self)
        for name, value in fields.items():
            setattr(made, name, value)
        return made

    def replacing(self, instead: Mapping[Variable, object]) -> Instruction:
        """Return an instruction with other operands in the place of some variables."""
        if instead.keys().isdisjoint(self.variables):
            return self
        return self.changed(operands=tuple(
            instead.get(o, o) if isinstance(o, Variable) else o for o in self.operands))

    def forward(self, operands: Iterable[object]) -> tuple[Any, ...]:
        """Compute the values of the results from values of the operands."""
        out = self.op.forward(*operands, **self.static)
        return tuple(
            value if variable.dtype is None else np.asarray(value)
            for variable, value in zip(self.results, self.op.as_tuple(out), strict=True))


def is_generator(value: object) -> bool:
    """Return whether something is a random generator, without loading `numpy.random`."""
    return hasattr(value, "bit_generator")


def is_random(static: dict[str, object]) -> bool:
    """Return whether an operation draws random numbers, that is, was given a generator."""
    return any(map(is_generator, static.values()))


def generators_in(instructions: Iterable[Instruction]) -> list[Any]:
    """Return the random generators that instructions draw from."""
    values = (value for line in instructions for value in line.static.values())
    return list({id(value): value for value in values if is_generator(value)}.values())
