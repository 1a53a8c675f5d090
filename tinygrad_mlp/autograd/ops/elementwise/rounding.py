"""Signs, rounding and remainders: functions that are constant, or linear, between their jumps.

Functions that are constant between jumps have the gradient 0 (`sign`, `floor`, …). So has the
multiple that a remainder subtracts.
"""

from __future__ import annotations

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import op
from tinygrad_mlp.autograd.ops.elementwise.comparison import equal, isfinite
from tinygrad_mlp.autograd.ops.elementwise.selection import where
from tinygrad_mlp.errors import InvalidArgumentError

__all__ = [
    "abs", "absolute", "fabs", "sign", "floor", "ceil", "trunc", "fix", "round", "around", "rint",
    "heaviside", "floor_divide", "mod", "remainder", "fmod", "nan_to_num"]


def flat(g: Array, y: Array, x: Array) -> Array:
    return np.zeros(x.shape, x.dtype)


@op(rules={"x": flat},
    equation="y = sign x,  x̄ = 0", latex=r"\mathrm{{sign}}({x})", numpy=np.sign,
    reference=lambda x: np.where(x > 0, 1.0, np.where(x < 0, -1.0, 0.0)))
def sign(x: Array) -> Array:
    """Compute the sign: −1, 0 or 1. The gradient is 0.

    >>> sign([-2.0, 0.0, 3.0])
    array([-1.,  0.,  1.])
    """
    return np.sign(x)


@op(rules={"x": lambda g, y, x: g * sign(x)},
    equation="y = |x|,  x̄ = g sign x", latex=r"\left|{x}\right|", numpy=(np.absolute, np.fabs),
    reference=lambda x: np.sqrt(np.square(x)))
def abs(x: Array) -> Array:
    """Compute the absolute value. At 0, where it has no derivative, the gradient is 0.

    >>> abs([-2.0, 3.0])
    array([2., 3.])
    """
    return np.absolute(x)

absolute = fabs = abs


@op(rules={"x": flat},
    equation="y = ⌊x⌋,  x̄ = 0", latex=r"\mathrm{{floor}}({x})", numpy=np.floor,
    reference=lambda x: -np.ceil(-x))
def floor(x: Array) -> Array:
    """Return the largest whole number not above x. The gradient is 0.

    >>> floor([-1.5, 1.5])
    array([-2.,  1.])
    """
    return np.floor(x)


@op(rules={"x": flat},
    equation="y = ⌈x⌉,  x̄ = 0", latex=r"\mathrm{{ceil}}({x})", numpy=np.ceil,
    reference=lambda x: -np.floor(-x))
def ceil(x: Array) -> Array:
    """Return the smallest whole number not below x. The gradient is 0.

    >>> ceil([-1.5, 1.5])
    array([-1.,  2.])
    """
    return np.ceil(x)


@op(rules={"x": flat},
    equation="y = sign x ⌊|x|⌋,  x̄ = 0", latex=r"\mathrm{{trunc}}({x})", numpy=(np.trunc, np.fix),
    reference=lambda x: np.where(x > 0, np.floor(x), np.ceil(x)))
def trunc(x: Array) -> Array:
    """Return the whole number nearest to x between x and 0. The gradient is 0.

    >>> trunc([-1.5, 1.5])
    array([-1.,  1.])
    """
    return np.trunc(x)

fix = trunc


@op(rules={"x": flat},
    equation="y = ⌊y⌋,  |y − x| ≤ ½,  x̄ = 0", latex=r"\mathrm{{rint}}({x})", numpy=np.rint,
    reference=lambda x: np.floor(x + 0.5))
def rint(x: Array) -> Array:
    """Return the nearest whole number; of two, the even one. The gradient is 0.

    >>> rint([0.5, 1.5, -1.2])
    array([ 0.,  2., -1.])
    """
    return np.rint(x)


@op(rules={"a": lambda g, y, a, decimals: flat(g, y, a)},
    equation="y = rint(10^decimals a) / 10^decimals,  ā = 0",
    latex=lambda a, decimals: rf"\mathrm{{round}}{f'_{{{decimals}}}' if decimals else ''}({a})",
    numpy=(np.round, np.around),
    reference=lambda a, decimals: np.floor(a * 10.0**decimals + 0.5) / 10.0**decimals,
    elementwise=True)
