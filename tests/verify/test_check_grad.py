"""`check_grad` on right gradients: never an alarm, whatever the operation, scale and precision."""

from __future__ import annotations

import math
import time
from itertools import groupby, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_mlp as tg
from tests.campaigns import chosen
from tinygrad_mlp.autograd.ops.samples import samples_of
from tinygrad_mlp.verify import check_grad

seeds = st.integers(0, 2**32 - 1)
dtypes = st.sampled_from([np.float64, np.float32])
exponents = st.floats(-6, 6)


def differentiable_samples():
    """Of every operation, each sample: name, number, function, its differentiable arguments."""
    rng = np.random.default_rng(5)
    for op in tg.OPS.values():
        for number, sample in enumerate(samples_of(op, rng)):
            args, static = op.bind(sample.args, sample.static)
            moving = [
                i for i, a in enumerate(args)
                if np.asarray(a).dtype.kind == "f" and op.rule(i) is not None
            ]
            if op.nondifferentiable or not moving:
                continue

            def f(*xs, op=op, args=args, static=static, moving=moving):
                full = list(args)
                for i, x in zip(moving, xs, strict=True):
                    full[i] = x
                return op(*full, **static)

            yield op.name, number, f, [np.asarray(args[i]) for i in moving]


SAMPLES = list(differentiable_samples())
OPERATIONS = {
    name: [sample[1:] for sample in samples]
    for name, samples in groupby(SAMPLES, key=lambda sample: sample[0])
}
every_operation = pytest.mark.parametrize("name", OPERATIONS)


# -- every operation -------------------------------------------------------------------------------


@every_operation
def test_every_operation_is_right_for_every_sample(name):
    for number, f, args in OPERATIONS[name]:
        report = check_grad(f, *args)
        assert report.conclusive, f"sample {number}: {report}"


@every_operation
def test_every_operation_is_right_in_single_precision(name):
    _, f, args = OPERATIONS[name][0]
    report = check_grad(f, *(a.astype(np.float32) for a in args))
    assert report.conclusive, report


@pytest.mark.thorough  # by default tests/verify/test_check_op.py checks two samples so
@every_operation
def test_every_operation_is_right_at_second_order(name):
    _, f, args = OPERATIONS[name][0]
    report = check_grad(f, *args, order=2)
    assert report.conclusive, report


@every_operation
def test_every_operation_is_right_along_random_directions(name):
    _, f, args = OPERATIONS[name][0]
    report = check_grad(f, *args, fast=True)
    assert report.conclusive, report


# -- programs of several operations, over all scales -----------------------------------------------

STEPS = {
    "tanh": tg.tanh,
    "sigmoid": tg.sigmoid,
    "log1p of square": lambda x: tg.log1p(x * x),
    "sine": tg.sin,
    "cube": lambda x: x**3,
    "rational": lambda x: x / (1 + x * x),
    "softplus": tg.softplus,
    "centred": lambda x: x - tg.mean(x),
    "shifted": lambda x: 1 + x,
    "scaled": lambda x: 1e3 * x,
    "relu": tg.relu,
    "log softmax": tg.log_softmax,
}
ENDS = {
    "all": lambda x: x, "sum": tg.sum, "logsumexp": tg.logsumexp, "norm": lambda x: tg.sum(x**2),
}


@tg.op(rules={"x": lambda g, y, x: g}, register=False)
def real_only(x):
    """The identity, but not for complex numbers: then differences must do."""
    if np.iscomplexobj(x):
        raise TypeError("real numbers only")
    return x * 1


def times(factor):
    """The identity with a gradient rule that is off by `factor`."""
    return tg.op(rules={"x": lambda g, y, x: g * factor}, register=False)(lambda x: x * 1)


def program(steps, end, place=0, factor=1.0, real=False):
    wrong = times(factor)

    def f(x):
        if real:
            x = real_only(x)
        for number, step in enumerate(steps):
            if number == place:
                x = wrong(x)
            x = STEPS[step](x)
        return ENDS[end](wrong(x) if place >= len(steps) else x)

    return f


programs = st.fixed_dictionaries(
    {
        "steps": st.lists(st.sampled_from(list(STEPS)), min_size=1, max_size=3),
        "end": st.sampled_from(list(ENDS)),
        "real": st.booleans(),
        "place": st.integers(0, 3),
    }
)


@st.composite
def points(draw):
    """An array at one scale between 1e-6 and 1e6, or with elements at different ones."""
    rng = np.random.default_rng(draw(seeds))
    scale = 10.0 ** (draw(exponents) if draw(st.booleans()) else rng.uniform(-6, 6, size=4))
    return (rng.normal(size=4) * scale).astype(draw(dtypes))


