"""Random programs of registered operations against a naive twin.

The twin knows no gradient rule and no backward pass: it carries the dense Jacobian of every value
with respect to all inputs, and finds that of an operation by nudging its arguments.
"""

from __future__ import annotations

from itertools import cycle

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import tinygrad_mlp as tg
from tests.campaigns import chosen
from tinygrad_mlp.autograd.ops.linalg import (
    banded,
    determinants,
    solve,
    spectral,
    sylvester,
    triangular,
)
from tinygrad_mlp.autograd.ops.samples import samples_of


def floats(sample):
    """The positions of the arguments that are floats."""
    return [i for i, a in enumerate(sample.args) if np.asarray(a).dtype.kind == "f"]


def moulds(op):
    """The operation with each sample of its record: what arguments it can take."""
    return [(op, sample) for sample in samples_of(op, np.random.default_rng(0))]


# Inverses and decompositions want matrices of a kind (invertible, positive definite, of distinct
# eigenvalues), which what is poured is not. Their samples are.
PARTICULAR = {*solve.__all__, *determinants.__all__, *triangular.__all__, *spectral.__all__,
              *sylvester.__all__, *banded.__all__}
OPERATIONS = {
    op.name: moulds(op)
    for op in tg.OPS.values()
    if not op.nondifferentiable
    and op.outputs == 1
    and op.name not in PARTICULAR
}

# A step: an operation, a sample whose shapes and ranges its arguments take, and which of the
# earlier values these are made of.
steps = st.sampled_from(sorted(OPERATIONS)).flatmap(
    lambda name: st.tuples(
        st.sampled_from(OPERATIONS[name]), st.lists(st.integers(0, 9), min_size=1, max_size=3)
    )
)
programs = st.lists(steps, min_size=1, max_size=5)
inputs = st.lists(
    st.sampled_from([(), (1,), (3,), (2, 3), (2, 1, 2)]), min_size=1, max_size=3
).flatmap(lambda shapes: st.integers(0, 99).map(lambda seed: draw(shapes, seed)))


def draw(shapes, seed):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape) for shape in shapes]


def poured(value, mould):
    """How any value is brought to the shape and into the range of `mould`.

    Which elements it takes, the phases that make equal ones differ (where they are equal, std has
    no derivative), the middle and the half of the range, and the shape.
    """
    mould = np.asarray(mould)
    middle = (mould.max() + mould.min()) / 2
    half = np.maximum((mould.max() - mould.min()) / 2, 0.1)
    taken = np.arange(mould.size) % max(value.size, 1)
    return taken, np.arange(mould.size), middle, half, mould.shape


def pour(value, mould):
    """The same of a Tensor, computed from it."""
    taken, phases, middle, half, shape = poured(value, mould)
    return middle + half * tg.sin(tg.reshape(tg.ravel(value)[taken] + phases, shape=shape))


def run(program, values):
    """One number computed from `values` by the program, with operations and Tensors only."""
    values = list(values)
    for (op, sample), sources in program:
        args = list(sample.args)
        for i, source in zip(floats(sample), cycle(sources), strict=False):
            args[i] = pour(values[-1 - source % len(values)], args[i])
        values.append(op(*args, **sample.static))
    return sum(tg.sum(tg.sin(value)) for value in values)


def local_jacobian(f, x, h=1e-4):
    """∂f/∂x as a matrix, one column at a time; gives up on a kink close by."""
    columns = []
    for place in np.ndindex(x.shape):

        def at(step, place=place):
            nudged = x.copy()
            nudged[place] += step
            return np.ravel(f(nudged))

        far, near = at(2 * h) - at(-2 * h), at(h) - at(-h)
        bend = np.abs(at(2 * h) + at(-2 * h) - 2 * np.ravel(f(x))) / h
        assume(np.all(bend < 0.05 * (1 + np.abs(near / h))))
        columns.append((8 * near - far) / (12 * h))
    return np.array(columns).T.reshape(-1, x.size)


def twin(program, values):
    """The derivative of the same number with respect to `values`, without any rule."""
    n = sum(x.size for x in values)
    starts = np.cumsum([0, *(x.size for x in values)])
    known = [(x, np.eye(n)[i : i + x.size]) for x, i in zip(values, starts, strict=False)]
    for (op, sample), sources in program:
        args, jacobians = list(sample.args), {}
        for i, source in zip(floats(sample), cycle(sources), strict=False):
            value, jacobian = known[-1 - source % len(known)]
            taken, phases, middle, half, shape = poured(value, args[i])
            flat = value.ravel()[taken] + phases
            args[i] = (middle + half * np.sin(flat)).reshape(shape)
            jacobians[i] = half * np.cos(flat)[:, None] * jacobian[taken]
        if op is tg.median:  # of equal elements, no single one moves it, but all together do
            assume(np.unique(args[0]).size == args[0].size)
        out = np.asarray(op.forward(*args, **sample.static))
        total = np.zeros((out.size, n))
        for i, jacobian in jacobians.items():

            def of_one(a, i=i, args=args, op=op, static=sample.static):
                return op.forward(*args[:i], a, *args[i + 1 :], **static)

            total += local_jacobian(of_one, args[i]) @ jacobian
        known.append((out, total))
    gradient = sum(np.cos(value).ravel() @ jacobian for value, jacobian in known)
    return [gradient[i : i + x.size].reshape(x.shape) for x, i in zip(values, starts, strict=False)]


@settings(max_examples=chosen(100, 2000))
@given(programs, inputs)
def test_gradients_of_random_programs_agree_with_the_twin(program, values):
    expected = twin(program, values)
    leaves = [tg.Tensor(x, requires_grad=True) for x in values]
    run(program, leaves).backward()
    for leaf, true in zip(leaves, expected, strict=True):
        scale = np.max(np.abs(true), initial=1)
        np.testing.assert_allclose(leaf.grad, true, rtol=1e-6, atol=1e-7 * scale)


@given(programs, inputs)
def test_the_transforms_agree_with_backward(program, values):
    leaves = [tg.Tensor(x, requires_grad=True) for x in values]
    out = run(program, leaves)
    out.backward()
    value, gradients = tg.value_and_grad(lambda xs: run(program, xs))(values)
    np.testing.assert_array_equal(value, out.data)
    for leaf, g in zip(leaves, gradients, strict=True):
        np.testing.assert_array_equal(leaf.grad, g)


@given(programs, inputs, st.integers(0, 99))
def test_second_derivatives_of_random_programs_are_symmetric(program, values, seed):
    """uᵀ H v = vᵀ H u: with both sides computed by the rules of the rules."""
    u, v = draw([x.shape for x in values], seed), draw([x.shape for x in values], seed + 1)

    def times(a):
        return tg.hvp(lambda xs: run(program, xs), values, a)

    def dot(a, b):
        return sum(np.sum(x * y) for x, y in zip(a, b, strict=True))

    left, right = dot(u, times(v)), dot(v, times(u))
    largest = max(np.max(np.abs(x), initial=1) for x in times(v) + times(u))
    assert left == pytest.approx(right, rel=1e-8, abs=1e-9 * largest)
