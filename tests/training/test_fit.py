"""`fit`: what a step is, what is recorded and shown, how training ends, and what is refused."""

from __future__ import annotations

import gc
import math
import re
import signal
import threading
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_mlp as tg
from tinygrad_mlp import nn, optim
from tinygrad_mlp.autograd.graph import Value
from tinygrad_mlp.errors import (
    DTypeError,
    InvalidArgumentError,
    NotDifferentiableError,
    ShapeError,
)
from tinygrad_mlp.training.callbacks import Callback
from tinygrad_mlp.training.checked_data import is_one_hot
from tinygrad_mlp.training.evaluation import accuracy, evaluate, predict


def task(seed=0, n=6, features=3, outputs=2, dtype=np.float64):
    """A linear model, with inputs and targets it cannot fit."""
    rng = np.random.default_rng(seed)
    model = nn.Linear(features, outputs, rng=rng, dtype=dtype)
    return model, rng.normal(size=(n, features)), rng.normal(size=(n, outputs))


def classification(seed=0, n=12):
    """A network with one hidden layer, and points of three classes."""
    rng = np.random.default_rng(seed)
    model = nn.Sequential(nn.Linear(2, 4, rng=rng), nn.Tanh(), nn.Linear(4, 3, rng=rng))
    return model, rng.normal(size=(n, 2)), np.eye(3)[np.arange(n) % 3]


def train(model, X, Y, lr=0.1, loss=nn.squared_error, **settings):
    settings = {"epochs": 1, "shuffle": False, **settings}
    return tg.fit(model, loss, optim.SGD(model.parameters(), lr), X, Y, **settings)


def by_hand(model, X, Y, lr, batch_size, epochs):
    """Weight and bias after gradient descent on ½ Σ (W x + b − y)² / n, by its closed form."""
    W, b = model.weight.data.copy(), model.bias.data.copy()
    for epoch in range(epochs):
        for start in range(0, len(X), batch_size):
            x, y = X[start : start + batch_size], Y[start : start + batch_size]
            missed = (x @ W.T + b - y) / len(x)
            W, b = W - lr(epoch) * missed.T @ x, b - lr(epoch) * missed.sum(axis=0)
    return W, b


def same_state(first, second):
    return all(np.array_equal(first[name], second[name]) for name in first)


class Spy(nn.Module):
    """Passes on its input and keeps what it saw, and in which mode."""

    def __init__(self, inner):
        self.inner = inner
        self.seen = []

    def forward(self, x):
        self.seen.append((self.training, x))
        return self.inner(x)


# -- the steps -------------------------------------------------------------------------------------


