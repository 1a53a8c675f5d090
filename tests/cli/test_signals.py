"""Ctrl-C and other signals that end a command: no traceback, the right code, no lost file."""

import json
import os
import random
import signal
import sys
import threading

import pytest

from tests import child
from tests.campaigns import thorough
from tests.failing_disk import content
from tinygrad_mlp.cli import check_operations, experiment, process
from tinygrad_mlp.support.files import MARK
from tinygrad_mlp.support.signals import ENDING
from tinygrad_mlp.training.history import History

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals differ there")
NAMES = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM", signal.SIGHUP: "SIGHUP"}
EACH = pytest.mark.parametrize("number", NAMES, ids=NAMES.get)


@pytest.fixture
def as_program(monkeypatch, ctrl_c):
    """The signals are handled as in the program itself."""
    # Under nohup, or in the background, the tests inherit some as ignored.
    before = {n: signal.signal(n, signal.SIG_DFL) for n in ENDING if n != signal.SIGINT}
    for name, value in vars(process.State).items():
        if not name.startswith("_"):
            monkeypatch.setattr(process.State, name, value)
    process._take_over_signals(lambda *told: pytest.fail("the process would have ended"))
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def send(monkeypatch, as_program):
    """``send(numbers, owner, name)``: the signals come when that function is called next."""
    def arrange(numbers, owner, name):
        original, left = getattr(owner, name), list(numbers)

        def call(*arguments, **options):
            if left:
                os.kill(os.getpid(), left.pop(0))
            return original(*arguments, **options)

        monkeypatch.setattr(owner, name, call)

    return arrange


@EACH
def test_training_ends_after_the_step_and_the_files_are_written(
    run, mat, quick, tmp_path, send, number
):
    send([number], experiment, "record_line")
    files = ["--save", tmp_path / "a", "--history", tmp_path / "b", "--checkpoint", tmp_path / "c"]
    result = run("train", mat, *quick, *files)
    assert result.code == 128 + number and result.err == ""
    reason = f"interrupted by {NAMES[number]} after iteration 0."
    assert f"Training ended early: {reason}" in result.out
    assert all((tmp_path / name).exists() for name in "abc")
    assert "Resuming after iteration 0" in run("train", mat, *quick, *files).out


@EACH
def test_the_json_says_so(run, mat, quick, tmp_path, send, number):
    send([number], experiment, "record_line")
    result = run("train", mat, *quick, "--json", "--save", tmp_path / "a")
    told = json.loads(result.out)
    assert told["exit_code"] == result.code == 128 + number
    assert told["stopped"].startswith(f"interrupted by {NAMES[number]}")
    assert told["files"] == [str(tmp_path / "a")]


def test_a_signal_between_training_and_writing_loses_no_file(run, mat, quick, tmp_path, send):
    send([signal.SIGTERM], experiment, "is_interruption")
    result = run("train", mat, *quick, "--save", tmp_path / "a", "--history", tmp_path / "b")
    assert (result.code, result.err) == (0, "")
    assert (tmp_path / "a").exists() and (tmp_path / "b").exists()


def test_a_signal_between_two_trainings_ends_the_second(run, mat, quick, tmp_path, send):
    send([signal.SIGINT], experiment, "is_interruption")
    result = run("compare", mat, *quick, "--plot", tmp_path / "a.png")
    assert result.code == 130 and result.out.count("after iteration") == 1
    assert "Training ended early: interrupted by Ctrl-C after iteration 0." in result.out
    assert (tmp_path / "a.png").exists()


def test_an_impatient_second_ctrl_c_loses_no_file(run, mat, quick, tmp_path, send):
    send([signal.SIGINT], experiment, "record_line")
    send([signal.SIGINT], experiment.FinalRecord, "on_end")
    result = run("train", mat, *quick, "--save", tmp_path / "a")
    assert result.code == 130 and (tmp_path / "a").exists()
    assert "Final validation accuracy" in result.out


@EACH
def test_while_files_are_written_only_the_present_one_is_given_up(
    run, mat, quick, tmp_path, send, number
):
    send([number], History, "to_csv")
    (tmp_path / "b.csv").write_text("old")
    result = run("train", mat, *quick, "--save", tmp_path / "a", "--history", tmp_path / "b.csv",
                 "--run", tmp_path / "c")
    assert result.code == 128 + number
    assert result.err == (f"Error: {tmp_path / 'b.csv'} was not written: interrupted by "
                          f"{NAMES[number]}.\n")
    assert (tmp_path / "b.csv").read_text() == "old"
    assert (tmp_path / "a").exists() and (tmp_path / "c" / "run.json").exists()


