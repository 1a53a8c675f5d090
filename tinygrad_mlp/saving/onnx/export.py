"""The export of a model as an ONNX file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_mlp.errors import ExportError, InvalidArgumentError, MissingToolError, ShapeError
from tinygrad_mlp.nn import Module
from tinygrad_mlp.saving.onnx import inputs
from tinygrad_mlp.saving.onnx.batch import Affine
from tinygrad_mlp.saving.onnx.inputs import Shape, checked_shape
from tinygrad_mlp.saving.onnx.labels import Labels, labels_of
from tinygrad_mlp.saving.onnx.model_lowering import LoweredModel, lower_model
from tinygrad_mlp.saving.onnx.nodes import write
from tinygrad_mlp.saving.onnx.onnx_graph import OnnxGraph
from tinygrad_mlp.saving.onnx.pipelines import is_pipeline, module_of
from tinygrad_mlp.support.checks import checked_metadata, integer_at_least, path_like
from tinygrad_mlp.support.files import write_file
from tinygrad_mlp.support.version import __version__

OPSET, IR_VERSION = 18, 8
"""Those of the oldest sufficient ONNX (1.13, 2022), so that older tools read the files. Nodes of
later operator sets are the same for what is written here."""

LARGEST = 2_000_000_000
"""The number of bytes that a file of this format can hold."""


def export_onnx(model: object, path: str | os.PathLike[str], *, input_shape: Any = None,
                input_dtype: Any = None, dtype: DTypeLike | None = None,
                batch_size: int | None = None, input_name: str = "input",
                output_name: str = "output", label_name: str | None = None, opset: int = OPSET,
                metadata: Mapping[str, object] | None = None) -> None:
    """Write a model as an ONNX file, completely or not at all, for onnxruntime and other tools.

    The file holds the computation of the model in evaluation mode, taken from a recording of its
    forward pass: layers, nested modules and modules of your own, as far as ONNX has the operations.
    Parameters keep their names (``0.weight``).

    Args:
        model: a `Module`, a `NeuralNetwork` (with its preprocessing, if it has one: the input is
            then raw data), a fitted estimator, a fitted `Pipeline` of scikit-learn that ends in
            one (after scalers, selections, PCA, …), or anything with a method
            ``__onnx__()`` that returns a module and the shape of one sample.
        path: the path of the file, by convention ending in ``.onnx``.
        input_shape: of one sample, without the batch, e.g. ``(1, 28, 28)``; needed if the first
            layer does not determine it.
        input_dtype: of the input, if it is not the model's: an integer dtype for a model that
            takes class numbers or positions, uint8 for pixels.
        dtype: float32 or float64 for everything in the file; by default the model's. onnxruntime
            has no float64 for some operators, such as convolutions.
        batch_size: the only batch size of the file; None for any.
        input_name, output_name: names of the model's input and output.
        label_name: of a second output, for a classifier: the classes that `predict` returns.
        opset: the operator set that the file is written for, 18 or later.
        metadata: further entries to store, anything that JSON can express.

    Raises:
        MissingToolError: the package onnx is not installed.
        ExportError: ONNX has no equivalent of an operation (the message names it and its layer),
            or the model does something that a file cannot.
        InvalidArgumentError: `model` is none of these; the shape of the input is needed; the
            installed onnx does not know `opset`; labels are asked for of what has none;
            onnxruntime lacks an operator in float64, unless `dtype` asks for that.
        TraceError: the operations of the model depend on values.
        DataNotFoundError: the folder does not exist.
        WriteError: the file cannot be written, as on a full disk; an old one remains.

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
            "pip install 'tinygrad_mlp[onnx]'.") from None
    path_like(path, "export_onnx(model, path)")
    module, known_shape = _module_of(model)
    shape = known_shape if input_shape is None else checked_shape(input_shape)
    wanted = None if dtype is None else inputs.checked_dtype(dtype)
    if batch_size is not None:
        integer_at_least(1, batch_size, "export_onnx: batch_size")
    names = input_name, output_name
    given = [*names, *([] if label_name is None else [label_name])]
    if not all(isinstance(n, str) and n for n in given) or len({*given}) < len(given):
        raise InvalidArgumentError(
            f"export_onnx: input_name, output_name and label_name must be different names. "
            f"Got {given!r}.")
    newest = onnx.defs.onnx_opset_version()
    if not isinstance(opset, int) or not OPSET <= opset <= newest:
        raise InvalidArgumentError(
            f"export_onnx: opset must be an integer from {OPSET} to {newest}, the newest that the "
            f"installed onnx knows. Got {opset!r}.")
    labels = None if label_name is None else labels_of(model, label_name)
    entries = _metadata(metadata, module)
    guessed = input_shape is None and isinstance(model, Module)
    x_dtype = inputs.model_dtype(module)
    if input_dtype is not None:
        x_dtype = inputs.checked_input_dtype(input_dtype)
    double = None if wanted is None else wanted == np.float64
    lowered = _lowered(module, shape, guessed, x_dtype, double, batch_size)
    onnx_model = _onnx_model(module, lowered, wanted, names, labels, opset)
    for key, value in entries.items():
        onnx_model.metadata_props.add(key=key, value=value)
    if onnx_model.ByteSize() > LARGEST:
        raise ExportError(
            f"export_onnx: the model has {onnx_model.ByteSize():,} bytes, and an ONNX file "
            f"holds {LARGEST:,}. Export it with dtype=np.float32, or in parts.")
    onnx.checker.check_model(onnx_model, full_check=True)
    known = onnx.serialization.registry  # the ending may name a format other than the binary one
    ending = os.path.splitext(os.fsdecode(path))[1]
    file_format = known.get_format_from_file_extension(ending) or "protobuf"
    write_file(path, known.get(file_format).serialize_proto(onnx_model))


