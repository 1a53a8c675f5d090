from __future__ import annotations

import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_mlp as tg
from tinygrad_mlp.optim import rules

LR = 0.0625

# Rule, hyper-parameters, and the arrays of its state: each branch of each rule has its row.
TABLE = [
    (rules.sgd, {}, ()),
    (rules.sgd, {"weight_decay": 0.1}, ()),
    (rules.sgd, {"momentum": 0.9}, ("velocity",)),
    (rules.sgd, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}, ("velocity",)),
    (rules.adam, {}, ("m", "v")),
    (rules.adam, {"beta1": 0.5, "weight_decay": 0.1}, ("m", "v")),
    (rules.adamw, {"weight_decay": 0.0}, ("m", "v")),
    (rules.adamw, {"weight_decay": 0.1}, ("m", "v")),
    (rules.rmsprop, {}, ("v",)),
    (rules.rmsprop, {"momentum": 0.9, "weight_decay": 0.1}, ("v", "velocity")),
    (rules.rmsprop, {"centered": True}, ("v", "m")),
    (rules.rmsprop, {"centered": True, "momentum": 0.5}, ("v", "m", "velocity")),
]
IDS = ["-".join([rule.__name__, *map(str, settings.items())]) for rule, settings, _ in TABLE]
every_rule = pytest.mark.parametrize(("rule", "settings", "names"), TABLE, ids=IDS)


def fresh(names, parameter):
    state = {name: np.zeros_like(parameter) for name in names}
    return {"t": 0, **state} if names == ("m", "v") else state


def run(rule, settings, names, parameter, gradients, convert=lambda array: array):
    """The parameter and state after one step for each gradient."""
    state = {
        name: value if name == "t" else convert(value)
        for name, value in fresh(names, parameter).items()
    }
    parameter = convert(parameter)
    for gradient in gradients:
        parameter, state = rule(parameter, convert(gradient), state, lr=LR, **settings)
    return parameter, state


@st.composite
def trainings(draw, dtypes=(np.float32, np.float64), steps=3):
    """A parameter and gradients for it, of one shape and dtype."""
    shape = draw(st.sampled_from([(), (3,), (2, 3), (0,)]))
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    numbers = st.floats(-100, 100, width=16)
    arrays = hnp.arrays(dtype, shape, elements=numbers, fill=st.nothing())
    return draw(arrays), [draw(arrays) for _ in range(steps)]


def data(value):
    return value.data if isinstance(value, tg.Tensor) else np.asarray(value)


@every_rule
@given(training=trainings())
def test_on_tensors_a_rule_gives_the_bits_it_gives_on_arrays(rule, settings, names, training):
    on_arrays = run(rule, settings, names, *training)
    for convert in (tg.Tensor, lambda array: tg.Tensor(array, requires_grad=True)):
        on_tensors = run(rule, settings, names, *training, convert)
        assert isinstance(on_tensors[0], tg.Tensor)
        np.testing.assert_array_equal(data(on_tensors[0]), on_arrays[0])
        assert on_tensors[1].keys() == on_arrays[1].keys()
        for name, value in on_arrays[1].items():
            np.testing.assert_array_equal(data(on_tensors[1][name]), value)


@every_rule
@given(training=trainings())
def test_a_rule_keeps_shape_and_dtype_and_changes_none_of_its_arguments(
    rule, settings, names, training
):
    parameter, gradients = training
    state = fresh(names, parameter)
    for gradient in gradients:
        arguments = [parameter, gradient, state]
        before = copy.deepcopy(arguments)
        new, new_state = rule(*arguments, lr=LR, **settings)
        for ours, copied in zip(arguments[:2], before[:2], strict=True):
            np.testing.assert_array_equal(ours, copied)
        assert state.keys() == before[2].keys() == new_state.keys()
        for name, value in state.items():
            np.testing.assert_array_equal(value, before[2][name])
        for array in [new, *(new_state[name] for name in names)]:
            assert (np.shape(array), np.asarray(array).dtype) == (gradient.shape, gradient.dtype)
            assert not np.shares_memory(array, gradient)
        parameter, state = new, new_state


@every_rule
@given(training=trainings())
def test_every_element_is_updated_by_itself(rule, settings, names, training):
    parameter, gradients = training
    whole, _ = run(rule, settings, names, parameter, gradients)
    for index in np.ndindex(parameter.shape):
        one = (np.array(parameter[index]), [np.array(g[index]) for g in gradients])
        assert run(rule, settings, names, *one)[0] == np.asarray(whole)[index]


@every_rule
def test_a_large_array_is_updated_as_its_pieces_are(rule, settings, names):
    # From 256 KiB on, NumPy computes in the memory of temporaries: no argument may be among them.
    parameter, *gradients = np.random.default_rng(4).normal(size=(4, 40_000))
    whole, _ = run(rule, settings, names, parameter, gradients)
    for piece in np.split(np.arange(40_000), 4):
        part, _ = run(rule, settings, names, parameter[piece], [g[piece] for g in gradients])
        np.testing.assert_array_equal(whole[piece], part)


