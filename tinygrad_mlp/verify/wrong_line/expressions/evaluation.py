"""Values of expressions that differ from one another in a part, without compiling each of them.

The value of every part of an expression is kept by `values_of_parts`. In an edited copy, which
shares the other parts, `value_of` computes only the edited part and what is above it.
"""

from __future__ import annotations

import ast
import builtins
import operator
from collections.abc import Callable, Mapping, Sequence
from types import CodeType
from typing import Any

from tinygrad_mlp.autograd.graph import Array

Known = dict[int, Any]
"""Values by the identities of the nodes of a syntax tree."""

BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
    ast.Div: operator.truediv, ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod,
    ast.Pow: operator.pow, ast.MatMult: operator.matmul, ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_, ast.BitXor: operator.xor}

UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.USub: operator.neg, ast.UAdd: operator.pos, ast.Invert: operator.invert,
    ast.Not: operator.not_}

COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
    ast.Eq: operator.eq, ast.NotEq: operator.ne}


def code_of(expression: ast.expr) -> CodeType:
    """Return the code that evaluates an expression."""
    tree = ast.Expression(ast.fix_missing_locations(expression))
    return compile(tree, "<repair>", "eval")


def value_of(node: ast.expr, scope: Mapping[str, object], known: Known) -> Any:
    """Return the value of an expression with given variables; of known parts, what is known."""
    if id(node) in known:
        return known[id(node)]
    rule = RULES.get(type(node))
    if rule is None:
        return eval(code_of(node), dict(scope))
    return rule(node, scope, known)


def values_of_parts(root: ast.expr, scope: Mapping[str, object]) -> Known:
    """Return the values of an expression and of the parts of it that can be evaluated alone."""
    known: Known = {}
    for node in reversed([*ast.walk(root)]):
        if isinstance(node, ast.expr):
            try:
                known[id(node)] = value_of(node, scope, known)
            except Exception:  # a variable of a comprehension, or what only fails when it is asked
                continue
    return known


def evaluated(expression: ast.expr, scopes: Sequence[Mapping[str, object]],
              known: Sequence[Known]) -> list[Any] | None:
    """Return the values of an expression with given variables; None where it fails."""
    try:
        return [value_of(expression, *each) for each in zip(scopes, known, strict=True)]
    except Exception:  # an edited expression may fail in any way
        return None


def _name(node: ast.Name, scope: Mapping[str, object], known: Known) -> Any:
    if node.id in scope:
        return scope[node.id]
    return getattr(builtins, node.id)


def _subscript(node: ast.Subscript, scope: Mapping[str, object], known: Known) -> Any:
    return value_of(node.value, scope, known)[value_of(node.slice, scope, known)]


def _slice(node: ast.Slice, scope: Mapping[str, object], known: Known) -> slice:
    parts = (node.lower, node.upper, node.step)
    return slice(*(None if part is None else value_of(part, scope, known) for part in parts))


def _elements(node: ast.Tuple | ast.List, scope: Mapping[str, object], known: Known) -> Any:
    if any(isinstance(each, ast.Starred) for each in node.elts):
        return eval(code_of(node), dict(scope))
    made = [value_of(each, scope, known) for each in node.elts]
    return made if isinstance(node, ast.List) else tuple(made)


def _call(node: ast.Call, scope: Mapping[str, object], known: Known) -> Any:
    if any(isinstance(each, ast.Starred) for each in node.args) or any(
            keyword.arg is None for keyword in node.keywords):
        return eval(code_of(node), dict(scope))
    keywords = {str(k.arg): value_of(k.value, scope, known) for k in node.keywords}
    function = value_of(node.func, scope, known)
    return function(*(value_of(each, scope, known) for each in node.args), **keywords)


def _compare(node: ast.Compare, scope: Mapping[str, object], known: Known) -> Array:
    if len(node.ops) > 1 or type(node.ops[0]) not in COMPARISONS:
        return eval(code_of(node), dict(scope))
    compare = COMPARISONS[type(node.ops[0])]
    return compare(value_of(node.left, scope, known), value_of(node.comparators[0], scope, known))


RULES: dict[type[ast.AST], Callable[[Any, Mapping[str, Any], Known], Any]] = {
    ast.Name: _name,
    ast.Constant: lambda node, scope, known: node.value,
    ast.BinOp: lambda node, scope, known: BINARY[type(node.op)](
        value_of(node.left, scope, known), value_of(node.right, scope, known)),
    ast.UnaryOp: lambda node, scope, known: UNARY[type(node.op)](
        value_of(node.operand, scope, known)),
    ast.Attribute: lambda node, scope, known: getattr(
        value_of(node.value, scope, known), node.attr),
    ast.Subscript: _subscript,
    ast.Slice: _slice,
    ast.Tuple: _elements,
    ast.List: _elements,
    ast.Call: _call,
    ast.Compare: _compare}
"""How to evaluate the nodes that formulas are made of; others are compiled."""
