"""Passes that choose the memory of results: that of parameters, of dead values, of buffers.

A value that shares memory with another one (a transpose, a slice) lives as long as that value.
Memory is dead when none of the values that live in it is used any more.
"""

from __future__ import annotations

from dataclasses import replace

from tinygrad_mlp.program.instructions import Instruction, Variable
from tinygrad_mlp.program.kernel import kernel_of
from tinygrad_mlp.program.program import Program
from tinygrad_mlp.program.recording import Update


class Lifetimes:
    """The `root` that owns each variable's memory, and the `last` instruction that uses it.

    Memory that someone outside holds is used after all instructions.
    """

    def __init__(self, program: Program) -> None:
        self.root: dict[Variable, Variable] = {v: v for v in program.inputs}
        self.last: dict[Variable, int] = dict.fromkeys(program.inputs, -1)
        for number, line in enumerate(program.instructions):
            for operand in line.variables:
                self.last[self.root[operand]] = number
            for result in line.results:
                owner = self._owner(line, result)
                self.root[result] = owner
                self.last[owner] = max(number, self.last.get(owner, -1))
        for variable in (*program.escaping(), *program.required):
            self.last[self.root[variable]] = len(program.instructions)

    def _owner(self, line: Instruction, result: Variable) -> Variable:
        if line.into is not None:
            return self.root.setdefault(line.into, line.into)
        first = line.operands[0] if line.operands else None
        # What is not known to make new memory is taken to be a view of the first operand.
        is_view = line.op.outputs == 1 and kernel_of(line.op).may_alias
        return self.root[first] if isinstance(first, Variable) and is_view else result


def update_in_place(program: Program) -> tuple[Program, int]:
    """Write the new value of a parameter or state into the memory of the old one.

    This is possible where the old value is not used afterwards, and nothing comes afterwards that
    could still fail or turn out not to be finite.
    """
    place = {r: number for number, line in enumerate(program.instructions) for r in line.results}
    safe = max([place.get(v, -1) for v in program.required], default=-1)
    saved = 0
    for update in program.updates:
        number = place.get(update.value, -1) if isinstance(update.value, Variable) else -1
        if number > safe and _fits_in_place(program, update, number):
            lines = list(program.instructions)
            lines[number] = lines[number].changed(into=update.target)
            program = replace(program, instructions=tuple(lines))
            saved += 1
    return program, saved


def _fits_in_place(program: Program, update: Update, number: int) -> bool:
    """Return whether instruction `number` can write an updated value into its target's memory."""
    value, target = update.value, update.target
    if target is None or target.type != value.type or value.shape == ():
        return False
    lives = Lifetimes(program)
    outside = program.outputs()
    held = [lives.root[v] for v in outside if isinstance(v, Variable)]
    return (
        sum(v is value for v in outside) == 1
        and target not in held
        and lives.root[value] is value
        and lives.last[target] <= number
        and _may_write(program.instructions[number], target, lives)
    )


def _may_write(line: Instruction, target: Variable, lives: Lifetimes) -> bool:
    """Return whether an instruction can write into memory that its operands may live in."""
    if line.op.name == "accumulate":
        c, _, a, b = line.operands
        return c is target and lives.root[a] is not target and lives.root[b] is not target
    kernel = kernel_of(line.op)
    if not kernel.takes_out(line.static):
        return False
    inside = [o for o in line.variables if lives.root[o] is target]
    # Element by element, an operand may be overwritten by the result; not through a view that
    # reads it in another order.
    return kernel.elementwise and all(o is target for o in inside) or not inside


def reuse_buffers(program: Program) -> tuple[Program, int]:
    """Write results into memory that is allocated once, and shared by values that never meet."""
    buffers = _Buffers(Lifetimes(program))
    lines = []
    for number, line in enumerate(program.instructions):
        if buffers.can_hold(line, before=len(program.instructions)):
            line = line.changed(into=buffers.place_for(line, number))
        buffers.free_after(number)
        lines.append(line)
    made = replace(
        program, instructions=tuple(lines), buffers=(*program.buffers, *buffers.allocated)
    )
    return made, buffers.reused


class _Buffers:
    """The memory for the results of a program, and how often some of it was `reused`."""

    def __init__(self, lives: Lifetimes) -> None:
        self.allocated: list[Variable] = []
        self.reused = 0
        self._lives = lives
        self._busy: dict[Variable, Variable] = {}  # the buffers of results that are still needed
        self._free: list[Variable] = []

    def can_hold(self, line: Instruction, before: int) -> bool:
        """Return whether a result can lie in a buffer: it is dead before that instruction."""
        result = line.results[0]
        return (
            line.into is None
            and len(line.results) == 1
            and result.dtype is not None
            and result.shape != ()
            and self._lives.root[result] is result
            and self._lives.last[result] < before
            and kernel_of(line.op).takes_out(line.static)
        )

    def place_for(self, line: Instruction, number: int) -> Variable:
        """Return the buffer for the result of instruction `number`."""
        result = line.results[0]
        owner = self._dying_operand(line, number) if kernel_of(line.op).elementwise else None
        free = next((b for b in self._free if b.type == result.type), None)
        if owner is not None:
            place = self._busy.pop(owner)
        elif free is not None:
            place = free
            self._free.remove(free)
        else:
            place = result.like()
            self.allocated.append(place)
        self.reused += owner is not None or free is not None
        self._busy[result] = place
        return place

    def free_after(self, number: int) -> None:
        """Free the buffers of values that are not used after instruction `number`."""
        for owner in [o for o in self._busy if self._lives.last[o] <= number]:
            self._free.append(self._busy.pop(owner))

    def _dying_operand(self, line: Instruction, number: int) -> Variable | None:
        """Return an operand of the result's type whose buffer is not needed any more."""
        root = self._lives.root
        for operand in line.variables:
            dies = operand in self._busy and self._lives.last[operand] == number
            alone = all(o is operand or root[o] is not operand for o in line.variables)
            if dies and alone and operand.type == line.results[0].type:
                return operand
        return None
