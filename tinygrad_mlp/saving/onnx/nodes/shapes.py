"""Nodes for shapes, the order of axes, joining, and picking elements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_mlp.autograd.ops.shapes.indexing import Slot
from tinygrad_mlp.program.instructions import Instruction
from tinygrad_mlp.saving.onnx.nodes.table import node_for

if TYPE_CHECKING:
    from tinygrad_mlp.saving.onnx.graph import Graph
    from tinygrad_mlp.saving.onnx.ir import Step

TO_THE_END = np.iinfo(np.int64).max
"""A bound of a slice that is cut off at the length of the axis."""


@node_for("reshape")
def _reshape(g: Graph, step: Step) -> str:
    return g.node("Reshape", g.read(step.operands[0]), g.shape(step.shape))


@node_for("broadcast_to")
def _broadcast_to(g: Graph, step: Step) -> str:
    return g.node("Expand", g.read(step.operands[0], step.dtype), g.ints(step.shape))


@node_for("transpose")
def _transpose(g: Graph, step: Step) -> str:
    ndim, axes = len(step.shape), step.static["axes"]
    order = range(ndim)[::-1] if axes is None else [int(i) % ndim for i in axes]
    return g.node("Transpose", g.read(step.operands[0]), perm=list(order))


@node_for("swapaxes")
def _swapaxes(g: Graph, step: Step) -> str:
    order = list(range(len(step.shape)))
    i, j = step.static["axis1"], step.static["axis2"]
    order[i], order[j] = order[j], order[i]
    return g.node("Transpose", g.read(step.operands[0]), perm=order)


@node_for("concatenate")
def _concatenate(g: Graph, step: Step) -> str:
    arrays = [g.read(a, step.dtype) for a in step.operands]
    return g.node("Concat", *arrays, axis=int(step.static["axis"]))


PAD_MODES = ("constant", "edge", "reflect")


def _plain_padding(line: Instruction) -> bool:
    return line.static["mode"] in PAD_MODES and np.ndim(line.static["constant_values"]) == 0


@node_for("pad", when=_plain_padding)
def _pad(g: Graph, step: Step) -> str:
    mode = step.static["mode"]
    widths = np.broadcast_to(np.asarray(step.static["pad_width"]), (len(step.shape), 2))
    inputs = [g.read(step.operands[0], step.dtype), g.ints([int(n) for n in widths.T.ravel()])]
    if mode == "constant":
        inputs.append(g.read(step.static["constant_values"], step.dtype))
    return g.node("Pad", *inputs, mode=mode)


def _whole(template: tuple[Any, ...], ndim: int) -> list[Any]:
    """An index with a slice for every axis that it leaves out."""
    dots = [i for i, part in enumerate(template) if part is Ellipsis]
    taking = len(template) - len(dots) - sum(part is None for part in template)
    rest = [slice(None)] * (ndim - taking)
    at = dots[0] if dots else len(template)
    return [*template[:at], *rest, *template[at + 1 :]]


def _simple_index(line: Instruction) -> bool:
    """Slices, integers and new axes; one vector of positions, but not beside an integer."""
    template = line.static["template"]
    slots = sum(isinstance(part, Slot) for part in template)
    if any(o.dtype == bool for o in line.operands[1:]):
        return False  # a mask
    integers = any(isinstance(part, (int, np.integer)) for part in template)
    return slots == 0 or (slots == 1 and not integers)


@node_for("getitem", when=_simple_index)
def _getitem(g: Graph, step: Step) -> str:
    name = g.read(step.operands[0], step.dtype)
    index = _whole(step.static["template"], g.ndim_of(step.operands[0]))
    taken = [part for part in index if part is not None]
    name = _sliced(g, name, taken)
    # From the last axis on, so that the places of the others stay what they are.
    for axis, part in reversed(list(enumerate(taken))):
        if isinstance(part, Slot):
            name = g.node("Gather", name, g.read(step.operands[1], np.int64), axis=axis)
        elif not isinstance(part, slice):
            name = g.node("Gather", name, g.node("Squeeze", g.ints([part])), axis=axis)
    if any(part is None for part in index):
        name = g.node("Unsqueeze", name, g.ints(_new_axes(g, index, step.operands[1:])))
    return name


def _sliced(g: Graph, name: str, taken: list[Any]) -> str:
    cut = [(axis, s) for axis, s in enumerate(taken)
           if isinstance(s, slice) and s != slice(None)]  # fmt: skip
    if not cut:
        return name
    steps = [1 if s.step is None else s.step for _, s in cut]
    starts = [(0 if n > 0 else TO_THE_END) if s.start is None else s.start
              for (_, s), n in zip(cut, steps, strict=True)]  # fmt: skip
    stops = [(TO_THE_END if n > 0 else -TO_THE_END) if s.stop is None else s.stop
             for (_, s), n in zip(cut, steps, strict=True)]  # fmt: skip
    axes = [axis for axis, _ in cut]
    return g.node("Slice", name, g.ints(starts), g.ints(stops), g.ints(axes), g.ints(steps))


def _new_axes(g: Graph, index: list[Any], arrays: tuple[Any, ...]) -> list[int]:
    """Where new axes stand in the result."""
    places, place = [], 0
    for part in index:
        if part is None:
            places.append(place)
        if part is None or isinstance(part, slice):
            place += 1
        elif isinstance(part, Slot):
            place += g.ndim_of(arrays[0])
    return places
