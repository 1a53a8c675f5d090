"""Whole numbers and booleans: each operation gives what floats give, or NumPy's result, or raises.

Losses and activations convert at their door. Arithmetic on whole numbers is NumPy's, which wraps.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import scipy.signal

import tinygrad_mlp as tg
from tinygrad_mlp.autograd.op import OPS
from tinygrad_mlp.autograd.ops.samples import samples_of
from tinygrad_mlp.errors import TinygradError

WHOLE = ("bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64")
SIZES = (1, 60)  # so that bytes are near 0, and so that their sums and differences leave the range

NUMPYS = {
    "linear": lambda x, weight, bias: x @ weight.T + (0 if bias is None else bias),
    "einsum": lambda *a, subscripts, optimize: np.einsum(subscripts, *a),
    "diff": lambda a, n, axis: np.diff(a, n, axis),
    "partition": lambda a, kth, axis, kind: np.sort(a, axis=axis),
    "cross": np.cross,
    "convolve": functools.partial(scipy.signal.convolve, method="direct"),
}
"""Operations that are arithmetic of NumPy's without being one function of it (see `agreed`)."""

BUILDING_BLOCKS = {"scatter_add", "fold"}  # they add up whatever the rules give them: floats


@dataclass
class Case:
    """An operation at one sample, with its floats in another dtype."""

    name: str
    args: tuple[Any, ...]
    static: dict[str, Any]
    moved: list[int]  # the places of the arguments that were floats

    def converted(self, size: float, dtype: str) -> list[Any]:
        made = list(self.args)
        for place in self.moved:
            a = np.rint(np.asarray(made[place]) * size * 2)
            if dtype == "bool":
                made[place] = a > 0
            else:
                limits = np.iinfo(dtype)
                low, high = max(limits.min, -1e9), min(limits.max, 1e9)
                made[place] = np.clip(abs(a) if limits.min == 0 else a, low, high).astype(dtype)
        return made


def cases(name: str) -> list[Case]:
    found = []
    for sample in list(samples_of(OPS[name], np.random.default_rng(0)))[:6]:
        moved = [i for i, a in enumerate(sample.args)
                 if a is not None and np.asarray(a).dtype.kind == "f"]
        found.append(Case(name, *OPS[name].bind(tuple(sample.args), sample.static), moved))
    return found


def outcome(call: Any) -> Any:
    try:
        out = call()
    except (TinygradError, TypeError, ValueError) as error:
        return error
    return [np.asarray(o) for o in (out if isinstance(out, tuple) else (out,))]


def in_order(case: Case, found: list[Any]) -> list[Any]:
    """Forget what an operation leaves open: the order of ties and of a partition."""
    if case.name == "partition":
        return [np.sort(o, axis=case.static["axis"]) for o in found]
    if case.name in ("argsort", "argpartition"):
        return [np.sort(found[0], axis=case.static["axis"])]
    return found


def same(found: list[Any], expected: list[Any]) -> bool:
    tolerance = {np.dtype("float16"): 2e-3, np.dtype("float32"): 1e-6}
    return all(
        a.shape == b.shape and np.allclose(
            a.astype(float), b.astype(float), rtol=tolerance.get(a.dtype, 1e-10),
            atol=tolerance.get(a.dtype, 1e-10), equal_nan=True)
        for a, b in zip(found, expected, strict=True))


def agreed(case: Case, size: float, dtype: str) -> str:
    """Return what is wrong with an operation on numbers of a dtype; nothing if all is well."""
    op, args = OPS[case.name], case.converted(size, dtype)
    found = outcome(lambda: op(*args, **case.static))
    if isinstance(found, Exception):
        return "" if isinstance(found, TinygradError) else f"{dtype}: {found!r}"
    floats = [np.asarray(a).astype(float) if i in case.moved else a for i, a in enumerate(args)]
    numpys = NUMPYS.get(case.name) or (op.numpy[0] if op.numpy else None)
    for function, given in ((op, floats), (numpys, args)):
        if function is not None:
            expected = outcome(lambda f=function, a=given: f(*a, **case.static))
            if not isinstance(expected, Exception) and same(
                    in_order(case, found), in_order(case, expected)):
                return ""
    return f"{dtype}: {case.converted(size, dtype)} gave {found}"


