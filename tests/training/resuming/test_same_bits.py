"""Training that is cut off and goes on from its checkpoint: not a bit differs.

Three trainings are compared: one without a checkpoint, one that writes checkpoints, and one that is
cut off, over and over, and resumed by new objects each time.
"""

import contextlib
import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_mlp as tg
from tests.campaigns import chosen, thorough
from tests.training.resuming.trainings import (
    CASES,
    FEATURES,
    OPTIMIZERS,
    WAYS,
    Cut,
    N,
    Training,
    X,
    Y,
    assert_same_bits,
    cut_and_resumed,
    cutting_at,
    freezing,
    plain,
    waiting,
)
from tinygrad_mlp import nn, optim
from tinygrad_mlp.support import safetensors_file as storage

# -- the same bits ---------------------------------------------------------------------------------


def test_the_table_of_optimizers_is_complete():
    kinds = {
        kind for kind in vars(optim).values()
        if isinstance(kind, type) and issubclass(kind, optim.Optimizer)
    }
    layer = nn.Linear(2, 1)
    made = {type(make(layer.parameters())) for make in OPTIMIZERS.values()}
    assert made == kinds - {optim.Optimizer}


@pytest.mark.parametrize(("way", "model", "optimizer", "batch_size"), CASES)
def test_a_training_that_is_cut_off_gives_the_bits_of_one_that_is_not(
    tmp_path, way, model, optimizer, batch_size
):
    make = functools.partial(
        Training, way, optimizer, model, batch_size=batch_size, hooks=[waiting], epochs=2
    )
    expected = make().run().everything()
    with_checkpoints = make().run(tg.Checkpoint(tmp_path / "whole", 7, "step"))
    assert_same_bits(with_checkpoints.everything(), expected)
    cuts = [1, 10, 15] if thorough() else [10]
    assert_same_bits(cut_and_resumed(tmp_path / "cut", cuts, make), expected)


def clipping():
    return tg.callbacks.ClipGradients(0.5)


