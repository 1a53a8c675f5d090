"""How a training ends, when checkpoints are written, and what is in the file."""

import functools
import json
import os
import signal
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

import tinygrad_mlp as tg
from tests.training.resuming.trainings import (
    WAYS,
    X_OTHER,
    Y_OTHER,
    Averaging,
    Cut,
    Training,
    X,
    Y,
    assert_same_bits,
    cut_and_resumed,
    cutting_at,
    of_other_functions,
    plain,
    random_and_normalised,
    waiting,
)
from tinygrad_mlp import nn
from tinygrad_mlp.errors import (
    InvalidArgumentError,
)
from tinygrad_mlp.support import safetensors_file as storage
from tinygrad_mlp.training import callbacks
from tinygrad_mlp.training import checkpoint as resuming
from tinygrad_mlp.training.checkpoint import CheckpointWriter

# -- how a training ends ---------------------------------------------------------------------------


def test_after_ctrl_c_training_goes_on(tmp_path, ctrl_c):
    def interrupt(run):
        if run.iteration == 15:
            os.kill(os.getpid(), signal.SIGINT)

    expected = Training().run().everything()
    stopped = Training().run(tmp_path / "run", extra=[interrupt])
    assert stopped.history.stopped.startswith("interrupted by Ctrl-C")
    assert_same_bits(Training().run(tmp_path / "run").everything(), expected)


def test_a_training_that_is_done_is_given_back_as_it_was(tmp_path):
    hooks = [callbacks.BestWeights]
    expected = Training(hooks=hooks).run(tmp_path / "run").everything()
    content = (tmp_path / "run").read_bytes()
    assert_same_bits(Training(hooks=hooks).run(tmp_path / "run").everything(), expected)
    assert (tmp_path / "run").read_bytes() == content


@pytest.mark.parametrize("way", WAYS)
def test_a_training_that_is_done_goes_on_for_more_epochs(tmp_path, way):
    # The best weights are put back at the end of each part, and do not disturb the next.
    make = functools.partial(Training, way, "Adam", hooks=[callbacks.BestWeights])
    expected = make(epochs=4).run().everything()
    for epochs in (1, 3):
        make(epochs=epochs).run(tmp_path / "run")
    assert_same_bits(make(epochs=4).run(tmp_path / "run").everything(), expected)


def impatient():
    return callbacks.EarlyStopping(patience=2, monitor="training_loss", min_delta=0.3)


@pytest.mark.parametrize("cuts", [[], [5], [0, 5]])
def test_early_stopping_stops_where_it_would_have_and_stays_stopped(tmp_path, cuts):
    make = functools.partial(Training, hooks=[impatient])
    expected = make().run().everything()
    assert "has not improved for 2 evaluations" in expected["history"][0]
    assert expected["records"][-1][0] > max(cuts, default=0)
    assert_same_bits(cut_and_resumed(tmp_path / "run", cuts, make, 1), expected)
    # Not a step more, whatever is asked for.
    later = make(epochs=9).run(tmp_path / "run").everything()
    assert_same_bits(later["model"], expected["model"])
    assert later["records"] == expected["records"]


def test_after_a_divergence_the_last_checkpoint_is_one_that_can_go_on(tmp_path):
    def loss(prediction, target):
        return nn.squared_error(prediction, target) + tg.sum(tg.log(target + 1))

    bad = Y.copy()
    bad[25] = -2  # its logarithm is not defined
    make = functools.partial(Training, loss=loss, data=(X, bad), shuffle=False, record_every=0)
    found = []
    for checkpoint in (None, tg.Checkpoint(tmp_path / "run", 4, "step"), tmp_path / "run"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            found.append(make().run(checkpoint).everything())
        assert found[-1]["history"][0].startswith("the loss of iteration 6 is nan")
        if checkpoint is not None:
            state = storage.read(tmp_path / "run")[1]["checkpoint"]["state"]
            assert state["run"]["iteration"] == 3
    for other in found[1:]:
        assert_same_bits(other, found[0])


def test_times_go_on_where_they_were_without_the_pause(tmp_path, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])

    def tick(run):
        now[0] += 1

    with pytest.raises(Cut):
        Training().run(tg.Checkpoint(tmp_path / "run", 1, "step"), [tick, cutting_at(15)])
    now[0] = 5000.0
    history = Training().run(tmp_path / "run", [tick]).history
    assert history.seconds == list(range(len(history)))


def test_what_is_printed_says_where_training_goes_on(tmp_path, capsys):
    path = tmp_path / "run"
    Training(epochs=1, monitor=True).run(path)
    assert "Resuming" not in capsys.readouterr().out
    Training(epochs=2, monitor=True).run(path)
    assert f"Resuming after iteration 10, from {path}." in capsys.readouterr().out


# -- when checkpoints are written ------------------------------------------------------------------


class Counting(CheckpointWriter):
    """Notes where it writes."""

    written: list = []

    def write(self):
        super().write()
        self.written.append(self.run.iteration)


