"""A statement at another place: before what it was put after, in a loop, or out of it."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from tinygrad_mlp.verify.wrong_line.recording.recorder import StatementChange
from tinygrad_mlp.verify.wrong_line.recording.sites import Site
from tinygrad_mlp.verify.wrong_line.repairs.placing import SIMPLE, followed_by, preceded_by
from tinygrad_mlp.verify.wrong_line.repairs.repair import Repair


def moves(site: Site, sites: Sequence[Site]) -> Iterator[Repair]:
    """Yield the statement of a site past one that it exchanges a variable with, or past a loop.

    What matters is the order of an update and a use, so the variable must have several values:
    ``dh = Wh.T @ dz`` before ``dz = dh * slope``, where that belongs after it.
    """
    statement: Any = site.statement
    if not isinstance(statement, SIMPLE):
        return
    tree: Any = site.source.tree
    stores = Counter(name for node in ast.walk(tree) if isinstance(node, ast.stmt)
                     for name in changed_by(node))
    stores.update(node.arg for node in ast.walk(tree.args) if isinstance(node, ast.arg))
    text = ast.unparse(statement)
    for other, after, passed in _places(tree, statement):
        shared = _changes(statement) & _names(passed) | _changes(passed) & _names(statement)
        owner = next((each for each in sites if each.statement is other), None)
        if owner is not None and (
                any(stores[name] > 1 for name in shared) or shared and _is_loop(passed)):
            put = followed_by(text) if after else preceded_by(text)
            yield Repair(1.5, (), (owner, put), removed=statement)


def put_after_use(site: Site, value: ast.expr, text: str,
                  sites: Sequence[Site]) -> tuple[Site, StatementChange, int]:
    """Return where an update is put, how, and how late: after a site or what it is computed of."""
    used = {node.id for node in ast.walk(value) if isinstance(node, ast.Name)}
    blocks: Any = [getattr(node, "body", None) for node in ast.walk(site.source.tree)]
    here: Any = site.statement
    block = next((each for each in blocks if isinstance(each, list) and here in each), [here])
    before = block[:block.index(here) + 1]
    last = max((i for i, each in enumerate(before) if _changes(each) & used), default=-1)
    late = sum(not isinstance(each, ast.AugAssign) for each in before[last + 1:])
    owner = next((each for each in sites if each.statement is before[max(last, 0)]), None)
    if late < 2 or owner is None:
        return site, followed_by(text), late
    return owner, (preceded_by if last < 0 else followed_by)(text), 2


def _places(tree: ast.AST, statement: ast.stmt) -> Iterator[tuple[ast.stmt, bool, ast.stmt]]:
    """Yield the statements that another one may be put before or after, and what it passes so."""
    for node in ast.walk(tree):
        block: Any = getattr(node, "body", None)
        if not isinstance(block, list) or not any(each is statement for each in block):
            continue
        place = next(i for i, each in enumerate(block) if each is statement)
        for other in block[place + 1:]:
            yield (other.body[0], False, other) if _is_loop(other) else (other, True, other)
        for other in reversed(block[:place]):
            yield (other.body[-1], True, other) if _is_loop(other) else (other, False, other)
        if _is_loop(node):
            yield node, place > 0, node  # type: ignore[misc]


def _is_loop(statement: ast.AST) -> bool:
    return isinstance(statement, (ast.For, ast.While))


def _changes(statement: ast.stmt) -> set[str]:
    return set().union(*(changed_by(node) for node in ast.walk(statement)))


def _names(statement: ast.stmt) -> set[str]:
    return {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}


def changed_by(statement: ast.AST) -> set[str]:
    """Return the variables that an assignment, or the header of a loop, binds or stores into."""
    targets: list[Any] = list(getattr(statement, "targets", ()))
    targets += [statement.target] if isinstance(statement, (ast.AugAssign, ast.For)) else []
    found = set()
    for target in targets:
        for part in target.elts if isinstance(target, (ast.Tuple, ast.List)) else [target]:
            while isinstance(part, (ast.Subscript, ast.Attribute)):
                part = part.value
            found |= {part.id} if isinstance(part, ast.Name) else set()
    return found
