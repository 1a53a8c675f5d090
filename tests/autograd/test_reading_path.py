"""The modules that explain one backward pass stay few and short, and the documentation lists them.

`tests/reading_path.py` says what counts.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.reading_path import PACKAGE, imported, reading_path

MODULES = 8
LINES_OF_CODE = 1110

PAGE = Path(__file__).parents[2] / "docs" / "how_the_graph_works.md"


@pytest.fixture(scope="module")
def path():
    return reading_path()


@pytest.fixture(scope="module")
def section():
    return PAGE.read_text(encoding="utf-8").partition("## What to read")[2].partition("\n## ")[0]


def test_it_is_short(path):
    assert len(path) <= MODULES, path
    assert sum(path.values()) <= LINES_OF_CODE, path


def test_it_contains_what_it_must(path):
    assert {"autograd/graph.py", "autograd/op.py", "autograd/backward.py"} <= path.keys()


def test_the_documentation_lists_all_of_it(path, section):
    listed = re.findall(r"^\| `([\w/]+\.py)`", section, re.MULTILINE)
    assert sorted(listed) == sorted(path)
    assert f"at most {MODULES} modules" in section
    assert f"at most {LINES_OF_CODE:,} lines of code" in section


def test_every_module_is_listed_after_those_that_it_imports_from(section):
    listed = re.findall(r"^\| `([\w/]+\.py)`", section, re.MULTILINE)
    for number, name in enumerate(listed):
        later = {PACKAGE / other for other in listed[number:]}
        assert not later & imported(PACKAGE / name), name
