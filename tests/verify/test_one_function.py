"""`check_derivation` of one function that returns loss and gradients, and of lists of weights."""

import numpy as np
import pytest

from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.verify import check_derivation, check_layer

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(6, 4)), RNG.normal(size=(6, 2))
POINT = {"W": RNG.normal(size=(4, 2)), "b": RNG.normal(size=2)}


def pieces(W, b):
    e = X @ W + b - Y
    return 0.5 * np.sum(e**2), X.T @ e, e.sum(axis=0)


def dict_last(W, b):
    loss, dW, db = pieces(W, b)
    return loss, {"dW": dW, "db": db}


def dict_first(W, b):
    return dict_last(W, b)[::-1]


def tuple_last(W, b):
    loss, *grads = pieces(W, b)
    return loss, tuple(grads)


def flat(W, b):
    loss, dW, db = pieces(W, b)
    return loss, dW, db


def flat_with_more(W, b):
    loss, db, dW = pieces(W, b)[0], pieces(W, b)[2], pieces(W, b)[1]
    state = np.ones(3)
    return loss, db, dW, state


def one_dict(W, b):
    loss, dW, db = pieces(W, b)
    return {"loss": loss, "grads": {"W_grad": dW, "b_grad": db}}


def mixed_dict(W, b):
    loss, dW, db = pieces(W, b)
    return {"cost": loss, "grad_W": dW, "grad_b": db, "cache": None}


def with_a_cache(W, b):
    loss, dW, db = pieces(W, b)
    return loss, {"W": dW, "b": db}, [W, b]


FORMS = (dict_last, dict_first, tuple_last, flat, flat_with_more, one_dict, mixed_dict,
         with_a_cache)


@pytest.mark.parametrize("form", FORMS, ids=lambda f: f.__name__)
def test_one_function_is_recognised_by_what_it_returns(form):
    report = check_derivation(form, **POINT)
    assert report.ok and report.conclusive, report
    if form is with_a_cache:  # which has the names of the parameters
        assert not report.notes
    else:
        assert "W from" in report.notes[0] and "b from" in report.notes[0]


@pytest.mark.parametrize("form", FORMS, ids=lambda f: f.__name__)
def test_a_mistake_in_one_function_is_found(form, monkeypatch):
    right = pieces

    def wrong(W, b):
        loss, dW, db = right(W, b)
        return loss, dW, -db

    monkeypatch.setitem(globals(), "pieces", wrong)
    report = check_derivation(form, **POINT, budget=0)
    assert list(report.diagnoses) == ["b"] and report.diagnoses["b"].kind == "sign"


def test_the_wrong_line_of_one_function_is_shown():
    def both(W, b):
        e = X @ W + b - Y
        loss = 0.5 * np.sum(e**2)
        dW = X.T @ e
        db = e.mean(axis=0)
        return loss, {"W": dW, "b": db}

    assert check_derivation(both, **POINT, budget=60).culprit.repair == "db = e.sum(axis=0)"


def test_what_a_function_keeps_of_the_point_is_the_given_one_after_the_check():
    kept = {}

    def both(**p):
        kept.update(p)
        return dict_last(kept["W"], kept["b"])

    check_derivation(both, **POINT)
    assert all(kept[name] is POINT[name] for name in POINT)


def layers_loss(weights, biases):
    h = X
    for W, b in zip(weights, biases, strict=True):
        h = np.tanh(h @ W + b)
    return np.sum(h)


def layers_derived(weights, biases, factor=1.0):
    kept = [X]
    for W, b in zip(weights, biases, strict=True):
        kept.append(np.tanh(kept[-1] @ W + b))
    d, dW, db = np.ones_like(kept[-1]), [], []
    for i in reversed(range(len(weights))):
        dz = d * (1 - kept[i + 1] ** 2)
        dW.insert(0, factor * kept[i].T @ dz)
        db.insert(0, dz.sum(axis=0))
        d = dz @ weights[i].T
    return dW, db


LAYERS = {"weights": [RNG.normal(size=(4, 3)), RNG.normal(size=(3, 2))],
          "biases": [RNG.normal(size=3), RNG.normal(size=2)]}


