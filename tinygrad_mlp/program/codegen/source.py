"""The NumPy source code of a program: one function, one line for each operation.

Lines are kept as syntax trees until they are printed, so that the code that runs is made from the
same lines as the code that is shown, with functions looked up beforehand (`Hoister`).
"""

from __future__ import annotations

import ast
import functools
import linecache
import re
import weakref
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from textwrap import indent
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.program.codegen.expressions import Expressions
from tinygrad_mlp.program.instructions import Instruction, Variable
from tinygrad_mlp.program.kernel import TreeCopier, expression
from tinygrad_mlp.program.program import Program, unique_name, unique_names

IMPORTS = {"math": "import math", "np": "import numpy as np",
           "special": "from scipy import special", "blas": "from scipy.linalg import blas"}
"""The modules that code may use, in the order in which they are imported."""

program_numbers = count()
"""Numbers of the functions, which tell their file names apart."""

gone: list[str] = []
"""The file names of functions that are no more."""


def forget_lines() -> None:
    """Remove the lines of functions that are no more.

    Not as soon as they are: garbage may be collected while a traceback goes through all lines.
    """
    while gone:
        linecache.cache.pop(gone.pop(), None)


class Line(NamedTuple):
    """A line of source code."""

    statement: ast.stmt
    shape: str = ""  # of the value, printed as a comment

    def __str__(self) -> str:
        text = ast.unparse(self.statement)
        return f"{text:<60}  # {self.shape}" if self.shape else text


class NumPySource:
    """The source code of a program; `given` has the objects that it cannot hold, by name."""

    reserved: tuple[str, ...] = ()  # names that no variable may have

    def __init__(self, program: Program) -> None:
        self.program = program
        self.names = self._named()
        self._expressions = Expressions(
            self.names, (program.name, *self.reserved), program.by_columns)
        self.given = self._expressions.given
        self._line_of: dict[Instruction, int] = {}  # the number of its first line in the body
        self._lines = self._body()

    @functools.cached_property
    def text(self) -> str:
        """The code. It runs on its own, except for the objects in `given`."""
        return self._text(self._lines, [])

    def returned(self) -> list[Variable]:
        """Return the variables that the function returns: results, then updated values."""
        return self.program.returned()

    def line_numbers(self) -> dict[Instruction, int]:
        """Return the number of each instruction's line in `text`, from 0.

        What is written where it is used, as a transpose, has no line.
        """
        begin = f"def {self.program.name}("
        signature = next(i for i, a in enumerate(self.text.split("\n")) if a.startswith(begin))
        start = signature + 1 + len(self.program.inputs)
        return {line: start + number for line, number in self._line_of.items()}

    def compiled(self) -> Callable[..., Any]:
        """Return the function itself."""
        text = self._running()
        filename = f"<program {self.program.name} {next(program_numbers)}>"
        scope = dict(self.given)
        exec(compile(text, filename, "exec"), scope)
        # Taken out, lest function and scope keep each other alive until garbage is collected.
        function: Callable[..., Any] = scope.pop(self.program.name)
        # So that tracebacks and profilers show the lines, as long as there is the function.
        forget_lines()
        linecache.cache[filename] = (len(text), None, text.splitlines(True), filename)
        weakref.finalize(function, gone.append, filename)
        return function

    # -- the parts -----------------------------------------------------------------------------

    def _named(self) -> dict[Variable, str]:
        """Return the names of variables; an updated parameter keeps the name of the parameter."""
        names = unique_names(self.program, self.reserved)
        inputs = set(self.program.inputs)
        for line in self.program.instructions:
            if line.into in inputs:
                names[line.results[0]] = names[line.into]
        return names

    def _body(self) -> list[Line]:
        lines: list[Line] = []
        for instruction in self.program.instructions:
            made = self._lines_of(instruction)
            if made:
                self._line_of[instruction] = len(lines)
            lines += made
        return lines

    def _lines_of(self, line: Instruction) -> list[Line]:
        """Return the assignment of an instruction, and the checks that its results are finite."""
        if self._expressions.inline(line):
            return []
        lines = [Line(self._statement(line), _shape(line.results[0]))]
        for result in line.results:
            if result in self.program.required:
                name = self.names[result]
                check = f"if not math.isfinite({name}): raise FloatingPointError({name})"
                lines.append(Line(ast.parse(check).body[0]))
        return lines

    def _statement(self, line: Instruction) -> ast.stmt:
        target = ", ".join(self.names[r] for r in line.results)
        return assignment(target, self._expressions.value(line))

    def _running(self) -> str:
        """Return the code as it runs."""
        hoister = Hoister(set(), self._expressions.taken)
        lines = hoister.hoist(self._lines)
        return self._text(lines, hoister.found())

    def _text(self, lines: list[Line], before: list[str]) -> str:
        """Return the code of the function with these lines, after others that run only once."""
        inputs = self.program.inputs
        body = [f"# {self.names[v]}: {_shape(v)}, {v.label.kind}" for v in inputs]
        body += map(str, lines)
        return self._module([self.names[v] for v in inputs], body, before)

    def _module(self, arguments: list[str], body: list[str], before: Sequence[str] = ()) -> str:
        """Return the code of the function with this body, and of everything before it."""
        returned = f"return ({self._tuple(self.returned())})"
        signature = f"def {self.program.name}({', '.join(arguments)}):"
        inside = [indent(text, "    ") for text in (*body, returned)]
        head = self._header("\n".join([*before, *inside]))
        return "\n".join([*head, *before, "", signature, *inside, ""])

    def _header(self, code: str) -> list[str]:
        """Return the imports for the code, constants and buffers."""
        used = {"np", *re.findall(r"\b(\w+)\.", code)}
        lines = [text for name, text in IMPORTS.items() if name in used]
        for name in sorted(self._expressions.imported):
            lines.append(f'from tinygrad_mlp import OPS; {name} = OPS["{name}"].forward')
        for name, value in self.given.items():
            if not callable(value):
                lines.append(f"# given: {name}, {_described(value)}")
        constants, buffers = self._expressions.constants, self.program.buffers
        if constants or buffers:
            lines.append("")
        lines += [f"{name} = {text}" for name, text in constants.items()]
        for v in buffers:
            order = ", 'F'" if v in self.program.by_columns else ""
            lines.append(f"{self.names[v]} = np.empty({v.shape}, np.{v.dtype}{order})")
        return lines

    def _tuple(self, variables: Iterable[object]) -> str:
        names = [ast.unparse(self._expressions.operand(v)) for v in variables]
        return ", ".join(names) + ("," if len(names) == 1 else "")


