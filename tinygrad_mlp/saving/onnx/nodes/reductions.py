"""Nodes for what runs along axes: sums, extremes, the softmax."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_mlp.program.instructions import Instruction
from tinygrad_mlp.saving.onnx.nodes.table import axes_of, node_for

if TYPE_CHECKING:
    from tinygrad_mlp.saving.onnx.graph import Graph
    from tinygrad_mlp.saving.onnx.ir import Step

REDUCTIONS = {
    "sum": "ReduceSum", "mean": "ReduceMean", "max": "ReduceMax", "min": "ReduceMin",
    "prod": "ReduceProd",
}  # fmt: skip

CONDITIONS = {"all": "ReduceMin", "any": "ReduceMax"}

ARGUMENTS = {"argmax": "ArgMax", "argmin": "ArgMin"}

NORMALISERS = {"softmax": "Softmax", "log_softmax": "LogSoftmax"}


def _some_axes(line: Instruction) -> bool:
    return line.static["axis"] != () and line.results[0].dtype != bool


def _reduced(g: Graph, step: Step, kind: str, name: str) -> str:
    axis = step.static["axis"]
    inputs = [name]
    if axis is not None:
        inputs.append(g.ints(axes_of(axis, g.ndim_of(step.operands[0]))))
    return g.node(kind, *inputs, keepdims=int(step.static["keepdims"]))


@node_for(*REDUCTIONS, when=_some_axes)
def _reduction(g: Graph, step: Step) -> str:
    return _reduced(g, step, REDUCTIONS[step.op.name], g.read(step.operands[0], step.dtype))


@node_for(*CONDITIONS, when=lambda line: line.static["axis"] != ())
def _condition(g: Graph, step: Step) -> str:
    truth = g.cast(g.read(step.operands[0], np.bool_), np.bool_, np.int32)
    return g.cast(_reduced(g, step, CONDITIONS[step.op.name], truth), np.int32, np.bool_)


@node_for(*ARGUMENTS)
def _argument(g: Graph, step: Step) -> str:
    axis, a = step.static["axis"], g.read(step.operands[0])
    keepdims = int(step.static["keepdims"])
    if axis is None:
        a, axis, keepdims = g.node("Reshape", a, g.ints([-1])), 0, 0
    place = g.node(ARGUMENTS[step.op.name], a, axis=int(axis), keepdims=keepdims)
    place = g.cast(place, np.int64, step.dtype)
    if step.static["axis"] is None and step.static["keepdims"]:
        place = g.node("Reshape", place, g.ints([1] * len(step.shape)))
    return place


@node_for("cumsum")
def _cumsum(g: Graph, step: Step) -> str:
    axis, a = step.static["axis"], g.read(step.operands[0], step.dtype)
    if axis is None:
        a, axis = g.node("Reshape", a, g.ints([-1])), 0
    return g.node("CumSum", a, g.constant(np.array(axis, np.int64)))


def _one_axis(line: Instruction) -> bool:
    axis: Any = line.static["axis"]
    return isinstance(axis, (int, np.integer))


@node_for(*NORMALISERS, when=_one_axis)
def _normaliser(g: Graph, step: Step) -> str:
    a = g.read(step.operands[0], step.dtype)
    return g.node(NORMALISERS[step.op.name], a, axis=int(step.static["axis"]))
