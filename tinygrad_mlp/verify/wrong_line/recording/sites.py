"""The sites of a function: the expressions whose values are kept.

All that is loaded, except called names, indices and keywords such as ``axis``; and what a store has
changed, after it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from tinygrad_mlp.support.source_rewriting import FunctionSource


class Site(NamedTuple):
    """An expression of a recorded function, or (`after`) the value of a target after a store.

    `statement` is the statement that it belongs to; `root` says that it is all that is assigned or
    returned there.
    """

    number: int
    source: FunctionSource
    node: ast.expr
    statement: ast.stmt | ast.Lambda
    root: bool = False
    after: bool = False

    @property
    def text(self) -> str:
        """The expression as it was written."""
        return " ".join(self.source.text(self.node).split())

    @property
    def plain(self) -> str:
        """The expression as Python prints it."""
        return ast.unparse(self.node)


def variable_of(site: Site) -> str | None:
    """Return the variable that a site is assigned to, where it is one."""
    statement = site.statement
    if not (site.root and isinstance(statement, ast.Assign) and len(statement.targets) == 1):
        return None
    target: Any = statement.targets[0]
    if isinstance(target, ast.Tuple) and isinstance(statement.value, ast.Tuple):  # Q, K = …, …
        pairs = zip(target.elts, statement.value.elts, strict=False)
        target = next((each for each, value in pairs if value is site.node), None)
    return target.id if isinstance(target, ast.Name) else None


def is_alias(site: Site) -> bool:
    """Return whether a statement only gives another name to a variable."""
    return isinstance(site.node, ast.Name) and isinstance(site.statement, ast.Assign)


def feeding(site: Site, sites: Sequence[Site]) -> list[Site]:
    """Return those of some sites that are assigned to what the statement of a site uses."""
    used = {node.id for node in ast.walk(site.statement) if isinstance(node, ast.Name)}
    return [each for each in sites if each.source is site.source and each.root
            and each.statement is not site.statement and stored_in(each.statement) & used]


def stored_in(statement: ast.stmt | ast.Lambda) -> set[str]:
    """Return the variables that an assignment changes."""
    if not isinstance(statement, (ast.Assign, ast.AugAssign)):
        return set()
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    inside = [target.value if isinstance(target, ast.Subscript) else target for target in targets]
    return {target.id for target in inside if isinstance(target, ast.Name)}


def carried(loop: ast.For, tree: Any) -> set[str]:
    """Return the variables that a loop takes from the step before: used before they are stored."""
    carried: set[str] = set()
    known = {node.id for node in ast.walk(loop.target) if isinstance(node, ast.Name)}
    for statement in loop.body:
        inside = [node for node in ast.walk(statement) if isinstance(node, ast.Name)]
        carried |= {node.id for node in inside if isinstance(node.ctx, ast.Load)} - known
        known |= {node.id for node in inside if isinstance(node.ctx, ast.Store)}
    return carried & {node.id for node in ast.walk(tree)
                      if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


class SiteFinder:
    """Walks a function and lists its sites."""

    def __init__(self, source: FunctionSource, first: int, modules: set[str]) -> None:
        self.source, self.first, self.modules = source, first, modules
        self.sites: list[Site] = []
        self.numbers: dict[int, int] = {}
        self.callees: set[int] = set()
        self.stored: dict[int, tuple[int, bool]] = {}
        self._statement: Any = source.tree
        self._local: set[str] = set()

    def visit_function(self, tree: Any) -> None:
        """List the sites of a function, its own or one inside of it."""
        before = self._statement, self._local
        self._statement, self._local = tree, _assigned(tree)
        if isinstance(tree, ast.Lambda):
            self._load(tree.body, root=True)
        else:
            for statement in tree.body:
                self._visit_statement(statement)
        self._statement, self._local = before

    def _visit_statement(self, statement: ast.stmt) -> None:
        if isinstance(statement, ast.FunctionDef):
            return self.visit_function(statement)
        before, self._statement = self._statement, statement
        for name in ("value", "iter", "test"):
            expression = getattr(statement, name, None)
            if isinstance(expression, ast.expr) and not isinstance(statement, ast.Assert):
                self._load(expression, root=True)
        self._after_store(statement)
        for item in getattr(statement, "items", ()):
            self._load(item.context_expr)
        for part in ("body", "orelse", "finalbody"):
            for inner in getattr(statement, part, ()):
                self._visit_statement(inner)
        for handler in getattr(statement, "handlers", ()):
            for inner in handler.body:
                self._visit_statement(inner)
        self._statement = before

    def _after_store(self, statement: ast.stmt) -> None:
        """Note the target of ``x += e`` or ``x[i] = e``, whose value is kept afterwards."""
        if isinstance(statement, ast.Assign):
            target: Any = statement.targets[0]
            if not isinstance(target, ast.Subscript):
                return
        elif isinstance(statement, ast.AugAssign):
            target = statement.target
        else:
            return
        target = target.value if isinstance(target, ast.Subscript) else target
        if isinstance(target, (ast.Name, ast.Attribute, ast.Subscript)):
            bound = isinstance(target, ast.Name) and target.id in self._local
            self.stored[id(statement)] = self._add(target, after=True), bound

    def _add(self, node: ast.expr, *, root: bool = False, after: bool = False) -> int:
        number = self.first + len(self.sites)
        self.sites.append(Site(number, self.source, node, self._statement, root, after))
        return number

    def _load(self, node: ast.expr, *, root: bool = False) -> None:
        """List an expression and those inside of it, the inner ones first."""
        if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and not (
                root and isinstance(node.value, (int, float)))):
            return
        if isinstance(node, ast.Name) and node.id in self.modules - self._local:
            return
        if isinstance(node, ast.Starred):
            return self._load(node.value)
        if isinstance(node, ast.Lambda):
            return self.visit_function(node)
        display = isinstance(node, (ast.Tuple, ast.List, ast.Dict, ast.Set))
        # What `np.add.at(x, i, e)` and `steps.append(e)` are called with is all that they store.
        stored = isinstance(node, ast.Call) and isinstance(self._statement, ast.Expr)
        for inner in self._inside(node):
            self._load(inner, root=root and (display or stored))
        if not display and not isinstance(node, (ast.Yield, ast.Await)):
            # (Run twice, the call itself would store twice.)
            self.numbers[id(node)] = self._add(node, root=root and not stored)

    def _inside(self, node: ast.expr) -> Iterator[ast.expr]:
        if isinstance(node, ast.Call):
            self.callees.add(id(node.func))
            function = node.func
            if isinstance(function, ast.Attribute):
                yield function.value
            elif not isinstance(function, ast.Name):
                yield from self._inside(function)
            yield from node.args
            yield from (keyword.value for keyword in node.keywords)
        elif isinstance(node, ast.Subscript):
            yield node.value
        elif isinstance(node, (ast.ListComp, ast.GeneratorExp, ast.SetComp, ast.DictComp)):
            for generator in node.generators:
                yield generator.iter
                yield from generator.ifs
            yield from [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        else:
            for part in ast.iter_child_nodes(node):
                if isinstance(part, ast.expr):
                    yield part


def _assigned(tree: Any) -> set[str]:
    """Return the names that a function binds, which are its local variables."""
    names = {each.arg for each in ast.walk(tree.args) if isinstance(each, ast.arg)}
    nodes = [] if isinstance(tree, ast.Lambda) else list(tree.body)
    while nodes:
        node = nodes.pop()
        if isinstance(node, (ast.FunctionDef, ast.Lambda)):
            names.add(getattr(node, "name", ""))
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        nodes += ast.iter_child_nodes(node)
    return names