@pytest.fixture
def written(monkeypatch):
    monkeypatch.setattr("tinygrad_mlp.training.fit.CheckpointWriter", Counting)
    monkeypatch.setattr(Counting, "written", [])
    return lambda: Counting.written


@pytest.mark.parametrize(
    ("every", "unit", "expected"),
    [
        (1, "epoch", [10, 21, 32]),
        (2, "epoch", [21, 32]),
        (5, "epoch", [32]),
        (12, "step", [11, 23, 32]),
        (11, "step", [10, 21, 32]),
        (100, "step", [32]),
        (1, "step", list(range(33))),
    ],
)
def test_checkpoints_are_written_as_often_as_asked_for_and_at_the_end(
    tmp_path, written, every, unit, expected
):
    Training().run(tg.Checkpoint(tmp_path / "run", every, unit))
    assert written() == expected


def test_checkpoints_by_time(tmp_path, written, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])

    def tick(run):
        now[0] += 4

    Training().run(tg.Checkpoint(tmp_path / "run", 10, "second"), [tick])
    assert written() == [10, 25, 32]  # a record, and with it a tick, each five iterations


def test_a_checkpoint_cuts_no_block_short(tmp_path, written):
    chosen = dict(way="blocks", optimizer="SGD", model="plain", record_every=None)
    expected = Training(**chosen).run().everything()
    found = Training(**chosen).run(tg.Checkpoint(tmp_path / "run", 2, "step")).everything()
    assert_same_bits(found, expected)
    # Two steps are recorded; then there are blocks of five, and what is left of the epoch.
    assert written() == [1, 6, 9, 15, 20, 26, 31, 32]


# -- callbacks -------------------------------------------------------------------------------------


def looking():
    return callbacks.Distributions(nn.softmax_cross_entropy, X_OTHER, Y_OTHER, values=7)


HOOKS = {
    "BestWeights": callbacks.BestWeights,
    "ClipGradients": lambda: callbacks.ClipGradients(0.5),
    "EarlyStopping": waiting,
    "Distributions": looking,
    "LivePlot": lambda: callbacks.LivePlot(Path(tempfile.mkdtemp()) / "curves.png", seconds=60),
    "one's own": Averaging,
}


def test_every_callback_of_the_package_is_tried():
    kinds = {
        name for name, kind in vars(callbacks).items()
        if isinstance(kind, type) and hasattr(kind, "on_start")
    }
    assert kinds - {"Callback", "AdaptedCallback"} == set(HOOKS) - {"one's own"}


@pytest.mark.parametrize("name", HOOKS)
def test_callbacks_remember_what_they_knew(tmp_path, name):
    make = functools.partial(Training, hooks=[HOOKS[name]])
    expected = make().run().everything()
    assert_same_bits(cut_and_resumed(tmp_path / "cut", [5, 15], make), expected)


def test_a_state_that_cannot_be_stored_is_named(tmp_path):
    class Odd(Averaging):
        def state_dict(self):
            return {"when": {1, 2}}

    with pytest.raises(InvalidArgumentError, match="cannot be stored: 'callbacks.0.when' must"):
        Training(hooks=[Odd]).run(tmp_path / "run")


# -- what is in the file ---------------------------------------------------------------------------


def test_the_weights_of_a_checkpoint_can_be_loaded(tmp_path):
    made = Training().run(tmp_path / "run")
    model = random_and_normalised(np.random.default_rng(99))
    tg.load(tmp_path / "run", model)
    assert_same_bits(model.state_dict(), made.model.state_dict())


def test_other_programs_read_the_arrays_and_every_json_reader_the_rest(tmp_path):
    Training(hooks=[callbacks.BestWeights], optimizer="Adam").run(tmp_path / "run")
    arrays = safetensors.numpy.load_file(tmp_path / "run")
    assert {"model.0.weight", "optimizer.arrays.0.m", "callbacks.0.weights.0.weight"} <= set(arrays)
    with safetensors.safe_open(tmp_path / "run", "numpy") as file:
        text = file.metadata()["tinygrad_mlp"]

    def no_constant(name):
        raise AssertionError(f"{name} is no JSON")

    facts = json.loads(text, parse_constant=no_constant)
    assert facts["checkpoint"]["settings"]["batch_size"] == 4
    assert facts["architecture"]["3"] == "Dropout(p=0.3)"


def test_equal_states_make_equal_files(tmp_path, monkeypatch):
    monkeypatch.setattr("time.perf_counter", lambda: 0.0)
    for name in ("one", "other"):
        Training().run(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_warnings_of_loading_are_for_other_models_only(tmp_path):
    Training(model="plain").run(tmp_path / "run")
    with pytest.warns(UserWarning, match=r"the file has Tanh\(\), this model ReLU\(\)"):
        tg.load(tmp_path / "run", of_other_functions(np.random.default_rng(0)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tg.load(tmp_path / "run", plain(np.random.default_rng(0)))


def test_units_and_settings_that_are_free_are_few():
    assert resuming.UNITS == ("epoch", "step", "second") and resuming.FREE == ("epochs",)
