"""Updates that are missing: at the ends of loops, and beside other updates."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, product
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.support.source_rewriting import copied
from tinygrad_mlp.verify.wrong_line.edits.added import joined
from tinygrad_mlp.verify.wrong_line.expressions.evaluation import evaluated
from tinygrad_mlp.verify.wrong_line.expressions.syntax import parsed
from tinygrad_mlp.verify.wrong_line.recording.sites import Site, carried
from tinygrad_mlp.verify.wrong_line.repairs.moves import put_after_use
from tinygrad_mlp.verify.wrong_line.repairs.offers import Offers
from tinygrad_mlp.verify.wrong_line.repairs.placing import followed_by
from tinygrad_mlp.verify.wrong_line.repairs.repair import Repair


def updates_at_the_end(offers: Offers, site: Site) -> Iterator[Repair]:
    """Yield updates of x put after a site's statement, if that ends a loop which begins with x.

    They come with the values that x takes then.
    """
    loop = next((node for node in ast.walk(site.source.tree)
                 if isinstance(node, ast.For) and node.body[-1] is site.statement), None)
    if loop is None or not site.root:
        return
    variables, scopes = offers.vocabulary(site).variables, offers.scope(site)
    for name in sorted(carried(loop, site.source.tree) & set(variables)):
        for cost, text in _updated(name, variables):
            found = evaluated(parsed(text), scopes, [{}] * len(scopes))
            if found is not None:
                yield Repair(cost, (), (site, followed_by(f"{name} = {text}")), tuple(found))


def _updated(name: str, variables: Mapping[str, Any]) -> Iterator[tuple[float, str]]:
    """Yield what a variable may become: a multiple, a matrix product, or a sum with one."""
    shape = np.shape(variables[name])
    for other, value in variables.items():
        if other != name and shape and np.shape(value) == shape:
            yield 1.8, f"{name} * {other}"
    for text in _products(variables, shape):
        yield 1.7, text
    for cost, made in joined(parsed(name), variables[name], variables):
        yield cost + 0.3, ast.unparse(made)


def updates_and_ends(sites: Sequence[Site]) -> list[Site]:
    """Return the sites of the last statements of loops, and of updates, the last ones first."""
    last = {id(node.body[-1]) for tree in {id(s.source.tree): s.source.tree for s in sites}.values()
            for node in ast.walk(tree) if isinstance(node, ast.For)}
    found = [site for site in reversed(sites) if site.root and (
        id(site.statement) in last or isinstance(site.statement, ast.AugAssign))]
    return sorted(found, key=lambda site: id(site.statement) not in last)


def updates_of_zeros(offers: Offers, site: Site, suspects: frozenset[str], cost: float,
                     alike: bool) -> Iterator[Repair]:
    """Yield updates, put after that of a site or at the end of a loop, of what is zero there.

    They are `alike` that of the site but for a variable, or add a variable, a sum or a product.
    After ``grads["U"] += h.T @ dz``, it is ``grads["W"] += x.T @ dz`` that is missing.
    """
    statement: Any = site.statement
    scopes, variables = offers.scope(site)[-1:], offers.vocabulary(site).variables
    if not site.root or not scopes:
        return
    added = isinstance(statement, ast.AugAssign)
    twins = list(_twins(statement, variables)) if added and alike else []
    sign = "-" if added and isinstance(statement.op, ast.Sub) else "+"
    for target in _others_like(getattr(statement, "target", None), suspects, offers):
        zero = evaluated(parsed(target), scopes, [{}])
        if zero is None or np.any(zero[0]):
            continue
        shape = np.shape(zero[0])
        terms = [] if alike else [*map(parsed, _sums(variables, shape)), *(
            parsed(f"{a} * {b}") for a, b in _factors(variables, shape)), *(
            made.right for _, made in joined(parsed(target), zero[0], variables)
            if isinstance(made, ast.BinOp))]
        for value in [*twins, *terms]:
            found = evaluated(value, scopes, [{}])
            if found is not None and np.shape(found[0]) == shape and np.any(found[0]):
                text = f"{target} {sign}= {ast.unparse(value)}"
                place, put, far = put_after_use(site, value, text, offers.experiment.sites)
                yield Repair(cost + 0.03 * far, (), (place, put))


def _twins(statement: ast.AugAssign, variables: Mapping[str, object]) -> Iterator[ast.expr]:
    """Yield what an update adds, as it is and with another variable for one of its own."""
    yield statement.value
    used = {ast.unparse(node) for node in ast.walk(statement.value)} & set(variables)
    for old, new in product(sorted(used), variables):
        if old != new:
            yield copied(statement.value, lambda node, made: parsed(new) if (  # noqa: B023
                ast.unparse(node) == old) else made)  # noqa: B023


def _sums(variables: Mapping[str, Array | float], shape: tuple[int, ...]) -> Iterator[str]:
    """Yield the variables of a shape, and the sums of others."""
    for text, value in variables.items():
        if np.shape(value) == shape:
            yield text
        elif np.ndim(value) and not shape:
            yield f"{text}.sum()"
        elif np.ndim(value) == 2 and len(shape) == 2 and 1 in shape:
            yield f"{text}.sum(axis={shape.index(1)}, keepdims=True)"
        elif np.ndim(value) == 2 and len(shape) == 1:
            yield from (f"{text}.sum({axis})" for axis in (0, 1))


def _factors(variables: Mapping[str, Array | float],
             shape: tuple[int, ...]) -> Iterator[tuple[str, str]]:
    """Yield two variables whose product has a shape: two arrays, or a number and an array."""
    floats = {text: np.shape(value) for text, value in variables.items()
              if np.asarray(value).dtype.kind == "f"}
    full = [text for text in floats if floats[text] == shape]
    yield from combinations(full, 2)
    yield from ((a, b) for a in floats for b in full if shape and floats[a] == ())


def _others_like(target: ast.expr | None, suspects: frozenset[str],
                 offers: Offers) -> Iterator[str]:
    """Yield other targets: elements with the names of wrong gradients, or other variables."""
    if isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Constant) and isinstance(
            target.slice.value, str):
        yield from (f"{ast.unparse(target.value)}[{name!r}]"
                    for name in sorted(offers.experiment.wrong - {target.slice.value}))
        return
    yield from sorted(suspects)
    inside = [n for n in ast.walk(target) if isinstance(n, ast.Name)] if target is not None else []
    if target is not None and inside[0] is not target:
        for name in sorted(suspects):
            yield ast.unparse(copied(target, lambda old, new: ast.Name(name, new.ctx) if (  # noqa: B023
                old is inside[0]) else new))


def _products(variables: Mapping[str, Array | float], shape: tuple[int, ...]) -> Iterator[str]:
    """Yield the matrix products that have a shape."""
    arrays = {text: np.shape(v) for text, v in variables.items() if np.ndim(v) in (1, 2)}
    for a, rows in arrays.items():
        for b, columns in arrays.items():
            for text, first in ((a, rows), (f"{a}.T", rows[::-1])):
                if len(rows) == 2 and first[1] == columns[0] and (first[0], *columns[1:]) == shape:
                    yield f"{text} @ {b}"
            if len(rows) == 1 and len(columns) == 2:
                for text, second in ((b, columns), (f"{b}.T", columns[::-1])):
                    if rows[0] == second[0] and second[1:] == shape:
                        yield f"{a} @ {text}"
