"""A campaign of right derivations: graphs of many kinds, in many styles, none of them called wrong.

A style is how a derivation is handed over (in place, as lists, in float32, with other keys), or at
which point (saturated, at kinks, at the minimum, in whole numbers). Each case takes one graph, one
of its derivations and one style. For a control, `planted` makes one gradient of a case wrong.
``python -m tests.verify.right_derivations 3000`` prints the counts.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import tinygrad_mlp as tg
from tests.verify.right_graphs import GRAPHS, Graph
from tinygrad_mlp.verify import DerivationReport, check_derivation

Derived = Callable[..., Any]
Style = Callable[[Graph, Derived, np.random.Generator], tuple[dict[str, Any], Derived]]
STYLES: dict[str, Style] = {}


def style(make: Style) -> Style:
    STYLES[make.__name__] = make
    return make


# -- how gradients are handed over -------------------------------------------------------------


def handed(name: str, change: Callable[[dict[str, Any]], Any]) -> None:
    """Add a style that changes what the derivation returns."""

    def made(graph: Graph, derived: Derived, rng: Any) -> tuple[dict[str, Any], Derived]:
        return graph.point, lambda **p: change(derived(**p))

    STYLES[name] = made


def each(change: Callable[[np.ndarray], Any]) -> Callable[[dict[str, Any]], Any]:
    return lambda found: {name: change(np.asarray(value, float)) for name, value in found.items()}


def accumulated(a):
    out = np.zeros_like(a)
    for part in (0.5, 0.25, 0.25):
        out += part * a
    return out


def by_entries(a):
    out = np.empty(a.shape)
    for place in np.ndindex(a.shape):
        out[place] = a[place]
    return out


def between_diagonals(a):
    if a.ndim != 2:
        return a
    scale = np.arange(1.0, len(a) + 1)
    return np.diag(1 / scale) @ (np.diag(scale) @ a)


handed("plain", lambda found: found)
handed("accumulated in place", each(accumulated))
handed("entry by entry", each(by_entries))
handed("by diagonal matrices", each(between_diagonals))
handed("by einsum", each(lambda a: np.einsum("...,->...", a, 1.0)))
handed("nested lists", each(lambda a: a.tolist()))
handed("float32 gradients", each(lambda a: a.astype(np.float32)))
handed("long doubles", each(lambda a: a.astype(np.longdouble)))
handed("Fortran order", each(lambda a: np.asfortranarray(a) if a.ndim else a))
handed("views", each(lambda a: a[..., ::-1][..., ::-1] if a.ndim else a))
handed("read-only arrays", each(lambda a: np.broadcast_to(a, a.shape)))
handed("units and back", each(lambda a: 1e3 * (a / 1e3)))
handed("two halves", each(lambda a: np.mean([a, a], axis=0)))
handed("minus the negative", each(lambda a: 0 - (0 - a)))
handed("tensors", each(tg.Tensor))
handed("keys with d", lambda found: {f"d{name}": value for name, value in found.items()})
handed("keys with grad", lambda found: {f"grad_{name}": value for name, value in found.items()})
handed("with loss and cache", lambda found: {"loss": 0.0, **found, "cache": {"a": 1}})
handed("one at a time", lambda found: dict([next(iter(found.items()))]))


@style
def as_a_tuple(graph, derived, rng):
    return graph.point, lambda **p: tuple(derived(**p)[name] for name in graph.point)


@style
def by_position(graph, derived, rng):
    names = list(graph.point)
    return graph.point, lambda *args: derived(**dict(zip(names, args, strict=True)))


@style
def in_a_dict(graph, derived, rng):
    if len(graph.point) == 1:
        return graph.point, derived

    def of_dict(parameters):
        return derived(**parameters)

    return graph.point, of_dict


@style
def changed_arguments(graph, derived, rng):
    def careless(**p):
        found = {name: np.array(value) for name, value in derived(**p).items()}
        for value in p.values():
            value[...] = np.nan
        return found

    return graph.point, careless


@style
def numbers_only(graph, derived, rng):
    numbers = derived(**{name: np.asarray(v) for name, v in graph.point.items()})
    return graph.point, lambda: numbers


# -- at which point ----------------------------------------------------------------------------


def at(graph: Graph, change: Callable[[np.ndarray], Any]) -> dict[str, Any]:
    """Return the point with every array changed, if it may be any numbers."""
    if not graph.free:
        return graph.point
    return {name: change(np.asarray(value)) for name, value in graph.point.items()}


@style
def float32_parameters(graph, derived, rng):
    return {name: np.float32(value) for name, value in graph.point.items()}, derived


@style
def saturated(graph, derived, rng):
    return at(graph, lambda a: a * 10 ** rng.uniform(0.5, 2)), derived


@style
def nearly_zero(graph, derived, rng):
    return at(graph, lambda a: a * 10 ** rng.uniform(-6, -2)), derived


@style
def half_zeros(graph, derived, rng):
    return at(graph, lambda a: a * rng.integers(0, 2, a.shape)), derived


@style
def all_zeros(graph, derived, rng):
    return at(graph, np.zeros_like), derived


@style
def whole_numbers(graph, derived, rng):
    return at(graph, np.rint), derived


@style
def equal_numbers(graph, derived, rng):
    return at(graph, lambda a: np.full(a.shape, 0.5)), derived


@style
def the_identity(graph, derived, rng):
    return at(graph, lambda a: np.eye(*a.shape) if a.ndim == 2 else a), derived


@style
def a_distribution(graph, derived, rng):
    return at(graph, lambda a: rng.dirichlet(np.ones(a.size)).reshape(a.shape)), derived


@style
def symmetric(graph, derived, rng):
    square = lambda a: a.ndim == 2 and a.shape[0] == a.shape[1]  # noqa: E731
    return at(graph, lambda a: a + a.T if square(a) else a), derived


@style
def at_the_minimum(graph, derived, rng):
    return graph.minimum or graph.point, derived


# -- the campaign ------------------------------------------------------------------------------


class Case(NamedTuple):
    """A right derivation, with where it comes from."""

    graph: str
    style: str
    loss: Callable[..., Any]
    point: dict[str, Any]
    derived: Derived


def case(number: int) -> Case | None:
    """Return a case; None where the formula itself overflows or divides by zero at the point."""
    rng = np.random.default_rng([15, number])
    name = list(GRAPHS)[number % len(GRAPHS)]
    # (The numbers of graphs and styles may share a factor.)
    how = list(STYLES)[(number + number // len(GRAPHS)) % len(STYLES)]
    graph = GRAPHS[name](rng)
    derived = graph.derivations[int(rng.integers(len(graph.derivations)))]
    with np.errstate(all="ignore"):
        point, handed_over = STYLES[how](graph, derived, rng)
        arrays = {key: np.array(value) for key, value in point.items()}
        value = graph.loss(**arrays)
        found = derived(**arrays).values()
    if not np.isfinite(np.asarray(value)) or not all(np.isfinite(a).all() for a in map(
            np.asarray, found)):
        return None
    return Case(name, how, graph.loss, point, handed_over)


def checked(one: Case) -> DerivationReport:
    with np.errstate(all="ignore"):
        return check_derivation(one.loss, one.derived, one.point)


WRONG: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "sign": lambda a, rng: -a,
    "twice": lambda a, rng: 2 * a,
    "one part in 10,000": lambda a, rng: a * (1 + 1e-4),
    "one element": lambda a, rng: a + np.abs(a).max() * 1e-3 * (
        np.arange(a.size).reshape(a.shape) == np.abs(a).argmax()),
    "squared": lambda a, rng: a * np.abs(a) * 1.01,
    "zero": lambda a, rng: 0 * a,
}


def planted(one: Case, number: int) -> Case | None:
    """Return the case with one gradient wrong; None where all are zero at the point."""
    rng = np.random.default_rng([16, number])
    change = list(WRONG.values())[number % len(WRONG)]
    graph = GRAPHS[one.graph](np.random.default_rng([15, number]))
    arrays = {key: np.array(value, float) for key, value in one.point.items()}
    with np.errstate(all="ignore"):
        right = graph.derivations[0](**arrays)
    sizes = {name: float(np.abs(np.asarray(value)).max()) for name, value in right.items()}
    wanted = [name for name in sizes if sizes[name] > 1e-6]
    if not wanted:
        return None
    name = wanted[int(rng.integers(len(wanted)))]

    def wrong(**p):
        found = graph.derivations[0](**p)
        return {**found, name: change(np.asarray(found[name], float), rng)}

    return one._replace(derived=wrong)


class Counts(NamedTuple):
    """What a campaign came to."""

    tried: int
    skipped: int
    accused: list[str]
    undecided: int
    verdicts: Counter[str]
    planted: int
    found: int


def campaign(numbers: range) -> Counts:
    """Check the cases of these numbers, right and with one planted mistake."""
    accused, verdicts, counts = [], Counter(), Counter()
    for number in numbers:
        one = case(number)
        if one is None:
            counts["skipped"] += 1
            continue
        counts["tried"] += 1
        report = checked(one)
        verdicts.update(row.verdict for row in report.rows.values())
        counts["undecided"] += report.ok and not report.conclusive and not report.not_given
        if not report.ok:
            accused.append(f"{number}: {one.graph}, {one.style}\n{report}")
        wrong = planted(one, number)
        if wrong is not None:
            counts["planted"] += 1
            counts["found"] += not checked(wrong).ok
    return Counts(counts["tried"], counts["skipped"], accused, counts["undecided"], verdicts,
                  counts["planted"], counts["found"])


if __name__ == "__main__":
    first, last = (0, *map(int, sys.argv[1:]))[-2:] if len(sys.argv) > 1 else (0, 300)
    result = campaign(range(first, last))
    print("\n\n".join(result.accused))
    print(f"{len(GRAPHS)} graphs, {len(STYLES)} styles; {result.tried} right derivations, "
          f"{len(result.accused)} called wrong, {result.undecided} undecided, {result.skipped} "
          f"skipped; {dict(result.verdicts)}; {result.found} of {result.planted} planted found")
