"""`export_onnx`: a model as an ONNX file."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np

from tinygrad_mlp.errors import (
    ExportError,
    InvalidArgumentError,
    MissingToolError,
    ShapeError,
)
from tinygrad_mlp.nn import Module
from tinygrad_mlp.saving.onnx.batch import Affine
from tinygrad_mlp.saving.onnx.graph import Graph
from tinygrad_mlp.saving.onnx.inputs import (
    Shape,
    checked_dtype,
    checked_input_dtype,
    checked_shape,
    model_dtype,
    sample_shape,
)
from tinygrad_mlp.saving.onnx.lowering import Reading, read_model
from tinygrad_mlp.saving.onnx.nodes import write
from tinygrad_mlp.support.checks import checked_metadata, integer_at_least
from tinygrad_mlp.support.files import atomic_path

OPSET, IR_VERSION = 18, 8
"""Of the oldest ONNX (1.13, 2022) that has all that is written, so that older tools read it."""

LARGEST = 2_000_000_000
"""Bytes of a model that a file of this format can hold."""


def export_onnx(
    model: Any,
    path: str | os.PathLike[str],
    *,
    input_shape: Any = None,
    input_dtype: Any = None,
    dtype: Any = None,
    batch_size: int | None = None,
    input_name: str = "input",
    output_name: str = "output",
    metadata: dict[str, Any] | None = None,
) -> None:
    """Write a model as an ONNX file, whole or not at all, for onnxruntime and other tools.

    What is written is what the model computes in evaluation mode, read off a recording of its
    forward pass: layers, nested modules and modules of your own, as far as ONNX has the operations.
    Parameters keep their names (``0.weight``).

    Args:
        model: a `Module`, a `NeuralNetwork` (with its preprocessing, if it has one: the input is
            then what came before it), a fitted estimator, or anything with a method
            ``__onnx__()`` that returns a module and the shape of one sample.
        path: where to, by convention ending in ``.onnx``.
        input_shape: of one sample, without the batch, e.g. ``(1, 28, 28)``; needed where the first
            layer does not say it.
        input_dtype: of the input, where it is not the model's precision: an integer type for a
            model that takes class numbers or positions, uint8 for pixels as they are.
        dtype: float32 or float64 for everything in the file; by default the model's. onnxruntime
            has no float64 for some operators, convolutions among them.
        batch_size: the only one that the file is for; None for any.
        input_name, output_name: what the model's input and output are called.
        metadata: further facts to store, anything that JSON can express.

    Raises:
        MissingToolError: the package onnx is not installed.
        ExportError: ONNX has no counterpart of an operation (which is named, with its layer), or
            the model does something that a file cannot.
        InvalidArgumentError: another kind of model; the shape of the input is needed; an
            operator that onnxruntime does not have in float64, unless that was asked for.
        TraceError: what the model does depends on values.
        DataNotFoundError: the folder does not exist.

    >>> import tempfile, tinygrad_mlp as tg
    >>> model = tg.nn.Sequential(tg.nn.Linear(4, 3), tg.nn.Tanh())
    >>> path = tempfile.mkdtemp() + "/model.onnx"
    >>> tg.export_onnx(model, path)
    >>> import onnx
    >>> [node.op_type for node in onnx.load(path).graph.node]
    ['Gemm', 'Tanh']

    Source: the ONNX operator specification, operator set 18.
    """
    try:
        import onnx
    except ImportError:
        raise MissingToolError(
            "export_onnx needs the package onnx. Install it with the extra: "
            "pip install 'tinygrad_mlp[onnx]'."
        ) from None
    module, known_shape = _module_of(model)
    shape = known_shape if input_shape is None else checked_shape(input_shape)
    wanted = None if dtype is None else checked_dtype(dtype)
    if batch_size is not None:
        integer_at_least(1, batch_size, "export_onnx: batch_size")
    names = input_name, output_name
    if not all(isinstance(n, str) and n for n in names) or input_name == output_name:
        raise InvalidArgumentError(
            f"export_onnx: input_name and output_name must be two different names. Got {names!r}."
        )
    facts = _facts(metadata, module)
    guessed = input_shape is None and isinstance(model, Module)
    taken = model_dtype(module) if input_dtype is None else checked_input_dtype(input_dtype)
    reading = _read(module, shape, guessed, taken, wanted, batch_size)
    made = _as_onnx(module, reading, wanted, names)
    for key, value in facts.items():
        made.metadata_props.add(key=key, value=value)
    if made.ByteSize() > LARGEST:
        raise ExportError(
            f"export_onnx: the model has {made.ByteSize():,} bytes, and an ONNX file holds "
            f"{LARGEST:,}. Export it with dtype=np.float32, or in parts."
        )
    onnx.checker.check_model(made, full_check=True)
    with atomic_path(path) as temporary:
        onnx.save(made, temporary)


def _module_of(model: Any) -> tuple[Module, Shape | None]:
    """The module behind anything that can be exported, and the shape of a sample if known."""
    if isinstance(model, Module):
        return model, sample_shape(model)
    if hasattr(model, "__onnx__") and not isinstance(model, type):
        module, shape = model.__onnx__()
        if isinstance(module, Module):
            return module, checked_shape(shape)
    raise InvalidArgumentError(
        f"export_onnx: model must be a Module, a NeuralNetwork, a fitted estimator, or have a "
        f"method __onnx__() that returns a Module and the shape of one sample. Got "
        f"{type(model).__name__}."
    )


def _facts(metadata: Any, module: Module) -> dict[str, str]:
    from tinygrad_mlp.support.version import __version__

    facts = {"tinygrad_mlp": __version__, "model": type(module).__name__}
    given = checked_metadata(metadata, facts, "export_onnx")
    try:
        texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in given.items()}
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(
            f"export_onnx: metadata must be expressible in JSON: {error}"
        ) from None
    return facts | texts


def _read(
    module: Module, shape: Shape | None, guessed: bool, taken: Any, dtype: Any,
    batch_size: int | None,
) -> Reading:
    ask = (
        f"export_onnx: the first layer of this {type(module).__name__} does not say what shape its "
        f"inputs have. Give the shape of one sample, without the batch, e.g. "
        f"input_shape=(1, 28, 28)."
    )
    if shape is None:
        raise InvalidArgumentError(ask)
    double = None if dtype is None else dtype == np.float64
    try:
        return read_model(module, shape, taken, batch_size, double)
    except ShapeError as error:
        if not guessed:
            raise
        raise InvalidArgumentError(f"{ask} (Tried {shape}: {error})") from error


def _as_onnx(module: Module, reading: Reading, dtype: Any, names: tuple[str, str]) -> Any:
    from onnx import helper, numpy_helper

    from tinygrad_mlp.support.version import __version__

    state = {name: tensor.data for name, tensor in module.named_state()}
    graph = Graph(state, dtype, names)
    graph.bind(reading.x, names[0], reading.x_shape)
    for step in reading.steps:
        write(graph, step)
    graph.finish(reading.output)
    if graph.narrow and dtype is None:
        listed = ", ".join(sorted({f"{kind} (layer '{layer}')" for kind, layer in graph.narrow}))
        raise InvalidArgumentError(
            f"export_onnx: onnxruntime has no float64 for {listed}. Give dtype=np.float32 to "
            f"export in single precision, or dtype=np.float64 to write the file nevertheless, "
            f"for other tools."
        )

    def described(name: str, dtype: Any, shape: Shape) -> Any:
        lengths = [_length(n) for n in shape]
        element = helper.np_dtype_to_tensor_dtype(graph.element(dtype))
        return helper.make_tensor_value_info(name, element, lengths)

    out = reading.output
    made = helper.make_graph(
        graph.nodes,
        type(module).__name__,
        [described(names[0], reading.x.dtype, reading.x_shape)],
        [described(names[1], graph.dtype_of(out), reading.shape)],
        [numpy_helper.from_array(a, name) for name, a in graph.initialisers.items()],
    )
    return helper.make_model(
        made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION,
        producer_name="tinygrad_mlp", producer_version=__version__,
    )  # fmt: skip


def _length(n: Any) -> Any:
    """The length of an axis as the description of an input or output has it."""
    if not isinstance(n, Affine):
        return int(n)
    times = "batch" if n.scale == 1 else f"{n.scale}*batch"
    return times if n.offset == 0 else f"{times}{n.offset:+d}"
