"""Training that is cut off and goes on from its checkpoint: not a bit differs.

Three trainings are compared: one without a checkpoint, one that writes checkpoints, and one that is
cut off, over and over, and resumed by new objects each time.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import subprocess
import sys
import warnings

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_mlp as tg
from tinygrad_mlp import callbacks, nn, optim, resuming, storage
from tinygrad_mlp.errors import (
    CheckpointError,
    DataError,
    DataNotFoundError,
    InvalidArgumentError,
    StateDictError,
)
from tinygrad_mlp.history import History
from tinygrad_mlp.resuming import Keeper

FEATURES, N = 30, 42
DATA = np.random.default_rng(7)
X, Y = DATA.normal(size=(N, FEATURES)), np.eye(3)[DATA.integers(0, 3, N)]
X_OTHER, Y_OTHER = DATA.normal(size=(11, FEATURES)), np.eye(3)[DATA.integers(0, 3, 11)]

WAYS = {
    "eager": dict(compiled=False),
    "program": dict(compiled=True, block=1),
    "blocks": dict(compiled=True, block=5),
}
OPTIMIZERS = {
    "SGD": lambda p: optim.SGD(p, optim.schedule.inverse_time(10, 5)),
    "momentum": lambda p: optim.SGD(
        p, optim.schedule.cosine(0.1, 0.01, 60, per="step"), momentum=0.9, nesterov=True,
        weight_decay=1e-3,
    ),
    "Adam": lambda p: optim.Adam(p, optim.schedule.linear_warmup(20, 0.01)),
    "AdamW": lambda p: optim.AdamW(p, 0.01),
    "RMSprop": lambda p: optim.RMSprop(p, 0.01, momentum=0.5, centered=True),
}  # fmt: skip


def plain(rng):
    return nn.Sequential(nn.Linear(FEATURES, 20, rng=rng), nn.Tanh(), nn.Linear(20, 3, rng=rng))


def random_and_normalised(rng):
    return nn.Sequential(
        nn.Linear(FEATURES, 20, rng=rng), nn.BatchNorm1d(20), nn.ReLU(), nn.Dropout(0.3, rng=rng),
        nn.Linear(20, 3, rng=rng),
    )  # fmt: skip


class Projected(nn.Module):
    """A network after a fixed projection, whose array lies column by column in memory."""

    def __init__(self, rng):
        self.projection = nn.Buffer(np.asfortranarray(rng.normal(size=(FEATURES, FEATURES)) / 5))
        self.network = plain(rng)

    def forward(self, x):
        return self.network(tg.matmul(x, self.projection))


class Images(nn.Module):
    """The samples as images, and a convolution."""

    def __init__(self, rng):
        self.layers = [nn.Conv2d(1, 2, 3, rng=rng), nn.Linear(24, 3, rng=rng)]

    def forward(self, x):
        z = self.layers[0](tg.reshape(x, shape=(x.shape[0], 1, 5, 6)))
        return self.layers[1](nn.Flatten()(tg.tanh(z)))


MODELS = {
    "plain": plain, "random": random_and_normalised, "projected": Projected, "images": Images
}  # fmt: skip

# (way, model, optimizer, batch size). Of single samples programs and steps round differently, and
# the order in memory matters; batches of 4 leave a smaller one over. Only SGD is done in blocks.
CASES = [
    (way, model, optimizer, batch_size)
    for model, optimizer, batch_size in [
        *[("random", optimizer, 4) for optimizer in OPTIMIZERS],
        ("plain", "momentum", 1),
        ("projected", "SGD", 1),
        ("images", "Adam", 4),
    ]
    for way in WAYS
    if way != "blocks" or optimizer in ("SGD", "momentum")
]


class Cut(BaseException):
    """Training is cut off, in the process."""


class Training:
    """A training made from nothing but its settings, as a program makes it each time it starts."""

    def __init__(self, way="eager", optimizer="SGD", model="random", hooks=(), **chosen):
        self.rng = np.random.default_rng(3)
        made = MODELS.get(model, model)(self.rng)
        self.model = made
        self.optimizer = OPTIMIZERS.get(optimizer, optimizer)(made.parameters())
        self.hooks = [make() for make in hooks]
        self.settings = {
            "epochs": 3, "batch_size": 4, "rng": self.rng, "loss": nn.softmax_cross_entropy,
            "data": (X, Y), "validation": (X_OTHER, Y_OTHER), "record_every": 5, **WAYS[way],
            **chosen,
        }  # fmt: skip

    def run(self, checkpoint=None, extra=()):
        chosen = dict(self.settings)
        X, Y = chosen.pop("data")
        self.history = tg.fit(
            self.model, chosen.pop("loss"), self.optimizer, X, Y, checkpoint=checkpoint,
            callbacks=[*self.hooks, *extra], **chosen,
        )  # fmt: skip
        return self

    def everything(self):
        """All that a training leaves behind, but for times."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.rng.bit_generator.state,
            "records": [tuple(record._replace(seconds=0)) for record in self.history],
            "history": (self.history.stopped, self.history.execution, self.history.settings),
            "callbacks": [hook.state_dict() for hook in self.hooks if hasattr(hook, "state_dict")],
        }


