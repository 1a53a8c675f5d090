"""Settings of optimizers, set as attributes in use: they take effect or are refused."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import tinygrad_mlp as tg
from tinygrad_mlp import Tensor
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.optim import SGD, Adam, AdamW, Optimizer, RMSprop, Schedule, schedule

MADE = {
    SGD: {"lr": 0.1, "momentum": 0.5},
    Adam: {"lr": 0.1},
    AdamW: {"lr": 0.1},
    RMSprop: {"lr": 0.01},
}


def halved(epoch):
    return 0.05


VALUES = {  # other values than those made with, and values that cannot work
    "lr": ([0.05, halved, schedule.step_decay(0.1, 0.5, 1, per="step")], [-1, "0.1"]),
    "momentum": ([0.9, 0.0], [1.0, True]),
    "nesterov": ([True, False], [1, None]),
    "weight_decay": ([0.25, 0], [-0.1, np.nan]),
    "beta1": ([0.5, 0], [1, "0.5"]),
    "beta2": ([0.5], [-0.5]),
    "eps": ([0.5], [0]),
    "alpha": ([0.5], [1.0]),
    "centered": ([True, False], ["no", 0]),
    "epoch": ([3], [-1, 0.5]),
    "steps": ([7], [-1, "7"]),
}
SETTINGS = [(kind, name) for kind in MADE for name in ["lr", *kind.checks, "epoch", "steps"]]
TABLE = [(kind, name, value) for kind, name in SETTINGS for value in VALUES[name][0]]
BAD = [(kind, name, value) for kind, name in SETTINGS for value in VALUES[name][1]]
each_setting = pytest.mark.parametrize(("kind", "name", "value"), TABLE)


def problem(kind, **settings):
    """Return a parameter, its optimizer, and a step that returns the loss before it."""
    w = Tensor([1.0, -2.0, 0.5], requires_grad=True, name="w")
    optimizer = kind([w], **{**MADE[kind], **settings})

    def step(x):
        loss = tg.sum((w * x - 1) ** 2)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    return w, optimizer, step


INPUTS = np.random.default_rng(0).normal(size=(12, 3))


def test_the_table_has_every_optimizer_and_every_setting():
    public = {v for v in vars(tg.optim).values() if isinstance(v, type)} - {Optimizer, Schedule}
    assert set(MADE) == public
    assert {name for kind in MADE for name in kind.checks} <= VALUES.keys()


@pytest.mark.parametrize(
    ("kind", "name", "value"), [row for row in TABLE if row[1] not in ("epoch", "steps")])
def test_a_setting_set_as_an_attribute_is_that_of_an_optimizer_made_with_it(kind, name, value):
    """Without history, setting is making: the numbers of the next steps are the same."""
    w, optimizer, step = problem(kind)
    setattr(optimizer, name, value)
    v, other, other_step = problem(kind, **{name: value})
    assert getattr(optimizer, name) == getattr(other, name) == value
    for x in INPUTS:
        step(x), other_step(x)
    np.testing.assert_array_equal(w.data, v.data)
    assert optimizer.hyperparameters == other.hyperparameters
    assert repr(optimizer) == repr(other)


@each_setting
@pytest.mark.parametrize("way", ["attribute", "mapping"])
def test_a_compiled_step_follows_a_setting_as_the_eager_step_does(kind, name, value, way):
    w, optimizer, eager = problem(kind)
    v, other, recorded = problem(kind)
    compiled = tg.compile(recorded)
    first = getattr(optimizer, name)

    def put(new):
        for one in (optimizer, other):
            if way == "mapping" and name in one.hyperparameters:
                one.hyperparameters[name] = new
            else:
                setattr(one, name, new)

    changed = {4: value, 8: first, 10: value}
    for number, x in enumerate(INPUTS):
        if number in changed:
            put(changed[number])
        np.testing.assert_allclose(compiled(x).item(), eager(x).item(), rtol=1e-12)
    np.testing.assert_allclose(v.data, w.data, rtol=1e-12)
    assert compiled.executable.confirmed
    assert optimizer.state_dict()["arrays"].keys() == other.state_dict()["arrays"].keys()


@pytest.mark.parametrize(("kind", "name", "value"), BAD)
def test_a_value_that_cannot_work_is_refused_and_changes_nothing(kind, name, value):
    _, optimizer, step = problem(kind)
    step(INPUTS[0])
    before = optimizer.state_dict()
    with pytest.raises(InvalidArgumentError, match=f"{kind.__name__}.*{name}"):
        setattr(optimizer, name, value)
    np.testing.assert_equal(optimizer.state_dict(), before)


@pytest.mark.parametrize("kind", MADE)
@pytest.mark.parametrize("name", ["learning_rat", "learning_rate", "Lr", "betas", "momentun", "wd"])
def test_an_attribute_that_an_optimizer_does_not_have_is_refused(kind, name):
    _, optimizer, _ = problem(kind)
    with pytest.raises(AttributeError, match=f"no attribute '{name}'. Its settings are lr, "):
        setattr(optimizer, name, 1)
    with pytest.raises(AttributeError, match=f"'{name}'"):
        getattr(optimizer, name)
    assert not hasattr(optimizer, name)


@pytest.mark.parametrize("name", ["parameters", "update", "checks"])
def test_what_is_fixed_when_an_optimizer_is_made_cannot_be_set(name):
    _, optimizer, _ = problem(SGD)
    with pytest.raises(InvalidArgumentError, match=f"SGD: {name} cannot be set"):
        setattr(optimizer, name, getattr(optimizer, name))


def test_settings_that_need_each_other_are_checked_together():
    _, optimizer, _ = problem(SGD, momentum=0.0)
    with pytest.raises(InvalidArgumentError, match="nesterov=True must come with momentum"):
        optimizer.nesterov = True
    optimizer.hyperparameters.update(momentum=0.9, nesterov=True)
    with pytest.raises(InvalidArgumentError, match="nesterov=True must come with momentum"):
        optimizer.momentum = 0
    optimizer.hyperparameters = {"momentum": 0, "nesterov": False, "weight_decay": 0.5}
    assert (optimizer.momentum, optimizer.nesterov, optimizer.weight_decay) == (0, False, 0.5)
    for wrong in [{"momentum": 0.5}, {**optimizer.hyperparameters, "beta1": 0.5}]:
        with pytest.raises(InvalidArgumentError, match="has the hyper-parameters momentum"):
            optimizer.hyperparameters = wrong
    with pytest.raises(InvalidArgumentError, match="cannot be removed"):
        del optimizer.hyperparameters["momentum"]


def test_a_changed_optimizer_is_stored_and_copied_with_its_settings(assert_same):
    _, optimizer, step = problem(SGD)
    step(INPUTS[0])
    optimizer.momentum, optimizer.weight_decay = 0.9, 0.5
    step(INPUTS[1])
    stored = optimizer.state_dict()
    _, other, _ = problem(SGD, momentum=0.0)
    other.load_state_dict(stored)
    for one in (other, copy.copy(optimizer), copy.deepcopy(optimizer),
                pickle.loads(pickle.dumps(optimizer))):
        assert_same(one.state_dict(), stored)
        one.momentum = 0.1
    assert optimizer.momentum == 0.9


class Scaled(Optimizer):
    """A rule with an attribute of its own, which no list of hyper-parameters has."""

    update = staticmethod(lambda p, g, state, *, lr: (p - lr * g, state))

    def __init__(self, parameters, lr):
        super().__init__(parameters, lr)
        self.factor = 1.0

    def rule(self, parameter, gradient, state, lr):
        return super().rule(parameter, self.factor * gradient, state, lr)


def test_attributes_of_an_own_optimizer_take_effect_in_programs_too():
    def trained(compiled):
        w = Tensor([1.0, 2.0], requires_grad=True)
        optimizer = Scaled([w], 0.1)

        def step(x):
            (w * w * x).sum().backward()
            optimizer.step()
            optimizer.zero_grad()

        run = tg.compile(step) if compiled else step
        for number in range(8):
            if number == 4:
                optimizer.factor = 0.5
            run(np.ones(2))
        with pytest.raises(AttributeError, match="no attribute 'facto'"):
            optimizer.facto = 1
        return w.data

    np.testing.assert_allclose(trained(True), trained(False), rtol=1e-14)


@pytest.mark.parametrize("name", ["unit", "formula", "parameters", "name", "equation", "rate"])
def test_a_schedule_cannot_be_changed(name):
    rate = schedule.cosine(0.1, 0.0, 5)
    with pytest.raises(AttributeError, match=f"cannot be changed. Got a value for its '{name}'"):
        setattr(rate, name, "step")
    with pytest.raises(TypeError):
        rate.parameters["initial"] = 1.0
    assert rate == schedule.cosine(0.1, 0.0, 5)


def square_root(k):
    return (1 + k) ** -0.5


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy,
                                   lambda rate: pickle.loads(pickle.dumps(rate))])
@pytest.mark.parametrize("rate", [schedule.inverse_time(), Schedule(square_root, "step"),
                                  schedule.linear_warmup(2, after=0.1)])
def test_a_copy_of_a_schedule_gives_its_rates(again, rate):
    made = again(rate)
    assert [made(k) for k in range(4)] == [rate(k) for k in range(4)]
    assert made.unit == rate.unit
