"""A pass that lets matrices lie in memory column by column, as BLAS forms products fastest.

BLAS stores matrices column by column and NumPy row by row. So a product ``X Wᵀ`` that is to lie row
by row is computed as ``W Xᵀ``, and BLAS prepares the first factor of a product, here the larger
one, much more slowly than the second: for 32 samples of 784 numbers and 256 units, that is a third
of the time. Where the product lies column by column, the samples are the first factor.

NumPy computes element by element as fast in one order as in the other, where all arrays have the
same. So arrays are taken together that meet in such operations, and all of them lie column by
column, or none. A wrong choice here costs time, and changes no more than the order of additions.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.op import OPS
from tinygrad_mlp.program.instructions import Instruction, Variable
from tinygrad_mlp.program.kernel import accumulate, kernel_of, product
from tinygrad_mlp.program.program import Program

LARGE = 10_000
"""Elements of a product's second factor from which it takes long to prepare as the first one."""
FEW = 256
"""Rows of a product up to which that is a large part of it: with 784 numbers and 256 units, steps
on 32 samples take 0.8 of the time, on 128 samples 0.9, on 256 samples 0.97."""


def lie_in_columns(program: Program) -> tuple[Program, int]:
    """Let products lie column by column where everything that meets them can do so, too."""
    if not any(_pays_off(line) for line in program.instructions):
        return program, 0
    memory = _Memory(program)
    for line in program.instructions:
        memory.see(line)
    for variable in (*program.escaping(), *program.required):
        memory.exclude(variable)
    chosen = memory.chosen()
    return replace(program, by_columns=frozenset(chosen)), len(chosen.intersection(memory.products))


def _pays_off(line: Instruction) -> bool:
    """Return whether the order of a product counts; in double precision it made no difference."""
    return (_multiplies(line) and line.results[0].dtype == np.float32
            and line.results[0].shape[0] <= FEW and math.prod(_shape(line.operands[1])) >= LARGE)


def _multiplies(line: Instruction) -> bool:
    """Return whether an instruction computes a product of matrices into memory that is there."""
    shapes = [_shape(operand) for operand in line.operands]
    two = all(len(shape) == 2 for shape in shapes)
    return line.op is product or line.op is OPS["matmul"] and two and line.into is not None


class _Memory:
    """Which places in memory, buffers or new arrays, must have the same order of elements.

    `products` are the results for which an order by columns pays off.
    """

    def __init__(self, program: Program) -> None:
        self.buffers = set(program.buffers)
        self.products: set[Variable] = set()
        self._place: dict[Variable, Variable] = {}  # where the value of a variable lies
        self._views: dict[Variable, Variable] = {}  # transposes, and what they are views of
        self._group: dict[Variable, Variable] = {}  # a forest: each place leads to its group
        self._excluded: set[Variable] = set()

    def see(self, line: Instruction) -> None:
        """Take account of what an instruction reads and writes."""
        result = line.results[0]
        if line.transposed is not None:
            self._views[result] = self._views.get(line.transposed, line.transposed)
        elif _multiplies(line) and self._place_result(line):
            if _pays_off(line):
                self.products.add(result)
        elif line.op is accumulate and line.operands[2].shape[1] != 1:
            self.exclude(line.operands[0])
        elif line.op is OPS["sum"] and line.static["axis"] == 0 and line.into is None:
            self.exclude(*(v for v in line.variables if v in self._views))
        elif not (_is_elementwise(line) and self._place_result(line) and self._join_operands(line)):
            self.exclude(*line.variables, *line.results)
            if line.into is not None:
                self._excluded.add(line.into)

    def exclude(self, *variables: Variable) -> None:
        """Leave row by row what is read in that order, or by someone else."""
        for variable in variables:
            place = self._place.get(self._views.get(variable, variable))
            if place is not None:
                self._excluded.add(place)

    def chosen(self) -> set[Variable]:
        """Return the places and the variables that lie column by column."""
        wanted = {self._root(self._place[v]) for v in self.products}
        wanted -= {self._root(place) for place in self._excluded if place in self._group}
        values = {v for v, place in self._place.items() if self._root(place) in wanted}
        return values | {self._place[v] for v in values}

    def _place_result(self, line: Instruction) -> bool:
        """Note where the result lies; False if that is not memory of the program's own."""
        result = line.results[0]
        place = result if line.into is None else line.into
        if len(result.shape) != 2 or line.into is not None and place not in self.buffers:
            return False
        self._place[result] = place
        self._group.setdefault(place, place)
        return True

    def _join_operands(self, line: Instruction) -> bool:
        """Put the operands that are as large as the result into its group; False if one cannot."""
        result = line.results[0]
        for operand in line.operands:
            if _shape(operand) != result.shape:
                continue
            place = self._place.get(operand) if isinstance(operand, Variable) else None
            if place is None:
                return False
            self._group[self._root(place)] = self._root(self._place[result])
        return True

    def _root(self, place: Variable) -> Variable:
        while self._group[place] is not place:
            place = self._group[place]
        return place


def _is_elementwise(line: Instruction) -> bool:
    return len(line.results) == 1 and (line.op.elementwise or kernel_of(line.op).elementwise)


def _shape(operand: Any) -> tuple[int, ...]:
    return operand.shape if isinstance(operand, Variable) else np.shape(operand)
