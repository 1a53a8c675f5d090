"""Fourier transforms of real arrays, with real and imaginary parts as two arrays.

Numbers are real here, so that ``np.fft.rfft(x)``, one complex array, is the pair ``rfft(x)``.
Each transform is linear, and its rule is the other one, up to how often a frequency counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.argument_types import Axis, Operand
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import Sample, op
from tinygrad_mlp.autograd.ops.shapes.arranging import roll
from tinygrad_mlp.autograd.ops.shapes.shape import places, shape_of
from tinygrad_mlp.errors import InvalidArgumentError, ShapeError

__all__ = ["rfft", "irfft", "fftshift", "ifftshift"]


def _twice(n: int, axis: int, ndim: int) -> Array:
    """Return how often each frequency counts: those in the middle stand for −k, too."""
    k = np.arange(n // 2 + 1)
    counts = 2.0 - (k == 0) - (2 * k == n)
    return counts.reshape([-1 if i == axis % ndim else 1 for i in range(ndim)])


def _weighted(a: Array, weights: Array) -> Array:
    return a * weights.astype(a.dtype)


def _rfft_rule(g: Sequence[Array], y: Sequence[Array], x: Array, axis: int) -> Array:
    n = x.shape[axis]
    share = n / _twice(n, axis, x.ndim)
    return irfft_op(_weighted(g[0], share), _weighted(g[1], share), n=n, axis=axis)


def _by_cosines(x: Array, axis: int) -> tuple[Array, Array]:
    n = x.shape[axis]
    angle = 2 * np.pi / n * np.outer(np.arange(n // 2 + 1), np.arange(n))
    along = np.moveaxis(x, axis, -1)
    return tuple(np.moveaxis(along @ wave(angle).T, -1, axis)
                 for wave in (np.cos, lambda t: -np.sin(t)))


@op(name="rfft", rules={"x": _rfft_rule},
    equation="A, B: A[k] = Σ x[j] cos(2 π j k / n),  B[k] = −Σ x[j] sin(2 π j k / n),  "
    "x̄[j] = Σ (Ā[k] cos(2 π j k / n) − B̄[k] sin(2 π j k / n))",
    latex=r"\mathrm{{rfft}}({x})", reference=_by_cosines,
    samples=lambda rng: [
        Sample(rng.normal(scale=4, size=shape), axis=axis)
        for shape, axis in ((6, -1), (5, -1), ((2, 3), -1), ((6, 2), 0))],
    outputs=2, floating=True)
def rfft_op(x: Array, *, axis: int = -1) -> tuple[Array, ...]:
    if x.dtype.kind == "c":  # a complex step: the transform of each part
        (a, b), (da, db) = rfft_op.forward(x.real, axis=axis), rfft_op.forward(x.imag, axis=axis)
        return a + 1j * da, b + 1j * db
    z = np.fft.rfft(x, axis=axis)
    return z.real.astype(x.dtype), z.imag.astype(x.dtype)


class RealSpectrum(NamedTuple):
    """Real and imaginary parts of the frequencies 0, …, n // 2."""

    real: Any
    imag: Any


def rfft(x: Operand, axis: int = -1) -> RealSpectrum:
    """Compute the discrete Fourier transform of real numbers, ``Σ x[j] e^(−2πi jk/n)``.

    Args:
        x: the array.
        axis: along which to transform.

    Returns:
        The real and the imaginary part of ``np.fft.rfft``, of length ``n // 2 + 1`` along `axis`.

    Raises:
        ShapeError: there is no such axis, or nothing along it.

    Source: Cooley and Tukey, "An algorithm for the machine calculation of complex Fourier series",
    1965.

    >>> real, imag = rfft([1.0, 2.0, 1.0, 0.0])
    >>> real, imag
    (array([4., 0., 0.]), array([ 0., -2.,  0.]))
    """
    shape = shape_of(x)
    (place,) = places("rfft", axis, len(shape))
    if not shape[place]:
        raise ShapeError(f"rfft() expects at least one number along axis {axis}. Got {shape}.")
    return RealSpectrum(*rfft_op(x, axis=axis))


def _irfft_rule(part: int) -> Callable[..., Array]:
    def rule(g: Array, y: Array, a: Array, b: Array, n: int, axis: int) -> Array:
        return _weighted(rfft_op(g, axis=axis)[part], _twice(n, axis, a.ndim) / n)

    return rule


