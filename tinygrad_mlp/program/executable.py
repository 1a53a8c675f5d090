"""A program as it runs: what it reads elsewhere, what it is given, and what it hands over."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Value, make_value
from tinygrad_mlp.autograd.pytree import leaves, rebuild
from tinygrad_mlp.autograd.tensor import Tensor
from tinygrad_mlp.program.codegen.source import NumPySource, numpy_source
from tinygrad_mlp.program.fast_path import Usual, usual_call
from tinygrad_mlp.program.instructions import Variable
from tinygrad_mlp.program.passes.simplify import improved, simplified
from tinygrad_mlp.program.program import Program
from tinygrad_mlp.program.recording import Recording, as_operand
from tinygrad_mlp.program.retrace_check import TraceSignature
from tinygrad_mlp.program.trace import Tracer

ndarray = np.ndarray

OUTDATED = object()
"""What a run returns where the program does not hold any more: another one has to be recorded."""


class Executable:
    """A program ready to be run: its function, and the tensors and states it reads and changes.

    Attributes:
        recorded: the program as it was written down.
        transcript: what the next call has to agree with; None once it has.
        simplified: without what is superfluous, for reading.
        program: made fast, which is what runs.
        source: its source code.
        usual: runs it where only the numbers of its arguments are others than at the last run, or
            returns `OUTDATED` (see `usual`); None where the arguments are more than arrays.
    """

    def __init__(self, recording: Recording, out: Any, name: str) -> None:
        self.transcript: TraceSignature | None = TraceSignature(recording)
        out_leaves = leaves(out)
        program = Program(
            tuple(recording.inputs), tuple(recording.instructions),
            tuple(map(as_operand, out_leaves)), tuple(recording.updates),
            tuple(recording.required), name=name, write_source=numpy_source,
        )  # fmt: skip
        self.recorded = program.rewritten(_with_parameters(recording), {})
        self.simplified = simplified(self.recorded)
        self.program = improved(self.simplified)
        self.source = NumPySource(self.program)
        self._function = self.source.compiled()
        self.usual: Usual | None = None
        self._assumptions = recording.assumptions
        # All runs share the program's memory.
        self._lock = threading.Lock()
        self._read_before(self.program)
        self._handed_over_after(self.program)
        self._template = None if type(out) in (Tensor, Tracer) else out
        self._wraps = [_wrapping(leaf) for leaf in out_leaves]
        # The usual case, a loss and nothing else, without a list.
        at = self._results[0][0] if self._template is None else -1
        self._only = (at, self._wraps[0]) if at >= 0 else None

    def _read_before(self, program: Program) -> None:
        """Find out what is read at the beginning of a run."""
        self._inputs = program.inputs
        outside = [v for v in program.inputs if v.label.kind != "data"]
        self._gets = [v.label.get for v in outside]
        self._types = [None if v.dtype is None else v.type for v in outside]
        in_place = {line.into for line in program.instructions}
        puts = {u.target: u.put for u in program.updates if u.target in in_place}
        # A place that is overwritten is given an array of our own before the first run.
        self._own_puts = [puts.get(v) for v in outside]
        self._known: list[Any] = [None] * len(outside)
        data_first = sorted(v.label.kind != "data" for v in program.inputs)
        self._mixed = data_first != [v.label.kind != "data" for v in program.inputs]

    def _handed_over_after(self, program: Program) -> None:
        """Find out what becomes of the values that the function returns."""
        place = {v: n for n, v in enumerate(self.source.returned())}
        self._results = [
            (place[a], None) if isinstance(a, Variable) else (-1, a) for a in program.results
        ]
        self._puts: list[tuple[Callable[[Any], None], int]] = []
        self._constants: list[tuple[Callable[[Any], None], Any]] = []
        defined = {r: line for line in program.instructions for r in line.results}
        for update in program.updates:
            if not isinstance(update.value, Variable):
                self._constants.append((update.put, update.value))
                continue
            line = defined.get(update.value)
            if line is None or line.into is None or line.into is not update.target:
                self._puts.append((update.put, place[update.value]))

    def made_usual(self) -> None:
        """Prepare for calls with arrays of the same shapes and dtypes, and nothing else."""
        if self._only is not None and not self._mixed:
            self.usual = usual_call(
                self._inputs, self._assumptions, self._puts, self._constants, self._only,
                function=self._function, known=self._known, lock=self._lock, ndarray=ndarray,
                OUTDATED=OUTDATED,
            )  # fmt: skip

    def holds(self) -> bool:
        """Whether the program is still that of the function, for the settings of the moment."""
        return self._read() is not None

    def assumed(self) -> bool:
        """Whether what was taken for granted when it was recorded is still so."""
        for get, expected in self._assumptions:
            value = get()
            # An array in the place of None is not to be compared element by element.
            if value is not expected and (expected is None or value != expected):
                return False
        return True

    def release(self) -> None:
        """Write to no array that has been handed out until now: someone may hold it."""
        self._known[:] = [None] * len(self._known)

    def run(self, data: Sequence[Any]) -> Any:
        """Run the program on the arrays among the arguments; `OUTDATED` where it does not hold.

        Raises:
            FloatingPointError: what must be finite is not. Nothing has been changed.
        """
        with self._lock:
            outside = self._read()
            if outside is None:
                return OUTDATED
            if self._mixed:
                first, second = iter(data), iter(outside)
                given = [next(first if v.label.kind == "data" else second) for v in self._inputs]
            else:
                given = [*data, *outside]
            out = self._function(*given)
            for put, at in self._puts:
                put(out[at])
            for put, value in self._constants:
                put(value)
        if self._only is not None:
            place, wrap = self._only
            return wrap(out[place])
        values = [
            wrap(constant if at < 0 else out[at])
            for (at, constant), wrap in zip(self._results, self._wraps, strict=True)
        ]
        return values[0] if self._template is None else rebuild(self._template, values)

    def _read(self) -> list[Any] | None:
        """What is read elsewhere, as it is now; None where the program does not hold any more."""
        if not self.assumed():
            return None
        values = []
        known = self._known
        for place, get in enumerate(self._gets):
            value = get()
            kind = self._types[place]
            if kind is not None and value is not known[place]:
                if (getattr(value, "shape", None), getattr(value, "dtype", None)) != kind:
                    return None
                put = self._own_puts[place]
                if put is not None:
                    # Someone else may hold this array, or it may lie in memory otherwise.
                    value = np.array(value, order="C")
                    put(value)
                known[place] = value
            values.append(value)
        return values


def committed(recording: Recording, out: Any) -> Any:
    """Let what was recorded have happened: the updates made, the examples forgotten.

    Returns:
        what the function returned, with arrays in the place of tracers.
    """

    def example(a: Any) -> Any:
        return a.data if isinstance(a, Variable) else a

    result = rebuild(out, [_wrapping(leaf)(example(as_operand(leaf))) for leaf in leaves(out)])
    for update in recording.updates:
        update.put(example(update.value))
    forget_examples(recording)
    return result


def forget_examples(recording: Recording) -> None:
    """Let go of the arrays of the call that was recorded."""
    results = (r for line in recording.instructions for r in line.results)
    for variable in (*recording.inputs, *results):
        variable.data = None


def _wrapping(leaf: Any) -> Callable[[Any], Any]:
    """How a value is given back where the function returned `leaf`."""
    if isinstance(leaf, Value) and type(leaf) is not Tracer:
        return _tensor
    return np.asarray if type(leaf) is Tracer and leaf.variable.dtype else _itself


def _tensor(value: Any) -> Value:
    return make_value(Tensor, np.asarray(value), None, False)


def _itself(value: Any) -> Any:
    return value


def _with_parameters(recording: Recording) -> list[Any]:
    """The instructions, with parameters' arrays read before their tensors put right."""
    known = recording.constants()
    return [
        line.changed(
            operands=tuple(
                known.get(id(o), o) if isinstance(o, np.ndarray) else o for o in line.operands
            )
        )
        for line in recording.instructions
    ]
