"""Repairs by a small edit: of an expression, of a statement, or of equal expressions at once."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tinygrad_mlp.support.source_rewriting import copied
from tinygrad_mlp.verify.wrong_line.edits.added import extended, joined, multiplied, scaled
from tinygrad_mlp.verify.wrong_line.edits.edits import edits_of
from tinygrad_mlp.verify.wrong_line.expressions.evaluation import evaluated
from tinygrad_mlp.verify.wrong_line.expressions.syntax import parsed, replaced_at
from tinygrad_mlp.verify.wrong_line.recording.recorder import StatementChange
from tinygrad_mlp.verify.wrong_line.recording.sites import Site
from tinygrad_mlp.verify.wrong_line.repairs.offers import Offers, stored_index
from tinygrad_mlp.verify.wrong_line.repairs.placing import SIMPLE
from tinygrad_mlp.verify.wrong_line.repairs.repair import Repair, distinct
from tinygrad_mlp.verify.wrong_line.running.experiment import Scope


def edited(offers: Offers, site: Site) -> list[Repair]:
    """Return the repairs of one root by a small edit."""
    words = offers.vocabulary(site)
    scopes, values = offers.seen(site)
    edits = [*edits_of(site.node, words)]
    if values and all(isinstance(value, np.ndarray) for value in values):
        variables = {text: v for text, v in words.variables.items() if text not in offers.steps}
        edits += scaled(site.node, variables, offers.numbers)
    return list(distinct(iter(edits), site, scopes, values))


def enlarged(offers: Offers, site: Site) -> list[Repair]:
    """Return the repairs of one root by a further factor or term."""
    words = offers.vocabulary(site)
    scopes, values = offers.seen(site)
    if not values or not all(isinstance(value, np.ndarray) for value in values):
        return []
    value = _stored(site, scopes[-1], values[-1])
    if isinstance(site.statement, ast.AugAssign):  # x += … + x is not what anybody meant
        target = ast.unparse(site.statement.target)
        words = words._replace(
            variables={text: v for text, v in words.variables.items() if text != target})
    edits = [*multiplied(site.node, value, words, scopes[-1]),
             *extended(site.node, value, words),
             *joined(site.node, value, words.variables)]
    return list(distinct(iter(edits), site, scopes, values))


def _stored(site: Site, scope: Scope, value: Any) -> Any:
    """Return the place that a value is stored at, whose shape it takes; elsewhere, the value."""
    target, index = stored_index(site)
    place = evaluated(parsed(f"{target}[{index}]"), [scope], [{}]) if index else None
    return value if place is None else place[0]


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
        if isinstance(target, ast.Subscript):
            yield repair(1.2, _scattered)
    if isinstance(statement, (ast.Assign, ast.AugAssign)):
        yield from _other_targets(offers, site, repair)
    if isinstance(statement, (ast.Return, ast.Assign)):
        yield from _exchanged_values(statement.value, repair)
    if isinstance(statement, SIMPLE):
        yield repair(2.0, lambda s: [_placed(ast.Pass(), s)])


def _other_assignments(statement: ast.AugAssign, repair: Any) -> Iterator[Repair]:
    """Yield ``-=``, ``=`` and ``np.add.at`` for ``+=``."""
    other = ast.Sub() if isinstance(statement.op, ast.Add) else ast.Add()
    yield repair(1.0, lambda s: [_placed(ast.AugAssign(s.target, other, s.value), s)])
    yield repair(1.2, lambda s: [_placed(ast.Assign([s.target], s.value), s)])
    if isinstance(statement.target, ast.Subscript):
        yield repair(1.0, _scattered)


def _exchanged_values(listed: ast.expr | None, repair: Any) -> Iterator[Repair]:
    """Yield two values exchanged in what is returned, or assigned to several names."""
    field = {ast.Dict: "values", ast.Tuple: "elts"}.get(type(listed))
    if field is None:
        return

    def exchanged(i: int, j: int) -> StatementChange:
        def change(copy: Any) -> list[Any]:
            values = list(getattr(copy.value, field))
            values[i], values[j] = values[j], values[i]
            made = type(copy.value)(**{**vars(copy.value), field: values})
            return [type(copy)(**{**vars(copy), "value": made})]

        return change

    for j in range(len(getattr(listed, field))):
        for i in range(j):
            yield repair(1.2, exchanged(i, j))


def _other_targets(offers: Offers, site: Site, repair: Any) -> Iterator[Repair]:
    """Yield a store to another place."""
    statement: Any = site.statement
    target: Any = statement.target if isinstance(statement, ast.AugAssign) else statement.targets[0]
    if isinstance(statement, ast.AugAssign) and isinstance(target, ast.Name):
        yield from _of_parts(offers, site, repair)
    if not isinstance(target, ast.Subscript):
        return

    def stored(made: ast.Subscript) -> StatementChange:
        def change(copy: ast.AugAssign) -> list[Any]:
            old: Any = copy.target if isinstance(copy, ast.AugAssign) else copy.targets[0]
            value, index = (copied(part, lambda _, node: node) for part in (made.value, made.slice))
            new = ast.copy_location(ast.Subscript(value, index, ast.Store()), old)
            if isinstance(copy, ast.AugAssign):
                return [_placed(ast.AugAssign(new, copy.op, copy.value), copy)]
            return [_placed(ast.Assign([new], copy.value), copy)]

        return change

    index = ast.copy_location(ast.Subscript(target.value, target.slice, ast.Load()), target)
    for cost, edited in edits_of(index, offers.vocabulary(site)):
        made: Any = edited
        if isinstance(made, ast.Subscript) and _base(made) == _base(target):
            yield repair(cost, stored(made))


def _base(target: ast.expr) -> str:
    """Return the variable that a target, or an element of an element of it, is in."""
    while isinstance(target, ast.Subscript):
        target = target.value
    return ast.unparse(target)


def _of_parts(offers: Offers, site: Site, repair: Any) -> Iterator[Repair]:
    """Yield an update of all but the first or last rows: ``gw[1:] += c * w[1:]``, not a bias."""
    statement: Any = site.statement
    name = ast.unparse(statement.target)
    known = offers.vocabulary(site).variables
    shape = np.shape(known.get(name, 0))
    if not shape:
        return
    same = {text for text, value in known.items() if np.shape(value) == shape}
    for part in ("[1:]", "[:-1]"):
        def change(copy: Any, part: str = part) -> list[Any]:
            value = copied(statement.value, lambda old, new: parsed(ast.unparse(old) + part) if (
                isinstance(old, ast.Name) and old.id in same) else new)
            target: Any = ast.parse(f"{name}{part} += 0").body[0]
            return [_placed(ast.AugAssign(target.target, copy.op, value), copy)]

        yield repair(1.3, change)


def _scattered(statement: ast.AugAssign) -> list[ast.Expr]:
    """Turn ``x[i] += e``, which adds once for indices that repeat, into ``np.add.at(x, i, e)``."""
    target: Any = statement.target if isinstance(statement, ast.AugAssign) else statement.targets[0]
    value = copied(target.value, _loaded)
    at = ast.parse("np.add.at", mode="eval").body
    call = ast.Call(at, [value, copied(target.slice, _loaded), statement.value], [])
    return [_placed(ast.Expr(call), statement)]


def _loaded(original: ast.AST, copy: ast.AST) -> ast.AST:
    if hasattr(copy, "ctx"):
        copy.ctx = ast.Load()
    return copy


def _placed(made: ast.stmt, statement: ast.stmt) -> Any:
    return ast.fix_missing_locations(ast.copy_location(made, statement))


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
