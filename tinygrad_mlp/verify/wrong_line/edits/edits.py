"""Small edits of an expression: what a person who went wrong by a little would have to change.

Each generator takes a node of a syntax tree and yields other nodes for its place, with a cost: 1
for what slips most easily. None of them knows about gradients. They are listed at the end.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from difflib import SequenceMatcher

import numpy as np

from tinygrad_mlp.support.source_rewriting import copied
from tinygrad_mlp.verify.wrong_line.edits.call_edits import CALL_EDITS
from tinygrad_mlp.verify.wrong_line.edits.index_edits import INDEX_EDITS, ranges, subscripts
from tinygrad_mlp.verify.wrong_line.expressions.syntax import (
    Edits,
    Vocabulary,
    called,
    is_count,
    kind_of,
    number,
    parsed,
    replaced,
    replaced_at,
    transposed,
)

MODULES = ("np", "numpy", "math", "scipy", "tg")
"""Names that are no values."""


def edits_of(root: ast.expr, words: Vocabulary) -> Iterator[tuple[float, ast.expr]]:
    """Yield edited copies of an expression, each with one small edit, and the cost of that."""
    found: dict[str, tuple[float, ast.expr]] = {}
    for node, role in _nodes(root):
        for generator in INDEX_EDITS if role == "index" else EDITS:
            for cost, made in generator(node, words):
                edited = replaced(root, node, made)
                key = ast.dump(edited)
                if key not in found or cost < found[key][0]:
                    found[key] = cost, edited
    found.pop(ast.dump(root), None)
    yield from found.values()
    yield from _everywhere(root, words)
    yield from _shifted(root, words)


def _shifted(root: ast.expr, words: Vocabulary) -> Edits:
    """Yield the expression with all variables of one series a step earlier or later."""
    names = [node for node, _ in _nodes(root) if isinstance(node, ast.Name)]
    for stem in sorted({name.id.rstrip("0123456789") for name in names} - {n.id for n in names}):
        for step in (-1, 1):
            edited = copied(root, lambda _, node: _step_of(node, stem, step))  # noqa: B023
            used = {node.id for node in ast.walk(edited) if isinstance(node, ast.Name)}
            if all(name in words.variables for name in used if name.startswith(stem)):
                yield 1.2, edited


def _step_of(node: ast.AST, stem: str, step: int) -> ast.AST:
    """Return the variable that is some steps further in a series; other nodes as they are."""
    number = node.id.removeprefix(stem) if isinstance(node, ast.Name) else ""
    return ast.Name(f"{stem}{int(number) + step}", ast.Load()) if number.isdigit() else node


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
            yield (1.15 if other in (0, 1) else 1.0 if c < 5 else 1.2), number(other)
    for name, value in words.variables.items():
        if name.isidentifier() and (is_count(value) or np.ndim(value)):
            yield 1.5, parsed(name)
            if np.ndim(value) == 1:
                yield 1.5, parsed(f"{name}[:, None]")


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
        yield 1.2, ast.BinOp(node, ast.Pow(), ast.Constant(2))
        yield 1.0, right
        if isinstance(node.op, ast.Sub):
            yield 1.2, ast.UnaryOp(ast.USub(), right)
    yield 1.0, left
    if isinstance(node.op, (ast.Sub, ast.Div)):
        yield 1.0, ast.BinOp(right, node.op, left)
    if isinstance(node.op, ast.MatMult):
        yield 1.3, ast.Call(parsed("np.outer"), [left, right], [])
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


def brackets(node: ast.expr, words: Vocabulary) -> Edits:
    """Brackets that were misplaced: (a - b) / c for a - b / c, and the other way round."""
    if not isinstance(node, ast.BinOp):
        return
    left, right = node.left, node.right
    if isinstance(right, ast.BinOp):
        yield 0.6, ast.BinOp(ast.BinOp(left, node.op, right.left), right.op, right.right)
    if isinstance(left, ast.BinOp):
        yield 0.6, ast.BinOp(left.left, left.op, ast.BinOp(left.right, node.op, right))


def signs(node: ast.expr, words: Vocabulary) -> Edits:
    """The sign turned round."""
    if isinstance(node, ast.UnaryOp):
        yield 1.0, node.operand
    elif not isinstance(node, (ast.Constant, ast.Compare, ast.Tuple, ast.List)) and not (
            is_count(words.variables.get(ast.unparse(node)))):
        yield 1.05, ast.UnaryOp(ast.USub(), node)


def comparisons(node: ast.expr, words: Vocabulary) -> Edits:
    """Another comparison in a mask, or a leaky one."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        for name, value in words.variables.items():
            if kind_of(value) == "f" and np.ndim(value) == 0 and name.isidentifier():
                yield 1.3, ast.Call(parsed("np.where"), [node, ast.Constant(1), parsed(name)], [])
        for kind in (ast.Lt, ast.Gt, ast.LtE, ast.GtE, ast.Eq, ast.NotEq):
            if not isinstance(node.ops[0], kind):
                yield 1.0, ast.Compare(node.left, [kind()], node.comparators)


def transposes(node: ast.expr, words: Vocabulary) -> Edits:
    """A transpose added or dropped."""
    if isinstance(node, ast.Attribute) and node.attr == "T":
        yield 1.0, node.value
    elif isinstance(node, (ast.Name, ast.Subscript, ast.Call)):
        yield 1.0, transposed(node)


def counts(node: ast.expr, words: Vocabulary) -> Edits:
    """Another number of rows or columns, by itself or as the last factor."""
    if isinstance(node, ast.Call) and called(node) == "len":
        for name, value in words.variables.items():
            if is_count(value) and name != ast.unparse(node):
                yield 1.2, parsed(name)
    if not (isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Mult, ast.Div))):
        return
    for name, value in words.variables.items():
        if np.ndim(value) == 0 and not isinstance(node.right, ast.Constant):
            yield 1.2, ast.BinOp(node.left, node.op, parsed(name))
        elif name.isidentifier() and kind_of(value) in "fi" and np.ndim(
                words.variables.get(ast.unparse(node.right), node.right)) == 0:
            yield 1.4, ast.BinOp(node.left, node.op, parsed(f"{name}.sum()"))


def variables(node: ast.expr, words: Vocabulary) -> Edits:
    """Another variable of the same shape, or this one squared, taken from 1, or as a mask."""
    if not isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)):
        return
    text = ast.unparse(node)
    mine = words.variables.get(text)
    if mine is None:
        return
    for name, value in words.variables.items():
        if name != text and np.shape(value) == np.shape(mine) and kind_of(value) == kind_of(mine):
            plain = name.isidentifier() == text.isidentifier()
            unlike = 1 - SequenceMatcher(None, name, text).ratio()  # Z1 for Z2 rather than H1
            yield (1.15 if plain else 1.35) + 0.05 * unlike, parsed(name)
    if kind_of(mine) == "f":
        yield 1.1, ast.BinOp(ast.Constant(1), ast.Sub(), node)
        yield 1.2, ast.BinOp(node, ast.Sub(), ast.Constant(1))
        for power in (2, 3):
            yield 1.2, ast.BinOp(parsed(text), ast.Pow(), ast.Constant(power))
        if words.masks:
            yield 1.3, ast.Compare(parsed(text), [ast.Gt()], [ast.Constant(0)])


EDITS: tuple[Callable[[ast.expr, Vocabulary], Edits], ...] = (
    constants, operators, brackets, dropped, slopes, signs, comparisons, transposes, counts,
    variables, subscripts, ranges, *CALL_EDITS)
