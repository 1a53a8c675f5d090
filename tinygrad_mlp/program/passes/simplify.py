"""Passes: each a function from a program to a program that computes the same with less work.

Every pass returns the new program and how much it has saved; `improved` runs them in order.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.mode import changed_mode
from tinygrad_mlp.autograd.op import OPS
from tinygrad_mlp.program.instructions import Instruction, Number, Variable, is_random
from tinygrad_mlp.program.passes.fuse_updates import (
    products_accumulated,
    products_by_one_library,
    scaled_once,
)
from tinygrad_mlp.program.passes.lowering import written_out
from tinygrad_mlp.program.passes.memory import buffers_reused, updates_in_place
from tinygrad_mlp.program.program import Program

Pass = Callable[[Program], tuple[Program, int]]

KEEPING = ("identity", "reshape", "broadcast_to", "sum_to", "astype")
"""Operations that change nothing where the result has the shape and dtype of the operand."""


def without_identities(program: Program) -> tuple[Program, int]:
    """Leave out what changes nothing: ``1 · x``, ``x / 1``, ``−(−x)``, reshaping to the same shape.

    Constants that fill an array with one number become that number, where the result is of the
    same shape and dtype all the same.
    """
    instead: dict[Variable, Any] = {}
    kept: list[Instruction] = []
    definition: dict[Variable, Instruction] = {}
    saved = 0
    for line in program.instructions:
        operands = tuple(instead.get(o, o) if isinstance(o, Variable) else o for o in line.operands)
        line = line.changed(operands=_filled_as_numbers(line, operands))
        same = _unchanged(line, definition)
        if same is None:
            kept.append(line)
            definition.update(dict.fromkeys(line.results, line))
        else:
            instead[line.results[0]] = same
            if isinstance(same, Variable) and same.name is None and same.instruction is not None:
                same.name = line.results[0].name
            saved += 1
    return program.rewritten(kept, instead), saved


def _type(a: Any) -> Any:
    return (a.shape, a.dtype) if isinstance(a, (Variable, np.ndarray)) else None


def _filled_as_numbers(line: Instruction, operands: tuple[Any, ...]) -> tuple[Any, ...]:
    if line.op.name not in ("add", "subtract", "multiply", "divide"):
        return operands
    made: list[Any] = list(operands)
    for i, a in enumerate(operands):
        other = operands[1 - i]
        constant = isinstance(a, (np.ndarray, np.floating)) and a.size > 0 and a.dtype.kind == "f"
        if constant and _type(other) == _type(line.results[0]):
            flat = np.ravel(a)
            if (flat == flat[0]).all():
                made[i] = float(flat[0])
    return tuple(made)


def _unchanged(line: Instruction, definition: dict[Variable, Instruction]) -> Any:
    """The operand that the result of an instruction is equal to, or None."""
    result, name = line.results[0], line.op.name
    first = line.operands[0] if line.operands else None
    if name in KEEPING and _type(first) == _type(result) and len(line.operands) == 1:
        return first
    before = definition.get(first) if isinstance(first, Variable) else None
    if name == "negative" and before is not None and before.op.name == "negative":
        return before.operands[0]
    if name == "transpose" and before is not None and before.op.name == "transpose":
        if line.static["axes"] is None and before.static["axes"] is None:
            return before.operands[0]
    if name in ("multiply", "divide") and _is_one(line.operands[1]):
        return first if _type(first) == _type(result) or result.dtype is None else None
    if name == "multiply" and _is_one(first):
        second = line.operands[1]
        return second if _type(second) == _type(result) or result.dtype is None else None
    return None


def _is_one(a: Any) -> bool:
    return type(a) in Number and a == 1


def constants_folded(program: Program) -> tuple[Program, int]:
    """Compute once and for all what depends on nothing but constants."""
    instead: dict[Variable, Any] = {}
    kept: list[Instruction] = []
    for line in program.instructions:
        operands = [instead.get(o, o) if isinstance(o, Variable) else o for o in line.operands]
        if any(isinstance(o, Variable) for o in operands) or is_random(line.static):
            kept.append(line)
            continue
        with changed_mode(hook=None, recorder=None):
            out = line.op.forward(*operands, **line.static)
        outs = out if line.op.outputs > 1 else (out,)
        for variable, value in zip(line.results, outs, strict=True):
            instead[variable] = value if variable.dtype is None else np.asarray(value)
    return program.rewritten(kept, instead), len(program.instructions) - len(kept)


def common_subexpressions(program: Program) -> tuple[Program, int]:
    """Compute once what is computed several times from the same operands."""
    instead: dict[Variable, Any] = {}
    known: dict[Any, Instruction] = {}
    kept: list[Instruction] = []
    for line in program.instructions:
        operands = tuple(instead.get(o, o) if isinstance(o, Variable) else o for o in line.operands)
        key = (line.op, tuple(map(_identity, operands)), repr(line.static))
        first = None if is_random(line.static) else known.get(key)
        if first is None:
            known[key] = line
            kept.append(line)
        else:
            instead.update(zip(line.results, first.results, strict=True))
            for ours, theirs in zip(first.results, line.results, strict=True):
                ours.name = ours.name or theirs.name
    return program.rewritten(kept, instead), len(program.instructions) - len(kept)


def _identity(a: Any) -> Any:
    if isinstance(a, Variable) or a is None:
        return a
    return (type(a), a) if type(a) in Number else id(a)


def without_dead_code(program: Program) -> tuple[Program, int]:
    """Leave out what nothing depends on, inputs included."""
    needed = program.escaping() | set(program.required)
    kept: list[Instruction] = []
    for line in reversed(program.instructions):
        if needed.intersection(line.results):
            kept.append(line)
            needed.update(o for o in line.operands if isinstance(o, Variable))
    kept.reverse()
    saved = len(program.instructions) - len(kept)
    inputs = tuple(v for v in program.inputs if v in needed or v.label.kind == "data")
    saved += len(program.inputs) - len(inputs)
    return replace(program, instructions=tuple(kept), inputs=inputs), saved


def views_shared(program: Program) -> tuple[Program, int]:
    """Count the transposes that BLAS and NumPy read as views, without a copy being made."""
    views = sum(line.op.name in ("transpose", "swapaxes") for line in program.instructions)
    return program, views


SUMMED = 512
"""Elements up to which the rows of a matrix are added up by a product."""


def sums_as_products(program: Program) -> tuple[Program, int]:
    """Add up the rows of small matrices by BLAS: ``1ᵀ A``, with a vector of ones made once.

    NumPy takes two microseconds to begin a sum, and less than one to begin a product.
    """
    made: dict[Any, Any] = {}

    def as_product(line: Instruction) -> Instruction:
        a = line.operands[0] if line.operands else None
        small = (
            line.op is OPS["sum"] and isinstance(a, Variable) and len(a.shape) == 2
            and a.dtype in (np.float32, np.float64) and a.type[1] == line.results[0].dtype
            and line.static == {"axis": 0, "keepdims": False}
            and 0 < math.prod(a.shape) <= SUMMED
        )  # fmt: skip
        if not small:
            return line
        assert isinstance(a, Variable)
        ones = made.setdefault((a.shape[0], a.dtype), np.ones(a.shape[0], a.dtype))
        return line.changed(op=OPS["matmul"], operands=(ones, a), static={})

    return program.line_by_line(as_product)


FILLED = 1024
"""Elements up to which a number beside an array is written out as an array."""


def numbers_filled(program: Program) -> tuple[Program, int]:
    """Write ``1 − a`` as ``ones − a`` for small arrays, with a constant made once.

    Turning a Python number into an operand takes NumPy as long as subtracting a thousand elements.
    """
    made: dict[Any, Any] = {}
    saved = 0

    def filled(line: Instruction, a: Any) -> Any:
        nonlocal saved
        if type(a) not in Number:
            return a
        saved += 1
        result = line.results[0]
        return made.setdefault(
            (a, result.type), np.full(result.shape, a, result.dtype)
        )

    def few_floats(line: Instruction) -> bool:
        result = line.results[0]
        return (
            line.op.name in ("add", "subtract", "multiply", "divide")
            and result.dtype is not None and result.dtype.kind == "f"
            and 0 < len(result.shape) and 0 < math.prod(result.shape) <= FILLED
            and any(_type(o) == _type(result) for o in line.operands)
        )  # fmt: skip

    lines = [
        line.changed(operands=tuple(filled(line, o) for o in line.operands))
        if few_floats(line) else line
        for line in program.instructions
    ]  # fmt: skip
    return replace(program, instructions=tuple(lines)), saved


SIMPLIFYING: tuple[tuple[str, Pass], ...] = (
    ("left out what changes nothing", without_identities),
    ("folded constants", constants_folded),
    ("left out what changes nothing", without_identities),
    ("shared common sub-expressions", common_subexpressions),
    ("left out dead code", without_dead_code),
)
FASTER: tuple[tuple[str, Pass], ...] = (
    ("multiplied by the learning rate once and not every gradient", scaled_once),
    ("added products by BLAS where they belong", products_accumulated),
    ("left out dead code", without_dead_code),
    ("read transposed matrices as views", views_shared),
    ("added up the rows of small matrices by BLAS", sums_as_products),
    ("wrote numbers beside small arrays as arrays", numbers_filled),
    ("updated parameters and states in place", updates_in_place),
    ("wrote results into memory that was there", buffers_reused),
    ("left products to the BLAS that adds them", products_by_one_library),
)


def simplified(program: Program) -> Program:
    """The program written out and without what is superfluous: for reading."""
    return _passed(written_out(program), SIMPLIFYING)


def improved(program: Program) -> Program:
    """A simplified program made to use BLAS and memory well: for running."""
    return _passed(program, FASTER)


def _passed(program: Program, passes: tuple[tuple[str, Pass], ...]) -> Program:
    for text, function in passes:
        program, saved = function(program)
        if saved:
            program = replace(program, passes=(*program.passes, f"{text}: {saved}"))
    return program