@given(training=trainings())
def test_sgd_without_momentum_and_decay_is_the_plain_formula_to_the_bit(training):
    parameter, (gradient, *_) = training
    new, state = rules.sgd(parameter, gradient, {}, lr=LR)
    np.testing.assert_array_equal(new, parameter - LR * gradient)
    assert state == {}


@pytest.mark.parametrize("rule", [rules.sgd, rules.adam, rules.rmsprop])
@given(training=trainings())
def test_weight_decay_is_a_gradient_of_its_own(rule, training):
    parameter, (gradient, *_) = training
    state = {"t": 0, "m": np.zeros_like(parameter), "v": np.zeros_like(parameter)}
    decaying = rule(parameter, gradient, state, lr=LR, weight_decay=0.5)[0]
    by_hand = rule(parameter, gradient + 0.5 * parameter, state, lr=LR)[0]
    np.testing.assert_array_equal(decaying, by_hand)


@given(training=trainings())
def test_the_weight_decay_of_adamw_is_decoupled_from_the_gradient(training):
    parameter, gradients = training
    state = fresh(("m", "v"), parameter)
    for gradient in gradients:
        new, new_state = rules.adamw(parameter, gradient, state, lr=LR, weight_decay=0.5)
        shrunk = (1 - LR * 0.5) * parameter
        expected, expected_state = rules.adam(shrunk, gradient, state, lr=LR)
        np.testing.assert_array_equal(new, expected)
        for name in state:
            np.testing.assert_array_equal(new_state[name], expected_state[name])
        parameter, state = new, new_state


ADAPTIVE = [row for row in TABLE if row[0] is not rules.sgd and not row[1].get("weight_decay")]


@pytest.mark.parametrize(("rule", "settings", "names"), ADAPTIVE)
@given(training=trainings(dtypes=[np.float64]), exponent=st.integers(-20, 20))
def test_adaptive_rules_do_not_see_the_scale_of_the_gradient(
    rule, settings, names, training, exponent
):
    # Powers of two, for with these no product is rounded.
    parameter, gradients = training
    scale = 2.0**exponent
    scaled = [g * scale for g in gradients]
    before, _ = run(rule, {**settings, "eps": 2.0**-30}, names, parameter, gradients)
    after, _ = run(rule, {**settings, "eps": 2.0**-30 * scale}, names, parameter, scaled)
    np.testing.assert_array_equal(after, before)


@given(st.floats(0.01, 0.99), st.integers(1, 30))
def test_under_a_constant_gradient_the_velocity_is_a_geometric_sum(momentum, n):
    _, state = run(rules.sgd, {"momentum": momentum}, ("velocity",), np.ones(1), [np.ones(1)] * n)
    np.testing.assert_allclose(state["velocity"], (1 - momentum**n) / (1 - momentum))


@given(st.floats(1e-3, 1e3), st.integers(1, 20))
def test_under_a_constant_gradient_every_step_of_adam_is_the_learning_rate(gradient, n):
    parameter, _ = run(rules.adam, {}, ("m", "v"), np.zeros(2), [gradient * np.array([1, -1])] * n)
    np.testing.assert_allclose(parameter, [-LR * n, LR * n], rtol=1e-4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_centered_rmsprop_stays_finite_where_rounding_makes_the_variance_negative(dtype):
    gradient = np.random.default_rng(3).normal(size=100).astype(dtype)
    settings = {"centered": True, "alpha": 0.1}
    parameter, state = run(
        rules.rmsprop, settings, ("v", "m"), np.zeros(100, dtype), [gradient] * 20
    )
    assert (state["v"] < state["m"] ** 2).any()
    assert np.isfinite(parameter).all()


@pytest.mark.parametrize("rule", [rules.sgd, rules.adam, rules.adamw, rules.rmsprop])
def test_a_gradient_of_zero_from_the_start_moves_nothing_but_by_decay(rule):
    state = {"t": 0, "m": np.zeros(3), "v": np.zeros(3)}
    parameter = np.array([1.0, -2.0, 0.0])
    new, _ = rule(parameter, np.zeros(3), state, lr=LR, weight_decay=0.0)
    np.testing.assert_array_equal(new, parameter)


def test_the_step_of_sgd_can_be_differentiated_by_the_learning_rate():
    gradient = np.array([1.0, -2.0, 0.5])

    def sum_after(lr):
        return rules.sgd(np.ones(3), gradient, {}, lr=lr)[0].sum()

    np.testing.assert_allclose(tg.grad(sum_after)(0.1), -gradient.sum())


@every_rule
def test_the_step_of_a_rule_can_be_differentiated_by_the_gradient(rule, settings, names):
    rng = np.random.default_rng(7)
    parameter, weights = rng.normal(size=(2, 3))
    gradients = rng.uniform(0.5, 1.5, (2, 3))

    def after(gradient):
        new, _ = run(rule, settings, names, parameter, [gradients[0], gradient])
        return tg.sum(new * weights)

    step = 1e-6 * np.eye(3)
    numerical = [(after(gradients[1] + e) - after(gradients[1] - e)) / 2e-6 for e in step]
    np.testing.assert_allclose(tg.grad(after)(gradients[1]), numerical, rtol=1e-5, atol=1e-9)
