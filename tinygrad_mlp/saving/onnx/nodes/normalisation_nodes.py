"""Nodes for normalisation layers, each in the place of the operations that it consists of.

A run of calls in a `LayerNorm` or a `BatchNorm` of `tg.nn` is one call of an operation of this
module, whose node viewers show as a box. ONNX stores ε in float32, with too few digits for float64:
there a `BatchNormalization` gets the variance with ε added, and a `LayerNorm` stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_mlp import nn
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import Op, op
from tinygrad_mlp.program.instructions import Variable
from tinygrad_mlp.saving.onnx.nodes.table import node_for
from tinygrad_mlp.saving.onnx.onnx_graph import OnnxGraph, OpCall, Stored

OVER_FEATURES = ("mean", "subtract", "multiply", "mean", "add", "sqrt", "divide", "multiply", "add")
OVER_BATCH = ("add", "sqrt", "subtract", "divide", "multiply", "add")
"""The operations of the layers in evaluation mode, but for those that give vectors their shape."""


@op(register=False)
def layer_normalisation(x: Array, weight: Array, bias: Array, *, eps: float) -> Array:
    """Stand for the operations of a `LayerNorm`."""
    raise NotImplementedError


@op(register=False)
def batch_normalisation(x: Array, weight: Array, bias: Array, mean: Array, var: Array, *,
                        eps: float) -> Array:
    """Stand for the operations of a `BatchNorm1d` or `BatchNorm2d` in evaluation mode."""
    raise NotImplementedError


@node_for(layer_normalisation)
def _layer_normalisation(g: OnnxGraph, call: OpCall) -> str:
    given = (g.read(a, call.dtype) for a in call.operands)
    return g.node("LayerNormalization", *given, axis=-1, epsilon=call.static["eps"])


@node_for(batch_normalisation)
def _batch_normalisation(g: OnnxGraph, call: OpCall) -> str:
    eps, dtype = call.static["eps"], g.element(call.dtype)
    *given, var = (g.read(a, call.dtype) for a in call.operands)
    if dtype == np.float64:
        var, eps = g.node("Add", var, g.constant(np.array(eps))), 0.0
    return g.node("BatchNormalization", *given, var, epsilon=eps)


def with_normalisation(calls: Sequence[OpCall], layers: dict[str, nn.Module],
                       double: bool | None) -> list[OpCall]:
    """Return the calls of a model with one call for each use of a normalisation layer."""
    found: list[OpCall] = []
    i = 0
    while i < len(calls):
        layer = layers.get(calls[i].layer)
        n, call = _batch_norm(calls, i, layer)
        if call is None:
            n, call = _layer_norm(calls, i, layer, double)
        found.append(calls[i] if call is None else call)
        i += n
    return found


def _uses(calls: Sequence[OpCall], start: int, wanted: tuple[str, ...]) -> list[OpCall] | None:
    """Return the calls from `start` on that one use of a layer consists of; None for others."""
    run: list[OpCall] = []
    names: list[str] = []
    for call in calls[start:]:
        if call.layer != calls[start].layer or len(names) == len(wanted):
            break
        run.append(call)
        if call.op.name != "reshape":
            names.append(call.op.name)
    return run if tuple(names) == wanted else None


def _one_call(kind: Op, run: Sequence[OpCall], x: Variable, names: Sequence[str],
              eps: float) -> OpCall:
    last, layer = run[-1], run[-1].layer
    stored = (Stored(f"{layer}.{name}".lstrip(".")) for name in names)
    return OpCall(kind, (x, *stored), {"eps": eps}, last.result, last.shape, layer)


def _layer_norm(calls: Sequence[OpCall], i: int, layer: Any,
                double: bool | None) -> tuple[int, OpCall | None]:
    run = _uses(calls, i, OVER_FEATURES) if type(layer) is nn.LayerNorm else None
    if run is None:
        return 1, None
    wide = run[-1].dtype == np.float64 if double is None else double
    if wide:
        return 1, None
    x = run[0].operands[0]
    return len(run), _one_call(layer_normalisation, run, x, ("weight", "bias"), layer.eps)


def _batch_norm(calls: Sequence[OpCall], i: int, layer: Any) -> tuple[int, OpCall | None]:
    known = type(layer) in (nn.BatchNorm1d, nn.BatchNorm2d)
    run = _uses(calls, i, OVER_BATCH) if known else None
    if run is None:
        return 1, None
    x = next(call.operands[0] for call in run if call.op.name == "subtract")
    names = ("weight", "bias", "running_mean", "running_var")
    return len(run), _one_call(batch_normalisation, run, x, names, layer.eps)