@EACH
def test_checks_end_with_what_has_been_checked(run, send, number):
    send([0, number], check_operations, "check_op")
    result = run("check", "tanh", "exp", "log")
    assert result.code == 128 + number
    assert result.err == f"Error: interrupted by {NAMES[number]}.\n"
    assert "1 of 1" in result.out or "All right." in result.out


IGNORED = """
import os, signal, sys
from tinygrad_mlp.cli import experiment, main

row = experiment.record_line

def line(record):
    for number in (signal.SIGINT, signal.SIGHUP):
        os.kill(os.getpid(), number)
    return row(record)

experiment.record_line = line
sys.exit(main())
"""


@pytest.mark.thorough
def test_signals_that_the_shell_lets_be_ignored_are_ignored(mat, quick):
    # As those of `nohup tinygrad-mlp train ... &`.
    command = [sys.executable, "-c", IGNORED, "train", mat, *quick]
    done = child.run(["sh", "-c", 'trap "" INT HUP; exec "$@"', "sh", *command])
    assert done.returncode == 0 and "108 iterations took" in done.stdout


# -- while the package and its libraries are loaded ------------------------------------------------

INTERRUPTING = """
import os, signal, sys

class Counting:
    count = 0
    began = False

    def find_spec(self, name, path=None, target=None):
        self.began |= name == "tinygrad_mlp.autograd"  # the first that takes time
        self.count += self.began
        if self.count == int(os.environ["AT_IMPORT"]):
            self.count += 1
            os.kill(os.getpid(), int(os.environ["SIGNAL"]))

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Counting())
"""
LOADING = {"info": 100, "train DATA --save FOLDER/out --report FOLDER/out.html --epochs 1": 700,
           "check tanh": 250}
"""Commands, and about how many modules each of them loads."""


def moments():
    """Commands, the number of the import during which the signal comes, and the signal."""
    for command, imports in LOADING.items():
        for at in range(1, imports, 7):
            yield command, at, (signal.SIGINT, signal.SIGTERM)[at % 3 == 0]


SOME = [("info", 2, signal.SIGINT)]


@pytest.mark.parametrize(("words", "at", "number"), list(moments()) if thorough() else SOME)
def test_a_signal_while_libraries_are_loaded_shows_no_traceback(
    tmp_path, trained, words, at, number
):
    (tmp_path / "sitecustomize.py").write_text(INTERRUPTING)
    (tmp_path / "results").mkdir()
    paths = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    line = words.replace("DATA", trained.data).replace("FOLDER", str(tmp_path / "results"))
    done = child.python(
        "-m", "tinygrad_mlp", *line.split(),
        env={**os.environ, "PYTHONPATH": paths, "AT_IMPORT": str(at), "SIGNAL": str(int(number))})
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr
    ended = (-number, 128 + number, 0)  # by the system; by the command; done before
    assert done.returncode in ended, done
    left = content(tmp_path / "results")
    assert not any(name.startswith(MARK) for name in left)
    if done.returncode == 0:
        assert len(left) == line.count("results")


# -- at any moment ---------------------------------------------------------------------------------


NOT_IGNORED = """
import signal, sys
from tinygrad_mlp.support.signals import ENDING

for number in ENDING:
    signal.signal(number, signal.SIG_DFL)
from tinygrad_mlp.cli import main
sys.exit(main())
"""


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(60))
def test_a_signal_at_any_moment_costs_no_file(tmp_path, trained, quick, seed):
    generator = random.Random(seed)
    number = generator.choice(list(NAMES))
    names = ["model.safetensors", "run.csv", "page.html"]
    files = zip(("--save", "--history", "--report"), (tmp_path / n for n in names), strict=True)
    words = ["train", trained.data, *quick, "--epochs", generator.choice([2, 20, 200]),
             *(word for pair in files for word in pair)]
    with child.started([sys.executable, "-c", NOT_IGNORED, *words], stdout=child.PIPE,
                       stderr=child.PIPE, text=True) as running:
        assert running.stdout.readline().startswith("data")  # everything is loaded
        timer = threading.Timer(generator.uniform(0, 1), running.send_signal, [number])
        timer.start()
        said = running.stdout.read() + running.stderr.read()
        code = running.wait()
        timer.cancel()
        timer.join()
        running.stdout.close(), running.stderr.close()
    assert "Traceback" not in said and "Exception" not in said, said
    assert code in (0, 128 + number, -number), said
    left = set(content(tmp_path))
    given_up = {name for name in names if f"{name} was not written" in said}
    if code == 0 or "Training ended early" in said or "Final" in said:
        assert left == set(names) - given_up and len(given_up) <= 1
    else:
        assert left == set()
