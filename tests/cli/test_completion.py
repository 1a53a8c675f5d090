"""The shell's completion: what is offered, and what is installed."""

import os
import shutil
import sys

import pytest

from tests import child

COMMAND = [sys.executable, "-m", "tinygrad_mlp"]


@pytest.fixture
def offered(monkeypatch, run):
    """``offered("train --loss ")``: what bash offers after these words."""

    def ask(line):
        words = f"tinygrad-mlp {line}"
        monkeypatch.setenv("_TINYGRAD_MLP_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", str(len(words.split(" ")) - 1))
        return run().out.split()

    return ask


@pytest.mark.parametrize(("line", "expected"), [
    ("", ["train", "predict", "compare", "check", "explain", "info"]),
    ("c", ["compare", "check"]),
    ("train ", ["digits", "mnist"]),
    ("train --loss ", ["mean_square", "cross_entropy"]),
    ("train digits --optimizer adam", ["adam", "adamw"]),
    ("compare --hidden-activation s", ["sigmoid", "softplus"]),
    ("compare --output-activation soft", ["softplus", "softmax"]),
    ("explain --dtype", []),
    ("train --dtype float6", ["float64"]),
    ("predict model.safetensors m", ["mnist"]),
    ("check formulas.m", ["formulas.mean_square"]),
    ("check exp tanh matm", ["matmul"]),
    ("info --j", ["--json"]),
])
def test_the_values_that_go_on_from_a_word_are_offered(offered, line, expected):
    assert set(expected) <= set(offered(line))
    assert all(word.startswith(line.split(" ")[-1]) for word in offered(line))


@pytest.mark.parametrize(("shell", "more", "expected"), [
    ("zsh", {}, ['"mean_square"', '"cross_entropy"']),
    ("fish", {"_TYPER_COMPLETE_FISH_ACTION": "get-args"}, ["mean_square", "cross_entropy"]),
])
def test_other_shells_are_offered_the_same(run, monkeypatch, shell, more, expected):
    more = {"_TYPER_COMPLETE_ARGS": "tinygrad-mlp train --loss ", **more}
    for name, value in {"_TINYGRAD_MLP_COMPLETE": f"complete_{shell}", **more}.items():
        monkeypatch.setenv(name, value)
    out = run().out
    assert all(word in out for word in expected)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_every_shell_asks_the_command(run, monkeypatch, shell):
    monkeypatch.setattr("typer.completion._get_shell_name", lambda: shell)
    done = run("--show-completion")
    assert done.code == 0
    assert f"_TINYGRAD_MLP_COMPLETE=complete_{shell}" in done.out


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_completes_what_was_installed(tmp_path):
    home = {**os.environ, "HOME": str(tmp_path)}
    installed = child.run(
        ["bash", "-c", f'"{sys.executable}" -m tinygrad_mlp --install-completion; exit $?'],
        env=home,
    )
    assert installed.returncode == 0, installed.stderr
    program = tmp_path / "tinygrad-mlp"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tinygrad_mlp "$@"\n')
    program.chmod(0o755)
    script = (
        f'. {tmp_path}/.bashrc; COMP_WORDS=({program} train --loss m); COMP_CWORD=3; '
        f'_tinygrad_mlp_completion {program}; echo "${{COMPREPLY[@]}}"'
    )
    done = child.run(["bash", "-c", script], env=home)
    assert done.stdout == "mean_square\n"
