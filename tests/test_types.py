"""What type checkers say of a user's program: the right types, and no errors."""

import json
import re
from pathlib import Path

import pytest

from tests import child

TYPED = Path(__file__).parent / "typed"
PROGRAM, WRONG = TYPED / "program.py", TYPED / "wrong.py"


def by_mypy(folder):
    """The types revealed, and the lines of errors by file, as mypy finds them."""
    options = ["--strict", "--cache-dir", folder, "--no-error-summary"]
    shown = child.python("-m", "mypy", *options, PROGRAM, WRONG)
    lines = re.findall(r"^(.*?):(\d+): (\w+): (.*)", shown.stdout, re.MULTILINE)
    types = {int(line): re.findall('is "(.*)"', text)[0] for _, line, kind, text in lines
             if kind == "note" and text.startswith("Revealed type")}
    return types, [(Path(file).name, int(line)) for file, line, kind, _ in lines if kind == "error"]


def by_pyright(folder):
    """The same as pyright finds them."""
    pytest.importorskip("basedpyright", reason="pyright is not installed")
    shown = child.python("-m", "basedpyright", "--outputjson", PROGRAM, WRONG)
    found = [(Path(d["file"]).name, d["range"]["start"]["line"] + 1, d["severity"], d["message"])
             for d in json.loads(shown.stdout)["generalDiagnostics"]]
    types = {line: re.findall(' is "(.*)"', text)[0] for _, line, kind, text in found
             if kind == "information"}
    return types, [(file, line) for file, line, kind, _ in found if kind == "error"]


@pytest.fixture(scope="module", params=[by_mypy, by_pyright])
def checked(request, tmp_path_factory):
    return request.param(tmp_path_factory.mktemp("types"))


def simplified(shown):
    """A type as the program's comments write it: without modules and parameters."""
    shown = re.sub(r"\[.*\]", "", shown)
    shown = re.sub(r"^def ", "", re.sub(r"\w+\.(?=\w)", "", shown))
    return shown.replace("Unknown", "Any")


def test_a_program_of_a_user_has_the_right_types(checked):
    expected = {
        number: line.partition("#")[2].strip()
        for number, line in enumerate(PROGRAM.read_text().splitlines(), 1)
        if line.startswith("reveal_type(")}
    assert {number: simplified(shown) for number, shown in checked[0].items()} == expected


def test_it_has_no_errors_but_a_wrong_one_has_one_in_every_line(checked):
    lines = WRONG.read_text().splitlines()
    wrong = [number for number, line in enumerate(lines, 1) if line.startswith("tg.")]
    assert set(checked[1]) == {("wrong.py", number) for number in wrong}


def test_the_typed_program_runs():
    shown = child.python(PROGRAM)
    assert shown.returncode == 0, shown.stderr
