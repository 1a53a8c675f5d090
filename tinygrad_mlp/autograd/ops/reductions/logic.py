"""Logic of conditions, element by element and over axes: plain arrays, without gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_mlp.autograd.op import Sample, op
from tinygrad_mlp.autograd.ops.sums import over, reductions

__all__ = ["logical_and", "logical_or", "logical_xor", "logical_not", "all", "any", "count_nonzero"]


def _conditions(rng: Any) -> list[Sample]:
    """Return pairs of conditions, and of numbers, which are true where they are not 0."""
    return [
        Sample(np.array([True, True, False, False]), np.array([True, False, True, False])),
        Sample(rng.integers(0, 2, size=(2, 3)) * 0.5, rng.integers(0, 2, size=3) * 1.5)]


@op(equation="y = [x1 and x2]", latex=r"{x1} \wedge {x2}", numpy=np.logical_and,
    reference=lambda x1, x2: np.multiply(x1, x2) != 0, samples=_conditions, nondifferentiable=True)
def logical_and(x1: Any, x2: Any) -> Any:
    """Test whether both hold, element by element. The result is a plain array of booleans.

    >>> logical_and([True, True], [True, False])
    array([ True, False])
    """
    return np.logical_and(x1, x2)


@op(equation="y = [x1 or x2]", latex=r"{x1} \vee {x2}", numpy=np.logical_or,
    reference=lambda x1, x2: np.maximum(x1, x2) != 0, samples=_conditions, nondifferentiable=True)
def logical_or(x1: Any, x2: Any) -> Any:
    """Test whether one or both hold, element by element. The result is a plain boolean array.

    >>> logical_or([True, False], [False, False])
    array([ True, False])
    """
    return np.logical_or(x1, x2)


@op(equation="y = [(x1 or x2) and not (x1 and x2)]", latex=r"\mathrm{{xor}}({x1}, {x2})",
    numpy=np.logical_xor, reference=lambda x1, x2: (np.asarray(x1) != 0) != (np.asarray(x2) != 0),
    samples=_conditions, nondifferentiable=True)
def logical_xor(x1: Any, x2: Any) -> Any:
    """Test whether exactly one holds, element by element. The result is a plain boolean array.

    >>> logical_xor([True, True], [True, False])
    array([False,  True])
    """
    return np.logical_xor(x1, x2)


@op(equation="y = [not x]", latex=r"\neg {x}", numpy=np.logical_not,
    reference=lambda x: np.equal(x, 0),
    samples=lambda rng: [Sample(s.args[0]) for s in _conditions(rng)], nondifferentiable=True)
def logical_not(x: Any) -> Any:
    """Negate a condition, element by element. The result is a plain array of booleans.

    >>> logical_not([True, False])
    array([False,  True])
    """
    return np.logical_not(x)


def _rounded(rng: Any) -> list[Sample]:
    """Draw samples of a reduction with zeros among the elements."""
    return [Sample(np.rint(s.args[0]), **s.static) for s in reductions(rng)]


@op(equation="y = Π [a ≠ 0]",
    latex=lambda a, axis, keepdims: rf"\mathrm{{all}}{over(axis, a.ndim)}({a})", numpy=np.all,
    reference=lambda a, axis, keepdims: np.min(np.abs(a), axis=axis, keepdims=keepdims) > 0,
    samples=_rounded, nondifferentiable=True)
def all(a: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """Test whether all elements over `axis` are true. The result is a plain boolean array.

    >>> all([[True, False], [True, True]], axis=1)
    array([False,  True])
    """
    return np.all(a, axis=axis, keepdims=keepdims)


@op(equation="y = [Σ [a ≠ 0] > 0]",
    latex=lambda a, axis, keepdims: rf"\mathrm{{any}}{over(axis, a.ndim)}({a})", numpy=np.any,
    reference=lambda a, axis, keepdims: np.max(np.abs(a), axis=axis, keepdims=keepdims) > 0,
    samples=_rounded, nondifferentiable=True)
def any(a: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """Test whether an element over `axis` is true. The result is a plain boolean array.

    >>> any([[True, False], [False, False]], axis=1)
    array([ True, False])
    """
    return np.any(a, axis=axis, keepdims=keepdims)


@op(equation="y = Σ [a ≠ 0]",
    latex=lambda a, axis, keepdims: rf"\mathrm{{count}}{over(axis, a.ndim)}({a})",
    numpy=np.count_nonzero,
    reference=lambda a, axis, keepdims: np.sum(np.sign(a) ** 2, axis=axis, keepdims=keepdims),
    samples=_rounded, nondifferentiable=True)
def count_nonzero(a: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """Count the elements over `axis` that are not 0. The result is a plain array.

    >>> count_nonzero([[1.0, 0.0], [2.0, 3.0]], axis=1)
    array([1, 2])
    """
    return np.sum(np.not_equal(a, 0), axis=axis, keepdims=keepdims, dtype=np.intp)
