"""How `fit` takes its steps: eagerly, by a program, in blocks; the numbers are the same."""

import os
import signal
import warnings

import numpy as np
import pytest

import tinygrad_mlp as tg
from tinygrad_mlp import nn, optim
from tinygrad_mlp.training import callbacks

N = 90
DATA = np.random.default_rng(7)
X, Y = DATA.normal(size=(N, 6)), np.eye(3)[DATA.integers(0, 3, N)]
WAYS = {
    "eager": dict(compiled=False),
    "program": dict(compiled=True, block=1),
    "blocks": dict(compiled=True, block=7),
    "chosen": dict(compiled=True),
}


def network(seed=0, extra=()):
    rng = np.random.default_rng(seed)
    return nn.Sequential(
        nn.Linear(6, 5, rng=rng), nn.Tanh(), *extra, nn.Linear(5, 3, rng=rng), nn.Sigmoid()
    )


def momentum(parameters):
    return optim.SGD(parameters, 0.1, momentum=0.5)


def trained(way, *, model=None, targets=Y, make=momentum, **chosen):
    model = network() if model is None else model
    optimizer = make(model.parameters())
    settings = {
        "epochs": 3, "batch_size": 2, "rng": np.random.default_rng(3), "loss": nn.squared_error,
        **WAYS[way], **chosen,
    }
    history = tg.fit(model, settings.pop("loss"), optimizer, X, targets, **settings)
    return model, optimizer, history


def assert_same(one, other):
    for name, value in one.state_dict().items():
        np.testing.assert_allclose(
            value, other.state_dict()[name], rtol=1e-9, atol=1e-9, err_msg=name
        )


OPTIMIZERS = {
    "SGD": lambda p: optim.SGD(p, optim.schedule.inverse_time(10, 5), momentum=0.5),
    "Adam": lambda p: optim.Adam(p, 0.01),
    "AdamW": lambda p: optim.AdamW(p, 0.01),
    "RMSprop": lambda p: optim.RMSprop(p, 0.01),
}


def test_the_table_of_optimizers_is_complete():
    kinds = {
        name for name, kind in vars(optim).items()
        if isinstance(kind, type) and issubclass(kind, optim.Optimizer)
    }
    assert kinds - {"Optimizer"} == set(OPTIMIZERS)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_way_comes_to_the_same_weights_and_records(name, way):
    chosen = dict(make=OPTIMIZERS[name], validation=(X[:20], Y[:20]), batch_size=4)
    expected, optimizer, history = trained("eager", **chosen)
    model, twin, found = trained(way, **chosen)
    assert_same(model, expected)
    assert twin.steps == optimizer.steps == 3 * 23
    for field in ("training_loss", "validation_loss", "training_accuracy", "iteration"):
        np.testing.assert_allclose(getattr(found, field), getattr(history, field), rtol=1e-9)


