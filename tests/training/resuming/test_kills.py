"""A campaign of kills: SIGKILL at any moment costs nothing but the steps since the checkpoint."""

import random
import signal
import sys
import threading

import pytest

from tests import child
from tests.campaigns import chosen
from tests.failing_disk import content
from tinygrad_mlp.support import safetensors_file as storage
from tinygrad_mlp.support.files import MARK, check_writable

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="nothing kills like it here")

KILLS_BY_MOMENT, KILLS_BY_CALL = chosen(0, 100), chosen(1, 100)

TRAINING = """
import os, signal, sys, types
import numpy as np
import tinygrad_mlp as tg
from tinygrad_mlp import nn, optim
from tinygrad_mlp.support import files

checkpoint, result, kill_at = sys.argv[1], sys.argv[2], int(sys.argv[3])
calls = 0

def counted(call):
    def run(*arguments, **options):
        global calls
        calls += 1
        if calls == kill_at:
            original["kill"](os.getpid(), signal.SIGKILL)
        return call(*arguments, **options)
    return run

original = dict(vars(os))
files.os = types.SimpleNamespace(**{
    **original, **{name: counted(original[name]) for name in ("open", "fsync", "replace")}})
rng = np.random.default_rng(0)
X, Y = rng.normal(size=(60, 20)), np.eye(3)[rng.integers(0, 3, 60)]
model = nn.Sequential(nn.Linear(20, 15, rng=rng), nn.BatchNorm1d(15), nn.Tanh(),
                      nn.Dropout(0.2, rng=rng), nn.Linear(15, 3, rng=rng))
sgd = optim.SGD(model.parameters(), optim.schedule.inverse_time(10, 5), momentum=0.9)
print("begun", flush=True)
history = tg.fit(model, nn.softmax_cross_entropy, sgd, X, Y, epochs=8, batch_size=4, rng=rng,
                 validation=(X[:9], Y[:9]), record_every=7,
                 callbacks=[tg.callbacks.EarlyStopping(patience=99)],
                 checkpoint=tg.Checkpoint(checkpoint, 2, "step"))
tg.save(result, model)
np.savez(result + ".npz", records=[record._replace(seconds=0)[:6] for record in history],
         **sgd.state_dict()["arrays"])
"""
CALLS = 3 * 60 + 1
"""The calls that a whole training makes while it writes its checkpoints."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What a training leaves behind that nobody has killed."""
    folder = tmp_path_factory.mktemp("whole")
    run(folder)
    return result_of(folder)


def run(folder, kill_at=0, after=None):
    """Train in a process; kill it at its n-th call while writing, or after some seconds."""
    words = [sys.executable, "-c", TRAINING, folder / "run", folder / "model", kill_at]
    with child.started(words, stdout=child.PIPE) as running:
        assert running.stdout.read(5) == b"begun"
        if after is not None:
            timer = threading.Timer(after, running.kill)
            timer.start()
        code = running.wait()
        running.stdout.close()
        if after is not None:
            timer.cancel()
            timer.join()
    assert code in (0, -signal.SIGKILL)
    return code


def result_of(folder):
    """The files of a folder that do not depend on time."""
    return {name: data for name, data in content(folder).items() if name != "run"}


def checkpoint_is_whole(folder):
    """That the checkpoint is not there, or can be read to its last bit."""
    if (folder / "run").exists():
        storage.read(folder / "run")  # raises an error for a wrong checksum


def kills():
    """For each kill, at which call or after which part of the training's time it comes."""
    generator = random.Random(0)
    calls = [generator.randrange(2, CALLS) for _ in range(KILLS_BY_CALL)]
    return [*(("call", at) for at in calls),
            *(("moment", generator.uniform(0, 0.5)) for _ in range(KILLS_BY_MOMENT))]


@pytest.mark.parametrize(("kind", "when"), kills())
def test_a_killed_training_goes_on_to_the_same_bits_and_leaves_no_other_file(
    tmp_path, whole, kind, when
):
    at = {"kill_at": when} if kind == "call" else {"after": when}
    code = run(tmp_path, **at)
    assert code == -signal.SIGKILL or kind == "moment"
    checkpoint_is_whole(tmp_path)
    abandoned = [name for name in content(tmp_path) if name.startswith(MARK)]
    assert len(abandoned) <= 1
    code = run(tmp_path)
    assert code == 0
    assert result_of(tmp_path) == whole
    assert sorted(content(tmp_path)) == ["model", "model.npz", "run"]


@pytest.mark.thorough
def test_many_kills_of_one_training_cost_nothing_either(tmp_path, whole):
    generator, codes = random.Random(1), []
    for _ in range(20):
        codes.append(run(tmp_path, kill_at=generator.randrange(5, 60)))
        checkpoint_is_whole(tmp_path)
    run(tmp_path)
    assert -signal.SIGKILL in codes and result_of(tmp_path) == whole
    check_writable(tmp_path / "other")
    assert sorted(content(tmp_path)) == ["model", "model.npz", "run"]
