"""Nodes for matrix products, layers and images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tinygrad_mlp.saving.onnx.nodes.table import node_for

if TYPE_CHECKING:
    from tinygrad_mlp.saving.onnx.graph import Graph
    from tinygrad_mlp.saving.onnx.ir import Step


@node_for("matmul")
def _matmul(g: Graph, step: Step) -> str:
    return g.node("MatMul", *(g.read(a, step.dtype) for a in step.operands))


@node_for("linear")
def _linear(g: Graph, step: Step) -> str:
    x, weight, bias = step.operands
    given = [g.read(a, step.dtype) for a in (x, weight, bias) if a is not None]
    if g.ndim_of(x) == 2:
        return g.node("Gemm", *given, transB=1)
    y = g.node("MatMul", given[0], g.node("Transpose", given[1], perm=[1, 0]))
    return y if bias is None else g.node("Add", y, given[2])


@node_for("einsum")
def _einsum(g: Graph, step: Step) -> str:
    equation = step.static["subscripts"].replace(" ", "")
    return g.node("Einsum", *(g.read(a, step.dtype) for a in step.operands), equation=equation)


@node_for("conv2d")
def _conv2d(g: Graph, step: Step) -> str:
    given = [g.read(a, step.dtype) for a in step.operands if a is not None]
    padding = list(step.static["padding"])
    return g.node("Conv", *given, strides=list(step.static["stride"]), pads=padding * 2)


def _pooled(g: Graph, step: Step, kind: str) -> str:
    a = g.read(step.operands[0], step.dtype)
    size, stride = list(step.static["size"]), list(step.static["stride"])
    if len(step.shape) == 4:
        return g.node(kind, a, kernel_shape=size, strides=stride)
    # ONNX pools images with channels: the leading axes become one, and come back.
    picture = list(g.shape_of(step.operands[0])[-2:])
    a = g.node("Reshape", a, g.ints([-1, 1, *picture]))
    a = g.node(kind, a, kernel_shape=size, strides=stride)
    return g.node("Reshape", a, g.shape(step.shape))


@node_for("max_pool2d")
def _max_pool2d(g: Graph, step: Step) -> str:
    return _pooled(g, step, "MaxPool")


@node_for("avg_pool2d")
def _avg_pool2d(g: Graph, step: Step) -> str:
    return _pooled(g, step, "AveragePool")


@node_for("tril", "triu")
def _triangle(g: Graph, step: Step) -> str:
    k = g.constant(np.array(step.static["k"], np.int64))
    a = g.read(step.operands[0], step.dtype)
    return g.node("Trilu", a, k, upper=int(step.op.name == "triu"))
