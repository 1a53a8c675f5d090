"""Expressions made from the numbers that a line should hold.

The variables in scope, and what is easily made of them, are listed with their values (`Pool`). A
wanted value T is then solved for: T = a∘b, or v∘e for the present value v, or a∘(b ∓ c). Nothing is
guessed: for each known operand the other one is computed, ``b = T / a``, and looked up by its
numbers. All this happens at one point. What it yields still has to be tried at others.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.verify.wrong_line.expressions.terms import Pool, agree

Solutions = Iterator[tuple[float, str]]


def solved(pool: Pool, present: Array | None, wanted: Array, now: str) -> Solutions:
    """Yield expressions that have the wanted value, with their costs.

    `now` is the text of the present expression, and `present` is its value, if it may be kept.
    """
    with np.errstate(all="ignore"):
        if present is not None:
            yield from _around(pool, present, wanted, now)
        for term in pool.find(wanted):
            slip = 0.8 if is_operand(now) and is_operand(term.text) else 0.0
            yield 1.6 + 0.4 * term.size - slip, term.text
        for term in pool.find(-wanted):
            yield 1.8 + 0.4 * term.size, f"-({term.text})"
        yield from _of_two(pool, wanted)
        yield from _projected(pool, wanted)


def is_operand(text: str) -> bool:
    """Return whether a text is a variable or an element of one."""
    return text.replace("_", "").split("[")[0].isalnum() and not text[0].isdigit()


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


def lacking(pool: Pool, present: Array, wanted: Array) -> Iterator[tuple[float, str, str]]:
    """Yield the updates that turn a value into the wanted one: the cost, the operator, the term."""
    with np.errstate(all="ignore"):
        for op, needed in (("+", wanted - present), ("-", present - wanted),
                           ("*", _ratio(wanted, present)), ("/", _ratio(present, wanted))):
            if not np.isfinite(needed).all():
                continue
            for term in pool.find(needed):
                yield 1.8 + 0.1 * term.size, op, term.text
            if op in "+-" and needed.any():
                for size, text in _products(pool, needed):
                    yield 2.0 + 0.1 * size, op, text


def _matrix_products(pool: Pool, present: Array, wanted: Array, now: str) -> Solutions:
    """Yield the matrix products of the present value and a term."""
    for term in pool.simple:
        if not (present.ndim and term.value.ndim):
            continue
        for text, a, b in ((f"({term.text}) @ ({now})", term.value, present),
                           (f"({now}) @ ({term.text})", present, term.value)):
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
    """Yield the products and quotients of two terms with a wanted value."""
    for a in pool.simple:
        if _broadcasts(a.value, wanted):
            for more, op, needed in ((0, "*", _ratio(wanted, a.value)),
                                     (1, "/", _ratio(a.value, wanted))):
                for b in pool.find(needed):
                    yield a.size + b.size + more, f"({a.text}) {op} ({b.text})"


def _of_two(pool: Pool, wanted: Array) -> Solutions:
    """Yield a * b, a + b and a - b."""
    for size, text in _products(pool, wanted):
        yield 1.8 + 0.4 * size, text
    for a in pool.simple:
        if _broadcasts(a.value, wanted):
            for op, needed in (("+", wanted - a.value), ("-", a.value - wanted)):
                for b in pool.find(needed):
                    yield 1.8 + 0.4 * (a.size + b.size), f"({a.text}) {op} ({b.text})"


def _projected(pool: Pool, wanted: Array) -> Solutions:
    """Yield what a normalised vector and a normalised batch make of a gradient, scaled."""
    atoms = [a for a in pool.atoms if a.value.shape == wanted.shape and a.value.dtype.kind == "f"]
    for a, b in ((a, b) for a in atoms for b in atoms if a is not b):
        for axis in range(wanted.ndim):
            over = f"({axis}, keepdims=True)" if wanted.ndim > 1 else "()"
            inner = (a.value * b.value).sum(axis, keepdims=True)
            product = f"({a.text} * {b.text})"
            text = f"{product}.sum{over}"
            mean = b.value.mean(axis, keepdims=True)
            centred = f"{b.text} - {b.text}.mean{over} - {a.text} * {product}.mean{over}"
            for form, value in (
                    (f"({b.text} - {a.text} * {text})", b.value - a.value * inner),
                    (f"({centred})", b.value - mean - a.value * inner / wanted.shape[axis])):
                yield from _scaled(pool, form, _ratio(wanted, value))


def _scaled(pool: Pool, form: str, ratio: Array) -> Solutions:
    """Yield an expression with the factor that it lacks, where that is in scope."""
    if not np.isfinite(ratio).all():
        return
    if np.abs(ratio - 1).max(initial=0) < 1e-9:
        yield 1.8, form
        return
    for op, needed in (("*", ratio), ("/", 1 / ratio)):
        for term in pool.find(needed):
            if term.value.size < ratio.size:  # one scale for all that is normalised together
                yield 1.8 + 0.2 * term.size, f"{form} {op} ({term.text})"


def _broadcasts(array: Array, to: Array) -> bool:
    try:
        return bool(np.broadcast_shapes(array.shape, to.shape) == to.shape)
    except ValueError:
        return False
