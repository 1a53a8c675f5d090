"""Functions rewritten: their source found, a changed copy compiled, and everything bound as before.

A function is rewritten in three steps. `source_of` finds its syntax tree, as it stands in the file,
in the cell of a notebook or in a doctest. A client makes a changed copy with `copied`, which leaves
the tree itself alone. `rebound` compiles the copy: it has the file and the line numbers of the
original, its defaults, its globals, the very cells of its closure and its `self`. So it does what
the original does, but for the change, and fails on the same line.
"""

from __future__ import annotations

import ast
import inspect
import linecache
import os
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from types import CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

Change = Callable[[ast.AST, Any], Any]
"""Called as ``change(original, copy)`` for each node of a tree, from the leaves up. Returns what
takes the place of the copy, in a list of statements possibly a list."""

INSTALLED = (os.path.join(os.path.dirname(os.path.dirname(__file__)), ""), *(
    os.path.join(sysconfig.get_path(kind), "") for kind in ("stdlib", "purelib", "platlib")))
"""Folders of this package, of Python and of what is installed, whose functions are no user's."""


class FunctionSource(NamedTuple):
    """The source of a function: its syntax tree, which is never changed, and where it stands.

    The positions in `tree` are those of the file.
    """

    tree: ast.FunctionDef | ast.Lambda
    filename: str
    lines: tuple[str, ...]

    def text(self, node: ast.AST) -> str:
        """Return the source text of a statement or an expression."""
        first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1  # type: ignore[attr-defined]
        start, end = node.col_offset, node.end_col_offset  # type: ignore[attr-defined]
        lines = [line.encode() for line in self.lines[first:last + 1]]  # offsets count bytes
        lines[-1] = lines[-1][:end]
        lines[0] = lines[0][start:]
        return b"".join(lines).decode()


def plain_function(function: object) -> FunctionType | None:
    """Return the Python function that a call of `function` runs, or None.

    That of a method, or of the `__call__` of an object; None for a built-in or a class.
    """
    if isinstance(function, MethodType):
        function = function.__func__
    elif not isinstance(function, (FunctionType, type)):
        function = inspect.getattr_static(type(function), "__call__", None)
    return function if isinstance(function, FunctionType) else None


def source_of(function: object) -> FunctionSource | None:
    """Return the source of a function, method or callable object; None where there is none.

    There is none for built-ins, for what was typed into ``python -c``, and for a file that was
    edited since the function was defined.
    """
    plain = plain_function(function)
    if plain is None:
        return None
    code = plain.__code__
    lines = linecache.getlines(code.co_filename, plain.__globals__)
    tree = _parsed("".join(lines))
    if tree is None:
        return None
    fitting = [node for node in tree.get(code.co_firstlineno, ()) if _made(node, code)]
    # Of lambdas on one line, the one that holds all positions of the code, and the smallest such.
    fitting.sort(key=lambda node: len(ast.dump(node)))
    return FunctionSource(fitting[0], code.co_filename, tuple(lines)) if fitting else None


def is_installed(value: FunctionType | ModuleType) -> bool:
    """Return whether a function or module is of this package, of Python or of an installed one."""
    if isinstance(value, FunctionType):
        return value.__code__.co_filename.startswith((*INSTALLED, "<frozen"))
    # (A module written in C may have no file. One that was typed in has none, either.)
    file = getattr(value, "__file__", None)
    if file is None:
        return value.__name__ in sys.builtin_module_names
    return str(file).startswith(INSTALLED)


def copied(node: ast.AST, change: Change) -> Any:
    """Return a copy of a syntax tree in which `change` has replaced what it wants to replace."""
    fields: dict[str, Any] = {}
    for name, value in ast.iter_fields(node):
        if isinstance(value, ast.AST):
            fields[name] = copied(value, change)
        elif isinstance(value, list):
            fields[name] = list(_copied_list(value, change))
        else:
            fields[name] = value
    return change(node, ast.copy_location(type(node)(**fields), node))


def _copied_list(nodes: list[object], change: Change) -> Iterator[object]:
    for node in nodes:
        made = copied(node, change) if isinstance(node, ast.AST) else node
        yield from made if isinstance(made, list) else (made,)


