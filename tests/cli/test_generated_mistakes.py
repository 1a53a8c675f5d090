"""A campaign: command lines with one mistake, generated from the commands and their options.

Each is told in a few lines that name the option or the word and say what to do; nothing is trained
or written, and the exit code is 2. ``--thorough`` tries all of them.
"""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import typer

from tests import child
from tests.campaigns import chosen
from tinygrad_mlp.cli import main
from tinygrad_mlp.cli.app import app

COMMANDS = typer.main.get_command(app).commands
LINES = {"train": ["DATA"], "compare": ["DATA"], "predict": ["MODEL", "DATA"], "report": ["RUN"],
         "check": ["tanh"], "exercise": ["softmax"], "explain": [],
         "steps": ["loss.py"],
         "play": ["spirals", "--no-browser", "--seconds", "0.1"], "info": []}
"""Words that make each command a right one."""

NO_PATHS = ["", " ", "a\0b"]
WRONG = {
    "SIZES": ["", " ", "0", "5,,5", "5,x", "-3", "5.5", "1e3", ",", "5;5", "5 5", "٣,x",
              "9" * 5000],
    "NAME": ["", " ", "nothing", "Tanh", "TANH", "none", "tanh,relu", "-", "a\0b"],
    "FILE": [*NO_PATHS, "nowhere/x", "folder", "x" * 300, "text.txt/x"],
    "FOLDER": NO_PATHS,
    "WHICH": ["", "x", "-1", "999", "1.5"],
}
WHOLE = ["", " ", "two", "1.5", "-1", "1e3", "0x10", "nan", "1,000", "- 1", "1 2", "9" * 5000]
REAL = ["", " ", "two", "0", "-1", "nan", "inf", "1e400", "-0.0", "1,5", "1/2", "--1"]
ENDINGS = {"--plot": ["a.xyz", "a", ".png.", "a.csv"], "--report": ["a.pdf", "a"],
           "--output": ["a.pdf", "a"], "--run": ["text.txt", "text.txt/x"]}
