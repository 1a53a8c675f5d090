"""`check_grad` on planted mistakes: each is found, and called what it is."""

from __future__ import annotations

import itertools
import operator

import numpy as np
import pytest

import tinygrad_mlp as tg
from tests.campaigns import chosen, thorough
from tinygrad_mlp.autograd.ops.samples import samples_of
from tinygrad_mlp.autograd.ops.shapes.indexing import index_parts
from tinygrad_mlp.autograd.pytree import map_leaves
from tinygrad_mlp.verify import WrongGradientError, check_grad


def copy_of(op, forward=None, **rules):
    """The operation with another forward function, or other rules."""
    kept = {name: rule for name, rule in zip(op.arrays, op.rules, strict=True) if rule is not None}
    made = tg.op(
        rules={**kept, **rules}, register=False, name=op.name, reference=op.record.reference,
        outputs=op.outputs,
    )
    return made(forward or op.forward)


# -- the same mistake in every rule of every operation ---------------------------------------------


def scaled(factor):
    return lambda rule: lambda *args, **static: factor * rule(*args, **static)


def ignoring_cotangent(rule):
    def changed(g, *args, **static):
        gs = tuple(np.ones_like(a) for a in g) if isinstance(g, tuple) else np.ones_like(g)
        return rule(gs, *args, **static)

    return changed


def only_positive_cotangents(rule):
    return lambda g, *args, **static: rule(np.abs(g), *args, **static)


NAME = operator.attrgetter("name")

MISTAKES = {
    "twice as large": scaled(2.0),
    "half a thousandth too large": scaled(1.0005),
    "of the wrong sign": scaled(-1.0),
    "zero": scaled(0.0),
    "without the cotangent": ignoring_cotangent,
    "with the cotangent's absolute value": only_positive_cotangents,
}


def mistakes_for(number):
    """The mistakes tried in an operation's rule: each in turn, or all."""
    names = list(MISTAKES)
    return names if thorough() else [names[number % len(names)]]


def rules_to_spoil(op):
    """Every rule of an operation, with a sample in which it is used and not zero."""
    for position, name in enumerate(op.arrays):
        if op.rules[position] is None or op.name == "sign":  # whose gradient is 0
            continue
        for sample in samples_of(op, np.random.default_rng(3)):
            args, static = op.bind(sample.args, sample.static)
            if args[position] is None:
                continue
            moving = range(len(args)) if op.variadic else [position]
            moving = [i for i in moving if np.asarray(args[i]).dtype.kind == "f"]
            f = calling(op, args, static, moving)
            out, pullback = tg.vjp(f, *(args[i] for i in moving))
            if any(g.any() for g in pullback(map_leaves(unlike_each_other, out))):
                yield name, args, static, moving
                break


def unlike_each_other(x):
    return np.arange(1.0, x.size + 1).reshape(x.shape)


def calling(op, args, static, moving):
    def f(*xs):
        full = list(args)
        for i, x in zip(moving, xs, strict=True):
            full[i] = x
        return op(*full, **static)

    return f


def test_the_table_covers_the_registry():
    covered = {(op.name, name) for op in tg.OPS.values() for name, *_ in rules_to_spoil(op)}
    expected = {
        (op.name, name)
        for op in tg.OPS.values()
        for name, rule in zip(op.arrays, op.rules, strict=True)
        if rule is not None
    }
    # What is constant between its jumps has a gradient of 0, whatever it is multiplied by.
    assert expected - covered == {
        ("sign", "x"), ("floor", "x"), ("ceil", "x"), ("trunc", "x"), ("rint", "x"),
        ("round", "a"), ("heaviside", "x1"), ("heaviside", "x2"), ("gammasgn", "x"),
    }


