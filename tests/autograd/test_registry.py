"""What every operation's record must say, and what its forward function must do.

That it agrees with its reference for every layout of memory, that its LaTeX is whole, that calls
can be repeated, change nothing and share no memory, and that rules are linear is in what `check_op`
holds all operations to (tests/verify/test_check_op.py).
"""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_mlp as tg
from tests.every_sample import every_sample
from tinygrad_mlp.autograd.ops.samples import samples_of

OPERATIONS = list(tg.OPS.values())
ELEMENTWISE = [op for op in OPERATIONS if op.record.samples is None]


def every(ops):
    return pytest.mark.parametrize("op", ops, ids=[op.name for op in ops])


def leaf_copies(case, change=np.array):
    """The case's arguments with every array of floats replaced by a Tensor that wants gradients."""
    return [
        tg.Tensor(change(a), requires_grad=True) if i in case.floats else a
        for i, a in enumerate(case.args)
    ]


def gradients_of(case, args):
    out = case.op(*args, **case.static)
    weights = np.random.default_rng(1).normal(size=out.shape)
    out.backward(weights)
    return out.data, [args[i].grad for i in case.floats if case_has_rule(case, i)]


def case_has_rule(case, i):
    return case.op.rule(i) is not None


# -- the record ------------------------------------------------------------------------------------


@every(OPERATIONS)
def test_the_record_is_complete(op):
    assert tg.OPS[op.name] is op
    assert op.record.equation, "no equation"
    assert op.record.latex, "no LaTeX"
    assert callable(op.record.reference), "no reference"
    assert op.nondifferentiable or any(op.rules), "neither nondifferentiable nor differentiable"
    assert not (op.nondifferentiable and any(op.rules)), "nondifferentiable, but with a rule"


@every(OPERATIONS)
def test_the_operation_is_public_and_documented(op):
    public = getattr(tg, op.name)
    assert public.__doc__ and public.__doc__.strip()
    assert public.__name__ == op.name


@every(OPERATIONS)
def test_the_domain_names_arguments(op):
    assert set(op.record.domain) <= set(op.arrays)
    assert all(low < high for low, high in op.record.domain.values())


def works_element_by_element(op):
    """Return whether each element of the result depends on the elements at its place only."""
    for sample in samples_of(op, np.random.default_rng(0)):
        args = [np.asarray(a) for a in sample.args]
        try:
            shape = np.broadcast_shapes(*(a.shape for a in args))
            out = np.asarray(op(*args, **sample.static))
            rows = zip(*(np.broadcast_to(a, shape).reshape(-1) for a in args), strict=True)
            alone = np.array([op(*row, **sample.static) for row in rows])
        except Exception:
            return False
        if out.shape != shape or alone.shape != (out.size,):
            return False
        if not np.allclose(alone, out.reshape(-1), rtol=1e-12, atol=1e-14, equal_nan=True):
            return False
    return True


SHARES_AT_INFINITIES = {"log_share"}
"""Elementwise but for infinite elements, which the samples do not have."""


@every([op for op in OPERATIONS if op.outputs == 1 and op.arity and not op.variadic])
def test_elementwise_operations_are_declared_as_such(op):
    expected = works_element_by_element(op) and op.name not in SHARES_AT_INFINITIES
    assert op.record.elementwise == expected


def test_no_numpy_function_stands_for_two_operations():
    functions = [function for op in OPERATIONS for function in set(op.record.numpy)]
    assert len(functions) == len(set(functions))


# -- the forward function --------------------------------------------------------------------------


@every_sample
def test_plain_arrays_give_plain_arrays_and_tensors_give_tensors(case):
    plain = case.op(*case.args, **case.static)
    assert isinstance(plain, (np.ndarray, np.generic))
    made = case.op(*leaf_copies(case), **case.static)
    if case.op.nondifferentiable:
        assert isinstance(made, (np.ndarray, np.generic))
    else:
        assert type(made) is tg.Tensor and made.requires_grad
        made = made.data
    assert made.dtype == plain.dtype
    np.testing.assert_array_equal(made, plain)


