"""A forward pass in evaluation mode, written down with the layer that each operation belongs to."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Value
from tinygrad_mlp.autograd.mode import no_grad
from tinygrad_mlp.autograd.op import Op
from tinygrad_mlp.errors import ExportError
from tinygrad_mlp.nn.module import Module, evaluation
from tinygrad_mlp.program.instructions import Instruction, Variable
from tinygrad_mlp.program.recording import Recording, as_operand


class LayerRecording(Recording):
    """A recording that knows in which module each instruction was made.

    Attributes:
        layers: the innermost module's name for each instruction, "" outside of all of them.
    """

    def __init__(self, model: Module) -> None:
        super().__init__()
        self.layers: dict[Instruction, str] = {}
        self._names = {id(module): name for name, module in model.named_modules()}

    def __call__(self, op: Op, args: tuple[Any, ...], static: dict[str, Any]) -> Any:
        """Write an operation down."""
        n = len(self.instructions)
        out = super().__call__(op, args, static)
        for line in self.instructions[n:]:
            self.layers[line] = self._layer()
        return out

    def _layer(self) -> str:
        """The module whose method is running, read off the call stack: nothing of the model has
        to be wrapped or changed, and a module called in any way is found."""
        frame = sys._getframe(2)
        while frame is not None:
            code = frame.f_code
            if code.co_argcount and code.co_varnames[0] in frame.f_locals:
                name = self._names.get(id(frame.f_locals[code.co_varnames[0]]))
                if name is not None:
                    return name
            frame = frame.f_back  # type: ignore[assignment]
        return ""


def example(shape: tuple[int, ...], dtype: Any) -> Any:
    """Numbers to record with. They decide nothing; unlike each other, they show a wrong rule.
    Of integers, which may be positions, there are only zeros and ones."""
    if np.dtype(dtype).kind != "f":
        return (np.arange(np.prod(shape, dtype=int)) % 2).reshape(shape).astype(dtype)
    return (0.55 + 0.4 * np.sin(np.arange(np.prod(shape, dtype=int)))).reshape(shape).astype(dtype)


def record(model: Module, shape: tuple[int, ...], dtype: Any) -> tuple[LayerRecording, Any]:
    """A recording of ``model(x)`` for an x of that shape and dtype, and the output: a variable,
    or an array where it does not depend on anything.

    The model is as before afterwards. The recording's input that is labelled as data is x.

    Raises:
        ExportError: it changes something, or its output is no array.
        TraceError: what it does depends on values.
    """
    recording = LayerRecording(model)
    try:
        with evaluation(model), no_grad(), recording.recording(), np.errstate(all="ignore"):
            out = model(recording.input(example(shape, dtype), name="x"))
            if not isinstance(out, (Value, np.ndarray)):
                raise ExportError(
                    f"export_onnx: the model must return one array. Got {type(out).__name__}: wrap "
                    f"it in a Module whose forward returns one of them, or joins them."
                )
            recording.finish()
    finally:
        recording.undo()
    if recording.updates:
        raise ExportError(
            "export_onnx: the model changes an array of its own in evaluation mode, which an ONNX "
            "model cannot. Change it in training mode only: if self.training: …"
        )
    result = as_operand(out)
    return recording, result if isinstance(result, (Variable, np.ndarray)) else np.asarray(result)