def assert_same_bits(one, other, where=""):
    """That two nested values are the same to the last bit, and lie in memory in the same way."""
    assert type(one) is type(other), where
    if isinstance(one, dict):
        assert list(one) == list(other), where
        for key in one:
            assert_same_bits(one[key], other[key], f"{where}.{key}")
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other), where
        for i, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_same_bits(a, b, f"{where}.{i}")
    elif isinstance(one, np.ndarray):
        for what in ("dtype", "shape", "strides"):
            assert getattr(one, what) == getattr(other, what), f"{where}: {what}"
        assert one.tobytes() == other.tobytes(), where
    else:
        assert repr(one) == repr(other), where


def cutting_at(iteration):
    """A callback that cuts training off at a record, at that iteration or later."""

    def cut(run):
        if run.iteration >= iteration:
            raise Cut

    return cut


def cut_and_resumed(path, cuts, make, every=3, unit="step"):
    """A training that is cut off at each of some iterations, and then goes on to its end."""
    for iteration in cuts:
        with pytest.raises(Cut):
            make().run(tg.Checkpoint(path, every, unit), extra=[cutting_at(iteration)])
    return make().run(tg.Checkpoint(path, every, unit)).everything()


def waiting():
    """A callback with much to remember that never stops training."""
    return callbacks.EarlyStopping(patience=99)


class Averaging:
    """An object of a user's own, not derived from `Callback`, that remembers something."""

    def __init__(self):
        self.mean, self.seen = None, []

    def on_record(self, run):
        weight = run.model.layers[0].weight.data
        self.mean = weight if self.mean is None else 0.9 * self.mean + 0.1 * weight
        self.seen.append(run.iteration)

    def state_dict(self):
        return {"mean": self.mean, "seen": self.seen}

    def load_state_dict(self, stored):
        self.mean, self.seen = stored["mean"], stored["seen"]


# -- the same bits ---------------------------------------------------------------------------------


def test_the_table_of_optimizers_is_complete():
    kinds = {
        kind for kind in vars(optim).values()
        if isinstance(kind, type) and issubclass(kind, optim.Optimizer)
    }  # fmt: skip
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
    assert_same_bits(cut_and_resumed(tmp_path / "cut", [1, 10, 15], make), expected)


@given(data=st.data())
@settings(max_examples=12)
def test_wherever_it_is_cut_off_and_however_often_it_is_written(data, tmp_path_factory):
    draw = data.draw
    model, batch_size = draw(st.sampled_from([("plain", 1), ("plain", 4), ("random", 4)]))
    make = functools.partial(
        Training, draw(st.sampled_from(list(WAYS))), draw(st.sampled_from(list(OPTIMIZERS))),
        model, batch_size=batch_size, record_every=draw(st.sampled_from([None, 1, 4, 7])),
        shuffle=draw(st.booleans()), epochs=2,
    )  # fmt: skip
    checkpoint = tg.Checkpoint(
        tmp_path_factory.mktemp("run") / "run", draw(st.integers(1, 9)),
        draw(st.sampled_from(["step", "epoch"])),
    )  # fmt: skip
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
        )  # fmt: skip
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


