"""Numbers that Python and NumPy take out of a tensor: right, told under debug, or refused.

The table says for each conversion what it is, and the contexts say where it happens.
"""

import array
import cmath
import ctypes
import decimal
import fractions
import logging
import math
import operator
import statistics
import struct
import warnings

import numpy as np
import pytest

import tinygrad_mlp as tg
from tinygrad_mlp import nn
from tinygrad_mlp.errors import LostGradientWarning, NotDifferentiableError, TraceError

AT = 1.5

# What depends smoothly on the number: the gradient would be lost. The name in `tg`, if it has one.
NUMBERS = {
    "float": (lambda w: float(w), ""),
    "complex": (lambda w: complex(w), ""),
    "np.float64": (lambda w: np.float64(w), ""),
    "math.exp": (lambda w: math.exp(w), "exp"),
    "math.log": (lambda w: math.log(w, 2), "log"),
    "math.pow": (lambda w: math.pow(w, 2), "pow"),
    "math.hypot": (lambda w: math.hypot(w, w), "hypot"),
    "math.fsum": (lambda w: math.fsum([w, w]), "sum"),
    "math.dist": (lambda w: math.dist([w], [0.0]), "linalg.norm"),
    "math.ldexp": (lambda w: math.ldexp(w, 1), ""),
    "math.gamma": (lambda w: math.gamma(w), ""),
    "math.modf": (lambda w: math.modf(w), ""),
    "math.isnan": (lambda w: math.isnan(w), "isnan"),
    "math.isclose": (lambda w: math.isclose(w, 1), "isclose"),
    "cmath.exp": (lambda w: cmath.exp(w), "exp"),
    "cmath.phase": (lambda w: cmath.phase(w), ""),
    "fmean": (lambda w: statistics.fmean([w, w]), "mean"),
    "geometric_mean": (lambda w: statistics.geometric_mean([w, w]), ""),
    "NormalDist": (lambda w: statistics.NormalDist(w, 1.0), ""),
    "linear_regression": (lambda w: statistics.linear_regression([1.0, 2.0], [w, 2.0]), ""),
    "array.array": (lambda w: array.array("d", [w]), ""),
    "ctypes": (lambda w: ctypes.c_double(w), ""),
}

# NumPy and Python put an error of their own in front of ours.
WRAPPED = {
    "struct": lambda w: struct.pack("d", w),
    "fill": lambda w: np.zeros(3).fill(w),
    "setitem as a function": lambda w: operator.setitem(np.zeros(3), 0, w),
    "setitem as a method": lambda w: np.zeros(3).__setitem__(0, w),
    "np.fromiter": lambda w: np.fromiter([w, w], float),
}

# What the checks record, as they do stores.
RECORDED = ("fill", "setitem as a function", "setitem as a method", "np.asarray",
            "np.array of a list", "np.full")

