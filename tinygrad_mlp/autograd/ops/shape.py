"""Rearranging, joining and picking elements: linear, so each rule is the transposed operation."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Value
from tinygrad_mlp.autograd.op import Sample, op
from tinygrad_mlp.autograd.samples import sample_arrays
from tinygrad_mlp.errors import DTypeError, InvalidArgumentError, ShapeError

__all__ = [
    "reshape", "ravel", "squeeze", "expand_dims", "transpose", "swapaxes", "broadcast_to",
    "astype", "identity", "concatenate", "stack", "getitem", "scatter_add", "pad",
]  # fmt: skip


def _reshape_latex(a: Any, shape: Any) -> str:
    lengths = np.empty(a.shape, bool).reshape(shape).shape
    if [n for n in a.shape if n != 1] == [n for n in lengths if n != 1]:
        return f"{a}"  # as with broadcasting, axes of length 1 are not worth a word
    return rf"\mathrm{{reshape}}({a})"


@op(
    rules={"a": lambda g, y, a, shape: g.reshape(a.shape)},
    equation="y = a in another shape,  ā = g in the shape of a",
    latex=_reshape_latex,
    reference=lambda a, shape: np.ndarray(shape, a.dtype, np.ascontiguousarray(a)),
    samples=lambda rng: sample_arrays(rng, shapes=((2, 3),), shape=((3, 2), (6,), (1, 2, 3))),
    numpy=np.reshape,
)
def reshape(a: Any, *, shape: Any) -> Any:
    """The same elements in another shape; one length may be −1."""
    return a.reshape(shape)


def ravel(a: Any) -> Any:
    """All elements in one axis."""
    return reshape(a, shape=(-1,))


def _places(name: str, axis: Any, ndim: int) -> tuple[int, ...]:
    """`axis`, an integer or several, counted from the front.

    Raises:
        ShapeError: there is no such axis among `ndim`.
    """
    try:
        return np.lib.array_utils.normalize_axis_tuple(axis, ndim)
    except (ValueError, TypeError) as error:
        raise ShapeError(
            f"{name}() expects axes between {-ndim} and {ndim - 1}, none of them twice. "
            f"Got axis={axis!r}."
        ) from error


def squeeze(a: Any, axis: Any = None) -> Any:
    """Without the axes of length 1 (None: all of them)."""
    shape = np.shape(a.data if isinstance(a, Value) else a)
    if axis is None:
        return reshape(a, shape=tuple(n for n in shape if n != 1))
    axes = _places("squeeze", axis, len(shape))
    if any(shape[i] != 1 for i in axes):
        raise ShapeError(
            f"squeeze() expects axes of length 1. Got axis={axis} of an array of shape {shape}."
        )
    return reshape(a, shape=tuple(n for i, n in enumerate(shape) if i not in axes))


def expand_dims(a: Any, axis: Any) -> Any:
    """With a new axis of length 1 at position `axis` of the result."""
    shape = np.shape(a.data if isinstance(a, Value) else a)
    axes = tuple(axis) if isinstance(axis, (tuple, list)) else (axis,)
    ndim = len(shape) + len(axes)
    places = _places("expand_dims", axes, ndim)
    rest = iter(shape)
    return reshape(a, shape=tuple(1 if i in places else next(rest) for i in range(ndim)))


def _inverse(axes: Sequence[int]) -> tuple[int, ...]:
    """The permutation that undoes `axes`."""
    return tuple(int(i) for i in np.argsort(axes))


def _transposed_latex(a: Any, axes: Sequence[int]) -> str:
    order = tuple(i % a.ndim for i in axes)
    if order == tuple(range(a.ndim)):
        return f"{a}"
    if order == (*range(a.ndim - 2), a.ndim - 1, a.ndim - 2):
        return rf"{a}^\top"
    return rf"{a}^{{\top({', '.join(map(str, order))})}}"


def _swapped_latex(a: Any, axis1: int, axis2: int) -> str:
    order = list(range(a.ndim))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return _transposed_latex(a, order)


@op(
    rules={
        "a": lambda g, y, a, axes: g.transpose(
            None if axes is None else _inverse([i % a.ndim for i in axes])
        )
    },
    equation="y = aᵀ,  ā = gᵀ (with the inverse permutation)",
    latex=lambda a, axes: _transposed_latex(a, range(a.ndim)[::-1] if axes is None else axes),
    reference=lambda a, axes: np.moveaxis(a, axes or range(a.ndim)[::-1], range(a.ndim)),
    samples=lambda rng: (
        *sample_arrays(rng, shapes=((2, 3),), axes=(None, (1, 0))),
        *sample_arrays(rng, shapes=((2, 3, 4),), axes=(None, (1, 2, 0), (-1, 0, 1))),
    ),
    numpy=np.transpose,
)
def transpose(a: Any, *, axes: Any = None) -> Any:
    """Axes in another order (None: reversed)."""
    return a.transpose(axes)


@op(
    rules={"a": lambda g, y, a, axis1, axis2: g.swapaxes(axis1, axis2)},
    equation="y = a with two axes exchanged,  ā = g with them exchanged back",
    latex=_swapped_latex,
    reference=lambda a, axis1, axis2: np.moveaxis(a, [axis1, axis2], [axis2, axis1]),
    samples=lambda rng: (
        Sample(rng.normal(size=(2, 3)), axis1=0, axis2=1),
        Sample(rng.normal(size=(2, 3, 4)), axis1=-1, axis2=-2),
    ),
    numpy=np.swapaxes,
)
def swapaxes(a: Any, *, axis1: int, axis2: int) -> Any:
    """Two axes exchanged."""
    return a.swapaxes(axis1, axis2)


@op(
    # The engine sums a gradient down to the shape of its argument: that is the whole rule.
    rules={"a": lambda g, y, a, shape: g},
    equation="y = a repeated to shape,  ā = Σ g over the copies",
    latex="{a}",
    reference=lambda a, shape: a * np.ones(shape, a.dtype),
    samples=lambda rng: sample_arrays(rng, shapes=((3,), (2, 1), ()), shape=((2, 3), (4, 2, 3))),
    numpy=np.broadcast_to,
)
def broadcast_to(a: Any, *, shape: Any) -> Any:
    """Repeat along new axes and along axes of length 1."""
    if a.ndim == 0:
        # A filled array costs a quarter of np.broadcast_to, and this case ends every loss.
        return np.full(shape, a)
    return np.broadcast_to(a, shape)


@op(
    # The engine returns a gradient in the dtype of its argument.
    rules={"a": lambda g, y, a, dtype: g},
    equation="y = a in another precision,  ā = g in the precision of a",
    latex="{a}",
    reference=lambda a, dtype: np.array(a, dtype=dtype),
    samples=lambda rng: sample_arrays(rng, shapes=((2, 3),), dtype=(np.float64,)),
    numpy=np.astype,
)
def astype(a: Any, *, dtype: Any) -> Any:
    """The same numbers in another floating-point precision."""
    if np.dtype(dtype).kind != "f":
        raise DTypeError(
            f"astype() expects a floating-point dtype, so that gradients can pass. Got "
            f"{np.dtype(dtype)}: for a tensor without history use its method, x.astype(...)."
        )
    return np.asarray(a).astype(dtype)


@op(
    rules={"a": lambda g, y, a: g},
    equation="y = a,  ā = g",
    latex="{a}",
    reference=lambda a: np.array(a),
    samples=lambda rng: sample_arrays(rng),
)
def identity(a: Any) -> Any:
    """The array itself, as a new vertex of the graph."""
    return a


def _slice_of(g: Any, arrays: Sequence[Any], position: int, axis: int) -> Any:
    axis %= arrays[0].ndim
    start = sum(a.shape[axis] for a in arrays[:position])
    stop = start + arrays[position].shape[axis]
    return getitem(g, template=(slice(None),) * axis + (slice(start, stop),))


@op(
    rules={"arrays": lambda g, y, *arrays, position, axis: _slice_of(g, arrays, position, axis)},
    name="concatenate",
    equation="y = [a₁, a₂, …],  āᵢ = the part of g that came from aᵢ",
    latex=lambda *arrays, axis: f"[{', '.join(map(str, arrays))}]"
    + (rf"_{{\mathrm{{axis\ {axis % arrays[0].ndim}}}}}" if arrays[0].ndim > 1 else ""),
    reference=lambda *arrays, axis: functools.reduce(
        lambda joined, a: np.append(joined, a, axis=axis), arrays
    ),
    samples=lambda rng: (
        Sample(rng.normal(size=(2, 3)), rng.normal(size=(1, 3)), axis=0),
        Sample(rng.normal(size=(2, 3)), rng.normal(size=(2, 2)), rng.normal(size=(2, 1)), axis=-1),
        Sample(rng.normal(size=3), rng.normal(size=2), axis=0),
    ),
)
def concatenate_op(*arrays: Any, axis: int = 0) -> Any:
    return np.concatenate(arrays, axis=axis)


def concatenate(arrays: Sequence[Any], axis: int | None = 0) -> Any:
    """Join a sequence of arrays along an axis they have (None: all elements, in one axis)."""
    if axis is None:
        return concatenate_op(*[ravel(a) for a in arrays], axis=0)
    return concatenate_op(*arrays, axis=axis)


def _stack_rule(g: Any, y: Any, *arrays: Any, position: int, axis: int) -> Any:
    return getitem(g, template=(slice(None),) * (axis % y.ndim) + (position,))


@op(
    rules={"arrays": _stack_rule},
    name="stack",
    equation="y = a₁, a₂, … along a new axis,  āᵢ = the i-th slice of g",
    latex=lambda *arrays, axis: r"\mathrm{stack}"
    + (rf"_{{\mathrm{{axis\ {axis % (arrays[0].ndim + 1)}}}}}" if arrays[0].ndim else "")
    + f"({', '.join(map(str, arrays))})",
    reference=lambda *arrays, axis: np.moveaxis(np.array(arrays), 0, axis),
    samples=lambda rng: (
        Sample(rng.normal(size=(2, 3)), rng.normal(size=(2, 3)), axis=0),
        Sample(rng.normal(size=(2, 3)), rng.normal(size=(2, 3)), axis=-1),
        Sample(rng.normal(), rng.normal(), rng.normal(), axis=0),
    ),
)
def stack_op(*arrays: Any, axis: int = 0) -> Any:
    return np.stack(arrays, axis=axis)


def stack(arrays: Sequence[Any], axis: int = 0) -> Any:
    """Join a sequence of arrays of one shape along a new axis."""
    return stack_op(*arrays, axis=axis)


class Slot:
    """The place of an index array in an index: ``x[0, i]`` has the template ``(0, Slot(0))``."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number

    def __repr__(self) -> str:
        return f"Slot({self.number})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Slot) and other.number == self.number

    def __hash__(self) -> int:
        return hash(("Slot", self.number))


