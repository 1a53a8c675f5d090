"""What is the same at every run, looked up once: functions, and views of arrays.

A step of a small network is two dozen calls of half a microsecond each, and finding ``np.add``,
making ``W2.T`` and passing ``out=`` by its name take a fifth of that.
"""

from __future__ import annotations

import re

FUNCTION = re.compile(r"\b(?:np|special|blas)\.((?:\w+\.)*\w+)(?=\()")
"""A function as it is called in source code: ``np.tanh(``, ``np.add.reduce(``."""
BY_KEYWORD = re.compile(r"np\.(maximum|minimum)\(")
"""Functions that NumPy wants to be given ``out=`` by name."""
VIEW = re.compile(r"\b([^\W\d]\w*)((?:\.T|\[0\])+)(?!\w)")
"""A view of an array as it stands in source code: ``W2.T``, ``buffer1[0]``."""


def hoisted(
    lines: list[str], fixed: set[str], taken: set[str]
) -> tuple[list[str], list[str]]:
    """Functions, and views of arrays that stay where they are, given names beforehand.

    Args:
        lines: of source code.
        fixed: names of the arrays that are the same at every run.
        taken: names that are in use; those of the functions are added.

    Returns:
        the lines that give the names, and the lines that use them.
    """
    functions: dict[str, str] = {}
    views: dict[str, str] = {}

    def function(match: re.Match[str]) -> str:
        if match[0] not in functions:
            name = match[1].replace(".", "_")
            while name in taken:
                name += "_"
            taken.add(name)
            functions[match[0]] = name
        return functions[match[0]]

    def view(match: re.Match[str]) -> str:
        array, what = match.groups()
        if array not in fixed:
            return match[0]
        return views.setdefault(match[0], array + what.replace(".T", "_T").replace("[0]", "_row"))

    def positional(line: str) -> str:
        # Where a result goes is the last positional argument, too, which is faster than a keyword.
        return line if BY_KEYWORD.search(line) else line.replace(", out=", ", ")

    lines = [VIEW.sub(view, FUNCTION.sub(function, positional(line))) for line in lines]
    found = [*sorted(functions.items(), key=lambda item: item[1]), *views.items()]
    return [f"{name} = {what}" for what, name in found], lines
