"""Small edits of an expression: what a person who went wrong by a little would have to change.

Each generator takes a node of a syntax tree and yields other nodes for its place, with a cost: 1
for what slips most easily. None of them knows about gradients. They are listed at the end.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

import numpy as np

from tinygrad_mlp.verify.wrong_line.index_edits import INDEX_EDITS, ranges
from tinygrad_mlp.verify.wrong_line.syntax import (
    Edits,
    Vocabulary,
    argument_of,
    called,
    is_count,
    kind_of,
    number,
    parsed,
    renamed,
    replaced,
    replaced_at,
    transposed,
)

MODULES = ("np", "numpy", "math", "scipy", "tg")
"""Names that are no values."""


def edits_of(root: ast.expr, words: Vocabulary) -> Iterator[tuple[float, ast.expr]]:
    """Yield edited copies of an expression, each with one small edit, and the cost of that."""
    seen = {ast.dump(root)}
    for node, role in _nodes(root):
        for generator in INDEX_EDITS if role == "index" else EDITS:
            for cost, made in generator(node, words):
                edited = replaced(root, node, made)
                key = ast.dump(edited)
                if key not in seen:
                    seen.add(key)
                    yield cost, edited
    yield from _everywhere(root, words)


def _everywhere(root: ast.expr, words: Vocabulary) -> Edits:
    """Yield the expression with the same edit made at all copies of a sub-expression."""
    copies: dict[str, list[ast.expr]] = {}
    for node, role in _nodes(root):
        if role == "value" and not isinstance(node, ast.Constant):
            copies.setdefault(ast.dump(node), []).append(node)
    for same in copies.values():
        if len(same) > 1:
            name = isinstance(same[0], ast.Name)
            for cost, made in variables(same[0], words) if name else edits_of(same[0], words):
                yield cost + (0.2 if name else 0.5), replaced_at(root, same, made)


def _nodes(node: ast.expr, role: str = "value") -> Iterator[tuple[ast.expr, str]]:
    """Yield an expression and those inside of it; `role` tells indices from values."""
    yield node, role
    for name, field in ast.iter_fields(node):
        inner = role
        if isinstance(node, ast.Subscript) and name == "slice":
            inner = "index"
        if isinstance(node, ast.Call) and name == "func":
            field = field.value if isinstance(field, ast.Attribute) else None
            if field is not None and ast.unparse(field).partition(".")[0] in MODULES:
                continue
        for part in field if isinstance(field, list) else [field]:
            if isinstance(part, ast.keyword):
                continue
            if isinstance(part, ast.expr):
                yield from _nodes(part, inner)
            elif isinstance(part, ast.comprehension):
                yield from _nodes(part.iter, inner)


def constants(node: ast.expr, words: Vocabulary) -> Edits:
    """Other numbers: 2 for 1, ½ for 2, −c for c."""
    if not isinstance(node, ast.Constant) or isinstance(node.value, (bool, str, complex)):
        return
    c = node.value
    if not isinstance(c, (int, float)):
        return
    near = [c + 1, c - 1] if c == int(c) else []
    for other in dict.fromkeys([*near, 2 * c, c / 2, -c, *([1 / c] if c else [])]):
        if other != c:
            yield (1.15 if other in (0, 1) else 1.0), number(other)
    for name, value in words.variables.items():
        if name.isidentifier() and is_count(value):
            yield 1.5, parsed(name)


def dropped(node: ast.expr, words: Vocabulary) -> Edits:
    """Two factors of a product dropped, or the factors before the last."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Mult, ast.Div)):
        inner = node.left
        if isinstance(inner, ast.BinOp) and isinstance(inner.op, (ast.Mult, ast.Div)):
            yield 1.3, inner.left
            yield 1.3, ast.BinOp(inner.left, node.op, node.right)
            if ast.unparse(node.right) == f"1 - {ast.unparse(inner.right)}":  # σ′ for tanh′
                square = ast.BinOp(inner.right, ast.Pow(), ast.Constant(2))
                slope = ast.BinOp(ast.Constant(1), ast.Sub(), square)
                yield 1.2, ast.BinOp(inner.left, ast.Mult(), slope)


