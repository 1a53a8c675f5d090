"""Nodes for what is computed element by element.

ONNX converts nothing by itself: operands are brought to the dtype that NumPy would compute in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tinygrad_mlp.program.instructions import Instruction
from tinygrad_mlp.program.trace import both, either, opposite
from tinygrad_mlp.saving.onnx.nodes.table import node_for

if TYPE_CHECKING:
    from tinygrad_mlp.saving.onnx.graph import Graph
    from tinygrad_mlp.saving.onnx.ir import Step

ARITHMETIC = {
    "abs": "Abs", "add": "Add", "ceil": "Ceil", "cos": "Cos", "divide": "Div", "erf": "Erf",
    "exp": "Exp", "floor": "Floor", "identity": "Identity", "log": "Log", "maximum": "Max",
    "minimum": "Min", "multiply": "Mul", "negative": "Neg", "power": "Pow",
    "reciprocal": "Reciprocal", "relu": "Relu", "rint": "Round", "sigmoid": "Sigmoid",
    "sign": "Sign", "sin": "Sin", "softplus": "Softplus", "sqrt": "Sqrt", "subtract": "Sub",
    "tanh": "Tanh", "arccos": "Acos", "arcsin": "Asin", "arctan": "Atan",
}  # fmt: skip
"""One node each, which computes in the dtype of the result."""

FLOAT32_ARITHMETIC = {
    "arccosh": "Acosh", "arcsinh": "Asinh", "arctanh": "Atanh", "cosh": "Cosh", "sinh": "Sinh",
    "tan": "Tan",
}  # fmt: skip
"""The same, for float32; in float64 they are written by their definitions."""

COMPARISONS = {
    "equal": "Equal", "not_equal": "Equal", "less": "Less", "less_equal": "LessOrEqual",
    "greater": "Greater", "greater_equal": "GreaterOrEqual",
}  # fmt: skip

LOGIC = {"logical_and": "And", "logical_or": "Or", "logical_xor": "Xor", "logical_not": "Not"}

SYMBOLS = {both: "And", either: "Or", opposite: "Not"}
"""What ``&``, ``|`` and ``~`` mean between conditions."""


def _numbers(line: Instruction) -> bool:
    dtype = line.results[0].dtype
    return dtype is not None and dtype.kind != "b"  # True + True is True in NumPy only


@node_for(*ARITHMETIC, when=_numbers)
def _arithmetic(g: Graph, step: Step) -> str:
    operands = [g.read(a, step.dtype) for a in step.operands]
    return g.node(ARITHMETIC[step.op.name], *operands)


@node_for(*FLOAT32_ARITHMETIC, when=_numbers, in_double=False)
def _float32_arithmetic(g: Graph, step: Step) -> str:
    return g.node(FLOAT32_ARITHMETIC[step.op.name], g.read(step.operands[0], step.dtype))


@node_for(*COMPARISONS)
def _comparison(g: Graph, step: Step) -> str:
    common = np.result_type(*map(g.dtype_of, step.operands))
    if common.kind == "b":
        common = np.dtype(np.int32)  # ONNX has no order of conditions
    compared = g.node(COMPARISONS[step.op.name], *(g.read(a, common) for a in step.operands))
    return g.node("Not", compared) if step.op.name == "not_equal" else compared


@node_for(*LOGIC)
def _logic(g: Graph, step: Step) -> str:
    return g.node(LOGIC[step.op.name], *(g.read(a, np.bool_) for a in step.operands))


def _conditions(line: Instruction) -> bool:
    return line.results[0].dtype == bool


@node_for(*SYMBOLS, when=_conditions)
def _symbols(g: Graph, step: Step) -> str:
    return g.node(SYMBOLS[step.op], *(g.read(a, np.bool_) for a in step.operands))


@node_for("where")
def _where(g: Graph, step: Step) -> str:
    condition, x, y = step.operands
    chosen = [g.read(a, step.dtype) for a in (x, y)]
    return g.node("Where", g.read(condition, np.bool_), *chosen)


# ONNX has the slope in float32: too few digits for float64.
@node_for("leaky_relu", when=_numbers, in_double=False)
def _leaky_relu(g: Graph, step: Step) -> str:
    alpha = float(step.static["slope"])
    return g.node("LeakyRelu", g.read(step.operands[0], step.dtype), alpha=alpha)


@node_for("astype")
def _astype(g: Graph, step: Step) -> str:
    return g.read(step.operands[0], step.dtype)
