"""A program ready to run, with what it reads before a run and what it hands over afterwards."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.graph import Value, make_value
from tinygrad_mlp.autograd.pytree import leaves, rebuild
from tinygrad_mlp.autograd.tensor import Tensor
from tinygrad_mlp.errors import refuse_assigned
from tinygrad_mlp.program.captured_state import CapturedState
from tinygrad_mlp.program.codegen.source import NumPySource, numpy_source
from tinygrad_mlp.program.fast_path import OUTDATED, UNSHARED, FastPath, fast_path
from tinygrad_mlp.program.instructions import Instruction, Variable
from tinygrad_mlp.program.passes.pipeline import optimize, simplify
from tinygrad_mlp.program.program import Program
from tinygrad_mlp.program.recording import Recording
from tinygrad_mlp.program.retrace_check import TraceSignature
from tinygrad_mlp.program.trace import Tracer, as_operand


class _State(NamedTuple):
    """An input that is read at every run: a parameter, a velocity, a learning rate."""

    get: Callable[[], Any]
    type: Any  # the shape and dtype that it must have; None for a Python number
    put: Callable[[Any], None] | None  # replaces its array by our own, if that is written into

    def fits(self, value: object) -> bool:
        """Return whether a new array has the type; refuse what is no plain array of numbers."""
        if (getattr(value, "shape", None), getattr(value, "dtype", None)) != self.type:
            return False
        refuse_assigned(value, "data")
        return True


class _Result(NamedTuple):
    """A value that the recorded function returned."""

    place: int | None  # among the values that the program's function returns; None for a constant
    constant: Any
    wrap: Callable[[Any], Any]  # makes a Tensor or an array of it, as the function did


class Executable:
    """A program ready to run: its function, and the tensors and states it reads and changes.

    Attributes:
        recorded: the program as it was recorded.
        simplified: the program without what is superfluous, for reading.
        program: the program made fast, which is what runs.
        signature: what another recording of the function must agree with.
        confirmed: whether a later call has shown that the function does the same at every call.
        in_doubt: whether it was confirmed and is to be confirmed again.
        state: what else the function could read when it was recorded (see `captured_state`).
    """

    def __init__(self, recording: Recording, out: Any, name: str, only_arrays: bool) -> None:
        self.signature = TraceSignature(recording)
        self.confirmed = self.in_doubt = False
        self.state: CapturedState | None = None
        self.recorded = _recorded_program(recording, out, name)
        self.simplified = simplify(self.recorded)
        self.program = optimize(self.simplified)
        self._only_arrays = only_arrays
        self._assumptions = recording.assumptions
        # All runs share the program's memory.
        self._lock = threading.Lock()
        in_place = {line.into for line in self.program.instructions}
        self._in_place = {u.target: u.put for u in self.program.updates if u.target in in_place}
        self._states = [
            _State(v.label.get, None if v.dtype is None else v.type, self._in_place.get(v))
            for v in self.program.inputs if v.label.kind != "data"]
        self._known: list[Any] = [None] * len(self._states)
        # Numbers in the place of what was returned, so that nothing of this call is kept.
        self._structure = rebuild(out, range(len(leaves(out))))
        place = {v: n for n, v in enumerate(self.program.returned())}
        self._results = [
            _Result(place[a] if isinstance(a, Variable) else None, a, _wrapping(leaf))
            for a, leaf in zip(self.program.results, leaves(out), strict=True)]
        # What is not written in place is handed over after a run.
        updates = [u for u in self.program.updates if isinstance(u.value, Variable)]
        written = {r: line.into for line in self.program.instructions for r in line.results}
        self._puts = [
            (u.put, place[u.value]) for u in updates
            if u.target is None or written.get(u.value) is not u.target]
        self._constants = [
            (u.put, u.value) for u in self.program.updates if not isinstance(u.value, Variable)]

    # Written when first asked for: where blocks of steps run, the program of one step does not.

    @functools.cached_property
    def source(self) -> NumPySource:
        """The source code of the program."""
        return NumPySource(self.program)

    @functools.cached_property
    def _function(self) -> Callable[..., Any]:
        return self.source.compiled()

    @functools.cached_property
    def fast_path(self) -> FastPath | None:
        """What runs the program where only the numbers of the arguments are new since the last run.

        It returns `OUTDATED` elsewhere. None where arguments are more than arrays.
        """
        results = [(r.place, r.wrap) for r in self._results if r.place is not None]
        alone = self._structure == 0
        flat = alone or self._structure == tuple(range(len(self._results)))
        if not (self._only_arrays and flat and results and len(results) == len(self._results)):
            return None
        return fast_path(
            self.program.inputs, self._assumptions, self._in_place.keys(), self._puts,
            self._constants, results, alone, function=self._function, known=self._known,
            lock=self._lock)

    def holds(self) -> bool:
        """Return whether the program still does what the function does, with present settings."""
        return self.assumed() and all(
            state.type is None or (value := state.get()) is known or state.fits(value)
            for state, known in zip(self._states, self._known, strict=True))

    def assumed(self) -> bool:
        """Return whether the assumptions made when it was recorded are still true."""
        for get, expected in self._assumptions:
            value = get()
            # An array in the place of None must not be compared element by element.
            if value is not expected and (expected is None or value != expected):
                return False
        return True

    def run(self, data: Sequence[object]) -> Any:
        """Run the program on the arrays among the arguments; return `OUTDATED` if it cannot hold.

        Raises:
            FloatingPointError: a value that must be finite is not. Nothing has been changed.
        """
        with self._lock:
            states = self._read()
            if states is None:
                return OUTDATED
            out = self._function(*data, *states)
            for put, place in self._puts:
                put(out[place])
            for put, value in self._constants:
                put(value)
        values = [
            wrap(constant if place is None else out[place])
            for place, constant, wrap in self._results]
        return values[0] if self._structure == 0 else rebuild(self._structure, values)

    def _read(self) -> list[Any] | None:
        """Return the states as they are now; None where the program does not hold any more."""
        if not self.holds():
            return None
        values = []
        for number, state in enumerate(self._states):
            value = state.get()
            if state.put is not None and not (
                    value is self._known[number] and sys.getrefcount(value) <= UNSHARED):
                # Someone else holds this array, or its elements may be in another order.
                value = np.array(value, order="C")
                state.put(value)
            self._known[number] = value
            values.append(value)
        return values


def _recorded_program(recording: Recording, out: object, name: str) -> Program:
    """Return the program of a recording of a function that returned `out`."""
    # An array of a parameter that was read before the parameter itself is no constant.
    parameters = recording.inputs_by_array()

    def with_parameters(line: Instruction) -> Instruction:
        return line.changed(operands=tuple(
            parameters.get(id(o), o) if isinstance(o, np.ndarray) else o for o in line.operands))

    return Program(inputs=tuple(recording.inputs),
                   instructions=tuple(map(with_parameters, recording.instructions)),
                   results=tuple(map(as_operand, leaves(out))), updates=tuple(recording.updates),
                   required=tuple(recording.required), name=name, write_source=numpy_source)


def commit(recording: Recording, out: object) -> Any:
    """Make the updates of a recorded call, as if it had not been recorded, and drop its examples.

    Return what the function returned, with arrays in the place of tracers.
    """

    def example(a: object) -> Any:
        return a.data if isinstance(a, Variable) else a

    result = rebuild(out, [_wrapping(leaf)(example(as_operand(leaf))) for leaf in leaves(out)])
    for update in recording.updates:
        update.put(example(update.value))
    recording.drop_examples()
    return result


def _wrapping(leaf: object) -> Callable[[Any], Any]:
    """Return the function that makes of a value what the recorded function returned, `leaf`."""
    if isinstance(leaf, Value) and type(leaf) is not Tracer:
        return _tensor
    return np.asarray if type(leaf) is Tracer and leaf.variable.dtype else _itself


def _tensor(value: object) -> Value:
    return make_value(Tensor, np.asarray(value), None, False)


def _itself(value: object) -> Any:
    return value