@pytest.mark.parametrize("op", [op for op in tg.OPS.values() if any(op.rules)], ids=NAME)
def test_a_mistake_in_any_rule_is_found(op):
    first = list(tg.OPS).index(op.name)
    for number, (name, args, static, moving) in enumerate(rules_to_spoil(op), start=first):
        original = op.rules[op.arrays.index(name)]
        for mistake in mistakes_for(number):
            spoilt = copy_of(op, **{name: MISTAKES[mistake](original)})
            report = check_grad(calling(spoilt, args, static, moving), *(args[i] for i in moving))
            assert not report.ok, f"the rule for {name}, {mistake}: {report}"
            with pytest.raises(WrongGradientError):
                report.assert_ok()


# -- mistakes that people make ---------------------------------------------------------------------

x, W = np.array([[0.5, -1.0, 2.0]]), np.array([[1.0, -2.0, 0.3], [0.2, 0.4, -1.5], [2.0, 1.0, 0.1]])


def unary(rule, forward=lambda x: x * x):
    return tg.op(rules={"x": rule}, register=False, name="square")(forward)


def binary(rule, forward=lambda a, b: a @ b):
    other = {"b": lambda g, y, a, b: a.T @ g}
    return tg.op(rules={"a": rule, **other}, register=False, name="product")(forward)


NUMBERS = {
    "the forward function instead of its derivative": (unary(lambda g, y, x: g * y), x),
    "an exponent one too high": (unary(lambda g, y, x: g * 2 * x * x), x),
    "the derivative at the wrong place": (unary(lambda g, y, x: g * 2 * y), x),
    "a matrix not transposed": (binary(lambda g, y, a, b: g @ b), x, W),
    "factors in the wrong order": (binary(lambda g, y, a, b: (b.T @ g.T).T * 2), x, W),
    "a broadcast sum dropped": (
        copy_of(tg.OPS["add"], x2=lambda g, y, x1, x2: g[0]), np.ones((4, 3)), np.ones(3),
    ),
    "a mean taken for a sum": (
        copy_of(tg.OPS["mean"], a=tg.OPS["sum"].rules[0]), np.arange(4.0),
    ),
    "the wrong argument": (
        copy_of(tg.OPS["multiply"], x1=lambda g, y, x1, x2: g * x1), 2.0, 3.0,
    ),
    "a mask forgotten": (copy_of(tg.OPS["relu"], x=lambda g, y, x: g), np.array([1.0, -0.5])),
    "1 − y instead of 1 − y²": (copy_of(tg.OPS["tanh"], x=lambda g, y, x: g * (1 - y)), x),
    "the sum of the softmax forgotten": (
        copy_of(tg.OPS["softmax"], a=lambda g, y, a, axis: y * g), x,
    ),
    "one element of many": (unary(lambda g, y, x: g * 2 * x * np.array([[1, 1, 1.01]])), x),
    "an order of elements": (unary(lambda g, y, x: (g * 2 * x)[:, ::-1]), x),
    "a constant added": (unary(lambda g, y, x: g * (2 * x + 1e-5)), x),
}


@pytest.mark.parametrize("mistake", NUMBERS)
def test_a_number_that_is_wrong_is_found(mistake):
    f, *args = NUMBERS[mistake]
    report = check_grad(f, *args)
    assert [p.status for p in report.pairs].count("WRONG") == 1, report
    assert report.problems == []


def test_an_index_counted_once_that_is_picked_twice_is_found():
    def forgetful(g, y, *operands, position, template):
        a, i = operands
        out = np.zeros(a.shape)
        out[i] = g  # instead of adding
        return out

    spoilt = copy_of(tg.OPS["getitem"], operands=forgetful)
    for picked, right in (([0, 2, 0], False), ([0, 2, 1], True)):
        template, (i,) = index_parts(np.array(picked))
        report = check_grad(lambda a, t=template, i=i: spoilt(a, i, template=t), np.ones(3))
        assert report.ok == right


# -- mistakes that are no wrong numbers ------------------------------------------------------------


def toggling():
    calls = itertools.count()
    return lambda g, y, x: g * 2 * x * (1 + next(calls) % 2)