TOO_LARGE = {"--hidden": ["1000000000000", "10,2000000,2000000,10"]}
REAL_OPTIONS = ("--lr", "--sigma")
OF_WORDS = [
    (["train", "digist"], "digist"), (["train", ""], "''"), (["train", "folder"], "folder"),
    (["train", "text.txt"], "text.txt"), (["train", "nowhere.mat"], "nowhere.mat"),
    (["train", "folder.mat"], "folder.mat"), (["train", "text.mat"], "text.mat"),
    (["train", "mnist", "--data-dir", "folder"], "folder"),
    (["train", "mnist", "--data-dir", "nowhere"], "nowhere"),
    (["train", "mnist", "--data-dir", "text.txt"], "text.txt"),
    (["train", "DATA", "--output-activation", "relu"], "output_activation"),
    (["train", "DATA", "--save", "a", "--report", "a"], "--save and --report"),
    (["train", "DATA", "--checkpoint", "MODEL"], "MODEL"),
    (["train", "DATA", "--checkpoint", "text.txt"], "text.txt"),
    (["compare", "digist"], "digist"), (["compare", "folder"], "folder"),
    (["predict", "nowhere", "DATA"], "nowhere"), (["predict", "folder", "DATA"], "folder"),
    (["predict", "text.txt", "DATA"], "text.txt"), (["predict", "DATA", "MODEL"], "DATA"),
    (["predict", "MODEL", "text.txt"], "text.txt"), (["predict", "MODEL", "folder"], "folder"),
    (["predict", "MODEL", "nowhere.png"], "nowhere.png"), (["predict", "MODEL", "digits"], "64"),
    (["predict", "MODEL", "picture.png", "--limit", "3"], "--limit"),
    (["predict", "MODEL", "picture.png", "--data-dir", "folder"], "--data-dir"),
    (["predict", "MODEL", "DATA", "--whole-picture"], "--whole-picture"),
    (["predict", "MODEL"], "IMAGE_OR_DATASET"), (["predict"], "MODEL"), (["report"], "RUN"),
    (["report", "nowhere"], "nowhere"), (["report", "folder"], "folder"),
    (["report", "MODEL"], "MODEL"), (["report", "RUN", "digist"], "digist"),
    (["report", "RUN", "digits"], "digits"),
    (["check", ""], "''"), (["check", "tahn"], "tahn"), (["check", "nowhere.py"], "nowhere.py"),
    (["check", "folder"], "folder"), (["check", "nowhere:f"], "nowhere"),
    (["check", "numpy:tanh"], "numpy"), (["check", "tanh", "formulas.hinge"], "formulas.hinge"),
    (["check", "folder/"], "folder/"), (["check", "nowhere/"], "nowhere/"),
    (["explain", "--layers", "5"], "layers"), (["explain", "--output-activation", "gelu"], "gelu"),
    (["explain", "--hidden-activation", "softmax"], "softmax"), (["explain", "5,4"], "5,4"),
    (["play", "nothing"], "nothing"), (["play", "nowhere.csv"], "nowhere.csv"),
    (["play", "text.csv"], "text.csv"), (["play", "--model", "nowhere.py"], "nowhere.py"),
    (["play", "--model", "none.py"], "no model"), (["play", "folder"], "folder"),
    (["explain", "nowhere.py"], "nowhere.py"), (["explain", "folder"], "folder"),
    (["explain", "none.py"], "no loss"),
    (["steps"], "FILE"), (["steps", "nowhere.py"], "nowhere.py"),
    (["steps", "text.txt"], "text.txt"), (["steps", "folder"], "folder"),
    (["steps", "none.py"], "no loss"),
    (["info", "info"], "info"), (["info", "--quick"], "--quick"), (["trian"], "trian"),
    (["trian", "digits"], "trian"), (["--verison"], "--verison"), (["-x"], "-x"),
    (["Train"], "Train"), (["train", "DATA", "-e", "3"], "-e"), ([""], "''"),
]


def misspelt(word):
    """A word with one letter less, and one with two letters exchanged; both differ from it."""
    middle = len(word) // 2
    swapped = word[:middle] + word[middle + 1] + word[middle] + word[middle + 2 :]
    return {word[:-1], word + "s", swapped} - {word}


def wrong_values(command, option):
    """The values that an option refuses."""
    name = option.opts[0]
    if command == "check":  # the files of a class, and the seconds for each
        return [*NO_PATHS, "two", "-1", "0"] if option.metavar == "NUMBER" else NO_PATHS
    if option.metavar == "NUMBER":
        whole = WHOLE if name == "--seed" else [*WHOLE, "0"]
        return REAL if name in REAL_OPTIONS else whole
    return [*WRONG[option.metavar], *ENDINGS.get(name, []), *TOO_LARGE.get(name, [])]


def mistakes():
    """Every generated command line, with the word that its message must have (one of some)."""
    for command, words in LINES.items():
        known = {o for option in COMMANDS[command].params for o in option.opts}
        for option in COMMANDS[command].params:
            if option.param_type_name == "argument":
                continue
            name = option.opts[0]
            for typo in sorted(misspelt(name) - known):
                yield [command, *words, typo], (typo,)
            if option.is_flag:
                yield [command, *words, f"{name}=yes"], (name,)
                continue
            yield [command, *words, name], (name,)
            for value in wrong_values(command, option):
                field = name.removeprefix("--").replace("-", "_")
                yield [command, *words, f"{name}={value}"], (name, field, repr(value), "layers")
        yield [command, *words, *["x"] * 3], ("x",)
    for line, named in OF_WORDS:
        yield line, (named,)


MISTAKES = list(mistakes())


