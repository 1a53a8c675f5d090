"""`check_layer`: the backward passes that people write for layers, as functions and as objects."""

import copy

import numpy as np
import pytest

from tests.verify.layer_styles import (
    FUNCTIONS,
    OBJECTS,
    RNG,
    Dense,
    DenseLists,
    SquaredError,
    Tanh,
    X,
    square,
)
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.verify import check_layer


@pytest.mark.parametrize("style", FUNCTIONS)
def test_a_right_backward_function_is_right(style):
    forward, backward, arguments = FUNCTIONS[style]
    report = check_layer(forward, backward, *arguments)
    assert report.ok and report.conclusive, report


def halved(value):
    if isinstance(value, dict):
        return {key: each if each is None or key == "cache" else halved(each)
                for key, each in value.items()}
    if isinstance(value, (tuple, list)):
        return type(value)(halved(each) for each in value)
    return value / 2


@pytest.mark.parametrize("style", FUNCTIONS)
def test_every_gradient_of_a_wrong_backward_function_is_called_wrong(style):
    forward, backward, arguments = FUNCTIONS[style]

    def wrong(dout, cache):
        return halved(backward(dout, cache))

    def wrong_of_two(dh, dc, cache):
        return halved(backward(dh, dc, cache))

    wrong = wrong_of_two if style == "two outputs" else wrong
    if style == "backward takes the input":
        def wrong(dout, x):
            return backward(dout, x) / 2
    if style == "backward takes the output":
        def wrong(dout, out):
            return backward(dout, out) / 2
    report = check_layer(forward, wrong, *arguments, budget=0)
    assert not report.ok and not any(row.ok for row in report.rows.values())
    assert {found.scale for found in report.diagnoses.values()} == {0.5}


@pytest.mark.parametrize("style", OBJECTS)
def test_a_right_layer_is_right_and_the_report_says_where_its_gradients_are(style):
    report = check_layer(OBJECTS[style](), X)
    assert report.ok and report.conclusive, report
    assert style in report.notes[0]


@pytest.mark.parametrize("style", OBJECTS)
def test_a_layer_is_not_changed_by_its_check(style):
    layer = OBJECTS[style]()
    layer.forward(X)
    before, x = copy.deepcopy(vars(layer)), X.copy()
    check_layer(layer, X)
    after = vars(layer)
    assert repr(before.keys()) == repr(after.keys()) and np.array_equal(x, X)
    for key, value in before.items():
        if isinstance(value, np.ndarray):
            assert np.array_equal(value, after[key])


@pytest.mark.parametrize("style", OBJECTS)
def test_a_layer_with_a_wrong_gradient_is_called_wrong(style):
    layer = OBJECTS[style]()
    kind = type(layer)

    class Wrong(kind):
        def backward(self, dout):
            return super().backward(3 * dout)

    layer.__class__ = Wrong
    report = check_layer(layer, X, budget=0)
    assert not any(row.ok for row in report.rows.values())
    assert all(found.scale == pytest.approx(3) for found in report.diagnoses.values())


def test_the_wrong_line_of_a_method_is_shown_with_its_repair():
    class Wrong(Dense):
        def backward(self, dout):
            self.dW = self.x.T @ dout
            self.db = dout.mean(axis=0)
            return dout @ self.W.T

    culprit = check_layer(Wrong(4, 3), X, budget=60).culprit
    assert culprit.repair == "self.db = dout.sum(axis=0)"
    assert culprit.gradients == ("b",)


def test_a_parameter_without_a_gradient_is_told():
    class Forgetful(Dense):
        def backward(self, dout):
            self.dW = self.x.T @ dout
            return dout @ self.W.T

    report = check_layer(Forgetful(4, 3), X)
    assert report.ok and not report.conclusive and report.not_given == ["b"]