@settings(max_examples=chosen(60, 2000))
@given(program_of=programs, x=points())
def test_a_right_program_never_fails(program_of, x):
    report = check_grad(program(**program_of), x)
    assert report.ok, report


@settings(max_examples=chosen(30, 1000))
@given(program_of=programs, x=points(), factor=st.sampled_from([1.0005, 0.9995, 2.0, -1.0]))
def test_a_rule_off_by_half_a_thousandth_never_passes_as_conclusive(program_of, x, factor):
    right = program(**program_of)
    out, pullback = tg.vjp(right, x.astype(float))
    gradient = pullback(np.ones(np.shape(out)))[0]
    report = check_grad(program(**program_of, factor=factor), x)
    # A gradient that is 0 but for rounding, as that of a sum of probabilities, is 0 times 2, too.
    # (The output may be 0 as well: the logarithm of such a sum.)
    nonzero = np.max(np.abs(gradient * x)) > 1e-12 * max(np.max(np.abs(out)), np.max(np.abs(x)))
    if nonzero and check_grad(right, x).conclusive:
        assert not (report.conclusive and not report.pairs[0].unresolved), report


@pytest.mark.parametrize("real", [False, True])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@settings(max_examples=chosen(6, 250))
@given(exponents, st.sampled_from([0.5, 2.0, 1.0005, 0.9995, -1.0, 0.0]), seeds)
def test_a_wrong_factor_fails_at_every_scale_of_the_inputs(real, dtype, exponent, factor, seed):
    x = (np.random.default_rng(seed).normal(size=3) * 10.0**exponent).astype(dtype)
    source = real_only if real else tg.identity
    for f in (lambda x: x * x, lambda x: tg.sum(x * x), lambda x: tg.tanh(x / 10.0**exponent)):
        assert check_grad(lambda x, f=f: f(source(x)), x).conclusive
        assert not check_grad(lambda x, f=f: f(times(factor)(source(x))), x).ok


@given(n=st.integers(1, 3000), factor=st.sampled_from([1.0, 1.0005]))
@settings(max_examples=20)
def test_the_verdict_does_not_depend_on_the_size_of_the_output(n, factor):
    off = times(factor)
    report = check_grad(lambda x: off(x) * np.ones(n), np.array([0.3]))
    assert report.ok == (factor == 1)


# -- arguments -------------------------------------------------------------------------------------


def test_arguments_may_be_nested_and_of_any_kind():
    def f(scale, parameters, x, labels, mode):
        assert mode == "sum" and labels.dtype == int
        hidden = tg.tanh(x @ parameters["W"] + parameters["b"])
        return {"loss": scale * tg.sum(hidden[labels]), "both": [hidden, hidden * 2]}

    parameters = {"W": np.ones((2, 3)) / 3, "b": tg.Tensor(np.zeros(3), requires_grad=True)}
    report = check_grad(f, 2.0, parameters, np.array([[0.5, -1.0]]), np.array([0, 0]), "sum")
    assert report.conclusive, report
    names = ["scale", "parameters['W']", "parameters['b']", "x"]
    outputs = ["out['loss']", "out['both'][0]", "out['both'][1]"]
    assert [(p.output, p.input) for p in report.pairs] == [(o, i) for i in names for o in outputs]
    assert list(report.inputs) == names
    assert parameters["b"].grad is None  # a caller's tensors are left alone


def test_numpy_functions_and_tensor_methods_are_differentiated():
    assert check_grad(lambda x: np.tanh(x).reshape(3, 2).sum(axis=0).max(), np.arange(6.0)).ok


def test_a_function_without_parameters_to_name_gets_numbered_ones():
    report = check_grad(lambda *xs: xs[0] * xs[1], 2.0, 3.0)
    assert [p.input for p in report.pairs] == ["xs[0]", "xs[1]"]


def test_outputs_that_are_no_floats_are_left_out():
    report = check_grad(lambda x: (x > 1, x * 2), 0.5)
    assert [p.output for p in report.pairs] == ["out[1]"]


def test_an_output_that_does_not_depend_on_an_input_has_gradient_zero():
    report = check_grad(lambda x, y: (x * x, np.ones(2), y), 2.0, 3.0)
    assert report.conclusive
    assert [p.autograd for p in report.pairs if p.output == "out[1]"] == [0, 0]


def test_empty_arrays_are_fine():
    report = check_grad(lambda x: x * 2, np.zeros((0, 3)))
    assert report.conclusive and report.pairs[0].entries == 0
    assert str(report)


