"""Sample inputs and references for the records of operations, used by checks and tests.

A record gives its samples as a function of a `numpy.random.Generator`. An elementwise operation
gives only the interval of each argument (`OpRecord.domain`), and its samples are made here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import Op, Sample

DEFAULT_DOMAIN = (-2.0, 2.0)

# One argument of each shape, then pairs that broadcast against each other.
UNARY_SHAPES = ((), (3,), (2, 3))
BINARY_SHAPES = (((), ()), ((3,), (3,)), ((2, 3), (3,)), ((2, 1), (3,)), ((2, 3), ()))


def sample_arrays(
    rng: np.random.Generator, shapes: Sequence[tuple[int, ...]] = ((3,), (2, 3), (2, 3, 2)),
    **static: Sequence[object]
) -> list[Sample]:
    """Draw a sample for every shape and every combination of static parameters."""
    return [
        Sample(rng.normal(size=shape), **dict(zip(static, values, strict=True)))
        for shape in shapes
        for values in product(*static.values())]


def well_apart(rng: np.random.Generator, samples: Sequence[Sample]) -> list[Sample]:
    """Draw samples whose elements differ by 0.2 or more: small changes keep their order."""

    def redrawn(a: Array) -> Array:
        values = (rng.permutation(a.size) - a.size / 2) / 2
        return (values + rng.uniform(-0.15, 0.15, size=a.size)).reshape(a.shape)

    return [Sample(*map(redrawn, s.args), **s.static) for s in samples]


def each_row(f: Any, a: Any, axis: int | None) -> Any:
    """Apply a function of vectors along `axis` (None: to all elements)."""
    return np.apply_along_axis(f, -1 if axis is None else axis, np.ravel(a) if axis is None else a)


def samples_of(op: Op, rng: np.random.Generator) -> Iterator[Sample]:
    """Iterate over the samples of an operation's record, or samples drawn from its domain.

    >>> import numpy as np, tinygrad_mlp as tg
    >>> next(samples_of(tg.OPS["tanh"], np.random.default_rng(0)))
    Sample(array())
    """
    if op.record.samples is not None:
        yield from op.record.samples(rng)
        return
    n = len(op.arrays)
    shapes: Any = [(shape,) for shape in UNARY_SHAPES] if n == 1 else BINARY_SHAPES
    for chosen in shapes:
        # A third argument (where, clip) takes the shape of the first.
        args = [
            rng.uniform(*op.record.domain.get(name, DEFAULT_DOMAIN), size=shape)
            for name, shape in zip(op.arrays, (*chosen, chosen[0]), strict=False)]
        yield Sample(*args, **op.defaults)
