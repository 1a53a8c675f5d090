"""Many cotangents side by side give what they give one after the other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_mlp as tg
from tests.every_sample import every_sample
from tinygrad_mlp.autograd import functional, stack_rules
from tinygrad_mlp.autograd.op import OPS
from tinygrad_mlp.autograd.stack_rules import RULES
from tinygrad_mlp.autograd.stacks import Stack, stacking
from tinygrad_mlp.autograd.tape import Tape


def rows(function, x):
    """The Jacobian's rows, together and one by one."""
    run = Tape("jacobian", function, [x])
    out = run.outputs[0]
    units = (functional._units(out, i, i + 1)[0] for i in range(out.size))
    return functional._rows_together(run), np.array([run.pull_back([u])[0] for u in units])


ONE_BY_ONE = ("eigh[1]", "svd[0]", "svd[2]")
"""Outputs whose rules look at the numbers of cotangents: vectors that are not determined."""


@every_sample
def test_every_rule_takes_several_cotangents(smooth):
    for position in smooth.floats:
        if smooth.op.rule(position) is None or smooth.args[position].size == 0:
            continue

        def f(x, position=position):
            args = [x if n == position else a for n, a in enumerate(smooth.args)]
            return smooth.op(*args, **smooth.static)

        together, alone = rows(f, np.array(smooth.args[position]))
        if together is None:
            assert smooth.op.name in ONE_BY_ONE
            continue
        np.testing.assert_allclose(together, alone, rtol=1e-12, atol=1e-14)


@every_sample
def test_every_operation_takes_stacks(case):
    if not case.floats:
        return
    first = case.floats[0]
    several = np.stack([case.args[first]] * 3)
    several[1] *= 0.9
    given_ = [Stack.of(several) if n == first else a for n, a in enumerate(case.args)]
    with stacking():
        found = case.op(*given_, **case.static)
    for i in range(3):
        args = [several[i] if n == first else a for n, a in enumerate(case.args)]
        np.testing.assert_allclose(found.arrays[i], case.op(*args, **case.static), rtol=1e-12,
                                   atol=1e-14)


SHAPES = [((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((2, 3), (3, 1)), ((1, 3), (3, 4)),
          ((2, 3), (3, 4)), ((5, 2, 3), (3, 4)), ((2, 3), (5, 3, 4)), ((5, 2, 3), (5, 3, 4))]


@given(shapes=st.sampled_from(SHAPES), stacked=st.sampled_from([(0,), (1,), (0, 1)]))
@settings(max_examples=60)
def test_products_of_stacks_are_those_of_their_arrays(shapes, stacked):
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(4, *shape) if n in stacked else shape)
              for n, shape in enumerate(shapes)]
    with stacking():
        found = tg.matmul(*(Stack.of(a) if n in stacked else a for n, a in enumerate(arrays)))
    for i in range(4):
        a, b = (a[i] if n in stacked else a for n, a in enumerate(arrays))
        np.testing.assert_allclose(found.arrays[i], a @ b, rtol=1e-12)


FUNCTIONS = {
    "no dependence": lambda x: np.ones(3),
    "a part": lambda x: x[1:],
    "a matrix": lambda x: np.outer(x, tg.sin(x)),
    "reductions": lambda x: tg.stack([x.sum(), tg.max(x), tg.std(x)]),
    "a network": lambda x: tg.tanh(tg.linear(tg.tanh(np.ones((3, 4)) @ x), np.eye(3), np.ones(3))),
    "one element at a time": lambda x: tg.array([x[i] * x[i - 1] for i in range(4)]),
    "a sort": lambda x: tg.sort(x * x), "complex indices": lambda x: x[np.array([0, 0, 2])],
    "a solution": lambda x: tg.solve(np.eye(4) + x[:, None] * x, x)}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_jacobians_and_hessians_of_functions(name, monkeypatch):
    f, x = FUNCTIONS[name], np.array([0.3, -0.7, 1.1, 0.2])
    found = tg.jacobian(f)(x), tg.hessian(lambda x: tg.sum(tg.sin(f(x))))(x)
    monkeypatch.setattr(functional, "TOGETHER", 9)  # two at a time
    split = tg.jacobian(f)(x), tg.hessian(lambda x: tg.sum(tg.sin(f(x))))(x)
    monkeypatch.setattr(functional, "_rows_together", lambda run: None)
    alone = tg.jacobian(f)(x), tg.hessian(lambda x: tg.sum(tg.sin(f(x))))(x)
    for several in (found, split):
        for a, b in zip(several, alone, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)
            assert a.shape == b.shape and a.dtype == b.dtype


RULES_ON_NUMBERS = {
    "a decision": lambda g, y, x: g * 2 if np.any(g > 0) else g * 2,
    "a function of arrays only": lambda g, y, x: np.interp(g, [-2, 2], [-4, 4]),
    "a number": lambda g, y, x: np.array([2 * float(part) for part in g])}


@pytest.mark.filterwarnings("ignore::tinygrad_mlp.errors.RawNumbersWarning")
@pytest.mark.parametrize("name", RULES_ON_NUMBERS)
def test_rules_that_look_at_the_numbers_of_a_cotangent_get_them(name):
    double = tg.op(name="double", rules={"x": RULES_ON_NUMBERS[name]}, register=False)(
        lambda x: 2 * x)
    np.testing.assert_array_equal(tg.jacobian(double)(np.ones(3)), 2 * np.eye(3))


def test_float32_stays_float32():
    x = np.ones(3, np.float32)
    assert tg.jacobian(lambda x: tg.tanh(2 * x) @ np.eye(3, dtype=np.float32))(x).dtype == x.dtype


def test_the_rules_for_stacks_are_of_operations():
    assert RULES.keys() <= tg.OPS.keys()


@pytest.mark.parametrize("shape", [(6, 3), (6, 5, 3), (6, 2, 5, 3), (6, 0, 3), (6, 5, 0)])
@pytest.mark.parametrize("bias", [None, np.arange(4.0)])
def test_a_layer_multiplies_a_stack_by_one_product_of_the_size_it_counts(shape, bias, monkeypatch):
    x, weight = np.arange(np.prod(shape), dtype=float).reshape(shape), np.ones((4, shape[-1]))
    multiplied, counted = [], []
    count = stack_rules.threads_for

    def forward(x, weight, bias):
        multiplied.append((x.ndim, x.size * len(weight)))
        return OPS["linear"].forward(x, weight, bias)

    monkeypatch.setattr(stack_rules, "threads_for", lambda n: counted.append(n) or count(n))
    z = stack_rules.linear(forward, (x, weight, bias), (True, False, False), {})
    assert multiplied == [(2, n) for n in counted] and len(counted) == 1
    np.testing.assert_allclose(z, OPS["linear"].forward(x, weight, bias))