def growing_forward():
    calls = itertools.count()
    return lambda x: x * x + next(calls)


def in_place_forward(x):
    x *= 2
    return x / 2 * (x / 2)


def in_place_rule(g, y, x):
    g *= 2 * x
    return g


def input_overwritten_by_rule(g, y, x):
    x *= 2 * g
    return x


def one_buffer():
    buffer = np.zeros(x.shape)

    def rule(g, y, x):
        buffer[...] = g * 2 * x
        return buffer

    return rule


def view_of_input(g, y, x):
    return x[:, :]


PROBLEMS = {
    "a rule with a state": (unary(toggling()), "second run"),
    "a forward function with a state": (
        unary(lambda g, y, x: g * 2 * x, growing_forward()), "second run",
    ),
    "a forward function in place": (
        unary(lambda g, y, x: g * 2 * x, in_place_forward), "changed in place",
    ),
    "a rule that overwrites its cotangent": (unary(in_place_rule), "changed in place"),
    "a rule that overwrites its argument": (unary(input_overwritten_by_rule), "changed in place"),
    "a gradient that is a view of the input": (unary(view_of_input), "shared memory"),
    "a gradient that is the output": (unary(lambda g, y, x: y), "shared memory"),
    "one buffer for all gradients": (unary(one_buffer()), "second run"),
    "a cotangent ignored": (unary(lambda g, y, x: 2 * x), "cotangent"),
    "a cotangent squared": (unary(lambda g, y, x: g * g * 2 * x), "cotangent"),
    "a cotangent's sign lost": (unary(lambda g, y, x: abs(g) * 2 * x), "cotangent"),
    "a gradient of lower precision": (
        unary(lambda g, y, x: (g * 2 * x).astype(np.float32)), "dtype",
    ),
    "a gradient of integers": (unary(lambda g, y, x: (g * 2 * x).astype(int)), "dtype"),
    "a gradient of another shape": (unary(lambda g, y, x: (g * 2 * x)[:, :2]), "error"),
    "a gradient without an axis": (unary(lambda g, y, x: (g * 2 * x)[0]), "error"),
    "a product of shapes that do not fit": (unary(lambda g, y, x: g @ x), "error"),
    "a rule that gives nothing": (unary(lambda g, y, x: None), "error"),
}


@pytest.mark.parametrize("mistake", PROBLEMS)
def test_a_problem_is_found_and_named(mistake):
    f, kind = PROBLEMS[mistake]
    report = check_grad(f, x)
    assert not report.ok
    assert kind in [problem.kind for problem in report.problems], report
    assert kind in str(report)


def test_a_cotangent_ignored_is_found_where_it_is_one():
    # The loss is one number and g is 1: by numbers alone there is nothing to see.
    loss = tg.op(rules={"x": lambda g, y, x: 2 * x}, register=False)(lambda x: np.sum(x * x))
    report = check_grad(loss, x)
    assert [p.status for p in report.pairs] == ["ok"]
    assert [p.kind for p in report.problems] == ["cotangent"] and not report.ok


def test_a_function_that_changes_its_input_is_found():
    def f(x):
        y = x * x
        x.data *= 2
        return y

    report = check_grad(f, np.array([1.0, 2.0]))
    assert "changed in place" in [p.kind for p in report.problems]


def test_random_numbers_in_the_function_are_found():
    rng = np.random.default_rng(0)
    report = check_grad(lambda x: x * (rng.random(3) > 0.5), np.ones(3))
    assert "second run" in [p.kind for p in report.problems]


def test_a_rule_wrong_in_single_precision_only_is_found():
    def rule(g, y, x):
        return g * 2 * x * (1.01 if x.dtype == np.float32 else 1)

    assert check_grad(unary(rule), x).ok
    report = check_grad(unary(rule), x.astype(np.float32))
    assert not report.ok and "float32" in report.pairs[0].note


