"""The command as a whole: version, help, width of the output, cost of importing it."""

import subprocess
import sys

import pytest

import tinygrad_mlp as tg


def test_the_version_is_that_of_the_package(run):
    result = run("--version")
    assert (result.code, result.out) == (0, f"tinygrad-mlp {tg.__version__}\n")


@pytest.mark.parametrize("command", [[], ["train"], ["predict"], ["compare"]])
@pytest.mark.parametrize("width", [60, 100])
def test_every_help_fits_the_terminal_and_has_examples(run, monkeypatch, command, width):
    monkeypatch.setenv("COLUMNS", str(width))
    result = run(*command, "--help")
    assert result.code == 0
    assert " ".join(["  tinygrad-mlp", *command]) in result.out.split("Examples:")[1]
    assert max(map(len, result.out.splitlines())) <= max(width, 62)


def test_what_training_prints_fits_a_narrow_terminal(mat, run, monkeypatch, tmp_path, quick):
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.chdir(tmp_path)
    result = run("compare", mat, *quick)
    assert max(map(len, result.out.splitlines())) <= 60


def test_importing_the_command_line_loads_no_library_that_it_needs_later():
    libraries = {"typer", "rich", "matplotlib", "scipy", "sklearn"}
    code = f"import sys, tinygrad_mlp.cli; print(sorted({libraries} & sys.modules.keys()))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout == "[]\n"


def test_the_package_is_the_command():
    result = subprocess.run(
        [sys.executable, "-m", "tinygrad_mlp", "predict", "no.safetensors", "no.png"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert result.returncode == 2
    assert result.stderr.startswith("Error: no.safetensors: there is no such file.")
