"""``mpiexec tinygrad-mlp train --mpi``: one process prints and writes, all of them train."""

from __future__ import annotations

import json
import os
import signal
import sys

import pytest

from tests.child import PIPE, started
from tests.parallel.conftest import ROOT, by_mpi

TRAIN = ("train", "digits", "--epochs", "2", "--batch-size", "64", "--hidden", "8")


@pytest.fixture
def command(mpiexec):
    return lambda n, *words: by_mpi(mpiexec, n, "tinygrad_mlp", *words)


def test_two_processes_print_and_write_what_one_does(command, tmp_path):
    shown = {}
    for n in (1, 2):
        files = ["--save", tmp_path / "a.safetensors", "--history", tmp_path / f"{n}.csv"]
        done = command(n, *TRAIN, *files, "--mpi", "--json")
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("Final validation accuracy") == 1
        shown[n] = json.loads(done.stdout)
    one, two = shown[1], shown[2]
    assert (one["training"].pop("ranks"), two["training"].pop("ranks")) == (1, 2)
    assert one["training"] == two["training"] and len(one["history"]) == len(two["history"])
    assert two["final"]["validation_loss"] == pytest.approx(one["final"]["validation_loss"], 1e-9)
    rows = [len((tmp_path / f"{n}.csv").read_text().splitlines()) for n in (1, 2)]
    assert rows[0] == rows[1]


def test_a_mistake_is_told_once_and_ends_all_processes(command, tmp_path):
    done = command(2, *TRAIN, "--mpi", "--save", tmp_path / "nowhere" / "a.safetensors")
    assert done.returncode == 2
    assert done.stderr.count("Error: --save: cannot write") == 1
    assert done.stderr.count("Error") == 1 and done.stdout == ""


def test_ctrl_c_ends_all_processes_and_the_files_are_written(ctrl_c, mpiexec, tmp_path):
    model = tmp_path / "model.safetensors"
    words = ["train", "digits", "--epochs", "100000", "--batch-size", "64", "--hidden", "8",
             "--monitor-every", "100", "--save", model, "--mpi"]
    command = [mpiexec, "-n", 2, sys.executable, "-u", "-m", "tinygrad_mlp", *words]
    with started(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
                 stdout=PIPE, text=True) as child:
        for line in iter(child.stdout.readline, ""):
            if line.split()[:1] == ["100"]:  # a row of the table
                child.send_signal(signal.SIGINT)
                break
        rest, _ = child.communicate(timeout=60)
    assert "Training ended early: interrupted by Ctrl-C after iteration" in rest
    assert model.exists()
