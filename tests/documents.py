"""Runs the Python blocks of the documentation as tests.

Each Markdown file is one program: its blocks run from top to bottom in one namespace of their own,
so that a reader who types them in order gets what the text says. A block that begins with ``>>>``
is a doctest, and its output is compared.

A block of ``console`` is typed into a shell, in a folder of the page's own, empty at first:
lines that begin with ``$`` are commands, those with ``>`` go on with one, and the others are what
must come out, with ``...`` for anything. What is shown as ``sh`` is not run.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import re
import shlex
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser
from xdist.scheduler import LoadScopeScheduling

from tests import child

OPERATIONS = "operations before this document"
FOLDER = "folder of this document"
ROOT = Path(__file__).parent.parent
COMMAND = "tinygrad-mlp"
FLEETING = re.compile("^Reading .* …\n", re.MULTILINE)
"""What a command says while something takes its time; a terminal takes it away again."""
OF_THE_SHELL = re.compile(r"[|&;<>$`*?(){}\n]")
"""Characters that mean something to a shell; a backslash and quotes are read by `shlex`, too."""


def begin(namespace: dict[str, Any]) -> None:
    """Note the registered operations, before a document's first block."""
    import tinygrad_mlp as tg

    namespace[OPERATIONS] = dict(tg.OPS)


def end(namespace: dict[str, Any]) -> None:
    """Take a document's own operations out of the table again, which other tests go through."""
    import tinygrad_mlp as tg

    tg.OPS.clear()
    tg.OPS.update(namespace[OPERATIONS])
    if FOLDER in namespace:
        namespace[FOLDER].cleanup()


def typed(block: str) -> list[tuple[str, str]]:
    r"""The commands of a block, each with the output that is shown below it.

    >>> typed("$ echo a b\na b\n$ true\n")
    [('echo a b\n', 'a b\n'), ('true\n', '')]
    """
    found: list[tuple[str, str]] = []
    for line in block.splitlines(keepends=True):
        command, output = found[-1] if found else ("", "")
        if line.startswith("$ "):
            found.append((line[2:], ""))
        elif line.startswith(">") and not output:
            found[-1] = (command + line[1:].removeprefix(" "), "")
        else:
            found[-1] = (command, output + line)
    return found


def run_console(example: Example) -> str | None:
    """Type a block into a shell; the first command whose output is another one fails.

    A command without output below it must succeed.
    """
    if FOLDER not in example.namespace:
        example.namespace[FOLDER] = tempfile.TemporaryDirectory()
    folder = example.namespace[FOLDER].name
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    for command, output in typed(example.parsed):
        run = in_shell if OF_THE_SHELL.search(command.strip()) else in_this_process
        code, found = run(command, folder)
        found = FLEETING.sub("", found)
        shown = doctest.OutputChecker().check_output(output, found, flags)
        if not (shown if output else code == 0):
            return f"{command}Expected:\n{output}\nGot ({code}):\n{found}"
    return None


def in_shell(command: str, folder: str) -> tuple[int, str]:
    """Run a command in a shell of its own; return its exit code and all that it printed."""
    name = f'{COMMAND}() {{ "{sys.executable}" -m tinygrad_mlp "$@"; }}; '
    done = child.run(
        ["bash", "-c", name + command], cwd=folder, timeout=300,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80"},
        stdout=child.PIPE, stderr=child.STDOUT,
    )
    return done.returncode, done.stdout


def in_this_process(command: str, folder: str) -> tuple[int, str]:
    """Do the same for a ``tinygrad-mlp`` without a process of its own."""
    from tinygrad_mlp.cli import main

    name, *words = shlex.split(command)
    if name != COMMAND:
        return in_shell(command, folder)
    printed = io.StringIO()
    with (
        contextlib.chdir(folder), mock.patch.dict(os.environ, COLUMNS="80"),
        contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed),
    ):
        code = main(words)
    return code, printed.getvalue()


NEEDS = {
    "docs/export.md": ("onnx", "onnxruntime"),
    "tests/exporting": ("onnx", "onnxruntime"),
    "tinygrad_mlp/saving/onnx/export.py": ("onnx",),
}
"""Packages without which the tests in a folder, or the examples in a file, cannot be run."""

TOGETHER = ("tests/test_site.py", "tests/reporting/test_browser.py")
"""Files whose tests share something slow: the site built once, a browser."""

documents = Sybil(
    parsers=[PythonCodeBlockParser(), CodeBlockParser("console", run_console), SkipParser()],
    # pathlib's ** stands for exactly one folder here, so both depths are named.
    patterns=["README.md", "docs/*.md", "docs/**/*.md"],
    setup=begin,
    teardown=end,
)
documents.path = ROOT  # and not this folder, which Sybil would look in


TOGETHER_BY_CASE = ("tests/explanation/test_every_operation.py",)
"""Files whose tests share what is made once for each of their cases."""


def together(nodeid: str) -> str:
    """What is run by one process, where there are several: the file of some tests, else the test.

    The examples of a page go on from each other; so they stay together, as do `TOGETHER`'s.
    """
    file = nodeid.partition("::")[0]
    if file in TOGETHER_BY_CASE:
        return file + nodeid.partition("[")[2]
    return file if file.endswith(".md") or file in TOGETHER else nodeid


class ByDocument(LoadScopeScheduling):
    """Hands out the tests to processes by `together`."""

    def _split_scope(self, nodeid: str) -> str:
        return together(nodeid)


class Documents:
    """The pytest plugin: registered by tests/conftest.py, since it concerns files elsewhere."""

    pytest_collect_file = staticmethod(documents.pytest())

    @staticmethod
    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByDocument:
        """How tests are handed out where they run in several processes (``-n``)."""
        return ByDocument(config, log)

    @staticmethod
    def pytest_ignore_collect(collection_path: Path) -> bool | None:
        """Leave out what needs a package that is not installed."""
        for name, packages in NEEDS.items():
            if collection_path.is_relative_to(ROOT / name) and not all(map(find_spec, packages)):
                return True
        return None
