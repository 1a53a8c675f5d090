"""Nodes for operations along axes: sums, extremes, the softmax, products, images."""

from __future__ import annotations

import numpy as np

from tinygrad_mlp.program.instructions import Instruction
from tinygrad_mlp.saving.onnx.nodes.table import axes_of, node_for, one_node
from tinygrad_mlp.saving.onnx.onnx_graph import OnnxGraph, OpCall

REDUCTIONS = {"sum": "ReduceSum", "mean": "ReduceMean", "max": "ReduceMax", "min": "ReduceMin",
              "prod": "ReduceProd"}
CONDITIONS = {"all": "ReduceMin", "any": "ReduceMax"}
ARGUMENTS = {"argmax": "ArgMax", "argmin": "ArgMin"}
NORMALISERS = {"softmax": "Softmax", "log_softmax": "LogSoftmax"}


def _some_axes(line: Instruction) -> bool:
    return line.static["axis"] != () and line.results[0].dtype != bool


def _reduced(g: OnnxGraph, call: OpCall, kind: str, name: str) -> str:
    axis = call.static["axis"]
    inputs = [name]
    if axis is not None:
        inputs.append(g.ints(axes_of(axis, g.ndim_of(call.operands[0]))))
    return g.node(kind, *inputs, keepdims=int(call.static["keepdims"]))


@node_for(*REDUCTIONS, when=_some_axes)
def _reduction(g: OnnxGraph, call: OpCall) -> str:
    return _reduced(g, call, REDUCTIONS[call.op.name], g.read(call.operands[0], call.dtype))


@node_for(*CONDITIONS, when=lambda line: line.static["axis"] != ())
def _condition(g: OnnxGraph, call: OpCall) -> str:
    truth = g.cast(g.read(call.operands[0], np.bool_), np.bool_, np.int32)
    return g.cast(_reduced(g, call, CONDITIONS[call.op.name], truth), np.int32, np.bool_)


@node_for(*ARGUMENTS)
def _argument(g: OnnxGraph, call: OpCall) -> str:
    axis, a = call.static["axis"], g.read(call.operands[0])
    keepdims = int(call.static["keepdims"])
    if axis is None:
        a, axis, keepdims = g.node("Reshape", a, g.ints([-1])), 0, 0
    place = g.node(ARGUMENTS[call.op.name], a, axis=int(axis), keepdims=keepdims)
    place = g.cast(place, np.int64, call.dtype)
    if call.static["axis"] is None and call.static["keepdims"]:
        place = g.node("Reshape", place, g.ints([1] * len(call.shape)))
    return place


@node_for("cumsum")
def _cumsum(g: OnnxGraph, call: OpCall) -> str:
    axis, a = call.static["axis"], g.read(call.operands[0], call.dtype)
    if axis is None:
        a, axis = g.node("Reshape", a, g.ints([-1])), 0
    return g.node("CumSum", a, g.constant(np.array(axis, np.int64)))


@node_for(*NORMALISERS, when=lambda line: isinstance(line.static["axis"], (int, np.integer)))
def _normaliser(g: OnnxGraph, call: OpCall) -> str:
    a = g.read(call.operands[0], call.dtype)
    return g.node(NORMALISERS[call.op.name], a, axis=int(call.static["axis"]))


one_node({"matmul": "MatMul"})


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


POOLS = {"max_pool2d": "MaxPool", "avg_pool2d": "AveragePool"}


@node_for(*POOLS)
def _pool(g: OnnxGraph, call: OpCall) -> str:
    kind = POOLS[call.op.name]
    a = g.read(call.operands[0], call.dtype)
    size, stride = list(call.static["size"]), list(call.static["stride"])
    if len(call.shape) == 4:
        return g.node(kind, a, kernel_shape=size, strides=stride)
    # ONNX pools images with channels: the leading axes become one, and come back.
    picture = list(g.shape_of(call.operands[0])[-2:])
    a = g.node("Reshape", a, g.ints([-1, 1, *picture]))
    a = g.node(kind, a, kernel_shape=size, strides=stride)
    return g.node("Reshape", a, g.shape(call.shape))

@node_for("tril", "triu")
def _triangle(g: OnnxGraph, call: OpCall) -> str:
    k = g.constant(np.array(call.static["k"], np.int64))
    a = g.read(call.operands[0], call.dtype)
    return g.node("Trilu", a, k, upper=int(call.op.name == "triu"))
