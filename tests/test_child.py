"""Every child process of the tests has a time limit."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests import child

TESTS = Path(__file__).parent


def test_a_child_that_does_not_end_is_ended():
    with pytest.raises(subprocess.TimeoutExpired):
        child.python("-c", "import time; time.sleep(60)", timeout=0.2)


def test_a_child_beside_a_test_ends_with_it():
    with child.started([sys.executable, "-c", "import time; time.sleep(60)"]) as running:
        assert running.poll() is None
    assert running.poll() is not None
    with child.started([sys.executable, "-c", "import time; time.sleep(60)"], 0.2) as running:
        assert running.wait(30) != 0


STARTS = {"run", "Popen", "call", "check_call", "check_output", "system", "popen"}


def starts(path):
    """The lines on which a file starts a process by itself."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id in ("subprocess", "os") and node.attr in STARTS:
                yield f"{path.name}:{node.lineno}"


def test_children_are_started_here_only():
    own = {TESTS / "child.py", Path(__file__)}
    assert [line for path in TESTS.rglob("*.py") if path not in own for line in starts(path)] == []
