"""The source code of a block of steps: a loop over the rows of arrays made beforehand."""

from __future__ import annotations

import ast
import functools
from collections.abc import Sequence
from dataclasses import replace
from textwrap import indent

from tinygrad_mlp.program.codegen.expressions import untransposed
from tinygrad_mlp.program.codegen.source import Hoister, Line, NumPySource, assignment
from tinygrad_mlp.program.instructions import Instruction, Variable
from tinygrad_mlp.program.kernel import call, expression, kernel_of
from tinygrad_mlp.program.program import Program, unique_names


class LoopSource(NumPySource):
    """The source code of a loop over steps, each of which is a program.

    The first input of the program is its pre-activation z. Its results are the loss, unless it is
    computed from predictions, so many `collected` arrays (predictions, outputs), and the derivative
    at z, which takes the place of z in an array D::

        for weights, before, d, p, *rows in steps:
            z = weights @ before         # for one sample, or weights @ before + d for more
            ...
            p[...] = prediction          # or losses.append(loss)
            d[...] = delta

    An instruction that can write into given memory writes its result into these rows directly.
    Functions, and views of arrays that stay where they are, get their names before the loop.

    `rows` are the inputs that differ from step to step; `fixed` are the others: parameters, which
    a step may update in place, and states.
    """

    reserved = ("steps", "losses", "weights", "before", "d", "p", "q")

    def __init__(self, program: Program, rows: Sequence[Variable], fixed: Sequence[Variable],
                 collected: int) -> None:
        self.z, self.rows, self.fixed = program.inputs[0], rows, fixed
        self._kept_results = program.results[-collected - 1 :]
        self._memory = {Variable(0.0): name for name in (*"pq"[:collected], "d")}
        self._places = dict(zip(self._kept_results, self._memory, strict=True))
        self._z_memory = self.z.like(self.z.name)
        instructions = tuple(map(self._placed, program.instructions))
        buffers = (self._z_memory, *program.buffers)
        super().__init__(replace(program, instructions=instructions, buffers=buffers))

    def _placed(self, line: Instruction) -> Instruction:
        """Return an instruction that writes into a row of D or of the predictions if it can."""
        place = self._places.get(line.results[0])
        if place is None or line.into is not None or not kernel_of(line.op).takes_out(line.static):
            return line
        return line.changed(into=place)

    def returned(self) -> list[Variable]:
        """Return the variables that the function returns: the updated values."""
        return [u.value for u in self.program.updates if isinstance(u.value, Variable)]

    def _named(self) -> dict[Variable, str]:
        """Return the names of variables; all values of an array have the name of the array."""
        names = unique_names(self.program, self.reserved)
        names.update({**self._memory, self.z: names[self._z_memory]})
        for line in self.program.instructions:
            if line.into is not None:
                names[line.results[0]] = names[line.into]
        return names

    @functools.cached_property
    def text(self) -> str:
        """The code as it is shown and as it runs, except for the objects in `given`."""
        carried = {
            u.target: u.value for u in self.program.updates
            if u.target is not None and u.target in self.fixed and isinstance(u.value, Variable)
            and self.names[u.target] != self.names[u.value]}
        lines = list(self._lines)
        if carried:
            values = expression(f"({self._tuple(carried.values())})")
            lines.append(Line(assignment(self._tuple(carried), values)))
        stay = [*self.program.buffers, *(v for v in self.fixed if v not in carried)]
        hoister = Hoister({self.names[v] for v in stay}, self._expressions.taken)
        lines = hoister.hoist(lines)
        *collected, _ = self._memory.values()
        varying = ["weights", "before", "d", *collected, *(self.names[v] for v in self.rows)]
        loop = [f"for {', '.join(varying)} in steps:", *(indent(str(a), "    ") for a in lines)]
        arguments = ["steps", "losses", *(self.names[v] for v in self.fixed)]
        return self._module(arguments, [*hoister.found(), *loop])

    def _running(self) -> str:
        return self.text

    def _body(self) -> list[Line]:
        """Return the lines of a step: its pre-activation, its instructions, and what is kept."""
        z = self.names[self.z]
        first = [Line(ast.Expr(expression(f"weights.dot(before, out={z})")))]
        if self.z.shape[0] > 1:
            first.append(Line(ast.Expr(expression(f"np.add({z}, d, out={z})"))))
        return [*first, *super()._body(), *self._kept()]

    def _kept(self) -> list[Line]:
        """Return the lines that keep what has not been written into its row already."""
        written = {line.into for line in self.program.instructions}
        lines = []
        for loss in self.program.results[: -len(self._memory)]:
            appended = call("losses.append", call("float", self._expressions.operand(loss)))
            lines.append(Line(ast.Expr(appended)))
        for result, (memory, name) in zip(self._kept_results, self._memory.items(), strict=True):
            if memory not in written:
                value = self._expressions.operand(result)
                lines.append(Line(assignment(f"{name}[...]", value)))
        return lines

    def _statement(self, line: Instruction) -> ast.stmt:
        """Return a call without an assignment where it writes its result to where it belongs."""
        if line.into is None:
            return super()._statement(line)
        return ast.Expr(untransposed(self._expressions.value(line)))