def test_a_batch_of_nothing_is_nothing(rng):
    for op in ELEMENTWISE:
        args = [tg.Tensor(np.zeros((0, 3)), requires_grad=True) for _ in op.arrays]
        out = op(*args, **op.defaults)
        assert out.shape == (0, 3), op.name
        if not op.nondifferentiable:
            out.backward(np.zeros((0, 3)))
            assert all(a.grad.shape == (0, 3) for a in args if a.grad is not None), op.name


EMPTY = [((0,), 0), ((0,), -1), ((0, 3), 0), ((0, 3), 1), ((2, 0, 3), 1), ((2, 0), 0)]
ALONG_AN_AXIS = ["sum", "prod", "cumsum", "cumprod", "diff", "trapezoid", "sort", "softmax"]


@pytest.mark.parametrize("name", ALONG_AN_AXIS)
@pytest.mark.parametrize(("shape", "axis"), EMPTY)
def test_axes_of_length_0_pass(name, shape, axis):
    if name == "softmax" and shape[axis] == 0:
        return  # NumPy knows no maximum of nothing
    x = tg.Tensor(np.zeros(shape), requires_grad=True)
    out = tg.OPS[name](x, axis=axis)
    if name in vars(np):
        assert out.shape == getattr(np, name)(x.data, axis=axis).shape
    out.backward(np.ones(out.shape))
    assert x.grad.shape == shape


@every(ELEMENTWISE)
def test_python_numbers_are_numbers(op):
    numbers = [float(np.mean(op.record.domain.get(name, (0.5, 0.7)))) for name in op.arrays]
    expected = op(*map(np.array, numbers), **op.defaults)
    np.testing.assert_array_equal(op(*numbers, **op.defaults), expected)


# -- precision, layout, ownership ------------------------------------------------------------------


PROMOTED = {"float_power": np.float64}
"""What NumPy computes in another precision, by definition."""


@every_sample
def test_float32_stays_float32(smooth):
    args = leaf_copies(smooth, np.float32)
    args = [tg.Tensor(a.data, requires_grad=True) if isinstance(a, tg.Tensor) else a for a in args]
    out, gradients = gradients_of(smooth, args)
    assert out.dtype == smooth.static.get("dtype", PROMOTED.get(smooth.op.name, np.float32))
    assert [g.dtype for g in gradients] == [np.float32] * len(gradients)
    exact, exact_gradients = gradients_of(smooth, leaf_copies(smooth))
    for close, true in zip([out, *gradients], [exact, *exact_gradients], strict=True):
        scale = np.max(np.abs(true), initial=1)
        np.testing.assert_allclose(close, true, rtol=1e-4, atol=1e-4 * scale)


def test_losses_take_python_numbers():
    for name in ("squared_error", "binary_cross_entropy", "categorical_cross_entropy"):
        loss = getattr(tg, name)
        expected = loss(np.array(0.25), np.array(0.5))
        assert loss(0.25, 0.5) == expected
        assert tg.value_and_grad(loss, 1)(0.25, 0.5)[0] == expected


def test_subclasses_of_arrays_are_arrays():
    """A matrix would multiply with `*` what the rule takes for a product of elements."""

    class Doubled(np.ndarray):
        def __mul__(self, other):
            return np.asarray(self) * 2 * other

    plain = np.array([1.0, 2.0])
    for x in (tg.Tensor(plain.view(Doubled)), tg.Tensor(plain)):
        for y in (plain.view(Doubled), plain):
            assert type(x.data) is type((x * y).data) is np.ndarray
            np.testing.assert_array_equal((x * y).data, plain**2)


def test_python_numbers_do_not_widen_float32():
    x = tg.Tensor(np.ones(3, np.float32), requires_grad=True)
    for result in (x + 1, 1 - x, 2.5 * x, x / 3, 1 / x, x**2, 2.0**x, tg.maximum(x, 0),
                   tg.where(x > 0, x, 0.0), tg.clip(x, 0, 1.5), x.mean(), x.var()):
        assert result.dtype == np.float32, result.node.op.name
