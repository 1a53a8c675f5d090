"""Defining an operation: what a declaration may say, and what mistakes say."""

from __future__ import annotations

import copy
import functools
import inspect
import pickle

import numpy as np
import pytest

import tinygrad_mlp as tg
from tests.every_sample import every_sample
from tinygrad_mlp.autograd.op import Op, parameters_of
from tinygrad_mlp.autograd.rule_check import raw_numbers
from tinygrad_mlp.errors import (
    DTypeError,
    InvalidArgumentError,
    NotDifferentiableError,
    OpDefinitionError,
    RawNumbersWarning,
    ShapeError,
)


def planted(**record):
    return tg.op(register=False, **record)


@pytest.fixture
def x():
    return tg.Tensor([1.5, -2.0], requires_grad=True)


# -- one output ------------------------------------------------------------------------------------


def test_a_new_operation_has_derivatives_of_every_order(x):
    @planted(rules={"x": lambda g, y, x, n: g * n * x ** (n - 1)})
    def power(x, *, n=3):
        return x**n

    np.testing.assert_array_equal(power(x).data, x.data**3)
    f = lambda x: power(x, n=4)  # noqa: E731
    for factor, exponent in ((4, 3), (12, 2), (24, 1)):
        f = tg.grad(f)
        assert f(1.5) == factor * 1.5**exponent


def test_it_is_called_like_a_function(x):
    @planted(rules={"a": lambda g, y, a, b, k: g * k * b, "b": lambda g, y, a, b, k: g * k * a})
    def scaled(a, b=None, *, k=2.0):
        return a * k if b is None else a * b * k

    for result in (scaled(x, x, k=3), scaled(b=x, a=x, k=3), scaled(x, x, 3)):
        np.testing.assert_array_equal(result.data, 3 * x.data**2)
    np.testing.assert_array_equal(scaled(x).data, 2 * x.data)
    np.testing.assert_array_equal(scaled([1, 2]), [2, 4])
    assert scaled.__name__ == "scaled" and "scaled(a, b=None, *, k=2.0)" in repr(scaled)


def test_it_is_entered_into_the_registry_under_its_name():
    try:

        @tg.op(name="planted", rules={"x": lambda g, y, x: g})
        def anything(x):
            """Documentation."""
            return x + 0

        assert tg.OPS["planted"] is anything
        assert anything.__doc__ == "Documentation."
    finally:
        del tg.OPS["planted"]


def test_copying_and_pickling_keep_the_operation_what_it_is():
    """A loss asks whether its argument came from *the* sigmoid; a copied model must not differ."""
    for op in tg.OPS.values():
        assert copy.deepcopy(op) is copy.copy(op) is pickle.loads(pickle.dumps(op)) is op


def test_numpy_calls_it_even_when_it_is_defined_late(x):
    np.tanh(x)  # the table of NumPy's functions has been used before
    double = np.frompyfunc(lambda x: 2 * x, 1, 1)  # a ufunc of our own: no other test knows it
    with pytest.raises(NotDifferentiableError):
        double(x)
    try:

        @tg.op(name="planted", rules={"x": lambda g, y, x: g * 2}, numpy=double)
        def doubled(x):
            return 2 * x

        assert tg.grad(lambda x: double(x) ** 2)(2.0) == 16.0
    finally:
        del tg.OPS["planted"]


def test_an_untracked_argument_needs_no_rule(x):
    @planted(rules={"x": lambda g, y, x, k: g * k})
    def scale(x, k):
        return x * k

    scale(x, np.array(3.0)).sum().backward()
    np.testing.assert_array_equal(x.grad, [3.0, 3.0])


def test_the_engine_undoes_broadcasting_and_casting_for_the_rule():
    @planted(rules={"a": lambda g, y, a, b: g * b, "b": lambda g, y, a, b: g * a})
    def product(a, b):
        return a * b

    a = tg.Tensor(np.ones((2, 1), np.float32), requires_grad=True)
    b = tg.Tensor(np.arange(3.0), requires_grad=True)
    product(a, b).backward(np.ones((2, 3)))
    np.testing.assert_array_equal(a.grad, np.full((2, 1), 3, np.float32))
    np.testing.assert_array_equal(b.grad, [2.0, 2.0, 2.0])
    assert (a.grad.dtype, b.grad.dtype) == (np.float32, np.float64)


