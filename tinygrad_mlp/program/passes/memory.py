"""Where results are put: into the memory of parameters, of dead values, of buffers.

A value that shares memory with another one (a transpose, a slice) lives as long as that; they
form a group, which is dead when none of its members is used any more.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tinygrad_mlp.program.instructions import Instruction, Variable
from tinygrad_mlp.program.kernel import kernel_of
from tinygrad_mlp.program.program import Program

VIEWS = ("transpose", "swapaxes", "reshape", "getitem", "broadcast_to", "identity", "diagonal")
"""Operations whose result may share the memory of their first operand."""


class Lifetimes:
    """Which memory each variable lives in, and until which instruction.

    Attributes:
        root: the variable that owns the memory of each variable.
        last: the number of the last instruction that uses a root's memory; beyond the last one
            where someone outside holds it.
    """

    def __init__(self, program: Program) -> None:
        self.root: dict[Variable, Variable] = {v: v for v in program.inputs}
        self.last: dict[Variable, int] = dict.fromkeys(program.inputs, -1)
        for number, line in enumerate(program.instructions):
            for operand in line.operands:
                if isinstance(operand, Variable):
                    self.last[self.root[operand]] = number
            shares = shares_memory(line)
            for result in line.results:
                first = line.operands[0] if line.operands else None
                owner = self.root[first] if shares and isinstance(first, Variable) else result
                if line.into is not None:
                    owner = self.root.setdefault(line.into, line.into)
                self.root[result] = owner
                self.last[owner] = max(number, self.last.get(owner, -1))
        for variable in (*program.escaping(), *program.required):
            self.last[self.root[variable]] = len(program.instructions)


def shares_memory(line: Instruction) -> bool:
    """Whether the result of an instruction may be a view of its first operand."""
    if line.op.name in VIEWS:
        return True
    # What is not known to make new memory is taken to be a view.
    return line.op.outputs == 1 and kernel_of(line.op).may_alias


def updates_in_place(program: Program) -> tuple[Program, int]:
    """Write the new value of a parameter or state into the memory of the old one.

    Where the old value is not used after, and nothing that could still fail or turn out not to be
    finite comes after.
    """
    lines = list(program.instructions)
    place = {r: number for number, line in enumerate(lines) for r in line.results}
    safe = max([place.get(v, -1) for v in program.required], default=-1)
    outside = [*program.results, *(u.value for u in program.updates)]
    saved = 0
    for update in program.updates:
        value, target = update.value, update.target
        if target is None or not isinstance(value, Variable) or value not in place:
            continue
        number = place[value]
        line = lines[number]
        lives = Lifetimes(replace(program, instructions=tuple(lines)))
        alone = sum(v is value for v in outside) == 1 and not any(
            isinstance(v, Variable) and lives.root[v] is target for v in outside
        )
        fits = target.type == value.type and value.shape != ()
        if (
            fits and alone and number > safe and lives.root[value] is value
            and lives.last[target] <= number and _may_write(line, target, lives)
        ):  # fmt: skip
            lines[number] = line.changed(into=target)
            saved += 1
    return replace(program, instructions=tuple(lines)), saved


def _may_write(line: Instruction, target: Variable, lives: Lifetimes) -> bool:
    """Whether an instruction can write into memory that some of its operands may live in."""
    if line.op.name == "accumulate":
        c, _, a, b = line.operands
        return c is target and lives.root[a] is not target and lives.root[b] is not target
    kernel = kernel_of(line.op)
    if not kernel.takes_out:
        return False
    inside = [o for o in line.operands if isinstance(o, Variable) and lives.root[o] is target]
    # Element by element, an operand may be overwritten by the result; not through a view that
    # reads it in another order.
    return kernel.elementwise and all(o is target for o in inside) or not inside


def buffers_reused(program: Program) -> tuple[Program, int]:
    """Write results into memory that is allocated once, and shared by values that never meet."""
    lines = list(program.instructions)
    lives = Lifetimes(program)
    end = len(lines)
    storage: dict[Variable, Variable] = {}
    free: list[Variable] = []
    buffers: list[Variable] = []
    saved = 0
    busy: dict[Variable, Variable] = {}
    for number, line in enumerate(lines):
        result = line.results[0]
        kernel = kernel_of(line.op)
        wanted = (
            line.into is None and len(line.results) == 1 and kernel.takes_out
            and result.dtype is not None and result.shape != ()
            and lives.root[result] is result and lives.last[result] < end
        )  # fmt: skip
        if wanted:
            place = None
            if kernel.elementwise:
                place = _dying_operand(line, number, lives, storage)
            if place is None:
                place = next((b for b in free if b.type == result.type), None)
                if place is not None:
                    free.remove(place)
                    saved += 1
            else:
                saved += 1
                for owner in [o for o, b in busy.items() if b is place]:
                    del busy[owner]
            if place is None:
                place = Variable(np.empty(0, result.dtype))
                place.shape, place.data = result.shape, None
                buffers.append(place)
            storage[result] = busy[result] = place
            lines[number] = line.changed(into=place)
        for owner in [o for o in busy if lives.last[o] <= number]:
            free.append(busy.pop(owner))
    made = replace(program, instructions=tuple(lines), buffers=(*program.buffers, *buffers))
    return made, saved


def _dying_operand(
    line: Instruction, number: int, lives: Lifetimes, storage: dict[Variable, Variable]
) -> Variable | None:
    """The memory of an operand of the result's type that nobody needs after this instruction."""
    for operand in line.operands:
        if (
            isinstance(operand, Variable) and operand in storage
            and operand.type == line.results[0].type and lives.last[operand] == number
            and all(o is operand or not isinstance(o, Variable) or lives.root[o] is not operand
                    for o in line.operands)
        ):  # fmt: skip
            return storage[operand]
    return None
