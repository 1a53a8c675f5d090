"""The intermediate form of a model: calls of operations, from which ONNX nodes are made."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.op import Op
from tinygrad_mlp.program.instructions import Variable


class Stored(NamedTuple):
    """A parameter or a buffer of the model, by its name."""

    name: str


class OpCall(NamedTuple):
    """One call of an operation in the model.

    Attributes:
        op: the operation.
        operands: variables, `Stored`, arrays, numbers, `Affine`, `Filled`, or None.
        static: its static parameters; numbers in them may be `Affine`.
        result: the variable of its result.
        shape: of the result, in terms of the batch size.
        layer: the name of the module that makes the call.
    """

    op: Op
    operands: tuple[Any, ...]
    static: dict[str, Any]
    result: Variable
    shape: tuple[Any, ...]
    layer: str

    @property
    def results(self) -> tuple[Variable, ...]:
        """The results, under the same name as those of an instruction."""
        return (self.result,)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the result."""
        assert self.result.dtype is not None
        return self.result.dtype
