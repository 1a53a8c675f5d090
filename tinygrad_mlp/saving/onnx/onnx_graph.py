"""The calls of operations in a model, and the ONNX graph that is made from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import Op
from tinygrad_mlp.errors import DTypeError
from tinygrad_mlp.program.instructions import Variable
from tinygrad_mlp.saving.onnx.batch import Affine, Filled

FLOAT32_ONLY = frozenset({"Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "AveragePool", "Conv",
                          "Cosh", "Det", "Erf", "Sinh", "Tan"})
"""Operators that onnxruntime (1.32, on the CPU) has in float32 but not in float64."""


class Stored(NamedTuple):
    """A parameter or a buffer of the model, by its name."""

    name: str


class OpCall(NamedTuple):
    """One call of an operation in the model."""

    op: Op
    operands: tuple[Any, ...]  # variables, `Stored`, arrays, numbers, `Affine`, `Filled`, or None
    static: dict[str, Any]  # numbers in it may be `Affine`
    result: Variable
    shape: tuple[Any, ...]  # of the result, in terms of the batch size
    layer: str  # the name of the module that makes the call

    @property
    def results(self) -> tuple[Variable, ...]:
        """The results, under the same name as those of an instruction."""
        return (self.result,)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the result."""
        assert self.result.dtype is not None
        return self.result.dtype


