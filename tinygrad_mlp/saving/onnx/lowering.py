"""The forward pass as steps: operations that ONNX has, with the batch size as a symbol."""

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
from tinygrad_mlp.saving.onnx.definitions import parts
from tinygrad_mlp.saving.onnx.ir import Step, Stored
from tinygrad_mlp.saving.onnx.nodes import has_node
from tinygrad_mlp.saving.onnx.recording import LayerRecording, record


class Reading(NamedTuple):
    """What a model does.

    Attributes:
        x: its input.
        x_shape: of its input, in terms of the batch size.
        steps: what is done, in order.
        output: a variable, a `Stored`, or an array.
        shape: of the output, in terms of the batch size.
    """

    x: Variable
    x_shape: tuple[Any, ...]
    steps: list[Step]
    output: Any
    shape: tuple[Any, ...]


def read_model(
    model: Module, shape: tuple[int, ...], dtype: Any, batch_size: int | None, double: bool | None
) -> Reading:
    """What a model does with inputs of shape ``(n, *shape)``, for every n or for `batch_size`.

    Args:
        model: the module.
        shape: of one sample.
        dtype: of x while recording.
        batch_size: None for a symbol.
        double: whether floats are written as float64; None for the precision they have.

    Raises:
        ExportError, TraceError: it cannot be written down.
    """
    # Twice for a fixed size as well: noise that NumPy draws differs from one to the other.
    sizes = SIZES if batch_size is None else (batch_size, batch_size)
    simple = []
    for n in sizes:
        try:
            recording, output = record(model, (n, *shape), dtype)
            simple.append(_Simplified(model, recording, output, double))
        except TinygradError as error:
            if batch_size is None and not isinstance(error, ExportError):
                error.add_note(f"(while recording a batch of {n} for export_onnx)")
            raise
    return _merged(model, simple, sizes)


class _Simplified:
    """One recording in terms of operations that ONNX has, and constants."""

    def __init__(
        self, model: Module, recording: LayerRecording, output: Any, double: bool | None
    ) -> None:
        self.model = model
        self.double = double
        self.steps: list[Step] = []
        [self.x] = [v for v in recording.inputs if v.label is DATA]
        self._live = {self.x}
        self._instead: dict[Variable, Any] = {}
        self._places = _places(model, recording)
        for line in _used(recording.instructions, output):
            self._put(line, recording.layers[line])
        self.shape = np.shape(output) if not isinstance(output, Variable) else output.shape
        self.output = self._operand(output)
        # Once more: what a constant was computed from is not needed beside it.
        self.steps = _used(self.steps, self.output)

    def _put(self, line: Instruction, layer: str) -> None:
        line = line.changed(operands=tuple(map(self._resolved, line.operands)))
        result = line.results[0]
        live = any(o in self._live for o in line.operands if isinstance(o, Variable))
        if is_random(line.static):
            raise ExportError(
                f"export_onnx: {_where(self.model, layer)} draws random numbers in evaluation "
                f"mode, which an ONNX model cannot. Draw them in training mode only: "
                f"if self.training: …"
            )
        if result.dtype is not None and has_node(line, self.double):
            operands = tuple(map(self._operand, line.operands))
            self.steps.append(Step(line.op, operands, line.static, result, result.shape, layer))
            if live:
                self._live.add(result)
        elif not live:  # computed from parameters only: its value is a constant of the model
            self._instead.update((r, r.data) for r in line.results)
        else:
            self._take_apart(line, layer)

    def _take_apart(self, line: Instruction, layer: str) -> None:
        inner = parts(line)
        if inner is None:
            given = {k: repr(v) for k, v in line.static.items()}
            unusual = [f"{k}={v}" for k, v in given.items() if v != repr(line.op.defaults[k])]
            settings = f" with {', '.join(unusual)}" if unusual else ""
            raise ExportError(
                f"export_onnx: ONNX has no counterpart of the operation '{line.op.name}'"
                f"{settings}, which {_where(self.model, layer)} uses. Compute the same from other "
                f"operations, or export the part of the model without it."
            )
        instructions, result = inner
        for made in instructions:
            self._put(made, layer)
        self._instead[line.results[0]] = result

    def _resolved(self, a: Any) -> Any:
        while isinstance(a, Variable) and a in self._instead:
            a = self._instead[a]
        return a

    def _operand(self, a: Any) -> Any:
        """As a step refers to it."""
        a = self._resolved(a)
        return self._places.get(a, a) if isinstance(a, Variable) else a


