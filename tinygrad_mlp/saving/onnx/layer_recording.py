"""A recording of a forward pass in evaluation mode, with the layer of each instruction."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_mlp.autograd.graph import Array, Value
from tinygrad_mlp.autograd.mode import no_grad
from tinygrad_mlp.autograd.op import Op
from tinygrad_mlp.errors import ExportError
from tinygrad_mlp.nn.module import Module, evaluation
from tinygrad_mlp.program.instructions import Instruction, Variable
from tinygrad_mlp.program.recording import Recording
from tinygrad_mlp.program.trace import as_operand


class LayerRecording(Recording):
    """A recording that also notes in which module each instruction was made."""

    def __init__(self, model: Module) -> None:
        super().__init__()
        self.layers: dict[Instruction, str] = {}  # the innermost module; "" outside of all
        self._names = {id(module): name for name, module in model.named_modules()}

    def __call__(self, op: Op, args: tuple[object, ...], static: dict[str, object]) -> Any:
        """Record a call of an operation."""
        n = len(self.instructions)
        out = super().__call__(op, args, static)
        for line in self.instructions[n:]:
            self.layers[line] = self._layer()
        return out

    def _layer(self) -> str:
        """Return the name of the module whose method is running.

        It is read from the call stack, so that nothing of the model must be wrapped or changed,
        and a module is found however it is called.
        """
        frame = sys._getframe(2)
        while frame is not None:
            code = frame.f_code
            if code.co_argcount and code.co_varnames[0] in frame.f_locals:
                name = self._names.get(id(frame.f_locals[code.co_varnames[0]]))
                if name is not None:
                    return name
            frame = frame.f_back  # type: ignore[assignment]
        return ""


def example(shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """Return an example input for recording.

    Its numbers decide nothing, but differ, so that a wrong definition shows. Integers, which may
    be positions, are zeros and ones only.
    """
    positions = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    floats = np.dtype(dtype).kind == "f"
    return (0.55 + 0.4 * np.sin(positions) if floats else positions % 2).astype(dtype)


def record(model: Module, shape: tuple[int, ...], dtype: DTypeLike) -> tuple[LayerRecording, Any]:
    """Record ``model(x)`` for an x of some shape and dtype, without changing the model.

    Return the recording, whose input labelled as data is x, and the output: a variable, or an array
    if it depends on no input.
    """
    recording = LayerRecording(model)
    try:
        with evaluation(model), no_grad(), recording.recording(), np.errstate(all="ignore"):
            out = model(recording.input(example(shape, dtype), name="x"))
            if not isinstance(out, (Value, np.ndarray)):
                raise ExportError(
                    f"export_onnx: the model must return one array. Got {type(out).__name__}. Wrap "
                    f"it in a Module whose forward returns one of them, or joins them.")
            recording.finish()
    finally:
        recording.undo()
    if recording.updates:
        raise ExportError(
            "export_onnx: the model changes an array of its own in evaluation mode, which an ONNX "
            "model cannot. Change it in training mode only: if self.training: …")
    result = as_operand(out)
    return recording, result if isinstance(result, (Variable, np.ndarray)) else np.asarray(result)