def rebound(function: object, source: FunctionSource, tree: ast.FunctionDef | ast.Lambda,
            names: Mapping[str, object] | None = None, *,
            located: bool = False) -> Callable[..., object]:
    """Return `function` with the code of `tree`, a changed copy of the tree of its `source`.

    Args:
        function: a function, a method or a callable object.
        source: what `source_of` returned for it.
        tree: the changed copy.
        names: values of further names that the changed code uses. It sees them as variables of an
            enclosing function, so that nothing is written into the globals of the original.
        located: whether all nodes of the copy have positions, those that are new as well.
    """
    plain = plain_function(function)
    assert plain is not None
    extra = dict(names or {})
    closed = dict(zip(plain.__code__.co_freevars, plain.__closure__ or (), strict=True))
    if not located:
        ast.fix_missing_locations(tree)
    code = compiled(tree, source.filename, (*closed, *extra), plain.__qualname__)
    cells = tuple(closed[name] if name in closed else CellType(extra[name])
                  for name in code.co_freevars)
    made = FunctionType(code, plain.__globals__, plain.__name__, plain.__defaults__, cells)
    made.__kwdefaults__, made.__qualname__ = plain.__kwdefaults__, plain.__qualname__
    made.__doc__, made.__module__ = plain.__doc__, plain.__module__
    made.__dict__.update(plain.__dict__)
    if function is plain:
        return made
    return MethodType(made, function.__self__ if isinstance(function, MethodType) else function)


def compiled(tree: ast.FunctionDef | ast.Lambda, filename: str, enclosing: tuple[str, ...],
             qualname: str) -> CodeType:
    """Return the code of a function in which the names `enclosing` are those of a closure.

    All nodes of the tree must have positions.
    """
    arguments = tree.args
    bare = ast.arguments(
        arguments.posonlyargs, arguments.args, arguments.vararg, arguments.kwonlyargs,
        [None] * len(arguments.kwonlyargs), arguments.kwarg, [])  # defaults are taken over
    statement: ast.stmt
    if isinstance(tree, ast.Lambda):
        name, statement = "<lambda>", ast.Expr(ast.copy_location(ast.Lambda(bare, tree.body), tree))
    else:
        name = tree.name
        statement = ast.FunctionDef(name, bare, tree.body, [], None, None)
    ast.copy_location(statement, tree)
    owner = qualname.split(".")[-2:-1]
    if owner and owner != ["<locals>"]:  # a method: its class gives private names their prefix
        statement = ast.ClassDef(owner[0], [], [], [statement], [])
        ast.copy_location(statement, tree)
    parameters = [ast.copy_location(ast.arg(each), tree)
                  for each in enclosing if each != "__class__"]
    around = ast.FunctionDef(
        "<enclosing>", ast.arguments([], parameters, None, [], [], None, []), [statement], [])
    ast.copy_location(around, tree)
    module = ast.Module([around], [])
    return next(code for code in codes_of(compile(module, filename, "exec", dont_inherit=True))
                if code.co_name == name)


def codes_of(code: CodeType) -> Iterator[CodeType]:
    """Yield a code, and those of the functions that are defined in it, outer ones first."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from codes_of(constant)


@lru_cache(maxsize=64)
def _parsed(text: str) -> dict[int, list[Any]] | None:
    """Return the functions of a file by the number of their first line."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return None  # a notebook's cell with magics, or no Python at all
    found: dict[int, list[Any]] = {}
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.Lambda)):
            above = getattr(node, "decorator_list", [])
            first = min([node.lineno, *(decorator.lineno for decorator in above)])
            found.setdefault(first, []).append(node)
    return found


def _made(node: ast.FunctionDef | ast.Lambda, code: CodeType) -> bool:
    """Return whether a definition has made a code, as far as names and positions can tell."""
    if getattr(node, "name", "<lambda>") != code.co_name:
        return False
    arguments = node.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    named += [each for each in (arguments.vararg, arguments.kwarg) if each is not None]
    if [each.arg for each in named] != list(code.co_varnames[:len(named)]):
        return False
    if isinstance(node, ast.Lambda):
        inside = [(line, column) for line, _, column, _ in code.co_positions() if column]
        body = node.body
        end = (body.end_lineno or 0, body.end_col_offset or 0)
        return all((body.lineno, body.col_offset) <= at < end for at in inside)
    # A file that was edited since has other names, most likely. (Other names may be in the code:
    # pytest adds some for assertions.)
    used = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
    known = {name for each in codes_of(code) for name in (
        *each.co_names, *each.co_varnames, *each.co_freevars, *each.co_cellvars)}
    body_names = used - {n.id for d in _headers(node) for n in ast.walk(d)
                         if isinstance(n, ast.Name)}
    return body_names <= known


def _headers(node: ast.FunctionDef) -> Iterator[ast.AST]:
    """Yield what stands in a definition but is evaluated outside of it, nested ones included."""
    for each in ast.walk(node):
        if isinstance(each, ast.FunctionDef):
            annotations = [a.annotation for a in ast.walk(each.args) if isinstance(a, ast.arg)]
            outside = [each.returns, *annotations, *each.decorator_list, *each.args.defaults]
            yield from (part for part in outside if part is not None)
        elif isinstance(each, ast.AnnAssign):
            yield each.annotation
