"""The command as a whole: version, help, width of the output, cost of importing it."""

import io
import os
import sys

import pytest

import tinygrad_mlp as tg
from tests import child
from tinygrad_mlp import neural_network
from tinygrad_mlp.cli import experiment, main, options, outputs
from tinygrad_mlp.cli.app import app
from tinygrad_mlp.training.history import Record

COMMANDS = [command.callback.__name__ for command in app.registered_commands]


def test_the_version_is_that_of_the_package(run):
    result = run("--version")
    assert (result.code, result.out) == (0, f"tinygrad-mlp {tg.__version__}\n")


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)], ids=" ".join)
@pytest.mark.parametrize("width", [60, 100])
def test_every_help_fits_the_terminal_and_has_examples(run, monkeypatch, command, width):
    monkeypatch.setenv("COLUMNS", str(width))
    result = run(*command, "--help")
    assert result.code == 0
    assert " ".join(["  tinygrad-mlp", *command]) in result.out.split("Examples:")[1]
    assert max(map(len, result.out.splitlines())) <= max(width, 62)


@pytest.mark.parametrize("width", [40, 80])
def test_what_training_prints_fits_a_narrow_terminal(
    mat, run, monkeypatch, tmp_path, quick, width
):
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.chdir(tmp_path)
    result = run("compare", mat, *quick)
    assert max(map(len, result.out.splitlines())) <= width


@pytest.mark.parametrize("width", [40, 60])
@pytest.mark.parametrize("loss", [0.0, 1.2345, 98.7, 1e5, 3e99])
def test_a_row_of_evaluations_stands_below_its_headings(monkeypatch, width, loss):
    monkeypatch.setenv("COLUMNS", str(width))
    row = experiment.record_line(Record(1_080_000, 9, 0.5, loss, 1.0, loss, 0.25))
    assert len(row) == len(experiment.header().splitlines()[1])
    assert len(row.split()) == 5


def test_a_table_leaves_out_the_least_important_columns_that_do_not_fit():
    columns = [
        outputs.Heading("name"), outputs.Heading("error", right=True, rank=1),
        outputs.Heading("remark", rank=2),
    ]
    table = outputs.Table(columns, width=30)
    table.add("W1", 0.125, "a remark")
    assert str(table) == "name  error  remark\nW1    0.125  a remark"
    table.width = 15
    assert str(table) == "name  error\nW1    0.125"
    table.width = 10
    assert str(table) == "name\nW1"


@pytest.mark.parametrize(("no_color", "coloured"), [(None, True), ("1", False)])
def test_colours_are_for_terminals_and_not_with_no_color(monkeypatch, no_color, coloured):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    if no_color:
        monkeypatch.setenv("NO_COLOR", no_color)
    table = outputs.Table([outputs.Heading("name"), outputs.Heading("verdict")])
    table.add("W1", "WRONG")
    assert ("31m" in str(table)) == coloured


def test_the_names_that_the_help_shows_are_those_of_the_network():
    assert options.LOSSES == neural_network.LOSSES
    assert options.ACTIVATIONS == tuple(neural_network.ACTIVATIONS)
    assert options.OPTIMIZERS == tuple(neural_network.OPTIMIZERS)


def test_importing_the_command_line_loads_no_library_that_it_needs_later():
    libraries = {"typer", "rich", "matplotlib", "scipy", "sklearn"}
    code = f"import sys, tinygrad_mlp.cli; print(sorted({libraries} & sys.modules.keys()))"
    out = child.python("-c", code, check=True)
    assert out.stdout == "[]\n"


def test_the_help_and_the_version_load_no_library_that_only_commands_need():
    heavy = {"rich", "matplotlib", "scipy", "sklearn", "PIL", "safetensors", "threadpoolctl"}
    heavy |= {"tinygrad_mlp.training.fit", "tinygrad_mlp.program", "tinygrad_mlp.verify"}
    code = (
        "import sys; from tinygrad_mlp.cli import main; "
        "main(['--help']), main(['train', '--help']), main(['--version']); "
        f"print(sorted({heavy} & sys.modules.keys()))"
    )
    out = child.python("-c", code, check=True)
    assert out.stdout.splitlines()[-1] == "[]"


def test_ctrl_c_before_the_command_has_begun_ends_it(monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("tinygrad_mlp.cli.app.app", interrupted)
    assert main(["train"]) == 130


@pytest.mark.parametrize("words", [["explain", "--layers", "3,2"], ["info", "--json"]])
def test_a_reader_who_has_seen_enough_is_no_error(words):
    with child.started(
        [sys.executable, "-m", "tinygrad_mlp", *words],
        stdout=child.PIPE, stderr=child.PIPE, text=True,
    ) as running:
        running.stdout.close()  # before anything is written
        assert running.stderr.read() == ""
        running.stderr.close()
        assert running.wait() == 1


def test_what_cannot_be_encoded_is_replaced():
    done = child.python(
        "-m", "tinygrad_mlp", "explain", "--layers", "3,2",
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert done.returncode == 0 and "2?3" in done.stdout


def test_the_package_is_the_command():
    result = child.python(
        "-m", "tinygrad_mlp", "predict", "no.safetensors", "no.png"
    )
    assert result.returncode == 2
    assert result.stderr.startswith("Error: no.safetensors: there is no such file.")
