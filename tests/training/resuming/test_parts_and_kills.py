"""Every part of a checkpoint is needed, and a process that is killed goes on."""

import functools
import signal

import numpy as np
import pytest
import safetensors.numpy

from tests import child
from tests.training.resuming.trainings import (
    Averaging,
    Training,
    assert_same_bits,
    cut_and_resumed,
    freezing,
    waiting,
)
from tinygrad_mlp.support import safetensors_file as storage
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
