"""What the search for the wrong line is asked: the functions, the points, the gradients."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.support.source_rewriting import source_of
from tinygrad_mlp.verify.derivations.arguments import AtPoint
from tinygrad_mlp.verify.derivations.points import Point
from tinygrad_mlp.verify.derivations.report import Row
from tinygrad_mlp.verify.further_points import moved
from tinygrad_mlp.verify.wrong_line.culprit import Found, found_by
from tinygrad_mlp.verify.wrong_line.recording.shared_data import SharedData
from tinygrad_mlp.verify.wrong_line.running.budget import to_people
from tinygrad_mlp.verify.wrong_line.running.experiment import Task, quietly
from tinygrad_mlp.verify.wrong_line.search import Search

REACHES = (0.1, 0.3, 0.5, 0.2)
"""How far the points of the search are from the given one, relative to its size."""



class WrongLineSearch(NamedTuple):
    """The search for the wrong line in a derivation that is wrong at `point`.

    `hint` says how much of the answer is shown, `seconds` how long it may take.
    """

    point: Point
    rows: Mapping[str, Row]
    hint: int
    seconds: float

    def find(self) -> Found:
        """Search; without a source, or where the error is no mistake in a line, find nothing."""
        mistakes = [name for name, row in self.rows.items()
                    if not row.ok and row.verdict in ("WRONG", "convention")]
        names = [name for name, row in self.rows.items()
                 if name in mistakes or row.verdict == "right"]
        derived = self.point.handed.derived
        if (not mistakes or self.seconds <= 0 or self.point.handed.gradient is not None
                or not isinstance(derived, AtPoint) or source_of(derived.function) is None):
            return Found()
        try:
            data = SharedData(derived.function, self.point.handed.loss.function)
            task = self._task(derived, names, data)
            once = partial(task.evaluate, derived.function, task.points[0])
            with quietly(), data.kept(once):
                search = Search(task, to_people(self.seconds))
                search.run()
                return found_by(search, self.hint)
        except Exception as error:  # the report must come, whatever the program does when changed
            return Found(failure=f"{type(error).__name__}: {error}")

    def _task(self, derived: AtPoint, names: list[str], data: SharedData) -> Task:
        handed = self.point.handed
        tolerance = max(self.rows[name].tolerance for name in names)

        def call(function: object, leaves: Mapping[str, object]) -> Any:
            return _with(handed.loss, function)(leaves)

        def evaluate(function: object, parameters: Mapping[str, Array]) -> Mapping[str, Array]:
            try:
                return handed._replace(derived=_with(derived, function)).answer(
                    parameters).gradients
            finally:
                data.restore()

        rtol = min(1e-2, max(1e-6, 4 * tolerance))
        return Task(handed.loss.function, derived.function, self._points(), call, evaluate, names,
                    rtol)

    def _points(self) -> list[dict[str, Array]]:
        """Return the given point and some nearby, in double precision."""
        rng = np.random.default_rng(0)
        here = {name: np.asarray(v, dtype=float) for name, v in self.point.parameters.items()}
        return [here, *({name: moved(value, reach, rng) for name, value in here.items()}
                        for reach in REACHES)]


def _with(caller: AtPoint, function: Any) -> AtPoint:
    """Return a caller that calls another function in the same way."""
    other = copy(caller)
    other.function = function
    return other
