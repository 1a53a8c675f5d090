"""A derivation run at several points with something changed, and the gradients that are right."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.verify.wrong_line.graph.loss_graph import Call, LossGraph
from tinygrad_mlp.verify.wrong_line.recording.recorder import (
    FunctionRecorder,
    Override,
    StatementChange,
)
from tinygrad_mlp.verify.wrong_line.recording.sites import Site
from tinygrad_mlp.verify.wrong_line.running.budget import Budget, BudgetSpentError

POINTS = 3
"""Points that matches and replacements are tried at; all further ones are fresh to a repair."""

NOISE = 1e-8
"""The size below which a gradient is noise, relative to the largest one; so is its error then."""

Evaluate = Callable[[Any, Mapping[str, Array]], Mapping[str, Any]]
"""Calls a derivation with copies of the parameters, and returns its gradients by their names."""


class Task(NamedTuple):
    """What a search is asked.

    Attributes:
        loss: the loss.
        derived: the derivation.
        points: the parameters at several points, the first being one at which a gradient is wrong.
        call: calls the loss with tensors.
        evaluate: calls the derivation, and returns its gradients by the names of the parameters.
        names: the gradients that count: those that are right, and those that are wrong.
        rtol: their tolerance, relative to the largest element.
    """

    loss: Any
    derived: Any
    points: Sequence[Mapping[str, Array]]
    call: Call
    evaluate: Evaluate
    names: Sequence[str]
    rtol: float


Scope = dict[str, Any]
"""The variables that an expression sees, local and global ones."""


class Trial(NamedTuple):
    """What a changed run made right, and what it spoiled; `values` are kept on demand."""

    fixed: frozenset[str]
    spoiled: frozenset[str]
    values: Mapping[int, list[Any]]

    @property
    def accepted(self) -> bool:
        """Whether a gradient has become right, and none wrong."""
        return bool(self.fixed) and not self.spoiled


class RepairTrials:
    """The derivation, the graphs of the loss at several points, and trials.

    Attributes:
        values: for each point, the values of each site, one for each time it was evaluated.
        wrong: the names of the gradients that are wrong at the first point.
    """

    def __init__(self, derived: FunctionRecorder, task: Task, graphs: Sequence[LossGraph],
                 points: Sequence[Mapping[str, Array]], budget: Budget) -> None:
        self.derived, self.evaluate, self.rtol = derived, task.evaluate, task.rtol
        self.graphs, self.points, self.budget = graphs, points, budget
        self.right = [{n: g for n, g in graph.gradients().items() if n in task.names}
                      for graph in graphs]
        self.values: list[Mapping[int, list[Any]]] = []
        self.given: Mapping[str, Any] = {}
        self.wrong_at: list[frozenset[str]] = []
        for i in range(len(points)):
            with derived.recording() as values:
                given = self.evaluate(derived.function, points[i])
            self.given = given if i == 0 else self.given
            self.values.append(values)
            self.wrong_at.append(self._wrong(i, given))
        self.wrong = self.wrong_at[0]

    @property
    def sites(self) -> list[Site]:
        """The sites of the derivation."""
        return self.derived.sites

    def has_value(self, site: Site) -> bool:
        """Return whether a site holds numbers that are no condition."""
        values = self.values[0].get(site.number, [])
        return bool(values) and isinstance(values[0], np.ndarray) and values[0].dtype.kind != "b"

    def counts(self) -> dict[str, float]:
        """Return the constants that the derivation divides by, such as the batch's size."""
        found: dict[float, str] = {}
        for site in self.sites:
            values = {float(v) for kept in self.values for v in kept.get(site.number, [])
                      if isinstance(v, np.ndarray) and v.ndim == 0 and v.dtype.kind in "iuf"}
            divides = any(isinstance(getattr(node, "op", None), ast.Div)
                          and site.node in (getattr(node, "right", None), getattr(node, "value", 0))
                          for node in ast.walk(site.statement))
            if len(values) == 1 and divides:
                found.setdefault(values.pop(), site.text)
        return {text: count for count, text in found.items() if count > 1}

    def passes(self) -> set[int]:
        """Return how often lines are evaluated that are evaluated more than once."""
        return {len(kept) for kept in self.values[0].values()} - {0, 1}

    def _wrong(self, i: int, given: Mapping[str, Any]) -> frozenset[str]:
        rights = self.right[i]
        largest = max((float(np.abs(right).max(initial=0.0)) for right in rights.values()),
                      default=0.0)
        return frozenset(
            name for name, right in rights.items()
            if name not in given or not close(given[name], right, self.rtol, NOISE * largest))

    def trial(self, i: int, overrides: Mapping[int, Override], stage: str,
              statements: Mapping[int, StatementChange] | None = None,
              keep: bool = False) -> Trial | None:
        """Run the changed derivation at point `i`; None where it fails."""
        self.budget.use(stage)
        values: Mapping[int, list[Any]] = {}
        try:
            with self.derived.changed(overrides, statements, keep) as function:
                if keep:
                    with self.derived.recording() as values:
                        given = self.evaluate(function, self.points[i])
                else:
                    given = self.evaluate(function, self.points[i])
            wrong = self._wrong(i, given)
        except BudgetSpentError:
            raise
        except Exception:  # what a change makes of a person's program may fail in any way
            return None
        before = self.wrong_at[i]
        return Trial(before - wrong, wrong - before, values)

    def moved_by(self, overrides: Mapping[int, Override]) -> frozenset[str]:
        """Return the names of the gradients that differ from those of the unchanged derivation."""
        self.budget.use("finding the lines it can be")
        try:
            with self.derived.changed(overrides) as function:
                given = self.evaluate(function, self.points[0])
        except BudgetSpentError:
            raise
        except Exception:  # what a change makes of a person's program may fail in any way
            return frozenset()
        return frozenset(name for name, before in self.given.items()
                         if name in given and not close(given[name], np.asarray(before), 1e-9))

    def holds(self, first: Trial, change: Callable[[int], object], stage: str,
              points: Sequence[int]) -> bool:
        """Return whether a change that was accepted at the first point is right at others, too.

        `change(i)` gives the overrides, or overrides and changes of statements, at point `i`.
        """
        for i in points:
            made = change(i)
            overrides, statements = made if isinstance(made, tuple) else (made, None)
            there = self.trial(i, overrides, stage, statements)
            if there is None or there.spoiled:
                return False
            if any(name in self.wrong_at[i] and name not in there.fixed for name in first.fixed):
                return False
        return True

    def scopes(self, i: int, sites: Sequence[Site],
               overrides: Mapping[int, Override] | None = None) -> dict[int, list[Scope]]:
        """Return the variables that each site sees at point `i`, each time it is evaluated."""
        found: dict[int, list[Scope]] = {}

        def looking(number: int, override: Override | None) -> Override:
            def look(occurrence: int, value: object, frame: FrameType) -> Any:
                found.setdefault(number, []).append(scope_of(frame))
                return value if override is None else override(occurrence, value, frame)

            return look

        given = overrides or {}
        numbers = {site.number for site in sites} | set(given)
        watch = {number: looking(number, given.get(number)) for number in numbers}
        self.trial(i, watch, "looking at variables")
        return found


def scope_of(frame: FrameType) -> Scope:
    """Return a copy of the variables that a frame sees."""
    local = {name: _copy(value) for name, value in frame.f_locals.items()
             if not name.startswith("<")}
    return {**frame.f_globals, **local}


def _copy(value: object) -> Any:
    if isinstance(value, np.ndarray):
        return value.copy()
    return list(value) if isinstance(value, list) else value


def close(given: Array, right: Array, rtol: float, least: float = 0.0) -> bool:
    """Return whether two arrays are equal up to `rtol`, relative to the largest element.

    It counts as `least` at least: a gradient that is zero is so up to rounding.
    """
    given = np.asarray(given)
    if given.shape != right.shape:
        return False
    if right.size == 0:
        return True
    size = max(float(np.abs(right).max()), least) or 1.0
    return bool(np.abs(given - right).max() <= rtol * size)  # false for NaN


@contextmanager
def quietly() -> Iterator[None]:
    """Silence what a person's program prints and warns of when it is run again and again."""
    import io
    import warnings
    from contextlib import redirect_stdout

    with np.errstate(all="ignore"), warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
