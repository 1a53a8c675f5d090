"""Einstein's summation convention: `einsum`."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.argument_types import Operand
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import Sample, implements, op
from tinygrad_mlp.autograd.ops.shapes.shape import shape_of
from tinygrad_mlp.errors import InvalidArgumentError, ShapeError

__all__ = ["einsum"]


def _einsum_rule(
    g: Array, y: Array, *operands: Array, position: int, subscripts: str, optimize: bool
) -> Array:
    """Sum the same products, with g in place of the operand.

    An index that no other factor has gets ones, along which the sum is spread. An index that the
    operand has twice gets another name and a unit matrix: only the diagonal was used.
    """
    inputs, output = subscripts.split("->")
    terms = inputs.split(",")
    a = operands[position]
    factors = [(output, g)]
    factors += [(t, o) for i, (t, o) in enumerate(zip(terms, operands, strict=True))
                if i != position]
    unused = iter(c for c in string.ascii_letters if c not in subscripts)
    wanted = ""
    for axis, label in enumerate(terms[position]):
        n = a.shape[axis]
        if label in wanted:
            other = next(unused)
            factors.append((label + other, np.eye(n, dtype=a.dtype)))
            wanted += other
            continue
        wanted += label
        if not any(label in t and o.shape[t.index(label)] == n for t, o in factors):
            factors.append((label, np.ones(n, a.dtype)))
    subscripts = f"{','.join(t for t, _ in factors)}->{wanted}"
    return einsum_op(*(o for _, o in factors), subscripts=subscripts, optimize=optimize)


def _einsum_latex(*operands: object, subscripts: str, optimize: bool) -> str:
    inputs, output = subscripts.split("->")
    return (
        rf"\mathrm{{einsum}}(\mathrm{{{inputs}}} \to \mathrm{{{output}}}; "
        rf"{', '.join(map(str, operands))})")


def _einsum_by_loops(*operands: Array, subscripts: str, optimize: bool) -> Array:
    inputs, output = subscripts.split("->")
    terms = inputs.split(",")
    lengths: dict[str, int] = {}
    for term, a in zip(terms, operands, strict=True):
        for label, n in zip(term, a.shape, strict=True):
            lengths[label] = max(n, lengths.get(label, 1))
    out = np.zeros([lengths[label] for label in output])
    for place in np.ndindex(*lengths.values()):
        at = dict(zip(lengths, place, strict=True))
        product = 1.0
        for term, a in zip(terms, operands, strict=True):
            product *= a[tuple(min(at[c], n - 1) for c, n in zip(term, a.shape, strict=True))]
        out[tuple(at[label] for label in output)] += product
    return out


CASES = (
    ("ij,jk->ik", (2, 3), (3, 4)), ("bij,bj->bi", (2, 2, 3), (2, 3)), ("i,j->ij", (2,), (3,)),
    ("ij->ji", (2, 3)), ("ij->", (2, 3)), ("ij->j", (2, 3)), ("ii->i", (3, 3)), ("ii->", (3, 3)),
    ("iij,jk->ki", (2, 2, 3), (3, 2)), ("i,ij,j->", (2,), (2, 3), (3,)), ("i,i,i->i", (3,), (3,),
    (3,)), ("ij,jk->ik", (2, 1), (3, 2)), ("ij,j->i", (2, 3), (1,)), (",i->i", (), (3,)))


@op(name="einsum", rules={"operands": _einsum_rule},
    equation="y = Σ of products by indices,  ā = the same Σ with g instead of a",
    latex=_einsum_latex, reference=_einsum_by_loops,
    samples=lambda rng: [
        Sample(*(rng.normal(size=s) for s in shapes), subscripts=subscripts, optimize=False)
        for subscripts, *shapes in CASES])
def einsum_op(*operands: Array, subscripts: str, optimize: bool = False) -> Array:
    out = np.einsum(subscripts, *operands, optimize=optimize)
    return out  # (on a line of its own: it may be a view of an operand, as programs must know)


def _from_lists(operands: Sequence[Any]) -> tuple[str, list[Any]]:
    """Return subscripts and arrays of a call ``einsum(a, [0, 1], b, [1, 2], [0, 2])``."""

    def term(labels: Sequence[Any]) -> str:
        return "".join("..." if i is Ellipsis else string.ascii_letters[i] for i in labels)

    paired = operands[: len(operands) // 2 * 2]
    subscripts = ",".join(term(labels) for labels in paired[1::2])
    if len(operands) % 2:
        subscripts += "->" + term(operands[-1])
    return subscripts, list(paired[::2])


def explicit(subscripts: str, ndims: Sequence[int]) -> str:
    """Return subscripts with the output written out and letters in place of ellipses.

    >>> explicit("...ij,jk", [3, 2]), explicit("ba", [2]), explicit("ii", [2])
    ('Aij,jk->Aik', 'ba->ab', 'ii->')
    """
    inputs, arrow, output = subscripts.replace(" ", "").partition("->")
    terms = inputs.split(",")
    if len(terms) != len(ndims):
        raise ShapeError(
            f"einsum() expects an array for each term of {subscripts!r}, {len(terms)}. "
            f"Got {len(ndims)}.")
    hidden = []
    for term, ndim in zip(terms, ndims, strict=True):
        missing = ndim - len(term.replace("...", ""))
        if missing < 0 or (missing and "..." not in term):
            raise ShapeError(
                f"einsum() expects an index for each axis. Got {term!r} for {ndim} axes.")
        hidden.append(missing)
    most = max(hidden)
    unused = [c for c in string.ascii_uppercase + string.ascii_lowercase if c not in subscripts]
    letters = "".join(unused[:most])
    terms = [t.replace("...", letters[most - n :]) for t, n in zip(terms, hidden, strict=True)]
    if not arrow:
        together = "".join(terms)
        once = sorted(c for c in set(together) - set(letters) if together.count(c) == 1)
        output = "..." + "".join(once)
    elif most and "..." not in output:
        raise InvalidArgumentError(
            f"einsum() expects '...' in the output of {subscripts!r}, for the axes that it stands "
            f"for in the arrays.")
    return f"{','.join(terms)}->{output.replace('...', letters)}"


@implements(np.einsum)
def einsum(*operands: Operand, optimize: object = False) -> Array:
    """Sum products over indices named by a string: ``y[i, k] = Σ_j a[i, j] b[j, k]``.

    All of NumPy's forms: an output left out, ``...`` for the other axes, an index twice in one
    array (its diagonal), and lists of integers instead of letters.

    Args:
        operands: the subscripts and the arrays, or every array followed by a list of its
            indices, and a list of the output's.
        optimize: whether to look for a good order of the products; pays off from three arrays on.

    Raises:
        ShapeError: the subscripts do not fit the arrays.

    Source: defined as np.einsum.

    >>> a, b = np.ones((2, 3)), np.ones((3, 4))
    >>> einsum("ij,jk", a, b).shape, float(einsum(a, [0, 1], a, [0, 1], []))
    ((2, 4), 6.0)
    """
    if operands and isinstance(operands[0], str):
        subscripts, arrays = operands[0], list(operands[1:])
    else:
        subscripts, arrays = _from_lists(operands)
    subscripts = explicit(subscripts, [len(shape_of(a)) for a in arrays])
    return einsum_op(*arrays, subscripts=subscripts, optimize=bool(optimize))
