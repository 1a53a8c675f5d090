"""A disk that is full: one error names the file, the old one stays, the others are written."""

import contextlib
import errno
import os
import sys

import pytest

from tests import child
from tests.campaigns import thorough
from tests.failing_disk import content, disk
from tinygrad_mlp.cli import experiment
from tinygrad_mlp.support.files import MARK

OUTPUTS = {"--save": "model.safetensors", "--run": "run", "--history": "run.csv",
           "--checkpoint": "checkpoint", "--plot": "curves.png", "--report": "report.html"}
"""The options of `train` that write a file, and the names given to them here."""

SLOW = ("--plot", "--report")
TRIED = {option: name for option, name in OUTPUTS.items() if thorough() or option not in SLOW}

QUICK_TRAINING = ["--hidden", "8", "--epochs", "1", "--sigma", "0.3", "--lr", "0.1"]
OLD = b"what was there"
CHECKS = len(TRIED) + 2
"""The calls before training: one for each file, and two for the checkpoint."""
CALLS = CHECKS + 5 * (len(TRIED) + 1)
"""The calls of a training with these outputs that may fail: see the first test."""


@pytest.fixture
def words(mat, tmp_path):
    """A training with every output, into a folder where all but the checkpoint exist."""
    folder = tmp_path / "results"
    (folder / "run").mkdir(parents=True)
    names = [name for name in TRIED.values() if name not in ("run", "checkpoint")]
    for name in [*names, "run/model.safetensors", "run/run.json"]:
        (folder / name).write_bytes(OLD)
    options = [word for option, name in TRIED.items() for word in (option, folder / name)]
    return folder, ["train", mat, *QUICK_TRAINING, *options]


def test_every_output_is_written_through_the_calls_that_may_fail(words, run):
    folder, line = words
    with disk() as counted:
        assert run(*line).code == 0
    assert len(counted.done) == CALLS
    assert counted.done.count("replace") == len(content(folder)) == len(TRIED) + 1
    assert OLD not in content(folder).values()


def unwritten(folder):
    """The names of the files that are as they were before."""
    return {name for name in content(folder) if content(folder)[name] == OLD}


@pytest.mark.parametrize("failing", range(1, CALLS + 1) if thorough() else [3, 6, 9, 20])
def test_whatever_fails_the_error_names_the_file_and_the_others_are_written(words, run, failing):
    folder, line = words
    with disk(failing) as counted:
        result = run(*line)
    errors = [text for text in result.err.splitlines() if "No space left on device" in text]
    assert len(errors) == 1 and "Traceback" not in result.err
    assert not any(os.path.basename(name).startswith(MARK) for name in content(folder))
    if failing <= CHECKS:
        assert result.code == 2 and "Final" not in result.out
        assert set(content(folder).values()) == {OLD} and len(counted.done) == failing
        return
    assert result.code == 1
    [name] = [name for name in (*content(folder), "checkpoint") if f"{folder / name}:" in errors[0]]
    if name == "checkpoint":
        assert name not in content(folder) and unwritten(folder) == set()
    elif name == "run/model.safetensors":  # without it, there is no account of it
        assert unwritten(folder) == {name, "run/run.json"}
    else:
        assert unwritten(folder) == {name}


def test_where_nothing_can_be_written_each_file_is_named_and_each_is_as_it_was(
    words, run, monkeypatch
):
    folder, line = words
    before = content(folder)
    row = experiment.record_line

    def fill(record):
        full.enter_context(disk(failing=0))
        return row(record)

    with contextlib.ExitStack() as full:
        monkeypatch.setattr(experiment, "record_line", fill)
        result = run(*line)
    assert result.code == 1 and content(folder) == before
    assert result.err.count("No space left on device") == len(TRIED)
    assert "Wrote" not in result.out


OTHERS = {
    "report": (["report", "RUN"], "RUN/report.html"),
    "report --output": (["report", "RUN", "--output", "FOLDER/page.html"], "FOLDER/page.html"),
    "compare": (["compare", "DATA", *QUICK_TRAINING, "--plot", "FOLDER/a.png"], "FOLDER/a.png"),
}


