"""Every part of a checkpoint is needed, and a process that is killed goes on."""

import contextlib
import functools
import os
import signal

import numpy as np
import pytest

import tinygrad_mlp as tg
from tests import child
from tests.failing_disk import content, disk
from tests.training.resuming.trainings import (
    Averaging,
    Training,
    assert_same_bits,
    cut_and_resumed,
    cutting_at,
    freezing,
    waiting,
)
from tinygrad_mlp.errors import TinygradError, WriteError
from tinygrad_mlp.support import safetensors_file as storage
from tinygrad_mlp.support.files import MARK
from tinygrad_mlp.training.checkpoint import CheckpointWriter
from tinygrad_mlp.training.history import History

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
        }[part]()

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

    resume = CheckpointWriter.resume

    def spoilt(keeper):
        spoil(keeper._stored, make())
        return resume(keeper)

    monkeypatch.setattr(CheckpointWriter, "resume", spoilt)
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
    return child.python("-c", code, *arguments)


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
import numpy as np
import tinygrad_mlp as tg
from tinygrad_mlp.support import files

def flush_half(handle):
    if len(saved) == 2:
        os.truncate(handle, os.fstat(handle).st_size // 2)
        os.kill(os.getpid(), signal.SIGKILL)
    saved.append(handle)

saved = []
files.os.fsync = flush_half
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
    [half] = [name for name in content(tmp_path) if name.startswith(MARK)]
    again = child.python("-c", DYING_WRITER, path)  # two more are written
    assert again.returncode == -signal.SIGKILL and half not in content(tmp_path)
    assert storage.read(path)[1]["checkpoint"]["state"]["steps"]["epochs"] == 4


class Once:
    """A callback that calls a function at the first evaluation of a training."""

    def __init__(self, call):
        self.call = call

    def on_record(self, run):
        if self.call is not None:
            call, self.call = self.call, None
            call(run)


# -- a full disk -----------------------------------------------------------------------------------


@pytest.mark.parametrize("existing", [True, False])
def test_where_a_checkpoint_cannot_be_written_training_goes_on_and_warns_once(tmp_path, existing):
    path = tmp_path / "run"
    if existing:
        Training(epochs=1).run(path)
    checkpoint = tg.Checkpoint(path, 4, "step")
    before = []

    def fill(run):  # when the training has begun
        before.append(content(tmp_path))
        full.enter_context(disk(failing=0))

    with contextlib.ExitStack() as full:
        with pytest.warns(UserWarning, match=f"cannot write {path}: No space left") as told:
            found = Training(epochs=2).run(checkpoint, [Once(fill)]).everything()
    assert len(told) == 1 and isinstance(checkpoint.error, WriteError)
    assert [content(tmp_path)] == before
    assert_same_bits(found, Training(epochs=2).run().everything())


def test_a_checkpoint_that_could_not_be_written_is_tried_again(tmp_path):
    checkpoint = tg.Checkpoint(tmp_path / "run")
    with contextlib.ExitStack() as full, pytest.warns(UserWarning, match="No space left"):
        def fill(run):
            full.enter_context(disk(failing=0))

        def free(run):
            if run.epoch == 1:
                full.close()

        Training().run(checkpoint, [Once(fill), free])
    assert checkpoint.error is None
    assert storage.read(tmp_path / "run")[1]["checkpoint"]["state"]["steps"]["epochs"] == 3


def test_a_checkpoint_that_cannot_be_written_is_found_before_the_first_step(tmp_path):
    for name, what in [("n" * 300, "File name too long"), ("missing/run", "there is no folder"),
                       (".", "it is a folder")]:
        with pytest.raises(TinygradError, match=what):
            Training().run(tmp_path / name, [cutting_at(0)])
    with disk(failing=1), pytest.raises(WriteError, match="run: No space left"):
        Training().run(tmp_path / "run", [cutting_at(0)])
    assert content(tmp_path) == {}


def test_the_checkpoint_stays_in_its_folder_when_the_program_goes_elsewhere(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    Training().run("run", [lambda run: os.chdir(tmp_path / "elsewhere")])
    assert list(content(tmp_path)) == ["run"]
