"""Small edits of calls: other functions, axes, and orders of arguments and axes."""

from __future__ import annotations

import ast
from collections.abc import Callable
from itertools import permutations

import numpy as np

from tinygrad_mlp.verify.wrong_line.expressions.syntax import (
    Edits,
    Vocabulary,
    argument_of,
    called,
    kind_of,
    number,
    parsed,
    renamed,
)


def reductions(node: ast.expr, words: Vocabulary) -> Edits:
    """A mean for a sum, a reduction dropped, or one over an axis and not over everything."""
    if not isinstance(node, ast.Call) or called(node) not in ("sum", "mean", "max", "min"):
        return
    for other in ("sum", "mean"):
        if called(node) != other:
            yield 1.0, ast.Call(renamed(node.func, other), node.args, node.keywords)
    inner = argument_of(node)
    if inner is not None:
        yield 1.2, inner
        yield from _weighted(inner, words)
    given = {keyword.arg for keyword in node.keywords}
    if "keepdims" not in given:
        kept = ast.keyword("keepdims", parsed("True"))
        yield 1.1, ast.Call(node.func, node.args, [*node.keywords, kept])
    if "axis" not in given:
        for axis in (0, 1, -1):
            over = ast.keyword("axis", number(axis))
            yield 1.1, ast.Call(node.func, node.args, [over, *node.keywords])
            if "keepdims" not in given:
                yield 1.2, ast.Call(node.func, node.args, [over, kept])


def _weighted(vector: ast.expr, words: Vocabulary) -> Edits:
    """Yield the sum of a vector with weights: ``w @ v`` for ``v.sum()``."""
    shape = np.shape(words.variables.get(ast.unparse(vector), 0))
    for name, weights in words.variables.items():
        if len(shape) == 1 and np.shape(weights) == shape:
            yield 1.3, ast.BinOp(parsed(name), ast.MatMult(), vector)


def axes(node: ast.expr, words: Vocabulary) -> Edits:
    """Another axis, or ``keepdims`` switched."""
    if not isinstance(node, ast.Call):
        return
    for i, keyword in enumerate(node.keywords):
        if keyword.arg == "axis":
            yield 1.1, ast.Call(node.func, node.args, [k for k in node.keywords if k != keyword])
        if keyword.arg == "ddof":
            yield 1.0, ast.Call(node.func, node.args, [k for k in node.keywords if k != keyword])
        for text in OTHER_VALUES.get(keyword.arg or "", ()):
            changed = list(node.keywords)
            changed[i] = ast.keyword(keyword.arg, parsed(text))
            yield 1.0, ast.Call(node.func, node.args, changed)
            if keyword.arg == "axis" and all(other.arg != "keepdims" for other in node.keywords):
                kept = ast.keyword("keepdims", parsed("True"))
                yield 1.2, ast.Call(node.func, node.args, [*changed, kept])


OTHER_VALUES = {
    "axis": ("0", "1", "2", "-1", "None", "(0, 1)", "(0, 2)", "(1, 2)", "(0, 2, 3)"),
    "keepdims": ("True", "False")}


def functions(node: ast.expr, words: Vocabulary) -> Edits:
    """A function's arguments exchanged, or another function in its place."""
    if isinstance(node, ast.Call):
        for i in range(len(node.args) - 1):
            arguments = list(node.args)
            arguments[i], arguments[i + 1] = arguments[i + 1], arguments[i]
            yield 1.0, ast.Call(node.func, arguments, node.keywords)
        if called(node) == "einsum":
            yield from _other_subscripts(node)
        if called(node) == "cumsum" and len(node.args) == 1:
            backwards = f"np.cumsum({ast.unparse(node.args[0])}[::-1])[::-1]"
            yield 1.2, parsed(backwards)
        if called(node) == "ones" and isinstance(node.args[0], ast.Tuple):
            yield 1.2, ast.Call(renamed(node.func, "eye"), node.args[0].elts[:1], [])
        for other in SIMILAR.get(called(node), ()):
            yield 1.0, ast.Call(renamed(node.func, other), node.args, node.keywords)
    elif isinstance(node, (ast.Name, ast.Subscript, ast.BinOp)):
        for other in words.functions:
            yield 1.4, ast.Call(parsed(other), [node], [])


def functions_of_one(node: ast.expr, words: Vocabulary) -> Edits:
    """A function of one argument dropped, or another one, or a variable in its place."""
    if not (isinstance(node, ast.Call) and len(node.args) == 1 and not node.keywords) or (
            isinstance(node.args[0], ast.Starred)):
        return
    yield 1.2, node.args[0]
    for other in words.functions:
        yield 1.3, ast.Call(parsed(other), node.args, [])
    if called(node) in ("exp", "log", "sqrt"):
        for factor in (ast.Constant(2), ast.Constant(0.5)):
            inside = ast.BinOp(factor, ast.Mult(), node.args[0])
            yield 1.3, ast.Call(node.func, [inside], [])
        for name, value in words.variables.items():
            if kind_of(value) == "f" and name.isidentifier():
                yield 1.3, parsed(name)


SIMILAR = {"outer": ("dot",), "sum": ("trace",), "trace": ("sum",), "maximum": ("minimum",),
           "minimum": ("maximum",), "exp": ("log",), "log": ("exp",), "sin": ("cos",),
           "cos": ("sin",), "zeros": ("ones",),
           "zeros_like": ("ones_like",), "ones_like": ("zeros_like",), "ones": ("zeros",),
           "square": ("sqrt",), "sqrt": ("square",), "vstack": ("hstack",), "hstack": ("vstack",),
           "convolve": ("correlate",), "correlate": ("convolve",)}


def reshapes(node: ast.expr, words: Vocabulary) -> Edits:
    """Axes put in another order, by themselves or before a reshape, which would hide it."""
    if not isinstance(node, ast.Call) or called(node) not in ("transpose", "reshape"):
        return
    array = argument_of(node)
    axes_of = np.ndim(words.variables.get(ast.unparse(array), 0)) if array is not None else 0
    if array is None or not 2 < axes_of < 5:
        return
    for axes in permutations(range(axes_of)):
        moved = ast.Call(ast.Attribute(array, "transpose", ast.Load()), list(map(number, axes)), [])
        if called(node) == "transpose":
            yield 1.1, moved
        elif isinstance(node.func, ast.Attribute) and node.func.value is array:
            reshape = ast.Attribute(moved, "reshape", ast.Load())
            yield 1.4, ast.Call(reshape, node.args, node.keywords)


def _other_subscripts(node: ast.Call) -> Edits:
    """Yield an einsum with two letters of one operand exchanged, or two operands."""
    first = node.args[0]
    if not (isinstance(first, ast.Constant) and isinstance(first.value, str)):
        return
    inputs, arrow, output = first.value.replace(" ", "").partition("->")
    terms = [*inputs.split(","), output]
    for k, term in enumerate(terms):
        for i in range(len(term)):
            for j in range(i + 1, len(term)):
                letters = list(term)
                letters[i], letters[j] = letters[j], letters[i]
                changed = [*terms[:k], "".join(letters), *terms[k + 1:]]
                text = ",".join(changed[:-1]) + arrow + changed[-1]
                yield 1.0, ast.Call(node.func, [ast.Constant(text), *node.args[1:]], node.keywords)


CALL_EDITS: tuple[Callable[[ast.expr, Vocabulary], Edits], ...] = (
    reductions, axes, functions, functions_of_one, reshapes)
