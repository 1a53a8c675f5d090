"""Nodes for matrix products, layers and images."""

from __future__ import annotations

import numpy as np

from tinygrad_mlp.saving.onnx.ir import OpCall
from tinygrad_mlp.saving.onnx.nodes.table import node_for
from tinygrad_mlp.saving.onnx.onnx_graph import OnnxGraph


@node_for("matmul")
def _matmul(g: OnnxGraph, call: OpCall) -> str:
    return g.node("MatMul", *(g.read(a, call.dtype) for a in call.operands))


@node_for("linear")
def _linear(g: OnnxGraph, call: OpCall) -> str:
    x, weight, bias = call.operands
    given = [g.read(a, call.dtype) for a in (x, weight, bias) if a is not None]
    if g.ndim_of(x) == 2:
        return g.node("Gemm", *given, transB=1)
    y = g.node("MatMul", given[0], g.node("Transpose", given[1], perm=[1, 0]))
    return y if bias is None else g.node("Add", y, given[2])


@node_for("einsum")
def _einsum(g: OnnxGraph, call: OpCall) -> str:
    equation = call.static["subscripts"].replace(" ", "")
    return g.node("Einsum", *(g.read(a, call.dtype) for a in call.operands), equation=equation)


@node_for("conv2d")
def _conv2d(g: OnnxGraph, call: OpCall) -> str:
    given = [g.read(a, call.dtype) for a in call.operands if a is not None]
    padding = list(call.static["padding"])
    return g.node("Conv", *given, strides=list(call.static["stride"]), pads=padding * 2)


def _pooled(g: OnnxGraph, call: OpCall, kind: str) -> str:
    a = g.read(call.operands[0], call.dtype)
    size, stride = list(call.static["size"]), list(call.static["stride"])
    if len(call.shape) == 4:
        return g.node(kind, a, kernel_shape=size, strides=stride)
    # ONNX pools images with channels: the leading axes become one, and come back.
    picture = list(g.shape_of(call.operands[0])[-2:])
    a = g.node("Reshape", a, g.ints([-1, 1, *picture]))
    a = g.node(kind, a, kernel_shape=size, strides=stride)
    return g.node("Reshape", a, g.shape(call.shape))


@node_for("max_pool2d")
def _max_pool2d(g: OnnxGraph, call: OpCall) -> str:
    return _pooled(g, call, "MaxPool")


@node_for("avg_pool2d")
def _avg_pool2d(g: OnnxGraph, call: OpCall) -> str:
    return _pooled(g, call, "AveragePool")


@node_for("tril", "triu")
def _triangle(g: OnnxGraph, call: OpCall) -> str:
    k = g.constant(np.array(call.static["k"], np.int64))
    a = g.read(call.operands[0], call.dtype)
    return g.node("Trilu", a, k, upper=int(call.op.name == "triu"))
