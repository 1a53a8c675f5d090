"""Output that cannot be written: no traceback, the right exit code, and no lost file."""

import io
import itertools
import json
import os
import sys
import threading

import pytest

from tests import child
from tests.campaigns import thorough
from tinygrad_mlp.cli import outputs

pytestmark = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no full device")

COMMANDS = {  # the words, and the exit code
    "--version": 0,
    "--help": 0,
    "train --help": 0,
    "": 2,
    "train DATA OPTIONS --save FOLDER/out --plot FOLDER/out.png": 0,
    "train DATA OPTIONS --save FOLDER/out --json": 0,
    "train DATA OPTIONS": 0,
    "compare DATA OPTIONS --plot FOLDER/out.png": 0,
    "report RUN --output FOLDER/out.html": 0,
    "predict MODEL DATA": 0,
    "predict MODEL DATA --json": 0,
    "predict NOTHING DATA": 2,
    "predict NOTHING DATA --json": 2,
    "check tanh": 0,
    "check wrong.py": 1,
    "check tanh --json": 0,
    "explain --layers 3,2": 0,
    "exercise": 0,
    "exercise ridge --mistake none --out FOLDER/out.py": 0,
    "steps loss.py": 0,
    "steps loss.py --output FOLDER/out.html": 0,
    "play --no-browser --seconds 0.1": 0,
    "info": 0,
    "info --json": 0,
    "train --bogus": 2,
    "train --bogus --json": 2,
    "--show-completion bash": 0,
}
STATES = (">&-", "2>&-", "<&- >&- 2>&-", ">/dev/full", "2>/dev/full", ">/dev/full 2>/dev/full",
          "| closed")
QUICK = (("train DATA OPTIONS --save FOLDER/out --plot FOLDER/out.png", ">/dev/full"),
         ("predict NOTHING DATA", "<&- >&- 2>&-"))
PAIRS = tuple(itertools.product(COMMANDS, STATES)) if thorough() else QUICK


@pytest.fixture(scope="module")
def made(tmp_path_factory, trained, quick):
    """The folder in which the commands run, and what the names in their words stand for."""
    folder = tmp_path_factory.mktemp("streams")
    (folder / "loss.py").write_text("import tinygrad_mlp as tg\n"
                                    "loss = tg.Tensor(1.0, requires_grad=True) * 2\n")
    (folder / "wrong.py").write_text(
        "import tinygrad_mlp as tg\n\n@tg.op(rules={'x': lambda g, y, x: g})\n"
        "def double(x):\n    return 2 * x\n")
    if thorough():
        words = ["train", trained.data, *quick, "--run", "run"]
        child.python("-m", "tinygrad_mlp", *words, cwd=folder, check=True)
    return folder, {"DATA": trained.data, "MODEL": str(trained.model), "RUN": str(folder / "run"),
                    "OPTIONS": " ".join(quick), "NOTHING": str(folder / "nothing")}


@pytest.mark.parametrize(("words", "state"), PAIRS)
def test_a_stream_that_is_closed_or_full_costs_no_file(
    made, tmp_path, monkeypatch, words, state
):
    folder, names = made
    line = words.replace("FOLDER", str(tmp_path))
    for name, value in names.items():
        line = line.replace(name, value)
    command = [sys.executable, "-m", "tinygrad_mlp", *line.split()]
    monkeypatch.setenv("MPLBACKEND", "no_such_backend")
    if state == "| closed":
        with child.started(command, stdout=child.PIPE, stderr=child.PIPE, cwd=folder) as running:
            running.stdout.close()  # before anything is written
            said = running.stderr.read().decode()
            running.stderr.close()
            code = running.wait()
    else:
        done = child.run(["sh", "-c", f'exec "$@" {state}', "sh", *command], cwd=folder)
        code, said = done.returncode, done.stdout + done.stderr
    lost = state in ("| closed", ">/dev/full", ">/dev/full 2>/dev/full")
    expected = COMMANDS[words]
    assert code == (1 if lost and expected == 0 else expected), said
    assert "Traceback" not in said and "Exception" not in said
    wanted = {word for word in line.split() if word.startswith(f"{tmp_path}{os.sep}out")}
    assert {str(path) for path in tmp_path.iterdir()} == wanted
    if state == ">/dev/full" and expected == 0:
        assert "standard output cannot be written: No space left on device." in said
        last = said.splitlines()[-1]
        if "--json" in words:
            assert json.loads(last)["error"]["exit_code"] == 1
        else:
            assert last.startswith("Error: ")
    if state == "| closed" and expected == 0 and "--json" not in words:
        assert said == ""


