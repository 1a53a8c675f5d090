"""Nodes for elementwise operations.

ONNX converts no dtypes by itself, so operands are converted to the dtype in which NumPy computes.
"""

from __future__ import annotations

import numpy as np

from tinygrad_mlp.program.instructions import Instruction
from tinygrad_mlp.program.trace import both, either, opposite
from tinygrad_mlp.saving.onnx.nodes.table import node_for, one_node
from tinygrad_mlp.saving.onnx.onnx_graph import OnnxGraph, OpCall

ARITHMETIC = {
    "abs": "Abs", "add": "Add", "ceil": "Ceil", "cos": "Cos", "divide": "Div", "erf": "Erf",
    "exp": "Exp", "floor": "Floor", "identity": "Identity", "log": "Log", "maximum": "Max",
    "minimum": "Min", "multiply": "Mul", "negative": "Neg", "power": "Pow",
    "reciprocal": "Reciprocal", "relu": "Relu", "rint": "Round", "sigmoid": "Sigmoid",
    "sign": "Sign", "sin": "Sin", "sqrt": "Sqrt", "subtract": "Sub",
    "tanh": "Tanh", "arccos": "Acos", "arcsin": "Asin", "arctan": "Atan"}

# These are written in float32 only; in float64 their definitions are used. (onnxruntime has a
# softplus in float64, but it is infinite above 709.)
FLOAT32_ARITHMETIC = {"arccosh": "Acosh", "arcsinh": "Asinh", "arctanh": "Atanh", "cosh": "Cosh",
                      "sinh": "Sinh", "softplus": "Softplus", "tan": "Tan"}

COMPARISONS = {"equal": "Equal", "not_equal": "Equal", "less": "Less", "less_equal": "LessOrEqual",
               "greater": "Greater", "greater_equal": "GreaterOrEqual"}

LOGIC = {"logical_and": "And", "logical_or": "Or", "logical_xor": "Xor", "logical_not": "Not"}

SYMBOLS = {both: "And", either: "Or", opposite: "Not"}
"""The operations ``&``, ``|`` and ``~`` on conditions."""


def _numbers(line: Instruction) -> bool:
    dtype = line.results[0].dtype
    return dtype is not None and dtype.kind != "b"  # True + True is True in NumPy only


one_node(ARITHMETIC, when=_numbers)
one_node(FLOAT32_ARITHMETIC, when=_numbers, in_double=False)
one_node(LOGIC)
one_node(SYMBOLS, when=lambda line: line.results[0].dtype == bool)


@node_for(*COMPARISONS)
def _comparison(g: OnnxGraph, call: OpCall) -> str:
    common = np.result_type(*map(g.dtype_of, call.operands))
    if common.kind == "b":
        common = np.dtype(np.int32)  # ONNX cannot compare conditions
    compared = g.node(COMPARISONS[call.op.name], *(g.read(a, common) for a in call.operands))
    return g.node("Not", compared) if call.op.name == "not_equal" else compared


@node_for("where")
def _where(g: OnnxGraph, call: OpCall) -> str:
    condition, x, y = call.operands
    chosen = [g.read(a, call.dtype) for a in (x, y)]
    return g.node("Where", g.read(condition, np.bool_), *chosen)


# ONNX stores the slope in float32, with too few digits for float64.
@node_for("leaky_relu", when=_numbers, in_double=False)
def _leaky_relu(g: OnnxGraph, call: OpCall) -> str:
    alpha = float(call.static["slope"])
    return g.node("LeakyRelu", g.read(call.operands[0], call.dtype), alpha=alpha)


@node_for("astype")
def _astype(g: OnnxGraph, call: OpCall) -> str:
    return g.read(call.operands[0], call.dtype)
