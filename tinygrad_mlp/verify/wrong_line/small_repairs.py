"""Repairs by a small edit: of an expression, of a statement, or of equal expressions at once."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tinygrad_mlp.support.source_rewriting import copied
from tinygrad_mlp.verify.wrong_line.added import extended, joined, multiplied, scaled
from tinygrad_mlp.verify.wrong_line.edits import edits_of
from tinygrad_mlp.verify.wrong_line.experiment import RepairTrials, Scope
from tinygrad_mlp.verify.wrong_line.recorder import StatementChange
from tinygrad_mlp.verify.wrong_line.repair import Repair, chosen, distinct, variables_in
from tinygrad_mlp.verify.wrong_line.sites import Site
from tinygrad_mlp.verify.wrong_line.syntax import Vocabulary, replaced_at
from tinygrad_mlp.verify.wrong_line.terms import NUMBERS

LONGEST_TEXT = 24
"""Most characters of an expression that is offered as a variable."""


class Offers:
    """What each statement may be repaired with: its variables, and the functions at hand."""

    def __init__(self, experiment: RepairTrials, roots: Sequence[Site],
                 loss: Sequence[Site]) -> None:
        self.experiment = experiment
        self.scopes = experiment.scopes(0, roots)
        self._of_loss = [s.text for s in loss if isinstance(s.node, ast.Name)]
        self.numbers = sorted({*NUMBERS, *(
            float(node.value) for s in loss if s.root for node in ast.walk(s.node)
            if isinstance(node, ast.Constant) and isinstance(node.value, (int, float))
            and not isinstance(node.value, bool) and abs(node.value) not in (0, 1))})
        stored = {n.id for n in self._names(ast.Store)}
        self.unused = stored - {n.id for n in self._names(ast.Load)}
        sites = [*experiment.sites, *loss]
        lists = {s.node.value.id for s in sites if isinstance(s.node, ast.Subscript)
                 and isinstance(s.node.value, ast.Name)}
        steps = {s.statement.target.id for s in sites if isinstance(s.statement, ast.For)
                 and isinstance(s.statement.target, ast.Name)}
        self._elements = [f"{name}[{step}]" for name in sorted(lists) for step in sorted(steps)]
        functions: dict[str, None] = {}
        self._texts: dict[int, list[str]] = {}
        for site in experiment.sites:
            node = site.node
            texts = self._texts.setdefault(id(site.source.tree), [])
            for part in ast.walk(node) if site.root else [node]:
                if isinstance(part, ast.Name):
                    texts.append(part.id)
            if isinstance(node, (ast.Subscript, ast.Attribute)) and len(site.text) <= LONGEST_TEXT:
                if not (isinstance(node, ast.Attribute) and node.attr in ("T", "shape", "size")):
                    texts.append(site.text)
            if isinstance(node, ast.Call) and len(node.args) == 1 and not node.keywords:
                name = ast.unparse(node.func)
                elementwise = name.rpartition(".")[2] in ("tanh", "exp", "sqrt", "sigmoid", "relu")
                if elementwise or (isinstance(node.func, ast.Name) and not name.startswith("<")):
                    functions[name] = None
        self.functions = tuple(f for f in functions if f not in NOT_ELEMENTWISE)

    def _names(self, context: type) -> Iterator[ast.Name]:
        source = self.experiment.derived.source
        for node in ast.walk(source.tree) if source is not None else ():
            if isinstance(node, ast.Name) and isinstance(node.ctx, context):
                yield node

    def scope(self, site: Site) -> list[Scope]:
        """Return the variables that a site sees, at a few of its evaluations."""
        found = self.scopes.get(site.number, [])
        return [found[i] for i in chosen(len(found))]

    def texts(self, site: Site) -> list[str]:
        """Return the variables, and elements of such, in the function that a site stands in."""
        return list(dict.fromkeys([
            *self._texts.get(id(site.source.tree), ()), *self._elements, *sorted(self.unused),
            *self._of_loss]))

    def seen(self, site: Site) -> tuple[list[Scope], list[Any]]:
        """Return variables and values of a site at a few of its evaluations."""
        scopes, values = self.scope(site), self.experiment.values[0].get(site.number, [])
        values = [values[i] for i in chosen(len(values))]
        return (scopes, values) if len(scopes) == len(values) else ([], [])

    def vocabulary(self, site: Site) -> Vocabulary:
        """Return what small edits of a site may use."""
        scopes = self.scope(site)
        known = variables_in(site, scopes[-1], self.texts(site)) if scopes else {}
        return Vocabulary(known, self.functions)


NOT_ELEMENTWISE = frozenset(
    ["len", "range", "reversed", "float", "int", "list", "sum", "max", "min", "enumerate", "zip",
     "abs", "print", "dict", "tuple"])


def edited(offers: Offers, site: Site) -> list[Repair]:
    """Return the repairs of one root by a small edit."""
    words = offers.vocabulary(site)
    scopes, values = offers.seen(site)
    edits = [*edits_of(site.node, words)]
    if values and all(isinstance(value, np.ndarray) for value in values):
        edits += scaled(site.node, words.variables, offers.numbers)
    return list(distinct(iter(edits), site, scopes, values))


def enlarged(offers: Offers, site: Site) -> list[Repair]:
    """Return the repairs of one root by a further factor or term."""
    words = offers.vocabulary(site)
    scopes, values = offers.seen(site)
    if not values or not all(isinstance(value, np.ndarray) for value in values):
        return []
    edits = [*multiplied(site.node, values[-1], words.variables),
             *extended(site.node, values[-1], words.variables),
             *joined(site.node, values[-1], words.variables)]
    return list(distinct(iter(edits), site, scopes, values))


def statement_repairs(offers: Offers, site: Site) -> Iterator[Repair]:
    """Yield the repairs of a statement as a whole: ``+=`` for ``=``, another target, none."""
    statement = site.statement

    def repair(cost: float, change: StatementChange) -> Repair:
        return Repair(cost, (), (site, change))

    if isinstance(statement, ast.AugAssign):
        yield from _other_assignments(statement, repair)
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target = statement.targets[0]
        if isinstance(target, (ast.Name, ast.Subscript)):
            yield repair(1.0, lambda s: [_placed(
                ast.AugAssign(s.targets[0], ast.Add(), s.value), s)])
    if isinstance(statement, (ast.Assign, ast.AugAssign)):
        yield from _other_targets(offers, site, repair)
    if isinstance(statement, ast.Return) and isinstance(statement.value, ast.Dict):
        yield from _exchanged_values(statement.value, repair)
    if isinstance(statement, (ast.Assign, ast.AugAssign, ast.Expr)):
        yield repair(2.0, lambda s: [_placed(ast.Pass(), s)])


def _other_assignments(statement: ast.AugAssign, repair: Any) -> Iterator[Repair]:
    """Yield ``-=``, ``=`` and ``np.add.at`` for ``+=``."""
    other = ast.Sub() if isinstance(statement.op, ast.Add) else ast.Add()
    yield repair(1.0, lambda s: [_placed(ast.AugAssign(s.target, other, s.value), s)])
    yield repair(1.2, lambda s: [_placed(ast.Assign([s.target], s.value), s)])
    if isinstance(statement.target, ast.Subscript):
        yield repair(1.0, _scattered)


def _exchanged_values(returned: ast.Dict, repair: Any) -> Iterator[Repair]:
    """Yield two gradients exchanged in what is returned."""
    def exchanged(i: int, j: int) -> StatementChange:
        def change(copy: Any) -> list[Any]:
            values = list(copy.value.values)
            values[i], values[j] = values[j], values[i]
            return [_placed(ast.Return(ast.Dict(copy.value.keys, values)), copy)]

        return change

    for j in range(len(returned.values)):
        for i in range(j):
            yield repair(1.2, exchanged(i, j))


def _other_targets(offers: Offers, site: Site, repair: Any) -> Iterator[Repair]:
    """Yield a store to another place."""
    statement: Any = site.statement
    target: Any = statement.target if isinstance(statement, ast.AugAssign) else statement.targets[0]
    if not isinstance(target, ast.Subscript):
        return

    def stored(made: ast.expr) -> StatementChange:
        def change(copy: Any) -> list[Any]:
            index = copied(made, lambda _, node: node)
            old: Any = copy.target if isinstance(copy, ast.AugAssign) else copy.targets[0]
            new = ast.copy_location(ast.Subscript(old.value, index, ast.Store()), old)
            if isinstance(copy, ast.AugAssign):
                return [_placed(ast.AugAssign(new, copy.op, copy.value), copy)]
            return [_placed(ast.Assign([new], copy.value), copy)]

        return change

    index = ast.copy_location(ast.Subscript(target.value, target.slice, ast.Load()), target)
    for cost, edited in edits_of(index, offers.vocabulary(site)):
        made: Any = edited
        if isinstance(made, ast.Subscript) and ast.dump(made.value) == ast.dump(target.value):
            yield repair(cost, stored(made.slice))


def _scattered(statement: Any) -> list[Any]:
    """Turn ``x[i] += e``, which adds once for indices that repeat, into ``np.add.at(x, i, e)``."""
    target = statement.target
    value = copied(target.value, _loaded)
    at = ast.parse("np.add.at", mode="eval").body
    call = ast.Call(at, [value, copied(target.slice, _loaded), statement.value], [])
    return [_placed(ast.Expr(call), statement)]


def _loaded(original: ast.AST, copy: Any) -> Any:
    if hasattr(copy, "ctx"):
        copy.ctx = ast.Load()
    return copy


def _placed(made: Any, statement: Any) -> Any:
    return ast.fix_missing_locations(ast.copy_location(made, statement))


def appended_repairs(offers: Offers, site: Site) -> Iterator[Repair]:
    """Yield updates of x put after a site's statement, if that ends a loop which uses x."""
    loop = next((node for node in ast.walk(site.source.tree)
                 if isinstance(node, ast.For) and node.body[-1] is site.statement), None)
    if loop is None or not site.root:
        return
    used = {node.id for node in ast.walk(loop) if isinstance(node, ast.Name)}
    stored = {node.id for node in ast.walk(site.source.tree)
              if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    variables = offers.vocabulary(site).variables
    for name in sorted(used & stored & set(variables)):
        for other, value in variables.items():
            if other != name and np.ndim(value) and np.shape(value) == np.shape(variables[name]):
                yield Repair(1.8, (), (site, followed_by(f"{name} = {name} * {other}")))
        for cost, made in joined(ast.Name(name, ast.Load()), variables[name], variables):
            yield Repair(cost + 0.3, (), (site, followed_by(f"{name} = {ast.unparse(made)}")))


def followed_by(text: str) -> StatementChange:
    """Return the change that puts a statement after another one."""

    def change(copy: Any) -> list[Any]:
        more = ast.parse(text).body[0]
        for node in ast.walk(more):
            ast.copy_location(node, copy)
        return [copy, more]

    return change


def repairs_of_copies(roots: Sequence[Site], offers: Offers) -> Iterator[Repair]:
    """Yield repairs that make the same small edit at equal roots of several statements."""
    groups: dict[str, list[Site]] = {}
    for site in roots:
        for node in ast.walk(site.node):
            if isinstance(node, (ast.BinOp, ast.Call)):
                groups.setdefault(ast.dump(node), []).append(site)
    for text, sites in groups.items():
        owners = list({site.number: site for site in sites}.values())
        if len(owners) < 2:
            continue
        node = next(n for n in ast.walk(owners[0].node) if ast.dump(n) == text)
        for cost, made in edits_of(node, offers.vocabulary(owners[0])):  # type: ignore[arg-type]
            edits = []
            for site in owners:
                places = [n for n in ast.walk(site.node) if ast.dump(n) == text]
                edits.append((site, replaced_at(site.node, places, made)))
            yield Repair(cost + 0.5, tuple(edits))