@pytest.mark.thorough
@pytest.mark.parametrize("backend", ["no_such_backend", "TkAgg", "module://nothing", ""])
def test_a_picture_is_drawn_whatever_draws_windows(made, tmp_path, quick, backend):
    environment = {**os.environ, "MPLBACKEND": backend}
    environment.pop("DISPLAY", None)
    done = child.python("-m", "tinygrad_mlp", "train", made[1]["DATA"], *quick, "--plot",
                        tmp_path / "a.png", env=environment)
    assert done.returncode == 0 and done.stderr == ""
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.thorough
def test_a_reader_who_has_gone_ends_a_training_without_files(made, quick):
    words = ["train", made[1]["DATA"], *quick, "--epochs", "1000000"]
    with child.started([sys.executable, "-m", "tinygrad_mlp", *words], stdout=child.PIPE,
                       stderr=child.PIPE) as running:
        assert running.stdout.readline()
        running.stdout.close()
        assert running.stderr.read() == b"" and running.wait() == 1
        running.stderr.close()


def test_a_stream_that_a_program_has_put_in_place_stays():
    code = ("import contextlib, io, sys; from tinygrad_mlp.cli import main; text = io.StringIO()\n"
            "with contextlib.redirect_stdout(text): code = main()\n"
            "print(code, text.getvalue().split()[0])")
    assert child.python("-c", code, "--version").stdout == "0 tinygrad-mlp\n"


@pytest.mark.thorough
def test_lines_come_at_once_where_python_is_told_not_to_buffer(made, quick):
    words = ["-u", "-m", "tinygrad_mlp", "train", made[1]["DATA"], *quick, "--epochs", "1000000"]
    with child.started([sys.executable, *words], stdout=child.PIPE) as running:
        assert running.stdout.readline().startswith(b"data")
        running.stdout.close()


@pytest.mark.thorough
def test_a_slow_reader_of_a_stream_that_does_not_wait_gets_everything():
    code = ("import os, sys; os.set_blocking(1, False); from tinygrad_mlp.cli import main; "
            "sys.exit(main())")
    words = ["explain", "--layers", ",".join(["3"] * 60), "--json"]
    whole = child.python("-c", code, *words)
    with child.started([sys.executable, "-c", code, *words], stdout=child.PIPE) as running:
        first = os.read(running.stdout.fileno(), 100)
        rest = running.stdout.read()
        running.stdout.close()
        assert running.wait() == whole.returncode == 0
    assert json.loads(first + rest) == json.loads(whole.stdout) and len(rest) > 1 << 16


def test_a_terminal_is_told_at_once_what_takes_its_time(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with pytest.raises(LookupError), outputs.announced("Reading mnist …"):
        assert terminal.getvalue() == "Reading mnist …\r"
        raise LookupError
    assert terminal.getvalue().endswith(f"\r{' ' * 15}\r")  # it is taken away, also by an error
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with outputs.announced("Reading mnist …"):
        pass
    assert sys.stderr.getvalue() == ""


def test_where_there_is_no_standard_error_nothing_is_announced(monkeypatch, capsys):
    monkeypatch.setattr(outputs, "PATIENCE", 0)
    waited = threading.Event()
    monkeypatch.setattr(threading, "Timer", lambda *call: pytest.fail("a line will be written"))
    monkeypatch.setattr(sys, "stderr", None)
    with outputs.announced("Reading mnist …"):
        waited.set()
    assert waited.is_set() and capsys.readouterr().out == ""


def test_elsewhere_a_line_tells_it_once_it_takes_long(monkeypatch):
    told = threading.Event()

    class Pipe(io.StringIO):
        def flush(self):
            told.set()

    monkeypatch.setattr(sys, "stderr", Pipe())
    monkeypatch.setattr(outputs, "PATIENCE", 0)
    with outputs.announced("Reading mnist …"):
        assert told.wait(60)
    assert sys.stderr.getvalue() == "Reading mnist …\n"
