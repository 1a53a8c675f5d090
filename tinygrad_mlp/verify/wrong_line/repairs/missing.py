"""Statements that are missing: like one that is there, or an update of what lacks a term."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise, product
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.verify.wrong_line.expressions.synthesis import lacking
from tinygrad_mlp.verify.wrong_line.expressions.terms import Pool
from tinygrad_mlp.verify.wrong_line.recording.sites import Site, variable_of
from tinygrad_mlp.verify.wrong_line.repairs.loop_updates import (
    updates_and_ends,
    updates_of_zeros,
)
from tinygrad_mlp.verify.wrong_line.repairs.offers import Offers, stored_index
from tinygrad_mlp.verify.wrong_line.repairs.placing import (
    SIMPLE,
    followed_by,
    preceded_by,
    replaced_by,
)
from tinygrad_mlp.verify.wrong_line.repairs.repair import Repair

SIGN = re.compile(r"[+-]=|np\.(add|subtract)\.at")

MOST_UPDATES = 6
"""Updates that are tried for one wanted value, the shortest first."""

NAME = re.compile(r"(?<![\w.'\"])[A-Za-z_]\w*")


def missing_statements(offers: Offers, sites: Sequence[Site], roots: Sequence[Site],
                       suspects: frozenset[str]) -> Iterator[Iterator[Repair]]:
    """Yield the repairs by statements like those that are there, updates in loops, and labels'."""
    for site in {id(site.statement): site for site in sites}.values():
        yield similar_statements(site, suspects, sites)
    places = updates_and_ends(sites)
    for alike, (number, site) in product((True, False), enumerate(places)):
        cost = (1.4 if alike else 1.5) + 0.01 * number
        yield updates_of_zeros(offers, site, suspects, cost, alike)
    for site in roots:
        yield without_labels(offers, site)
        yield rescaled(offers, site)


def similar_statements(site: Site, suspects: frozenset[str],
                       sites: Sequence[Site]) -> Iterator[Repair]:
    """Yield statements to put after that of a site, which do for suspects what it does for others.

    After ``dU += lam * U`` it is ``dV += lam * V`` that is missing, and after ``dC[i] += g`` it may
    be ``dC[j] -= g``. After ``dU = lam * U``, the statement that assigns dV is replaced.
    """
    statement: Any = site.statement
    if not isinstance(statement, SIMPLE):
        return
    text, tree = ast.unparse(statement), site.source.tree
    known = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    known |= {node.arg for node in ast.walk(tree.args) if isinstance(node, ast.arg)}
    there = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, SIMPLE)}
    target = NAME.search(text.removeprefix("np.add.at").removeprefix("np.subtract.at"))
    if target is None or target[0] not in known:
        return
    for cost, made in [*_for_others(text, target[0], suspects & known, known),
                       *(_elsewhere(text, known) if target[0] in suspects else ())]:
        if made not in there:
            there.add(made)
            other = made.partition(" = ")[0]
            same = [s for s in sites if s.source is site.source and variable_of(s) == other]
            yield Repair(cost, (), (same[0], replaced_by(made)) if same else (
                site, followed_by(made)))


def _for_others(text: str, target: str, suspects: set[str] | frozenset[str],
                known: set[str]) -> Iterator[tuple[float, str]]:
    """Yield a statement with another target, and with other variables that go with it."""
    for other in sorted(suspects - {target}):
        old, new = _differing(target, other)
        if old and max(len(old), len(new)) <= 2:
            yield 1.2, NAME.sub(lambda found: _renamed(found[0], old, new, known), text)  # noqa: B023


def _elsewhere(text: str, known: set[str]) -> Iterator[tuple[float, str]]:
    """Yield an update of another place, and one with the other sign."""
    if " += " not in text and " -= " not in text and ".at(" not in text:
        return
    other = {"+=": "-=", "-=": "+=", "np.add.at": "np.subtract.at", "np.subtract.at": "np.add.at"}
    for index in sorted({name for name in NAME.findall(text) if name in known and len(name) < 3}):
        for name in sorted(n for n in known if len(n) == len(index) and n != index):
            made = NAME.sub(lambda found: name if found[0] == index else found[0], text)  # noqa: B023
            yield 1.3, made
            yield 1.4, SIGN.sub(lambda found: other[found[0]], made, count=1)


def _differing(name: str, other: str) -> tuple[str, str]:
    """Return what differs between two names: 'U' and 'V' for dU and dV."""
    start = 0
    while start < min(len(name), len(other)) and name[start] == other[start]:
        start += 1
    end = 0
    while end < min(len(name), len(other)) - start and name[-1 - end] == other[-1 - end]:
        end += 1
    return name[start:len(name) - end], other[start:len(other) - end]


