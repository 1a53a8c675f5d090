"""Picking elements by an index, and its adjoint: adding elements up at an index."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_mlp.autograd.argument_types import Operand
from tinygrad_mlp.autograd.graph import Array, Value
from tinygrad_mlp.autograd.op import Sample, implements, op
from tinygrad_mlp.autograd.ops.elementwise.selection import where
from tinygrad_mlp.autograd.ops.shapes.shape import atleast_1d, places, ravel, shape_of
from tinygrad_mlp.errors import IndexingError, InvalidArgumentError, ShapeError
from tinygrad_mlp.support.checks import as_array

__all__ = ["getitem", "scatter_add", "take", "take_along_axis", "select"]


@dataclass(frozen=True, slots=True)
class IndexSlot:
    """Place of an index array in an index: ``x[0, i]`` has the template ``(0, IndexSlot(0))``."""

    number: int

    def __repr__(self) -> str:
        return f"IndexSlot({self.number})"


def index_parts(index: object) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Split an index into a template of constants and `IndexSlot`s, and the arrays for the slots.

    Index arrays are data, like the array they index: labels differ from batch to batch.
    """
    template: list[Any] = []
    arrays: list[Any] = []
    for part in index if isinstance(index, tuple) else (index,):
        if isinstance(part, (Value, np.ndarray, list, np.bool_, bool)):
            template.append(IndexSlot(len(arrays)))
            array = part.data if isinstance(part, Value) else as_array(part, "indexing")
            arrays.append(array.astype(np.intp) if isinstance(part, list) and not array.size
                          else array)  # [] picks nothing, as in NumPy, although it has no integers
        else:
            template.append(part)
    return tuple(template), tuple(arrays)


@implements(operator.getitem)
def at_index(a: Array, index: object) -> Array:
    """Return ``a[index]``, for an index of any kind that NumPy takes."""
    template, arrays = index_parts(index)
    return getitem(a, *arrays, template=template)


def index_of(template: tuple[Any, ...], indices: Sequence[Array]) -> tuple[Array, ...]:
    """Return the index of a template with arrays in its slots."""
    return tuple(indices[p.number] if isinstance(p, IndexSlot) else p for p in template)


def _getitem_rule(
    g: Array, y: Array, a: Array, *indices: Array, position: int, template: tuple[object, ...]
) -> Array | None:
    return scatter_add(g, *indices, template=template, shape=a.shape) if position == 0 else None


def index_latex(template: tuple[object, ...], indices: Sequence[object]) -> str:
    """Return an index in LaTeX, in brackets."""
    def shown(part: object) -> str:
        if isinstance(part, IndexSlot):
            return f"{indices[part.number]}"
        if isinstance(part, slice):
            ends = [part.start, part.stop] + ([] if part.step is None else [part.step])
            part = ":".join("" if end is None else str(end) for end in ends)
        return {"Ellipsis": r"\dots", "None": r"\mathrm{new}"}.get(str(part), rf"\mathrm{{{part}}}")

    return f"[{', '.join(map(shown, template))}]"


def indexing_samples(rng: np.random.Generator) -> list[Sample]:
    """Return samples of an array and indices of all kinds."""
    a = rng.normal(size=(4, 3))
    repeated, mask = np.array([0, 2, 0, 0]), np.array([True, False, True, True])
    return [
        Sample(a, template=(1,)),
        Sample(a, template=(slice(None, None, -2), None, -1)),
        Sample(a, template=(Ellipsis, slice(1, 3))),
        Sample(a, repeated, template=(IndexSlot(0),)),
        Sample(a, mask, template=(IndexSlot(0), slice(0, 2))),
        Sample(a, repeated, np.array([1, 1, 1, 0]), template=(IndexSlot(0), IndexSlot(1)))]


@op(rules={"operands": _getitem_rule},
    equation="y = a[index],  ā = zeros with g added at index",
    latex=lambda a, *indices, template: f"{a}{index_latex(template, indices)}",
    reference=lambda a, *indices, template: np.array(a)[index_of(template, indices)].copy(),
    samples=indexing_samples,
    add_share=lambda total, g, *indices, template: _add_at(total, g, indices, template))
def getitem(*operands: Array, template: tuple[object, ...]) -> Array:
    """Pick elements by a basic or advanced index. Repeated indices add up their gradients.

    The first operand is the array, the others the index arrays for the template's slots.

    Source: NumPy's indexing, ``a[index]``; `template` has a `IndexSlot` where an index is an array.

    >>> getitem([1.0, 2.0, 3.0], template=(slice(1, None),))
    array([2., 3.])
    """
    return operands[0][index_of(template, operands[1:])]


def _scatter_rule(
    g: Array, y: Array, a: Array, *indices: Array, position: int, template: tuple[object, ...],
    shape: tuple[int, ...]
) -> Array | None:
    return getitem(g, *indices, template=template) if position == 0 else None


def _scatter_reference(
    *operands: Array, template: tuple[object, ...], shape: tuple[int, ...]
) -> Array:
    places = np.arange(np.prod(shape, dtype=int)).reshape(shape)[index_of(template, operands[1:])]
    weights = np.ravel(operands[0])
    return np.bincount(np.ravel(places), weights, minlength=np.prod(shape)).reshape(shape)


