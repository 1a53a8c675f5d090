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
BLAS_UPDATE = re.compile(
    r"(blas\.\w(?:ger|gemm)\(.*), (?:a=(?P<a>.*), overwrite_a=(?P<in_place>\d)"
    r"|beta=(?P<beta>.*), c=(?P<c>.*), trans_a=(?P<trans_a>\d), trans_b=(?P<trans_b>\d), "
    r"overwrite_c=(?P<into>\d))\)"
)
"""An update by BLAS, with what SciPy calls its arguments."""
VIEW = re.compile(r"\b([^\W\d]\w*)((?:\.T|\[0\])+)(?!\w)")
"""A view of an array as it stands in source code: ``W2.T``, ``buffer1[0]``."""


def positional(line: str) -> str:
    """A line whose functions are given their arguments by place, which is faster than by name.

    SciPy takes a microsecond to find out what three names of arguments mean.

    >>> positional("a2 = np.tanh(z2, out=a2)")
    'a2 = np.tanh(z2, a2)'
    >>> positional("blas.dger(s, x, y, a=W.T, overwrite_a=1).T")  # increments, which to overwrite
    'blas.dger(s, x, y, 1, 1, W.T, 1, 1, 1).T'
    """
    update = BLAS_UPDATE.search(line)
    if update is not None:
        by_name = update.groupdict()
        line = update.expand(
            r"\1, 1, 1, \g<a>, 1, 1, \g<in_place>)" if by_name["a"] is not None
            else r"\1, \g<beta>, \g<c>, \g<trans_a>, \g<trans_b>, \g<into>)"
        ).join((line[: update.start()], line[update.end() :]))  # fmt: skip
    return line if BY_KEYWORD.search(line) else line.replace(", out=", ", ")


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

    lines = [VIEW.sub(view, FUNCTION.sub(function, positional(line))) for line in lines]
    found = [*sorted(functions.items(), key=lambda item: item[1]), *views.items()]
    return [f"{name} = {what}" for what, name in found], lines
