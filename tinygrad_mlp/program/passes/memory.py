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
        and _may_write(program.instructions[number], target, lives))


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
    lives, end = Lifetimes(program), len(program.instructions)
    allocated: list[Variable] = []
    free: list[Variable] = []
    busy: dict[Variable, Variable] = {}  # the buffers of results that are still needed
    lines, placed = [], 0
    for number, line in enumerate(program.instructions):
        if _can_hold(line, lives, end):
            result = line.results[0]
            dying = _dying_operand(line, number, lives, busy)
            place = next((b for b in free if b.type == result.type), None)
            if dying is not None:
                place = busy.pop(dying)
            elif place is not None:
                free.remove(place)
            else:
                place = result.like()
                allocated.append(place)
            placed += 1
            busy[result] = place
            line = line.changed(into=place)
        for owner in [o for o in busy if lives.last[o] <= number]:
            free.append(busy.pop(owner))
        lines.append(line)
    buffers = (*program.buffers, *allocated)
    return replace(program, instructions=tuple(lines), buffers=buffers), placed - len(allocated)


def _can_hold(line: Instruction, lives: Lifetimes, end: int) -> bool:
    """Return whether a result can lie in a buffer: it is dead before the end."""
    result = line.results[0]
    return (
        line.into is None
        and len(line.results) == 1
        and result.dtype is not None
        and result.shape != ()
        and lives.root[result] is result
        and lives.last[result] < end
        and kernel_of(line.op).takes_out(line.static))


def _dying_operand(line: Instruction, number: int, lives: Lifetimes,
                   busy: dict[Variable, Variable]) -> Variable | None:
    """Return an operand whose buffer can take the result, since it is not needed any more."""
    if not kernel_of(line.op).elementwise:
        return None
    for operand in line.variables:
        dies = operand in busy and lives.last[operand] == number
        alone = all(o is operand or lives.root[o] is not operand for o in line.variables)
        if dies and alone and operand.type == line.results[0].type:
            return operand
    return None