def test_a_rule_may_return_a_number():
    @planted(rules={"x": lambda g, y, x: 7})
    def strange(x):
        return x + 0

    assert tg.grad(strange)(1.0) == 7


# -- mistakes in the declaration -------------------------------------------------------------------


def declare(rules, forward, **record):
    return lambda: planted(rules=rules, **record)(forward)


def ok(g, y, x):
    return g


DECLARATIONS = {
    "a rule for no parameter": (
        declare({"z": ok}, lambda x: x, name="mine"), ["'mine'", "'z'", "x"]),
    "a rule for a static parameter": (
        declare({"n": ok}, lambda x, *, n=1: x, name="mine"), ["'mine'", "'n'", "Static"]),
    "a rule without a static parameter": (
        lambda: planted(rules={"x": ok}, name="mine")(lambda x, *, n=1: x),
        ["'mine'", "rule(g, y, x, n=n)", "keyword argument 'n'", "rule at"]),
    "a rule with an unknown parameter": (
        lambda: planted(rules={"x": lambda g, y, x, m: g}, name="mine")(lambda x, *, n=1: x),
        ["'mine'", "missing a required argument: 'm'", "rule at"]),
    "a rule with too few parameters": (
        lambda: planted(rules={"x": ok}, name="mine")(lambda x, z: x),
        ["'mine'", "rule(g, y, x, z)", "too many positional arguments", "rule at"]),
    "a rule of *args that does not take the position": (
        lambda: planted(rules={"x": lambda g, y, *x: g}, name="mine")(lambda *x: x[0]),
        ["'mine'", "rule(g, y, *x, position=position)", "'position'", "rule at"]),
    "a rule that is no function": (
        declare({"x": 3}, lambda x: x, name="mine"), ["'mine'", "'x'", "(g, y, x)", "3"]),
    "**keywords": (declare({}, lambda x, **more: x, name="mine"), ["'mine'", "**more"]),
    "*args beside others": (declare({}, lambda x, *more: x, name="mine"), ["'mine'", "*more", "x"]),
    "a name that is taken": (
        lambda: tg.op(name="tanh", rules={"x": ok})(lambda x: x), ["'tanh'", "exists"]),
}


@pytest.mark.parametrize("mistake", DECLARATIONS)
def test_a_contradictory_declaration_is_refused(mistake):
    make, words = DECLARATIONS[mistake]
    with pytest.raises(OpDefinitionError) as caught:
        make()
    assert all(word in str(caught.value) for word in words), str(caught.value)


@pytest.mark.parametrize(
    ("old", "new"), [("discrete", "nondifferentiable"), ("composed", "decomposable")]
)
def test_old_names_of_fields_are_understood(old, new):
    with pytest.warns(DeprecationWarning, match=f"calls {old}= {new}= now"):
        made = planted(**{old: True})(lambda x: x)
    assert getattr(made.record, new) is True


def test_what_is_declared_can_be_read_of_the_operation():
    assert tg.tanh.equation == tg.tanh.record.equation
    with pytest.raises(AttributeError, match="'derivative'"):
        _ = tg.tanh.derivative


def test_an_operation_can_be_defined_anew_where_it_was_defined():
    rules = {"x": lambda g, y, x: g}
    cell = """@tg.op(rules=rules)\ndef defined_anew(x):\n    return x + number"""
    notebook, other = ({"tg": tg, "rules": rules, "number": n} for n in (1, 2))
    try:
        exec(cell, notebook)
        exec(cell, notebook)
        assert tg.OPS["defined_anew"] is notebook["defined_anew"]
        with pytest.raises(OpDefinitionError, match="'defined_anew' exists already"):
            exec(cell, other)
    finally:
        tg.OPS.pop("defined_anew", None)


def gradient_with(rule, x=None, **record):
    def f(x, k=None):
        return x * 2

    made = planted(rules={"x": rule}, name="mine", **record)(f)
    x = tg.Tensor(np.ones((2, 3)), requires_grad=True) if x is None else x
    made(x).sum().backward()