@pytest.fixture(scope="module")
def prepared(trained, tmp_path_factory):
    """A folder with the files of the lines above, and what stands for DATA, MODEL and RUN."""
    folder = tmp_path_factory.mktemp("mistakes")
    (folder / "folder").mkdir()
    (folder / "text.txt").write_text("no model and no data")
    (folder / "text.mat").write_text("no MATLAB file")
    (folder / "loss.py").write_text("import tinygrad_mlp as tg\n"
                                    "loss = tg.Tensor(1.0, requires_grad=True) * 2\n")
    (folder / "text.csv").write_text("no table")
    (folder / "none.py").write_text("lost = 1")
    (folder / "picture.png").write_text("no picture")
    kept = folder / "kept"
    quick = ["--hidden", "4", "--epochs", "1", "--batch-size", "20"]
    assert main(["train", trained.data, *quick, "--run", str(kept)]) == 0
    return folder, {"DATA": trained.data, "MODEL": str(trained.model), "RUN": str(kept)}


def test_there_are_at_least_three_hundred_mistakes_and_each_option_has_some():
    assert len(MISTAKES) >= 300
    words = {word.partition("=")[0] for line, _ in MISTAKES for word in line}
    for command in COMMANDS.values():
        assert {o.opts[0] for o in command.params if o.param_type_name == "option"} <= words


def test_every_generated_mistake_is_told_in_a_few_lines_and_nothing_is_done(
    prepared, run, monkeypatch
):
    folder, names = prepared
    monkeypatch.chdir(folder)
    before = sorted(folder.rglob("*"))
    order = np.random.default_rng(0).permutation(len(MISTAKES))
    wrong = []
    for i in map(int, order[: chosen(40, len(MISTAKES))]):
        line, named = MISTAKES[i]
        line = [names.get(word, word) for word in line]
        as_json = i % 5 == 0 and line[0] in COMMANDS
        result = run(*line[:1], *["--json"] * as_json, *line[1:])
        named = {*named, *(names[name] for name in named if name in names)}
        problems = list(flaws(result, named, as_json))
        if problems:
            shown = [word[:60] for word in line]
            wrong.append(f"{shown}: {', '.join(problems)}:\n{result.out}{result.err[:2000]}")
    assert not wrong, "\n".join(wrong)
    assert sorted(folder.rglob("*")) == before


ADVICE = (
    "Try 'tinygrad-mlp", "Did you mean", "did you mean", "requires an argument", "not take a value")


def flaws(result, named, as_json):
    """What is wrong with the way in which a command line was refused."""
    lines, message = result.err.strip().splitlines(), result.err
    if as_json:
        lines = lines[-1:]  # after the progress, which goes to the same stream
    if result.code != 2:
        yield f"code {result.code}"
    if "Traceback" in result.err or "Final" in result.out:
        yield "it was not refused"
    if as_json and result.out:
        yield "something on standard output"
    if as_json:
        told = json.loads(lines[0])["error"]
        message = told["message"]
        if told["exit_code"] != 2:
            yield "another code"
    if not 1 <= len(lines) <= 6:
        yield f"{len(lines)} lines"
    if not any(name in message for name in named):
        yield "it does not name what is wrong"
    advised = any(words in message for words in ADVICE) or message.strip().count(". ") >= 1
    if not advised and not as_json:
        yield "it does not say what to do"


@pytest.mark.parametrize("place", [
    0, *(pytest.param(i, marks=pytest.mark.thorough) for i in range(1, 12))])
def test_the_program_itself_says_the_same(prepared, run, monkeypatch, place):
    folder, names = prepared
    monkeypatch.chdir(folder)
    possible = [line for line, _ in MISTAKES if not any("\0" in word for word in line)]
    line = possible[place * len(possible) // 12]
    line = [names.get(word, word) for word in line]
    done = child.run([sys.executable, "-m", "tinygrad_mlp", *line], cwd=folder)
    here = run(*line)
    assert (done.returncode, done.stdout, done.stderr) == (here.code, here.out, here.err)