def freezing(run):
    """Uses the running averages from some time on."""
    run.model.layers[1].train(run.iteration < 15)


@pytest.mark.parametrize("hook", [switching, freezing])
@pytest.mark.parametrize("way", WAYS)
def test_what_a_callback_has_changed_stays_changed(tmp_path, way, hook):
    make = functools.partial(Training, way, "momentum", hooks=[lambda: hook])
    expected = make().run().everything()
    assert_same_bits(cut_and_resumed(tmp_path / "cut", [5, 20, 25], make, 2), expected)


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


# -- every part of a checkpoint is needed ----------------------------------------------------------


def fresh(part):
    """Replaces a part of a stored state by that of a training that begins."""

    def spoil(state, made):
        state[part] = {
            "model": made.model.state_dict, "optimizer": made.optimizer.state_dict,
            "history": History().state_dict,
            "generators": lambda: [np.random.default_rng(3).bit_generator.state],
            "modes": lambda: dict.fromkeys(state["modes"], True),
            "callbacks": lambda: [hook.state_dict() for hook in made.hooks],
        }[part]()  # fmt: skip

    return spoil


def without_programs(state, made):
    state["steps"]["programs"] = []


def with_another_order(state, made):
    state["steps"]["drawn_from"] = np.random.default_rng(4).bit_generator.state


def at_the_beginning_of_the_epoch(state, made):
    state["steps"]["samples"] = 0


def in_the_usual_order_in_memory(state, made):
    state["model"] = {name: np.ascontiguousarray(a) for name, a in state["model"].items()}


def of_another_iteration(state, made):
    state["run"]["iteration"] = 0


# For each part, how to spoil it, and a training in which that shows.
SPOILT = {
    "model": (fresh("model"), {}),
    "optimizer": (fresh("optimizer"), {}),
    "history": (fresh("history"), {}),
    "generators": (fresh("generators"), {}),
    "callbacks": (fresh("callbacks"), {"hooks": [Averaging]}),
    "modes": (fresh("modes"), {"hooks": [waiting, lambda: freezing]}),
    "programs": (
        without_programs, {"way": "program", "model": "plain", "batch_size": 1, "epochs": 1}
    ),
    "order": (with_another_order, {}),
    "samples": (at_the_beginning_of_the_epoch, {}),
    "memory": (in_the_usual_order_in_memory, {"model": "projected", "batch_size": 1, "epochs": 1}),
    "iteration": (of_another_iteration, {}),
}


@pytest.mark.parametrize("part", SPOILT)
def test_without_a_part_of_the_checkpoint_the_bits_differ(tmp_path, part, monkeypatch):
    spoil, chosen = SPOILT[part]
    make = functools.partial(Training, **{"optimizer": "momentum", "hooks": [waiting], **chosen})
    expected = make().run().everything()
    assert_same_bits(cut_and_resumed(tmp_path / "right", [20], make), expected)

    resume = Keeper.resume

    def spoilt(keeper):
        spoil(keeper._stored, make())
        return resume(keeper)

    monkeypatch.setattr(Keeper, "resume", spoilt)
    found = cut_and_resumed(tmp_path / "spoilt", [20], make)
    with pytest.raises(AssertionError):
        assert_same_bits(found, expected)


# -- killed ----------------------------------------------------------------------------------------

PROGRAM = """
import os, signal, sys
import numpy as np
import tinygrad_mlp as tg
from tinygrad_mlp import nn, optim

def kill(run):
    if run.iteration == 35:
        os.kill(os.getpid(), signal.SIGKILL)

path, result, killed = sys.argv[1:]
rng = np.random.default_rng(0)
X, Y = rng.normal(size=(90, 40)), np.eye(3)[rng.integers(0, 3, 90)]
model = nn.Sequential(nn.Linear(40, 30, rng=rng), nn.Tanh(), nn.Dropout(0.2, rng=rng),
                      nn.Linear(30, 3, rng=rng))
optimizer = optim.SGD(model.parameters(), 0.1, momentum=0.9)
history = tg.fit(
    model, nn.softmax_cross_entropy, optimizer, X, Y, epochs=3, batch_size=4, rng=rng,
    validation=(X[:20], Y[:20]), record_every=5, compiled=True, block=4,
    callbacks=[tg.callbacks.EarlyStopping(patience=50), *[kill] * (killed == "killed")],
    checkpoint=tg.Checkpoint(path, 10, "step"),
)
assert "in blocks of 4 steps" in history.execution
records = np.array([record._replace(seconds=0) for record in history])
states = optimizer.state_dict()["arrays"]
tg.save(result, model)
np.savez(result + ".npz", records=records, **states)
"""