def _used(lines: Sequence[Any], output: Any) -> list[Any]:
    """The instructions, or steps, that the output depends on."""
    wanted = {output} if isinstance(output, Variable) else set()
    used = []
    for line in reversed(lines):
        if not wanted.isdisjoint(line.results):
            used.append(line)
            wanted.update(o for o in line.operands if isinstance(o, Variable))
    return used[::-1]


def _places(model: Module, recording: LayerRecording) -> dict[Variable, Any]:
    """What inputs of a recording are: parameters and buffers by their names, or constants."""
    names = {id(tensor): name for name, tensor in model.named_state()}
    found: dict[Variable, Any] = {}
    for v in recording.inputs:
        if v.label is DATA:
            continue
        of = v.label.of
        own = isinstance(of, Value) and of.data is v.data  # and not its gradient
        found[v] = Stored(names[id(of)]) if own and id(of) in names else v.data
    return found


def _merged(model: Module, simple: Sequence[_Simplified], sizes: Sequence[int]) -> Reading:
    """What several recordings have in common, with the batch size as a symbol."""
    first = simple[0]
    twins: list[dict[Variable, Variable]] = [{s.x: first.x} for s in simple]

    def common(values: Sequence[Any]) -> Any:
        """The operand that stands for those of the recordings."""
        return in_terms_of_batch(
            [twins[k].get(v, v) if isinstance(v, Variable) else v for k, v in enumerate(values)],
            sizes,
        )

    steps = []
    for lines in zip_longest(*(s.steps for s in simple)):
        one = next(line for line in lines if line is not None)
        try:
            if any(line is None or line.op is not one.op for line in lines):
                raise Varies
            if any(len(line.operands) != len(one.operands) for line in lines):
                raise Varies
            operands = tuple(map(common, zip(*(line.operands for line in lines), strict=True)))
            static = {k: common([line.static[k] for line in lines]) for k in one.static}
            shape = common([line.shape for line in lines])
        except Varies:
            raise ExportError(_varies(f"'{one.op.name}' in {_where(model, one.layer)}", sizes)) \
                from None  # fmt: skip
        for twin, line in zip(twins, lines, strict=True):
            twin[line.result] = one.result
        steps.append(Step(one.op, operands, static, one.result, shape, one.layer))
    try:
        output = common([s.output for s in simple])
        shape = common([s.shape for s in simple])
    except Varies:
        raise ExportError(_varies("the output", sizes)) from None
    x_shape = common([s.x.shape for s in simple])
    return Reading(first.x, x_shape, steps, output, shape)


def _varies(what: str, sizes: Sequence[int]) -> str:
    if sizes[0] == sizes[1]:
        return (
            f"export_onnx: {what} is not the same at every call, so a file cannot hold it. Let it "
            f"be computed by operations."
        )
    return (
        f"export_onnx: {what} differs between batches of {', '.join(map(str, sizes))} in a way "
        f"that does not follow the batch size. Let it be computed by operations, or export for one "
        f"batch size with batch_size=…"
    )


def _where(model: Module, layer: str) -> str:
    """A layer as messages call it."""
    module = dict(model.named_modules())[layer]
    shown = f"{type(module).__name__}({module.describe()})"
    return f"layer '{layer}', {shown}," if layer else shown
