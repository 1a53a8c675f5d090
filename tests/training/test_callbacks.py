"""Callbacks: when they are called, what they may change, and the two that come with the package."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_mlp as tg
from tinygrad_mlp import nn, optim
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.training.callback_list import as_callback
from tinygrad_mlp.training.callbacks import BestWeights, Callback, EarlyStopping, Run
from tinygrad_mlp.training.history import History, Record

EVENTS = ["on_start", "on_gradients", "on_step", "on_record", "on_epoch", "on_end"]


def train(callbacks, epochs=3, lr=0.1, **settings):
    """Train a linear model on five samples in batches of three: two steps an epoch."""
    rng = np.random.default_rng(0)
    model = nn.Linear(3, 2, rng=rng)
    X, Y = rng.normal(size=(5, 3)), np.eye(2)[[0, 1, 0, 1, 1]]
    history = tg.fit(
        model, nn.squared_error, optim.SGD(model.parameters(), lr), X, Y, epochs=epochs,
        batch_size=3, shuffle=False, callbacks=callbacks, **settings,
    )
    return model, history


class Everything:
    """Notes each call; not derived from `Callback`."""

    def __init__(self):
        self.calls = []

    def __getattr__(self, name):
        if not name.startswith("on_"):
            raise AttributeError(name)
        return lambda run: self.calls.append((name, run.epoch, run.iteration, len(run.history)))


def test_the_events_come_in_order_with_the_numbers_of_the_run():
    spy = Everything()
    train([spy], epochs=2)
    assert spy.calls == [
        ("on_start", 0, -1, 0),
        ("on_gradients", 0, -1, 0), ("on_step", 0, 0, 0), ("on_gradients", 0, 0, 0),
        ("on_step", 0, 1, 0), ("on_record", 0, 1, 1), ("on_epoch", 0, 1, 1),
        ("on_gradients", 1, 1, 1), ("on_step", 1, 2, 1), ("on_gradients", 1, 2, 1),
        ("on_step", 1, 3, 1), ("on_record", 1, 3, 2), ("on_epoch", 1, 3, 2),
        ("on_end", 1, 3, 2),
    ]


def test_records_between_epochs_come_after_their_step():
    spy = Everything()
    train([spy], epochs=2, record_every=3)
    left_out = ("on_epoch", "on_gradients")
    order = [(name, iteration) for name, _, iteration, _ in spy.calls if name not in left_out]
    assert order == [
        ("on_start", -1), ("on_step", 0), ("on_record", 0), ("on_step", 1), ("on_step", 2),
        ("on_step", 3), ("on_record", 3), ("on_end", 3),
    ]


def test_several_callbacks_are_called_in_their_order():
    calls = []
    train([lambda run: calls.append("first"), lambda run: calls.append("second")], epochs=1)
    assert calls == ["first", "second"]


def test_a_function_is_called_after_each_record_with_the_run():
    runs = []
    _, history = train([runs.append])
    assert len(runs) == 3 == len(history)
    assert all(run.history is history for run in runs)


def test_a_generator_of_callbacks_is_taken():
    calls = []
    train((function for function in [lambda run: calls.append(run.epoch)]), epochs=2)
    assert calls == [0, 1]


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("slots", [False, True], ids=["plain", "slots"])
def test_an_object_with_a_single_method_will_do_and_is_not_modified(event, slots):
    calls = []
    members = {event: lambda self, run: calls.append(event)}
    if slots:
        members["__slots__"] = ()
    single = type("Single", (), members)()
    before = dir(single)
    train([single], epochs=1)
    assert calls == [event] * (2 if event in ("on_gradients", "on_step") else 1)
    assert dir(single) == before


def test_an_object_with_methods_that_can_be_called_is_taken_by_its_methods():
    class Both:
        calls = []

        def __call__(self, run):
            self.calls.append("call")

        def on_end(self, run):
            self.calls.append("end")

    train([Both()])
    assert Both.calls == ["end"]


def test_a_callback_that_derives_from_the_base_is_used_as_it_is():
    callback = Callback()
    assert as_callback(callback) is callback


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        (EarlyStopping, r"Got the class EarlyStopping. Write EarlyStopping\(\)"),
        (Everything, r"Write Everything\(\)"),
        (None, "Got None"),
        ("early stopping", "a function of the run, or an object with one of the methods on_start"),
    ],
)
def test_what_cannot_be_called_back_is_refused(callback, message):
    with pytest.raises(InvalidArgumentError, match=message):
        as_callback(callback)


FOREIGN = [
    "on_epoch_end", "on_epoch_begin", "on_train_begin", "on_train_batch_end", "on_batch", "on_fit",
    "on_validation_end", "on_ephoch", "on_Step", "onepoch", "onEpoch", "OnEnd", "load_statedict",
    "epoch_end", "training_step_end", "after_epoch", "before_fit", "begin_epoch",
    "after_train_step",
]


@pytest.mark.parametrize("base", [Callback, object])
@pytest.mark.parametrize("name", FOREIGN)
def test_a_method_that_would_never_be_called_is_refused_before_training(base, name):
    callback = type("Own", (base,), {name: lambda self, run: None, "on_end": lambda self, run: 0})()
    with pytest.raises(InvalidArgumentError) as caught:
        train([callback])
    assert f"Got Own.{name}, which would never be called" in str(caught.value)
    assert "among on_start, on_gradients, on_step, on_record, on_epoch" in str(caught.value)


def test_a_function_set_under_a_wrong_name_is_refused_too():
    callback = Callback()
    callback.on_epochs = lambda run: None
    with pytest.raises(InvalidArgumentError, match=r"Callback\.on_epochs"):
        train([callback])


def test_helpers_and_data_of_a_callback_may_have_other_names():
    class Own(Callback):
        on_paper = True  # not a method
        start, step, one_step = (lambda self: 1,) * 3

        def record(self, run):
            return run.history

        def on_end(self, run):
            self.seen = len(self.record(run))

        def _on_plateau(self):
            return None

    own = Own()
    train([own])
    assert own.seen == 3


# -- what callbacks may change ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "last_iteration", "records"),
    [("on_step", 0, 0), ("on_record", 1, 1), ("on_epoch", 1, 1)],
)
def test_stop_ends_training_after_the_present_step(event, last_iteration, records):
    callback, ended = Callback(), []
    setattr(callback, event, lambda run: run.stop("it is enough"))
    callback.on_end = lambda run: ended.append((run.iteration, run.stopped))
    _, history = train([callback])
    assert ended == [(last_iteration, "it is enough")]
    assert len(history) == records and history.stopped == "it is enough"


def test_a_learning_rate_set_in_a_callback_holds_from_the_next_step_on():
    def halve(run):
        run.optimizer.lr /= 2
        weights.append(run.model.weight.data)

    callback, weights = Callback(), []
    callback.on_step = halve
    start, _ = train([], lr=0.0)
    train([callback], epochs=2)
    rng = np.random.default_rng(0)
    nn.Linear(3, 2, rng=rng)  # draws what the model's weights were
    X, Y = rng.normal(size=(5, 3)), np.eye(2)[[0, 1, 0, 1, 1]]
    W, b = start.weight.data, start.bias.data
    for step, lr in enumerate((0.1, 0.05, 0.025, 0.0125)):
        x, y = (a[:3] if step % 2 == 0 else a[3:] for a in (X, Y))
        missed = (x @ W.T + b - y) / len(x)
        W, b = W - lr * missed.T @ x, b - lr * missed.sum(axis=0)
        np.testing.assert_allclose(weights[step], W, rtol=1e-12)


def test_weights_set_in_a_callback_are_trained_on():
    def reset(run):
        run.model.load_state_dict({"weight": np.zeros((2, 3)), "bias": np.zeros(2)})

    callback = Callback()
    callback.on_epoch = reset
    model, _ = train([callback], epochs=1)
    assert not model.weight.data.any()


# -- judging the records ---------------------------------------------------------------------------


class Judged:
    """A run whose records have the given losses, and whose weights tell which record it is."""

    def __init__(self, losses, callback, field="validation_loss"):
        model = nn.Linear(1, 1, rng=np.random.default_rng(0))
        self.run = Run(model, None, History())
        callback.on_start(self.run)
        self.ended_at = None
        for i, loss in enumerate(losses):
            self.run.iteration = i
            model.weight.data = np.array([[float(i)]])
            record = Record(i, 0, 0.0, 0.0, 0.0, 0.0, 0.0)._replace(**{field: loss})
            self.run.history.append(record)
            callback.on_record(self.run)
            if self.run.stopped:
                self.ended_at = i
                break
        callback.on_end(self.run)
        self.weights_of = int(model.weight.data.item())


LOSSES = st.lists(st.integers(0, 9).map(float), min_size=1, max_size=12)


@given(losses=LOSSES)
def test_best_weights_are_those_of_the_first_smallest_loss(losses):
    callback = BestWeights()
    assert Judged(losses, callback).weights_of == losses.index(min(losses))
    assert callback.best == min(losses)
    assert callback.best_iteration == losses.index(min(losses))


@given(accuracies=LOSSES)
def test_best_weights_are_those_of_the_first_largest_accuracy(accuracies):
    judged = Judged(accuracies, BestWeights("validation_accuracy"), "validation_accuracy")
    assert judged.weights_of == accuracies.index(max(accuracies))


@given(losses=LOSSES, patience=st.integers(1, 4), min_delta=st.integers(0, 3))
def test_early_stopping_ends_after_so_many_records_without_an_improvement(
    losses, patience, min_delta
):
    # The definition, written out.
    best, best_at, waited, expected = math.inf, None, 0, None
    for i, loss in enumerate(losses):
        if loss < best - min_delta:
            best, best_at, waited = loss, i, 0
        else:
            waited += 1
        if waited == patience:
            expected = i
            break
    judged = Judged(losses, EarlyStopping(patience, min_delta))
    assert judged.ended_at == expected
    assert judged.weights_of == best_at
    if expected is not None:
        assert judged.run.stopped == (
            f"validation_loss has not improved for {patience} evaluations "
            f"(best at iteration {best_at})"
        )


def test_early_stopping_can_keep_the_last_weights():
    losses = [3.0, 1.0, 2.0, 2.0]
    assert Judged(losses, EarlyStopping(2, restore_best=False)).weights_of == 3
    assert Judged(losses, EarlyStopping(2)).weights_of == 1


def test_a_loss_that_is_no_number_is_no_improvement():
    assert Judged([math.nan, 2.0, math.nan, 3.0], BestWeights()).weights_of == 1
    assert Judged([math.nan, math.nan], EarlyStopping(2)).ended_at == 1


def test_a_callback_used_again_forgets_the_run_before():
    callback = EarlyStopping(2)
    assert Judged([1.0, 2.0, 2.0], callback).ended_at == 2
    again = Judged([5.0, 4.0, 6.0, 6.0], callback)
    assert (again.ended_at, again.weights_of) == (3, 1)


def test_best_weights_are_restored_with_the_buffers_and_however_training_ended():
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 1, rng=rng))
    X, Y = rng.normal(size=(6, 2)), rng.normal(size=(6, 1))
    states = []

    def look(run):
        states.append(run.model.state_dict())
        if len(states) == 3:
            raise KeyboardInterrupt

    best = BestWeights("training_loss")
    # A learning rate that makes each epoch worse than the one before.
    history = tg.fit(
        model, nn.squared_error, optim.SGD(model.parameters(), 3.0), X, Y, epochs=9,
        batch_size=6, callbacks=[best, look],
    )
    assert history.stopped.startswith("interrupted")
    number = int(np.argmin(history.training_loss))
    assert number != 2
    restored = model.state_dict()
    assert all(np.array_equal(restored[name], states[number][name]) for name in restored)


@pytest.mark.parametrize("kind", [BestWeights, EarlyStopping])
def test_who_selects_by_the_training_data_has_them_evaluated(kind):
    rng = np.random.default_rng(0)
    model = nn.Linear(3, 2, rng=rng)
    X, Y = rng.normal(size=(9, 3)), rng.normal(size=(9, 2))
    best = kind(monitor="training_loss")
    sgd = optim.SGD(model.parameters(), 0.2)
    history = tg.fit(model, nn.squared_error, sgd, X, Y, epochs=4, batch_size=2, callbacks=[best])
    assert history.settings["evaluate_training"] is True
    assert best.best == min(history.training_loss)
    assert tg.evaluate(model, nn.squared_error, X, Y)[0] == best.best


def test_early_stopping_ends_a_real_training_and_says_why():
    X, Y = np.ones((2, 3)), np.eye(2)
    _, history = train([EarlyStopping(2)], epochs=50, lr=0.0, validation=(X, Y))
    assert len(history) == 3
    assert history.stopped == (
        "validation_loss has not improved for 2 evaluations (best at iteration 1)"
    )


# -- refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BestWeights("loss"), "BestWeights: monitor must be one of 'training_loss'"),
        (lambda: BestWeights("seconds"), "'seconds'"),
        (lambda: EarlyStopping(monitor="val_loss"), "EarlyStopping: monitor.*'val_loss'"),
        (lambda: EarlyStopping(0), "EarlyStopping: patience must be an integer >= 1. Got 0"),
        (lambda: EarlyStopping(1.5), "patience"),
        (lambda: EarlyStopping(min_delta=-1), "EarlyStopping: min_delta must be a number >= 0"),
        (lambda: EarlyStopping(min_delta=math.nan), "min_delta.*nan"),
        (lambda: EarlyStopping(min_delta="0"), "min_delta"),
    ],
)
def test_impossible_settings_are_refused(make, message):
    with pytest.raises(InvalidArgumentError, match=message):
        make()


@pytest.mark.parametrize(
    ("monitor", "settings", "records"),
    [
        ("validation_loss", {}, "It records training_loss, training_accuracy;"),
        ("validation_accuracy", {"validation": (np.ones((2, 3)), np.full((2, 2), 0.5))},
         "It records training_loss, training_accuracy, validation_loss;"),
        ("training_loss", {"record_every": 0}, "nothing, because of record_every=0"),
    ],
)
def test_a_figure_that_the_run_does_not_record_is_refused_before_training(
    monitor, settings, records
):
    spy = Everything()
    with pytest.raises(InvalidArgumentError, match=f"does not record {monitor}. .*{records}"):
        train([spy, EarlyStopping(monitor=monitor)], **settings)
    assert [name for name, *_ in spy.calls] == ["on_start"]
