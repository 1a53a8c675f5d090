"""`check_step`: the gradients in updates that people write, of arrays, dicts, lists and objects."""

import numpy as np
import pytest

from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.verify import check_step

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(6, 4)), RNG.normal(size=(6, 2))
LR = 0.05


def point():
    rng = np.random.default_rng(1)
    return {"W": rng.normal(size=(4, 2)), "b": rng.normal(size=2)}


def loss(W, b):
    return 0.5 * np.sum((X @ W + b - Y) ** 2)


def gradients(W, b):
    e = X @ W + b - Y
    return X.T @ e, e.sum(axis=0)


def in_place(W, b):
    value = loss(W, b)
    dW, db = gradients(W, b)
    W -= LR * dW
    b -= LR * db
    return value


def plus(W, b):
    value = loss(W, b)
    dW, db = gradients(W, b)
    W += LR * -dW
    b += LR * -db
    return value


def returned(W, b):
    dW, db = gradients(W, b)
    return W - LR * dW, b - LR * db, loss(W, b)


def returned_dict(W, b):
    dW, db = gradients(W, b)
    return loss(W, b), {"W": W - LR * dW, "b": b - LR * db}


def of_a_dict(params):
    value = loss(params["W"], params["b"])
    dW, db = gradients(params["W"], params["b"])
    params["W"] = params["W"] - LR * dW
    params["b"] -= LR * db
    return value


STEPS = (in_place, plus, returned, returned_dict, of_a_dict)


@pytest.mark.parametrize("step", STEPS, ids=lambda f: f.__name__)
def test_a_right_step_is_right_and_leaves_the_parameters_alone(step):
    given = point()
    report = check_step(step, given, LR)
    assert report.ok and report.conclusive, report
    assert "(before − after) / lr" in report.notes[0]
    assert all(np.array_equal(given[name], value) for name, value in point().items())


@pytest.mark.parametrize("step", STEPS, ids=lambda f: f.__name__)
def test_a_wrong_step_is_called_wrong(step, monkeypatch):
    right = gradients

    def wrong(W, b):
        dW, db = right(W, b)
        return 3 * dW, db

    monkeypatch.setitem(globals(), "gradients", wrong)
    report = check_step(step, point(), LR, budget=0)
    assert list(report.diagnoses) == ["W"]
    assert report.diagnoses["W"].scale == pytest.approx(3)


def test_a_step_uphill_is_told():
    report = check_step(in_place, point(), LR, loss=lambda W, b: -loss(W, b))
    assert not report.ok and report.notes[-1].startswith("The step goes uphill")


@pytest.mark.parametrize("lr", [1e-6, 1e-3, 1.0])
def test_a_right_step_is_right_for_every_learning_rate(lr):
    def step(W, b):
        value = loss(W, b)
        dW, db = gradients(W, b)
        W -= lr * dW
        b -= lr * db
        return value

    assert check_step(step, point(), lr).conclusive


def test_an_update_of_lists_of_layers_is_read():
    weights = [RNG.normal(size=(4, 3)), RNG.normal(size=(3, 2))]

    def of(weights):
        return np.sum(np.tanh(X @ weights[0]) @ weights[1])

    def step(weights):
        h = np.tanh(X @ weights[0])
        d = np.ones((6, 2))
        dW = [X.T @ (d @ weights[1].T * (1 - h**2)), h.T @ d]
        for i in range(2):
            weights[i] -= LR * dW[i]

    assert check_step(step, {"weights": weights}, LR, loss=of).ok
    assert check_step(lambda weights: [
        weights[0] - LR * (X.T @ (np.ones((6, 2)) @ weights[1].T
                                  * (1 - np.tanh(X @ weights[0]) ** 2))),
        weights[1] - LR * (np.tanh(X @ weights[0]).T @ np.ones((6, 2)))],
        {"weights": weights}, LR, loss=of).ok


def test_one_array_is_the_first_argument_of_the_step():
    report = check_step(lambda w: w - 0.1 * 2 * w, np.array([1.0, 2.0]), 0.1,
                        loss=lambda w: np.sum(w**2))
    assert report.ok and list(report.rows) == ["w"]


class Model:
    """Parameters, a buffer and a cache; the step updates the parameters."""

    def __init__(self, factor=1.0):
        self.layer = {"W": point()["W"], "b": point()["b"]}
        self.velocity = np.zeros(3)
        self.e = None
        self.factor = factor

    def loss(self):
        self.e = X @ self.layer["W"] + self.layer["b"] - Y
        return 0.5 * np.sum(self.e**2)

    def step(self):
        value = self.loss()
        dW = X.T @ self.e
        db = self.factor * self.e.sum(axis=0)
        self.velocity = self.velocity + 1.0
        self.layer["W"] = self.layer["W"] - LR * dW
        self.layer["b"] -= LR * db
        return value


@pytest.mark.parametrize("call", ["step", "loss", "argument"])
def test_the_step_of_an_object_is_checked_and_the_object_is_as_before(call):
    model = Model()
    before = {**model.layer}
    if call == "argument":
        report = check_step(lambda m: m.step(), model, LR)
    else:
        report = check_step(lambda: model.step(), model, LR,
                            loss=None if call == "step" else lambda: model.loss())
    assert report.ok and list(report.rows) == ["W", "b"]
    assert model.e is None and not model.velocity.any()
    for name, value in point().items():
        assert model.layer[name] is before[name] and np.array_equal(before[name], value)


def test_the_wrong_gradient_in_the_step_of_an_object_is_named():
    model = Model(factor=0.5)
    report = check_step(model.step, model, LR, budget=0)
    assert list(report.diagnoses) == ["b"] and report.diagnoses["b"].scale == pytest.approx(0.5)


def test_what_the_step_forgets_is_told():
    class Forgetful(Model):
        def step(self):
            value = self.loss()
            self.layer["W"] -= LR * (X.T @ self.e)
            return value

    model = Forgetful()
    report = check_step(model.step, model, LR)
    assert report.ok and report.not_given == ["b"]


def test_a_step_without_arguments_uses_its_variables():
    W = np.array([1.0, -2.0])

    def step():
        nonlocal W
        value = np.sum(W**3)
        W = W - 0.1 * 3 * W**2
        return value

    before = W
    assert check_step(step, {"W": W}, 0.1).ok
    assert W is before and np.array_equal(W, [1.0, -2.0])


def test_an_object_is_as_before_when_the_step_fails():
    class Failing(Model):
        def step(self):
            self.layer["W"][0] = 7.0
            self.layer["extra"] = 1
            raise RuntimeError("no data")

    model = Failing()
    with pytest.raises(RuntimeError, match="no data"):
        check_step(model.step, model, LR)
    assert list(model.layer) == ["W", "b"] and np.array_equal(model.layer["W"], point()["W"])


ERRORS = {
    "no loss": (lambda: check_step(lambda w: w - 1.0, np.ones(2), 0.1), "loss must be given"),
    "no change": (lambda: check_step(lambda w: None, np.ones(2), 0.1), "It did neither"),
    "no rate": (lambda: check_step(in_place, point(), 0.0), "lr"),
    "no arrays": (lambda: check_step(in_place, {"W": "text"}, 0.1), "Got none"),
    "an empty object": (lambda: check_step(lambda: None, object(), 0.1), "It holds none"),
    "no variable": (lambda: check_step(lambda: 1.0, point(), 0.1), "none of its variables"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_what_is_no_step_is_an_error_that_says_why(case):
    call, words = ERRORS[case]
    with pytest.raises(InvalidArgumentError, match=words):
        call()
