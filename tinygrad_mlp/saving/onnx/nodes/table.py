"""The table of the functions that add the ONNX nodes of an operation."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.op import OPS, Op
from tinygrad_mlp.program.instructions import Instruction
from tinygrad_mlp.saving.onnx.onnx_graph import OnnxGraph, OpCall

if TYPE_CHECKING:
    from tinygrad_mlp.autograd.argument_types import Axis

Write = Callable[[OnnxGraph, OpCall], str]
When = Callable[[Instruction], bool]


class NodeEntry(NamedTuple):
    """The ONNX form of an operation."""

    write: Write  # adds the nodes of a call to a graph and returns the name of the result
    when: When  # whether ONNX has the operation with these operands and parameters
    in_double: bool  # whether this form is used in float64, too; otherwise its definition is


NODES: dict[Op, NodeEntry] = {}
"""The entries by operation, since a user's operation may have the name of a built-in one."""


def node_for(*names: str | Op, when: When = lambda line: True,
             in_double: bool = True) -> Callable[[Write], Write]:
    """Return a decorator that enters a function into the table for some operations."""

    def enter(write: Write) -> Write:
        for name in names:
            key = OPS[name] if isinstance(name, str) else name
            NODES[key] = NodeEntry(write, when, in_double)
        return write

    return enter


def one_node(kinds: Mapping[str, str] | Mapping[Op, str], **conditions: Any) -> None:
    """Enter operations that are one node of a kind, which computes in the dtype of the result."""
    for op, kind in kinds.items():
        node_for(op, **conditions)(functools.partial(_one_node, kind))


def _one_node(kind: str, g: OnnxGraph, call: OpCall) -> str:
    return g.node(kind, *(g.read(a, call.dtype) for a in call.operands))


def has_node(line: Instruction, double: bool | None) -> bool:
    """Return whether an instruction has an ONNX form of its own.

    Floats are written in float64 if `double`; for None in the dtypes that they have.
    """
    entry = NODES.get(line.op)
    if entry is None or not entry.when(line):
        return False
    wide = line.results[0].dtype == np.float64 if double is None else double
    return entry.in_double or not wide


def write(graph: OnnxGraph, call: OpCall) -> None:
    """Add the nodes of a call to a graph."""
    graph.call = call
    graph.bind(call.result, NODES[call.op].write(graph, call), call.shape)


def axes_of(axis: Axis, ndim: int) -> list[int]:
    """Return the argument `axis` of an operation as a list of axes counted from the front."""
    axes = range(ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return [int(i) % ndim for i in axes]
