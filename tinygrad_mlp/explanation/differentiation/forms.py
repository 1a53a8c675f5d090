"""Shapes, products and losses in index notation, and rules as books have them."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.op import OPS, Op
from tinygrad_mlp.autograd.ops.shapes.indexing import IndexSlot
from tinygrad_mlp.explanation.algebra.monomial import Shape
from tinygrad_mlp.explanation.algebra.numbers import HALF, number
from tinygrad_mlp.explanation.algebra.polynomial import Polynomial
from tinygrad_mlp.explanation.algebra.quantities import cuts_of
from tinygrad_mlp.explanation.algebra.translation import (
    FORMS,
    LETTERS,
    Args,
    Static,
    Translation,
    form,
    squared,
)
from tinygrad_mlp.explanation.expressions.indices import spread

# -- shapes ---------------------------------------------------------------------------------------

FORMS[ops.identity] = FORMS[ops.astype] = lambda t, a, s, shape: a[0]
FORMS[ops.broadcast_to] = lambda t, a, s, shape: a[0] + number(0, shape)


@form("transpose")
def _transpose(t: Translation, a: Args, s: Static, shape: Shape) -> Polynomial | None:
    n = len(shape)
    axes = [i % n for i in s["axes"] or range(n)[::-1]]
    return a[0].rearranged({old: new for new, old in enumerate(axes)}, shape)


@form("swapaxes")
def _swapaxes(t: Translation, a: Args, s: Static, shape: Shape) -> Polynomial | None:
    i, j = s["axis1"] % len(shape), s["axis2"] % len(shape)
    return a[0].rearranged({i: j, j: i}, shape)


@form("reshape")
def _reshape(t: Translation, a: Args, s: Static, shape: Shape) -> Polynomial | None:
    old = [i for i, n in enumerate(a[0].shape) if n != 1]
    new = [i for i, n in enumerate(shape) if n != 1]
    if [a[0].shape[i] for i in old] != [shape[i] for i in new]:
        return None
    return a[0].rearranged(dict(zip(old, new, strict=True)), shape)


@form("getitem")
def _getitem(t: Translation, a: Args, s: Static, shape: Shape) -> Any:
    """Rows by number, or one element of each row, as a product with a matrix of ones and zeros."""
    x, *indices = a
    if not indices and a[0].shape and _is_reshape(s["template"]) and math.prod(
            x.shape) == math.prod(shape):
        return _reshape(t, a, s, shape)
    if not indices and (alike := _of_any_part(x, s["template"], shape)) is not None:
        return alike
    values = [places(i) for i in indices]
    if not values or any(v is None for v in values):
        return None
    if s["template"] == (IndexSlot(0),):
        chosen = _one_hot(t, values[0], x.shape[0])
        rest = LETTERS[2 : 1 + len(x.shape)]
        return t.contract([chosen, x], f"ab,b{rest}->a{rest}", shape)
    if s["template"] == (IndexSlot(0), IndexSlot(1)) and len(x.shape) == 2 and np.array_equal(
            values[0], np.arange(x.shape[0])):
        return t.contract([_one_hot(t, values[1], x.shape[1]), x], "ab,ab->a", shape)
    return None


def _of_any_part(x: Polynomial, template: Sequence[object], shape: Shape) -> Polynomial | None:
    """A part of what is the same along the axes that are cut."""
    cuts = cuts_of(template, len(x.shape))
    if any(type(cut) is not int and not isinstance(cut, slice) for cut in cuts.values()) or any(
            axis in f.indices for axis in cuts for m in x.terms for f in m):
        return None
    left = [axis for axis in range(len(x.shape)) if not isinstance(cuts.get(axis), int)]
    return x.rearranged({old: new for new, old in enumerate(left)}, shape)


@form("assemble")
def _assemble(t: Translation, a: Args, s: Static, shape: Shape) -> Polynomial | None:
    """What was stored into each part along an axis, as a stack."""
    base, *pieces = a
    numbers = np.full(shape, -1)
    for k, (at, chosen) in enumerate(s["places"].parts):
        numbers.flat[at] = k
        if chosen is not None or (np.diff(np.arange(numbers.size)[at]) < 0).any():
            return None
    for axis, n in enumerate(shape):
        parts = np.moveaxis(numbers, axis, 0).reshape(n, -1)
        order = parts[:, 0].tolist()
        if sorted(order) == list(range(len(pieces))) and (parts.T == order).all() and n > 1:
            return t.call(OPS["stack"], [t.argument(pieces[k]) for k in order], {"axis": axis},
                          shape)
    return None


@form("scatter_add")
def _scatter(t: Translation, a: Args, s: Static, shape: Shape) -> Any:
    alike = math.prod(a[0].shape) == math.prod(shape)
    if len(a) == 1 and alike and _is_reshape(s["template"]):
        return _reshape(t, a, s, shape)
    if len(a) == 1 and a[0].number is not None:  # ones at some places
        ones = t.constant(ops.scatter_add.forward(np.ones(a[0].shape), **s))
        return ones.scaled(a[0].number)
    numbers = places(a[1]) if len(a) == 2 else None
    if s["template"] != (IndexSlot(0),) or numbers is None:
        return None
    chosen = _one_hot(t, numbers, shape[0])
    rest = LETTERS[2 : 1 + len(shape)]
    return t.contract([chosen, a[0]], f"ab,a{rest}->b{rest}", shape)


def places(p: Polynomial) -> Any:
    """The array of an index that picks rows; None for other indices."""
    value = p.single.value if p.single is not None else None
    picks = isinstance(value, np.ndarray) and value.dtype.kind in "iu" and value.ndim == 1
    return value if picks else None


def _is_reshape(template: Any) -> bool:
    return all(part is None or part is Ellipsis or part == slice(None) or isinstance(part, int)
               for part in template)


def _one_hot(t: Translation, numbers: Any, n: int) -> Polynomial:
    made = t.constant(np.eye(n)[numbers])
    if made.single is not None and made.single.number:
        made.single.sums = {1: 1}
        t.one_hot[made.single] = numbers
    return made


# -- products -------------------------------------------------------------------------------------

FORMS[OPS["einsum"]] = lambda t, a, s, shape: t.contract(a, s["subscripts"], shape)


@form("matmul")
def _matmul(t: Translation, a: Args, s: Static, shape: Shape) -> Polynomial | None:
    m, n = len(a[0].shape), len(a[1].shape)
    stack = LETTERS[: max(m, n, 2) - 2]
    left = stack[len(stack) - m + 2 :] + "yz" if m > 1 else "z"
    right = stack[len(stack) - n + 2 :] + "zx" if n > 1 else "z"
    out = stack + "y" * (m > 1) + "x" * (n > 1)
    return t.contract(a, f"{left},{right}->{out}", shape)


@form("linear")
def _linear(t: Translation, a: Args, s: Static, shape: Shape) -> Polynomial | None:
    stack = LETTERS[: len(shape) - 1]
    product = t.contract(a[:2], f"{stack}z,yz->{stack}y", shape)
    return product if a[2] is None else t.sum(product, a[2])


@form("solve")
def _solve(t: Translation, a: Args, s: Static, shape: Shape) -> Any:
    if len(a[0].shape) != 2:
        return None
    inverse = t.call(ops.inv, [a[0]], {}, a[0].shape)
    return _matmul(t, [inverse, a[1]], s, shape)


@form("conv2d")
def _conv2d(t: Translation, a: Args, s: Static, shape: Shape) -> Polynomial | None:
    x, weight, bias = a
    if any(s["padding"]):
        return None
    size = weight.shape[-2:]
    windows = t.call(ops.windows, [t.argument(x)], {"size": size, "stride": s["stride"]},
                     (*x.shape[:2], *shape[2:], *size))
    product = t.contract([windows, weight], "ncijab,ocab->noij", shape)
    if bias is None:
        return product
    return t.sum(product, bias.rearranged({}, (shape[1], 1, 1)))


@form("avg_pool2d")
def _avg_pool(t: Translation, a: Args, s: Static, shape: Shape) -> Polynomial | None:
    windows = t.call(ops.windows, [t.argument(a[0])], dict(s), (*shape, *s["size"]))
    lead = LETTERS[: len(shape)]
    total = t.contract([windows], f"{lead}yz->{lead}", shape)
    return total.scaled(Fraction(1, math.prod(s["size"])))


@form("fold")
def _fold(t: Translation, a: Args, s: Static, shape: Shape) -> Polynomial | None:
    """Windows side by side, each of one number, as after a mean."""
    n = len(a[0].shape)
    counts = a[0].shape[-4:-2]
    tiled = tuple(m * k for m, k in zip(counts, s["size"], strict=True)) == shape[-2:]
    if s["size"] != s["stride"] or not tiled or any(
            i in (n - 2, n - 1) for m in a[0].terms for f in m for i in f.indices):
        return None
    inner = t.bracket(a[0].rearranged({}, a[0].shape[:-2]))
    (monomial, c), = inner.terms.items()
    one = t.argument(inner.scaled(1 / c))
    return t.call(spread, [one], {"size": s["size"], "alone": True}, shape).scaled(c)


# -- losses ---------------------------------------------------------------------------------------

LOSSES: dict[str, Callable[[Translation, Polynomial, Polynomial], Polynomial]] = {
    "squared_error": lambda t, p, y: squared(t, t.sum(p, -y)).scaled(HALF),
    "sigmoid_cross_entropy": lambda t, z, y: t.sum(
        t.elementwise(ops.softplus, z), -t.product(y, z)),
    "softmax_cross_entropy": lambda t, z, y: -t.product(
        y, t.elementwise(ops.log_softmax, z, axis=-1)),
    "binary_cross_entropy": lambda t, p, y: -t.sum(
        t.product(y, t.elementwise(ops.log, p)),
        t.product(t.sum(number(1), -y), t.elementwise(ops.log, t.sum(number(1), -p)))),
    "categorical_cross_entropy": lambda t, p, y: -t.product(y, t.elementwise(ops.log, p))}
"""Losses before they are summed, of predictions and targets."""


def _loss(name: str, t: Translation, a: Args, s: Static, shape: Shape) -> Polynomial:
    losses = LOSSES[name](t, *a)
    total = losses.summed(range(len(losses.shape)))
    mean = s["reduction"] == "mean" and len(losses.shape) > 1
    return t.product(t.count(losses.shape[0]), total) if mean else total


FORMS |= {OPS[name]: functools.partial(_loss, name) for name in LOSSES}


# -- gradient rules as books have them ------------------------------------------------------------

def _log_of_sum(g: Any, y: Any, a: Any, axis: Any, keepdims: bool) -> Any:
    if axis is None and a.ndim != 1:
        return None
    i = 0 if axis is None else axis
    return (g if keepdims or a.ndim == 1 else ops.expand_dims(g, i)) * ops.softmax(a, axis=i)


RULES: dict[tuple[Op, int], Callable[..., Any]] = {
    (OPS["logsumexp"], 0): _log_of_sum,
    (ops.det, 0): lambda g, y, a: None if a.ndim > 2 else g * y * ops.inv(a).T,
    (ops.abs, 0): lambda g, y, x: g * ops.sign(x)}
"""Rules that are written otherwise than those of the operations, which take care of rounding."""