def _module_of(model: object) -> tuple[Module, Shape | None]:
    """Return the module of anything that can be exported, and the shape of a sample if known."""
    if isinstance(model, Module):
        return model, inputs.sample_shape(model)
    if is_pipeline(model):
        return module_of(model)
    if hasattr(model, "__onnx__") and not isinstance(model, type):
        module, shape = model.__onnx__()
        if isinstance(module, Module):
            return module, checked_shape(shape)
    raise InvalidArgumentError(
        f"export_onnx: model must be a Module, a NeuralNetwork, a fitted estimator or Pipeline, or "
        f"have a method __onnx__() that returns a Module and the shape of one sample. Got "
        f"{type(model).__name__}.")


def _metadata(metadata: object, module: Module) -> dict[str, str]:
    entries = {"tinygrad_mlp": __version__, "model": type(module).__name__}
    given = checked_metadata(metadata, entries, "export_onnx")
    try:
        texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in given.items()}
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(
            f"export_onnx: metadata must be expressible in JSON: {error}") from None
    return entries | texts


def _lowered(module: Module, shape: Shape | None, guessed: bool, x_dtype: DTypeLike,
             double: bool | None, batch_size: int | None) -> LoweredModel:
    ask = (
        f"export_onnx: the first layer of this {type(module).__name__} does not determine the "
        f"shape of its inputs. Give the shape of one sample, without the batch, e.g. "
        f"input_shape=(1, 28, 28).")
    if shape is None:
        raise InvalidArgumentError(ask)
    try:
        return lower_model(module, shape, x_dtype, batch_size, double)
    except ShapeError as error:
        if not guessed:
            raise
        raise InvalidArgumentError(f"{ask} (Tried {shape}: {error})") from error


def _onnx_model(module: Module, lowered: LoweredModel, dtype: Any, names: tuple[str, str],
                labels: Labels | None, opset: int) -> Any:
    from onnx import helper, numpy_helper

    state = {name: tensor.data for name, tensor in module.named_state()}
    graph = OnnxGraph(state, dtype, names if labels is None else (*names, labels.name))
    graph.bind(lowered.x, names[0], lowered.x_shape)
    for call in lowered.calls:
        write(graph, call)
    graph.finish(lowered.output)
    out_dtype = graph.element(graph.dtype_of(lowered.output))
    if labels is not None:
        labels.write(graph, names[1], out_dtype, int(lowered.shape[1]))
    if graph.unsupported and dtype is None:
        unsupported = {f"{kind} (layer '{layer}')" for kind, layer in graph.unsupported}
        raise InvalidArgumentError(
            f"export_onnx: onnxruntime has no float64 for {', '.join(sorted(unsupported))}. Give "
            f"dtype=np.float32 to export in single precision, or dtype=np.float64 to write the "
            f"file nevertheless, for other tools.")

    def value_info(name: str, dtype: Any, shape: Sequence[object]) -> Any:
        kind: Any = np.dtype(dtype) if dtype is object else graph.element(dtype)
        element = helper.np_dtype_to_tensor_dtype(kind)
        return helper.make_tensor_value_info(name, element, [_length(n) for n in shape])

    outputs = [value_info(names[1], out_dtype, lowered.shape)]
    if labels is not None:
        outputs.append(
            value_info(labels.name, labels.element, lowered.shape[: 1 + labels.several]))
    written = {name for node in graph.nodes for name in node.output} - {names[1]}
    onnx_graph = helper.make_graph(
        graph.nodes, type(module).__name__,
        [value_info(names[0], lowered.x.dtype, lowered.x_shape)], outputs,
        [numpy_helper.from_array(a, name) for name, a in graph.initialisers.items()],
        value_info=[value_info(name, call.dtype, call.shape) for call in lowered.calls
                    if (name := graph.name_of(call.result)) in written])
    imports = [helper.make_opsetid("", opset)]
    return helper.make_model(
        onnx_graph, opset_imports=imports, producer_name="tinygrad_mlp",
        ir_version=max(IR_VERSION, helper.find_min_ir_version_for(imports)),
        producer_version=__version__)


def _length(n: Any) -> int | str:
    """Return the length of an axis for the description of an input or output."""
    if not isinstance(n, Affine):
        return int(n)
    times = "batch" if n.scale == 1 else f"{n.scale}*batch"
    return times if n.offset == 0 else f"{times}{n.offset:+d}"
