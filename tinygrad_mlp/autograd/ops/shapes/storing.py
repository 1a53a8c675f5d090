"""The array that results from stores: what was stored, each element at its place."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import Op, Sample, op
from tinygrad_mlp.autograd.ops.elementwise.selection import where
from tinygrad_mlp.autograd.ops.shapes.indexing import IndexSlot, scatter_add
from tinygrad_mlp.errors import InvalidArgumentError

__all__ = ["assemble"]

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

    def _key(self) -> list[Any]:
        return [[i.tolist() if isinstance(i, np.ndarray) else i for i in part]
                for part in self.parts]


def _share(g: Any, piece: Any, position: int, places: Places) -> Any:
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

    def vjp(self, position: int, g: Any, y: Any, arrays: Any, static: Any) -> Any:
        """See `Op.vjp`."""
        return _share(g, arrays[position], position, static["places"])


def _latex(base: Any, *pieces: Any, places: Places) -> str:
    shown = [str(piece) for piece in pieces]
    if len(shown) > 3:
        shown = [*shown[:2], r"\dots", shown[-1]]
    return rf"\mathrm{{store}}({base}; {', '.join(shown)})"


def _reference(base: Any, *pieces: Any, places: Places) -> Any:
    made = np.ravel(base).tolist()
    for piece, (at, chosen) in zip(pieces, places.parts, strict=True):
        elements = np.ravel(piece)[slice(None) if chosen is None else chosen]
        for place, element in zip(np.arange(len(made))[at], elements, strict=True):
            made[place] = element
    return np.array(made).reshape(np.shape(base))


def _samples(rng: Any) -> list[Sample]:
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