def in_a_process(code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True
    )


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="nothing kills like SIGKILL here")
def test_a_process_that_is_killed_goes_on_bit_for_bit(tmp_path):
    dead = in_a_process(PROGRAM, tmp_path / "run", tmp_path / "none", "killed")
    assert dead.returncode == -signal.SIGKILL and not (tmp_path / "none").exists()
    where = storage.read(tmp_path / "run")[1]["checkpoint"]["state"]["run"]
    assert 0 < where["iteration"] < 35
    for path, result in (("run", "resumed"), ("other", "whole")):
        done = in_a_process(PROGRAM, tmp_path / path, tmp_path / result, "alive")
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "resumed").read_bytes() == (tmp_path / "whole").read_bytes()
    resumed, whole = (np.load(tmp_path / f"{name}.npz") for name in ("resumed", "whole"))
    assert_same_bits({k: resumed[k] for k in resumed}, {k: whole[k] for k in whole})


DYING_WRITER = """
import os, signal, sys
import safetensors.numpy
import numpy as np
import tinygrad_mlp as tg

save_file = safetensors.numpy.save_file

def save_half(arrays, path, facts):
    save_file(arrays, path, facts)
    if len(saved) == 2:
        os.truncate(path, os.path.getsize(path) // 2)
        os.kill(os.getpid(), signal.SIGKILL)
    saved.append(path)

saved = []
safetensors.numpy.save_file = save_half
model = tg.nn.Linear(3, 2, rng=np.random.default_rng(0))
tg.fit(model, tg.nn.squared_error, tg.optim.SGD(model.parameters(), 0.1), np.eye(3),
       np.ones((3, 2)), epochs=5, shuffle=False, checkpoint=sys.argv[1])
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="nothing kills like SIGKILL here")
def test_a_kill_in_the_middle_of_writing_leaves_the_checkpoint_before(tmp_path):
    path = tmp_path / "run"
    assert in_a_process(DYING_WRITER, path).returncode == -signal.SIGKILL
    facts = storage.read(path)[1]
    assert facts["checkpoint"]["state"]["steps"]["epochs"] == 2


def test_a_failure_while_writing_leaves_the_checkpoint_before(tmp_path, monkeypatch):
    path = tmp_path / "run"
    Training().run(path)
    before = path.read_bytes()

    def fail(arrays, target, described):
        raise OSError("no space left on device")

    monkeypatch.setattr(safetensors.numpy, "save_file", fail)
    with pytest.raises(OSError, match="no space left"):
        Training(epochs=4).run(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


# -- how a training ends ---------------------------------------------------------------------------


def test_after_ctrl_c_training_goes_on(tmp_path):
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
    assert "Going on" not in capsys.readouterr().out
    Training(epochs=2, monitor=True).run(path)
    assert f"Going on after iteration 10, from {path}." in capsys.readouterr().out


# -- when checkpoints are written ------------------------------------------------------------------


class Counting(Keeper):
    """Notes where it writes."""

    written: list = []

    def write(self):
        super().write()
        self.written.append(self.run.iteration)


@pytest.fixture
def written(monkeypatch):
    monkeypatch.setattr("tinygrad_mlp.training.Keeper", Counting)
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


# -- what is refused -------------------------------------------------------------------------------


def other_data(of):
    changed = of.copy()
    changed[-1, -1] = np.nextafter(changed[-1, -1], 2)
    return changed


def narrower(rng):
    return nn.Sequential(nn.Linear(FEATURES, 19, rng=rng), nn.Tanh(), nn.Linear(19, 3, rng=rng))


def of_other_functions(rng):
    return nn.Sequential(nn.Linear(FEATURES, 20, rng=rng), nn.ReLU(), nn.Linear(20, 3, rng=rng))


def single(rng):
    return nn.Sequential(
        nn.Linear(FEATURES, 20, rng=rng, dtype=np.float32), nn.Tanh(),
        nn.Linear(20, 3, rng=rng, dtype=np.float32),
    )  # fmt: skip


def dropping(p=0.5, seed=None):
    def make(rng):
        own = rng if seed is None else np.random.default_rng(seed)
        return nn.Sequential(nn.Dropout(p, rng=own), *plain(rng))

    return make


def sgd(**settings):
    return lambda p: optim.SGD(p, **{"lr": 0.1, "momentum": 0.9, **settings})


BASE = dict(optimizer=sgd(), model=dropping(), hooks=[waiting], block=3)
REFUSED = {
    "batch size": (dict(batch_size=5), "batch_size: 4 there, 5 here"),
    "shuffle": (dict(shuffle=False), "shuffle: True there, False here"),
    "compiled": (dict(compiled=True), "compiled: False there, True here"),
    "block": (dict(block=2), "block: 3 there, 2 here"),
    "record_every": (dict(record_every=6), "record_every: 5 there, 6 here"),
    "threads": (dict(threads=2), "threads: None there, 2 here"),
    "loss": (
        dict(loss=nn.squared_error),
        "loss: softmax_cross_entropy there, squared_error here",
    ),
    "optimizer": (
        dict(optimizer=lambda p: optim.Adam(p)), "optimizer: .*'SGD'.* there, .*'Adam'.* here"
    ),
    "learning rate": (dict(optimizer=sgd(lr=0.2)), "optimizer: .*0.1.* there, .*0.2.* here"),
    "schedule": (
        dict(optimizer=sgd(lr=optim.schedule.inverse_time())), "there, .*'inverse_time'.* here"
    ),
    "momentum": (dict(optimizer=sgd(momentum=0.8)), "0.9.* there, .*0.8.* here"),
    "inputs": (dict(data=(other_data(X), Y)), r"X: float64 \(42, 30\) \w+ there, float64"),
    "inputs in another order": (dict(data=(X[::-1], Y)), "X: "),
    "targets": (dict(data=(X, 1 - Y)), "Y: "),
    "fewer samples": (dict(data=(X[1:], Y[1:])), r"X: .*\(42, 30\) .* there, .*\(41, 30\)"),
    "validation data": (dict(validation=(X_OTHER + 1, Y_OTHER)), "validation X: "),
    "no validation": (
        dict(validation=None, hooks=[lambda: callbacks.EarlyStopping(99, monitor="training_loss")]),
        "validation X: float64 .* there, nothing here",
    ),
    "fewer epochs": (dict(epochs=2), "epochs: 3 are done there, 2 are asked for here"),
    "width": (
        dict(model=narrower), r"'0': the file has Dropout.*, this model Linear.*out_features=19"
    ),
    "activation": (dict(model=of_other_functions), r"this model ReLU\(\)"),
    "dropout": (
        dict(model=dropping(0.4)), r"'0': the file has Dropout\(p=0.5\), this model Dropout\(p=0.4"
    ),
    "precision": (dict(model=single), "X: float64 .* there, float32 .* here"),
    "generators": (
        dict(model=dropping(seed=1)),
        r"generators: \[\['order', '0.rng', 'PCG64'\]\] there, \[\['order', 'PCG64'\], \['0.rng'",
    ),
    "kind of generator": (
        dict(rng=np.random.Generator(np.random.MT19937(0))), "generators: .*'MT19937'"
    ),
    "no callback": (dict(hooks=[]), r"callbacks: \['EarlyStopping'\] there, \[\] here"),
    "another callback": (
        dict(hooks=[callbacks.BestWeights]), r"'EarlyStopping'\] there, \['BestWeights'\] here"
    ),
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    path = tmp_path_factory.mktemp("finished") / "run"
    Training(**BASE).run(path)
    return path


@pytest.mark.parametrize("what", REFUSED)
def test_a_checkpoint_of_another_training_is_refused_before_anything_changes(finished, what):
    change, message = REFUSED[what]
    made = Training(**{**BASE, **change})
    made.history = History()
    content, before = finished.read_bytes(), made.everything()
    with pytest.raises(CheckpointError, match=f"(?s)of another training.*{message}") as caught:
        made.run(finished)
    assert str(finished) in str(caught.value)
    assert "Nothing has been changed" in str(caught.value)
    assert_same_bits(made.everything(), before)
    assert finished.read_bytes() == content


def test_the_same_training_is_not_refused(finished):
    Training(**BASE).run(finished)
    Training(**{**BASE, "monitor": lambda record: ""}).run(finished, extra=[lambda run: None])


class Sized(nn.Module):
    """Modules that say the same of themselves, with arrays of other sizes."""

    def __init__(self, n):
        self.weights = [nn.Parameter(np.ones((FEATURES, n))), nn.Parameter(np.ones((n, 3)))]

    def forward(self, x):
        return x @ self.weights[0] @ self.weights[1]


def test_arrays_that_do_not_fit_are_refused(tmp_path):
    Training(model=lambda rng: Sized(4)).run(tmp_path / "run")
    with pytest.raises(CheckpointError, match=r"weights.0: float64 \(30, 4\) there, .*\(30, 5\)"):
        Training(model=lambda rng: Sized(5)).run(tmp_path / "run")


def test_a_callback_that_was_made_otherwise_refuses_and_nothing_else_has_changed(finished):
    made = Training(**{**BASE, "hooks": [lambda: callbacks.EarlyStopping(patience=98)]})
    before = made.model.state_dict(), made.optimizer.state_dict(), made.rng.bit_generator.state
    with pytest.raises(StateDictError, match="patience=99; this one has 98. Make it as it was"):
        made.run(finished)
    after = made.model.state_dict(), made.optimizer.state_dict(), made.rng.bit_generator.state
    assert_same_bits(after, before)


FOREIGN = {
    "a saved model": (lambda path: tg.save(path, plain(np.random.default_rng(0))), CheckpointError),
    "another program's weights": (
        lambda path: safetensors.numpy.save_file({"w": np.ones(3)}, path), CheckpointError
    ),
    "text": (lambda path: path.write_text("epoch,loss\n"), DataError),
    "pickle": (lambda path: path.write_bytes(b"\x80\x04\x95" + bytes(50)), DataError),
    "nothing": (lambda path: path.write_bytes(b""), DataError),
    "a checkpoint without its parts": (
        lambda path: storage.write(path, {}, {"architecture": {}, "checkpoint": {}}, ""), DataError
    ),
    "a checkpoint that is a list": (
        lambda path: storage.write(path, {}, {"checkpoint": [1, 2]}, ""), DataError
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_that_is_no_checkpoint_is_refused_and_stays(tmp_path, name):
    write, error = FOREIGN[name]
    path = tmp_path / "run"
    write(path)
    content, made = path.read_bytes(), Training()
    before = made.model.state_dict()
    with pytest.raises(error, match="run: "):
        made.run(path)
    assert path.read_bytes() == content
    assert_same_bits(made.model.state_dict(), before)


@pytest.mark.parametrize("place", [-1, -1000, 60, 600])
def test_a_damaged_checkpoint_is_refused(tmp_path, finished, place):
    content = bytearray(finished.read_bytes())
    content[place] ^= 4
    (tmp_path / "run").write_bytes(content)
    made = Training(**BASE)
    before = made.model.state_dict()
    with pytest.raises(DataError):
        made.run(tmp_path / "run")
    assert_same_bits(made.model.state_dict(), before)


@pytest.mark.parametrize(
    ("part", "value"),
    [("model", None), ("steps", {}), ("optimizer", []), ("generators", [{}]), ("history", {})],
)
def test_a_checkpoint_with_a_part_that_is_none_is_refused(tmp_path, finished, part, value):
    arrays, facts = storage.read(finished)
    facts["checkpoint"]["state"][part] = value
    storage.write(tmp_path / "run", arrays, facts, "")
    with pytest.raises((DataError, CheckpointError), match="run: "):
        Training(**BASE).run(tmp_path / "run")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((3,), "path must be the path of a file; got int"),
        ((None,), "path must be the path of a file; got NoneType"),
        (("run", 0), "every must be an integer >= 1; got 0"),
        (("run", 1.5), "every must be an integer"),
        (("run", 1, "hour"), "unit must be one of 'epoch', 'step', 'second'; got 'hour'"),
    ],
)
def test_impossible_checkpoints_are_refused(arguments, message):
    with pytest.raises(InvalidArgumentError, match=message):
        tg.Checkpoint(*arguments)


def test_places_where_no_file_can_be_are_refused_before_training(tmp_path):
    made = Training()
    before = made.model.state_dict()
    with pytest.raises(DataNotFoundError, match="there is no folder .*runs"):
        made.run(tmp_path / "runs" / "run")
    with pytest.raises(InvalidArgumentError, match="it is a folder"):
        made.run(tmp_path)
    with pytest.raises(InvalidArgumentError, match="path must be the path of a file; got bool"):
        made.run(True)
    assert_same_bits(made.model.state_dict(), before)


class OwnOptimizer:
    """Plain gradient descent, by hand, of which nothing can be stored."""

    def __init__(self, parameters):
        self.parameters = list(parameters)

    def step(self):
        for p in self.parameters:
            p.data = p.data - 0.1 * p.grad

    def zero_grad(self):
        for p in self.parameters:
            p.grad = None


def test_an_optimizer_whose_state_cannot_be_asked_for_is_refused(tmp_path):
    with pytest.raises(InvalidArgumentError, match="OwnOptimizer has no state_dict"):
        Training(optimizer=OwnOptimizer).run(tmp_path / "run")


class Storable(OwnOptimizer):
    """The same with a velocity, kept in its own way."""

    def __init__(self, parameters):
        super().__init__(parameters)
        self.velocity = {i: np.zeros(p.shape) for i, p in enumerate(self.parameters)}

    def step(self):
        for i, p in enumerate(self.parameters):
            self.velocity[i] = 0.5 * self.velocity[i] + p.grad
            p.data = p.data - 0.1 * self.velocity[i]

    def state_dict(self):
        return {"velocity": dict(self.velocity), "kind": (1, None, float("inf"))}

    def load_state_dict(self, stored):
        assert stored["kind"] == (1, None, float("inf"))
        self.velocity = stored["velocity"]


def test_an_optimizer_of_ones_own_goes_on(tmp_path):
    make = functools.partial(Training, optimizer=Storable)
    expected = make().run().everything()
    assert_same_bits(cut_and_resumed(tmp_path / "cut", [15], make), expected)


# -- callbacks -------------------------------------------------------------------------------------


def looking():
    return callbacks.Distributions(nn.softmax_cross_entropy, X_OTHER, Y_OTHER, values=7)


HOOKS = {
    "BestWeights": callbacks.BestWeights,
    "EarlyStopping": waiting,
    "Distributions": looking,
    "one's own": Averaging,
}


def test_every_callback_of_the_package_is_tried():
    kinds = {
        name for name, kind in vars(callbacks).items()
        if isinstance(kind, type) and hasattr(kind, "on_start")
    }  # fmt: skip
    assert kinds - {"Callback", "FunctionCallback", "ObjectCallback"} == set(HOOKS) - {"one's own"}


@pytest.mark.parametrize("name", HOOKS)
def test_callbacks_remember_what_they_knew(tmp_path, name):
    make = functools.partial(Training, hooks=[HOOKS[name]])
    expected = make().run().everything()
    assert_same_bits(cut_and_resumed(tmp_path / "cut", [5, 15], make), expected)


def test_a_state_that_cannot_be_stored_is_named(tmp_path):
    class Odd(Averaging):
        def state_dict(self):
            return {"when": {1, 2}}

    with pytest.raises(InvalidArgumentError, match="cannot be stored: 'callbacks.0.when' must be"):
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