@given(
    seed=st.integers(0, 2**32 - 1), n=st.integers(1, 8), lr=st.floats(0, 0.5),
    features=st.integers(1, 4), outputs=st.integers(1, 3),
)
def test_a_full_batch_step_is_the_update_written_by_hand(seed, n, lr, features, outputs):
    model, X, Y = task(seed, n, features, outputs)
    W, b = by_hand(model, X, Y, lambda epoch: lr, n, 1)
    train(model, X, Y, lr, batch_size=n)
    np.testing.assert_allclose(model.weight.data, W, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(model.bias.data, b, rtol=1e-12, atol=1e-14)


@given(
    seed=st.integers(0, 2**32 - 1), n=st.integers(1, 9), batch_size=st.integers(1, 11),
    epochs=st.integers(1, 3),
)
def test_each_epoch_passes_through_the_data_in_batches_of_which_the_last_may_be_smaller(
    seed, n, batch_size, epochs
):
    model, X, Y = task(seed, n)
    W, b = by_hand(model, X, Y, lambda epoch: 0.1, batch_size, epochs)
    history = train(model, X, Y, batch_size=batch_size, epochs=epochs)
    np.testing.assert_allclose(model.weight.data, W, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(model.bias.data, b, rtol=1e-11, atol=1e-13)
    assert history.iteration[-1] + 1 == epochs * math.ceil(n / batch_size)


def test_a_schedule_of_the_epoch_sees_every_epoch():
    def lr(epoch):
        return 1 / (100 + 10 * epoch)

    model, X, Y = task(n=5)
    W, b = by_hand(model, X, Y, lr, 2, 4)
    train(model, X, Y, optim.schedule.inverse_time(), batch_size=2, epochs=4)
    np.testing.assert_allclose(model.weight.data, W, rtol=1e-12)
    np.testing.assert_allclose(model.bias.data, b, rtol=1e-12)


def test_the_optimizer_is_told_the_epoch():
    model, X, Y = task(n=4)
    optimizer = optim.SGD(model.parameters(), 0.1)
    seen = []
    step = Callback()
    step.on_step = lambda run: seen.append((run.epoch, optimizer.epoch))
    tg.fit(model, nn.squared_error, optimizer, X, Y, epochs=3, batch_size=2, callbacks=[step])
    assert seen == [(0, 0), (0, 0), (1, 1), (1, 1), (2, 2), (2, 2)]


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_the_same_seed_gives_the_same_bits(seed):
    states, losses = [], []
    for _ in range(2):
        model, X, Y = classification(seed)
        model.layers.insert(2, nn.Dropout(0.3, rng=np.random.default_rng(seed)))
        history = tg.fit(
            model, nn.softmax_cross_entropy, optim.Adam(model.parameters(), 0.01), X, Y,
            epochs=3, batch_size=5, rng=np.random.default_rng(seed), validation=(X, Y),
        )
        states.append(model.state_dict())
        losses.append((history.training_loss, history.validation_loss))
    assert same_state(*states) and losses[0] == losses[1]


def orders(n, epochs, **settings):
    """The samples' numbers in the order in which training visited them, an array for each epoch."""
    model = Spy(nn.Linear(1, 1, rng=np.random.default_rng(0)))
    numbers = np.arange(float(n))[:, None]
    train(model, numbers, numbers, lr=0.0, epochs=epochs, **settings)
    seen = np.concatenate([x for training, x in model.seen if training])
    return seen.reshape(epochs, n).astype(int)


@given(n=st.integers(1, 20), batch_size=st.integers(1, 20), seed=st.integers(0, 99))
@settings(max_examples=30)
def test_shuffling_visits_every_sample_once_an_epoch_in_the_order_the_generator_draws(
    n, batch_size, seed
):
    rng, same = np.random.default_rng(seed), np.random.default_rng(seed)
    visited = orders(n, 3, batch_size=batch_size, shuffle=True, rng=rng)
    np.testing.assert_array_equal(visited, [same.permutation(n) for _ in range(3)])
    assert rng.bit_generator.state == same.bit_generator.state  # and nothing else was drawn


def test_without_shuffling_the_order_is_the_given_one_and_the_generator_is_left_alone(rng):
    before = rng.bit_generator.state
    np.testing.assert_array_equal(orders(5, 2, shuffle=False, rng=rng), [np.arange(5)] * 2)
    assert rng.bit_generator.state == before


def test_without_a_generator_the_orders_differ_from_run_to_run():
    assert not np.array_equal(orders(50, 1, shuffle=True), orders(50, 1, shuffle=True))


def test_the_loss_of_a_batch_is_that_before_its_update():
    model, X, Y = task(n=4)
    expected = 0.5 * np.sum((X @ model.weight.data.T + model.bias.data - Y) ** 2) / 4
    losses = []
    step = Callback()
    step.on_step = lambda run: losses.append(run.loss)
    train(model, X, Y, batch_size=4, callbacks=[step])
    assert losses == [pytest.approx(expected, rel=1e-14)]


# -- data ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [np.uint8, np.int64, bool, np.float16, np.float64, list])
def test_inputs_of_any_kind_are_trained_on_in_the_precision_of_the_parameters(kind):
    model, _, Y = task(n=4, dtype=np.float32)
    X = np.array([[0, 1, 0], [1, 0, 1], [1, 1, 0], [0, 0, 1]])
    given_X = X.tolist() if kind is list else X.astype(kind)
    kinds, state = set(), model.state_dict()

    def watch(run):
        kinds.update(p.grad.dtype for p in model.parameters())
        kinds.update(p.dtype for p in model.parameters())

    step = Callback()
    step.on_step = watch
    spy = Spy(model)
    train(spy, given_X, Y, callbacks=[step])
    assert kinds == {np.dtype(np.float32)} == {x.dtype for _, x in spy.seen}
    result = model.state_dict()
    model.load_state_dict(state)
    train(model, X.astype(np.float32), Y.astype(np.float32))
    assert same_state(result, model.state_dict())


def test_tensors_are_taken_as_data_and_get_no_gradient():
    model, X, Y = task()
    X = tg.Tensor(X, requires_grad=True)
    train(model, X, tg.Tensor(Y))
    assert X.grad is None


def test_the_users_arrays_are_not_written_to():
    model, X, Y = task()
    copies = X.copy(), Y.copy()
    train(model, X, Y, epochs=3, batch_size=2, shuffle=True, validation=(X, Y))
    np.testing.assert_array_equal(X, copies[0])
    np.testing.assert_array_equal(Y, copies[1])


def test_validation_data_are_evaluated_and_never_trained_on(rng):
    results = []
    held_out = rng.normal(size=(3, 3)), rng.normal(size=(3, 2))
    for validation in (None, held_out):
        model, X, Y = task(n=7)
        spy = Spy(model)
        history = train(spy, X, Y, epochs=3, batch_size=2, validation=validation)
        trained_on = np.concatenate([x for training, x in spy.seen if training])
        assert {tuple(x) for x in trained_on} == {tuple(x) for x in X}
        results.append(model.state_dict())
    assert same_state(*results)
    assert history.validation_loss[-1] == evaluate(model, nn.squared_error, *held_out)[0]


def test_modules_are_in_training_mode_for_steps_and_in_evaluation_mode_for_figures():
    model, X, Y = task(n=4)
    spy = Spy(model)
    train(spy, X, Y, batch_size=3, epochs=2, validation=(X[:1], Y[:1]))
    first_look = [(False, 2), (False, 1)]  # two samples of each, before training
    epoch = [(True, 3), (True, 1), (False, 1)]
    assert [(training, len(x)) for training, x in spy.seen] == first_look + epoch * 2


def test_the_training_data_are_evaluated_where_that_is_asked_for():
    model, X, Y = task(n=4)
    spy = Spy(model)
    train(spy, X, Y, batch_size=3, epochs=2, evaluate_training=True)
    epoch = [(True, 3), (True, 1), (False, 4)]
    assert [(training, len(x)) for training, x in spy.seen] == [(False, 2), *epoch * 2]


# -- what is recorded ------------------------------------------------------------------------------


@given(
    n=st.integers(1, 7), batch_size=st.integers(1, 4), epochs=st.integers(1, 4),
    every=st.integers(1, 9),
)
@settings(max_examples=40)
def test_record_every_k_records_after_the_first_step_and_every_k_th_from_there(
    n, batch_size, epochs, every
):
    model, X, Y = task(n=n)
    history = train(model, X, Y, batch_size=batch_size, epochs=epochs, record_every=every)
    steps = math.ceil(n / batch_size)
    assert history.iteration == list(range(0, epochs * steps, every))
    assert history.epoch == [i // steps for i in history.iteration]


@pytest.mark.parametrize(("every", "epochs", "iterations"), [
    (4, True, [0, 2, 4, 5, 8]), (3, True, [0, 2, 3, 5, 6, 8]), (1, True, list(range(9))),
    (0, True, [2, 5, 8]), (None, False, []), (4, False, [0, 4, 8]), (100, True, [0, 2, 5, 8])])
def test_epochs_are_recorded_beside_steps_where_wanted_and_none_twice(every, epochs, iterations):
    model, X, Y = task(n=5)
    history = train(model, X, Y, batch_size=2, epochs=3, record_every=every, record_epochs=epochs)
    assert history.iteration == iterations


@pytest.mark.parametrize(("every", "iterations"), [(None, [2, 5, 8]), (0, [])])
def test_records_are_made_at_the_end_of_each_epoch_or_never(every, iterations):
    model, X, Y = task(n=5)
    history = train(model, X, Y, batch_size=2, epochs=3, record_every=every)
    assert history.iteration == iterations
    assert history.stopped is None


@given(n=st.integers(1, 7), batch_size=st.integers(1, 4), every=st.none() | st.integers(1, 5))
@settings(max_examples=40)
def test_a_record_has_the_means_over_the_samples_of_the_steps_since_the_last(n, batch_size, every):
    model, X, Y = classification(n=n)
    seen, expected = [], []

    def loss(p, y):
        value = nn.softmax_cross_entropy(p, y)
        if model.training:
            right = np.argmax(p.data, axis=1) == np.argmax(y, axis=1)
            seen.extend((value.item(), hit) for hit in right)
        return value

    def look(run):
        expected.append(tuple(np.mean(seen, axis=0)))
        seen.clear()

    history = train(model, X, Y, loss=loss, batch_size=batch_size, epochs=3, record_every=every,
                    callbacks=[look], compiled=False)
    found = zip(history.training_loss, history.training_accuracy, strict=True)
    np.testing.assert_allclose(list(found), expected, rtol=1e-12)


def test_the_means_are_of_the_model_in_training_mode():
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Dropout(0.5, rng=rng), nn.Linear(1, 1, rng=rng))
    X, Y = np.ones((8, 1)), np.ones((8, 1))
    losses = []
    history = train(model, X, Y, lr=0.0, batch_size=8,
                    loss=lambda p, y: (losses.append(p.data), nn.squared_error(p, y))[1])
    np.testing.assert_allclose(history.training_loss[0], np.mean((losses[-1] - 1) ** 2) / 2)
    assert not np.isclose(history.training_loss[0], evaluate(model, nn.squared_error, X, Y)[0])


@pytest.mark.parametrize("evaluates", [True, False])
def test_outputs_that_are_not_of_the_targets_shape_have_no_accuracy(evaluates):
    model, X, Y = classification()
    history = train(model, X, Y, loss=lambda p, y: tg.sum((p[:, :2] - y[:, :2]) ** 2) / len(X))
    assert history.training_accuracy != [None]
    model.layers.append(nn.Linear(3, 1, rng=np.random.default_rng(1)))
    history = train(model, X, Y, loss=lambda p, y: tg.mean((p - y) ** 2),
                    evaluate_training=evaluates, validation=(X, Y))
    assert history.training_accuracy == history.validation_accuracy == [None]


def test_a_record_is_the_evaluation_of_the_weights_of_that_moment_where_that_is_asked_for():
    model, X, Y = classification()
    expected, validation = [], (X[:4] + 1, Y[:4])

    def look(run):
        loss = nn.softmax_cross_entropy
        expected.append(
            (*evaluate(model, loss, X, Y), *evaluate(model, loss, *validation), run.iteration)
        )
        model.train()

    history = train(
        model, X, Y, loss=nn.softmax_cross_entropy, batch_size=5, record_every=2, epochs=2,
        validation=validation, callbacks=[look], evaluate_training=True,
    )
    columns = (
        history.training_loss, history.training_accuracy, history.validation_loss,
        history.validation_accuracy, history.iteration,
    )
    assert list(zip(*columns, strict=True)) == expected and len(expected) == 3
    assert history.seconds == sorted(history.seconds)


def test_without_classes_and_validation_the_columns_are_empty():
    model, X, Y = task()
    history = train(model, X, Y, epochs=2)
    assert history.training_accuracy == [None, None]
    assert history.validation_loss == history.validation_accuracy == [None, None]


def test_the_model_is_left_in_evaluation_mode_without_gradients():
    model, X, Y = classification()
    train(model, X, Y, record_every=0)
    assert not any(module.training for _, module in model.named_modules())
    assert all(p.grad is None for p in model.parameters())


def grown_in_400_steps(measure, compiled):
    """Return how much a measure of the process grows from the 51st to the 451st step."""
    model, X, Y = classification()
    held = {}
    step = Callback()
    step.on_step = lambda run: (
        held.update({run.iteration: measure()}) if run.iteration in (50, 450) else None
    )
    gc.collect()
    gc.disable()  # so that a reference cycle in a step would show
    try:
        train(model, X, Y, loss=nn.softmax_cross_entropy, batch_size=3, epochs=125,
              record_every=0, callbacks=[step], compiled=compiled)
    finally:
        gc.enable()
    return held[450] - held[50]


@pytest.mark.parametrize("compiled", [False, "auto"])
def test_memory_does_not_grow_with_the_number_of_steps(compiled):
    def traced_memory():
        # The interpreter keeps freed tuples for later, up to some thousands; a collection frees
        # them. Frozen objects are not collected, so what a cycle holds is still counted.
        gc.freeze()
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        grown = grown_in_400_steps(traced_memory, compiled)
    finally:
        tracemalloc.stop()
        gc.unfreeze()
    assert grown < 400 * 8  # less than one number a step


@pytest.mark.parametrize("compiled", [False, "auto"])
def test_no_objects_are_left_behind_by_a_step(compiled):
    assert grown_in_400_steps(lambda: len(gc.get_objects()), compiled) < 100


# -- losses that are no numbers --------------------------------------------------------------------


def breaking_at(iteration, spoil):
    """A loss whose value is spoilt in training from the given iteration on."""
    steps = []

    def loss(prediction, target):
        value = nn.squared_error(prediction, target)
        if isinstance(prediction, Value) and prediction.requires_grad:
            steps.append(value)
            if len(steps) > iteration:
                return spoil(value)
        return value

    return loss


@pytest.mark.parametrize(
    ("spoil", "shown"),
    [
        (lambda v: tg.log(v * 0), "is -inf: .*'log'"),
        (lambda v: tg.sqrt(v - 1e9) * 2, "is nan: .*'sqrt'"),
        (lambda v: tg.exp(v * 1e9), "is inf: .*'exp'"),
    ],
)
def test_a_loss_that_is_not_finite_ends_training_with_the_last_finite_weights(spoil, shown):
    model, X, Y = task(n=5)
    expected = by_hand(model, X, Y, lambda epoch: 0.1, 1, 1)
    loss = breaking_at(5, spoil)
    with np.errstate(all="ignore"), pytest.warns(RuntimeWarning, match="iteration 5 ") as caught:
        history = train(model, X, Y, loss=loss, epochs=3, batch_size=1)
    assert caught[0].filename.endswith("test_fit.py")  # the user's line
    np.testing.assert_allclose(model.weight.data, expected[0], rtol=1e-12)
    np.testing.assert_allclose(model.bias.data, expected[1], rtol=1e-12)
    assert history.iteration == [4]
    pattern = f"the loss of iteration 5 {shown}.* The weights are those before that iteration"
    assert re.match(pattern, history.stopped)
    assert not model.training


def test_a_warning_turned_into_an_error_leaves_the_weights_and_no_gradients():
    model, X, Y = task(n=5)
    before = model.state_dict()
    with np.errstate(all="ignore"), pytest.raises(RuntimeWarning):
        train(model, X, Y, loss=breaking_at(0, lambda v: tg.log(v * 0)))
    assert same_state(before, model.state_dict())
    assert all(p.grad is None for p in model.parameters())


def test_divergence_from_too_large_a_learning_rate_is_reported():
    model, X, Y = task()
    with np.errstate(all="ignore"), pytest.warns(RuntimeWarning, match="was produced by"):
        history = train(model, X, Y, lr=1e80, epochs=10, record_every=0)
    assert history.stopped.startswith("the loss of iteration")
    assert all(np.isfinite(p.data).all() for p in model.parameters())


# -- Ctrl-C ----------------------------------------------------------------------------------------


def at_step(iteration, action):
    callback = Callback()
    callback.on_step = lambda run: action() if run.iteration == iteration else None
    return callback


def press_ctrl_c():
    signal.raise_signal(signal.SIGINT)


def raise_interrupt():
    raise KeyboardInterrupt


@pytest.mark.parametrize("interrupt", [press_ctrl_c, raise_interrupt])
def test_ctrl_c_ends_training_after_the_step_and_says_so(interrupt, capsys, ctrl_c):
    model, X, Y = task(n=5)
    W, b = by_hand(model, X[:3], Y[:3], lambda epoch: 0.1, 1, 1)
    handler = signal.getsignal(signal.SIGINT)
    ended = Callback()
    ended.on_end = lambda run: setattr(run, "at_end", run.stopped)
    history = train(model, X, Y, batch_size=1, epochs=4, record_every=1, monitor=True,
                    callbacks=[at_step(2, interrupt), ended])
    assert signal.getsignal(signal.SIGINT) is handler
    assert history.stopped == "interrupted by Ctrl-C after iteration 2"
    assert history.iteration[:2] == [0, 1]
    np.testing.assert_allclose(model.weight.data, W, rtol=1e-12)
    np.testing.assert_allclose(model.bias.data, b, rtol=1e-12)
    assert not model.training
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "Training ended early: interrupted by Ctrl-C after iteration 2."


def interrupted_loss(iteration, times):
    def press(value):
        if len(pressed) < times:
            for _ in range(times):
                pressed.append(press_ctrl_c())
        return value

    pressed = []
    return breaking_at(iteration, press)


def test_ctrl_c_in_the_middle_of_a_step_lets_it_finish(ctrl_c):
    model, X, Y = task(n=5)
    W, _ = by_hand(model, X[:3], Y[:3], lambda epoch: 0.1, 1, 1)
    steps = []
    step = Callback()
    step.on_step = lambda run: steps.append(run.iteration)
    history = train(
        model, X, Y, loss=interrupted_loss(2, times=1), batch_size=1, record_every=0,
        callbacks=[step],
    )
    assert history.stopped == "interrupted by Ctrl-C after iteration 2"
    assert steps == [0, 1, 2]  # callbacks hear of every update
    np.testing.assert_allclose(model.weight.data, W, rtol=1e-12)


def test_a_second_ctrl_c_does_not_wait_for_the_step(ctrl_c):
    model, X, Y = task(n=5)
    W, _ = by_hand(model, X[:2], Y[:2], lambda epoch: 0.1, 1, 1)
    handler = signal.getsignal(signal.SIGINT)
    history = train(
        model, X, Y, loss=interrupted_loss(2, times=2), batch_size=1, record_every=0
    )
    assert history.stopped == "interrupted by Ctrl-C after iteration 1"
    np.testing.assert_allclose(model.weight.data, W, rtol=1e-12)
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_program_with_its_own_way_with_ctrl_c_keeps_it():
    model, X, Y = task(n=4)
    pressed = []
    before = signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number))
    try:
        history = train(model, X, Y, callbacks=[at_step(0, press_ctrl_c)], epochs=2)
        own = signal.getsignal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert pressed == [signal.SIGINT] and own is not before
    assert history.stopped is None and len(history) == 2


