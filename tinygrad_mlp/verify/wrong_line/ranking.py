"""Which lines come into question first: those at which the numbers depart from the graph's."""

from __future__ import annotations

import ast
from collections.abc import Collection

import numpy as np

from tinygrad_mlp.verify.reading.names import gradient_of
from tinygrad_mlp.verify.wrong_line.experiment import POINTS, RepairTrials
from tinygrad_mlp.verify.wrong_line.matching import Dictionary, Match
from tinygrad_mlp.verify.wrong_line.quantities import is_telling
from tinygrad_mlp.verify.wrong_line.score import Matches
from tinygrad_mlp.verify.wrong_line.sites import Site, variable_of


class LineRanking:
    """Ranks lines by what they compute and what they use.

    `matches` are the quantities that the roots are equal to, `names` those of the loss's variables.
    """

    def __init__(self, experiment: RepairTrials, dictionary: Dictionary, matches: Matches,
                 names: Collection[str | None]) -> None:
        self.experiment, self.dictionary = experiment, dictionary
        self.matches, self.names = matches, names

    def rank(self, site: Site) -> tuple[int, int]:
        """Return how a line comes into question: first those at which the numbers depart.

        That is, where it uses quantities of the graph and computes none. What counts is the first
        step of a loop, as a mistake spoils all the steps after it.
        """
        def holds(each: Site) -> bool:
            values = [kept.get(each.number, [None])[0] for kept in self.experiment.values[:POINTS]]
            telling = isinstance(values[0], np.ndarray) and any(map(is_telling, values))
            return not telling or self.dictionary.match(values) is not None

        used = [each for each in self.experiment.sites if each.statement is site.statement
                and not each.after and isinstance(each.node, (ast.Name, ast.Subscript))]
        departs = isinstance(site.node, ast.Name) or not holds(site)
        if departs:
            return (0 if all(map(holds, used)) else 2), site.number
        return (1 if site.number not in self.matches else 3), site.number

    def is_right(self, site: Site) -> bool:
        """Return whether a line computes a quantity of the graph: it is not likely to be wrong.

        A name only passes a quantity on, and a share may lack the others.
        """
        match, name = self.matches.get(site.number), variable_of(site)
        if match is not None and name in self.names and match.words != name:
            return False  # what is called p is not what p is in the loss
        if match is not None and self.is_named(site) and not self.fits_name(site, match):
            return False
        return (match is not None and match.sign > 0 and not isinstance(site.node, ast.Name)
                and match.quantity.kind in ("cotangent", "multiple", "value", "constant"))

    def is_named(self, site: Site) -> bool:
        """Return whether a line's variable is called like a gradient: dz, where there is a z."""
        return self._whose(site) is not None

    def fits_name(self, site: Site, match: Match) -> bool:
        """Return whether a line holds the gradient that its variable is called after."""
        words, whose = match.quantity.words or "", self._whose(site)
        return whose is not None and match.sign > 0 and words.endswith(f"∂L/∂{whose}")

    def _whose(self, site: Site) -> str | None:
        names = [name for name in self.names if name and name.isidentifier()]
        return gradient_of(variable_of(site) or "", names)
