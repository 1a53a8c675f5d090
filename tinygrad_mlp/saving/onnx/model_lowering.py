"""The forward pass of a model as calls of operations that ONNX has, for any batch size."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.graph import Value
from tinygrad_mlp.errors import ExportError, TinygradError
from tinygrad_mlp.nn.module import Module
from tinygrad_mlp.program.instructions import Instruction, Variable, is_random
from tinygrad_mlp.program.recording import DATA
from tinygrad_mlp.saving.onnx.batch import SIZES, Varies, in_terms_of_batch
from tinygrad_mlp.saving.onnx.definitions import expansion
from tinygrad_mlp.saving.onnx.layer_recording import LayerRecording, record
from tinygrad_mlp.saving.onnx.nodes import has_node
from tinygrad_mlp.saving.onnx.nodes.normalisation_nodes import with_normalisation
from tinygrad_mlp.saving.onnx.onnx_graph import OpCall, Stored


class LoweredModel(NamedTuple):
    """A model as calls of operations; shapes are in terms of the batch size."""

    x: Variable
    x_shape: tuple[Any, ...]
    calls: list[OpCall]
    output: Any  # a variable, a `Stored`, or an array
    shape: tuple[Any, ...]  # of the output


def lower_model(model: Module, shape: tuple[int, ...], dtype: Any, batch_size: int | None,
                double: bool | None) -> LoweredModel:
    """Lower a model for inputs of shape ``(n, *shape)``, for every n or for `batch_size`.

    Floats are written as float64 if `double`; for None in the dtypes that they have.
    """
    # Twice also for a fixed size: random numbers that NumPy draws differ between the two.
    sizes = SIZES if batch_size is None else (batch_size, batch_size)
    recordings = []
    for n in sizes:
        try:
            recording, output = record(model, (n, *shape), dtype)
            recordings.append(_LoweredRecording(model, recording, output, double))
        except TinygradError as error:
            if batch_size is None and not isinstance(error, ExportError):
                error.add_note(f"(while recording a batch of {n} for export_onnx)")
            raise
    merged = _merged(model, recordings, sizes)
    calls = with_normalisation(merged.calls, dict(model.named_modules()), double)
    return merged._replace(calls=calls)


class _LoweredRecording:
    """One recording as calls of operations that ONNX has, and constants."""

    def __init__(self, model: Module, recording: LayerRecording, output: Any,
                 double: bool | None) -> None:
        self.model, self.double = model, double
        self.calls: list[OpCall] = []
        [self.x] = [v for v in recording.inputs if v.label is DATA]
        self._live = {self.x}
        self._instead: dict[Variable, Any] = {}
        self._places = _places(model, recording)
        for line in _used(recording.instructions, output):
            self._put(line, recording.layers[line])
        self.shape = np.shape(output) if not isinstance(output, Variable) else output.shape
        self.output = self._operand(output)
        # Again, since the calls that computed a constant are not needed any more.
        self.calls = _used(self.calls, self.output)

    def _put(self, line: Instruction, layer: str) -> None:
        line = line.changed(operands=tuple(map(self._resolved, line.operands)))
        result = line.results[0]
        live = any(variable in self._live for variable in line.variables)
        if is_random(line.static):
            raise ExportError(
                f"export_onnx: {_where(self.model, layer)} draws random numbers in evaluation "
                f"mode, which an ONNX model cannot. Draw them in training mode only: "
                f"if self.training: …")
        if result.dtype is not None and has_node(line, self.double):
            operands = tuple(map(self._operand, line.operands))
            self.calls.append(OpCall(line.op, operands, line.static, result, result.shape, layer))
            if live:
                self._live.add(result)
        elif not live:  # it depends on parameters only, so its value is a constant
            self._instead.update((r, r.data) for r in line.results)
        else:
            self._expand(line, layer)

    def _expand(self, line: Instruction, layer: str) -> None:
        definition = expansion(line)
        if definition is None:
            given = {k: repr(v) for k, v in line.static.items()}
            unusual = [f"{k}={v}" for k, v in given.items() if v != repr(line.op.defaults[k])]
            settings = f" with {', '.join(unusual)}" if unusual else ""
            raise ExportError(
                f"export_onnx: ONNX has no equivalent of the operation '{line.op.name}'"
                f"{settings}, which {_where(self.model, layer)} uses. Compute the same from other "
                f"operations, or export the part of the model without it.")
        instructions, result = definition
        for made in instructions:
            self._put(made, layer)
        self._instead[line.results[0]] = result

    def _resolved(self, a: object) -> Any:
        while isinstance(a, Variable) and a in self._instead:
            a = self._instead[a]
        return a

    def _operand(self, a: object) -> Any:
        """Return an operand as calls refer to it."""
        a = self._resolved(a)
        return self._places.get(a, a) if isinstance(a, Variable) else a


def _used(lines: Sequence[Any], output: Variable) -> list[Any]:
    """Return the instructions, or calls, that the output depends on."""
    wanted = {output} if isinstance(output, Variable) else set()
    used = []
    for line in reversed(lines):
        if not wanted.isdisjoint(line.results):
            used.append(line)
            wanted.update(o for o in line.operands if isinstance(o, Variable))
    return used[::-1]


def _places(model: Module, recording: LayerRecording) -> dict[Variable, Any]:
    """Return for inputs of a recording the parameter or buffer by name, or the constant."""
    names = {id(tensor): name for name, tensor in model.named_state()}
    found: dict[Variable, Any] = {}
    for v in recording.inputs:
        if v.label is DATA:
            continue
        of = v.label.of
        own = isinstance(of, Value) and of.data is v.data  # and not its gradient
        found[v] = Stored(names[id(of)]) if own and id(of) in names else v.data
    return found


def _merged(model: Module, recordings: Sequence[_LoweredRecording],
            sizes: Sequence[int]) -> LoweredModel:
    """Merge recordings at several batch sizes into one, with the batch size as a symbol."""
    first = recordings[0]
    twins: list[dict[Variable, Variable]] = [{s.x: first.x} for s in recordings]

    def common(values: Sequence[tuple[object, ...]]) -> Any:
        """Return the operands for those of the recordings."""
        own = [tuple(twin.get(v, v) if isinstance(v, Variable) else v for v in operands)
               for twin, operands in zip(twins, values, strict=True)]
        return in_terms_of_batch(own, sizes)

    calls = []
    for lines in zip_longest(*(s.calls for s in recordings)):
        one = next(line for line in lines if line is not None)
        try:
            if any(line is None or line.op is not one.op for line in lines):
                raise Varies
            operands = common([line.operands for line in lines])
            static = {
                k: in_terms_of_batch([line.static[k] for line in lines], sizes) for k in one.static}
            shape = in_terms_of_batch([line.shape for line in lines], sizes)
        except Varies:
            what = f"'{one.op.name}' in {_where(model, one.layer)}"
            raise ExportError(_varies(what, sizes)) from None
        for twin, line in zip(twins, lines, strict=True):
            twin[line.result] = one.result
        calls.append(OpCall(one.op, operands, static, one.result, shape, one.layer))
    try:
        [output] = common([(s.output,) for s in recordings])
        shape = in_terms_of_batch([s.shape for s in recordings], sizes)
    except Varies:
        raise ExportError(_varies("the output", sizes)) from None
    x_shape = in_terms_of_batch([s.x.shape for s in recordings], sizes)
    return LoweredModel(first.x, x_shape, calls, output, shape)


def _varies(what: str, sizes: Sequence[int]) -> str:
    if sizes[0] == sizes[1]:
        return (
            f"export_onnx: {what} differs from call to call, so a file cannot hold it. Compute it "
            f"by operations.")
    return (
        f"export_onnx: {what} differs between batches of {', '.join(map(str, sizes))} and is no "
        f"linear function of the batch size. Compute it by operations, or export for one batch "
        f"size with batch_size=…")


def _where(model: Module, layer: str) -> str:
    """Return the description of a layer for messages."""
    module = dict(model.named_modules())[layer]
    shown = f"{type(module).__name__}({module.describe()})"
    return f"layer '{layer}', {shown}," if layer else shown