# Constant between jumps, or text: right as it is.
CONSTANT = {
    "int": (lambda w: int(w), 1),
    "bool": (lambda w: bool(w), True),
    "round": (lambda w: round(w), 2),
    "math.trunc": (lambda w: math.trunc(w), 1),
    "math.floor": (lambda w: math.floor(w), 1),
    "math.ceil": (lambda w: math.ceil(w), 2),
    "comparison": (lambda w: bool(w > 1), True),
    "branch": (lambda w: "up" if w > 1 else "down", "up"),
    "floor division": (lambda w: w // 1, 1.0),
    "in": (lambda w: w in [1.0, 2.0], False),
    "format": (lambda w: f"{w:.3f} {w}"[:5], "1.500"),
    "str.format": (lambda w: "{:.1f}".format(w), "1.5"),  # noqa: UP032
    "percent": (lambda w: "%.2f %d" % (w, w), "1.50 1"),  # noqa: UP031
    "print": (lambda w: print(w), None),
    "logging": (lambda w: logging.LogRecord("", 0, "", 0, "%f", (w,), None).getMessage(),
                "1.500000"),
    "item": (lambda w: w.item(), AT),
    "math of item": (lambda w: math.exp(w.item()), math.exp(AT)),
    "detach": (lambda w: float(w.detach()), AT),
    "numpy": (lambda w: float(w.numpy()), AT),
    "tolist": (lambda w: w.tolist(), AT),
}

# Tensors, through which the gradient flows.
TENSORS = {
    "round to decimals": (lambda w: round(w, 1), AT),
    "sum": (lambda w: sum([w, w]), 2 * AT),
    "math.prod": (lambda w: math.prod([w, w]), AT**2),
    "max": (lambda w: max(w, 0.0), AT),
    "abs": (lambda w: abs(w), AT),
    "pow": (lambda w: pow(w, 2), AT**2),
    "statistics.median": (lambda w: statistics.median([w, w]), AT),
}

# Refused everywhere, in a program's own lines, too.
ALWAYS = {
    "np.asarray": lambda w: np.asarray(w),
    "np.array of a list": lambda w: np.array([w, 1.0]),
    "np.array of objects": lambda w: np.array([w], dtype=object),
    "np.float32": lambda w: np.float32(w),
    "np.longdouble": lambda w: np.longdouble(w),
    "np.int64": lambda w: np.int64(w),
    "np.complex128": lambda w: np.complex128(w),
    "np.full": lambda w: np.full(3, w),
    "np.arange": lambda w: np.arange(0, w, 0.5),
    "np.polyval": lambda w: np.polyval([w, 1.0], 2.0),
    "np.vectorize": lambda w: np.vectorize(math.exp)(w),
    "Generator.normal": lambda w: np.random.default_rng(0).normal(w, 1.0),
    "operator.index": lambda w: operator.index(w),
    "range": lambda w: range(w),
    "list index": lambda w: [1, 2, 3][w],
    "math.factorial": lambda w: math.factorial(w),
    "decimal.Decimal": lambda w: decimal.Decimal(w),
    "fractions.Fraction": lambda w: fractions.Fraction(w),
    "statistics.mean": lambda w: statistics.mean([w, w]),
    "statistics.stdev": lambda w: statistics.stdev([w, 1.0]),
    "memoryview": lambda w: memoryview(w),
}


class Scale(nn.Module):
    """The model ``x ↦ w x``, which does something with w first."""

    def __init__(self, convert):
        self.w = nn.Parameter(AT)
        self.convert = convert

    def forward(self, x):
        self.convert(self.w)
        return x * self.w


X = np.ones((4, 1))


def train(model, loss=nn.squared_error, **settings):
    tg.fit(model, loss, tg.optim.SGD(model.parameters(), 0.1), X, X, epochs=1, **settings)


def with_loss(convert):
    model = Scale(lambda w: None)

    def loss(prediction, target):
        convert(model.w)
        return nn.squared_error(prediction, target)

    train(model, loss, compiled=False, batch_size=4)


def function_of(convert):
    def square(w):
        convert(w)
        return w * w

    return square


DIFFERENTIATING = {
    "grad": lambda c: tg.grad(function_of(c))(AT),
    "value_and_grad": lambda c: tg.value_and_grad(function_of(c))(AT),
    "grad of an array": lambda c: tg.grad(lambda w: function_of(c)(tg.sum(w)))(np.array([AT])),
    "grad of grad": lambda c: tg.grad(tg.grad(function_of(c)))(AT),
    "vjp": lambda c: tg.vjp(function_of(c), AT),
    "jvp": lambda c: tg.jvp(function_of(c), (AT,), (1.0,)),
    "jacobian": lambda c: tg.jacobian(function_of(c))(AT),
    "hessian": lambda c: tg.hessian(function_of(c))(AT),
    "hvp": lambda c: tg.hvp(function_of(c), AT, 1.0),
    "check_grad": lambda c: tg.verify.check_grad(function_of(c), AT),
    "check_derivation": lambda c: tg.verify.check_derivation(
        function_of(c), lambda w: {"w": 2 * w}, w=np.array(AT)),
    "fit, the model": lambda c: train(Scale(c), compiled=False),
    "fit, the loss": with_loss,
}


def own_lines(convert):
    return convert(tg.Tensor(AT, requires_grad=True))


def without_gradient(convert):
    with tg.no_grad():
        return own_lines(convert)


def without_gradient_inside(convert):
    found = []

    def f(w):
        with tg.no_grad():
            found.append(convert(w))
        return w * w

    tg.grad(f)(AT)
    return found[0]


ALLOWED = {
    "own lines": own_lines,
    "no_grad": without_gradient,
    "no_grad inside of grad": without_gradient_inside,
    "backward after": lambda c: own_lines(lambda w: (c(w), (w * w).backward())[0]),
}


EVERYWHERE = {**DIFFERENTIATING, **ALLOWED}


@pytest.mark.parametrize("where", DIFFERENTIATING)
def test_a_number_with_a_gradient_is_refused_where_the_gradient_is_wanted(where):
    for name, (convert, counterpart) in NUMBERS.items():
        with pytest.raises(NotDifferentiableError) as caught:
            DIFFERENTIATING[where](convert)
        message = str(caught.value)
        if name != "np.float64":  # NumPy tried an array after the number
            assert f"Use tg.{counterpart}" in message if counterpart else "Use " in message, name
            assert ".item() to leave the graph on purpose" in message
        assert f"{__file__}:" in message and "^^^" in message


@pytest.mark.parametrize("where", ALLOWED)
def test_a_number_is_welcome_in_a_programs_own_lines(where):
    for name, (convert, _) in NUMBERS.items():
        expected, found = (getattr(x, "value", x) for x in (convert(AT), ALLOWED[where](convert)))
        assert found == expected, name


@pytest.mark.parametrize("where", DIFFERENTIATING)
def test_a_number_stored_by_a_function_of_python_or_numpy_is_refused(where):
    for convert in refused(WRAPPED, where):
        with pytest.raises((ValueError, struct.error, NotDifferentiableError)):
            DIFFERENTIATING[where](convert)


def refused(table, where):
    """The conversions of a table that are refused in a context."""
    checked = where.startswith("check_")
    return [convert for name, convert in table.items() if not (checked and name in RECORDED)]


@pytest.mark.parametrize("where", EVERYWHERE)
def test_what_is_constant_between_jumps_is_right_everywhere(where):
    for name, (convert, expected) in CONSTANT.items():
        found = []
        EVERYWHERE[where](lambda w, found=found, convert=convert: found.append(convert(w)))
        assert found and found[0] == expected, name


@pytest.mark.parametrize("where", EVERYWHERE)
def test_what_stays_a_tensor_is_right_everywhere(where):
    for name, (convert, expected) in TENSORS.items():
        found = []
        EVERYWHERE[where](
            lambda w, found=found, convert=convert: found.append(
                np.copy(getattr(convert(w), "data", 0.0))))
        assert found and np.allclose(found[0], expected), name


@pytest.mark.parametrize("where", [*DIFFERENTIATING, "own lines", "backward after"])
def test_what_numpy_cannot_take_unnoticed_is_refused_everywhere(where):
    for convert in refused(ALWAYS, where):
        with pytest.raises(TypeError):
            EVERYWHERE[where](convert)


@pytest.mark.parametrize("where", ["check_grad", "check_derivation"])
def test_the_checks_record_what_is_stored(where):
    for name in RECORDED:
        DIFFERENTIATING[where]({**WRAPPED, **ALWAYS}[name])


@pytest.mark.parametrize(
    "name", [*NUMBERS, *WRAPPED, *ALWAYS, "int", "bool", "round", "math.trunc", "math.floor",
             "math.ceil", "branch", "in", "format", "percent", "item", "tolist", "math of item"])
def test_a_compiled_function_takes_no_number_out_of_a_traced_value(name):
    convert = {**NUMBERS, **CONSTANT}.get(name, [{**WRAPPED, **ALWAYS}.get(name)])[0]
    with pytest.raises((TraceError, TypeError, ValueError, struct.error)):
        tg.compile(function_of(convert))(np.array(AT))


@pytest.mark.parametrize("name", NUMBERS)
def test_a_parameter_from_outside_is_no_number_in_a_compiled_function(name):
    w = nn.Parameter(AT)
    with pytest.raises(NotDifferentiableError):
        tg.compile(lambda x: x * NUMBERS[name][0](w))(np.array(2.0))


@pytest.mark.parametrize("compiled", [False, True, "auto"])
def test_training_with_a_number_in_the_loss_says_where_and_changes_nothing(compiled):
    model = Scale(lambda w: None)

    def loss(prediction, target):
        print(f"{float(tg.sum(prediction))}")
        return nn.squared_error(prediction, target)

    with pytest.raises(NotDifferentiableError if compiled is not True else TypeError) as caught:
        train(model, loss, compiled=compiled, batch_size=1)
    assert compiled is True or "fit(): " in str(caught.value)
    assert "float(tg.sum(prediction))" in str(caught.value)
    assert model.w.data == AT


def test_the_item_of_a_loss_can_be_printed_while_training(capsys):
    def loss(prediction, target):
        value = nn.squared_error(prediction, target)
        print(f"{value.item():.3f} {value:.3f}")
        return value

    train(Scale(lambda w: None), loss, compiled=False, batch_size=4)
    assert capsys.readouterr().out.splitlines()[0] == "0.125 0.125"


def test_callbacks_of_a_training_may_log_numbers_of_parameters():
    seen = []
    model = Scale(lambda w: None)
    train(model, callbacks=[lambda run: seen.append(float(model.w))], compiled=False)
    assert seen == [float(model.w.data)]


@pytest.mark.parametrize("name", NUMBERS)
def test_debug_tells_of_numbers_in_a_programs_own_lines(name):
    with tg.debug(), warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        own_lines(NUMBERS[name][0])
    assert told and all(w.category is LostGradientWarning for w in told)
    assert str(told[0].message).startswith("debug: ") and told[0].filename == __file__


@pytest.mark.parametrize("name", CONSTANT)
def test_debug_is_silent_about_what_is_right(name):
    with tg.debug():  # warnings are errors in tests
        own_lines(CONSTANT[name][0])


def test_a_number_is_refused_in_an_inner_and_an_outer_function_alike():
    def outer(w):
        slope = tg.grad(lambda v: v * v)(w)
        return float(slope) * w

    with pytest.raises(NotDifferentiableError, match=r"float\(slope\)"):
        tg.grad(outer)(AT)


def test_a_tensor_without_gradient_may_become_a_number_anywhere():
    constant = tg.Tensor(2.0)
    assert tg.grad(lambda w: float(constant) * math.exp(constant) * w)(AT) == 2 * math.exp(2)


def test_code_without_source_is_refused_as_well():
    names = {"math": math}
    exec(compile("def f(w):\n    return math.exp(w) * w", "<typed>", "exec"), names)
    with pytest.raises(NotDifferentiableError, match="Got a call, which makes a plain number"):
        tg.grad(names["f"])(AT)


def test_the_call_in_a_message_is_shortened_and_may_span_lines():
    def f(w):
        return w * math.hypot(
            w, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0)

    with pytest.raises(NotDifferentiableError, match=r"Got math.hypot\(…\), which .* Use tg.hypot"):
        tg.grad(f)(AT)


@pytest.mark.parametrize("store", [
    lambda a, t: a.__setitem__(0, t), lambda a, t: a.fill(t),
    lambda a, t: operator.setitem(a, 0, t),
    lambda a, t: list(map(a.__setitem__, range(1), [t]))])
def test_a_number_is_not_stored_into_a_plain_array_by_a_method(store):
    w = tg.Tensor(2.0, requires_grad=True)
    with pytest.raises(ValueError) as told:
        store(np.zeros(2), w)
    assert "plain array" in str(told.value.__cause__ or told.value)
    with tg.no_grad():
        store(np.zeros(2), w)
