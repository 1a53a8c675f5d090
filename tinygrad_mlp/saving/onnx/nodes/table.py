"""The table from operations to ONNX nodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.op import OPS, Op
from tinygrad_mlp.program.instructions import Instruction

if TYPE_CHECKING:
    from tinygrad_mlp.saving.onnx.graph import Graph
    from tinygrad_mlp.saving.onnx.ir import Step

Write = Callable[["Graph", "Step"], str]
When = Callable[[Instruction], bool]


class Entry(NamedTuple):
    """How an operation is written.

    Attributes:
        write: adds the nodes of a step to a graph and returns the name of the result.
        when: whether ONNX has the operation with these operands and parameters.
        in_double: whether it is written so in float64, too; otherwise by its definition.
    """

    write: Write
    when: When
    in_double: bool


NODES: dict[Op, Entry] = {}
"""By operation and not by name: a user's own operation may have a built-in one's name."""


def always(line: Instruction) -> bool:
    """For every call of the operation."""
    return True


def node_for(
    *names: str | Op, when: When = always, in_double: bool = True
) -> Callable[[Write], Write]:
    """Enter a function into the table for operations."""

    def enter(write: Write) -> Write:
        for name in names:
            key = OPS[name] if isinstance(name, str) else name
            NODES[key] = Entry(write, when, in_double)
        return write

    return enter


def has_node(line: Instruction, double: bool | None) -> bool:
    """Whether an instruction can be written as it is.

    Args:
        line: the instruction.
        double: whether floats are written in float64; None for the precision they have.
    """
    entry = NODES.get(line.op)
    if entry is None or not entry.when(line):
        return False
    wide = line.results[0].dtype == np.float64 if double is None else double
    return entry.in_double or not wide


def write(graph: Graph, step: Step) -> None:
    """Add the nodes of a step to a graph."""
    graph.step = step
    graph.bind(step.result, NODES[step.op].write(graph, step), step.shape)


def axes_of(axis: Any, ndim: int) -> list[int]:
    """`axis` as the operations take it, as a list of places counted from the front."""
    axes = range(ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return [int(i) % ndim for i in axes]