def _from_cosines(a: Array, b: Array, n: int, axis: int) -> Array:
    angle = 2 * np.pi / n * np.outer(np.arange(n), np.arange(n // 2 + 1))
    a, b = (np.moveaxis(x * _twice(n, axis, a.ndim), axis, -1) for x in (a, b))
    return np.moveaxis(a @ np.cos(angle).T - b @ np.sin(angle).T, -1, axis) / n


@op(name="irfft", rules={"a": _irfft_rule(0), "b": _irfft_rule(1)},
    equation="y[j] = Σ (2 − [k = 0] − [2 k = n]) (a[k] cos(2 π j k / n) − b[k] sin(2 π j k / n)) "
    "/ n,  ā[k] = Σ (2 − [k = 0] − [2 k = n]) g[j] cos(2 π j k / n) / n,  "
    "b̄[k] = −Σ (2 − [k = 0] − [2 k = n]) g[j] sin(2 π j k / n) / n",
    latex=r"\mathrm{{irfft}}({a}, {b})", reference=_from_cosines,
    samples=lambda rng: [
        Sample(rng.normal(scale=4, size=shape), rng.normal(scale=4, size=shape), n=n, axis=axis)
        for shape, n, axis in ((4, 6, -1), (3, 5, -1), ((2, 2), 3, -1), ((3, 2), 4, 0))],
    floating=True)
def irfft_op(a: Array, b: Array, *, n: int, axis: int = -1) -> Array:
    if "c" in (a.dtype.kind, b.dtype.kind):  # a complex step: the transform of each part
        real = irfft_op.forward(a.real, b.real, n=n, axis=axis)
        return real + 1j * irfft_op.forward(a.imag, b.imag, n=n, axis=axis)
    return np.fft.irfft(a + 1j * b, n, axis).astype(np.result_type(a, b))


def irfft(real: Operand, imag: Operand, n: int | None = None, axis: int = -1) -> Array:
    """Compute the real numbers whose `rfft` is given: its inverse.

    Args:
        real, imag: real and imaginary parts of the frequencies 0, …, n // 2. The imaginary parts
            of frequency 0, and n / 2 for even n, are taken as 0.
        n: the length of the result along `axis`; by default even, ``2 (m − 1)`` for m frequencies.
        axis: along which to transform.

    Raises:
        ShapeError: the parts have different shapes, or not ``n // 2 + 1`` frequencies.
        InvalidArgumentError: n is no integer above 0.

    >>> irfft([4.0, 0.0, 0.0], [0.0, -2.0, 0.0])
    array([1., 2., 1., 0.])
    """
    shape = shape_of(real)
    (place,) = places("irfft", axis, len(shape))
    n = 2 * (shape[place] - 1) if n is None else n
    if not isinstance(n, (int, np.integer)) or n < 1:
        raise InvalidArgumentError(f"irfft() expects n to be an integer above 0. Got {n!r}.")
    if shape != shape_of(imag) or shape[place] != n // 2 + 1:
        raise ShapeError(
            f"irfft() to n={n} numbers expects two arrays of one shape, with {n // 2 + 1} "
            f"frequencies along axis {axis}. Got shapes {shape} and {shape_of(imag)}.")
    return irfft_op(real, imag, n=int(n), axis=axis)


def _shifted(name: str, x: Operand, axes: Axis, sign: int) -> Array:
    shape = shape_of(x)
    chosen = tuple(range(len(shape))) if axes is None else places(name, axes, len(shape))
    return roll(x, shift=tuple(sign * (shape[i] // 2) for i in chosen), axis=chosen)


def fftshift(x: Operand, axes: Axis = None) -> Array:
    """Move the frequency 0 from the beginning to the middle, as ``np.fft.fftshift``.

    Args:
        x: the array.
        axes: along which; None for all.

    >>> fftshift([0.0, 1.0, 2.0, -2.0, -1.0])
    array([-2., -1.,  0.,  1.,  2.])
    """
    return _shifted("fftshift", x, axes, 1)


def ifftshift(x: Operand, axes: Axis = None) -> Array:
    """Move the frequency 0 from the middle to the beginning: the inverse of `fftshift`.

    Args:
        x: the array.
        axes: along which; None for all.

    >>> ifftshift([-2.0, -1.0, 0.0, 1.0, 2.0])
    array([ 0.,  1.,  2., -2., -1.])
    """
    return _shifted("ifftshift", x, axes, -1)
