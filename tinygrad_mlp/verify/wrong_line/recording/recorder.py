"""A function whose every expression is kept while it runs, and can be given another value.

Each expression ``e`` that is loaded becomes ``keep(number, e)``. After ``x += e`` and ``x[i] = e``
the new value of ``x`` is kept, too. Functions that are called are recorded themselves, where they
have a source.
"""

from __future__ import annotations

import ast
import operator
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Value
from tinygrad_mlp.autograd.stores.buffer import RecordedBuffer
from tinygrad_mlp.support.source_rewriting import (
    codes_of,
    copied,
    is_installed,
    plain_function,
    rebound,
    source_of,
)
from tinygrad_mlp.verify.wrong_line.recording.sites import Site, SiteFinder

KEEP, CALLEE = "<keep>", "<callee>"
"""Names that no program can have, for what a recorded function calls."""

MOST_CALLS = 20
"""A changed run that keeps this many times as many values as the right one is not going to end."""

Override = Callable[[int, Any, Any], Any]
"""Called as ``override(occurrence, value, frame)``; returns what takes the place of the value."""

StatementChange = Callable[[Any], list[Any]]
"""Called with a copy of a statement; returns the statements that take its place."""

NUMBERS = (np.ndarray, np.generic, float, int)


class EndlessRunError(Exception):
    """A changed run keeps far more values than the right one."""


class FunctionRecorder:
    """A function, its sites, and runs of it. What it calls is recorded as well.

    Attributes:
        function: the recorded function; the given one where it has no source.
        sites: the sites found so far. Those of a function that is called are found at the call.
        source: the source of the given function, or None.
    """

    def __init__(self, function: Callable[..., object]) -> None:
        self.given = function
        self.source = source_of(function)
        self.sites: list[Site] = []
        self._finders: dict[CodeType, SiteFinder] = {}
        self._trees: dict[tuple[CodeType, bool], InstrumentedTree] = {}
        self._copies: dict[tuple[FunctionType, bool], Any] = {}
        self._changed_copies: dict[tuple[FunctionType, bool], Any] = {}
        self._own: set[CodeType] = set()
        self._foreign: dict[int, Any] = {}
        self._values: dict[int, list[Any]] | None = None
        self._overrides: Mapping[int, Override] = {}
        self._counts: dict[int, int] = {}
        self._statements: Mapping[int, StatementChange] = {}
        self._compiled: Mapping[int, StatementChange] = {}
        self._roots_only = False
        self._usual, self._left = 0, sys.maxsize
        self.function = function if self.source is None else self._recorded(function)

    @contextmanager
    def recording(self) -> Iterator[dict[int, list[Any]]]:
        """Keep the values of all sites, by their numbers, while `function` runs."""
        self._values, self._left = {}, sys.maxsize
        try:
            yield self._values
        finally:
            self._usual = max(self._usual, sys.maxsize - self._left)
            self._values = None

    @contextmanager
    def changed(self, overrides: Mapping[int, Override],
                statements: Mapping[int, StatementChange] | None = None,
                keep: bool = False) -> Iterator[Any]:
        """Override the values of some sites, and change statements, while the yielded one runs.

        Where only roots are overridden and nothing is kept, it stops at nothing else.
        """
        self._overrides, self._counts = overrides, {}
        self._left = MOST_CALLS * self._usual + 1000
        self._statements = statements or {}
        self._roots_only = not keep and all(self.sites[number].root for number in overrides)
        if statements and statements != self._compiled:
            self._compiled, self._changed_copies = statements, {}
        try:
            yield self._recorded(self.given)
        finally:
            self._overrides, self._statements, self._roots_only = {}, {}, False

    def _keep(self, number: int, value: object) -> Any:
        self._left -= 1
        if self._left < 0:
            raise EndlessRunError
        override = self._overrides.get(number)
        if override is not None:
            occurrence = self._counts.get(number, 0)
            self._counts[number] = occurrence + 1
            value = override(occurrence, value, sys._getframe(1))
        if self._values is not None:
            self._values.setdefault(number, []).append(_snapshot(value))
        return value

    def _callee(self, function: Any) -> Any:
        """Return what is called in the place of `function`: its recorded copy, where it has one."""
        if isinstance(function, BuiltinFunctionType) and function.__name__ == "dot" and isinstance(
                function.__self__, np.ndarray):
            return partial(np.dot, function.__self__)  # which takes tensors
        if isinstance(function, (type, BuiltinFunctionType, np.ufunc)) or (
                self._foreign.get(id(function)) is function):
            return function
        plain = plain_function(function)
        if plain is None or is_installed(plain):
            self._foreign[id(function)] = function
            return function
        return function if plain.__code__ in self._own else self._recorded(function)

    def _recorded(self, function: Callable[..., object]) -> Callable[..., object]:
        """Return the recorded copy of a function; the function itself where it has no source."""
        plain = plain_function(function)
        assert plain is not None
        copies = self._changed_copies if self._is_changed(plain) else self._copies
        key = plain, self._roots_only
        if key not in copies:
            copies[key] = self._copy(plain) or plain
        copy = copies[key]
        if function is plain:
            return copy
        return MethodType(copy, function.__self__ if isinstance(function, MethodType) else function)

    def _is_changed(self, plain: FunctionType) -> bool:
        finder = self._finders.get(plain.__code__) if self._statements else None
        return finder is not None and any(
            id(site.statement) in self._statements for site in finder.sites)

    def _copy(self, plain: FunctionType) -> Any:
        code = plain.__code__
        if code not in self._finders:
            source = source_of(plain)
            if source is None:
                return None
            modules = {n for n, v in plain.__globals__.items() if isinstance(v, ModuleType)}
            finder = SiteFinder(source, len(self.sites), modules)
            finder.visit_function(source.tree)
            self.sites += finder.sites
            self._finders[code] = finder
        key = code, self._roots_only
        if key not in self._trees:
            self._trees[key] = InstrumentedTree(self._finders[code], self._roots_only)
        tree = self._trees[key].changed(self._statements)
        copy = rebound(plain, self._finders[code].source, tree,
                       {KEEP: self._keep, CALLEE: self._callee}, located=True)
        self._own.update(codes_of(copy.__code__))
        return copy


