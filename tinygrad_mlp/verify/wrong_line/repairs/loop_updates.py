"""Updates that are missing at the ends of loops."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.verify.wrong_line.edits.added import joined
from tinygrad_mlp.verify.wrong_line.expressions.evaluation import evaluated
from tinygrad_mlp.verify.wrong_line.expressions.syntax import parsed
from tinygrad_mlp.verify.wrong_line.recording.sites import Site, carried
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


def ends_of_loops(sites: Sequence[Site]) -> list[Site]:
    """Return the sites of the last statements of loops, where these are assignments."""
    last = {id(node.body[-1]) for tree in {id(s.source.tree): s.source.tree for s in sites}.values()
            for node in ast.walk(tree) if isinstance(node, ast.For)}
    return [site for site in sites if site.root and id(site.statement) in last]


def accumulated(offers: Offers, site: Site, suspects: frozenset[str]) -> Iterator[Repair]:
    """Yield updates at the end of a loop of what is zero there, by a variable or a product."""
    variables = offers.vocabulary(site).variables
    for name in sorted(suspects & set(variables)):
        zero = variables[name]
        if not np.ndim(zero) or np.any(zero):
            continue
        terms = [text for text, value in variables.items()
                 if np.shape(value) == np.shape(zero) and np.any(value)]
        terms += [ast.unparse(made.right) for _, made in joined(parsed(name), zero, variables)
                  if isinstance(made, ast.BinOp)]
        for text in terms:
            yield Repair(1.5, (), (site, followed_by(f"{name} += {text}")))


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