@given(data=st.data())
@settings(max_examples=chosen(6, 100))
def test_wherever_it_is_cut_off_and_however_often_it_is_written(data, tmp_path_factory):
    draw = data.draw
    model, batch_size = draw(st.sampled_from([("plain", 1), ("plain", 4), ("random", 4)]))
    make = functools.partial(
        Training, draw(st.sampled_from(list(WAYS))), draw(st.sampled_from(list(OPTIMIZERS))),
        model, batch_size=batch_size, record_every=draw(st.sampled_from([None, 1, 4, 7])),
        shuffle=draw(st.booleans()), epochs=2, accumulate=draw(st.sampled_from([1, 1, 3])),
        hooks=draw(st.sampled_from([(), (clipping,)])),
    )
    checkpoint = tg.Checkpoint(
        tmp_path_factory.mktemp("run") / "run", draw(st.integers(1, 9)),
        draw(st.sampled_from(["step", "epoch"])),
    )
    expected = make().run().everything()
    for iteration in draw(st.lists(st.integers(0, 2 * N // batch_size), max_size=4)):
        with contextlib.suppress(Cut):  # or it was done already
            make().run(checkpoint, extra=[cutting_at(iteration)])
    assert_same_bits(make().run(checkpoint).everything(), expected)


@pytest.mark.parametrize("way", WAYS)
def test_between_epochs_training_goes_on_from_the_last_whole_one(tmp_path, way):
    make = functools.partial(Training, way, "Adam", record_every=None)
    expected = make().run().everything()
    assert_same_bits(cut_and_resumed(tmp_path / "cut", [12, 24], make, 1, "epoch"), expected)


def test_a_program_that_pays_off_late_is_there_again_when_training_goes_on(tmp_path):
    make = functools.partial(Training, compiled="auto", model="plain", batch_size=1, epochs=5)
    expected = make().run().everything()
    assert expected["history"][1] == "a program"
    assert_same_bits(cut_and_resumed(tmp_path / "cut", [1, 100], make, 10), expected)


def test_samples_in_the_given_order_and_no_evaluations(tmp_path):
    make = functools.partial(Training, shuffle=False, validation=None, record_every=0)
    expected = make().run().everything()
    path = tmp_path / "cut"
    with pytest.raises(Cut):
        make().run(tg.Checkpoint(path, 2), extra=[Cutting()])
    assert storage.read(path)[1]["checkpoint"]["state"]["steps"]["epochs"] == 2
    assert_same_bits(make().run(path).everything(), expected)


class Cutting:
    """Cuts training off after its last epoch, before it ends."""

    def on_epoch(self, run):
        if run.epoch == 2:
            raise Cut


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_document_network_goes_on_bit_for_bit(tmp_path, dtype):
    def network():
        made = tg.NeuralNetwork(
            [FEATURES, 5, 3], monitor=lambda record: "", plot=False, seed=0, shuffle=True,
            sigma=0.5, dtype=dtype,
        )
        made.n_save = 10
        return made

    expected, found = network(), network()
    expected.train(X, Y, epochs=3, block=4)
    with pytest.raises(Cut):
        network().train(
            X, Y, 3, block=4, checkpoint=tmp_path / "run", callbacks=[cutting_at(60)]
        )
    found.train(X, Y, epochs=3, block=4, checkpoint=tmp_path / "run")
    assert_same_bits(found.model.state_dict(), expected.model.state_dict())
    assert found.training_loss == expected.training_loss
    assert found.training_accuracy == expected.training_accuracy


@pytest.mark.parametrize("kind", ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"])
def test_generators_of_every_kind_go_on(tmp_path, kind):
    def make():
        made = Training()
        made.rng = made.settings["rng"] = np.random.Generator(getattr(np.random, kind)(5))
        made.rng.integers(10, dtype=np.uint32)  # half of 64 bits is kept for the next draw
        return made

    expected = make().run().everything()
    assert_same_bits(cut_and_resumed(tmp_path / "cut", [10], make), expected)


def test_unseeded_orders_go_on_as_they_were_drawn(tmp_path):
    # The orders cannot be repeated, but the generator's state is in the file: two trainings that go
    # on from it are the same.
    path = tmp_path / "cut"
    with pytest.raises(Cut):
        Training(rng=None).run(tg.Checkpoint(path, 3, "step"), extra=[cutting_at(15)])
    content = path.read_bytes()
    one = Training(rng=None).run(path)
    path.write_bytes(content)
    other = Training(rng=None).run(path)
    assert_same_bits(one.everything(), other.everything())


def switching(run):
    """Changes between two settings of the optimizer, for each of which there is a program."""
    run.optimizer.hyperparameters["weight_decay"] = 0.1 * (run.iteration // 10 % 2)



@pytest.mark.parametrize("hook", [switching, freezing])
@pytest.mark.parametrize("way", WAYS)
def test_what_a_callback_has_changed_stays_changed(tmp_path, way, hook):
    make = functools.partial(Training, way, "momentum", hooks=[lambda: hook])
    expected = make().run().everything()
    cuts = [5, 20, 25] if thorough() else [20]
    assert_same_bits(cut_and_resumed(tmp_path / "cut", cuts, make, 2), expected)


class Noisy(nn.Module):
    """Draws its noise where no operation sees it, so that there can be no program."""

    def __init__(self, rng):
        self.inner, self.draws = plain(rng), [rng, np.random.default_rng(8)]

    def forward(self, x):
        return self.inner(x + 0.1 * sum(draw.normal(size=x.shape) for draw in self.draws))


def test_a_step_that_could_not_be_recorded_is_not_tried_again(tmp_path):
    make = functools.partial(Training, model=Noisy, compiled="auto", epochs=20, rng=None)

    def tried():
        with pytest.warns(UserWarning, match="goes on without a program"):
            return make().run(tg.Checkpoint(path, 5, "step"), extra=[cutting_at(15)])

    path = tmp_path / "cut"
    with pytest.raises(Cut):
        tried()
    execution = make().run(path).history.execution
    assert execution.startswith("eager: ")


class Weighted:
    """A loss with a parameter of its own, which the optimizer trains, too."""

    def __init__(self):
        self.scale = nn.Parameter(np.array(0.5))

    def __call__(self, prediction, target):
        return nn.softmax_cross_entropy(self.scale * prediction, target)


def test_parameters_that_are_not_in_the_model_go_on_too(tmp_path):
    def make():
        made = Training(loss=Weighted(), way="program")
        made.optimizer = optim.Adam([*made.model.parameters(), made.settings["loss"].scale], 0.01)
        return made

    def scale(training):
        return training.settings["loss"].scale.data

    expected = make().run()
    with pytest.raises(Cut):
        make().run(tg.Checkpoint(tmp_path / "cut", 3, "step"), extra=[cutting_at(20)])
    found = make().run(tmp_path / "cut")
    assert_same_bits(found.everything(), expected.everything())
    assert_same_bits(scale(found), scale(expected))


def test_a_learning_rate_that_is_a_function_is_taken_from_the_program(tmp_path):
    make = functools.partial(Training, optimizer=lambda p: optim.SGD(p, lambda k: 0.1 / (1 + k)))
    expected = make().run().everything()
    assert_same_bits(cut_and_resumed(tmp_path / "cut", [15], make), expected)