def _renamed(name: str, old: str, new: str, known: set[str]) -> str:
    """Return a name with a part exchanged, where a variable is called so."""
    for found in re.finditer(re.escape(old), name):
        made = name[:found.start()] + new + name[found.end():]
        if made in known:
            return made
    return name


def updates(site: Site, sites: list[Site], variables: Mapping[str, Array | float], wanted: Array,
            present: Array | None) -> Iterator[Repair]:
    """Yield updates of a variable, put after the last statement that changes it."""
    made = variable_of(site)
    name = made or (site.node.id if isinstance(site.node, ast.Name) else "")
    places = [site] if made else [
        each for each in sites if each.source is site.source and _stores(each, name)
        and each.statement.lineno <= site.node.lineno]
    if not places or present is None:
        return
    after = _next_statement(places[-1], site)
    found = list(_at_labels(name, wanted - present, variables))
    if not made:  # else a term or a factor belongs into the expression
        terms = sorted(lacking(Pool(variables), present, wanted))
        found += [(cost, f"{name} {op}= {text}") for cost, op, text in terms[:MOST_UPDATES]]
    for cost, text in found:
        if after is None:
            yield Repair(cost, (), (places[-1], followed_by(text)))
        else:
            for other in [each for each in sites if each.statement is after][:1]:
                yield Repair(cost, (), (other, preceded_by(text)))


def _next_statement(place: Site, site: Site) -> ast.stmt | None:
    """Return the statement after a loop that holds one site and not another; None elsewhere."""
    for node in ast.walk(place.source.tree):
        body: Any = getattr(node, "body", None)
        for inner, following in pairwise(body if isinstance(body, list) else ()):
            inside = set(map(id, ast.walk(inner)))
            if inner is not place.statement and id(place.statement) in inside and (
                    id(site.statement) not in inside):
                return following
    return None


def _at_labels(name: str, lacks: Array,
               variables: Mapping[str, Array | float]) -> Iterator[tuple[float, str]]:
    """Yield updates of one element, or of one in each row: ``dZ[np.arange(n), y] -= 1``."""
    changed = lacks[np.abs(lacks) > 1e-9]
    if not 0 < lacks.ndim < 3 or not changed.size or changed.size != lacks[..., 0].size:
        return
    if np.ptp(changed) > 1e-9:
        return
    places = np.abs(lacks).argmax(-1)
    op, number = ("-", -changed[0]) if changed[0] < 0 else ("+", changed[0])
    for text, value in variables.items():
        if np.asarray(value).dtype.kind in "iu" and np.array_equal(value, places):
            index = text if lacks.ndim == 1 else f"np.arange(len({text})), {text}"
            yield (1.0 if number == 1 else 1.6), f"{name}[{index}] {op}= {number:g}"


def without_labels(offers: Offers, site: Site) -> Iterator[Repair]:
    """Yield ``dZ[np.arange(len(y)), y] -= 1`` after the assignment of a matrix of probabilities."""
    name, (_, values) = variable_of(site), offers.seen(site)
    shape = np.shape(values[-1]) if values else ()
    if name is None or not 0 < len(shape) < 3:
        return
    for text, value in offers.vocabulary(site).variables.items():
        y = np.asarray(value)
        if y.dtype.kind in "iu" and y.shape == shape[:-1] and (
                0 <= y.min() and y.max() < np.shape(values[-1])[-1]):
            index = text if y.ndim == 0 else f"np.arange(len({text})), {text}"
            for op in "-+":
                yield Repair(1.6, (), (site, followed_by(f"{name}[{index}] {op}= 1")))


def rescaled(offers: Offers, site: Site) -> Iterator[Repair]:
    """Yield ``dz /= n`` or ``dz *= c`` after a store into dz, whose assignment cannot hold it."""
    name = getattr(site.node, "id", None) if site.after else None
    if name is None or not stored_index(site)[1]:
        return
    for text, value in offers.vocabulary(site).variables.items():
        if np.ndim(value) == 0 and (text.isidentifier() or text.startswith("len(")):
            for op in "/*":
                yield Repair(1.2, (), (site, followed_by(f"{name} {op}= {text}")))


def _stores(site: Site, name: str) -> bool:
    """Return whether the statement of a site changes a variable."""
    if site.after:
        return isinstance(site.node, ast.Name) and site.node.id == name
    statement: Any = site.statement
    if not site.root or not isinstance(statement, (ast.Assign, ast.Expr)):
        return False
    if isinstance(statement, ast.Expr):  # np.add.at(x, i, e)
        return isinstance(site.node, ast.Name) and site.node.id == name
    return any(isinstance(each, ast.Name) and each.id == name for each in statement.targets)