def test_parameters_may_be_lists_of_arrays_and_gradients_tuples_of_lists():
    report = check_derivation(layers_loss, layers_derived, **LAYERS)
    assert report.ok and list(report.rows) == ["weights[0]", "weights[1]", "biases[0]", "biases[1]"]
    wrong = check_derivation(layers_loss, lambda weights, biases: layers_derived(
        weights, biases, 2.0), **LAYERS, budget=0)
    assert [name for name, row in wrong.rows.items() if not row.ok] == ["weights[0]", "weights[1]"]


def test_gradients_of_lists_may_come_in_a_dict():
    def by_name(weights, biases):
        dW, db = layers_derived(weights, biases)
        return {"dbiases": db, "dweights": dW}

    assert check_derivation(layers_loss, by_name, **LAYERS).conclusive
    assert check_derivation(layers_loss, by_name(**LAYERS), **LAYERS).ok


@pytest.mark.parametrize("found", [3.0, {"W": np.ones(2)}, "text", (np.ones(2), np.ones(2))],
                         ids=["a number", "no loss", "a text", "no number"])
def test_what_is_no_loss_with_gradients_is_refused(found):
    with pytest.raises(InvalidArgumentError, match="loss, gradients"):
        check_derivation(lambda W, b: found, **POINT)


def test_a_convention_is_accepted_by_its_scale_and_only_by_it():
    def summed(W, b):
        e = X @ W + b - Y
        return 0.5 * np.sum(e**2) / len(X), (X.T @ e, e.sum(axis=0))

    assert check_derivation(summed, **POINT, budget=0).rows["W"].verdict == "convention"
    report = check_derivation(summed, **POINT, scale=len(X))
    assert report.conclusive and "scale=6" in report.notes[-1]
    assert not check_derivation(summed, **POINT, scale=-len(X), budget=0).ok
    ascent = check_layer(lambda x: x**2, lambda d, x: -2 * x * d, X, scale=-1)
    assert ascent.ok


@pytest.mark.parametrize("scale", [0, np.nan, "n"])
def test_a_scale_that_is_none_is_refused(scale):
    with pytest.raises(InvalidArgumentError, match="scale must be"):
        check_derivation(dict_last, **POINT, scale=scale)


class Regression:
    def __init__(self, W, b):
        self.W, self.b = W, b

    def loss_and_state(self):
        loss, dW, db = pieces(self.W, self.b)
        return loss, dW, db, np.zeros(3)


def loss_and_state(W, b):
    return Regression(W, b).loss_and_state()


@pytest.mark.parametrize("form", [
    loss_and_state, lambda W, b: loss_and_state(W, b),
    lambda W, b: Regression(W, b).loss_and_state()], ids=["method", "function", "lambda"])
def test_results_are_called_by_their_names_in_the_function_that_is_returned_from(form):
    report = check_derivation(form, **POINT)
    assert report.conclusive
    assert report.notes == ["Gradients were read as follows: W from dW, b from db."]


def test_a_nested_tuple_is_read_by_its_own_names():
    def nested(W, b):
        loss, dW, db = pieces(W, b)
        return loss, (dW, db)

    assert check_derivation(nested, **POINT).notes == [
        "Gradients were read as follows: W from dW, b from db."]


def test_names_count_for_more_than_the_order_and_the_order_where_there_are_none():
    def exchanged(W, b):
        loss, dW, db = pieces(W, b)
        return loss, db, dW

    def nameless(W, b):
        loss, first, second = pieces(W, b)
        return loss, first, second

    for form, read in ((exchanged, ["W from dW", "b from db"]),
                       (nameless, ["W from first", "b from second"])):
        report = check_derivation(form, **POINT)
        assert report.ok and all(text in report.notes[0] for text in read)


def test_functions_that_return_each_other_are_read_by_order():
    def one(W, b, more=True):
        return other(W, b) if more else pieces(W, b)

    def other(W, b):
        return one(W, b, more=False)

    assert check_derivation(one, **POINT).ok
