"""Rearranging the elements of an array: borders, shifts, reversals, repetitions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_mlp.autograd.argument_types import Axis, Operand
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import Sample, implements, op
from tinygrad_mlp.autograd.ops.samples import sample_arrays
from tinygrad_mlp.autograd.ops.shapes.axes import transpose
from tinygrad_mlp.autograd.ops.shapes.indexing import IndexSlot, getitem, scatter_add, take
from tinygrad_mlp.autograd.ops.shapes.shape import (
    atleast_1d,
    expand_dims,
    places,
    ravel,
    require_axes,
    reshape,
    shape_of,
)
from tinygrad_mlp.autograd.ops.sums import broadcast_to
from tinygrad_mlp.errors import ShapeError
from tinygrad_mlp.support.checks import as_array

__all__ = ["roll", "flip", "fliplr", "flipud", "rot90", "tile", "repeat"]

_np_pad: Any = np.pad  # its stubs accept no mode but a literal
PAD_MODES = ("constant", "edge", "reflect", "symmetric", "wrap")


def _inside(widths: Array, shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Return the index of an array of that shape within its border."""
    return tuple(slice(before, before + n)
                 for before, n in zip(widths[:, 0].astype(int).tolist(), shape, strict=True))


def _pad_rule(g: Array, y: Array, array: Array, pad_width: ArrayLike, mode: str,
              constant_values: ArrayLike) -> Array:
    if mode == "constant":
        widths = np.broadcast_to(pad_width, (array.ndim, 2))
        return getitem(g, template=_inside(widths, array.shape))
    # The other modes copy elements: pad their numbers to see which, and add up.
    numbers = np.arange(array.size).reshape(array.shape)
    source = _np_pad(numbers, pad_width, mode=mode)
    flat = scatter_add(g, source, template=(IndexSlot(0),), shape=(array.size,))
    return reshape(flat, shape=array.shape)


@op(name="pad", rules={"array": _pad_rule},
    equation="y = array with a border,  ā = g inside (copied elements add up)",
    latex=lambda array, pad_width, mode, constant_values: rf"\mathrm{{pad}}_{{\mathrm{{"
    rf"{constant_values if mode == 'constant' else mode}}}}}({array})",
    reference=lambda array, pad_width, mode, constant_values: np.pad(array, pad_width, mode=mode),
    samples=lambda rng: (
        *sample_arrays(rng, shapes=((3, 3),), pad_width=(1, ((0, 1), (2, 0))), mode=PAD_MODES),
        Sample(rng.normal(size=4), pad_width=(2, 1))))
def pad_op(array: Array, *, pad_width: Any, mode: str = "constant",
           constant_values: float = 0) -> Array:
    if mode != "constant":
        return _np_pad(array, pad_width, mode=mode)
    widths = np.broadcast_to(pad_width, (array.ndim, 2))
    if constant_values != 0 or widths.dtype.kind != "i" or (widths < 0).any():
        return np.pad(array, pad_width, constant_values=constant_values)
    # NumPy fills the border side by side, which takes several times as long.
    y = np.zeros(array.shape + widths.sum(axis=1), array.dtype)
    y[_inside(widths, array.shape)] = array
    return y


def _roll_rule(g: Array, y: Array, a: Array, shift: Any, axis: Axis) -> Array:
    back = tuple(-int(s) for s in shift) if np.ndim(shift) else -int(shift)
    return roll(g, shift=back, axis=axis)


def _roll_reference(a: Array, shift: int | Sequence[int], axis: Axis) -> Array:
    if axis is None:
        return np.take(a, (np.arange(a.size) - shift) % a.size).reshape(a.shape)
    for s, i in np.broadcast(shift, axis):
        a = np.take(a, (np.arange(a.shape[i]) - s) % a.shape[i], axis=i)
    return a


def _roll_latex(a: Any, shift: object, axis: object) -> str:
    given = shift if axis is None or a.ndim == 1 else (shift, axis)
    shown = str(given).replace(" ", "")
    return rf"\mathrm{{roll}}_{{\mathrm{{{shown}}}}}({a})"


@op(rules={"a": _roll_rule},
    equation="y = roll(a, shift, axis),  roll(ā, shift, axis) = g", latex=_roll_latex,
    numpy=np.roll, reference=_roll_reference,
    samples=lambda rng: [
        *sample_arrays(rng, shapes=((4,),), shift=(1, -2), axis=(None, 0)),
        *sample_arrays(rng, shapes=((2, 3),), shift=(1,), axis=(None, -1)),
        Sample(rng.normal(size=(3, 4)), shift=(2, -1), axis=(0, 1))])
def roll(a: Array, *, shift: int | Sequence[int], axis: Axis = None) -> Array:
    """Move elements by `shift` along `axis`; those beyond the end come in at the beginning.

    >>> roll([1.0, 2.0, 3.0], shift=1)
    array([3., 1., 2.])
    """
    return np.roll(a, shift, axis)