@op(rules={"operands": _scatter_rule},
    equation="y = zeros with a added at index,  ā = g[index]",
    latex=lambda a, *indices, template, shape: rf"\mathrm{{scatter}}({a}, "
    rf"{index_latex(template, indices)})",
    reference=_scatter_reference,
    samples=lambda rng: [
        Sample(
            rng.normal(size=s.args[0][index_of(s.static["template"], s.args[1:])].shape),
            *s.args[1:], template=s.static["template"], shape=(4, 3))
        for s in indexing_samples(rng)])
def scatter_add(*operands: Array, template: tuple[object, ...], shape: tuple[int, ...]) -> Array:
    """Return zeros of `shape` with the first operand added at an index: the adjoint of indexing.

    Source: the transpose of the linear map `getitem`.

    >>> scatter_add([1.0, 2.0], template=(slice(1, None),), shape=(3,))
    array([0., 1., 2.])
    """
    a, indices = operands[0], operands[1:]
    out = np.zeros(shape, a.dtype)
    _add_at(out, a, indices, template)
    return out


def _add_at(total: Array, a: Array, indices: Sequence[Array], template: tuple[object, ...]) -> None:
    """Add `a` to `total` at an index, in place."""
    index = index_of(template, indices)
    if any(i.dtype.kind != "b" for i in indices):
        np.add.at(total, index, a)
    else:  # each element is picked at most once
        total[index] += a


@implements(np.take)
def take(a: Operand, indices: ArrayLike, axis: int | None = None, mode: str = "raise") -> Array:
    """Take elements, or slices along `axis`, at integer positions.

    Args:
        a: the array; a number counts as one element.
        indices: positions along `axis`, a number or an array of them; no gradient.
        axis: None for the elements in one axis.
        mode: what to do with positions outside: ``raise`` an error, ``wrap`` around, or ``clip``
            to the first and the last.

    Raises:
        InvalidArgumentError: an unknown `mode`.
        IndexingError: a position that does not exist, with ``raise``, or is no integer.

    >>> take(np.array([10.0, 20.0, 30.0]), [0, 0, 2])
    array([10., 10., 30.])
    """
    if mode not in ("raise", "wrap", "clip"):
        raise InvalidArgumentError(
            f"take() expects mode to be one of raise, wrap, clip. Got {mode!r}.")
    if axis is None:
        a, axis = ravel(a), 0
    a = atleast_1d(a)
    shape = shape_of(a)
    (place,) = places("take", axis, len(shape))
    if not isinstance(indices, Value):
        given, indices = indices, as_array(indices, "take()")
        if indices.dtype.kind in "bu" or not (isinstance(given, np.ndarray) or indices.size):
            indices = indices.astype(np.intp)  # True is 1 here, and [] picks nothing
        elif indices.dtype.kind != "i":
            raise IndexingError(f"take() expects integers as indices. Got {indices.dtype}.")
    if mode == "wrap":
        indices = indices % shape[place]
    elif mode == "clip":
        indices = np.clip(indices, 0, shape[place] - 1)
    template, arrays = index_parts((*(slice(None),) * place, indices))
    return getitem(a, *arrays, template=template)


@implements(np.take_along_axis)
def take_along_axis(arr: Operand, indices: ArrayLike, axis: int | None = -1) -> Array:
    """Take from every vector along `axis` the elements at positions of its own.

    ``y[i, j] = arr[i, indices[i, j]]`` for the last axis of a matrix. It takes the
    indices that ``np.argsort(x, axis)`` returns.

    Args:
        arr: the array.
        indices: integers, with as many axes; no gradient.
        axis: None for the elements in one axis.

    Raises:
        ShapeError: `indices` has not as many axes as `arr`.

    >>> take_along_axis(np.array([[3.0, 1.0]]), np.array([[1, 0]]), axis=1)
    array([[1., 3.]])
    """
    if axis is None:
        arr, axis = ravel(arr), 0
    shape = shape_of(arr)
    (place,) = places("take_along_axis", axis, len(shape))
    if not isinstance(indices, Value):
        indices = as_array(indices, "take_along_axis()")
    if len(indices.shape) != len(shape):
        raise ShapeError(
            f"take_along_axis() expects indices with as many axes as the array. Got shapes "
            f"{shape} and {indices.shape}.")
    index: list[Any] = [
        np.arange(n).reshape((-1,) + (1,) * (len(shape) - 1 - i)) for i, n in enumerate(shape)]
    index[place] = indices
    template, arrays = index_parts(tuple(index))
    return getitem(arr, *arrays, template=template)


@implements(np.select)
def select(condlist: Sequence[Operand], choicelist: Sequence[Operand], default: Operand = 0) -> Any:
    """Choose element by element: the choice of the first condition that holds, else `default`.

    Args:
        condlist: arrays of booleans; no gradient.
        choicelist: as many arrays; all are broadcast against each other.
        default: the value where no condition holds.

    Raises:
        InvalidArgumentError: not as many choices as conditions, or none.

    >>> select([[True, False, False], [True, True, False]], [[1.0] * 3, [2.0] * 3])
    array([1., 2., 0.])
    """
    if len(condlist) != len(choicelist) or not condlist:
        raise InvalidArgumentError(
            f"select() expects as many choices as conditions, at least one. Got {len(condlist)} "
            f"conditions and {len(choicelist)} choices.")
    chosen = default
    for condition, choice in zip(condlist[::-1], choicelist[::-1], strict=True):
        chosen = where(condition, choice, chosen)
    return chosen