def round(a: Array, *, decimals: int = 0) -> Array:
    """Round to a number of decimals, halves to the even neighbour. The gradient is 0.

    >>> round([1.25, -2.345], decimals=1)
    array([ 1.2, -2.3])
    """
    return np.round(a, decimals)

around = round


@op(rules={"x1": lambda g, y, x1, x2: flat(g, y, x1),
           "x2": lambda g, y, x1, x2: where(equal(x1, 0), g, 0)},
    equation="y = [x1 > 0] + x2 [x1 = 0],  x̄1 = 0,  x̄2 = g [x1 = 0]",
    latex=r"\mathrm{{heaviside}}({x1}, {x2})", numpy=np.heaviside,
    reference=lambda x1, x2: np.where(x1 > 0, 1.0, np.where(x1 < 0, 0.0, x2)))
def heaviside(x1: Array, x2: Array) -> Array:
    """Compute the step function: 0 for negative `x1`, 1 for positive `x1`, `x2` where it is 0.

    >>> heaviside([-1.0, 0.0, 2.0], 0.5)
    array([0. , 0.5, 1. ])
    """
    return np.heaviside(x1, x2)


@op(equation="y = ⌊x1 / x2⌋", latex=r"\mathrm{{floor}}({x1} / {x2})", numpy=np.floor_divide,
    reference=lambda x1, x2: np.floor(x1 / x2), domain={"x2": (0.5, 3)}, nondifferentiable=True)
def floor_divide(x1: Array, x2: Array) -> Array:
    """Compute the quotient rounded down: a plain array, as it is constant between its jumps.

    >>> floor_divide([7.0, -7.0], 2.0)
    array([ 3., -4.])
    """
    return np.floor_divide(x1, x2)


@op(rules={"x1": lambda g, y, x1, x2: g, "x2": lambda g, y, x1, x2: -g * floor_divide(x1, x2)},
    equation="y = x1 − ⌊x1 / x2⌋ x2,  x̄1 = g,  x̄2 = −g ⌊x1 / x2⌋",
    latex=r"\mathrm{{mod}}({x1}, {x2})", numpy=np.remainder,
    reference=lambda x1, x2: x1 - np.floor(x1 / x2) * x2, domain={"x1": (-4, 4), "x2": (0.5, 3)})
def mod(x1: Array, x2: Array) -> Array:
    """Compute the remainder of the quotient rounded down; it has the sign of `x2`.

    >>> mod([7.0, -7.0], 3.0)
    array([1., 2.])
    """
    return np.remainder(x1, x2)

remainder = mod


@op(rules={"x1": lambda g, y, x1, x2: g,
           "x2": lambda g, y, x1, x2: -g * rint((x1 - y) / x2)},  # whole, up to rounding errors
    equation="y = x1 − q x2,  x̄1 = g,  x̄2 = −g q,  q = trunc(x1 / x2)",
    latex=r"\mathrm{{fmod}}({x1}, {x2})", numpy=np.fmod,
    reference=lambda x1, x2: x1 - np.trunc(x1 / x2) * x2, domain={"x1": (-4, 4), "x2": (0.5, 3)})
def fmod(x1: Array, x2: Array) -> Array:
    """Compute the remainder of the quotient rounded towards 0; it has the sign of `x1`.

    >>> fmod([7.0, -7.0], 3.0)
    array([ 1., -1.])
    """
    return np.fmod(x1, x2)


@op(rules={"x": lambda g, y, x, copy, nan, posinf, neginf: where(isfinite(x), g, 0)},
    equation="y = x, with numbers instead of NaN and ±∞,  x̄ = g [|x| < ∞]",
    latex=r"\mathrm{{nan\_to\_num}}({x})", numpy=np.nan_to_num,
    reference=lambda x, copy, nan, posinf, neginf: np.where(np.isnan(x), nan, x), elementwise=True)
def nan_to_num(
    x: Array, *, copy: bool = True, nan: float = 0.0, posinf: float | None = None,
    neginf: float | None = None,
) -> Array:
    """Replace NaN and ±∞ by numbers (None: the largest of the dtype). They get no gradient.

    Raises:
        InvalidArgumentError: `copy` is not set: an operation leaves its argument as it is.

    >>> nan_to_num([1.0, float("nan")], nan=-1.0)
    array([ 1., -1.])
    """
    if not copy:
        raise InvalidArgumentError(
            "nan_to_num() expects copy=True: an operation cannot change its argument. Got False.")
    return np.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf)
