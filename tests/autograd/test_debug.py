"""`debug`: which operation, or which gradient rule, made the first NaN or infinity."""

from __future__ import annotations

import inspect
import re
from contextlib import nullcontext

import numpy as np
import pytest

import tinygrad_mlp as tg
from tinygrad_mlp.errors import NonFiniteError

BIG, INF, NAN = 1e200, np.inf, np.nan


def leaf(*numbers, name=None, dtype=float):
    return tg.Tensor(np.array(numbers, dtype), requires_grad=True, name=name)


def planted(**record):
    return tg.op(register=False, **record)


def line():
    """The number of the line that calls this."""
    return inspect.currentframe().f_back.f_lineno


def place(error):
    """Line and source that a message points to."""
    found = re.search(r" was called at (.*?):(\d+).*\n    (.*)", str(error.value))
    assert found[1] == __file__
    return int(found[2]), found[3]


# -- the first NaN or infinity of a forward pass ---------------------------------------------------

FORWARD = {
    "log(0)": ("log", "-inf", lambda: tg.log(leaf(1, 0))),
    "log(-1)": ("log", "NaN", lambda: tg.log(leaf(1, -1))),
    "log1p(-1)": ("log1p", "-inf", lambda: tg.log1p(leaf(-1))),
    "sqrt(-1)": ("sqrt", "NaN", lambda: tg.sqrt(leaf(4, -1))),
    "1/0": ("divide", "inf", lambda: 1 / leaf(1, 0)),
    "0/0": ("divide", "NaN", lambda: leaf(0) / leaf(0)),
    "exp(1000)": ("exp", "inf", lambda: tg.exp(leaf(1000))),
    "exp(100) in float32": ("exp", "inf", lambda: tg.exp(leaf(100, dtype=np.float32))),
    "expm1(1000)": ("expm1", "inf", lambda: tg.expm1(leaf(1000))),
    "0^-1": ("power", "inf", lambda: leaf(0) ** -1),
    "(-1)^0.5": ("power", "NaN", lambda: leaf(-1) ** 0.5),
    "a large square": ("square", "inf", lambda: tg.square(leaf(BIG))),
    "a large product": ("multiply", "inf", lambda: leaf(BIG) * leaf(BIG)),
    "a large difference": ("subtract", "inf", lambda: leaf(1.5e308) - leaf(-1.5e308)),
    "a large sum": ("sum", "inf", lambda: tg.sum(leaf(1.5e308, 1.5e308))),
    "a large matrix product": ("matmul", "inf", lambda: leaf(BIG, 1) @ leaf(BIG, 1)),
    "a large variance": ("var", "inf", lambda: tg.var(leaf(BIG, -BIG))),
    "1e300 as float32": ("astype", "inf", lambda: leaf(1e300).astype(np.float32)),
    "a certain wrong answer": (
        "binary_cross_entropy", "inf", lambda: tg.nn.binary_cross_entropy(leaf(0), np.ones(1)),
    ),
    "a large error": ("squared_error", "inf", lambda: tg.nn.squared_error(leaf(BIG), np.ones(1))),
    "a choice too late": ("log", "-inf", lambda: tg.where([True, False], tg.log(leaf(1, 0)), 0)),
    "plain arrays": ("log", "-inf", lambda: tg.log(np.zeros(2))),
    "a NumPy function": ("log", "-inf", lambda: np.log(leaf(0))),
    "infinities that cancel": ("subtract", "NaN", lambda: tg.subtract(INF, np.array([INF]))),
}


@pytest.mark.parametrize("quiet", [nullcontext, tg.no_grad])
@pytest.mark.parametrize("example", FORWARD)
def test_the_operation_that_made_the_first_is_named(example, quiet):
    name, what, compute = FORWARD[example]
    expected = rf"^debug: {name}\(\) must return finite numbers. Got {what}\b"
    with quiet(), tg.debug(), pytest.raises(NonFiniteError, match=expected):
        tg.tanh(compute())


@pytest.mark.parametrize("example", FORWARD)
def test_when_debug_is_off_it_is_not(example):
    with np.errstate(all="ignore"):
        FORWARD[example][2]()


