"""The source code of the steps of a block: a loop over the rows of arrays made beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tinygrad_mlp.program.codegen.hoisting import hoisted
from tinygrad_mlp.program.codegen.source import NumPySource
from tinygrad_mlp.program.instructions import Instruction, Variable
from tinygrad_mlp.program.kernel import kernel_of
from tinygrad_mlp.program.program import Program


class LoopSource(NumPySource):
    """The source code of a loop over steps, each of which is a program.

    The program begins with its pre-activation z, and its results are what is collected (the
    prediction, or the loss) and the derivative at z, which takes the place of z in an array D::

        for weights, before, d, p, *rows in steps:
            z = weights @ before         # for one sample, or weights @ before + d for more
            ...
            p[...] = prediction          # or losses.append(loss)
            d[...] = delta

    Values go straight into these rows where the instruction that computes them can write there.
    What is the same in every step is written before the loop: functions, and views of arrays that
    stay where they are. A step of a small network is thirteen calls of a microsecond, and looking
    the functions up would take a tenth of it.

    Args:
        program: of a step.
        rows: its inputs that differ from step to step.
        fixed: its other inputs: parameters, which it may update in place, and states.
        collects: whether the first result goes into rows `p`; else it is a loss, a number.
    """

    def __init__(
        self,
        program: Program,
        rows: Sequence[Variable],
        fixed: Sequence[Variable],
        collects: bool,
    ) -> None:
        self.z, self.rows, self.fixed = program.inputs[0], list(rows), list(fixed)
        collected, delta = program.results
        self._row = {"d": Variable(0.0), "p": Variable(0.0)}
        places = {delta: self._row["d"]}
        if collects:
            places = {collected: self._row["p"], **places}
        self._collected, self._delta, self._collects = collected, delta, collects
        lines = [self._placed(line, places) for line in program.instructions]
        self._written_there = {line.into for line in lines}
        z_memory = Variable(0.0)
        z_memory.shape, z_memory.dtype, z_memory.name = *self.z.type, self.z.name
        super().__init__(
            replace(program, instructions=tuple(lines), buffers=(z_memory, *program.buffers))
        )

    @staticmethod
    def _placed(line: Instruction, places: dict[Variable, Variable]) -> Instruction:
        place = places.get(line.results[0])
        if place is None or line.into is not None or not kernel_of(line.op).takes_out:
            return line
        return line.changed(into=place)

    def returned(self) -> list[Variable]:
        """What the function returns: the updated values."""
        return [u.value for u in self.program.updates if isinstance(u.value, Variable)]

    def _written(self) -> str:
        program, names = self.program, self.names
        names.update({variable: name for name, variable in self._row.items()})
        names[self.z] = names[program.buffers[0]]
        for line in program.instructions:
            if line.into is not None:  # the array, which has one name for all of its values
                names[line.results[0]] = names[line.into]
        fixed = self.fixed
        carried = [
            (u.target, u.value) for u in program.updates
            if u.target in fixed and isinstance(u.value, Variable)
            and names[u.target] != names[u.value]
        ]  # fmt: skip
        loop = [self._first(), *self._body(), *self._last()]
        if carried:
            targets, values = zip(*carried, strict=True)
            loop.append(f"{self._tuple(targets)} = {self._tuple(values)}")
        stays = [*program.buffers, *(v for v in fixed if v not in dict(carried))]
        before, loop = hoisted(loop, {names[v] for v in stays}, set(names.values()))
        varying = ["weights", "before", "d", *["p"] * self._collects]
        varying += [names[v] for v in self.rows]
        arguments = ["steps", "losses", *(names[v] for v in fixed)]
        return "\n".join(
            [
                *self._header(),
                "",
                f"def {program.name}({', '.join(arguments)}):",
                *(f"    {text}" for text in before),
                f"    for {', '.join(varying)} in steps:",
                *(f"        {text}" for text in loop),
                f"    return ({self._tuple(self.returned())})",
                "",
            ]
        )

    def _running(self) -> str:
        return self.text

    def _first(self) -> str:
        z = self.names[self.z]
        text = f"weights.dot(before, out={z})"
        return text if self.z.shape[0] == 1 else f"{text}; np.add({z}, d, out={z})"

    def _last(self) -> list[str]:
        lines = []
        if not self._collects:
            lines.append(f"losses.append(float({self._operand(self._collected)}))")
        elif self._row["p"] not in self._written_there:
            lines.append(f"p[...] = {self._operand(self._collected)}")
        if self._row["d"] not in self._written_there:
            lines.append(f"d[...] = {self._operand(self._delta)}")
        return lines

    def _lines(self, line: Instruction) -> list[str]:
        lines = super()._lines(line)
        if line.into is None or not lines:
            return lines
        # The result is where it belongs: what the call returns is the array it was given.
        _, _, call = lines[0].partition(" = ")
        call, _, shape = call.partition("#")
        call = call.rstrip().removesuffix(".T")
        return [f"{call:<60}  #{shape}", *lines[1:]]
