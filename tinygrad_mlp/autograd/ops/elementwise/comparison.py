"""Comparisons and logic, element by element: plain arrays of booleans, without gradient.

They are constant wherever they have a derivative. Functions that depend on them choose between
values: see `where`.
"""

from __future__ import annotations

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import Sample, op

__all__ = [
    "equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "isclose", "isnan",
    "isfinite", "isinf", "signbit", "logical_and", "logical_or", "logical_xor", "logical_not"]


@op(equation="y = [x1 = x2]", latex="[{x1} = {x2}]", numpy=np.equal,
    reference=lambda x1, x2: ~np.not_equal(x1, x2), nondifferentiable=True)
def equal(x1: Array, x2: Array) -> Array:
    """Compare for equality, element by element. The result is a plain array of booleans.

    >>> equal([1.0, 2.0], 2.0)
    array([False,  True])
    """
    return np.equal(x1, x2)


@op(equation="y = [x1 ≠ x2]", latex=r"[{x1} \neq {x2}]", numpy=np.not_equal,
    reference=lambda x1, x2: ~np.equal(x1, x2), nondifferentiable=True)
def not_equal(x1: Array, x2: Array) -> Array:
    """Compare for inequality, element by element. The result is a plain array of booleans.

    >>> not_equal([1.0, 2.0], 2.0)
    array([ True, False])
    """
    return np.not_equal(x1, x2)


@op(equation="y = [x1 < x2]", latex="[{x1} < {x2}]", numpy=np.less,
    reference=lambda x1, x2: np.greater(x2, x1), nondifferentiable=True)
def less(x1: Array, x2: Array) -> Array:
    """Test x1 < x2, element by element. The result is a plain array of booleans.

    >>> less([1.0, 2.0], 2.0)
    array([ True, False])
    """
    return np.less(x1, x2)


@op(equation="y = [x1 ≤ x2]", latex=r"[{x1} \leq {x2}]", numpy=np.less_equal,
    reference=lambda x1, x2: np.greater_equal(x2, x1), nondifferentiable=True)
def less_equal(x1: Array, x2: Array) -> Array:
    """Test x1 ≤ x2, element by element. The result is a plain array of booleans.

    >>> less_equal([1.0, 2.0], 2.0)
    array([ True,  True])
    """
    return np.less_equal(x1, x2)


@op(equation="y = [x1 > x2]", latex="[{x1} > {x2}]", numpy=np.greater,
    reference=lambda x1, x2: np.less(x2, x1), nondifferentiable=True)
def greater(x1: Array, x2: Array) -> Array:
    """Test x1 > x2, element by element. The result is a plain array of booleans.

    >>> greater([2.0, 3.0], 2.0)
    array([False,  True])
    """
    return np.greater(x1, x2)


@op(equation="y = [x1 ≥ x2]", latex=r"[{x1} \geq {x2}]", numpy=np.greater_equal,
    reference=lambda x1, x2: np.less_equal(x2, x1), nondifferentiable=True)
def greater_equal(x1: Array, x2: Array) -> Array:
    """Test x1 ≥ x2, element by element. The result is a plain array of booleans.

    >>> greater_equal([2.0, 3.0], 2.0)
    array([ True,  True])
    """
    return np.greater_equal(x1, x2)


@op(equation="y = [|a − b| ≤ atol + rtol |b|]", latex=r"[{a} \approx {b}]", numpy=np.isclose,
    reference=lambda a, b, rtol, atol, equal_nan: (
        np.absolute(a - b) <= atol + rtol * np.absolute(b)),
    samples=lambda rng: [
        Sample(np.array([1.0, 1.0, 2.0]), np.array([1.0, 1.0 + 1e-9, 2.1])),
        Sample(rng.normal(size=(2, 3)), rng.normal(size=3), atol=1.0)],
    nondifferentiable=True, elementwise=True)