class InstrumentedTree:
    """The syntax tree of a function in which every site is kept, or (`roots_only`) every root."""

    def __init__(self, finder: SiteFinder, roots_only: bool) -> None:
        self._finder, self._roots_only = finder, roots_only
        self._statements: dict[int, Any] = {}
        self._tree = ast.fix_missing_locations(copied(finder.source.tree, self._kept))

    def changed(self, statements: Mapping[int, StatementChange]) -> Any:
        """Return the tree with some statements changed."""
        made = {}
        for number, change in statements.items():
            if number in self._statements:
                copy = self._statements[number]
                made[id(copy)] = [ast.fix_missing_locations(each) for each in change(copy)]
        return _with_statements(self._tree, made)[0]

    def _kept(self, original: ast.AST, copy: Any) -> Any:
        finder = self._finder
        if id(original) in finder.numbers:
            number = finder.numbers[id(original)]
            if self._roots_only and not finder.sites[number - finder.first].root:
                return copy
            return ast.copy_location(_keep(number, copy), copy)
        if id(original) in finder.callees:
            return ast.copy_location(_call(CALLEE, copy), copy)
        if isinstance(original, ast.stmt):
            self._statements[id(original)] = copy
        if id(original) in finder.stored and not self._roots_only:
            number, bound = finder.stored[id(original)]
            target = finder.sites[number - finder.first].node
            value = _keep(number, copied(target, _loading))
            again: Any = ast.Expr(value)
            if bound and isinstance(target, ast.Name):
                again = ast.Assign([ast.Name(target.id, ast.Store())], value)
            return [copy, ast.copy_location(again, copy)]
        return copy


def _with_statements(node: ast.AST, made: Mapping[int, list[ast.stmt]]) -> list[ast.AST]:
    """Return what takes the place of a statement, in which the others are shared."""
    if id(node) in made:
        left = {key: value for key, value in made.items() if key != id(node)}
        return [new for each in made[id(node)] for new in _with_statements(each, left)]
    changed = {}
    for name in ("body", "orelse", "finalbody", "handlers"):
        inside = getattr(node, name, None)
        if isinstance(inside, list):
            new = [each for old in inside for each in _with_statements(old, made)]
            if len(new) != len(inside) or not all(map(operator.is_, new, inside)):
                changed[name] = new
    return [type(node)(**{**vars(node), **changed}) if changed else node]


def _keep(number: int, value: ast.expr) -> ast.Call:
    return _call(KEEP, ast.Constant(number), value)


def _loading(original: ast.AST, copy: ast.AST) -> ast.AST:
    """Turn a target into an expression."""
    if isinstance(copy, (ast.Name, ast.Attribute, ast.Subscript)):
        copy.ctx = ast.Load()
    return copy


def _call(name: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), list(arguments), [])


def _snapshot(value: object) -> Any:
    """Return a value as it is now; None for what is neither an array nor a number nor a tensor."""
    if isinstance(value, np.ndarray):
        return value.copy() if value.dtype.kind in "fiub" else None
    if isinstance(value, Value):
        return value.reading() if isinstance(value, RecordedBuffer) else value
    return np.asarray(value) if isinstance(value, NUMBERS) else None
