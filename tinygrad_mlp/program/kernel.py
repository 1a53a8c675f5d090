"""How an operation is written in NumPy, read off its forward function.

Most forward functions are one expression of NumPy, ``return np.tanh(x)``. That expression is the
operation's source code in a program; where it is one call of a ufunc, or one operator, the result
can be written into given memory by ``out=``. Nothing has to be declared a second time.
"""

from __future__ import annotations

import ast
import builtins
import functools
import inspect
import math
import textwrap
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.op import Op

OPERATORS: dict[type[ast.AST], str] = {
    ast.Add: "add", ast.Sub: "subtract", ast.Mult: "multiply", ast.Div: "divide",
    ast.Pow: "power", ast.MatMult: "matmul", ast.USub: "negative", ast.Invert: "invert",
    ast.BitAnd: "bitwise_and", ast.BitOr: "bitwise_or",
}  # fmt: skip

MAKING_VIEWS = ("reshape", "transpose", "swapaxes", "broadcast_to", "squeeze", "ravel", "asarray",
                "moveaxis", "diagonal", "real", "einsum")  # fmt: skip


class Kernel:
    """The NumPy code of an operation.

    Attributes:
        expression: the tree of the one expression the forward function returns; None where it
            does more than that.
        ufunc: the ufunc of the expression where it is nothing else, e.g. "np.tanh", or None.
        elementwise: whether that ufunc goes element by element.
        may_alias: whether the result may be a view of an operand.
    """

    def __init__(self, op: Op) -> None:
        self.expression, self.scope = _expression(op.forward)
        self.ufunc: str | None = None
        self.arguments: list[ast.expr] = []
        if self.expression is not None:
            self._find_ufunc(self.expression)
        self.takes_out = self.ufunc is not None and not op.variadic
        self.elementwise = self.takes_out and self.ufunc != "np.matmul"
        self.may_alias = not self.takes_out and op.name != "accumulate" and (
            self.expression is None or _may_alias(self.expression)
        )

    def _find_ufunc(self, tree: ast.expr) -> None:
        if isinstance(tree, ast.BinOp) and type(tree.op) in OPERATORS:
            self.ufunc = f"np.{OPERATORS[type(tree.op)]}"
            self.arguments = [tree.left, tree.right]
        elif isinstance(tree, ast.UnaryOp) and type(tree.op) in OPERATORS:
            self.ufunc, self.arguments = f"np.{OPERATORS[type(tree.op)]}", [tree.operand]
        elif isinstance(tree, ast.Call) and not tree.keywords:
            text = ast.unparse(tree.func)
            if text.startswith("np.") and isinstance(getattr(np, text[3:], None), np.ufunc):
                self.ufunc, self.arguments = text, tree.args
            elif text.startswith("_special()."):
                self.ufunc, self.arguments = text.replace("_special()", "special"), tree.args
        # Nested expressions would make new memory inside of the call.
        if not all(isinstance(a, (ast.Name, ast.Constant)) for a in self.arguments):
            self.ufunc = None

    def text(self, operands: Mapping[str, str], static: Mapping[str, Any]) -> str | None:
        """The expression with the operands' names in it; None where there is none."""
        if self.expression is None:
            return None
        tree = _Filled(operands, static, self.scope)
        try:
            return ast.unparse(tree.visit(_copied(self.expression)))
        except LookupError:
            return None

    def call(self, operands: Mapping[str, str], static: Mapping[str, Any], out: str) -> str | None:
        """The call that writes the result into `out`."""
        if not self.takes_out:
            return None
        filled = _Filled(operands, static, self.scope)
        try:
            given = [ast.unparse(filled.visit(_copied(a))) for a in self.arguments]
        except LookupError:
            return None
        return f"{self.ufunc}({', '.join(given)}, out={out})"


@functools.cache
def kernel_of(op: Op) -> Kernel:
    """The kernel of an operation."""
    return Kernel(op)


def _copied(tree: ast.expr) -> ast.expr:
    return ast.parse(ast.unparse(tree), mode="eval").body


def _may_alias(tree: ast.expr) -> bool:
    if isinstance(tree, (ast.BinOp, ast.UnaryOp, ast.Compare)):
        return False
    if isinstance(tree, ast.Call):
        name = ast.unparse(tree.func).rpartition(".")[2]
        return name in MAKING_VIEWS
    return True


class _Filled(ast.NodeTransformer):
    """Puts names and values in the place of parameters."""

    def __init__(
        self, operands: Mapping[str, str], static: Mapping[str, Any], scope: Mapping[str, Any]
    ) -> None:
        self.operands = operands
        self.static = static
        self.scope = scope

    def visit_Call(self, node: ast.Call) -> Any:
        if ast.unparse(node) == "_special()":
            return ast.Name("special", ast.Load())
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> Any:
        if node.id in self.operands:
            return ast.parse(self.operands[node.id], mode="eval").body
        if node.id in self.static:
            return ast.parse(literal(self.static[node.id]), mode="eval").body
        known = self.scope.get(node.id, getattr(builtins, node.id, None))
        ufunc = getattr(known, "__self__", None)
        if isinstance(ufunc, np.ufunc):  # add_up = np.add.reduce
            return ast.parse(f"np.{ufunc.__name__}.{known.__name__}", mode="eval").body
        if known in (np, math) or node.id not in self.scope and known is not None:
            return node
        raise LookupError(node.id)


def literal(value: Any) -> str:
    """A static parameter as source code.

    Raises:
        LookupError: it is something that source code cannot hold.
    """
    if isinstance(value, (float, np.floating)) and not math.isfinite(value):
        raise LookupError(value)  # inf and nan are no literals of Python
    if value is None or value is Ellipsis or type(value) in (bool, int, float, str):
        return repr(value) if value is not Ellipsis else "..."
    if isinstance(value, (tuple, list)):
        inner = ", ".join(literal(v) for v in value)
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, (np.integer, np.floating)):
        return repr(value.item())
    if isinstance(value, np.dtype) or (isinstance(value, type) and issubclass(value, np.generic)):
        return f"np.{np.dtype(value).name}"
    raise LookupError(value)


def _expression(forward: Callable[..., Any]) -> tuple[ast.expr | None, dict[str, Any]]:
    """The expression a function returns, if that is all it does, and the names around it."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(forward)))
    except (OSError, TypeError, SyntaxError):
        return None, {}
    function = tree.body[0]
    if not isinstance(function, ast.FunctionDef):
        return None, {}
    body = function.body
    if isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        body = body[1:]
    if len(body) != 1 or not isinstance(body[0], ast.Return):
        return None, {}
    return body[0].value, getattr(forward, "__globals__", {})