def numpy_source(program: Program) -> str:
    """Return a program as NumPy source code, which runs on its own."""
    return NumPySource(program).text


def assignment(target: str, value: ast.expr) -> ast.stmt:
    """Return the statement ``target = value``."""
    return ast.Assign([expression(target)], value, lineno=0)


def _shape(variable: Variable) -> str:
    return "number" if variable.dtype is None else str(variable.shape)


def _described(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}, {value.dtype}"
    return f"a {type(value).__name__}"


# -- making the code fast ------------------------------------------------------------------------

BY_KEYWORD = ("np.maximum", "np.minimum")
"""Functions to which NumPy wants `out` to be passed by keyword."""
BLAS_ARGUMENTS = {"ger": ("incx", "incy", "a", "overwrite_x", "overwrite_y", "overwrite_a"),
                  "gemm": ("beta", "c", "trans_a", "trans_b", "overwrite_c")}
"""The optional arguments of BLAS's routines, in order."""


class Hoister(TreeCopier):
    """A visitor that gives names, once, to what is the same at every run.

    These are functions, and views of the arrays named in `fixed`, which stay where they are. New
    names are added to those that are `taken`. A step of a small network is two dozen calls of half
    a microsecond each; finding ``np.add``, making ``W2.T`` and passing ``out=`` by keyword take a
    fifth of that.
    """

    def __init__(self, fixed: set[str], taken: set[str]) -> None:
        self.fixed = fixed
        self.taken = taken
        self._functions: dict[str, str] = {}
        self._views: dict[str, str] = {}

    def hoist(self, lines: list[Line]) -> list[Line]:
        """Return the lines with names in the place of functions and views."""
        return [line._replace(statement=self.visit(line.statement)) for line in lines]

    def found(self) -> list[str]:
        """Return the lines that assign the names."""
        functions = sorted(self._functions.items(), key=lambda item: item[1])
        return [f"{name} = {what}" for what, name in (*functions, *self._views.items())]

    def visit(self, node: ast.AST) -> Any:
        """Return a copy of a tree with functions and views by name."""
        if isinstance(node, (ast.Name, ast.Constant)):
            return node
        if isinstance(node, ast.Call):
            return self._call(node)
        return self._view(node) or self.generic_visit(node)

    def _call(self, node: ast.Call) -> ast.Call:
        """Return a call by a short name, with its arguments by position."""
        function = _dotted_name(node.func)
        made: ast.Call = self.generic_visit(_by_position(node, function))
        library, _, name = function.partition(".")
        if library in ("np", "special", "blas"):
            if function not in self._functions:
                self._functions[function] = unique_name(name.replace(".", "_"), self.taken)
            made.func = ast.Name(self._functions[function])
        return made

    def _view(self, node: ast.AST) -> ast.expr | None:
        """Return the name of a view of a fixed array, e.g. ``W2.T``; None for anything else."""
        array, suffix = node, ""
        while not isinstance(array, ast.Name):
            if isinstance(array, ast.Attribute) and array.attr == "T":
                array, suffix = array.value, f"_T{suffix}"
            elif isinstance(array, ast.Subscript) and ast.unparse(array.slice) == "0":
                array, suffix = array.value, f"_row{suffix}"
            else:
                return None
        if not suffix or array.id not in self.fixed:
            return None
        text = ast.unparse(node)
        if text not in self._views:
            self._views[text] = unique_name(array.id + suffix, self.taken)
        return ast.Name(self._views[text])


def _dotted_name(tree: ast.expr) -> str:
    """Return the name of a function such as ``np.add.reduce``."""
    if isinstance(tree, ast.Attribute):
        return f"{_dotted_name(tree.value)}.{tree.attr}"
    return tree.id if isinstance(tree, ast.Name) else ""


def _by_position(node: ast.Call, function: str) -> ast.Call:
    """Return a call with its optional arguments by position, which is faster than by keyword.

    SciPy takes a microsecond to find out what three keywords mean. The call
    ``blas.dger(s, x, y, a=W.T, overwrite_a=1)`` becomes ``blas.dger(s, x, y, 1, 1, W.T, 1, 1, 1)``.
    """
    given = {keyword.arg: keyword.value for keyword in node.keywords}
    library, _, name = function.partition(".")
    if library == "blas" and ("a" in given or "c" in given):  # BLAS writes into memory
        order: tuple[str, ...] = BLAS_ARGUMENTS[name[1:]]
    elif set(given) == {"out"} and function not in BY_KEYWORD and (
            library in ("np", "special") or function.endswith(".dot")):
        order = ("out",)
    else:
        return node
    arguments = [given.get(keyword, ast.Constant(1)) for keyword in order]
    return ast.Call(node.func, [*node.args, *arguments], [])
