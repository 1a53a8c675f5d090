"""Terms made of the variables in scope, which can be looked up by their values.

Terms of one shape are made and compared together, with their values stacked in one array.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.graph import Array

MOST_ATOMS = 30
MOST_SIMPLE = 150
MOST_TERMS = 5000
LOOKUP_RTOL = 1e-7

AFTER = 10**9
"""A place after those of all other pairs."""

NUMBERS = (1.0, 2.0, 0.5)
"""Numbers that an expression may need which nothing in scope holds."""


class ValuedTerm(NamedTuple):
    """An expression with its value. `size` counts the names, numbers and calls in it."""

    text: str
    size: float
    value: Array


class TermStack(NamedTuple):
    """Terms of one shape; `values` holds theirs along its first axis.

    Of terms of the same size, those with the lowest `places` come first.
    """

    texts: Sequence[str]
    sizes: Sequence[float]
    places: Sequence[int]
    values: Array

    def formed(self, form: str, number: int, size: float, values: Array) -> TermStack:
        """Return a form of each term, such as ``1 - ({})``, which counts `size` more."""
        return TermStack([form.format(text) for text in self.texts], [s + size for s in self.sizes],
                     [100 * place + number for place in self.places], values)


class Pool:
    """Terms that can be looked up by their values; of equal ones the shortest.

    Attributes:
        atoms: the variables.
        simple: these, and functions of one of them.
    """

    def __init__(self, variables: Mapping[str, Array | float]) -> None:
        self._by_shape: dict[tuple[int, ...], list[tuple[float, int]]] = {}
        self._known: set[tuple[tuple[int, ...], str]] = set()
        self.terms: list[ValuedTerm] = []
        with np.errstate(all="ignore"):
            self.atoms = self._added(stacked(list(_atoms(variables))))[:MOST_ATOMS]
            numbers = [ValuedTerm(f"{c:g}", 1.0, np.asarray(c)) for c in NUMBERS]
            forms = self._added(form for each in stacked(self.atoms) for form in _forms(each))
            self.simple = [*self.atoms, *numbers, *forms][:MOST_SIMPLE]
            pairs = self._added(_pairs(self.atoms, self.simple[:2 * MOST_ATOMS - len(self.atoms)]))
            self._added(form for each in stacked(pairs) for form in _reductions(each))
        for entries in self._by_shape.values():
            entries.sort()

    def _added(self, stacks: Iterable[TermStack]) -> list[ValuedTerm]:
        found = [
            (stack.sizes[i], stack.places[i], i, shape, key, stack) for stack in stacks
            for i, (shape, key) in enumerate(fingerprints(stack.values)) if shape is not None]
        found.sort(key=itemgetter(0, 1))
        made = []
        for size, _, i, shape, key, stack in found:
            known = stack.values.shape[1:], f"{key:.8g}"
            if len(self.terms) >= MOST_TERMS:
                break
            if known not in self._known:
                self._known.add(known)
                self._by_shape.setdefault(shape, []).append((key, len(self.terms)))
                made.append(ValuedTerm(stack.texts[i], size, np.asarray(stack.values[i])))
                self.terms.append(made[-1])
        return made

    def find(self, wanted: Array | None) -> Iterator[ValuedTerm]:
        """Yield the terms that equal an array, or broadcast to it."""
        if wanted is None:
            return
        ((shape, key),) = fingerprints(wanted[np.newaxis])
        entries = self._by_shape.get(shape, []) if shape is not None else []
        if not entries:
            return
        slack = LOOKUP_RTOL * max(abs(key), float(np.abs(wanted).max()))
        for at in range(bisect_left(entries, (key - slack, -1)), len(entries)):
            if entries[at][0] > key + slack:
                break
            term = self.terms[entries[at][1]]
            if agree(term.value, wanted):
                yield term


def agree(term: Array, wanted: Array) -> bool:
    """Return whether an array equals another, or broadcasts to it."""
    if term.ndim > wanted.ndim:
        return False
    try:
        wide = np.broadcast_to(term, wanted.shape)
    except ValueError:
        return False
    size = np.abs(wanted).max(initial=0)
    return bool(np.abs(wide - wanted).max(initial=0) <= 1e-6 * size)


def fingerprints(values: Array) -> Iterable[tuple[tuple[int, ...] | None, float]]:
    """Return, for each array of a stack, what arrays that broadcast to each other have in common.

    Its shape without axes along which it is constant, and a number for what is left. The shape is
    None where the elements are not finite, or all zero.
    """
    count = len(values)
    if values.size == 0:
        return [(None, 0.0)] * count
    sizes = np.abs(values).reshape(count, -1).max(axis=1)
    constant = np.zeros(count, dtype=int)  # axes along which an array is constant, as bits
    for axis in range(1, values.ndim):
        if values.shape[axis] > 1:
            spread = np.abs(values - values.take([0], axis)).reshape(count, -1).max(axis=1)
            constant |= (spread <= 1e-9 * sizes) << axis
    constant[~(np.isfinite(sizes) & (sizes > 0))] = -1
    found: list[tuple[tuple[int, ...] | None, float]] = [(None, 0.0)] * count
    for kind in set(constant.tolist()) - {-1}:
        rows = np.flatnonzero(constant == kind)
        part = values[rows]
        for axis in range(1, values.ndim):
            if kind >> axis & 1:
                part = part.take([0], axis)
        shape = tuple(n for n in part.shape[1:] if n > 1)
        flat = part.reshape(len(rows), -1).astype(float)
        keys = flat @ np.cos(np.arange(flat.shape[1]))
        for row, key in zip(rows.tolist(), keys.tolist(), strict=True):
            found[row] = shape, key
    return found


def stacked(terms: Sequence[ValuedTerm]) -> list[TermStack]:
    """Return terms in stacks of those with one shape and dtype, in their order."""
    groups: dict[Any, list[int]] = {}
    for place, term in enumerate(terms):
        groups.setdefault((term.value.shape, term.value.dtype), []).append(place)
    return [TermStack([terms[i].text for i in places], [terms[i].size for i in places], places,
                  np.stack([terms[i].value for i in places])) for places in groups.values()]


def _atoms(variables: Mapping[str, Array | float]) -> Iterator[ValuedTerm]:
    for text, value in variables.items():
        array = np.asarray(value)
        if array.dtype.kind not in "fiub":
            continue
        array = array.astype(float) if array.dtype.kind == "b" else array
        yield ValuedTerm(text, 1.0 if text.isidentifier() else 1.2, array)
        for axis in range(array.ndim):
            count = np.asarray(array.shape[axis])
            if count > 1:
                yield ValuedTerm(f"{text}.shape[{axis}]", 1.5 + 0.1 * axis, count)


FORMS: tuple[tuple[str, float, Callable[[Array], Array]], ...] = (
    ("1 - ({})", 1, lambda a: 1 - a),
    ("({}) ** 2", 0.8, lambda a: a * a),
    ("1 - ({}) ** 2", 1.5, lambda a: 1 - a * a),
    ("({0}) * (1 - ({0}))", 2, lambda a: a * (1 - a)),
    ("(({}) > 0)", 1, lambda a: (a > 0) * 1.0),
    ("np.exp({})", 1, np.exp),
    ("np.tanh({})", 1, np.tanh),
    ("np.sqrt({})", 1, np.sqrt),
    ("np.log({})", 1, np.log),
    ("np.sign({})", 1, np.sign),
    ("1 - np.tanh({}) ** 2", 2, lambda a: 1 - np.tanh(a) ** 2))
"""Functions of one variable, with what they count, element by element."""


def _forms(stack: TermStack) -> Iterator[TermStack]:
    values = stack.values
    if values.ndim == 1 and values.dtype.kind in "iu":  # counts
        yield stack.formed("np.sqrt({})", 0, 1, np.sqrt(values))
        return
    if values.ndim == 3:
        yield stack.formed("({}).T", 0, 0.2, values.swapaxes(1, 2))
    for number, (form, size, function) in enumerate(FORMS, 1):
        yield stack.formed(form, number, size, function(values))
    yield from _reductions(stack)


def _reductions(stack: TermStack) -> Iterator[TermStack]:
    values = stack.values
    if values.ndim == 1 or values.dtype.kind != "f":
        return
    yield stack.formed("({}).sum()", 50, 0.5, values.reshape(len(values), -1).sum(axis=1))
    for axis in range(values.ndim - 1 if values.ndim > 2 else 0):
        total = values.sum(axis=axis + 1, keepdims=True)
        for name, kept in (("sum", total), ("mean", total / values.shape[axis + 1])):
            number = 51 + 4 * axis + 2 * (name == "mean")
            yield stack.formed(f"({{}}).{name}({axis})", number, 0.6, kept.squeeze(axis + 1))
            yield stack.formed(f"({{}}).{name}({axis}, keepdims=True)", number + 1, 0.7, kept)
    for axis in range(values.ndim - 1 if values.ndim > 3 else 0):  # by channel
        axes = tuple(other for other in range(values.ndim - 1) if other != axis)
        mean = values.mean(axis=tuple(other + 1 for other in axes), keepdims=True)
        yield stack.formed(f"({{}}).mean({axes}, keepdims=True)", 90 + axis, 0.8, mean)


OPERATORS: tuple[tuple[str, Callable[[Array, Array], Array]], ...] = (
    ("/", np.divide), ("-", np.subtract), ("*", np.multiply), ("+", np.add))


def _pairs(left: Sequence[ValuedTerm], right: Sequence[ValuedTerm]) -> Iterator[TermStack]:
    """Yield quotients, differences, products, sums and matrix products of two terms."""
    for a in stacked(left):
        for b in stacked(right):
            if _fit(a.values[0], b.values[0]):
                yield from _combined(a, b)
            if 2 <= min(a.values.ndim, b.values.ndim) and max(a.values.ndim, b.values.ndim) <= 3:
                if a.values.shape[-1] == b.values.shape[1]:
                    yield _multiplied(a, b)
                if b.values.shape[-1] == a.values.shape[1]:
                    yield _multiplied(b, a)


def _combined(a: TermStack, b: TermStack) -> Iterator[TermStack]:
    wide = max(a.values.ndim, b.values.ndim) - 1
    left = a.values.reshape(len(a.texts), 1, *[1] * (wide - a.values.ndim + 1), *a.values.shape[1:])
    right = b.values.reshape(1, len(b.texts), *[1] * (wide - b.values.ndim + 1),
                             *b.values.shape[1:])
    for number, (op, function) in enumerate(OPERATORS):
        yield _of_all(a, b, op, number, function(left, right))


def _multiplied(a: TermStack, b: TermStack) -> TermStack:
    return _of_all(a, b, "@", AFTER, np.array([[x @ y for y in b.values] for x in a.values]))


def _of_all(a: TermStack, b: TermStack, op: str, number: int, values: Array) -> TermStack:
    """Return the stack of all pairs, from an array of their values with an axis for each stack."""
    places = [(i, j) for i in range(len(a.texts)) for j in range(len(b.texts))]
    return TermStack(
        [f"({a.texts[i]}) {op} ({b.texts[j]})" for i, j in places],
        [a.sizes[i] + b.sizes[j] for i, j in places],
        [(1000 * a.places[i] + b.places[j]) * 100 + number for i, j in places],
        values.reshape(len(places), *values.shape[2:]))


def _fit(a: Array, b: Array) -> bool:
    """Return whether two arrays are likely to be combined: one is a number, or they broadcast."""
    if a.dtype.kind == "b" and b.dtype.kind == "b":
        return False
    try:
        shape = np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        return False
    return shape in (a.shape, b.shape)  # no table of all combinations of a row and a column