LOSSES = {
    "of the output": nn.squared_error,
    "of its pre-activation": nn.binary_cross_entropy,
    "of minus the output": lambda p, y: nn.squared_error(-p, y),
    "that is no mean of losses": lambda p, y: tg.mean((p - y) ** 2) ** 0.5,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_the_accuracy_is_that_of_the_outputs_whatever_the_loss_does_to_them(loss, way):
    chosen = dict(loss=loss, batch_size=4)
    expected = trained("eager", **chosen)[2]
    found = trained(way, **chosen)[2]
    np.testing.assert_allclose(found.training_loss, expected.training_loss, rtol=1e-9)
    assert found.training_accuracy == expected.training_accuracy


def test_history_says_how_the_steps_were_taken():
    assert trained("eager")[2].execution == "eager"
    assert trained("program")[2].execution == "a program"
    assert trained("blocks")[2].execution == (
        "a program, in blocks of 7 steps (the update of W1 deferred)"
    )
    adam = trained("blocks", make=lambda p: optim.Adam(p))[2]
    assert adam.execution == "a program"


def test_short_trainings_are_not_worth_a_program():
    assert trained("eager", compiled="auto", epochs=2)[2].execution == "eager"  # 90 steps
    assert trained("eager", compiled="auto", epochs=12)[2].execution == "a program"


@pytest.mark.parametrize("way", WAYS)
def test_debugging_watches_every_operation_and_changes_nothing(way):
    expected = trained("eager")[0]
    with tg.debug():
        model, _, history = trained(way)
    assert_same(model, expected)
    assert history.execution == "eager"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("every", [1, 4, 10])
def test_records_are_made_after_the_steps_they_name(way, every):
    expected = trained("eager", record_every=every)[2]
    found = trained(way, record_every=every)[2]
    assert found.iteration == expected.iteration == list(range(0, 135, every))
    np.testing.assert_allclose(found.training_loss, expected.training_loss, rtol=1e-9)


@pytest.mark.parametrize("way", WAYS)
def test_a_learning_rate_changed_by_a_callback_holds_from_the_next_step(way):
    def halve(run):
        run.optimizer.lr = 0.5 * run.optimizer.current_lr()

    chosen = dict(record_every=10, callbacks=[halve])
    assert_same(trained(way, **chosen)[0], trained("eager", **chosen)[0])


@pytest.mark.parametrize("way", WAYS)
def test_a_hyperparameter_changed_by_a_callback_makes_another_program(way):
    def change(run):
        run.optimizer.hyperparameters["weight_decay"] = 0.1

    chosen = dict(record_every=20, callbacks=[change])
    assert_same(trained(way, **chosen)[0], trained("eager", **chosen)[0])


@pytest.mark.parametrize("way", WAYS)
def test_weights_put_in_by_a_callback_are_used(way):
    def reset(run):
        if run.iteration == 40:
            run.model.load_state_dict(network(seed=4).state_dict())

    chosen = dict(record_every=20, callbacks=[reset])
    assert_same(trained(way, **chosen)[0], trained("eager", **chosen)[0])


class Watcher(callbacks.Callback):
    """Looks at everything at every step."""

    def __init__(self):
        self.seen = []

    def on_step(self, run):
        weight = run.model.layers[0].weight
        self.seen.append((run.iteration, run.loss, weight.data, weight.grad))


@pytest.mark.parametrize("way", WAYS)
def test_who_watches_steps_sees_each_with_its_gradients(way):
    expected, found = Watcher(), Watcher()
    trained("eager", callbacks=[expected])
    _, _, history = trained(way, callbacks=[found])
    assert "blocks" not in history.execution
    for one, other in zip(found.seen, expected.seen, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("way", WAYS)
def test_arrays_a_callback_holds_are_not_written_to(way):
    held = []

    def keep(run):
        held.extend((p.data, p.data.copy()) for p in run.model.parameters())

    trained(way, record_every=10, callbacks=[keep])
    for array, copy in held:
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize("way", WAYS)
def test_early_stopping_puts_back_the_best_weights(way):
    chosen = dict(
        epochs=8, validation=(X[:9], Y[:9]), callbacks=[callbacks.EarlyStopping(patience=1)],
        make=lambda p: optim.SGD(p, 1.5),
    )
    expected, _, history = trained("eager", **chosen)
    model, _, found = trained(way, **chosen)
    assert found.stopped == history.stopped
    assert_same(model, expected)


@pytest.mark.parametrize("way", WAYS)
def test_a_loss_that_is_not_finite_stops_at_its_step_with_the_weights_before(way):
    def loss(prediction, target):
        return nn.squared_error(prediction, target) + tg.sum(tg.log(target + 1))

    chosen = dict(loss=loss, targets=Y.copy(), shuffle=False, record_every=0)
    chosen["targets"][61] = -2  # its logarithm is not defined
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        expected, _, history = trained("eager", **chosen)
        model, optimizer, found = trained(way, **chosen)
    assert found.stopped.startswith("the loss of iteration 30 is nan")
    assert found.stopped == history.stopped
    assert optimizer.steps == 30
    assert_same(model, expected)


class Branching(nn.Module):
    """A layer that decides by values, as a program cannot."""

    def forward(self, x):
        return x if tg.sum(x) > 0 else 2 * x


class Noisy(nn.Module):
    """A layer that draws its noise where no one can see it."""

    def __init__(self):
        super().__init__()
        self.draw = np.random.default_rng(0)

    def forward(self, x):
        return x + self.draw.normal(size=x.shape)


@pytest.mark.parametrize("layer", [Branching, Noisy])
def test_what_cannot_be_recorded_is_trained_eagerly_and_says_so_once(layer):
    with pytest.warns(UserWarning, match="goes on without a program") as caught:
        model, _, history = trained(
            "eager", model=network(extra=[layer()]), compiled="auto", epochs=12
        )
    assert len(caught) == 1
    assert history.execution.startswith("eager: ")
    assert_same(model, trained("eager", model=network(extra=[layer()]), epochs=12)[0])


@pytest.mark.parametrize("layer", [Branching, Noisy])
def test_a_program_that_was_asked_for_and_cannot_be_is_an_error(layer):
    with pytest.raises(tg.errors.TraceError):
        trained("program", model=network(extra=[layer()]))


def test_masks_are_those_that_eager_training_draws():
    def model():
        return network(extra=[nn.Dropout(0.3, rng=np.random.default_rng(5))])

    assert_same(trained("blocks", model=model())[0], trained("eager", model=model())[0])


@pytest.mark.parametrize("way", WAYS)
def test_ctrl_c_leaves_the_weights_of_the_last_whole_step(way, ctrl_c):
    def interrupt(run):
        if run.iteration == 40:
            os.kill(os.getpid(), signal.SIGINT)

    chosen = dict(record_every=20, callbacks=[interrupt])
    model, optimizer, history = trained(way, **chosen)
    assert history.stopped == f"interrupted by Ctrl-C after iteration {optimizer.steps - 1}"
    whole = Watcher()
    trained("eager", callbacks=[whole])
    np.testing.assert_allclose(
        model.layers[0].weight.data, whole.seen[optimizer.steps - 1][2], rtol=1e-9
    )


def test_training_keeps_no_gradients(rng):
    for way in WAYS:
        assert all(p.grad is None for p in trained(way)[0].parameters())


@pytest.mark.parametrize("batch_size", [1, 3, 8, 64])
@pytest.mark.parametrize("block", [2, 5, 64])
def test_blocks_need_not_divide_an_epoch(batch_size, block):
    chosen = dict(batch_size=batch_size, record_every=13)
    expected = trained("eager", **chosen)[0]
    assert_same(trained("blocks", block=block, **chosen)[0], expected)
