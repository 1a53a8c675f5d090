"""Nodes for operations on shapes: reshaping, transposing, joining, indexing."""

from __future__ import annotations

import numpy as np

from tinygrad_mlp.autograd.ops.shapes.indexing import IndexSlot
from tinygrad_mlp.program.instructions import Instruction
from tinygrad_mlp.saving.onnx.nodes.table import node_for
from tinygrad_mlp.saving.onnx.onnx_graph import OnnxGraph, OpCall

TO_THE_END = np.iinfo(np.int64).max
"""A bound of a slice beyond every axis; ONNX clips it to the length of the axis."""


@node_for("reshape")
def _reshape(g: OnnxGraph, call: OpCall) -> str:
    return g.node("Reshape", g.read(call.operands[0]), g.shape(call.shape))


@node_for("broadcast_to")
def _broadcast_to(g: OnnxGraph, call: OpCall) -> str:
    return g.node("Expand", g.read(call.operands[0], call.dtype), g.ints(call.shape))


@node_for("transpose")
def _transpose(g: OnnxGraph, call: OpCall) -> str:
    ndim, axes = len(call.shape), call.static["axes"]
    order = range(ndim)[::-1] if axes is None else [int(i) % ndim for i in axes]
    return g.node("Transpose", g.read(call.operands[0]), perm=list(order))


@node_for("swapaxes")
def _swapaxes(g: OnnxGraph, call: OpCall) -> str:
    order = list(range(len(call.shape)))
    i, j = call.static["axis1"], call.static["axis2"]
    order[i], order[j] = order[j], order[i]
    return g.node("Transpose", g.read(call.operands[0]), perm=order)


@node_for("concatenate")
def _concatenate(g: OnnxGraph, call: OpCall) -> str:
    arrays = [g.read(a, call.dtype) for a in call.operands]
    return g.node("Concat", *arrays, axis=int(call.static["axis"]))


PAD_MODES = ("constant", "edge", "reflect")


def _plain_padding(line: Instruction) -> bool:
    return line.static["mode"] in PAD_MODES and np.ndim(line.static["constant_values"]) == 0


@node_for("pad", when=_plain_padding)
def _pad(g: OnnxGraph, call: OpCall) -> str:
    mode = call.static["mode"]
    widths = np.broadcast_to(np.asarray(call.static["pad_width"]), (len(call.shape), 2))
    inputs = [g.read(call.operands[0], call.dtype), g.ints([int(n) for n in widths.T.ravel()])]
    if mode == "constant":
        inputs.append(g.read(call.static["constant_values"], call.dtype))
    return g.node("Pad", *inputs, mode=mode)


def _whole(template: tuple[object, ...], ndim: int) -> list[object]:
    """Return an index with a slice for every axis that it leaves out."""
    dots = [i for i, part in enumerate(template) if part is Ellipsis]
    taking = len(template) - len(dots) - sum(part is None for part in template)
    rest = [slice(None)] * (ndim - taking)
    at = dots[0] if dots else len(template)
    return [*template[:at], *rest, *template[at + 1 :]]


def _simple_index(line: Instruction) -> bool:
    """Return whether it has slices, integers and new axes only, or one vector but no integer."""
    template = line.static["template"]
    slots = sum(isinstance(part, IndexSlot) for part in template)
    if any(o.dtype == bool for o in line.operands[1:]):
        return False  # a mask
    integers = any(isinstance(part, (int, np.integer)) for part in template)
    return slots == 0 or (slots == 1 and not integers)


@node_for("getitem", when=_simple_index)
def _getitem(g: OnnxGraph, call: OpCall) -> str:
    name = g.read(call.operands[0], call.dtype)
    index = _whole(call.static["template"], g.ndim_of(call.operands[0]))
    parts = [part for part in index if part is not None]
    name = _sliced(g, name, parts)
    # From the last axis on, so that the numbers of the other axes stay the same.
    for axis, part in reversed(list(enumerate(parts))):
        if isinstance(part, IndexSlot):
            name = g.node("Gather", name, g.read(call.operands[1], np.int64), axis=axis)
        elif not isinstance(part, slice):
            name = g.node("Gather", name, g.node("Squeeze", g.ints([part])), axis=axis)
    if any(part is None for part in index):
        name = g.node("Unsqueeze", name, g.ints(_new_axes(g, index, call.operands[1:])))
    return name


def _sliced(g: OnnxGraph, name: str, parts: list[object]) -> str:
    starts, stops, axes, steps = [], [], [], []
    for axis, part in enumerate(parts):
        if isinstance(part, slice) and part != slice(None):
            step = 1 if part.step is None else part.step
            first, end = (0, TO_THE_END) if step > 0 else (TO_THE_END, -TO_THE_END)
            starts.append(first if part.start is None else part.start)
            stops.append(end if part.stop is None else part.stop)
            axes.append(axis)
            steps.append(step)
    if not axes:
        return name
    return g.node("Slice", name, g.ints(starts), g.ints(stops), g.ints(axes), g.ints(steps))


def _new_axes(g: OnnxGraph, index: list[object], arrays: tuple[object, ...]) -> list[int]:
    """Return the places of new axes in the result."""
    places, place = [], 0
    for part in index:
        if part is None:
            places.append(place)
        if part is None or isinstance(part, slice):
            place += 1
        elif isinstance(part, IndexSlot):
            place += g.ndim_of(arrays[0])
    return places