class OnnxGraph:
    """An ONNX graph under construction: nodes, initialisers, and their names."""

    def __init__(self, state: Mapping[str, Array], float_dtype: np.dtype[np.generic] | None,
                 names: tuple[str, ...]) -> None:
        self.nodes: list[Any] = []
        self.initialisers: dict[str, Array] = {}
        self.call: OpCall | None = None  # for which nodes are being added
        # Operators that onnxruntime lacks in float64 but that were written so, with their layers.
        self.unsupported: list[tuple[str, str]] = []
        self._state = state
        self._float: np.dtype[Any] | None = float_dtype
        self._input, self._output = names[:2]
        self._names: dict[Variable, str] = {}
        self._shapes: dict[Variable, tuple[Any, ...]] = {}
        self._taken = {*names, *state}
        self._made: dict[Any, str] = {}

    # -- dtypes and shapes -------------------------------------------------------------------

    def element(self, dtype: DTypeLike) -> np.dtype[Any]:
        """Return the dtype to write elements in: for floats the one of the export."""
        kind: np.dtype[Any] = np.dtype(dtype)
        if kind.kind == "f" and self._float is not None:
            return self._float
        if kind.kind not in "fiub" or kind.itemsize > 8:
            raise DTypeError(f"export_onnx: ONNX has no arrays of {kind}. Convert it to float64.")
        return kind.newbyteorder("=")

    def bind(self, variable: Variable, name: str, shape: tuple[object, ...]) -> None:
        """Set the name of a variable, and its shape in terms of the batch size."""
        self._names[variable] = name
        self._shapes[variable] = shape

    def name_of(self, variable: Variable) -> str:
        """Return the name of a variable."""
        return self._names[variable]

    def dtype_of(self, a: object) -> Any:
        """Return the dtype of an operand, or a Python number, for `np.result_type`."""
        if isinstance(a, Stored):
            return self._state[a.name].dtype
        if isinstance(a, Affine):
            return 1 if isinstance(a.scale, int) else 1.0
        return a.dtype if hasattr(a, "dtype") else a

    def shape_of(self, a: object) -> tuple[object, ...]:
        """Return the shape of an operand, in terms of the batch size."""
        if isinstance(a, Variable):
            return self._shapes[a]
        array = self._state[a.name] if isinstance(a, Stored) else a
        return tuple(getattr(array, "shape", ()))

    def ndim_of(self, a: object) -> int:
        """Return the number of axes of an operand."""
        return len(self.shape_of(a))

    # -- inputs of nodes ---------------------------------------------------------------------

    def read(self, a: object, dtype: DTypeLike | None = None) -> str:
        """Return the name of an operand for nodes, converted to a dtype if one is given."""
        if isinstance(a, Variable):
            return self.cast(self._names[a], a.dtype, dtype)
        if isinstance(a, Stored):
            array = self._state[a.name]
            if a.name not in self.initialisers:
                self.initialisers[a.name] = self._in_dtype(array, array.dtype)
            return self.cast(a.name, array.dtype, dtype)
        if isinstance(a, Affine):
            number = self.node("Squeeze", self._affine(a))
            return self.cast(number, np.float64 if self._is_real(a) else np.int64, dtype)
        if isinstance(a, Filled):
            return self.node("Expand", self.read(a.value, dtype or a.dtype), self.ints(a.shape))
        array = np.asarray(a)
        return self.constant(array.astype(dtype) if dtype is not None else array)

    def constant(self, array: Array) -> str:
        """Return the name of an initialiser; equal ones are written once."""
        array = self._in_dtype(np.asarray(array), np.asarray(array).dtype)
        key = (array.dtype, array.shape, array.tobytes())
        if key not in self._made:
            name = self._made[key] = self.fresh("constant")
            self.initialisers[name] = array
        return self._made[key]

    def stored(self, name: str, array: Array) -> str:
        """Return the name of an initialiser that is written as it is, such as text."""
        name = self.fresh(name)
        self.initialisers[name] = array
        return name

    def _in_dtype(self, array: Array, dtype: DTypeLike) -> Array:
        return np.asarray(array, self.element(dtype), order="C")

    def ints(self, values: Sequence[object]) -> str:
        """Return a vector of integers, some of which may depend on the batch size."""
        if not any(isinstance(v, Affine) for v in values):
            return self.constant(np.array(values, np.int64).reshape(-1))
        names = [
            self._affine(v) if isinstance(v, Affine) else self.constant(np.array([v], np.int64))
            for v in values]
        return names[0] if len(names) == 1 else self.node("Concat", *names, axis=0)

    def shape(self, lengths: Sequence[object]) -> str:
        """Return the lengths of axes for `reshape`, -1 for one that depends on the batch size."""
        if sum(isinstance(n, Affine) for n in lengths) == 1 and 0 not in lengths:
            lengths = [-1 if isinstance(n, Affine) else n for n in lengths]
        return self.ints(lengths)

    @staticmethod
    def _is_real(a: Affine) -> bool:
        return not all(isinstance(part, int) for part in a)

    def _affine(self, a: Affine) -> str:
        """Compute ``scale · n + offset`` as a vector of one integer, or of one float64."""
        if a not in self._made:
            if "batch" not in self._made:
                self._made["batch"] = self.node("Shape", self._input, start=0, end=1)
            dtype = np.float64 if self._is_real(a) else np.int64
            name = self.cast(self._made["batch"], np.int64, dtype)
            if a.scale != 1:
                name = self.node("Mul", name, self.constant(np.array([a.scale], dtype)))
            if a.offset != 0:
                name = self.node("Add", name, self.constant(np.array([a.offset], dtype)))
            self._made[a] = name
        return self._made[a]

    def finish(self, output: Variable) -> None:
        """Rename the last result to the name of the output."""
        self.call = None
        name = self.read(output)
        if name == self._input or name in self.initialisers:
            name = self.node("Identity", name)
        for node in self.nodes:
            for names in (node.input, node.output):
                names[:] = [self._output if n == name else n for n in names]

    # -- nodes -------------------------------------------------------------------------------

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node, and return the name of its result."""
        from onnx import helper

        layer = self.call.layer if self.call is not None else ""
        if self.call is not None and kind in FLOAT32_ONLY:
            if self.element(self.call.dtype) == np.float64:
                self.unsupported.append((kind, layer))
        name = self.fresh(kind)
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def cast(self, name: str, dtype: Any, wanted: DTypeLike | None) -> str:
        """Return a result in another dtype, converted if it differs."""
        from onnx import helper

        if wanted is None or self.element(dtype) == self.element(wanted):
            return name
        key = ("cast", name, self.element(wanted))
        if key not in self._made:
            to = helper.np_dtype_to_tensor_dtype(self.element(wanted))
            self._made[key] = self.node("Cast", name, to=to)
        return self._made[key]

    def fresh(self, what: str) -> str:
        """Return a new name, which begins with that of the layer."""
        layer = self.call.layer if self.call is not None else ""
        wanted = name = f"{layer}.{what}".lstrip(".")
        number = 1
        while name in self._taken:
            number += 1
            name = f"{wanted}_{number}"
        self._taken.add(name)
        return name