def test_the_message_says_who_where_from_what_and_what_to_do():
    a = leaf(1, 2, name="a")
    b = tg.Tensor([[4.0, 0.0], [1.0, 0.0]], dtype=np.float32)
    with tg.debug(), pytest.raises(NonFiniteError) as caught:
        at = line() + 1
        3 + a / b
    assert str(caught.value).splitlines() == [
        "debug: divide() must return finite numbers. "
        "Got inf in 2 of 4 elements, the first at index (0, 1), from",
        "    x1 ('a') of shape (2,), float64, values from 1 to 2",
        "    x2 of shape (2, 2), float32, values from 0 to 4",
        f"divide() was called at {__file__}:{at}, in "
        "test_the_message_says_who_where_from_what_and_what_to_do",
        "    3 + a / b",
        "        ^^^^^",
        "Keep its arguments where it is defined and its result can be represented: scale or clip "
        "them, or use one operation for several steps (logsumexp, log1p, softmax_cross_entropy).",
    ]


# -- NaN that was there before ---------------------------------------------------------------------

ALREADY = {
    "a named leaf": (
        "x1 ('w'), a leaf of shape (2,), held NaN in 1 of 2", lambda: leaf(NAN, 1, name="w") * 2,
    ),
    "a plain array": (
        "x2, a plain array of shape (2,), held NaN in 2 of 2",
        lambda: leaf(1, 2) * np.array([NAN, NAN]),
    ),
    "a list": (
        "x2, a plain array of shape (2,), held NaN in 1 of 2", lambda: tg.add(leaf(1, 2), [NAN, 1]),
    ),
    "a number": ("x2, a plain array of shape (), held NaN.", lambda: leaf(1) * NAN),
    "one of several": (
        "arrays[1], a leaf of shape (1,), held NaN", lambda: tg.concatenate([leaf(1), leaf(NAN)]),
    ),
    "an infinite parameter": (
        "x1, a leaf of shape (2,), held inf in 1 of 2", lambda: leaf(INF, 1) * 2,
    ),
    "the input of a model": (
        "x, a plain array of shape (1, 2), held NaN in 1 of 2",
        lambda: tg.nn.Linear(2, 3, rng=np.random.default_rng(0))(np.array([[0, NAN]])),
    ),
}


@pytest.mark.parametrize("example", ALREADY)
def test_an_argument_that_was_not_finite_before_is_named(example):
    expected, compute = ALREADY[example]
    with tg.debug(), pytest.raises(NonFiniteError, match=re.escape(expected)):
        compute()


def test_nan_that_was_computed_before_debug_is_said_to_be():
    with np.errstate(all="ignore"):
        x = tg.log(leaf(-1))
    expected = r"x, computed by log\(\) without debug\(\) or changed since, of shape \(1,\)"
    with tg.debug(), pytest.raises(NonFiniteError, match=expected):
        tg.tanh(x)


MEANT = {
    "a mask": lambda s: tg.softmax(tg.where([[True, False], [True, True]], s, -INF) / 2),
    "a mask to add": lambda s: tg.softmax(s + np.array([[0, -INF], [0, 0]])),
    "a mask to add, as a tensor": lambda s: tg.log_softmax(s + tg.Tensor([0, -INF]))[:, 0],
    "no bound": lambda s: tg.clip(s, -INF, INF),
    "the least maximum": lambda s: tg.maximum(s, -INF),
    "e^-inf": lambda s: s + tg.exp(np.array([-INF, 0])),
    "1/inf": lambda s: s / INF,
    "all of it": lambda s: tg.logsumexp(tg.where([[True, False]], s, -INF), axis=1),
    "NaN that is taken out": lambda s: s + tg.where([True, False], np.array([0, NAN]), 0),
}


@pytest.mark.parametrize("example", MEANT)
def test_a_constant_infinity_is_meant_as_long_as_it_makes_no_nan(example):
    s = tg.Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    expected = MEANT[example](s).data
    with tg.debug():
        result = MEANT[example](s)
        result.sum().backward()
    np.testing.assert_array_equal(result.data, expected)
    assert np.isfinite(s.grad).all()


