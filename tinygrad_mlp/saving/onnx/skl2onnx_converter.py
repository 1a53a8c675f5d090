"""A converter for skl2onnx, which exports pipelines with steps that `export_onnx` does not know."""

from __future__ import annotations

import os
import tempfile
from typing import Any

import numpy as np

from tinygrad_mlp.errors import MissingToolError
from tinygrad_mlp.saving.onnx.export import OPSET, export_onnx


def register_skl2onnx(*estimators: type) -> None:
    """Let skl2onnx export pipelines that end in estimators of this package.

    Args:
        estimators: their classes, such as ``tg.estimators.MLPClassifier``.

    Raises:
        MissingToolError: skl2onnx is not installed.

    Source: "Custom converters" in the documentation of skl2onnx.
    """
    try:
        from skl2onnx import update_registered_converter
        from skl2onnx.common.shape_calculator import (
            calculate_linear_classifier_output_shapes,
            calculate_linear_regressor_output_shapes,
        )
    except ImportError:
        raise MissingToolError(
            "register_skl2onnx needs the package skl2onnx: pip install skl2onnx.") from None
    for kind in estimators:
        classifier = hasattr(kind, "__onnx_classes__")
        update_registered_converter(
            kind, f"tinygrad_mlp.{kind.__name__}",
            calculate_linear_classifier_output_shapes if classifier
            else calculate_linear_regressor_output_shapes, _convert,
            options={"zipmap": [True, False, "columns"], "nocl": [True, False],
                     "output_class_labels": [True, False]} if classifier else None)


def _convert(scope: Any, operator: Any, container: Any) -> None:
    """Write the nodes of a fitted estimator into the graph that skl2onnx is making."""
    import onnx

    estimator = operator.raw_operator
    double = type(operator.inputs[0].type).__name__ == "DoubleTensorType"
    names: dict[str, str] = {"input": operator.inputs[0].full_name}
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "estimator.onnx")
        classifier = hasattr(estimator, "__onnx_classes__")
        export_onnx(estimator, path, dtype=np.float64 if double else np.float32,
                    label_name="label" if classifier else None)
        graph = onnx.load(path).graph
    if classifier:
        names["label"] = operator.outputs[0].full_name
    names["output"] = operator.outputs[-1].full_name
    columns = graph.output[0].type.tensor_type.shape.dim[1].dim_value
    of_two = classifier and columns == 1 and not estimator.__onnx_classes__()[1]
    if of_two:  # skl2onnx has a column for each of two classes
        names["output"] = scope.get_unique_variable_name("probability")

    def known(name: str) -> str:
        if name not in names:
            names[name] = scope.get_unique_variable_name(name)
        return names[name]

    for tensor in graph.initializer:
        text = tensor.data_type == onnx.TensorProto.STRING
        content = [s.decode() for s in tensor.string_data] if text else tensor
        container.add_initializer(known(tensor.name), tensor.data_type, list(tensor.dims), content)
    for node in graph.node:
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        container.add_node(
            node.op_type, [known(name) for name in node.input],
            [known(name) for name in node.output], op_version=OPSET,
            name=scope.get_unique_operator_name(node.op_type), **attributes)
    if of_two:
        one, other = known("one"), known("other class")
        element = onnx.TensorProto.DOUBLE if double else onnx.TensorProto.FLOAT
        container.add_initializer(one, element, [1], [1.0])
        for kind, given, made, more in (
                ("Sub", [one, names["output"]], other, {}),
                ("Concat", [other, names["output"]], operator.outputs[-1].full_name, {"axis": 1})):
            container.add_node(kind, given, [made], op_version=OPSET,
                               name=scope.get_unique_operator_name(kind), **more)