def index_parts(index: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Split an index into a template of constants and `Slot`s, and the arrays for the slots.

    Index arrays are data, like the array they index: labels differ from batch to batch.
    """
    template: list[Any] = []
    arrays: list[Any] = []
    for part in index if isinstance(index, tuple) else (index,):
        if isinstance(part, (Value, np.ndarray, list, np.bool_, bool)):
            template.append(Slot(len(arrays)))
            arrays.append(part.data if isinstance(part, Value) else np.asarray(part))
        else:
            template.append(part)
    return tuple(template), tuple(arrays)


def _index(template: tuple[Any, ...], indices: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(indices[p.number] if isinstance(p, Slot) else p for p in template)


def _getitem_rule(
    g: Any, y: Any, a: Any, *indices: Any, position: int, template: tuple[Any, ...]
) -> Any:
    if position == 0:
        return scatter_add(g, *indices, template=template, shape=a.shape)
    return None


def _index_latex(template: tuple[Any, ...], indices: Sequence[Any]) -> str:
    def shown(part: Any) -> str:
        if isinstance(part, Slot):
            return f"{indices[part.number]}"
        if isinstance(part, slice):
            ends = [part.start, part.stop] + ([] if part.step is None else [part.step])
            part = ":".join("" if end is None else str(end) for end in ends)
        return {"Ellipsis": r"\dots", "None": r"\mathrm{new}"}.get(
            str(part), rf"\mathrm{{{part}}}"
        )

    return f"[{', '.join(map(shown, template))}]"


def _indexing_samples(rng: Any) -> list[Sample]:
    a = rng.normal(size=(4, 3))
    repeated, mask = np.array([0, 2, 0, 0]), np.array([True, False, True, True])
    return [
        Sample(a, template=(1,)),
        Sample(a, template=(slice(None, None, -2), None, -1)),
        Sample(a, template=(Ellipsis, slice(1, 3))),
        Sample(a, repeated, template=(Slot(0),)),
        Sample(a, mask, template=(Slot(0), slice(0, 2))),
        Sample(a, repeated, np.array([1, 1, 1, 0]), template=(Slot(0), Slot(1))),
    ]


@op(
    rules={"operands": _getitem_rule},
    equation="y = a[index],  ā = zeros with g added at index",
    latex=lambda a, *indices, template: f"{a}{_index_latex(template, indices)}",
    reference=lambda a, *indices, template: np.array(a)[_index(template, indices)].copy(),
    samples=_indexing_samples,
)
def getitem(*operands: Any, template: tuple[Any, ...]) -> Any:
    """Elements picked by a basic or advanced index; repeated indices add up their gradients.

    The first operand is the array, the others the index arrays for the template's slots.
    """
    return operands[0][_index(template, operands[1:])]


def _scatter_rule(
    g: Any,
    y: Any,
    a: Any,
    *indices: Any,
    position: int,
    template: tuple[Any, ...],
    shape: tuple[int, ...],
) -> Any:
    return getitem(g, *indices, template=template) if position == 0 else None


def _scatter_reference(*operands: Any, template: Any, shape: Any) -> Any:
    places = np.arange(np.prod(shape, dtype=int)).reshape(shape)[_index(template, operands[1:])]
    weights = np.ravel(operands[0])
    return np.bincount(np.ravel(places), weights, minlength=np.prod(shape)).reshape(shape)


@op(
    rules={"operands": _scatter_rule},
    equation="y = zeros with a added at index,  ā = g[index]",
    latex=lambda a, *indices, template, shape: rf"\mathrm{{scatter}}({a}, "
    rf"{_index_latex(template, indices)})",
    reference=_scatter_reference,
    samples=lambda rng: [
        Sample(
            rng.normal(size=s.args[0][_index(s.static["template"], s.args[1:])].shape),
            *s.args[1:], template=s.static["template"], shape=(4, 3),
        )
        for s in _indexing_samples(rng)
    ],
)  # fmt: skip
def scatter_add(*operands: Any, template: tuple[Any, ...], shape: tuple[int, ...]) -> Any:
    """Zeros of `shape` with the first operand added at an index: the adjoint of indexing."""
    a, indices = operands[0], operands[1:]
    out = np.zeros(shape, a.dtype)
    index = _index(template, indices)
    if any(i.dtype.kind != "b" for i in indices):
        np.add.at(out, index, a)
    else:  # each element is picked at most once
        out[index] = a
    return out


_np_pad: Any = np.pad  # its stubs accept no mode but a literal
PAD_MODES = ("constant", "edge", "reflect", "symmetric", "wrap")


def _pad_rule(
    g: Any, y: Any, array: Any, pad_width: Any, mode: str, constant_values: Any
) -> Any:
    if mode == "constant":
        widths = np.broadcast_to(pad_width, (array.ndim, 2))
        inner = tuple(
            slice(int(before), int(before) + n)
            for (before, _), n in zip(widths, array.shape, strict=True)
        )
        return getitem(g, template=inner)
    # The other modes copy elements: pad their numbers to see which, and add up.
    numbers = np.arange(array.size).reshape(array.shape)
    source = _np_pad(numbers, pad_width, mode=mode)
    flat = scatter_add(g, source, template=(Slot(0),), shape=(array.size,))
    return reshape(flat, shape=array.shape)


@op(
    rules={"array": _pad_rule},
    equation="y = array with a border,  ā = g inside (copied elements add up)",
    latex=lambda array, pad_width, mode, constant_values: (
        rf"\mathrm{{pad}}_{{\mathrm{{{constant_values if mode == 'constant' else mode}}}}}({array})"
    ),
    reference=lambda array, pad_width, mode, constant_values: np.pad(array, pad_width, mode=mode),
    samples=lambda rng: (
        *sample_arrays(rng, shapes=((3, 3),), pad_width=(1, ((0, 1), (2, 0))), mode=PAD_MODES),
        Sample(rng.normal(size=4), pad_width=(2, 1)),
    ),
    numpy=np.pad,
)
def pad(array: Any, *, pad_width: Any, mode: str = "constant", constant_values: Any = 0) -> Any:
    """A border around the array; `mode` is one of constant, edge, reflect, symmetric, wrap."""
    if mode not in PAD_MODES:
        raise InvalidArgumentError(
            f"pad() expects mode to be one of {', '.join(PAD_MODES)}. Got {mode!r} instead."
        )
    if mode == "constant":
        return np.pad(array, pad_width, constant_values=constant_values)
    return _np_pad(array, pad_width, mode=mode)
