"""The array that results from stores: what was stored, each element at its place."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import Op, Sample, op
from tinygrad_mlp.autograd.ops.elementwise.comparison import equal
from tinygrad_mlp.autograd.ops.elementwise.selection import where
from tinygrad_mlp.autograd.ops.shapes.indexing import (
    IndexSlot,
    getitem,
    index_latex,
    index_of,
    indexing_samples,
    scatter_add,
)
from tinygrad_mlp.errors import InvalidArgumentError

__all__ = ["assemble", "store"]

Indices = slice | np.ndarray[Any, Any]


class Places:
    """Where the elements of pieces lie in an array, both counted in C's order.

    Attributes:
        parts: for each piece, the places in the array, and the elements of the piece that lie
            there; None for all of them in order.

    >>> Places([(slice(0, 2), None)])
    Places([(slice(0, 2, None), None)])
    """

    __slots__ = ("parts",)

    def __init__(self, parts: list[tuple[Indices, Indices | None]]) -> None:
        self.parts = parts

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Places) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(len(self.parts))

    def __repr__(self) -> str:
        return f"Places({self.parts})"

    def _key(self) -> list[object]:
        return [[i.tolist() if isinstance(i, np.ndarray) else i for i in part]
                for part in self.parts]


def _share(g: Array, piece: Array, position: int, places: Places) -> Array:
    """Return the share of a piece: the entries of g at its places."""
    if not position:
        kept = np.ones(piece.shape, bool)
        for taken, _ in places.parts:
            kept.flat[taken] = False
        return where(kept, g, 0.0)
    at, chosen = places.parts[position - 1]
    if type(g) is np.ndarray and not g.flags.c_contiguous:
        part = g.flat[at]  # a reshape would copy the whole of g for each piece
    else:
        part = g.reshape((-1,))[at]
    if chosen is not None:
        part = scatter_add(part, np.arange(piece.size)[chosen], template=(IndexSlot(0),),
                           shape=(piece.size,))
    return part.reshape(piece.shape)


class Assembly(Op):
    """The kind of `assemble`: its rule is given one piece, and not thousands at each call."""

    def vjp(self, position: int, g: Array, y: Array, arrays: Any, static: Any) -> Array:
        """See `Op.vjp`."""
        return _share(g, arrays[position], position, static["places"])


def _latex(base: object, *pieces: object, places: Places) -> str:
    shown = [str(piece) for piece in pieces]
    if len(shown) > 3:
        shown = [*shown[:2], r"\dots", shown[-1]]
    return rf"\mathrm{{store}}({base}; {', '.join(shown)})"


def _reference(base: Array, *pieces: Array, places: Places) -> Array:
    made = np.ravel(base).tolist()
    for piece, (at, chosen) in zip(pieces, places.parts, strict=True):
        elements = np.ravel(piece)[slice(None) if chosen is None else chosen]
        for place, element in zip(np.arange(len(made))[at], elements, strict=True):
            made[place] = element
    return np.array(made).reshape(np.shape(base))


def _samples(rng: np.random.Generator) -> list[Sample]:
    base = rng.normal(size=(2, 3))
    whole, part = (slice(0, 2), None), (np.array([5, 3]), np.array([0, 2]))
    return [
        Sample(base, rng.normal(size=2), places=Places([whole])),
        Sample(base, rng.normal(size=(2, 1)), rng.normal(size=(3, 1)),
               places=Places([whole, part])),
        Sample(base, rng.normal(size=1),
               places=Places([(np.array([0, 4]), np.array([0, 0]))]))]


@op(rules={"operands": lambda g, y, *operands, position, places: _share(
        g, operands[position], position, places)},
    equation="y = base with pieces stored at their places,  p̄ = g at the places of the piece p, "
    "and of the base g elsewhere",
    latex=_latex, reference=_reference, samples=_samples, kind=Assembly)
def assemble(*operands: Array, places: Places) -> Array:
    """Store pieces into a copy of an array, the first operand.

    Args:
        operands: the base, and the pieces.
        places: where their elements lie; no two at one place.

    Raises:
        InvalidArgumentError: not as many pieces as places.

    Source: what NumPy's ``b[i] = v`` leaves in `b` after several stores.

    >>> assemble(np.zeros(3), np.array([5.0, 6.0]), places=Places([(slice(1, 3), None)]))
    array([0., 5., 6.])
    """
    base, *pieces = operands
    if len(pieces) != len(places.parts):
        raise InvalidArgumentError(
            f"assemble() expects a piece for each of {len(places.parts)} places. "
            f"Got {len(pieces)} pieces.")
    out = base.copy()
    for piece, (at, chosen) in zip(pieces, places.parts, strict=True):
        flat = piece.reshape(-1)
        out.flat[at] = flat if chosen is None else flat[chosen]
    return out


def _store_rule(
    g: Array, y: Array, x: Array, v: Array, *indices: Array, position: int,
    template: tuple[object, ...]
) -> Array | None:
    if position > 1:
        return None
    if not position:
        return store(g, np.zeros((), g.dtype), *indices, template=template)
    part = getitem(g, *indices, template=template)
    if any(i.dtype.kind != "b" for i in indices):  # of several stores at a place, the last one wins
        order = np.arange(math.prod(part.shape)).reshape(part.shape)
        last = store(np.zeros(x.shape, int), order, *indices, template=template)
        part = where(equal(getitem(last, *indices, template=template), order), part, 0.0)
    return part.reshape((1,) * (len(v.shape) - len(part.shape)) + part.shape)


def _store_reference(x: Array, v: Array, *indices: Array, template: tuple[object, ...]) -> Array:
    made, index = np.ravel(x).tolist(), index_of(template, indices)
    places = np.arange(len(made)).reshape(np.shape(x))[index]
    values = np.broadcast_to(np.reshape(v, np.shape(v)[-places.ndim:]), places.shape)
    for place, element in zip(np.ravel(places), np.ravel(values), strict=True):
        made[place] = element
    return np.array(made).reshape(np.shape(x))


def _store_samples(rng: np.random.Generator) -> list[Sample]:
    found = []
    for sample in indexing_samples(rng):
        x, *indices = sample.args
        shape = x[index_of(sample.static["template"], indices)].shape
        found += [Sample(x, rng.normal(size=size), *indices, template=sample.static["template"])
                  for size in (shape, (1, *shape), ())]
    return found


@op(rules={"operands": _store_rule},
    equation="y = x with v stored at index,  x̄ = g with zeros at index,  v̄ = g[index]",
    latex=lambda x, v, *indices, template: rf"\mathrm{{store}}({x}, {v}; "
    rf"{index_latex(template, indices)})",
    reference=_store_reference, samples=_store_samples)
def store(*operands: Array, template: tuple[object, ...]) -> Array:
    """Store a value into a copy of an array, at an index of any kind that NumPy takes.

    The first operand is the array, the second the value, the others the index arrays for the
    template's slots. Of several stores at one place, the last one counts.

    Source: what NumPy's ``x[index] = v`` leaves in `x`.

    >>> store(np.zeros(3), np.array([5.0, 6.0]), template=(slice(1, None),))
    array([0., 5., 6.])
    """
    x, v, *indices = operands
    out = x.copy(order="K")
    out[index_of(template, indices)] = v
    return out