@pytest.mark.parametrize("name", sorted(OPS.keys() - BUILDING_BLOCKS))
def test_whole_numbers_give_what_floats_give_or_what_numpy_gives(name):
    with np.errstate(all="ignore"):
        wrong = [agreed(case, size, dtype)
                 for case in cases(name) for size in SIZES for dtype in WHOLE]
    assert not any(wrong), next(filter(None, wrong))


@pytest.mark.parametrize("name", sorted(n for n in OPS if OPS[n].arity > 1 and not OPS[n].variadic))
def test_the_gradient_beside_whole_numbers_is_that_beside_floats(name):
    """No rule computes with unsigned numbers or booleans what only floats can hold."""
    op = OPS[name]
    for case in cases(name):
        for kept in case.moved:
            if op.rule(kept) is None or len(case.moved) < 2:
                continue
            others = Case(name, case.args, case.static, [i for i in case.moved if i != kept])
            for dtype in WHOLE:
                args = others.converted(1, dtype)
                floats = [np.asarray(a, float) if i in others.moved else a
                          for i, a in enumerate(args)]
                with np.errstate(all="ignore"):
                    beside_whole = outcome(lambda a=args, k=kept, s=case.static: slope(op, a, k, s))
                    beside_floats = outcome(
                        lambda a=floats, k=kept, s=case.static: slope(op, a, k, s))
                if not isinstance(beside_whole, Exception):
                    assert same(beside_whole, beside_floats), (dtype, args, case.static)


def slope(op, args, place, static):
    """The gradient of the sum of an operation's outputs with respect to one argument."""

    def total(x):
        out = op(*args[:place], x, *args[place + 1:], **static)
        return sum(tg.sum(o) for o in (out if op.outputs > 1 else (out,)))

    return tg.grad(total)(np.asarray(args[place]))


LOSSES = ("squared_error", "binary_cross_entropy", "sigmoid_cross_entropy",
          "categorical_cross_entropy", "softmax_cross_entropy")


@pytest.mark.parametrize("dtype", WHOLE)
@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("compiled", [False, True])
def test_a_loss_of_whole_targets_is_that_of_floats(name, dtype, compiled):
    loss = getattr(tg, name)
    z = np.array([[0.25, 0.5, 0.125], [0.5, 0.25, 0.75]])
    target = np.array([[0, 1, 0], [1, 0, 0]])
    f = tg.value_and_grad(lambda z, t: loss(z, t))
    g = tg.compile(f) if compiled else f
    for _ in range(4):
        for found, expected in zip(g(z, target.astype(dtype)), f(z, target * 1.0), strict=True):
            np.testing.assert_array_equal(found, expected)


def test_examples_that_used_to_wrap():
    near = lambda x: pytest.approx(x, rel=1e-12)  # noqa: E731
    one = np.array([1], np.uint8)
    assert tg.sigmoid_cross_entropy(np.array([-2.0]), one) == near(np.log1p(np.exp(-2)) + 2)
    assert tg.softmax(np.array([0, 1], np.uint8))[1] == near(1 / (1 + np.exp(-1)))
    slope_at = tg.grad(lambda p: tg.categorical_cross_entropy(p, np.array([0, 1], np.uint8)))
    np.testing.assert_array_equal(slope_at(np.array([0.5, 0.5])), [0, -2])
    x = np.array([3.0])
    assert tg.grad(lambda x: tg.sum(x ** np.array([0], np.uint8)))(x) == 0
    assert tg.grad(lambda x: tg.sum(tg.iv(np.array([0], np.uint8), x)))(x) == near(tg.iv(1, 3.0))


def test_float32_stays_float32_beside_bytes():
    z, t = np.array([[0.5, -1.0]], np.float32), np.array([[0, 1]], np.uint8)
    for name in LOSSES:
        with np.errstate(all="ignore"):
            assert getattr(tg, name)(z, t).dtype == np.float32, name


IN_DOUBLE = {"gammainc", "gammaincc", "betainc"}
"""Operations with a slope for which float32 is not enough: a power of e, of a large number."""

CONVERTING = {"astype", "float_power"}
"""Operations that give float64 for float32 on purpose."""


