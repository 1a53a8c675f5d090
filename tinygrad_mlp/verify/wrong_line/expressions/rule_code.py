"""How people write operations: the code of an instruction that was read off a rule."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.ops.sums import copied_axes
from tinygrad_mlp.program.instructions import Instruction
from tinygrad_mlp.program.kernel import literal
from tinygrad_mlp.verify.wrong_line.expressions.syntax import number, parsed, transposed


def simplified(line: Instruction) -> Any:
    """Return the operand that an instruction only passes on, or None."""
    name, operands = line.op.name, line.operands
    arrays = [getattr(o, "data", o) for o in operands]
    if name in ("astype", "identity", "broadcast_to"):
        return operands[0]  # what is broadcast here is broadcast anyway where it is used
    if name in ("multiply", "divide") and _is(arrays[1], 1):
        return operands[0]
    if name == "multiply" and _is(arrays[0], 1):
        return operands[1]
    if name == "power" and _is(arrays[1], 1):
        return operands[0]
    if name == "where" and not np.any(arrays[0]):
        return operands[2]
    return operands[1] if name == "where" and np.all(arrays[0]) else None


def sum_of(terms: list[ast.expr]) -> ast.expr:
    """Return a sum, whose negative terms are subtracted from the others."""
    total, *others = sorted(terms, key=lambda term: _negated(term) is not None)
    for term in others:
        minus = _negated(term)
        total = ast.BinOp(total, ast.Add(), term) if minus is None else (
            ast.BinOp(total, ast.Sub(), minus))
    return total


def _negated(term: ast.expr) -> ast.expr | None:
    negative = isinstance(term, ast.UnaryOp) and isinstance(term.op, ast.USub)
    return term.operand if negative else None  # type: ignore[attr-defined]


def _is(array: Any, c: float) -> bool:
    return array is not None and np.size(array) > 0 and bool((np.asarray(array) == c).all())


def _sum_to(line: Instruction, a: ast.expr) -> ast.expr:
    """Write the sum over the copies of what was broadcast."""
    (before,), after = [o.shape for o in line.variables], line.results[0].shape
    axes = copied_axes(before, after)
    if len(axes) == len(before) and not after:
        return _method(a, "sum")
    keepdims = {"keepdims": parsed("True")} if len(before) == len(after) else {}
    axis = parsed(str(axes[0] if len(axes) == 1 else axes))
    return _method(a, "sum", axis=axis, **keepdims)


def _reduced(line: Instruction, a: ast.expr) -> ast.expr:
    given = {key: parsed(literal(value)) for key, value in line.static.items()
             if value is not None and value is not False}
    return _method(a, line.op.name, **given)


def _reshaped(line: Instruction, a: ast.expr) -> ast.expr:
    """Write a further axis for broadcasting, or one less; other shapes as they are."""
    (before,), after = [np.shape(getattr(o, "data", o)) for o in line.operands], (
        line.results[0].shape)
    if not before:
        return a
    if len(after) == 2 and len(before) == 1 and 1 in after:
        return _column_or_row(a, after)
    return _method(a, "reshape", *(number(n) for n in after))


def _column_or_row(a: ast.expr, shape: tuple[int, ...]) -> ast.expr:
    new = ast.Constant(None)
    parts: list[ast.expr] = [ast.Slice(), new] if shape[1] == 1 else [new, ast.Slice()]
    return ast.Subscript(a, ast.Tuple(parts, ast.Load()), ast.Load())


def _without_axis(node: ast.expr, axis: int) -> ast.expr | None:
    """Return x for ``x[:, None]`` (axis 1) or ``x[None, :]`` (axis 0); None for all else."""
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Tuple):
        new = [isinstance(part, ast.Constant) and part.value is None for part in node.slice.elts]
        return node.value if new == [axis == 0, axis == 1] else None
    return None


def _swapped(line: Instruction, a: ast.expr) -> ast.expr:
    if len(line.results[0].shape) == 2:
        return _transpose(a)
    return _method(a, "swapaxes", *(number(line.static[key]) for key in ("axis1", "axis2")))


def _transpose(a: ast.expr) -> ast.expr:
    """Write a transpose; that of a product factor by factor."""
    if isinstance(a, ast.BinOp) and isinstance(a.op, ast.MatMult):
        return ast.BinOp(_transpose(a.right), ast.MatMult(), _transpose(a.left))
    if isinstance(a, ast.Call) and ast.unparse(a.func) == "np.outer":
        return ast.Call(a.func, a.args[::-1], [])
    return transposed(a)


def _where(line: Instruction, condition: ast.expr, a: ast.expr, b: ast.expr) -> ast.expr:
    """Write a mask as a factor."""
    left, right = (_is(getattr(o, "data", o), 0) for o in line.operands[1:])
    if right:
        return ast.BinOp(a, ast.Mult(), condition)
    if left and isinstance(condition, ast.Compare):
        opposite = OPPOSITES[type(condition.ops[0])]
        mask = ast.Compare(condition.left, [opposite()], condition.comparators)
        return ast.BinOp(b, ast.Mult(), mask)
    return ast.Call(parsed("np.where"), [condition, a, b], [])


OPPOSITES = {ast.Lt: ast.Gt, ast.Gt: ast.LtE, ast.LtE: ast.Gt, ast.GtE: ast.Lt, ast.Eq: ast.NotEq,
             ast.NotEq: ast.Eq}
"""What holds where a comparison does not; at a kink there is more than one right answer."""


def _product(line: Instruction, a: ast.expr, b: ast.expr) -> ast.expr:
    """Write a product, whose numbers are multiplied, with its sign before it."""
    if isinstance(b, ast.Constant):
        a, b = b, a
    for one, other in ((a, b), (b, a)):
        positive = _negated(one)
        if isinstance(positive, ast.Constant):
            return ast.UnaryOp(ast.USub(), _product(line, positive, other))
    if isinstance(a, ast.Constant) and isinstance(b, ast.BinOp) and isinstance(b.op, ast.Mult) and (
            isinstance(b.left, ast.Constant)):
        factor: Any = a.value * b.left.value  # type: ignore[operator]
        return b.right if factor == 1 else ast.BinOp(number(factor), ast.Mult(), b.right)
    rows, columns = _without_axis(a, 1), _without_axis(b, 0)
    columns = b if np.ndim(getattr(line.operands[1], "data", 0)) == 1 else columns
    if rows is not None and columns is not None:
        return ast.Call(parsed("np.outer"), [rows, columns], [])
    return b if isinstance(a, ast.Constant) and a.value == 1 else ast.BinOp(a, ast.Mult(), b)


def _compared(kind: type[ast.cmpop]) -> Any:
    return lambda line, a, b: ast.Compare(a, [kind()], [b])


def _indexed(line: Instruction, a: ast.expr, *indices: ast.expr) -> ast.expr:
    """Write an index of whole numbers and slices; a product with a column as one with a vector."""
    template = line.static["template"]
    if template == (Ellipsis, 0) and isinstance(a, ast.BinOp) and isinstance(a.op, ast.MatMult):
        vector = _without_axis(a.right, 1)
        if vector is not None:
            return ast.BinOp(a.left, ast.MatMult(), vector)
    if indices or not all(isinstance(each, (int, slice)) for each in template):
        raise LookupError("an index with arrays")
    parts: list[ast.expr] = [ast.Slice(*(None if n is None else number(n) for n in (
        each.start or None, each.stop, each.step))) if isinstance(each, slice) else number(each)
        for each in template]
    index = parts[0] if len(parts) == 1 else ast.Tuple(parts, ast.Load())
    return ast.Subscript(a, index, ast.Load())


def _method(a: ast.expr, name: str, *arguments: ast.expr, **keywords: ast.expr) -> ast.expr:
    given = [ast.keyword(key, value) for key, value in keywords.items()]
    return ast.Call(ast.Attribute(a, name, ast.Load()), list(arguments), given)


WRITERS: dict[str, Any] = {
    "sum_to": _sum_to, "sum": _reduced, "mean": _reduced, "max": _reduced, "reshape": _reshaped,
    "swapaxes": _swapped, "where": _where, "getitem": _indexed,
    "less": _compared(ast.Lt), "greater": _compared(ast.Gt), "less_equal": _compared(ast.LtE),
    "greater_equal": _compared(ast.GtE), "equal": _compared(ast.Eq),
    "not_equal": _compared(ast.NotEq),
    "multiply": _product,
    "matmul": lambda line, a, b: ast.BinOp(a, ast.MatMult(), b),
    "transpose": lambda line, a: _transpose(a) if line.static["axes"] in (None, (1, 0)) else (
        _method(a, "transpose", *map(number, line.static["axes"])))}
"""What people write for operations whose forward functions are written otherwise."""
