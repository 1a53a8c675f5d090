"""Several ranks train as one process does, and end together."""

from __future__ import annotations

import os
import signal
import sys

import numpy as np
import pytest

import tinygrad_mlp as tg
from tests.child import PIPE, STDOUT, started
from tests.parallel.conftest import ROOT


def test_one_rank_trains_bit_for_bit_as_without(by_ranks):
    (found,) = by_ranks(1, "parity")
    assert {(case["weights"], case["records"]) for case in found.values()} == {(0.0, 0.0)}


@pytest.mark.parametrize("n, program", [(2, "parity"), (3, "parity"), (3, "options")])
def test_ranks_train_as_one_process_does(by_ranks, n, program):
    found = by_ranks(n, program)
    for name, case in found[0].items():
        bound = 1e-6 if "float32" in name else 1e-12
        assert case["weights"] < bound, name
        assert case["records"] < bound, name
        assert case["stopped"][0] == case["stopped"][1], name
        assert case["execution"].startswith(name.rpartition(", ")[2].replace("pro", "a pro")), name
        assert all(other[name]["bits"] == case["bits"] for other in found), name


def test_all_ranks_end_at_a_loss_that_is_nan_on_one(by_ranks):
    found = by_ranks(3, "nan")
    assert found[0] == found[1] == found[2]
    for stopped, _ in found[0].values():
        assert stopped.startswith("the loss of iteration 4 is nan on rank 2: ")


def test_all_ranks_end_where_one_is_interrupted(by_ranks):
    found = by_ranks(2, "interrupted")
    assert found[0] == found[1]
    assert found[0][0].startswith("interrupted by Ctrl-C after iteration ")


def test_no_interruption_is_lost_or_lets_a_rank_wait(by_ranks):
    found = by_ranks(2, "interrupted_on_hearing")
    assert found[0] == found[1] and len(found[0]) == 24
    for name, (stopped, _) in found[0].items():
        assert stopped.startswith("interrupted by Ctrl-C after iteration "), name


def test_ctrl_c_in_the_terminal_ends_all_ranks_with_the_same_weights(ctrl_c, mpiexec, tmp_path):
    command = [mpiexec, "-n", 2, sys.executable, "-m", "tests.parallel.programs", "endless",
               tmp_path]
    with started(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
                 stdout=PIPE, stderr=STDOUT, text=True) as child:
        assert child.stdout.readline() == "running\n"
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=60)
    first, second = ((tmp_path / f"{rank}.json").read_text() for rank in (0, 1))
    assert first == second and "interrupted by Ctrl-C" in first


@pytest.mark.parametrize("program, told", [
    ("killed", ""), ("error", "OSError: the disk of rank 1 is gone\nRank 1 ends all 3 ranks.")])
def test_no_rank_waits_for_one_that_has_failed(by_ranks, tmp_path, program, told):
    assert told in by_ranks(3, program, fails=True)
    assert not list(tmp_path.glob("*.json"))


def test_training_resumes_by_any_number_of_ranks(by_ranks, tmp_path):
    straight = by_ranks(2, "resumed", EPOCHS="6")[0]
    for path in tmp_path.iterdir():
        path.unlink()
    for n, epochs in ((2, "1"), (3, "3"), (1, "4"), (2, "6")):
        found = by_ranks(n, "resumed", EPOCHS=epochs)
        assert len({rank[2] for rank in found}) == 1
        assert found[0][1] == int(epochs)
    for name, weights in straight[3].items():
        np.testing.assert_allclose(found[0][3][name], weights, rtol=0, atol=1e-12)


def test_the_same_ranks_resume_bit_for_bit(by_ranks, tmp_path):
    straight = by_ranks(2, "resumed", EPOCHS="6")
    (tmp_path / "run.safetensors").unlink()
    by_ranks(2, "resumed", EPOCHS="2")
    assert by_ranks(2, "resumed", EPOCHS="6") == straight


def test_what_ranks_cannot_train_is_refused_on_all_of_them(by_ranks):
    found = by_ranks(2, "refused")
    assert found[0].keys() == found[1].keys()
    first, second = found
    for name, told in {
            "other weights": "Got 0.weight: float64 (3, 36)", "other settings": "Got epochs: 1 on",
            "other data": "Got validation X: float64 (5, 36) on rank 0, float64 (6, 36) on rank 1",
            "drawn data": "Got the first and last rows of X: float64 (16, 36) ",
            "batch normalisation": "cannot train '1', a BatchNorm1d",
            "dropout": "cannot train a model with random numbers"}.items():
        assert told in first[name] and first[name] == second[name]
    assert first["a mistake of one"].startswith("fit: rank 1 cannot begin: ShapeError: ")
    assert second["a mistake of one"].startswith("fit: X and Y must have the same number")
    assert second["a callback that refuses"].startswith("fit: rank 0 cannot begin: ")


def test_ranks_must_come_from_mpi():
    model = tg.nn.Linear(1, 1)
    with pytest.raises(tg.errors.InvalidArgumentError, match=r"ranks must come from tg.parallel"):
        tg.fit(model, tg.nn.squared_error, tg.optim.SGD(model.parameters(), 0.1),
               np.ones((2, 1)), np.ones((2, 1)), epochs=1, ranks=2)


def test_ranks_share_the_cores_unless_they_are_told_otherwise(by_ranks):
    for share, told, used, cores in by_ranks(2, "threads"):
        assert share == max(1, cores // 2)
        assert (told, used) == (2, share)
