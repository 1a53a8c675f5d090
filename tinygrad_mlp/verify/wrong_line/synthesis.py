"""Expressions made from the numbers that a line should hold.

The variables in scope, and what is easily made of them, are listed with their values (`Pool`). A
wanted value T is then solved for: T = a∘b, or v∘e for the present value v, or a∘(b ∓ c). Nothing is
guessed: for each known operand the other one is computed, ``b = T / a``, and looked up by its
numbers. All this happens at one point. What it yields still has to be tried at others.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.graph import Array

MOST_ATOMS = 30
MOST_SIMPLE = 150
MOST_TERMS = 5000
LOOKUP_RTOL = 1e-7

NUMBERS = (2.0, 0.5)
"""Numbers that an expression may need which nothing in scope holds."""


class ValuedTerm(NamedTuple):
    """An expression with its value. `size` counts the names, numbers and calls in it."""

    text: str
    size: float
    value: Array


class Pool:
    """Terms that can be looked up by their values; of equal ones the shortest.

    Attributes:
        atoms: the variables.
        simple: these, and functions of one of them.
    """

    def __init__(self, variables: Mapping[str, Any]) -> None:
        self._by_shape: dict[tuple[int, ...], list[tuple[float, int]]] = {}
        self._known: set[tuple[tuple[int, ...], str]] = set()
        self.terms: list[ValuedTerm] = []
        self.atoms = self._added(_atoms(variables))[:MOST_ATOMS]
        numbers = [ValuedTerm(f"{c:g}", 1.0, np.asarray(c)) for c in NUMBERS]
        with np.errstate(all="ignore"):
            forms = [form for term in self.atoms for form in _forms_of_one(term)]
            self.simple = [*self.atoms, *numbers, *self._added(forms)][:MOST_SIMPLE]
            pairs = self._added(_pairs(self.atoms, [*self.atoms, *self.simple][:2 * MOST_ATOMS]))
            self._added(form for term in pairs for form in _reductions(term))
        for entries in self._by_shape.values():
            entries.sort()

    def _added(self, terms: Any) -> list[ValuedTerm]:
        made = []
        for term in sorted(terms, key=lambda t: t.size):
            value = term.value
            if len(self.terms) >= MOST_TERMS:
                break
            if value.dtype.kind not in "fiub" or not np.isfinite(value).all() or not value.any():
                continue
            shape, key = fingerprint(value)
            known = value.shape, f"{key:.8g}"
            if known in self._known:
                continue
            self._known.add(known)
            self._by_shape.setdefault(shape, []).append((key, len(self.terms)))
            self.terms.append(term)
            made.append(term)
        return made

    def find(self, wanted: Array | None) -> Iterator[ValuedTerm]:
        """Yield the terms that equal an array, or broadcast to it."""
        if wanted is None or not np.isfinite(wanted).all() or not wanted.any():
            return
        shape, key = fingerprint(wanted)
        entries = self._by_shape.get(shape, [])
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


def fingerprint(array: Array) -> tuple[tuple[int, ...], float]:
    """Return the shape of an array without axes along which it is constant, and a number for it."""
    for axis in range(array.ndim):
        if array.shape[axis] > 1:
            first = array.take([0], axis)
            if np.abs(array - first).max() <= 1e-9 * np.abs(array).max():
                array = first
    flat = np.asarray(array, dtype=float).ravel()
    return tuple(n for n in array.shape if n > 1), float(flat @ np.cos(np.arange(flat.size)))


def _atoms(variables: Mapping[str, Any]) -> Iterator[ValuedTerm]:
    for text, value in variables.items():
        array = np.asarray(value)
        array = array.astype(float) if array.dtype.kind == "b" else array
        yield ValuedTerm(text, 1.0 if text.isidentifier() else 1.2, array)
        for axis in range(array.ndim):
            count = np.asarray(array.shape[axis])
            yield ValuedTerm(f"{text}.shape[{axis}]", 1.5 + 0.1 * axis, count)


def _forms_of_one(term: ValuedTerm) -> Iterator[ValuedTerm]:
    a, text, size = term.value, term.text, term.size
    if a.ndim == 2:
        yield ValuedTerm(f"({text}).T", size + 0.2, a.T)
    if a.ndim == 0 and a.dtype.kind in "iu":
        yield ValuedTerm(f"np.sqrt({text})", size + 1, np.sqrt(a))
        return
    if a.dtype.kind == "b":
        return
    yield ValuedTerm(f"1 - ({text})", size + 1, 1 - a)
    yield ValuedTerm(f"({text}) ** 2", size + 0.8, a * a)
    yield ValuedTerm(f"1 - ({text}) ** 2", size + 1.5, 1 - a * a)
    yield ValuedTerm(f"({text}) * (1 - ({text}))", size + 2, a * (1 - a))
    yield ValuedTerm(f"(({text}) > 0)", size + 1, (a > 0) * 1.0)
    for name, function in (("exp", np.exp), ("tanh", np.tanh), ("sqrt", np.sqrt)):
        yield ValuedTerm(f"np.{name}({text})", size + 1, np.asarray(function(a)))
    yield ValuedTerm(f"1 - np.tanh({text}) ** 2", size + 2, np.asarray(1 - np.tanh(a) ** 2))
    yield from _reductions(term)


def _reductions(term: ValuedTerm) -> Iterator[ValuedTerm]:
    a = term.value
    if a.ndim == 0 or a.dtype.kind != "f":
        return
    yield ValuedTerm(f"({term.text}).sum()", term.size + 0.5, np.asarray(a.sum()))
    for axis in range(a.ndim if a.ndim > 1 else 0):
        for name in ("sum", "mean"):
            inner = f"({term.text}).{name}({axis}"
            made = getattr(a, name)(axis)
            yield ValuedTerm(f"{inner})", term.size + 0.6, made)
            kept = np.expand_dims(made, axis)
            yield ValuedTerm(f"{inner}, keepdims=True)", term.size + 0.7, kept)


def _pairs(left: Sequence[ValuedTerm], right: Sequence[ValuedTerm]) -> Iterator[ValuedTerm]:
    """Yield products, quotients, sums, differences and matrix products of two terms."""
    seen: set[frozenset[str]] = set()
    for a in left:
        for b in right:
            if not _fit(a.value, b.value):
                continue
            forms: list[tuple[str, Callable[..., Any]]] = [("/", np.divide), ("-", np.subtract)]
            if frozenset((a.text, b.text)) not in seen:
                seen.add(frozenset((a.text, b.text)))
                forms += [("*", np.multiply), ("+", np.add)]
            for op, function in forms:
                made = function(a.value, b.value)
                yield ValuedTerm(f"({a.text}) {op} ({b.text})", a.size + b.size, np.asarray(made))
    for a, b in ((a, b) for a in left for b in right):
        if a.value.ndim and b.value.ndim and max(a.value.ndim, b.value.ndim) <= 2:
            for first, second in ((a, b), (b, a)):
                if first.value.shape[-1] == second.value.shape[0]:
                    yield ValuedTerm(f"({first.text}) @ ({second.text})", a.size + b.size,
                               np.asarray(first.value @ second.value))


def _fit(a: Array, b: Array) -> bool:
    """Return whether two arrays are likely to be combined: one is a number, or they broadcast."""
    if a.dtype.kind == "b" and b.dtype.kind == "b":
        return False
    try:
        shape = np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        return False
    return shape in (a.shape, b.shape)  # no table of all combinations of a row and a column


Solutions = Iterator[tuple[float, str]]


def solved(pool: Pool, present: Array | None, wanted: Array, now: str) -> Solutions:
    """Yield expressions that have the wanted value, with their costs.

    `now` is the text of the present expression, and `present` is its value, if it may be kept.
    """
    with np.errstate(all="ignore"):
        if present is not None:
            yield from _around(pool, present, wanted, now)
        for term in pool.find(wanted):
            yield 1.6 + 0.4 * term.size, term.text
        for term in pool.find(-wanted):
            yield 1.8 + 0.4 * term.size, f"-({term.text})"
        yield from _of_two(pool, wanted)
        yield from _of_three(pool, wanted)


def _around(pool: Pool, present: Array, wanted: Array, now: str) -> Solutions:
    """Yield the present expression with a term or a factor added."""
    factor = _ratio(wanted, present)
    number = _constant(factor)
    if number is not None:
        yield (1.2 if number in ("2", "0.5", "-1") else 1.45), f"{number} * ({now})"
    for op, needed in (("+", wanted - present), ("-", present - wanted),
                       ("*", factor), ("/", _ratio(present, wanted))):
        for term in pool.find(needed):
            yield 1.0 + 0.3 * term.size, f"({now}) {op} ({term.text})"
        if op in "+-" and needed.any():
            for size, text in _products(pool, needed):
                yield 1.0 + 0.3 * size, f"({now}) {op} {text}"
        elif op in "*/" and np.isfinite(needed).all():
            for size, text in _products(pool, needed):
                yield 1.2 + 0.3 * size, f"({now}) {op} ({text})"
    yield from _matrix_products(pool, present, wanted, now)


def _matrix_products(pool: Pool, present: Array, wanted: Array, now: str) -> Solutions:
    """Yield the matrix products of the present value and a term."""
    for term in pool.simple:
        if not (present.ndim and term.value.ndim):
            continue
        for text, a, b in ((f"({now}) @ ({term.text})", present, term.value),
                           (f"({term.text}) @ ({now})", term.value, present)):
            if a.shape[-1] == b.shape[max(b.ndim - 2, 0)]:
                made = _product(a, b)
                if made is not None and made.shape == wanted.shape and agree(made, wanted):
                    yield 1.1 + 0.3 * term.size, text


def _product(a: Array, b: Array) -> Array | None:
    try:
        return np.asarray(a @ b)
    except ValueError:
        return None


def _ratio(w: Array, v: Array) -> Array:
    """Return w / v, with 1 where both are zero."""
    return np.where((w == 0) & (v == 0), 1.0, w / np.where(v == 0, np.nan, v))


def _constant(value: Array) -> str | None:
    """Return a simple number that all elements are, as text."""
    for number in (2.0, 0.5, -1.0, 3.0, 4.0, 0.25, -2.0, -0.5):
        if value.size and np.abs(value - number).max() < 1e-9:
            return f"{number:g}"
    return None


def _products(pool: Pool, wanted: Array) -> Iterator[tuple[float, str]]:
    """Yield the products of two terms with a wanted value."""
    for a in pool.simple:
        if _broadcasts(a.value, wanted):
            for b in pool.find(_ratio(wanted, a.value)):
                yield a.size + b.size, f"({a.text}) * ({b.text})"


def _of_two(pool: Pool, wanted: Array) -> Solutions:
    """Yield a * b, a + b and a - b."""
    for size, text in _products(pool, wanted):
        yield 1.8 + 0.4 * size, text
    for a in pool.simple:
        if _broadcasts(a.value, wanted):
            for op, needed in (("+", wanted - a.value), ("-", a.value - wanted)):
                for b in pool.find(needed):
                    yield 1.8 + 0.4 * (a.size + b.size), f"({a.text}) {op} ({b.text})"


def _of_three(pool: Pool, wanted: Array) -> Solutions:
    """Yield a * (b - c) and a * (b + c): the shape of softmax and of normalisation backwards."""
    for a in pool.atoms:
        if not _broadcasts(a.value, wanted):
            continue
        quotient = _ratio(wanted, a.value)
        for b in pool.atoms:
            if not _broadcasts(b.value, wanted):
                continue
            for op, needed in (("-", b.value - quotient), ("+", quotient - b.value)):
                for c in pool.find(needed):
                    cost = 2.0 + 0.4 * (a.size + b.size + c.size)
                    yield cost, f"({a.text}) * (({b.text}) {op} ({c.text}))"


def _broadcasts(array: Array, to: Array) -> bool:
    try:
        return bool(np.broadcast_shapes(array.shape, to.shape) == to.shape)
    except ValueError:
        return False
