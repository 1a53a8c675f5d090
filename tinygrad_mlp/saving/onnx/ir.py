"""A step: one operation of the model, as the ONNX nodes are made from it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.op import Op
from tinygrad_mlp.program.instructions import Variable


class Stored(NamedTuple):
    """A parameter or a buffer of the model, by its name."""

    name: str


class Step(NamedTuple):
    """One operation of the model.

    Attributes:
        op: the operation.
        operands: variables, `Stored`, arrays, numbers, `Affine`, `Filled`, or None.
        static: its keyword parameters; numbers in them may be `Affine`.
        result: what it computes.
        shape: of the result, in terms of the batch size.
        layer: the module it belongs to.
    """

    op: Op
    operands: tuple[Any, ...]
    static: dict[str, Any]
    result: Variable
    shape: tuple[Any, ...]
    layer: str

    @property
    def results(self) -> tuple[Variable, ...]:
        """What it computes, as an instruction has it."""
        return (self.result,)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the result's elements."""
        assert self.result.dtype is not None
        return self.result.dtype
