"""The NumPy code of each operation, read from its forward function.

Most forward functions are one expression of NumPy, such as ``return np.tanh(x)``. That expression
is the source code of the operation in a program. Where it is one call of a ufunc, or one operator,
NumPy can write the result into given memory (``out=``). Nothing has to be declared a second time.

Code is handled as syntax trees of Python's `ast`, and becomes text only when it is printed.
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

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import Op, op
from tinygrad_mlp.autograd.ops.elementwise.special import scipy_special

OPERATORS: dict[type[ast.AST], str] = {
    ast.Add: "add", ast.Sub: "subtract", ast.Mult: "multiply", ast.Div: "divide",
    ast.Pow: "power", ast.MatMult: "matmul", ast.USub: "negative", ast.Invert: "invert",
    ast.BitAnd: "bitwise_and", ast.BitOr: "bitwise_or"}

MAKING_VIEWS = ("reshape", "transpose", "swapaxes", "broadcast_to", "squeeze", "ravel", "asarray",
                "moveaxis", "diagonal", "real", "einsum")

Operands = Mapping[str, ast.expr]
"""The code of each argument, by the name of the parameter."""


@op(register=False)
def accumulate(c: Any, alpha: Any, a: Any, b: Any) -> Any:
    """Add a multiple of a product of matrices to a matrix: ``c + alpha · a b``.

    Programs do so by SciPy's BLAS, the library of matrix products below SciPy. Its routine `gemm`
    adds a product to a matrix that is already in memory; `ger` does so for an outer product.
    """
    return c + alpha * (a @ b)


@op(register=False)
def product(a: Any, b: Array) -> Any:
    """Compute ``a b`` by the BLAS library that `accumulate` uses."""
    return a @ b


class Kernel:
    """The NumPy code of an operation: the `expression` it returns, or None where it does more.

    `ufunc` is the ufunc, e.g. "np.tanh", where that is one call of it; None elsewhere. `may_alias`
    says whether the result may be a view of an operand.
    """

    def __init__(self, op: Op) -> None:
        self.expression, self._scope = _returned_expression(op.forward)
        self.ufunc, self._arguments = (
            (None, []) if op.variadic else _single_ufunc(self.expression, self._scope))
        self.elementwise = self.ufunc not in (None, "np.matmul")
        self.may_alias = self.ufunc is None and op is not accumulate and (
            self.expression is None or _may_alias(self.expression))
        self._parameters: Operands = {name: ast.Name(name) for name in op.arrays}

    def takes_out(self, static: Mapping[str, object]) -> bool:
        """Return whether the result can be written into given memory, with these parameters."""
        try:
            self.code_into(self._parameters, static, ast.Name("out"))
        except LookupError:
            return False
        return True

    def code(self, operands: Operands, static: Mapping[str, object]) -> ast.expr:
        """Return the expression with the operands in it; raise LookupError without one."""
        if self.expression is None:
            raise LookupError("more than an expression")
        tree: ast.expr = _Filling(operands, static, self._scope).visit(self.expression)
        return tree

    def code_into(self, operands: Operands, static: Mapping[str, object],
                  out: ast.expr) -> ast.expr:
        """Return the call of the ufunc that writes into `out`; raise LookupError without one."""
        if self.ufunc is None:
            raise LookupError("not one ufunc")
        filling = _Filling(operands, static, self._scope)
        return call(self.ufunc, *map(filling.visit, self._arguments), out=out)


kernel_of = functools.lru_cache(1024)(Kernel)
"""The kernel of an operation; not of all that there ever were, as users make operations, too."""


# -- syntax trees ------------------------------------------------------------------------------


@functools.lru_cache(4096)
def expression(text: str) -> ast.expr:
    """Return the syntax tree of an expression. Trees are never changed, so that one is enough."""
    return ast.parse(text, mode="eval").body


def call(function: str, /, *arguments: ast.expr, **keywords: ast.expr) -> ast.expr:
    """Return the syntax tree of a call of the function of that name."""
    by_name = [ast.keyword(k, v) for k, v in keywords.items()]
    return ast.Call(expression(function), list(arguments), by_name)


class TreeCopier(ast.NodeTransformer):
    """A visitor that returns a changed copy of a syntax tree and leaves the tree as it is."""

    def generic_visit(self, node: ast.AST) -> Any:
        """Return a copy of a node, with its parts visited."""
        if not node._fields:  # an operator, which is the same everywhere
            return node

        def visited(value: object) -> Any:
            if isinstance(value, list):
                return list(map(visited, value))
            return self.visit(value) if isinstance(value, ast.AST) else value

        fields = {name: visited(value) for name, value in ast.iter_fields(node)}
        return ast.copy_location(type(node)(**fields), node)


class _Filling(TreeCopier):
    """Puts code in the place of parameters; raises LookupError where a name has none."""

    def __init__(self, operands: Operands, static: Mapping[str, object],
                 scope: Mapping[str, Any]) -> None:
        self.operands, self.static, self.scope = operands, static, scope

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """Return a call with its arguments filled in."""
        # An operation imports SciPy when it first runs; a program imports it at its top.
        return ast.Name("special") if _is_special(node, self.scope) else self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> Any:
        """Return what takes the place of a name."""
        if node.id in self.operands:
            return self.operands[node.id]
        if node.id in self.static:
            return expression(literal(self.static[node.id]))
        known = self.scope.get(node.id, getattr(builtins, node.id, None))
        ufunc = getattr(known, "__self__", None)
        if isinstance(ufunc, np.ufunc):  # add_up = np.add.reduce
            return expression(f"np.{ufunc.__name__}.{known.__name__}")
        if known in (np, math) or node.id not in self.scope and known is not None:
            return node
        raise LookupError(node.id)


def literal(value: object) -> str:
    """Return a static parameter as source code; raise LookupError where that cannot hold it."""
    if isinstance(value, (float, np.floating)) and not math.isfinite(value):
        raise LookupError(value)  # inf and nan are no literals of Python
    if value is Ellipsis:
        return "..."
    if value is None or type(value) in (bool, int, float, str):
        return repr(value)
    if isinstance(value, (tuple, list)):
        inner = ", ".join(map(literal, value))
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, (np.integer, np.floating)):
        return repr(value.item())
    if isinstance(value, np.dtype) or (isinstance(value, type) and issubclass(value, np.generic)):
        return f"np.{np.dtype(value).name}"
    raise LookupError(value)


# -- reading forward functions -----------------------------------------------------------------


def _returned_expression(
        forward: Callable[..., object]) -> tuple[ast.expr | None, dict[str, object]]:
    """Return the expression a function returns, if it does nothing else, and its globals."""
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


def _single_ufunc(tree: ast.expr | None,
                  scope: Mapping[str, object]) -> tuple[str | None, list[ast.expr]]:
    """Return the ufunc and its arguments where an expression is one call of a ufunc."""
    ufunc: str | None = None
    arguments: list[ast.expr] = []
    if isinstance(tree, (ast.BinOp, ast.UnaryOp)) and type(tree.op) in OPERATORS:
        ufunc = f"np.{OPERATORS[type(tree.op)]}"
        arguments = [tree.left, tree.right] if isinstance(tree, ast.BinOp) else [tree.operand]
    elif isinstance(tree, ast.Call) and not tree.keywords:
        ufunc, arguments = _called_ufunc(tree.func, scope), tree.args
    # A nested expression would need new memory inside the call.
    if not all(isinstance(a, (ast.Name, ast.Constant)) for a in arguments):
        return None, []
    return ufunc, arguments


def _called_ufunc(function: ast.expr, scope: Mapping[str, object]) -> str | None:
    if not isinstance(function, ast.Attribute):
        return None
    if _is_special(function.value, scope):
        return f"special.{function.attr}"
    of_numpy = isinstance(function.value, ast.Name) and function.value.id == "np"
    if of_numpy and isinstance(getattr(np, function.attr, None), np.ufunc):
        return f"np.{function.attr}"
    return None


def _is_special(tree: ast.AST, scope: Mapping[str, object]) -> bool:
    """Return whether an expression is ``scipy_special()``, the module `scipy.special`."""
    return (
        isinstance(tree, ast.Call)
        and isinstance(tree.func, ast.Name)
        and scope.get(tree.func.id) is scipy_special)


def _may_alias(tree: ast.expr) -> bool:
    if isinstance(tree, (ast.BinOp, ast.UnaryOp, ast.Compare)):
        return False
    if isinstance(tree, ast.Call):
        function = tree.func
        name = function.attr if isinstance(function, ast.Attribute) else ast.unparse(function)
        return name in MAKING_VIEWS
    return True
