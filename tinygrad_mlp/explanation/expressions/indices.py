"""Index notation: what is written for products that are no products of matrices.

``[Σ_kl δ_kl x_{i+k,j+l}]_ij``: the indices outside are the axes of the result. Windows of an array,
which convolutions move over it, are written as the array with sums of indices.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import op
from tinygrad_mlp.explanation.algebra.monomial import ONE, SUMMED, UNIT, Factor, Shape
from tinygrad_mlp.explanation.algebra.polynomial import Polynomial
from tinygrad_mlp.explanation.algebra.quantities import cuts_of

LETTERS = "ijklmpqrstuvw" + string.ascii_uppercase


def _index_latex(*operands: Any, subscripts: str, written: Sequence[str], powers: Sequence[str],
                 summed: str, **windows: Any) -> str:
    output = "".join(c for c in subscripts.rpartition("->")[2] if c not in summed)
    factors = [f"{o}_{{{w}}}" if w else f"{o}" for o, w in zip(operands, written, strict=True)]
    factors = [f if e == "1" else rf"{f}^{{{e}}}" for f, e in zip(factors, powers, strict=True)]
    total = rf"\sum_{{{summed}}} {' '.join(factors)}" if summed else " ".join(factors)
    return rf"\left[{total}\right]_{{{output}}}" if output else total


@op(register=False, latex=_index_latex)
def index_sum(*operands: Any, subscripts: str, written: Sequence[str], powers: Sequence[str],
              summed: str, shape: Any = None, size: Any = None) -> Any:
    """A sum of products as `subscripts` of einsum tell, of `powers` of the operands.

    `written` are the indices that are shown at each operand, and `summed` those at the Σ. With a
    `size`, the products are those of windows, added up to an array of a shape where these overlap.
    The subscripts are then the places i, j of a window and k, l within; written is i, j for i + k.
    """
    factors = [o if e == "1" else np.asarray(o, float) ** float(Fraction(e))
               for o, e in zip(operands, powers, strict=True)]
    total = np.einsum(subscripts, *factors, optimize=len(factors) > 2)
    return total if size is None else ops.fold.forward(
        total, shape=shape, size=size, stride=(1, 1))


@op(register=False, latex="{a}")
def moving(a: Any, *, size: Any, stride: Any) -> Any:
    """The windows of an array; written as the array, since the indices tell which part it is."""
    return ops.windows.forward(a, size=size, stride=stride)


def _spread_latex(a: Any, size: Any, alone: bool) -> str:
    names = iter(LETTERS)
    letters = [next(names) if n != 1 else "" for n in a.shape]
    shown = _joined([*letters[:-2], *map(_of_window, letters[-2:], size)])
    return rf"\left[{a}_{{{shown}}}\right]_{{{''.join(letters)}}}" if alone else f"{a}"


@op(register=False, latex=_spread_latex,
    rules={"a": lambda g, y, a, size, alone: ops.sum(
        ops.windows(g, size=size, stride=size), axis=(-2, -1))})
def spread(a: Any, *, size: Any, alone: bool) -> Any:
    """Each element in all places of a window, the windows side by side.

    Written as the array with the number of the window, around which indices stand if not `alone`.
    """
    return np.repeat(np.repeat(a, size[0], axis=-2), size[1], axis=-1)


def _of_window(place: str, length: int) -> str:
    """The number of the window that a place is in."""
    inside = f"({place})" if len(place) > 1 else place
    return place if length == 1 or not place else rf"\left\lfloor {inside}/{length} \right\rfloor"


def _joined(indices: Sequence[str]) -> str:
    """Indices one after the other, with commas from the first one on that is computed."""
    start = next((place for place, index in enumerate(indices) if len(index) > 1), len(indices))
    return ",".join(filter(None, ["".join(indices[:start]), *indices[start:]]))


def indexed(factors: Sequence[Factor], shape: Shape, back: bool = False) -> tuple[
        dict[str, Any], list[int]]:
    """The static parameters of a product in index notation, and which axes of a shape it has.

    With `back`, the last axes are places i, j of a window and k, l within it, and what has i is
    written with i − k.
    """
    axes = [i for i, n in enumerate(shape) if n != 1]
    free = [i for i in axes if any(i in f.indices for f in factors)]
    order = dict.fromkeys([*axes, *(i for f in factors for i in f.indices if i >= SUMMED)])
    names = dict(zip(order, LETTERS, strict=False))
    n = len(shape)
    moved = {i: f"{names[i]}-{names[i + 2]}" for i in (n - 4, n - 3) if back and i + 2 in names}
    terms = ["".join(names[i] for i in f.indices if i != UNIT) for f in factors]
    static = {
        "subscripts": f"{','.join(terms)}->{''.join(names[i] for i in free)}",
        "written": tuple(_shown(f, {**names, **moved}) for f in factors),
        "powers": tuple(str(f.exponent) for f in factors),
        "summed": "".join(names[i] for i in order if i >= SUMMED)}
    return static, free


def overlapping(factors: Sequence[Factor], shape: Shape) -> dict[str, Any] | None:
    """How the sum of overlapping windows is written; None where these have no own indices."""
    static, axes = indexed(factors, shape, back=True)
    n = len(shape)
    if axes[-4:] != [n - 4, n - 3, n - 2, n - 1] or any(
            f.base.name is None and not is_spread(f) for f in factors):
        return None
    return {**static, "summed": static["summed"] + static["subscripts"][-2:]}


def parts_along_an_axis(p: Polynomial) -> tuple[int, Callable[..., Array], list[Polynomial]]:
    """The axis along which an array is put together, by which function, and its parts if it is."""
    rows: list[tuple[int, int, int, Polynomial]] = []
    join: Callable[..., Array] = np.concatenate
    for m, c in p.terms.items():
        made = Polynomial(p.shape, {m: ONE}).called(ops.scatter_add)
        if made is None or m[0].base.name is not None or len(made.args) > 1:
            return 0, join, []
        for axis, cut in cuts_of(made.static["template"], len(p.shape)).items():
            if isinstance(cut, int):
                join, cut = np.stack, slice(cut, cut + 1)
            elif not isinstance(cut, slice) or cut.step is not None or join is np.stack:
                return 0, join, []
            rows.append((axis, *cut.indices(p.shape[axis])[:2], made.args[0].scaled(c)))
    rows.sort(key=lambda row: row[:3])
    axis = rows[0][0] if rows else 0
    ends = [(axis, 0), *((axis, stop) for axis, _, stop, _ in rows)]
    starts = [*((axis, start) for axis, start, *_ in rows), (axis, p.shape[axis] if rows else 0)]
    alike = len({len(part.shape) for *_, part in rows}) == 1 and len(rows) == len(p.terms)
    return axis, join, [part for *_, part in rows] if alike and ends == starts else []


def is_moving(f: Factor) -> bool:
    """Whether a factor is a window of an array, which has no name."""
    return f.base.name is None and f.base.called(ops.windows) is not None


def is_spread(f: Factor) -> bool:
    """Whether a factor is an array spread over windows, which has no name."""
    return f.base.name is None and f.base.called(spread) is not None


def _shown(f: Factor, names: Mapping[int, str]) -> str:
    letters = ["" if i == UNIT else names[i] for i in f.indices]
    if f.base.call is not None and is_spread(f):
        letters[-2:] = map(_of_window, letters[-2:], f.base.call.static["size"])
    if f.base.call is not None and is_moving(f):
        *letters, i, j, a, b = letters
        strides = f.base.call.static["stride"]
        letters += ["+".join(filter(None, [f"{s if s != 1 else ''}{o}" if o else "", w]))
                    for o, w, s in zip((i, j), (a, b), strides, strict=True)]
    return _joined(letters)