def test_a_function_that_insists_on_its_precision_is_checked_in_it():
    def f(x):
        assert x.dtype == np.float32
        return tg.sum(tg.tanh(x))

    assert check_grad(f, np.ones(3, np.float32)).conclusive
    off = times(1.005)
    assert not check_grad(lambda x: f(off(x)), np.ones(3, np.float32)).ok


def test_half_precision_and_wide_precision_work():
    for dtype in (np.float16, np.longdouble):
        assert check_grad(lambda x: tg.sum(tg.exp(x)), np.ones(3, dtype)).conclusive


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: check_grad(lambda x: x * 2, 2), tg.errors.DTypeError, r"at least one floating"),
        (lambda: check_grad(lambda: 1.0), tg.errors.DTypeError, r"at least one floating.*none"),
        (lambda: check_grad(lambda x: x > 1, 2.0), tg.errors.DTypeError, r"floating-point result"),
        (lambda: check_grad(lambda x: "no", 2.0), tg.errors.InvalidArgumentError, r"returned str"),
        (lambda: check_grad(tg.exp, 1.0, order=3), tg.errors.InvalidArgumentError, r"order.*3"),
        (lambda: check_grad(tg.exp, 1.0, seed=-1), tg.errors.InvalidArgumentError, r"seed.*-1"),
        (lambda: check_grad(tg.exp, 1.0, rtol=-1), tg.errors.InvalidArgumentError, r"rtol.*-1"),
        (lambda: check_grad(lambda x: 1 / 0, 1.0), ZeroDivisionError, "division"),
    ],
)
def test_impossible_calls_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


# -- networks --------------------------------------------------------------------------------------


def network(sizes, n, dtype=float, seed=0):
    """A loss of the weights and biases of a network as in the classic experiment."""
    rng = np.random.default_rng(seed)
    weights = [
        (rng.normal(size=(o, i)) / math.sqrt(i)).astype(dtype)
        for i, o in zip(sizes[:-1], sizes[1:], strict=True)
    ]
    biases = [np.zeros(o, dtype) for o in sizes[1:]]
    X = rng.normal(size=(n, sizes[0])).astype(dtype)
    Y = np.eye(sizes[-1], dtype=dtype)[rng.integers(sizes[-1], size=n)]

    def loss(weights, biases, off=1.0):
        a = X
        for W, b in zip(weights, biases, strict=True):
            z = tg.linear(a, W, b)
            a = tg.tanh(z)
        return tg.nn.binary_cross_entropy(tg.sigmoid(times(off)(z)), Y)

    return loss, weights, biases


def test_the_network_of_the_classic_experiment_takes_seconds():
    loss, weights, biases = network((64, 30, 10), n=16)
    start = time.process_time()
    report = check_grad(loss, weights, biases)
    assert time.process_time() - start < 10
    assert report.conclusive, report
    assert sum(p.entries for p in report.pairs) == 64 * 30 + 30 + 30 * 10 + 10


def test_fast_mode_takes_a_moment_for_two_hundred_thousand_parameters():
    loss, weights, biases = network((784, 256, 10), n=chosen(8, 32), dtype=np.float32)
    start = time.process_time()
    report = check_grad(loss, weights, biases, fast=True)
    assert time.process_time() - start < 10
    assert report.conclusive, report
    wrong = check_grad(lambda W, b: loss(W, b, off=1.0005), weights, biases, fast=True)
    assert not wrong.ok


def test_second_order_of_a_network():
    loss, weights, biases = network((3, 4, 2), n=3)
    report = check_grad(loss, weights, biases, order=2)
    assert report.conclusive, report
    assert {p.order for p in report.pairs} == {1, 2}


# -- what a check leaves behind --------------------------------------------------------------------


def test_inputs_are_not_changed_and_the_result_repeats_itself():
    x = np.array([0.5, 2.0])
    x.setflags(write=False)
    first, second = (str(check_grad(lambda x: tg.exp(x) * x, x, seed=3)) for _ in range(2))
    assert first == second
    assert check_grad(tg.exp, x, seed=4).ok


@pytest.mark.parametrize("order", [1, 2])
def test_no_warning_of_probing_comes_out(order):
    # Steps leave the domain of the logarithm, overflow the exponential, and divide by zero.
    for f, x in product((tg.log, tg.exp, lambda x: 1 / x, tg.sqrt), (1e-300, 700.0, 1e-8)):
        check_grad(f, x, order=order)


def test_it_works_under_no_grad_and_debug():
    with tg.no_grad():
        assert check_grad(tg.tanh, 0.5).conclusive
    with tg.debug():
        assert check_grad(tg.log, np.array([1e-3, 2.0])).conclusive