class Pressed(KeyboardInterrupt):
    """Raised by a handler of a user's own."""


@pytest.mark.skipif(not hasattr(signal, "SIGTERM"), reason="there is no such signal")
def test_any_signal_whose_handler_raises_keyboard_interrupt_ends_training_after_the_step():
    def handler(number, frame):
        raise Pressed

    model, X, Y = task(n=5)
    W, _ = by_hand(model, X[:3], Y[:3], lambda epoch: 0.1, 1, 1)
    before = signal.signal(signal.SIGTERM, handler)
    try:
        history = train(model, X, Y, batch_size=1, record_every=0, callbacks=[
            at_step(2, lambda: signal.raise_signal(signal.SIGTERM))])
        assert signal.getsignal(signal.SIGTERM) is handler
    finally:
        signal.signal(signal.SIGTERM, before)
    assert history.stopped == "interrupted by SIGTERM after iteration 2"
    np.testing.assert_allclose(model.weight.data, W, rtol=1e-12)


@pytest.mark.parametrize("times", [1, 2])
def test_after_the_last_step_an_impatient_ctrl_c_does_not_lose_the_history(ctrl_c, times):
    ended = Callback()
    ended.on_end = lambda run: [press_ctrl_c() for _ in range(times)]
    model, X, Y = task(n=5)
    callbacks = [at_step(2, press_ctrl_c), ended]
    if times == 2:  # for one that hangs
        with pytest.raises(KeyboardInterrupt):
            train(model, X, Y, batch_size=1, record_every=1, callbacks=callbacks)
        return
    history = train(model, X, Y, batch_size=1, record_every=1, callbacks=callbacks)
    assert history.stopped == "interrupted by Ctrl-C after iteration 2" and len(history) == 3