def test_a_rule_with_a_wrong_shape_is_named_and_changes_nothing():
    x = tg.Tensor(np.ones((2, 3)), requires_grad=True)
    for wrong in (np.ones(4), np.ones((3, 2)), np.ones((2, 1)), 1.0):
        with pytest.raises(OpDefinitionError) as caught:
            gradient_with(lambda g, y, x, k, wrong=wrong: wrong, x)
        for word in ("'mine'", "'x'", str(np.shape(wrong)), "(2, 3)"):
            assert word in str(caught.value)
    assert x.grad is None


@pytest.mark.parametrize("wrong", [np.ones((2, 3), complex), np.full((2, 3), "g"), np.ones(4)])
def test_a_rule_with_a_wrong_result_is_shown_where_it_was_written(wrong):
    with pytest.raises(OpDefinitionError, match=r"'mine'.*'x'") as caught:
        gradient_with(lambda g, y, x, k: wrong)
    line = gradient_with.__code__.co_filename
    assert f"rule at {line}:" in str(caught.value)


def test_an_argument_without_a_rule_is_named_and_nothing_changes():
    x = tg.Tensor([1.0], requires_grad=True)
    condition = tg.Tensor([1.0], requires_grad=True)
    with pytest.raises(NotDifferentiableError, match="'where'.*'condition'"):
        tg.where(condition, x, x).backward()
    assert x.grad is None and condition.grad is None
    with pytest.raises(NotDifferentiableError, match="'mine'.*'x'"):
        gradient_with(lambda g, y, x, k: None)


# -- mistakes in a call ----------------------------------------------------------------------------


@planted(rules={"a": lambda g, y, a, b, k: g, "b": lambda g, y, a, b, k: g}, name="mine")
def mine(a, b, *, k=1):
    return a * k + b


CALLS = {
    "an unknown keyword": (lambda x: mine(x, x, q=3), InvalidArgumentError, ["'q'"]),
    "a misspelt keyword": (lambda x: mine(x, x, K=3), InvalidArgumentError, ["'K'"]),
    "a missing argument": (lambda x: mine(x), InvalidArgumentError, ["'b'"]),
    "too many arguments": (lambda x: mine(x, x, 1, 2), InvalidArgumentError, ["4 arguments"]),
    "one argument twice": (lambda x: mine(x, x, a=x), InvalidArgumentError, ["'a'", "twice"]),
    "a static argument twice": (lambda x: mine(x, x, 2, k=2), InvalidArgumentError, ["'k'"]),
    "shapes that do not fit": (
        lambda x: mine(x, np.ones((3, 3))), ShapeError, ["(2,)", "(3, 3)", "k=1"]),
    "text": (lambda x: mine(x, "text"), DTypeError, ["a of shape (2,)"]),
}


@pytest.mark.parametrize("mistake", CALLS)
def test_a_wrong_call_is_explained(mistake, x):
    call, kind, words = CALLS[mistake]
    with pytest.raises(kind) as caught:
        call(x)
    for word in ["mine()", *words]:
        assert word in str(caught.value), str(caught.value)


def test_an_unknown_keyword_of_an_operation_with_several_arrays_is_not_ignored(x):
    with pytest.raises(InvalidArgumentError, match="'arrays'"):
        tg.OPS["concatenate"](x, x, arrays=3)


# -- parameters ------------------------------------------------------------------------------------


def test_parameters_are_sorted_into_arrays_and_static_ones():
    made = planted()(lambda a, b=None, *, axis, keepdims=False: a)
    assert (made.arrays, made.arity, made.variadic) == (("a", "b"), 2, False)
    assert list(made.defaults) == ["axis", "keepdims"] and made.required == ("a", "axis")
    many = planted()(lambda *arrays, axis=0: arrays[0])
    assert (many.arrays, many.variadic, many.required) == (("arrays",), True, ())


def test_a_wrapped_function_has_the_parameters_of_what_it_wraps():
    def scaled(x, *, k=2.0):
        return x * k

    @functools.wraps(scaled)
    def wrapped(*args, **static):
        return scaled(*args, **static)

    made = planted()(wrapped)
    assert (made.arrays, made.defaults) == (("x",), {"k": 2.0})
    assert made(1.5, k=3.0) == 4.5