@implements(np.flip)
def flip(m: Operand, axis: Axis = None) -> Array:
    """Reverse the elements along `axis` (None: all axes).

    Args:
        m: the array.
        axis: one, several, or None.

    >>> flip([1.0, 2.0, 3.0])
    array([3., 2., 1.])
    """
    ndim = len(shape_of(m))
    axes = range(ndim) if axis is None else places("flip", axis, ndim)
    step = tuple(slice(None, None, -1) if i in axes else slice(None) for i in range(ndim))
    return getitem(m, template=step)


@implements(np.fliplr)
def fliplr(m: Operand) -> Array:
    """Reverse the order of the columns.

    Args:
        m: an array with at least two axes, of which the second is turned round.

    >>> fliplr([[1.0, 2.0], [3.0, 4.0]])
    array([[2., 1.],
           [4., 3.]])
    """
    require_axes("fliplr", m, 2)
    return flip(m, 1)


@implements(np.flipud)
def flipud(m: Operand) -> Array:
    """Reverse the order of the rows.

    Args:
        m: an array with at least one axis, of which the first is turned round.

    >>> flipud([[1.0, 2.0], [3.0, 4.0]])
    array([[3., 4.],
           [1., 2.]])
    """
    require_axes("flipud", m, 1)
    return flip(m, 0)


@implements(np.rot90)
def rot90(m: Operand, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Array:
    """Turn by k · 90 degrees in the plane of two axes, from the first towards the second.

    Args:
        m: an array with at least two axes.
        k: how many times; negative for the other way round.
        axes: the plane.

    Raises:
        ShapeError: the axes are not two different ones.

    >>> rot90([[1.0, 2.0], [3.0, 4.0]])
    array([[2., 4.],
           [1., 3.]])
    """
    ndim = len(shape_of(m))
    plane = places("rot90", axes, ndim)
    if len(plane) != 2:
        raise ShapeError(f"rot90() expects two axes. Got axes={axes!r}.")
    if k % 2 == 0:
        return flip(m, plane if k % 4 else ())
    order = list(range(ndim))
    order[plane[0]], order[plane[1]] = plane[1], plane[0]
    if k % 4 == 1:
        return transpose(flip(m, plane[1]), axes=tuple(order))
    return flip(transpose(m, axes=tuple(order)), plane[1])


@implements(np.tile)
def tile(A: Operand, reps: Any) -> Array:
    """Repeat the array as a whole, `reps` times along each axis.

    Args:
        A: the array.
        reps: an integer or several; for more than A has axes, it gets new ones in front.

    >>> tile(np.array([1.0, 2.0]), (2, 2))
    array([[1., 2., 1., 2.],
           [1., 2., 1., 2.]])
    """
    times = tuple(int(n) for n in reps) if np.ndim(reps) else (int(reps),)
    shape = shape_of(A)
    ndim = max(len(shape), len(times))
    shape = (1,) * (ndim - len(shape)) + shape
    times = (1,) * (ndim - len(times)) + times
    pairs = list(zip(times, shape, strict=True))
    apart = reshape(A, shape=tuple(n for _, length in pairs for n in (1, length)))
    full = broadcast_to(apart, shape=tuple(n for pair in pairs for n in pair))
    return reshape(full, shape=tuple(count * length for count, length in pairs))


@implements(np.repeat)
def repeat(a: Operand, repeats: Any, axis: int | None = None) -> Array:
    """Repeat every element along `axis` (None: of all elements, in one axis).

    Args:
        a: the array.
        repeats: how often: a number, or one for each position along `axis`.
        axis: which to repeat along; a number counts as one element.

    Raises:
        ShapeError: not as many repeats as there are positions.

    >>> repeat(np.array([1.0, 2.0]), 2)
    array([1., 1., 2., 2.])
    """
    if axis is None:
        a, axis = ravel(a), 0
    a = atleast_1d(a)
    shape = shape_of(a)
    (place,) = places("repeat", axis, len(shape))
    if np.ndim(repeats):
        repeats = as_array(repeats, "repeat()")
        repeats = repeats if repeats.size else repeats.astype(int)  # [] is one of floats
        if len(repeats) not in (1, shape[place]):
            raise ShapeError(
                f"repeat() expects one number of repeats, or one for each of the {shape[place]} "
                f"positions. Got {len(repeats)}.")
        return take(a, np.repeat(np.arange(shape[place]), repeats), place)
    before, n, after = shape[:place], shape[place], shape[place + 1 :]
    full = broadcast_to(expand_dims(a, place + 1), shape=(*before, n, int(repeats), *after))
    return reshape(full, shape=(*before, n * int(repeats), *after))