@pytest.mark.parametrize("failing", range(1, 7) if thorough() else [3])
@pytest.mark.parametrize("command", OTHERS if thorough() else ["report --output"])
def test_the_outputs_of_the_other_commands_too(tmp_path, mat, run, command, failing):
    def named(word):
        return (word.replace("RUN", str(tmp_path / "run")).replace("DATA", mat)
                .replace("FOLDER", str(tmp_path)))

    run("train", mat, *QUICK_TRAINING, "--run", tmp_path / "run")
    line, output = OTHERS[command]
    with open(named(output), "wb") as file:
        file.write(OLD)
    before = content(tmp_path)
    with disk(failing):
        result = run(*map(named, line))
    assert f"cannot write {named(output)}: No space left on device" in result.err
    assert result.code == (2 if failing == 1 else 1) and content(tmp_path) == before


LIMITED = """
import resource, signal, sys
from tinygrad_mlp.cli import main

sys.dont_write_bytecode = True  # or it would be cut off and kept
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
sys.exit(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="files have no limit there")
def test_files_that_grow_too_large_for_the_system_are_named_and_small_ones_written(words):
    folder, line = words
    done = child.python("-c", LIMITED, *line)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert unwritten(folder) == set(content(folder)) - {"run.csv"}
    assert done.stderr.count(os.strerror(errno.EFBIG)) == len(TRIED) - 1
    assert f"Wrote {folder / 'run.csv'}." in done.stdout.replace("\n", " ")


# -- what cannot be written is found before training -----------------------------------------------

BAD = {
    "too long": ("n" * 300, "File name too long"),
    "in no folder": ("missing/file", "there is no folder"),
    "a folder": (".", "is a folder"),
    "below a file": ("taken/file", "there is no folder"),
    "a link to itself": ("loop", "Too many levels of symbolic links"),
    "a link to nowhere": ("away", "there is no folder"),
}


@pytest.mark.skipif(sys.platform == "win32", reason="links differ there")
@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("option", [*OUTPUTS, "compare --plot", "report --output"])
def test_a_path_that_cannot_be_written_is_a_mistake_found_before_training(
    tmp_path, trained, run, option, bad
):
    endings = {"--plot": ".png", "--report": ".html", "--output": ".html"}
    ending = endings.get(option.split()[-1], "")
    (tmp_path / "taken").write_bytes(OLD)
    (tmp_path / f"loop{ending}").symlink_to(f"loop{ending}")
    (tmp_path / f"away{ending}").symlink_to(tmp_path / "missing" / "a")
    before = content(tmp_path)
    name, message = BAD[bad]
    command, data = "train", [trained.data, *QUICK_TRAINING]
    if option == "--run":
        if bad in ("in no folder", "a folder"):
            return  # a folder can be made, or is there
        message = "cannot be made"
    if " " in option:
        command, option = option.split()
    if command == "report":
        assert run("train", *data, "--run", tmp_path / "run").code == 0
        data, before = [tmp_path / "run"], content(tmp_path)
    result = run(command, *data, option, tmp_path / (name if name == "." else name + ending))
    assert result.code == 2, result
    assert message in " ".join(result.err.split()) and "Traceback" not in result.err
    assert "iteration" not in result.out and content(tmp_path) == before


def test_two_options_do_not_write_the_same_file(tmp_path, mat, run):
    (tmp_path / "link.csv").symlink_to(tmp_path / "run" / "run.json")
    for line in (["--save", tmp_path / "a", "--history", tmp_path / "a"],
                 ["--run", tmp_path / "run", "--save", tmp_path / "run" / "model.safetensors"],
                 ["--run", tmp_path / "run", "--history", tmp_path / "link.csv"]):
        result = run("train", mat, *line)
        assert result.code == 2 and "name the same file" in result.err