def test_what_is_left_from_another_call_is_no_parameter():
    layer = Dense(4, 3)
    layer.forward(X)
    layer.backward(square(5, 3))
    layer.dx = square(5, 4)
    report = check_layer(layer, square(5, 4))
    assert list(report.rows) == ["x", "W", "b"] and report.ok


def test_gradients_of_a_shared_matrix_are_added():
    class Twice:
        def __init__(self):
            self.first, self.second = Dense(4, 4), Dense(4, 4)
            self.second.W = self.first.W

        def forward(self, x):
            return self.second.forward(np.tanh(self.first.forward(x)))

        def backward(self, dout):
            dh = self.second.backward(dout)
            return self.first.backward(dh * (1 - np.tanh(self.first.forward(self.first.x)) ** 2))

    report = check_layer(Twice(), X)
    assert report.ok and "first.dW + second.dW" in report.notes[0]


def test_gradients_of_a_matrix_that_stands_twice_in_lists_are_added_without_copies():
    class Twice:
        def __init__(self):
            W = square(4, 4)
            self.layers = [DenseLists(4, 4), DenseLists(4, 4)]
            self.params, self.grads = [], []
            for layer in self.layers:
                layer.params[0] = W
                self.params += layer.params

        def forward(self, x):
            self.x = x
            return self.layers[0].forward(x) + self.layers[1].forward(np.tanh(x))

        def backward(self, dout):
            dx = self.layers[0].backward(dout)
            dx = dx + self.layers[1].backward(dout) * (1 - np.tanh(self.x) ** 2)
            self.grads = [grad.copy() for layer in self.layers for grad in layer.grads]
            return dx

    report = check_layer(Twice(), X)
    assert report.ok and report.conclusive and len(report.rows) == 4, report


def test_a_loss_with_targets_is_a_layer():
    report = check_layer(SquaredError(), X, np.eye(4)[[0, 1, 2, 3, 0]].astype(int))
    assert report.ok and list(report.rows) == ["x"]


def test_the_dtype_of_the_layer_is_kept():
    report = check_layer(Tanh(), X.astype(np.float32))
    assert report.ok and report.rows["x"].tolerance > 1e-8


def test_a_gradient_of_shape_h_for_1_h_is_right_and_the_reverse_of_a_column_is_not():
    def forward(x, b):
        return x + b, None

    assert check_layer(forward, lambda d, c: (d, d.sum(axis=0)), X, square(1, 4)).ok
    report = check_layer(lambda x, b: (x.T + b, None), lambda d, c: (d.T, d.sum(axis=1)), X,
                         square(4, 1))
    assert report.rows["b"].verdict == "other shape"


ELSEWHERE = np.zeros(2)


def stored_elsewhere(x):
    ELSEWHERE[0] = x[0, 0]
    return ELSEWHERE


ERRORS = {
    "one function": (lambda: check_layer(lambda x: x), "forward, backward and the arguments"),
    "no backward": (lambda: check_layer([1.0], X), "without forward"),
    "no array": (lambda: check_layer(lambda x: x, lambda d: d, 3), "Got none"),
    "a rate": (lambda: check_layer(lambda x: x, lambda d, lr: d, X), "check_step"),
    "an unknown argument": (
        lambda: check_layer(lambda x: x, lambda d, q: d, X), "nothing is known"),
    "a number of gradients": (lambda: check_layer(lambda x: x, lambda d: (d, d), X), "Got 2"),
    "nothing returned": (lambda: check_layer(lambda x: x, lambda d: None, X), "None was found"),
    "random numbers": (lambda: check_layer(
        lambda x: x * RNG.random(x.shape), lambda d: d, X), "same numbers"),
    "an array elsewhere": (lambda: check_layer(
        stored_elsewhere, lambda d: d, X), "plain array"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_what_cannot_be_checked_is_an_error_that_says_why(case):
    call, words = ERRORS[case]
    with pytest.raises((InvalidArgumentError, ValueError, TypeError), match=words):
        call()