# -- rules that compute with raw numbers -----------------------------------------------------------


def numbers(x):
    """The numbers of an array or a Tensor, as a careless rule takes them."""
    return np.asarray(getattr(x, "data", x))


RAW = {
    "of x": lambda g, y, x: g * np.cos(numbers(x)),
    "of y": lambda g, y, x: g * tg.sqrt(1 - numbers(y) ** 2),
    "of g": lambda g, y, x: numbers(g) * tg.cos(x),
    "of x, in one of two places": lambda g, y, x: g * (np.cos(numbers(x)) + tg.cos(x)) / 2,
    "by np.asarray": lambda g, y, x: g * np.cos(np.asarray(x)),
    "by float": lambda g, y, x: g * np.cos(float(x)),
}


@pytest.mark.parametrize("kind", RAW)
def test_a_rule_that_computes_with_raw_numbers_is_reported_when_first_used(kind):
    sine = lambda x: np.sin(x)  # noqa: E731
    first, second = (planted(rules={"x": RAW[kind]}, name="mine")(sine) for _ in range(2))
    with pytest.warns(RawNumbersWarning, match=r"(?s)'mine'.*'x'.*rule at .*test_op_def") as caught:
        assert tg.grad(first)(0.5) == pytest.approx(np.cos(0.5))  # right, so it is not refused
    assert caught[0].filename == __file__  # where the user asked for a gradient
    for op in (first, second):
        for _ in range(2):
            with pytest.raises(OpDefinitionError, match=r"'mine'.*'x'.*raw numbers"):
                tg.grad(tg.grad(op))(0.5)


PROPER = {
    "linear": (lambda x: 2 * x, lambda g, y, x: 2 * g),
    "of nothing but numbers": (lambda x: 0 * x, lambda g, y, x: np.zeros(x.shape)),
    "of y": (lambda x: np.exp(x), lambda g, y, x: g * y),
    "a jump at the point": (lambda x: np.maximum(x, 0), lambda g, y, x: g * (x > 0)),
    "a kink at the point": (lambda x: np.maximum(x, 0) ** 2, lambda g, y, x: 2 * g * tg.relu(x)),
    "infinite at the point": (lambda x: np.sqrt(x), lambda g, y, x: g / (2 * y)),
}


@pytest.mark.parametrize("kind", PROPER)
@pytest.mark.parametrize("x", [np.zeros(4), np.array([0.0, -0.5, 0.3, 2.0], np.float32)], ids=str)
def test_a_rule_of_operations_is_not_reported(kind, x):
    forward, rule = PROPER[kind]
    with np.errstate(all="ignore"):
        for transform in (tg.grad, tg.hessian):
            op = planted(rules={"x": rule})(forward)
            transform(lambda x, op=op: tg.sum(op(x)))(x)


@every_sample
def test_the_rules_of_the_package_would_not_be_reported(smooth):
    op = smooth.op if isinstance(smooth.op, Op) else smooth.op.op
    out = op.forward(*smooth.args, **smooth.static)
    g = np.random.default_rng(2).normal(size=np.shape(out)) if op.outputs == 1 else [
        np.ones(o.shape) for o in out
    ]
    found = raw_numbers(op, g, out, smooth.args, smooth.static)
    assert found == ""


class Squares:
    def method(self, x, *, axis=None):
        return x**2


FUNCTIONS = [
    lambda: None,
    lambda x, y=2, *, axis, keepdims=False: x,
    lambda *xs, axis=0, **more: xs,
    Squares().method,
    functools.wraps(lambda x, *, axis=0: x)(lambda *args, **static: args),
]


def test_parameters_are_those_that_inspect_finds():
    for function in [*FUNCTIONS, *(op.forward for op in tg.OPS.values())]:
        found, expected = parameters_of(function), inspect.signature(function).parameters.values()
        assert [(p.name, p.kind, p.default) for p in found] == [
            (p.name, p.kind, p.default) for p in expected
        ], function
