"""Small edits of indices, slices and the ranges of loops."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_mlp.support.source_rewriting import copied
from tinygrad_mlp.verify.wrong_line.expressions.syntax import (
    Edits,
    Vocabulary,
    called,
    is_count,
    kind_of,
    number,
    parsed,
)

OF_INDICES = ("r_", "c_", "s_", "mgrid", "ogrid")
"""What NumPy offers that is nothing without its index, but endless as a sequence."""

ROW = ("None, :", ":, None")
"""The indices that make a row of a vector, and a column."""


def near(node: ast.expr, words: Vocabulary) -> Edits:
    """An index off by one."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        yield 1.0, number(node.value + 1)
        yield 1.0, number(node.value - 1)
    if isinstance(node, ast.Name) and is_count(words.variables.get(node.id)):
        yield 1.0, ast.BinOp(node, ast.Sub(), ast.Constant(1))
        yield 1.0, ast.BinOp(node, ast.Add(), ast.Constant(1))
        yield 1.3, ast.BinOp(ast.Constant(2), ast.Mult(), node)
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)):
        other = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
        yield 1.0, node.left
        yield 1.0, ast.BinOp(node.left, other, node.right)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        yield 1.0, node.left
        yield 1.0, node.right


def others(node: ast.expr, words: Vocabulary) -> Edits:
    """Another index, two indices exchanged, or another slice."""
    if isinstance(node, (ast.Name, ast.BinOp)):
        yield from ((1.2, number(end)) for end in (0, -1))
    if isinstance(node, (ast.Name, ast.BinOp, ast.Subscript)):
        mine = words.variables.get(ast.unparse(node))
        for name, value in words.variables.items():
            whole = isinstance(node, ast.BinOp)
            unknown = whole or mine is None
            if (unknown or kind_of(mine) in "iu") and kind_of(value) in "iu" and (
                    not name.startswith("len(")):
                yield (1.1 if whole else 1.2 if name.isidentifier() else 1.25), parsed(name)
    if isinstance(node, ast.Tuple) and len(node.elts) > 1:
        for i in range(len(node.elts) - 1):
            parts = list(node.elts)
            parts[i], parts[i + 1] = parts[i + 1], parts[i]
            yield 1.1, ast.Tuple(parts, ast.Load())
    if isinstance(node, ast.Slice):
        yield from _named_slices(node, words)
        yield from _other_slices(node)
        yield from _other_strides(node, words)


def _named_slices(node: ast.Slice, words: Vocabulary) -> Edits:
    """Yield slices that begin or end at a variable, or at so many elements from the end."""
    for name, value in words.variables.items() if node.step is None else ():
        if name.isidentifier() and is_count(value):
            yield 1.1, parsed(f"np.arange({name})")
            for low, high in ((name, ""), ("", name), (f"-{name}", ""), ("", f"-{name}"),
                              (name, f"-{name}")):
                yield 1.1, ast.Slice(low and parsed(low) or None, high and parsed(high) or None)


def _other_slices(node: ast.Slice) -> Edits:
    bounds = [(None, None), (1, None), (None, -1)]
    for end in (node.lower, node.upper):
        if isinstance(end, ast.Constant) and isinstance(end.value, int):
            k = end.value
            bounds += [(k, None), (None, k), (-k, None), (None, -k)]
    for low, high in bounds:
        made = ast.Slice(None if low is None else number(low),
                         None if high is None else number(high), None)
        yield 1.0, made
    if node.lower is None and node.upper is None and node.step is None:
        yield 1.0, ast.Slice(None, None, number(-1))
    elif node.step is not None:
        yield 1.0, ast.Slice(node.lower, node.upper, None)


