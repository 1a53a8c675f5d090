"""The counts of ``python -m tests.house`` can be made; what they come to is no test."""

from __future__ import annotations

import ast

import pytest

from tests import child, house

MOST_WITH_ANY = 1180
"""The number of types of parameters and results that may contain `Any`. It is to fall."""


@pytest.mark.thorough
def test_the_table_is_printed():
    lines = list(house.table(house.ROOT))

    assert any(line.startswith("functions over complexity") for line in lines)
    assert any(line.startswith("all ") for line in lines)


def test_the_table_of_another_copy_is_printed(tmp_path):
    package = tmp_path / house.PACKAGE
    package.mkdir()
    for name, other in (("one", "two"), ("two", "one"), ("__init__", "errors"), ("errors", "")):
        text = f"from {house.PACKAGE} import {other}\n" if other else ""
        (package / f"{name}.py").write_text(text)
    done = child.python("-m", "tests.house", tmp_path, cwd=house.ROOT, check=True)
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]

    assert "circles of modules that import each other 1" in lines and "2: one, two" in lines
    assert any(line.startswith("functions over complexity") for line in lines)
    assert "all 4 3 35000 3" in lines


def test_lines_of_code_are_those_that_are_neither_text_nor_comment_nor_blank():
    text = '"""Text\nof two lines."""\n\n# why\nx = """\na"""  # counts\n\ndef f():\n    "Text."\n'

    assert house.lines_of_code(text) == 3


def test_names_used_twice_are_found_with_their_places():
    assert house.repeated([("A", "one"), ("B", "one"), ("A", "two")]) == {"A": ["one", "two"]}


def test_few_types_of_parameters_and_results_leave_something_open():
    types = house.annotations(house.sources(house.ROOT))

    assert sum(map(house.has_any, types)) <= MOST_WITH_ANY


def test_types_with_any_are_found():
    tree = ast.parse("def f(x: list[Any], *y: int, z=0, **w: Any) -> Company: lambda a: 0")
    types = house.annotations([house.Source("f.py", "", tree)])

    assert [ast.unparse(each) for each in types if house.has_any(each)] == ["list[Any]", "Any"]
    assert len(types) == 4
