"""The counts of ``python -m tests.house`` can be made; what they come to is no test."""

from __future__ import annotations

from tests import house


def test_the_table_is_printed():
    lines = list(house.table(house.ROOT))

    assert any(line.startswith("functions over complexity") for line in lines)
    assert any(line.startswith("all ") for line in lines)


def test_lines_of_code_are_those_that_are_neither_text_nor_comment_nor_blank():
    text = '"""Text\nof two lines."""\n\n# why\nx = """\na"""  # counts\n\ndef f():\n    "Text."\n'

    assert house.lines_of_code(text) == 3


def test_names_used_twice_are_found_with_their_places():
    assert house.repeated([("A", "one"), ("B", "one"), ("A", "two")]) == {"A": ["one", "two"]}