def test_an_error_in_a_callback_comes_through_and_leaves_nothing_behind():
    def fail():
        raise LookupError("from the callback")

    model, X, Y = task()
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(LookupError, match="from the callback"):
        train(model, X, Y, callbacks=[at_step(0, fail)])
    assert signal.getsignal(signal.SIGINT) is handler
    assert not model.training and model.weight.grad is None


def test_training_works_outside_of_the_main_thread():
    results = []

    def work():
        model, X, Y = task()
        results.append(train(model, X, Y, epochs=2, callbacks=[at_step(0, raise_interrupt)]))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert results[0].stopped == "interrupted by Ctrl-C after iteration 0"


# -- what is refused -------------------------------------------------------------------------------

GOOD_X, GOOD_Y = np.ones((4, 3)), np.ones((4, 2))
NAN_X = np.where(np.arange(12).reshape(4, 3) == 7, np.nan, 1.0)

REFUSED = {
    "NaN in X": (dict(X=NAN_X), InvalidArgumentError, r"X must be finite. Got nan .*\(2, 1\)"),
    "infinity in Y": (dict(Y=GOOD_Y * np.inf), InvalidArgumentError, r"Y must be finite. Got inf"),
    "X too large for float32": (
        dict(X=GOOD_X * 1e39, dtype=np.float32), InvalidArgumentError, "not finite in float32"
    ),
    "NaN in validation X": (
        dict(validation=(NAN_X, GOOD_Y)), InvalidArgumentError, "validation X must be finite"
    ),
    "lengths": (dict(Y=np.ones((5, 2))), ShapeError, r"X and Y .*\(4, 3\) and \(5, 2\)"),
    "validation lengths": (
        dict(validation=(GOOD_X, np.ones((3, 2)))), ShapeError, "validation X and validation Y"
    ),
    "no samples": (dict(X=np.ones((0, 3)), Y=np.ones((0, 2))), ShapeError, r"X .*\(0, 3\)"),
    "a number as X": (dict(X=3.0), ShapeError, r"X must have at least one sample.*\(\)"),
    "ragged X": (dict(X=[[1, 2], [3]]), DTypeError, "X must be an array of numbers"),
    "text as Y": (dict(Y=["a", "b", "c", "d"]), DTypeError, "Y must be an array of numbers.*<U1"),
    "complex X": (dict(X=GOOD_X * 1j), DTypeError, "complex128"),
    "None as X": (dict(X=None), DTypeError, "X must be an array of numbers. Got dtype object"),
    "epochs=0": (dict(epochs=0), InvalidArgumentError, "epochs must be an integer >= 1. Got 0"),
    "epochs=2.5": (dict(epochs=2.5), InvalidArgumentError, "epochs"),
    "epochs=True": (dict(epochs=True), InvalidArgumentError, "epochs"),
    "batch_size=0": (dict(batch_size=0), InvalidArgumentError, "batch_size must be .* >= 1. Got 0"),
    "record_epochs=1": (dict(record_epochs=1), InvalidArgumentError, "record_epochs"),
    "record_every=-1": (dict(record_every=-1), InvalidArgumentError, "record_every"),
    "compiled": (dict(compiled="fast"), InvalidArgumentError, "compiled must be one of 'auto'"),
    "block of none": (dict(block=0), InvalidArgumentError, "block must be an integer >= 1"),
    "no threads": (dict(threads=0), InvalidArgumentError, "threads must be an integer >= 1"),
    "a seed as rng": (dict(rng=0), InvalidArgumentError, r"rng must be .*default_rng\(seed\)"),
    "validation not a pair": (
        dict(validation=GOOD_X), InvalidArgumentError, r"validation must be a pair \(X, Y\)"
    ),
    "features": (dict(X=np.ones((4, 2))), ShapeError, r"Linear\(3, 2\) expects .*\(4?2?, ?2\)"),
    "validation features": (
        dict(validation=(np.ones((4, 5)), GOOD_Y)), ShapeError, r"Linear\(3, 2\) expects"
    ),
    "outputs": (dict(Y=np.ones((4, 1))), ShapeError, r"prediction and target of the same shape"),
    "a model that is a function": (
        dict(model=lambda x: x), InvalidArgumentError, "model must be a Module.*Got function"
    ),
    "a network as model": (
        dict(model=tg.NeuralNetwork([3, 2], seed=0)), InvalidArgumentError, "Got NeuralNetwork"
    ),
    "no loss": (dict(loss="mean_square"), InvalidArgumentError, "loss must be a function"),
    "a loss for each sample": (
        dict(loss=lambda p, y: tg.sum((p - y) ** 2, axis=1)), ShapeError,
        r"must return one number. Got shape \(2,\)",
    ),
    "a loss of None": (dict(loss=lambda p, y: None), ShapeError, "must return one number"),
    "an optimizer's class": (
        dict(optimizer=optim.SGD), InvalidArgumentError, "optimizer must be an optimizer of"
    ),
    "no optimizer": (dict(optimizer=0.1), InvalidArgumentError, "optimizer must be.*Got 0.1"),
    "one callback": (dict(callbacks=Callback()), InvalidArgumentError, r"Write \[callback\]"),
    "a callback's class": (dict(callbacks=[Callback]), InvalidArgumentError, r"Write Callback\(\)"),
    "no callback": (dict(callbacks=[3]), InvalidArgumentError, "on_start, on_gradients.*Got 3"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_impossible_arguments_are_refused_before_anything_is_changed(case):
    changes, kind, message = REFUSED[case]
    model, _, _ = task(dtype=changes.get("dtype", np.float64))
    optimizer, rng = optim.Adam(model.parameters(), 0.1), np.random.default_rng(3)
    arguments = {
        "model": model, "loss": nn.squared_error, "optimizer": optimizer, "X": GOOD_X, "Y": GOOD_Y,
        "epochs": 1, "rng": rng, **changes,
    }
    arguments.pop("dtype", None)
    before = model.state_dict(), optimizer.state_dict(), rng.bit_generator.state
    with pytest.raises(kind, match=message):
        tg.fit(**arguments)
    after = model.state_dict(), optimizer.state_dict(), rng.bit_generator.state
    assert same_state(before[0], after[0])
    assert same_state(before[1].pop("arrays"), after[1].pop("arrays"))
    assert before[1:] == after[1:]
    assert all(p.grad is None for p in model.parameters())


def test_a_loss_that_leaves_the_graph_is_refused():
    model, X, Y = task()
    before = model.state_dict()
    with pytest.raises(NotDifferentiableError, match="Got float64, which has no history"):
        train(model, X, Y, loss=lambda p, y: np.mean((p.numpy() - y) ** 2))
    assert same_state(before, model.state_dict())


def test_an_optimizer_of_another_model_is_refused():
    model, X, Y = task()
    other, _, _ = task()
    with pytest.raises(NotDifferentiableError, match="None of the 2 has one"):
        tg.fit(model, nn.squared_error, optim.SGD(other.parameters(), 0.1), X, Y, epochs=1)


def test_a_loss_of_one_number_may_have_any_shape():
    first, X, Y = task()
    second, _, _ = task()
    histories = [
        train(model, X, Y, loss=loss, epochs=2)
        for model, loss in (
            (first, nn.squared_error),
            (second, lambda p, y: tg.reshape(nn.squared_error(p, y), shape=(1, 1))),
        )
    ]
    assert histories[0].training_loss == histories[1].training_loss
    assert same_state(first.state_dict(), second.state_dict())


# -- evaluation ------------------------------------------------------------------------------------


@given(n=st.sampled_from([1, 999, 1000, 1001, 2500]))
@settings(max_examples=5)
def test_evaluation_and_prediction_in_blocks_are_those_of_the_whole(n):
    model, _, _ = classification()
    rng = np.random.default_rng(n)
    X, Y = rng.normal(size=(n, 2)), np.eye(3)[rng.integers(0, 3, n)]
    with tg.no_grad():
        whole = model(X).data
    np.testing.assert_allclose(predict(model, X), whole, rtol=1e-12)
    loss, right = evaluate(model, nn.softmax_cross_entropy, X, Y)
    assert loss == pytest.approx(float(nn.softmax_cross_entropy(whole, Y)), rel=1e-12)
    assert right == np.mean(whole.argmax(axis=1) == Y.argmax(axis=1)) == accuracy(Y, whole)


def test_evaluation_and_prediction_record_nothing_and_use_evaluation_mode():
    model = Spy(nn.Sequential(nn.Linear(2, 2, rng=np.random.default_rng(0)), nn.Dropout(0.9)))
    X, Y = np.ones((3, 2)), np.ones((3, 2))
    result = predict(model, X)
    assert type(result) is np.ndarray
    assert isinstance(evaluate(model, nn.squared_error, X, Y)[0], float)
    assert [training for training, _ in model.seen] == [False, False]
    np.testing.assert_array_equal(result, model.eval()(X).data)


@pytest.mark.parametrize("training", [True, False])
def test_evaluation_and_prediction_leave_every_module_in_the_mode_it_was_in(training):
    model = nn.Sequential(nn.Linear(2, 2, rng=np.random.default_rng(0)), nn.Dropout(0.9))
    model.train(training)
    model[0].eval()
    X, Y = np.ones((3, 2)), np.ones((3, 2))
    for _ in (predict(model, X), evaluate(model, nn.squared_error, X, Y)):
        assert [m.training for _, m in model.named_modules()] == [training, False, training]
    with pytest.raises(tg.errors.ShapeError):
        predict(model, np.ones((3, 5)))
    assert model.training is training


def test_callback_that_predicts_leaves_training_as_it_is():
    """Dropout goes on dropping."""
    def trained(callbacks):
        rng = np.random.default_rng(0)
        model = nn.Sequential(nn.Linear(2, 8, rng=rng), nn.Dropout(0.5, rng=rng),
                              nn.Linear(8, 2, rng=rng))
        X, Y = np.ones((6, 2)), np.ones((6, 2))
        train(model, X, Y, batch_size=2, epochs=3, record_every=0, callbacks=callbacks)
        return model.state_dict()

    predicting = Callback()
    predicting.on_step = lambda run: predict(run.model, np.ones((3, 2)))
    expected, found = trained([at_step(1, lambda: None)]), trained([predicting])
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_predict_and_evaluate_take_lists_and_tensors():
    model, X, Y = task()
    expected = predict(model, X)
    for given_X, given_Y in ((X.tolist(), Y.tolist()), (tg.Tensor(X), tg.Tensor(Y))):
        np.testing.assert_array_equal(predict(model, given_X), expected)
        assert evaluate(model, nn.squared_error, given_X, given_Y) == evaluate(
            model, nn.squared_error, X, Y
        )


@pytest.mark.parametrize(
    ("X", "Y", "kind", "message"),
    [
        (np.ones((0, 3)), np.ones((0, 2)), ShapeError, r"X must have at least one sa.*\(0, 3\)"),
        (np.ones((2, 3)), np.ones((3, 2)), ShapeError, r"\(2, 3\) and \(3, 2\)"),
        (None, np.ones((3, 2)), DTypeError, "X must be an array of numbers"),
    ],
)
def test_evaluation_refuses_data_that_cannot_be_evaluated(X, Y, kind, message):
    model, _, _ = task()
    with pytest.raises(kind, match=message):
        evaluate(model, nn.squared_error, X, Y)
    if len(np.shape(X)) == 0 or len(X) == 0:
        with pytest.raises(kind, match="predict: X"):
            predict(model, X)


@pytest.mark.parametrize(
    ("Y", "Y_hat"), [([[0, 1]], [[0, 1, 0]]), ([0, 1], [0, 1]), (np.ones((0, 2)), np.ones((0, 2)))]
)
def test_accuracy_needs_rows_of_one_shape(Y, Y_hat):
    with pytest.raises(ShapeError, match="accuracy: Y and Y_hat must have the same shape"):
        accuracy(Y, Y_hat)


@given(labels=st.lists(st.integers(0, 3), min_size=1, max_size=8), data=st.data())
def test_accuracy_is_the_share_of_rows_whose_largest_entries_agree(labels, data):
    predicted = data.draw(st.lists(st.integers(0, 3), min_size=len(labels), max_size=len(labels)))
    right = sum(a == b for a, b in zip(labels, predicted, strict=True))
    assert accuracy(np.eye(4)[labels], tg.Tensor(np.eye(4)[predicted] * 0.4)) == right / len(labels)


@pytest.mark.parametrize(
    ("Y", "expected"),
    [
        (np.eye(3), True),
        (np.eye(3, dtype=bool), True),
        (np.ones((3, 1)), False),
        (np.array([0, 1, 1]), False),
        (np.array([[1.0, 1.0], [0.0, 1.0]]), False),
        (np.array([[0.5, 0.5]]), False),
        (np.zeros((2, 3)), False),
        (np.array([[2.0, -1.0]]), False),
    ],
)
def test_one_hot_rows_are_told_from_others(Y, expected):
    assert is_one_hot(Y) is expected