def test_an_overflow_beside_a_mask_is_found_all_the_same():
    with tg.debug():
        masked = tg.where([True, False], leaf(1000, 0), -INF)
        with pytest.raises(NonFiniteError, match=r"exp\(\) must return"):
            tg.exp(masked)


# -- the first NaN or infinity of a backward pass --------------------------------------------------

@planted(rules={"a": lambda g, y, a, b: g, "b": lambda g, y, a, b: g / 0})
def wrong_rule(a, b):
    return a + b


@planted(rules={"arrays": lambda g, y, *arrays, position: g / (1 - position)})
def wrong_at_one(*arrays):
    return sum(arrays)


BACKWARD = {
    "√x at 0": ("sqrt", "x", lambda: tg.sqrt(leaf(4, 0)).sum()),
    "x^½ at 0": ("power", "x1", lambda: (leaf(4, 0) ** 0.5).sum()),
    "a norm at 0": ("sqrt", "x", lambda: tg.sqrt((leaf(0, 0) ** 2).sum())),
    "x^-1 of little": ("power", "x1", lambda: leaf(1e-200) ** -1),
    "1/x of little": ("divide", "x2", lambda: 1 / leaf(1e-200)),
    "ln of less": ("log", "x", lambda: tg.log(leaf(1e-310))),
    "ln(1 + x) near -1": ("log1p", "x", lambda: tg.log1p(leaf(-1 + 1e-16)) * 1e300),
    "e^x": ("exp", "x", lambda: (tg.exp(leaf(600)) - np.exp(600)) * 1e100),
    "a product": ("multiply", "x1", lambda: leaf(1e-200) * BIG * BIG),
    "a matrix product": ("matmul", "x1", lambda: (leaf(0, 0) @ np.full(2, BIG)) * BIG),
    "a loss": ("binary_cross_entropy", "prediction",
               lambda: tg.nn.binary_cross_entropy(leaf(1e-310), np.ones(1))),
    "a rule of one's own": ("wrong_rule", "b", lambda: wrong_rule(leaf(1), leaf(2))),
    "one of several": ("wrong_at_one", "arrays[1]", lambda: wrong_at_one(leaf(1), leaf(2))),
    "copies added up": ("add", "x1", lambda: ((leaf(0) + np.zeros(3)) * 1e308).sum()),
    "cast down": ("astype", "a", lambda: leaf(0, dtype=np.float32).astype(float) * 1e300),
}


@pytest.mark.parametrize("example", BACKWARD)
def test_the_gradient_rule_that_made_the_first_is_named_with_its_line(example):
    name, argument, compute = BACKWARD[example]
    expected = rf"^debug: the gradient rule of {name}\(\) for {re.escape(argument)} must return"
    with tg.debug():
        at, loss = line(), compute()
        with pytest.raises(NonFiniteError, match=expected) as caught:
            loss.backward()
    assert f"{name}() was called at {__file__}:" in str(caught.value)
    assert place(caught)[0] < at  # where the table has it, not where backward() stands


@pytest.mark.parametrize("example", BACKWARD)
def test_so_it_is_for_a_graph_that_is_older_than_debug_but_without_a_line(example):
    name, argument, compute = BACKWARD[example]
    loss = compute()
    expected = rf"of {name}\(\) for {re.escape(argument)} must(.|\n)*without debug\(\), so the line"
    with tg.debug(), pytest.raises(NonFiniteError, match=expected):
        loss.backward()


@pytest.mark.parametrize("example", BACKWARD)
def test_the_line_is_known_where_two_debugs_record_and_walk(example):
    with tg.debug():
        loss = BACKWARD[example][2]()
    with tg.debug(), pytest.raises(NonFiniteError) as caught:
        loss.backward()
    place(caught)


@pytest.mark.parametrize("example", BACKWARD)
def test_without_debug_the_gradient_is_just_not_finite(example):
    with np.errstate(all="ignore"):
        with tg.debug():
            loss = BACKWARD[example][2]()
        loss.backward()


def test_no_gradient_is_stored_when_one_of_them_is_not_finite():
    x = leaf(1, 0)
    with tg.debug(), pytest.raises(NonFiniteError):
        (x.sum() + tg.sqrt(x).sum()).backward()
    assert x.grad is None