def _other_strides(node: ast.Slice, words: Vocabulary) -> Edits:
    """Yield ``i * s:i * s + k`` for ``i:i + k``: another stride at both ends."""
    starts = [each for each in (node.lower, node.upper) if each is not None]
    names = [{part.id for part in ast.walk(end) if isinstance(part, ast.Name)} for end in starts]
    for start in sorted(set.intersection(*names)) if len(names) == 2 else ():
        for name, value in words.variables.items():
            if name.isidentifier() and is_count(value) and name != start:
                product = parsed(f"{start} * {name}")
                yield 1.2, copied(node, lambda _, new: product if (  # noqa: B023
                    isinstance(new, ast.Name) and new.id == start) else new)  # noqa: B023


def subscripts(node: ast.expr, words: Vocabulary) -> Edits:
    """An index dropped, another axis put in for broadcasting, or the order turned round."""
    if isinstance(node, ast.Subscript) and getattr(node.value, "attr", "") not in OF_INDICES:
        yield 1.2, node.value
        if isinstance(node.value, ast.Subscript):
            inner = ast.Subscript(node.value.value, node.slice, ast.Load())
            yield 1.1, ast.Subscript(inner, node.value.slice, ast.Load())
        if isinstance(node.slice, (ast.Name, ast.BinOp)):  # what all later elements hang on
            tail = parsed(f"{ast.unparse(node.value)}[{ast.unparse(node.slice)}:].sum()")
            yield 1.4, tail
    if isinstance(node, (ast.Name, ast.Subscript, ast.Attribute)):
        text = ast.unparse(node)
        if np.ndim(words.variables.get(text, 0)) == 1:
            for cost, index in ((1.2, "[:, None]"), (1.2, "[None, :]"), (1.4, "[::-1]")):
                yield cost, parsed(text + index)
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Call):
        yield from _along_another_axis(node, node.value)


def _along_another_axis(node: ast.Subscript, call: ast.Call) -> Edits:
    """Yield ``f(a, 0)[None, :]`` for ``f(a, 1)[:, None]``, and the other way round."""
    for axis, (index, other) in enumerate((ROW, ROW[::-1])):
        if ast.unparse(node.slice).strip("()") == index:
            given = [*call.args, *(keyword.value for keyword in call.keywords)]
            old = [each for each in given if isinstance(each, ast.Constant) and each.value == axis]
            places, new = set(map(id, old)), ast.Constant(1 - axis)
            made = copied(call, lambda old, part: new if id(old) in places else part)  # noqa: B023
            index_of: Any = parsed(f"x[{other}]")
            yield 1.2, ast.Subscript(made, index_of.slice, ast.Load())


def ranges(node: ast.expr, words: Vocabulary) -> Edits:
    """A loop that begins or ends one step earlier or later, or runs the other way round."""
    if isinstance(node, ast.Name) and node.id not in words.variables:  # a list of what to go over
        yield 1.0, ast.Call(parsed("reversed"), [node], [])
    if not isinstance(node, ast.Call):
        return
    name = called(node)
    if name == "range":
        for i, argument in enumerate(node.args):
            for op in (ast.Add(), ast.Sub()):
                shifted = _shifted(argument, op)
                arguments = [*node.args[:i], shifted, *node.args[i + 1:]]
                yield 1.0, ast.Call(node.func, arguments, [])
        if len(node.args) == 1:
            yield 1.0, ast.Call(parsed("range"), [ast.Constant(1), *node.args], [])
        for text, value in words.variables.items():
            for length in ([text] if is_count(value) else [
                    f"{text}.shape[{axis}]" for axis in range(np.ndim(value))]):
                yield 1.2, ast.Call(node.func, [*node.args[:-1], parsed(length)], [])
        yield 1.0, ast.Call(parsed("reversed"), [node], [])
    if name == "reversed" and node.args:
        yield 1.0, node.args[0]


def _shifted(node: ast.expr, op: ast.operator) -> ast.expr:
    """Return one more or one less than a whole number."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return number(node.value + (1 if isinstance(op, ast.Add) else -1))
    return ast.BinOp(node, op, ast.Constant(1))


INDEX_EDITS: tuple[Callable[[ast.expr, Vocabulary], Edits], ...] = (near, others)
