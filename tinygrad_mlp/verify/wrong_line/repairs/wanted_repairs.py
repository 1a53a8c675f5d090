"""Repairs of a line whose wanted value is known."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.verify.wrong_line.expressions.evaluation import evaluated
from tinygrad_mlp.verify.wrong_line.expressions.recorded_rules import RuleWriter
from tinygrad_mlp.verify.wrong_line.expressions.syntax import called, parsed, replaced
from tinygrad_mlp.verify.wrong_line.expressions.synthesis import solved
from tinygrad_mlp.verify.wrong_line.expressions.terms import Pool, agree
from tinygrad_mlp.verify.wrong_line.graph.quantities import is_telling
from tinygrad_mlp.verify.wrong_line.recording.sites import Site, variable_of
from tinygrad_mlp.verify.wrong_line.repairs.missing import updates
from tinygrad_mlp.verify.wrong_line.repairs.offers import Offers
from tinygrad_mlp.verify.wrong_line.repairs.placing import followed_by
from tinygrad_mlp.verify.wrong_line.repairs.repair import Repair, variables_in
from tinygrad_mlp.verify.wrong_line.repairs.replacement import Wanted
from tinygrad_mlp.verify.wrong_line.running.experiment import RepairTrials, Scope

DEFINED = 0.6
"""How much likelier a variable is computed in the wrong way than used in the place of a formula."""

MOST_SOLUTIONS = 12
"""Solutions of one wanted value that are tried at a line, the shortest first."""

MOST_LINES = 5
"""Lines that a wanted value is pushed down to: that of the site, and those that it hangs on."""


def wanted_repairs(experiment: RepairTrials, offers: Offers, wanted: Wanted) -> Iterator[Repair]:
    """Yield the repairs that give a site its wanted values, the cheapest first."""
    site = wanted.site
    root = next((s for s in experiment.sites if s.root and s.source is site.source
                 and any(node is site.node for node in ast.walk(s.node))), None)
    if root is None and not site.after:
        return
    scopes = experiment.scopes(0, [site], wanted.overrides(0)).get(site.number, [])
    if not scopes:
        return
    # In a loop a wrong value spoils the variables of later steps, so those of the run with the
    # wanted values are taken; and neither of the first step nor of the last, where some are zero.
    order = sorted(range(len(scopes)), key=lambda k: abs(k - len(scopes) // 2))
    middle = next((k for k in order if wanted.arrays[0][k].any()), order[0])
    scope, target = scopes[middle], wanted.arrays[0][middle]
    # Of equal variables, that of the loop is meant: P for W where it goes through the weights.
    bound = {node.id for loop in ast.walk(site.source.tree) if isinstance(loop, ast.For)
             and site.statement in ast.walk(loop) for node in ast.walk(loop.target)
             if isinstance(node, ast.Name)}
    texts = sorted(offers.texts(site), key=lambda text: text not in bound)
    variables = variables_in(site, scope, texts)
    pool = Pool(variables)
    found: list[tuple[float, int, Site | None, ast.expr, str]] = []
    loaded = parsed(ast.unparse(site.node)) if site.after else site.node
    now = _value_of(loaded, scope)
    definitions = _definitions(experiment.sites, site)
    todo = [(root, root.node if root and site.root else loaded, target, 0.0)]
    for owner, start, value, less in todo:
        for node, part in pushed_down(start, value, scope):
            present = _value_of(node, scope)
            if present is not None and present.shape != part.shape:
                present = None
            name = node.id if isinstance(node, ast.Name) and node.id in definitions else None
            depth = 0.0 if node is start else 0.1 if name is None else 0.3
            for cost, text in solved(pool, present, part, ast.unparse(node)):
                found.append((cost + depth - less, len(found), owner, node, text))
            if name is not None and len(todo) < MOST_LINES:
                before = definitions.pop(name)
                todo.append((before, before.node, part, DEFINED))
    found += [(cost, len(found) + i, root, loaded, text) for i, (cost, text) in enumerate(
        _recorded(experiment, variables, target, now, ast.unparse(loaded)))]
    yield from updates(site, experiment.sites, variables, target, now)
    found.sort(key=lambda each: each[:2])
    yield from _at_lines(site, loaded, found)


def _at_lines(site: Site, loaded: ast.expr, found: Sequence[tuple[
        float, int, Site | None, ast.expr, str]]) -> Iterator[Repair]:
    """Yield the repairs that put solutions in the place of parts of roots, a few of each root."""
    seen: dict[int, set[str]] = {}
    for cost, _, owner, node, text in found:
        edited = replaced(owner.node if owner else loaded, node, parsed(text))
        key = ast.unparse(ast.fix_missing_locations(edited))
        tried = seen.setdefault(owner.number if owner else -1, set())
        if key in tried or len(tried) >= MOST_SOLUTIONS:
            continue
        tried.add(key)
        if owner is None:
            yield Repair(cost + 0.5, (), (site, followed_by(f"{ast.unparse(site.node)} = {key}")))
        else:
            yield Repair(cost, ((owner, edited),))


def _definitions(sites: Sequence[Site], user: Site) -> dict[str, Site]:
    """Return the variables that are assigned once in the function of a site, and where.

    Where a function computes one that is recorded itself, its own lines come into question.
    """
    recorded = {getattr(site.source.tree, "name", "") for site in sites}
    found: dict[str, list[Site]] = {}
    for site in sites:
        name = variable_of(site)
        if isinstance(site.node, ast.Call) and called(site.node) in recorded:
            continue
        if name is not None and site.source is user.source and site.statement is not user.statement:
            found.setdefault(name, []).append(site)
    return {name: places[0] for name, places in found.items() if len(places) == 1}


def _recorded(experiment: RepairTrials, variables: Mapping[str, Array | float], wanted: Array,
              present: Array | None, now: str) -> Iterator[tuple[float, str]]:
    """Yield the backward rules that give a wanted value, or what the present one lacks of it."""
    writer = RuleWriter(experiment.graphs[0], variables)
    for sign, form in ((1, "{}"), (-1, "-({})")):
        yield from _written(writer, sign * wanted, form, 1.5)
        if present is not None and present.shape == wanted.shape and present.any():
            lacks, op = sign * (wanted - present), "+" if sign > 0 else "-"
            yield from _written(writer, lacks, f"({now}) {op} {{}}", 1.2)


def _written(writer: RuleWriter, wanted: Array, form: str,
             cost: float) -> Iterator[tuple[float, str]]:
    for made in writer.written(wanted) if is_telling(wanted) else ():
        names = sum(isinstance(node, ast.Name) for node in ast.walk(made))
        yield cost + 0.2 * names, form.format(ast.unparse(ast.fix_missing_locations(made)))


def pushed_down(node: ast.expr, wanted: Array,
                scope: Scope) -> Iterator[tuple[ast.expr, Array]]:
    """Yield an expression with its wanted value, and the parts whose values this determines.

    Where ``a * b`` should be T, a should be T / b.
    """
    yield node, wanted
    for part, other, solve in _parts(node):
        value = wanted if other is None else _value_of(other, scope)
        own = _value_of(part, scope)
        if value is None or own is None:
            continue
        with np.errstate(all="ignore"):
            try:
                inner = np.asarray(solve(wanted, value))
            except ValueError:
                continue
        if not np.isfinite(inner).all():
            continue
        if inner.shape != own.shape:  # copies of what is broadcast
            inner = _without_copies(inner)
        if inner.shape == own.shape or isinstance(part, ast.Name):
            yield from pushed_down(part, inner, scope)


def _without_copies(array: Array) -> Array:
    """Return an array with one element along the axes on which it is constant."""
    for axis in range(array.ndim):
        first = array.take([0], axis)
        array = first if agree(first, array) else array
    return array


def _parts(node: ast.expr) -> Iterator[tuple[ast.expr, ast.expr | None, Any]]:
    """Yield a part of an expression, its partner, and what the part is in terms of T and that."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield node.operand, None, lambda t, v: -t
    elif isinstance(node, ast.Attribute) and node.attr == "T":
        yield node.value, None, lambda t, v: t.T
    elif isinstance(node, ast.BinOp):
        left, right = node.left, node.right
        if isinstance(node.op, ast.Add):
            yield left, right, lambda t, v: t - v
            yield right, left, lambda t, v: t - v
        elif isinstance(node.op, ast.Sub):
            yield left, right, lambda t, v: t + v
            yield right, left, lambda t, v: v - t
        elif isinstance(node.op, ast.MatMult):
            yield left, right, lambda t, v: _solved(v.T, t.T).T
            yield right, left, lambda t, v: _solved(v, t)
        elif isinstance(node.op, ast.Mult):
            yield left, right, lambda t, v: t / v
            yield right, left, lambda t, v: t / v
        elif isinstance(node.op, ast.Div):
            yield left, right, lambda t, v: t * v
            yield right, left, lambda t, v: v / t


def _solved(a: Array, b: Array) -> Array:
    """Return the only x with a @ x = b; NaN where there is none."""
    if a.ndim != 2 or a.shape[0] < a.shape[1] or not np.isfinite(a).all():
        return np.full(1, np.nan)
    x = np.linalg.pinv(a) @ b
    return x if agree(a @ x, b) else np.full(1, np.nan)


def _value_of(node: ast.expr, scope: Scope) -> Array | None:
    """Return the numbers that an expression has in a scope; None where it has none."""
    found = evaluated(node, [scope], [{}])
    if found is None or not isinstance(found[0], (np.ndarray, np.generic, float, int)):
        return None
    array = np.asarray(found[0])
    return array.astype(float) if array.dtype.kind in "fiub" else None