def test_the_message_of_a_rule_shows_all_it_was_given():
    x = leaf(4, 0, name="x")
    with tg.debug(), pytest.raises(NonFiniteError) as caught:
        at = line() + 1
        y = 1 + 2 * tg.sqrt(x)
        y.backward(np.ones(2))
    assert str(caught.value).splitlines() == [
        "debug: the gradient rule of sqrt() for x ('x') must return finite numbers. "
        "Got inf in 1 of 2 elements, the first at index (1,), from",
        "    x ('x') of shape (2,), float64, values from 0 to 4",
        "    the result of shape (2,), float64, values from 0 to 2",
        "    the result's gradient of shape (2,), float64, value 2",
        f"sqrt() was called at {__file__}:{at}, in "
        "test_the_message_of_a_rule_shows_all_it_was_given",
        "    y = 1 + 2 * tg.sqrt(x)",
        "                ^^^^^^^^^^",
        "Keep its arguments away from where the derivative is infinite or undefined: add a small "
        "constant, clip them, or choose elements with where() before the operation, not after it.",
    ]


@pytest.mark.parametrize("start", [NAN, INF])
def test_a_backward_pass_starts_from_a_finite_gradient(start):
    x = leaf(1, 2)
    with tg.debug():
        for y, what in ((x, "leaf"), (x * 2, r"result of multiply\(\)")):
            with pytest.raises(NonFiniteError, match=rf"for the {what}, of shape \(2,\), held"):
                y.backward(np.array([0, start]))


def test_finite_gradients_that_add_up_to_infinity_are_found():
    with tg.debug():
        y = leaf(0) * 1
        expected = r"result of multiply\(\) .* Added up .* used for, it held inf"
        with np.errstate(over="ignore"), pytest.raises(NonFiniteError, match=expected):
            (y * 1e308 + y * 1e308).backward()


def test_a_rule_may_pass_through_infinity_if_its_result_does_not():
    @planted(rules={"x": lambda g, y, x: tg.where(x > 0, g * tg.power(x, -1.0), 0)})
    def careful(x):
        return np.log(np.where(x > 0, x, 1))

    x = leaf(2, 0)
    with tg.debug():
        careful(x).sum().backward()
    np.testing.assert_array_equal(x.grad, [0.5, 0])


@pytest.mark.parametrize("transform", [tg.hessian, tg.jacobian])
def test_second_derivatives_are_checked_and_name_the_line_of_the_first_forward_pass(transform):
    def f(x):
        return tg.sum(x**1.5) if transform is tg.hessian else tg.grad(f_sum)(x)

    def f_sum(x):
        return tg.sum(x**1.5)

    with tg.debug(), pytest.raises(NonFiniteError, match=r"rule of power\(\) for x1") as caught:
        transform(f)(np.array([1.0, 0.0]))
    assert place(caught)[1].startswith("return tg.sum(x**1.5)")
    assert "(inside the gradient rule of power() for x1)" in str(caught.value)


# -- training --------------------------------------------------------------------------------------

def training(lr, rng):
    X = rng.normal(size=(40, 3))
    model = tg.nn.Sequential(
        tg.nn.Linear(3, 8, rng=rng),
        tg.nn.ReLU(),
        tg.nn.BatchNorm1d(8),
        tg.nn.Dropout(0.1, rng=rng),
        tg.nn.Linear(8, 1, rng=rng),
    )
    optimizer = tg.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    tg.fit(model, tg.nn.squared_error, optimizer, X, X[:, :1], epochs=8, batch_size=8, rng=rng)
    return model.state_dict()


def test_training_under_debug_is_bit_for_bit_the_same():
    plain = training(0.01, np.random.default_rng(0))
    with tg.debug():
        watched = training(0.01, np.random.default_rng(0))
    for name, array in plain.items():
        np.testing.assert_array_equal(watched[name], array)


def test_training_that_diverges_ends_at_the_operation_and_the_line(rng):
    with tg.debug(), pytest.raises(NonFiniteError, match=r"^debug: \w+\(\) must") as caught:
        training(1e150, rng)
    assert place(caught)[1].startswith("tg.fit(model, tg.nn.squared_error")
