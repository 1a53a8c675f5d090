from __future__ import annotations

import copy
import json
import math

import numpy as np
import pytest

from tinygrad_mlp.errors import StateDictError, TinygradError
from tinygrad_mlp.optim import SGD, Adam, schedule


def through_a_file(stored):
    """As a checkpoint does it: all but the arrays as text."""
    arrays = {key: array.copy() for key, array in stored["arrays"].items()}
    text = json.dumps({key: value for key, value in stored.items() if key != "arrays"})
    return {**json.loads(text), "arrays": arrays}


LEARNING_RATES = [
    0.01,
    schedule.inverse_time(),
    schedule.linear_warmup(4, schedule.cosine(0.1, 0.01, 9, per="step")),
]


@pytest.mark.parametrize("lr", LEARNING_RATES, ids=repr)
def test_a_training_resumed_from_its_state_goes_on_bit_for_bit(
    case, lr, least_squares, train, assert_same
):
    kind, settings = case
    listed, loss = least_squares()
    optimizer = kind(listed, **{**settings, "lr": lr})
    train(optimizer, loss, 7)
    stored = through_a_file(optimizer.state_dict())
    weights = [p.data for p in listed]
    unbroken = train(optimizer, loss, 8)

    listed, loss = least_squares()
    resumed = kind(listed, lr=123.0)  # default hyper-parameters: the stored ones come with it
    for parameter, array in zip(listed, weights, strict=True):
        parameter.data = array
    resumed.load_state_dict(stored)
    assert (resumed.steps, resumed.epoch, resumed.lr) == (7, 1, lr)
    assert train(resumed, loss, 8) == unbroken
    assert_same(resumed.state_dict(), optimizer.state_dict())


def spoil_in_place(stored):
    stored["arrays"]["0.m"][:] = math.nan
    stored["hyperparameters"]["beta1"] = 7


def test_a_stored_state_is_a_copy_both_ways(least_squares, train, assert_same):
    listed, loss = least_squares()
    optimizer = Adam(listed)
    train(optimizer, loss, 2)
    stored = optimizer.state_dict()
    kept = copy.deepcopy(stored)
    train(optimizer, loss, 2)
    assert_same(stored, kept)
    optimizer.load_state_dict(stored)
    spoil_in_place(stored)
    spoil_in_place(optimizer.state_dict())
    assert_same(optimizer.state_dict(), kept)


def test_a_state_can_be_loaded_for_parameters_that_were_converted_meanwhile(
    parameters, set_gradients
):
    listed = parameters(np.float64)
    optimizer = Adam(listed)
    stored = Adam(parameters(np.float32), lr=0.5).state_dict()
    for parameter in listed:
        parameter.data = parameter.data.astype(np.float32)
    optimizer.load_state_dict(stored)
    set_gradients(listed)
    optimizer.step()
    assert all(p.dtype == np.float32 for p in listed)


def test_a_function_as_learning_rate_is_not_stored_and_stays_that_of_the_optimizer(parameters):
    def falling(epoch):
        return 1 / (1 + epoch)

    stored = SGD(parameters(), falling).state_dict()
    assert stored["lr"] is None
    optimizer = SGD(parameters(), falling, momentum=0.9)
    optimizer.load_state_dict(stored)
    assert optimizer.lr is falling
    with pytest.raises(StateDictError, match="Set lr to that function first"):
        SGD(parameters(), 0.1).load_state_dict(stored)


def without(key):
    return lambda stored: stored.pop(key)


def changed(key, value):
    return lambda stored: stored.update({key: value})


def array(key, value):
    return lambda stored: stored["arrays"].update({key: np.asarray(value)})


def hyper(key, value):
    return lambda stored: stored["hyperparameters"].update({key: value})


SPOILT = [
    (without("lr"), "expects a dict of optimizer, lr, epoch, steps"),
    (changed("more", 1), "expects a dict of"),
    (changed("optimizer", "SGD"), "Got that of 'SGD'"),
    (changed("optimizer", "AdamW"), "Got that of 'AdamW'"),
    (changed("epoch", -1), "epoch must be an integer >= 0. Got -1."),
    (changed("steps", 1.5), "steps must be an integer >= 0. Got 1.5."),
    (changed("lr", -1), "lr must be a number >= 0. Got -1."),
    (changed("lr", "fast"), "lr must be a number >= 0. Got 'fast'."),
    (changed("lr", {"name": "magic"}), "name must be one of constant"),
    (changed("lr", {"name": "cosine"}), "missing"),
    (changed("hyperparameters", {}), "Adam() has the hyper-parameters beta1"),
    (changed("hyperparameters", None), "cannot take this state"),
    (hyper("beta1", 1.0), "beta1 must be a number in [0, 1)"),
    (hyper("momentum", 0.5), "Got beta1, beta2, eps, weight_decay, momentum."),
    (changed("arrays", {}), "0.m is missing; 0.t is missing"),
    (changed("arrays", None), "cannot take this state"),
    (array("7.m", 0.0), "7.m is unexpected"),
    (array("1.v", np.zeros(2)), "1.v must be of shape (3,) and dtype float64, and is of (2,)"),
    (array("1.v", np.zeros(3, np.float32)), "and is of (3,) and float32"),
    (array("2.t", 1.5), "2.t must be of shape () and dtype int64"),
    (array("2.t", -1), "2.t must be an integer >= 0. Got -1."),
]


@pytest.mark.parametrize(("spoil", "message"), SPOILT, ids=[message for _, message in SPOILT])
def test_a_state_that_does_not_belong_here_is_refused_and_changes_nothing(
    spoil, message, least_squares, train, everything, assert_same
):
    listed, loss = least_squares()
    other = Adam(listed, 0.05, beta1=0.5)
    train(other, loss, 8)
    stored = other.state_dict()
    spoil(stored)
    optimizer = Adam(listed, 0.1)
    train(optimizer, loss, 2)
    before = everything(optimizer)
    with pytest.raises(StateDictError) as caught:
        optimizer.load_state_dict(stored)
    assert str(caught.value).startswith("Adam.load_state_dict() ")
    assert message in str(caught.value)
    assert_same(everything(optimizer), before)


@pytest.mark.parametrize("stored", [None, 3, [], "state", {}])
def test_something_else_than_a_state_is_refused(stored, parameters):
    with pytest.raises(StateDictError, match="expects a dict of optimizer"):
        SGD(parameters(), 0.1).load_state_dict(stored)


def test_the_state_of_other_parameters_is_refused(parameters):
    stored = Adam(parameters()).state_dict()
    with pytest.raises(StateDictError, match="or to these in another order"):
        Adam(parameters()[::-1]).load_state_dict(stored)
    with pytest.raises(TinygradError, match="2.m is unexpected"):
        Adam(parameters()[:2]).load_state_dict(stored)