def slopes(node: ast.expr, words: Vocabulary) -> Edits:
    """The slope of the sigmoid for that of tanh, and the other way round."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        if ast.unparse(node.right) == f"1 - {ast.unparse(node.left)}":
            yield 1.2, parsed(f"1 - {ast.unparse(node.left)} ** 2")
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub):
        power = node.right
        if isinstance(power, ast.BinOp) and isinstance(power.op, (ast.Pow, ast.Mult)):
            rest = ast.BinOp(node.left, ast.Sub(), power.left)
            yield 1.2, ast.BinOp(power.left, ast.Mult(), rest)


def operators(node: ast.expr, words: Vocabulary) -> Edits:
    """Another operator, an operand dropped or exchanged with the other."""
    if not isinstance(node, ast.BinOp):
        return
    left, right = node.left, node.right
    for kind in OTHER_OPERATORS.get(type(node.op), ()):
        yield 1.0, ast.BinOp(left, kind(), right)
    if not isinstance(node.op, ast.Pow):
        yield 1.0, right
        if isinstance(node.op, ast.Sub):
            yield 1.2, ast.UnaryOp(ast.USub(), right)
    yield 1.0, left
    if isinstance(node.op, (ast.Sub, ast.Div)):
        yield 1.0, ast.BinOp(right, node.op, left)
    if isinstance(node.op, ast.MatMult):
        for a, b in ((left, right), (right, left)):
            swap = 0.3 if a is right else 0.0
            yield 1.0 + swap, ast.BinOp(a, node.op, b)
            yield 1.0 + swap, ast.BinOp(transposed(a), node.op, b)
            yield 1.0 + swap, ast.BinOp(a, node.op, transposed(b))
            yield 1.3 + swap, ast.BinOp(transposed(a), node.op, transposed(b))
    if isinstance(node.op, ast.Mult):
        for a, b in ((left, right), (right, left)):
            yield 1.5, ast.BinOp(transposed(a), ast.MatMult(), b)
            yield 1.5, ast.BinOp(a, ast.MatMult(), transposed(b))


OTHER_OPERATORS: dict[type[ast.operator], tuple[type[ast.operator], ...]] = {
    ast.Add: (ast.Sub, ast.Mult), ast.Sub: (ast.Add, ast.Mult), ast.Mult: (ast.Div, ast.MatMult,
    ast.Add), ast.Div: (ast.Mult,), ast.MatMult: (ast.Mult,), ast.Pow: (ast.Mult,),
    ast.FloorDiv: (ast.Div,)}


def signs(node: ast.expr, words: Vocabulary) -> Edits:
    """The sign turned round."""
    if isinstance(node, ast.UnaryOp):
        yield 1.0, node.operand
    elif not isinstance(node, (ast.Constant, ast.Compare, ast.Tuple, ast.List)):
        yield 1.05, ast.UnaryOp(ast.USub(), node)


def comparisons(node: ast.expr, words: Vocabulary) -> Edits:
    """Another comparison in a mask."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        for kind in (ast.Lt, ast.Gt, ast.LtE, ast.GtE, ast.Eq, ast.NotEq):
            if not isinstance(node.ops[0], kind):
                yield 1.0, ast.Compare(node.left, [kind()], node.comparators)


def transposes(node: ast.expr, words: Vocabulary) -> Edits:
    """A transpose added or dropped."""
    if isinstance(node, ast.Attribute) and node.attr == "T":
        yield 1.0, node.value
    elif isinstance(node, (ast.Name, ast.Subscript, ast.Call)):
        yield 1.0, transposed(node)


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
    if not any(keyword.arg == "axis" for keyword in node.keywords):
        for axis in (0, 1, -1):
            over = ast.keyword("axis", number(axis))
            yield 1.1, ast.Call(node.func, node.args, [over, *node.keywords])
            kept = ast.keyword("keepdims", parsed("True"))
            yield 1.2, ast.Call(node.func, node.args, [over, kept])


def axes(node: ast.expr, words: Vocabulary) -> Edits:
    """Another axis, or ``keepdims`` switched."""
    if not isinstance(node, ast.Call):
        return
    for i, keyword in enumerate(node.keywords):
        if keyword.arg == "axis":
            yield 1.1, ast.Call(node.func, node.args, [k for k in node.keywords if k != keyword])
        for text in OTHER_VALUES.get(keyword.arg or "", ()):
            changed = list(node.keywords)
            changed[i] = ast.keyword(keyword.arg, parsed(text))
            yield 1.0, ast.Call(node.func, node.args, changed)


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
        for other in SIMILAR.get(called(node), ()):
            yield 1.0, ast.Call(renamed(node.func, other), node.args, node.keywords)
    elif isinstance(node, (ast.Name, ast.Subscript)):
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


SIMILAR = {"outer": ("dot",), "maximum": ("minimum",), "minimum": ("maximum",), "exp": ("log",),
           "log": ("exp",), "sin": ("cos",), "cos": ("sin",), "zeros": ("ones",),
           "zeros_like": ("ones_like",), "ones_like": ("zeros_like",), "ones": ("zeros",),
           "square": ("sqrt",), "sqrt": ("square",), "vstack": ("hstack",), "hstack": ("vstack",)}


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


def variables(node: ast.expr, words: Vocabulary) -> Edits:
    """Another variable of the same shape, or the square or the sign of this one."""
    if not isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)):
        return
    text = ast.unparse(node)
    mine = words.variables.get(text)
    if mine is None:
        return
    for name, value in words.variables.items():
        if name != text and np.shape(value) == np.shape(mine) and kind_of(value) == kind_of(mine):
            plain = name.isidentifier() == text.isidentifier()
            yield (1.2 if plain else 1.4), parsed(name)
    if kind_of(mine) == "f":
        yield 1.2, ast.BinOp(parsed(text), ast.Pow(), ast.Constant(2))
        yield 1.3, ast.Compare(parsed(text), [ast.Gt()], [ast.Constant(0)])


EDITS: tuple[Callable[[ast.expr, Vocabulary], Edits], ...] = (
    constants, operators, dropped, slopes, signs, comparisons, transposes, reductions, axes,
    functions, functions_of_one, variables, ranges)
