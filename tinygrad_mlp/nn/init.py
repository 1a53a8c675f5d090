"""Initialisers: how the weights of a layer are drawn before training.

An initialiser is a function ``(shape, rng) -> array`` of float64; the functions below make them.
For a weight of shape ``(out, in, *kernel)``: fan-in = in · kernel size, fan-out = out · kernel
size. Xavier keeps the variance of activations and gradients for tanh and sigmoid, He for ReLU.

Sources: Glorot and Bengio, 2010 (Xavier); He, Zhang, Ren and Sun, 2015.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.errors import InvalidArgumentError, ShapeError
from tinygrad_mlp.support.checks import not_negative

Initialiser = Callable[[tuple[int, ...], "np.random.Generator"], Array]


def drawn(init: object, shape: tuple[int, ...], rng: np.random.Generator, layer: str) -> Array:
    """Return the weight of this `shape` that `init` draws with `rng`; messages name the `layer`.

    Raises:
        InvalidArgumentError: `init` is no initialiser.
        ShapeError: it gave an array of another shape.

    >>> drawn(constant(0.5), (2,), np.random.default_rng(0), "Linear")
    array([0.5, 0.5])
    """
    # `init=he_normal` without parentheses is the function that makes initialisers.
    if not callable(init) or globals().get(getattr(init, "__name__", "")) is init:
        raise InvalidArgumentError(
            f"{layer}: init must be a function (shape, rng) -> array, such as "
            f"nn.init.he_normal(), with the parentheses. Got {init!r}.")
    weight = np.asarray(init(shape, rng))
    if weight.shape != shape:
        raise ShapeError(
            f"{layer}: init must return a weight of shape {shape}. Got {weight.shape}.")
    return weight


def _fans(shape: tuple[int, ...]) -> tuple[int, int]:
    if len(shape) < 2:
        raise InvalidArgumentError(
            f"Xavier and He initialisers expect a weight with at least two axes "
            f"(out, in, …). Got shape {shape}: use normal(sigma) or constant(value).")
    kernel = math.prod(shape[2:])
    return shape[1] * kernel, shape[0] * kernel


def normal(sigma: float = 0.01) -> Initialiser:
    """Draw from N(0, σ²). The classic experiment (docs/tutorial.md) takes σ = 0.01.

    Args:
        sigma: σ, in the units of the weights.

    >>> rng = np.random.default_rng(0)
    >>> normal(0.01)((2, 2), rng).round(4)
    array([[ 0.0013, -0.0013],
           [ 0.0064,  0.001 ]])
    """
    sigma = not_negative(sigma, "normal: sigma")
    return lambda shape, rng: rng.normal(0.0, sigma, shape)


def uniform(limit: float) -> Initialiser:
    """Draw uniformly between −limit and limit.

    >>> uniform(0.5)((2, 3), np.random.default_rng(0)).shape
    (2, 3)
    """
    limit = not_negative(limit, "uniform: limit")
    return lambda shape, rng: rng.uniform(-limit, limit, shape)


def constant(value: float) -> Initialiser:
    """Fill with the same number everywhere.

    Args:
        value: the number.

    >>> constant(0.5)((2,), np.random.default_rng(0))
    array([0.5, 0.5])
    """
    return lambda shape, rng: np.full(shape, float(value))


def xavier_normal(gain: float = 1.0) -> Initialiser:
    """Draw from N(0, σ²) with ``σ² = gain² · 2 / (fan-in + fan-out)``.

    Args:
        gain: 1 for tanh.

    Source: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural
    networks", 2010.

    >>> xavier_normal()((100, 300), np.random.default_rng(0)).std().round(2).item()
    0.07
    """
    gain = not_negative(gain, "xavier_normal: gain")
    return lambda shape, rng: rng.normal(0.0, gain * math.sqrt(2 / sum(_fans(shape))), shape)


def xavier_uniform(gain: float = 1.0) -> Initialiser:
    """Draw uniformly within ±``gain · √(6 / (fan-in + fan-out))``, with the same variance.

    Source: Glorot and Bengio, 2010, (16).

    >>> xavier_uniform()((100, 500), np.random.default_rng(0)).max().round(2).item()
    0.1
    """
    gain = not_negative(gain, "xavier_uniform: gain")
    return lambda shape, rng: uniform(gain * math.sqrt(6 / sum(_fans(shape))))(shape, rng)


def he_normal(gain: float = math.sqrt(2)) -> Initialiser:
    """Draw from N(0, σ²) with ``σ = gain / √fan-in``; gain √2 is for ReLU.

    Source: He et al., "Delving deep into rectifiers", 2015, (10).

    >>> he_normal()((100, 200), np.random.default_rng(0)).std().round(2).item()
    0.1
    """
    gain = not_negative(gain, "he_normal: gain")
    return lambda shape, rng: rng.normal(0.0, gain / math.sqrt(_fans(shape)[0]), shape)


def he_uniform(gain: float = math.sqrt(2)) -> Initialiser:
    """Draw uniformly within ±``gain · √(3 / fan-in)``, with the same variance.

    Source: He et al., "Delving deep into rectifiers", 2015.

    >>> he_uniform()((100, 6), np.random.default_rng(0)).max().round(1).item()
    1.0
    """
    gain = not_negative(gain, "he_uniform: gain")
    return lambda shape, rng: uniform(gain * math.sqrt(3 / _fans(shape)[0]))(shape, rng)