@pytest.mark.parametrize("name", sorted(
    n for n in OPS if not (OPS[n].nondifferentiable or OPS[n].variadic or n in IN_DOUBLE)))
def test_a_rule_of_float32_computes_in_float32(name):
    """Not in float64, of which the engine would make float32 in the end."""
    op = OPS[name]
    for case in cases(name):
        args = [np.asarray(a, np.float32) if i in case.moved else a
                for i, a in enumerate(case.args)]
        y = op.forward(*args, **case.static)
        outputs = op.as_tuple(y)
        converted = any(np.asarray(out).dtype != np.float32 for out in outputs)
        assert converted == (name in CONVERTING), case
        if converted:
            continue
        ones = [np.ones_like(out) for out in outputs]
        for place in case.moved:
            rule = op.rule(place)
            if rule is not None:
                given = rule(ones if op.outputs > 1 else ones[0], y, *args, **case.static)
                assert given is None or np.asarray(given).dtype == np.float32, (case, place)


@pytest.mark.parametrize("name", ["max", "min"])
def test_more_ties_than_float32_can_count_share_the_gradient_equally(name):
    n = 2**24 + 2_000_000
    a, y, g = np.broadcast_to(np.float32(1), (n, 2)), np.ones(2, np.float32), np.ones(2, np.float32)
    given = OPS[name].rule(0)(g, y, a, axis=0, keepdims=False)
    np.testing.assert_allclose(given[0], 1 / n, rtol=1e-6)


# -- NaN -------------------------------------------------------------------------------------------

REPLACING = {"nan_to_num", "fmax", "fmin"}  # what they are for


@pytest.mark.parametrize("name", sorted(
    n for n in OPS if OPS[n].elementwise and not OPS[n].nondifferentiable and n != "where"))
def test_nan_comes_out_where_it_went_in(name):
    op = OPS[name]
    case = cases(name)[0]
    for place in case.moved[: 1 if name == "heaviside" else None]:  # its other is used at 0 only
        args = [np.array(a, float) if i in case.moved else a for i, a in enumerate(case.args)]
        args[place] = np.full_like(args[place], np.nan)
        with np.errstate(all="ignore"):
            out = np.asarray(op(*args, **case.static))
        assert np.isnan(out).all() != (name in REPLACING), (name, place)


NAN = np.array([np.nan, 1.0, -1.0])
PASSING = {
    "relu": (tg.relu, [1, 1, 0]),
    "leaky_relu": (tg.leaky_relu, [0.01, 1, 0.01]),
    "maximum": (lambda x: tg.maximum(x, 0.0), [1, 1, 0]),
    "minimum": (lambda x: tg.minimum(x, 0.0), [1, 0, 1]),
    "maximum, the other": (lambda x: tg.maximum(np.array([0.0, np.nan, 0.0]), x), [1, 1, 0]),
    "clip": (lambda x: tg.clip(x, -2.0, 0.5), [1, 0, 1]),
    "median": (tg.median, [1, 0, 0]),
    "sort": (tg.sort, [1, 1, 1]),
    "where": (lambda x: tg.where(np.array([True, False, True]), x, 0.0), [1, 0, 1]),
    "abs": (tg.abs, [np.nan, 1, -1]),
    "max": (tg.max, [np.nan] * 3),
    "min": (tg.min, [np.nan] * 3),
    "logsumexp": (tg.logsumexp, [np.nan] * 3),
}


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("name", PASSING)
def test_no_gradient_of_nan_is_silently_zero(name, compiled):
    f, expected = PASSING[name]
    g = tg.grad(lambda x: tg.sum(f(x)))
    g = tg.compile(g) if compiled else g
    with np.errstate(all="ignore"):
        for _ in range(4):
            np.testing.assert_array_equal(g(NAN), expected)


def test_pooling_keeps_nan():
    x = np.arange(16.0).reshape(1, 1, 4, 4)
    x[0, 0, 0, 0] = np.nan
    for f in (tg.max_pool2d, tg.avg_pool2d):
        with np.errstate(all="ignore"):
            value, gradient = tg.value_and_grad(lambda x, f=f: tg.sum(f(x, 2)))(x)
        assert np.isnan(value) and gradient[0, 0, 0, 0] != 0
