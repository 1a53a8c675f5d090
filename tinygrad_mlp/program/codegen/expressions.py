"""The Python expression for each instruction of a program, as a syntax tree."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterable
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.op import OPS
from tinygrad_mlp.program.instructions import Instruction, Number, Variable, is_generator
from tinygrad_mlp.program.kernel import accumulate, call, expression, kernel_of, literal, product
from tinygrad_mlp.program.program import unique_name

BLAS_LETTER = {"float32": "s", "float64": "d"}
"""The first letter of BLAS's functions for each dtype."""
WRITTEN_OUT = 8
"""Elements up to which a constant array is written into the source code."""


class Expressions:
    """The expressions for instructions, and what the source code around them must provide.

    `names` are those of variables, and `taken` all that are in use. Matrices lie row by row in
    memory, but those `by_columns`, and transposes of the others. By name, `given` has objects
    that source code cannot hold (a random generator, a large constant, the forward function of an
    unregistered operation), and `constants` the code of the other constant arrays. Forward
    functions of the operations named in `imported` are imported.
    """

    def __init__(self, names: dict[Variable, str], reserved: Iterable[str],
                 by_columns: Iterable[Variable] = ()) -> None:
        self.names = names
        self.by_columns = set(by_columns)
        self.taken = {*names.values(), *reserved}
        self.given: dict[str, Any] = {}
        self.constants: dict[str, str] = {}
        self.imported: set[str] = set()
        self._constant_names: dict[int, tuple[str, Any]] = {}
        self._inlined: dict[Variable, ast.expr] = {}

    def inline(self, line: Instruction) -> bool:
        """Have a transpose written where it is used (``W1.T``); return whether it was one."""
        of = line.transposed
        if of is None:
            return False
        (result,) = line.results
        short = "T" if line.op.name == "transpose" or len(result.shape) == 2 else "mT"
        self._inlined[result] = ast.Attribute(self.operand(of), short)
        if of not in self.by_columns:
            self.by_columns.add(result)
        return True

    def operand(self, a: object) -> ast.expr:
        """Return the code of an operand: a name, a number, or a transposed array."""
        if isinstance(a, Variable):
            return self._inlined.get(a) or ast.Name(self.names[a])
        if isinstance(a, float) and not math.isfinite(a):
            return call("float", ast.Constant(str(a)))
        if a is None or type(a) in Number:
            return expression(repr(a))
        return ast.Name(self._constant(a))

    def value(self, line: Instruction) -> ast.expr:
        """Return the code that computes the result of an instruction."""
        if line.op is accumulate:
            return self._accumulate(line)
        if line.op is product:
            return self._product(line)
        operands = [self.operand(o) for o in line.operands]
        try:
            tree = self._dot(line, operands) or self._kernel(line, operands)
        except LookupError:
            return self._forward_call(line, operands)
        number = line.results[0].dtype is None and line.op.outputs == 1
        return call("float", tree) if number and "np" in names_in(tree) else tree

    # -- by NumPy ----------------------------------------------------------------------------

    def _dot(self, line: Instruction, operands: list[ast.expr]) -> ast.expr | None:
        """Return a product written by `dot`, which finds out in half the time what to do."""
        if line.op is not OPS["matmul"]:
            return None
        axes = [len(np.shape(o) if not isinstance(o, Variable) else o.shape) for o in line.operands]
        dot = ast.Attribute(operands[0], "dot")
        if line.into is None:
            return ast.Call(dot, operands[1:], []) if axes == [1, 1] else None
        if not all(1 <= n <= 2 for n in axes):
            return None
        into = self.operand(line.into)
        if line.results[0] not in self.by_columns:
            return ast.Call(dot, operands[1:], [ast.keyword("out", into)])
        right, left = map(_transposed, operands)  # NumPy writes row by row: (A B)ᵀ = Bᵀ Aᵀ
        of_transposes = ast.Call(
            ast.Attribute(left, "dot"), [right], [ast.keyword("out", _transposed(into))])
        return _transposed(of_transposes)

    def _kernel(self, line: Instruction, operands: list[ast.expr]) -> ast.expr:
        """Return the code of the operation's kernel; raise LookupError where it has none."""
        op, kernel = line.op, kernel_of(line.op)
        if op.variadic:
            return kernel.code({op.arrays[0]: ast.List(operands)}, line.static)
        by_name = dict(zip(op.arrays, operands, strict=True))
        if line.into is not None:
            return kernel.code_into(by_name, line.static, self.operand(line.into))
        return kernel.code(by_name, line.static)

    def _forward_call(self, line: Instruction, operands: list[ast.expr]) -> ast.expr:
        """Return a call of a forward function that is more than an expression."""
        static = {key: self._static(value) for key, value in line.static.items()}
        name = re.sub(r"\W+", "_", line.op.name)  # a lambda is called <lambda>
        if OPS.get(name) is line.op and (name in self.imported or name not in self.taken):
            self.imported.add(name)
            self.taken.add(name)
        else:
            name = self._given_name(line.op.forward, name)
        return call(name, *operands, **static)

    def _static(self, value: object) -> ast.expr:
        try:
            return expression(literal(value))
        except LookupError:
            name = "rng" if is_generator(value) else "given"
            number = 1 + sum(n.startswith(name) for n in self.given)
            return ast.Name(self._given_name(value, f"{name}{number}"))

    def _given_name(self, value: object, wanted: str) -> str:
        """Return the name of an object that source code cannot hold."""
        for name, known in self.given.items():
            if known is value:
                return name
        name = unique_name(wanted, self.taken)
        self.given[name] = value
        return name

    def _constant(self, a: object) -> str:
        """Return the name of a constant array."""
        known = self._constant_names.get(id(a))
        if known is not None:
            return known[0]
        name = unique_name(f"c{len(self._constant_names) + 1}", self.taken)
        self._constant_names[id(a)] = name, a
        array = np.asarray(a)
        first = array.flat[0].item() if array.size else 0
        if array.size == 0:  # a list of no elements has no second axis
            self.constants[name] = f"np.zeros({array.shape}, np.{array.dtype})"
        elif array.size > 1 and (array == first).all():
            self.constants[name] = f"np.full({array.shape}, {first!r}, np.{array.dtype})"
        elif array.size <= WRITTEN_OUT and np.isfinite(array).all():
            self.constants[name] = f"np.array({array.tolist()}, np.{array.dtype})"
        else:
            self.given[name] = array
        return name

    # -- by SciPy's BLAS -----------------------------------------------------------------------

    def _accumulate(self, line: Instruction) -> ast.expr:
        """Return the code of ``C + s A B``, a rank-one update where A is one column."""
        c, s, a, b = map(self.operand, line.operands)
        if line.operands[2].shape[1] != 1:
            return self._gemm(line, s, beta=ast.Constant(1), c=_transposed(c))
        row = ast.Subscript(b, ast.Constant(0))
        if _is_transposed(a):
            column = ast.Subscript(untransposed(a), ast.Constant(0))
        else:
            column = ast.Subscript(a, ast.Tuple([ast.Slice(), ast.Constant(0)]))
        function, overwrite = _blas(line, "ger"), _in_place(line)
        return _transposed(call(function, s, row, column, a=_transposed(c), overwrite_a=overwrite))

    def _product(self, line: Instruction) -> ast.expr:
        if line.into is None:
            return self._gemm(line, ast.Constant(1))
        into = self.operand(line.into)
        c = into if line.results[0] in self.by_columns else _transposed(into)
        return self._gemm(line, ast.Constant(1), beta=ast.Constant(0), c=c)

    def _gemm(self, line: Instruction, s: ast.expr, **into: ast.expr) -> ast.expr:
        """Return the code of ``C + s A B`` by BLAS's `gemm`.

        BLAS stores matrices column by column. For a C that lies row by row, everything is
        transposed: ``Cᵀ + s Bᵀ Aᵀ``.
        """
        *_, a, b = line.operands
        by_columns = line.results[0] in self.by_columns
        factors = (a, b) if by_columns else (b, a)
        (left, trans_a), (right, trans_b) = (
            self._factor(matrix, transposed=not by_columns) for matrix in factors)
        computed = call(_blas(line, "gemm"), s, left, right, **into, trans_a=trans_a,
                        trans_b=trans_b, overwrite_c=_in_place(line))
        return computed if by_columns else _transposed(computed)

    def _factor(self, matrix: object, transposed: bool) -> tuple[ast.expr, ast.expr]:
        """Return what BLAS is given for a matrix or its transpose, and whether to transpose it.

        It is given the matrix as it lies in memory, without a copy.
        """
        tree = self.operand(matrix)
        by_columns = isinstance(matrix, Variable) and matrix in self.by_columns
        flag = ast.Constant(int(transposed is by_columns))
        return tree if by_columns else _transposed(tree), flag


def names_in(tree: ast.AST) -> set[str]:
    """Return the names that occur in a syntax tree."""
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def _blas(line: Instruction, routine: str) -> str:
    dtype = line.results[0].dtype
    assert dtype is not None
    return f"blas.{BLAS_LETTER[dtype.name]}{routine}"


def _in_place(line: Instruction) -> ast.expr:
    return ast.Constant(int(line.into is not None))


def _is_transposed(tree: ast.expr) -> bool:
    return isinstance(tree, ast.Attribute) and tree.attr == "T"


def _transposed(tree: ast.expr) -> ast.expr:
    return untransposed(tree) if _is_transposed(tree) else ast.Attribute(tree, "T")


def untransposed(tree: ast.expr) -> ast.expr:
    """Return the code before a final ``.T``, or the code itself where there is none."""
    return tree.value if isinstance(tree, ast.Attribute) and _is_transposed(tree) else tree
