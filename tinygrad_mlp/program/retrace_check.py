"""The check that a function does the same at every call: two recordings of it are compared.

Operations are recorded. Everything else enters the program with the value it had: noise that NumPy
draws by itself, a counter, a list that grows. One recording cannot distinguish such a value from a
constant. Two recordings can: they must agree in everything but the data.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Value
from tinygrad_mlp.program.instructions import Instruction, Variable
from tinygrad_mlp.program.recording import Recording


class TraceSignature:
    """The content of a recording without the numbers of its examples."""

    def __init__(self, recording: Recording) -> None:
        self._inputs = recording.inputs
        # Tensors that are neither parameters nor arguments are constants as long as nobody has
        # assigned to them; they are compared by their numbers.
        self._held = [
            np.array(v.label.of.data)
            if isinstance(v.label.of, Value) and not v.label.of.requires_grad
            else None
            for v in recording.inputs]
        self._lines = recording.instructions
        results = [r for line in self._lines for r in line.results]
        self._number = {v: n for n, v in enumerate([*self._inputs, *results])}

    def difference(self, other: TraceSignature) -> str | None:
        """Return the first thing in which another recording of the function differs, or None."""
        for one, two, a, b in zip_longest(self._inputs, other._inputs, self._held, other._held):
            if one is None or two is None or one.type != two.type:
                return "what it reads"
            if not _same_place(one.label.of, two.label.of) and (
                    a is None or b is None or not _same(a, b)):
                return "the tensors it reads"
        for line, twin in zip_longest(self._lines, other._lines):
            if line is None or twin is None or line.op is not twin.op:
                return f"which operations it does, at '{(line or twin).op.name}'"
            different = self._difference_in(line, twin, other)
            if different is not None:
                return f"{different} of '{line.op.name}'"
        return None

    def _difference_in(self, line: Instruction, twin: Instruction,
                       other: TraceSignature) -> str | None:
        """Return the first thing in which two calls of an operation differ, or None."""
        for name, value in line.static.items():
            if not _same(value, twin.static[name]):
                return f"the parameter {name}"
        for number, (a, b) in enumerate(zip_longest(line.operands, twin.operands)):
            if isinstance(a, Variable) and isinstance(b, Variable):
                if self._number[a] != other._number[b]:
                    return f"argument {number + 1}"
            elif not _same(a, b):
                return f"argument {number + 1}, an array that was not computed by operations,"
        return None


def _same_place(a: object, b: object) -> bool:
    """Return whether two inputs are read from one tensor, or by the same function."""
    return a is b or not (isinstance(a, Value) or isinstance(b, Value)) and bool(a == b)


def _same(a: Any, b: Any) -> bool:
    """Return whether two constants are equal, NaN to NaN."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(map(_same, a, b))
    return bool(a == b) or (a != a and b != b)