def isclose(
    a: Array, b: Array, *, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Array:
    """Test for equality up to a tolerance, element by element. The result is a plain array.

    >>> isclose([1.0, 2.0], [1.0 + 1e-9, 2.1])
    array([ True, False])
    """
    return np.isclose(a, b, rtol=rtol, atol=atol, equal_nan=equal_nan)


def _unusual(rng: np.random.Generator) -> list[Sample]:
    return [
        Sample(np.array([0.5, -0.0, np.nan, np.inf, -np.inf])),
        Sample(np.array(np.nan)),
        Sample(rng.normal(size=(2, 3)))]


@op(equation="y = [x ≠ x]", latex=r"[{x} \neq {x}]", numpy=np.isnan,
    reference=lambda x: x != x, samples=_unusual, nondifferentiable=True)
def isnan(x: Array) -> Array:
    """Test for NaN, element by element. The result is a plain array of booleans.

    >>> isnan([0.0, float("nan")])
    array([False,  True])
    """
    return np.isnan(x)


@op(equation="y = [|x| < ∞]", latex=r"[\left|{x}\right| < \infty]", numpy=np.isfinite,
    reference=lambda x: np.absolute(x) < np.inf, samples=_unusual, nondifferentiable=True)
def isfinite(x: Array) -> Array:
    """Test for finite numbers, element by element. The result is a plain array of booleans.

    >>> isfinite([0.0, float("inf")])
    array([ True, False])
    """
    return np.isfinite(x)


@op(equation="y = [|x| = ∞]", latex=r"[\left|{x}\right| = \infty]", numpy=np.isinf,
    reference=lambda x: np.absolute(x) == np.inf, samples=_unusual, nondifferentiable=True)
def isinf(x: Array) -> Array:
    """Test for infinities, element by element. The result is a plain array of booleans.

    >>> isinf([0.0, float("-inf")])
    array([False,  True])
    """
    return np.isinf(x)


@op(equation="y = [x < 0 or 1 / x < 0]", latex=r"\mathrm{{signbit}}({x})", numpy=np.signbit,
    reference=lambda x: np.copysign(1, x) < 0, samples=_unusual, nondifferentiable=True)
def signbit(x: Array) -> Array:
    """Test the sign bit, which −0.0 has, too. The result is a plain array of booleans.

    >>> signbit([1.0, -0.0])
    array([False,  True])
    """
    return np.signbit(x)


def _conditions(rng: np.random.Generator) -> list[Sample]:
    """Return pairs of conditions, and of numbers, which are true where they are not 0."""
    return [
        Sample(np.array([True, True, False, False]), np.array([True, False, True, False])),
        Sample(rng.integers(0, 2, size=(2, 3)) * 0.5, rng.integers(0, 2, size=3) * 1.5)]


@op(equation="y = [x1 and x2]", latex=r"{x1} \wedge {x2}", numpy=np.logical_and,
    reference=lambda x1, x2: np.multiply(x1, x2) != 0, samples=_conditions, nondifferentiable=True)
def logical_and(x1: Array, x2: Array) -> Array:
    """Test whether both hold, element by element. The result is a plain array of booleans.

    >>> logical_and([True, True], [True, False])
    array([ True, False])
    """
    return np.logical_and(x1, x2)


@op(equation="y = [x1 or x2]", latex=r"{x1} \vee {x2}", numpy=np.logical_or,
    reference=lambda x1, x2: np.maximum(x1, x2) != 0, samples=_conditions, nondifferentiable=True)
def logical_or(x1: Array, x2: Array) -> Array:
    """Test whether one or both hold, element by element. The result is a plain boolean array.

    >>> logical_or([True, False], [False, False])
    array([ True, False])
    """
    return np.logical_or(x1, x2)


@op(equation="y = [(x1 or x2) and not (x1 and x2)]", latex=r"\mathrm{{xor}}({x1}, {x2})",
    numpy=np.logical_xor, reference=lambda x1, x2: (np.asarray(x1) != 0) != (np.asarray(x2) != 0),
    samples=_conditions, nondifferentiable=True)
def logical_xor(x1: Array, x2: Array) -> Array:
    """Test whether exactly one holds, element by element. The result is a plain boolean array.

    >>> logical_xor([True, True], [True, False])
    array([False,  True])
    """
    return np.logical_xor(x1, x2)


@op(equation="y = [not x]", latex=r"\neg {x}", numpy=np.logical_not,
    reference=lambda x: np.equal(x, 0),
    samples=lambda rng: [Sample(s.args[0]) for s in _conditions(rng)], nondifferentiable=True)
def logical_not(x: Array) -> Array:
    """Negate a condition, element by element. The result is a plain array of booleans.

    >>> logical_not([True, False])
    array([False,  True])
    """
    return np.logical_not(x)
