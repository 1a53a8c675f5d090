"""The LaTeX of an operation for given arguments, with a mark in the place of each argument.

`OpRecord.latex` is a template with the parameters' names in braces, or a function that returns the
expression for stand-ins of the arguments. Both give the same text with marks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tinygrad_mlp.autograd.op import Op


class StandIn:
    """An object in the place of an argument: it has the shape, and its text is the mark."""

    def __init__(self, number: int, shape: tuple[int, ...]) -> None:
        self.number = number
        self.shape = shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    def __str__(self) -> str:
        return f"⟪{self.number}⟫"


def template_of(op: Op, args: Sequence[Any], static: Mapping[str, object]) -> str:
    """Return the LaTeX of an operation on arguments, which have a shape or are None."""
    marks = [None if a is None else StandIn(i, a.shape) for i, a in enumerate(args)]
    if callable(op.record.latex):
        return op.record.latex(*marks, **static)
    joined = ", ".join(str(mark) for mark in marks if mark is not None)
    if op.record.latex:
        names = {op.arrays[0]: joined} if op.variadic else dict(zip(op.arrays, marks, strict=True))
        return op.record.latex.format(**names)
    # Without a template, the name of the operation.
    changed = ", ".join(
        rf"{_upright(key)} = {_upright(value)}"
        for key, value in static.items()
        if repr(value) != repr(op.defaults.get(key)))
    inner = f"{joined}; {changed}" if changed else joined
    return rf"{_upright(op.name)}({inner})"


def _upright(value: object) -> str:
    text = str(value).replace("\\", "").replace("{", "(").replace("}", ")")
    return rf"\mathrm{{{text.replace('_', chr(92) + '_').replace(' ', chr(92) + ' ')}}}"
