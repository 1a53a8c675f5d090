"""Which lines come into question first: those at which the numbers depart from the graph's."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_mlp.verify.reading.names import gradient_of
from tinygrad_mlp.verify.wrong_line.graph.matching import Dictionary, Match, Matches
from tinygrad_mlp.verify.wrong_line.graph.quantities import is_telling
from tinygrad_mlp.verify.wrong_line.recording.sites import Site, carried, stored_in, variable_of
from tinygrad_mlp.verify.wrong_line.running.experiment import POINTS, RepairTrials

DERIVATIVE = re.compile(r"(d|g|grad|delta)[A-Z_0-9]")
"""How the names of derivatives begin."""


class LineRanking:
    """Ranks lines by what they compute and what they use.

    `matches` are the quantities that the roots are equal to.
    """

    def __init__(self, experiment: RepairTrials, dictionary: Dictionary, matches: Matches) -> None:
        self.experiment, self.dictionary, self.matches = experiment, dictionary, matches
        values = [q for q in dictionary.quantities if q.kind == "value" and q.words]
        self.names = {str(q.words): q.family for q in values if str(q.words).isidentifier()}
        self.vertices = self.names | self._own_names()

    def _own_names(self) -> dict[str, object]:
        """Return what the derivation calls the values of the loss: each name with the vertex."""
        found: dict[str, set[Any]] = {}
        for site in self.experiment.sites:
            name, match = variable_of(site), self.matches.get(site.number)
            if name and match is not None and match.quantity.kind == "value" and match.sign > 0:
                found.setdefault(name, set()).add(match.quantity.family)
        return {name: families.pop() for name, families in found.items() if len(families) == 1}

    def rank(self, site: Site) -> tuple[int, int]:
        """Return how a line comes into question: first those at which the numbers depart.

        That is, where it uses quantities of the graph and computes none. What counts is the first
        step of a loop, as a mistake spoils all the steps after it. Lines that do not hold what they
        are named after come first, too. Then comes what one step passes to the next, then other
        lines, then those whose inputs are no quantities either, and last those that compute one.
        """
        departs = self._departs(site)
        if departs is not None:
            return (0 if departs else 3), site.number
        if self._is_misnamed(site):
            return 0, site.number
        if site.number in self.matches:
            return 4, site.number
        loops = [node for node in ast.walk(site.source.tree) if isinstance(node, ast.For)
                 and site.statement in node.body]
        passed = any(stored_in(site.statement) & carried(loop, site.source.tree) for loop in loops)
        return (1 if passed else 2), site.number

    def may_be_told(self, site: Site) -> bool:
        """Return whether a line that should hold a quantity is likely the wrong one by itself.

        Else it uses what is no quantity either, and that may be where the mistake is.
        """
        return self._departs(site) is not False or self.is_named(site)

    def _departs(self, site: Site) -> bool | None:
        """Return whether a line without a quantity uses quantities; None for one that has one."""
        def holds(each: Site) -> bool:
            values = self._first_values(each)
            telling = isinstance(values[0], np.ndarray) and any(map(is_telling, values))
            return not telling or self.dictionary.match(values) is not None

        passes = isinstance(site.node, ast.Name) and site.number not in self.matches
        if (passes and self.experiment.has_value(site)) or not holds(site):
            return all(map(holds, self._used(site)))
        return None

    def _is_misnamed(self, site: Site) -> bool:
        """Return whether a line is named after a gradient that it does not hold."""
        held = self.matches.get(site.number)
        found = self.dictionary.matches(self._first_values(site)) if held is None else [held]
        return self.is_named(site) and not any(self.fits_name(site, match) for match in found)

    def _used(self, site: Site) -> list[Site]:
        return [each for each in self.experiment.sites if each.statement is site.statement
                and not each.after and isinstance(each.node, (ast.Name, ast.Subscript))]

    def _first_values(self, site: Site) -> list[Any]:
        return [kept.get(site.number, [None])[0] for kept in self.experiment.values[:POINTS]]

    def departure(self, sites: Sequence[Site]) -> Site | None:
        """Return the only one of some lines that makes of gradients what is none.

        A line that is named after a gradient is not told: one before it may have spoiled it.
        """
        def uses_gradients(site: Site) -> bool:
            used = [self.dictionary.match(self._first_values(each)) for each in self._used(site)]
            return any(m and m.quantity.kind in ("cotangent", "share", "multiple") for m in used)

        found = [site for site in sites if site.root and self.experiment.has_value(site)
                 and not isinstance(site.node, ast.Name) and self._departs(site)
                 and not self._is_misnamed(site) and uses_gradients(site)]
        return found[0] if len(found) == 1 else None

    def is_right(self, site: Site) -> bool:
        """Return whether a line computes a quantity of the graph: it is not likely to be wrong.

        A name only passes a quantity on, and a share may lack the others.
        """
        match, name = self.matches.get(site.number), variable_of(site)
        if match is None:
            return False
        if name in self.names and match.words != name:
            return False  # what is called p is not what p is in the loss
        if match.words != name and match.quantity.kind == "value" and DERIVATIVE.match(name or ""):
            return False  # a derivative that is a value of the loss
        if self.is_named(site) and not self.fits_name(site, match):
            return False
        return (match.sign > 0 and not isinstance(site.node, ast.Name)
                and match.quantity.kind in ("cotangent", "multiple", "value", "constant")
                and not self._is_another(site, match))

    def _is_another(self, site: Site, match: Match) -> bool:
        """Return whether a line assigns a gradient that another line gives to another variable."""
        def gives(each: Site) -> bool:
            other = self.matches.get(each.number)
            return other is not None and other.quantity is match.quantity

        same = {variable_of(each) for each in self.experiment.sites
                if not isinstance(each.node, ast.Name) and gives(each)}
        return (match.quantity.kind == "cotangent" and variable_of(site) is not None
                and len(same - {None}) > 1 and not self.is_named(site))

    def is_named(self, site: Site) -> bool:
        """Return whether a line's variable is called like a gradient: dz, where there is a z."""
        return self._whose(site) is not None

    def fits_name(self, site: Site, match: Match) -> bool:
        """Return whether a line holds the gradient that its variable is called after."""
        whose, quantity = self._whose(site), match.quantity
        if whose is None or match.sign < 0 or quantity.kind not in ("cotangent", "multiple"):
            return False
        family = quantity.family if quantity.kind == "cotangent" else quantity.family[0]
        return bool(family == self.vertices[whose])

    def _whose(self, site: Site) -> str | None:
        return gradient_of(variable_of(site) or "", self.vertices)