def test_an_error_in_the_backward_pass_names_the_operation():
    report = check_grad(lambda x: tg.sum(unary(lambda g, y, x: g @ x)(tg.tanh(x))), x)
    assert report.pairs == [] and "'square'" in report.problems[0].message


# -- mistakes at second order only -----------------------------------------------------------------


def plain(a):
    """The array without its history."""
    return a.data if isinstance(a, tg.Tensor) else a


SECOND_ORDER = {
    "the argument's history lost": unary(lambda g, y, x: g * 2 * plain(x)),
    "the output's history lost": copy_of(tg.OPS["tanh"], x=lambda g, y, x: g * (1 - plain(y) ** 2)),
    "the cotangent's history lost": unary(lambda g, y, x: plain(g) * 2 * x),
    "all history lost": unary(lambda g, y, x: plain(g) * 2 * plain(x)),
}


@pytest.mark.parametrize("mistake", SECOND_ORDER)
def test_a_rule_wrong_at_second_order_only_is_found(mistake):
    f = SECOND_ORDER[mistake]
    assert check_grad(f, x).conclusive
    report = check_grad(f, x, order=2)
    wrong = {p.order for p in report.pairs if p.status == "WRONG"}
    # A new rule is seen through at its first use.
    raw = [p.message for p in report.problems if p.kind == "definition"]
    assert not report.ok and (wrong == {2} or f"op '{f.name}'" in raw[0])
    assert wrong == {2} or "raw numbers" in raw[0]
    assert check_grad(unary(lambda g, y, x: g * 2 * x), x, order=2).conclusive


@pytest.mark.parametrize("order", [1, 2])
def test_fast_mode_finds_a_mistake_in_one_rule(order):
    f = unary(lambda g, y, x: g * 2.001 * x)
    report = check_grad(lambda x: tg.sum(tg.sin(f(x))), x, fast=True, order=order)
    assert not report.ok
    assert report.pairs[0].input_index is None and report.pairs[0].direction.shape == x.shape


# -- further points ----------------------------------------------------------------------------


def only_right_where_positive():
    return tg.op(rules={"x": lambda g, y, x: 2 * g * abs(x)}, register=False)(lambda x: x * x)


def test_a_rule_that_is_wrong_away_from_the_given_point_is_found():
    report = check_grad(only_right_where_positive(), np.array([0.7, 0.0]))
    assert report.ok  # not negative, so further points are not, either
    rule = tg.op(rules={"x": lambda g, y, x: g * (x > -1)}, register=False)(lambda x: x + 0)
    report = check_grad(rule, np.array([-0.7, 0.5, 0.2]))
    assert not report.ok and "further point" in report.pairs[0].note
    assert check_grad(rule, np.array([-0.7, 0.5, 0.2]), points=0).ok


def test_further_points_are_told_with_their_inputs():
    report = check_grad(lambda x: tg.tanh(x), np.array([0.5, -1.0]))
    assert [list(point) for point in report.further] == [["x"], ["x"]]


def test_an_assertion_that_fails_at_a_further_point_is_told():
    def f(x):
        assert abs(x.data[0] - 0.5) < 0.1, "not here"
        return tg.sum(x * x)

    report = check_grad(f, np.array([0.5, -1.0]), fast=True, points=1)
    assert report.ok and not report.further
    assert report.notes[0].startswith("At further point 1, f fails with AssertionError: not here")


@pytest.mark.parametrize("f", [
    lambda x: tg.sum(tg.log1p(x**2) ** 2), lambda x: tg.log1p(x**2),
    lambda x: tg.sum(tg.expm1(x**2) ** 2)])
def test_a_complex_step_through_a_function_that_loses_digits_accuses_no_one(f):
    """NumPy's log1p of complex numbers near 0 is wrong by 1e-4."""
    for seed in range(chosen(15, 300)):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(1 + seed % 3,)) * 10 ** rng.uniform(-8, -4)
        check_grad(f, x, points=0).assert_ok()
