"""The report of `check_grad`: kinks, unreliable numbers, and how to reproduce a result."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_mlp as tg
from tinygrad_mlp.verify import WrongGradientError, check_grad


@tg.op(rules={"x": lambda g, y, x: g * 2.001 * x}, register=False)
def wrong(x):
    return x * x


@tg.op(rules={"x": lambda g, y, x: g}, register=False)
def real_only(x):
    if np.iscomplexobj(x):
        raise TypeError("real numbers only")
    return x * 1


# -- kinks -----------------------------------------------------------------------------------------

KINKS = {
    "relu at 0": (tg.relu, [0.0, 1.0, -1.0]),
    "leaky relu at 0": (tg.leaky_relu, [0.0]),
    "abs at 0": (tg.abs, [0.0, 2.0]),
    "a tie of max": (tg.max, [2.0, 2.0, 1.0]),
    "a tie of three": (tg.min, [1.0, 1.0, 1.0]),
    "a tie of maximum with a number": (lambda x: tg.maximum(x, 1.0), [1.0, 3.0]),
    "a tie of minimum": (lambda x: tg.minimum(x[0], x[1]), [2.0, 2.0]),
    "a bound of clip": (lambda x: tg.clip(x, 0.0, 1.0), [0.0, 0.5]),
    "relu inside of a smooth function": (lambda x: tg.sum(tg.exp(tg.relu(x))), [0.0, 1.0]),
    "relu in real numbers": (lambda x: tg.relu(real_only(x)), [0.0, 1.0]),
    "a tie in max pooling": (lambda x: tg.max_pool2d(x.reshape(2, 2), 2), [1.0, 1.0, 0.0, 1.0]),
    "a jump": (tg.sign, [0.0, 1.0]),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("kink", KINKS)
def test_a_kink_is_a_kink_and_no_failure(kink, fast, dtype):
    f, x = KINKS[kink]
    report = check_grad(f, np.array(x, dtype), fast=fast)
    assert [p.status for p in report.pairs] == ["kink"], report
    assert report.ok and not report.conclusive
    report.assert_ok()
    if not fast and kink != "a jump":
        assert "two sides have the slopes" in report.pairs[0].note


@given(st.floats(1e-6, 1e6))
def test_close_to_a_kink_is_not_at_it(distance):
    report = check_grad(tg.relu, np.array([distance, -distance, 1.0]))
    assert report.conclusive


def test_a_slope_that_no_side_has_is_wrong_even_at_a_kink():
    off = tg.op(rules={"x": lambda g, y, x: g * np.where(x >= 0, 1.5, 0)}, register=False)(tg.relu)
    assert not check_grad(off, np.array([0.0])).ok
    steeper = tg.op(rules={"x": lambda g, y, x: 2 * g * tg.sign(x) + 2 * g}, register=False)(tg.abs)
    report = check_grad(steeper, np.array([0.0]))
    assert not report.ok and "not between the slopes" in report.pairs[0].note


def test_a_mistake_beside_a_kink_is_found():
    assert not check_grad(lambda x: tg.relu(x) + wrong(x), np.array([0.0, 1.0])).ok


@pytest.mark.parametrize(
    ("f", "order"),
    [(lambda x: tg.relu(x) - tg.relu(-x), 1), (lambda x: tg.abs(x) ** 2, 2)],
    ids=["a line made of two kinks", "a parabola made of one"],
)
def test_a_convention_inside_of_a_smooth_function_is_no_failure(f, order):
    report = check_grad(f, np.array([0.0, 1.0]), order=order)
    assert report.ok and not report.conclusive, report
    assert any("is at a kink" in p.note for p in report.pairs)


# -- when numbers cannot tell ----------------------------------------------------------------------


def test_a_function_that_is_not_finite_is_called_that():
    report = check_grad(tg.log, np.array([0.0, 1.0]))
    assert [p.status for p in report.pairs] == ["not finite"] and report.ok
    assert "not finite" in str(report)
    report = check_grad(tg.exp, np.array([1.0, 1e4]))
    assert [p.status for p in report.pairs] == ["not finite"]


def test_the_edge_of_a_domain_is_called_not_finite():
    report = check_grad(tg.sqrt, np.array([0.0, 1.0]))
    assert [p.status for p in report.pairs] == ["not finite"], report
    assert "close to the point" in report.pairs[0].note


def test_close_to_the_edge_of_a_domain_steps_are_short_enough():
    for x in (1e-12, 1e-300):
        assert check_grad(lambda x: tg.log(real_only(x)), np.array([x, 1.0])).conclusive


def test_a_gradient_lost_to_an_overflow_inside_is_no_mistake_of_a_rule():
    report = check_grad(lambda x: tg.clip(tg.exp(x), 0, 1), np.array([1000.0]))
    assert [p.status for p in report.pairs] == ["not finite"], report
    assert "'exp'" in report.pairs[0].note


def test_a_gradient_that_is_nan_for_no_reason_is_wrong():
    bad = tg.op(rules={"x": lambda g, y, x: g * y * 2 / x}, register=False)(lambda x: x * x)
    report = check_grad(bad, np.array([0.0, 1.0]))
    assert not report.ok and math.isnan(report.pairs[0].autograd)


def test_underflow_in_single_precision_is_no_mistake():
    report = check_grad(tg.sigmoid, np.float32(-150.0))
    assert report.ok, report


def test_cancellation_is_called_unreliable():
    report = check_grad(lambda x: (real_only(x) + 1e16) * 2, np.array([1.0, 2.0]))
    assert [p.status for p in report.pairs] == ["unreliable"] and report.ok
    assert "ounding error" in report.pairs[0].note
    assert report.pairs[0].unresolved == report.pairs[0].entries - 2  # the zeros are exact


def test_a_complex_step_sees_through_cancellation():
    assert check_grad(lambda x: x + 1e16, np.array([1.0, 2.0])).conclusive


def test_oscillation_faster_than_any_step_is_called_unreliable():
    report = check_grad(lambda x: tg.cos(real_only(x) * 1e16), np.array([1.0]))
    assert [p.status for p in report.pairs] == ["unreliable"], report


def test_a_gradient_that_is_zero_but_for_rounding_is_right():
    report = check_grad(lambda x: tg.sum(tg.softmax(x)), np.array([0.3, -1.0, 2.0]))
    assert report.conclusive, report


def test_rounding_inside_of_a_rule_is_no_mistake():
    # tanh′ = 1 − y² keeps few digits where y is nearly 1.
    report = check_grad(tg.tanh, np.array([16.0, 18.0]))
    assert report.ok, report


# -- the order of convergence ----------------------------------------------------------------------


@pytest.mark.parametrize("source", [tg.identity, real_only])
def test_the_remainder_shrinks_with_order_two_if_right_and_one_if_wrong(source):
    x = np.array([0.5, -1.5])
    right = check_grad(lambda x: tg.exp(source(x)), x).pairs[0]
    assert right.convergence == pytest.approx(2, abs=0.1)
    off = check_grad(lambda x: tg.sum(wrong(source(x))), x).pairs[0]
    assert off.convergence == pytest.approx(1, abs=0.1)


def test_a_linear_function_has_no_order():
    assert check_grad(lambda x: x * 3, 2.0).pairs[0].convergence is None


# -- the report ------------------------------------------------------------------------------------


def test_the_methods_are_named():
    x = np.array([0.5])
    assert check_grad(tg.tanh, x).pairs[0].method == "complex step"
    assert check_grad(tg.sigmoid, x).pairs[0].method == "complex step (references)"
    assert check_grad(lambda x: real_only(x) * 2, x).pairs[0].method == "differences"
    assert check_grad(tg.abs, np.array([0.0])).pairs[0].method == "sweep"


def test_a_function_that_takes_complex_numbers_and_is_wrong_there_is_seen_through():
    @tg.op(rules={"x": lambda g, y, x: 2 * g * x}, register=False)
    def square(x):
        return x * np.conj(x)

    assert check_grad(square, np.array([1.0, -2.0])).conclusive

    @tg.op(rules={"x": lambda g, y, x: g * np.zeros(x.shape)}, register=False)
    def constant_it_says(x):  # its complex step says so, too
        return x * np.conj(x)

    assert not check_grad(constant_it_says, np.array([1.0, -2.0])).ok


def test_the_worst_element_is_named():
    @tg.op(rules={"x": lambda g, y, x: g * [[1, 1], [1, 1.01]]}, register=False)
    def same(x):
        return x * 1

    pair = check_grad(lambda W: {"y": same(W)}, np.ones((2, 2))).pairs[0]
    assert (pair.output, pair.input) == ("out['y']", "W")
    assert pair.output_index == pair.input_index == (1, 1)
    assert (pair.autograd, pair.numeric) == (1.01, pytest.approx(1, rel=1e-12))
    assert pair.relative_error == pytest.approx(0.01 / 1.01)
    assert pair.place == "out['y'][1, 1] / W[1, 1]"


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("source", [tg.identity, real_only])
def test_the_numbers_of_a_report_can_be_had_again(source, fast):
    def f(x):
        return tg.exp(wrong(source(x)))

    x = np.array([0.5, -0.25, 1e-3])
    report = check_grad(f, x, fast=fast, seed=7)
    assert (report.seed, report.rtol, report.order, report.fast) == (7, 1e-6, 1, fast)
    np.testing.assert_array_equal(report.inputs["x"], x)
    pair = report.pairs[0]
    u, v = pair.cotangent, pair.direction
    _, pullback = tg.vjp(f, x)
    assert np.vdot(pullback(u)[0], v) == pytest.approx(pair.autograd, rel=1e-12)
    if pair.method == "complex step":
        moved = np.exp((x + 1j * pair.step * v) ** 2)
        again = np.vdot(u, moved.imag) / pair.step
    else:
        up, down = np.exp((x + pair.step * v) ** 2), np.exp((x - pair.step * v) ** 2)
        again = np.vdot(u, up - down) / (2 * pair.step)
    assert again == pytest.approx(pair.numeric, rel=1e-4)
    assert again != pytest.approx(pair.autograd, rel=4e-4)


def test_a_failed_assertion_prints_the_report():
    report = check_grad(lambda W, b: {"loss": tg.sum(wrong(W) + b)}, np.ones((2, 3)), np.zeros(3))
    with pytest.raises(WrongGradientError) as error:
        report.assert_ok()
    assert isinstance(error.value, AssertionError)
    text = str(error.value)
    assert text == str(report)
    for part in ("1 ok, 1 WRONG", "out['loss'] / W", "2.001", "WRONG", "step", "complex step",
                 "order 1.0", "seed=0", "rtol=1e-06"):
        assert part in text, part
    assert repr(report) == "GradReport(ok=False, pairs: 1 ok, 1 WRONG, problems: 0)"


def test_the_report_fits_into_seventy_columns():
    def f(parameters, a_long_name_for_an_input):
        return {"a long name for a loss": tg.sum(wrong(parameters["weights of the first layer"])
                                                 * a_long_name_for_an_input)}

    report = check_grad(f, {"weights of the first layer": np.ones((2, 3))}, 2.0, order=2)
    assert max(map(len, str(report).splitlines())) <= 70


def test_the_worst_error_leaves_out_what_cannot_be_compared():
    assert check_grad(tg.relu, np.array([0.0])).worst_error == 0
    assert check_grad(wrong, 3.0).worst_error == pytest.approx(5e-4, rel=1e-2)


def test_the_heat_map_has_a_panel_for_every_pair():
    report = check_grad(lambda W, b: (wrong(W), W + b), np.ones((2, 3)), np.zeros(3), order=2)
    figure = report.plot()
    drawn = [axes for axes in figure.axes if axes.images]
    assert len(drawn) == len(report.pairs)
    assert "WRONG" in drawn[0].get_title()
    assert drawn[0].images[0].get_array().shape == (2, 3)
    assert check_grad(wrong, 2.0, fast=True).plot().axes


def test_the_heat_map_can_be_saved(tmp_path):
    check_grad(tg.tanh, np.ones((2, 3))).plot(tmp_path / "errors.png")
    assert (tmp_path / "errors.png").stat().st_size > 1000


def test_a_heat_map_of_nothing_is_refused():
    with pytest.raises(tg.errors.InvalidArgumentError, match="at least one"):
        check_grad(tg.tanh, np.zeros(0)).plot()
