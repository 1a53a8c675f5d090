"""The second output of an exported classifier: its classes, as `predict` returns them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.saving.onnx.onnx_graph import OnnxGraph
from tinygrad_mlp.saving.onnx.pipelines import last_step


class Labels(NamedTuple):
    """The name of the output, the classes, and whether a sample may have several of them."""

    name: str
    classes: Any
    several: bool

    @property
    def element(self) -> Any:
        """The type of the labels in the file: whole numbers, or text."""
        return np.int64 if self.several or self.classes.dtype.kind in "iub" else object

    def write(self, graph: OnnxGraph, scores: str, dtype: DTypeLike, columns: int) -> None:
        """Add the nodes to a finished graph whose output `scores` has so many columns."""
        if self.several or columns == 1:
            half = graph.constant(np.array(0.5, dtype))
            place = graph.cast(graph.node("Greater", scores, half), np.bool_, np.int64)
        else:
            place = graph.node("ArgMax", scores, axis=1, keepdims=0)
        if self.several:
            graph.node("Identity", place)
        else:
            place = graph.node("Reshape", place, graph.ints([-1])) if columns == 1 else place
            table = np.resize(self.classes, max(columns, 2)).astype(self.element)
            graph.node("Gather", graph.stored("classes", table), place)
        graph.nodes[-1].output[:] = [self.name]


def labels_of(model: object, name: str) -> Labels:
    """Return what the output of labels needs of a fitted classifier, or of a pipeline with one."""
    classifier = last_step(model)
    if not hasattr(classifier, "__onnx_classes__"):
        raise InvalidArgumentError(
            f"export_onnx: label_name is for classifiers, which have classes. Got "
            f"{type(classifier).__name__}.")
    classes, several = classifier.__onnx_classes__()
    classes = np.asarray(classes)
    if classes.dtype.kind not in "iubU" and not all(isinstance(c, str) for c in classes):
        raise InvalidArgumentError(
            f"export_onnx: labels are exported for classes that are whole numbers or text. Got "
            f"{classes[:3]}.")
    return Labels(name, classes, several)
