"""How likely an answer is: how small the edit is, and how much it explains of a derivation."""

from __future__ import annotations

import ast
import math
from collections import Counter
from typing import NamedTuple

from tinygrad_mlp.verify.wrong_line.graph.matching import Match, Matches
from tinygrad_mlp.verify.wrong_line.recording.sites import Site, feeding, is_alias, variable_of
from tinygrad_mlp.verify.wrong_line.repairs.offers import Offers
from tinygrad_mlp.verify.wrong_line.repairs.repair import Repair
from tinygrad_mlp.verify.wrong_line.repairs.repair_text import changed_characters, header_of
from tinygrad_mlp.verify.wrong_line.repairs.replacement import Wanted
from tinygrad_mlp.verify.wrong_line.running.experiment import RepairTrials
from tinygrad_mlp.verify.wrong_line.running.ranking import LineRanking

SMALL = 1.08
"""The cost of an edit that is a slip and nothing else."""

TELLING = 1.5
"""A repair after which so much more is explained is no coincidence."""

LIKE_ANOTHER = 0.3
"""How much likelier a repair is after which a statement is like another one, but for names."""

NEGATIVE = 0.5
"""How much less likely a repair is after which a line is minus a quantity."""

BARE = 0.35
"""How much less likely a part is missing where a name is passed on, or data are read."""

WEIGHTS = {
    "cotangent": 1.0, "value": 1.0, "constant": 0.5, "share": 0.6, "multiple": 0.9, "slope": 0.6,
    "partial": 0.4}
"""How much it tells that a line holds a quantity of a kind."""


class ShownRepair(NamedTuple):
    """A repair that was shown to work. The lower the score, the likelier it is what was meant.

    `doubt` is 0 where the repaired line and those after it are quantities of the graph, 1 where the
    line is none but the edit is small, and 2 elsewhere.
    """

    repair: Repair
    fixed: frozenset[str]
    matches: Matches
    score: float
    doubt: int


class AnswerScores:
    """Scores answers by the matches of a derivation, before and after a change."""

    def __init__(self, ranking: LineRanking, offers: Offers) -> None:
        self.ranking, self.offers = ranking, offers
        self.experiment, self.matches = ranking.experiment, ranking.matches
        self._before = self._explained(self.matches)
        self._deepest = max((q.depth for q in ranking.dictionary.quantities), default=0)
        statements = {id(site.statement): site.statement for site in self.experiment.sites}
        self._forms = Counter(
            filter(None, (form_of(header_of(each)) for each in statements.values())))

    def answer(self, repair: Repair, fixed: frozenset[str], after: Matches) -> ShownRepair:
        """Return a repair that works with its score; `after` are the matches then."""
        site, text = repair.site, repair.text()
        gone = {each.number for each in self.experiment.sites if each.statement is repair.removed}
        gone |= {each.number for each, _ in repair.expressions}
        lost = [n for n in self.matches if n not in after and n not in gone]
        was_right, explained = self.ranking.is_right(site), self._is_explained(site, after)
        far = not explained and self._is_explained(site, after, far=True)
        small = repair.cost < SMALL
        returned = is_returned(self.experiment, site)
        at_the_end = returned and (isinstance(site.node, ast.Name) or not small)
        new = {name for name in self.offers.unused if name in text}
        changed = changed_characters(header_of(site.statement), text)
        score = repair.cost + 0.012 * changed - 0.4 * len(new) + 0.7 * len(lost)
        score += 1.3 * at_the_end + 0.2 * returned
        score -= LIKE_ANOTHER * self._becomes_alike(header_of(site.statement), text)
        score += 0.05 * math.log10(max(1, len(self.experiment.values[0].get(site.number, ()))))
        score -= 0.3 * is_alias(site)  # a name is given to what lacks a factor
        score += _bareness(site, repair)
        if f"\n{variable_of(site)}[" in text:  # what a further store makes of it is not kept
            score -= 1.0 * self.ranking.is_named(site)
        score += (0.1 if far else 0.4 * (not explained)) + 1.5 * self._is_overwritten(repair)
        score += NEGATIVE * (site.number in after and after[site.number].sign < 0)
        if was_right:  # a gradient may have been taken for another one, a value hardly ever
            score += 0.8 if self.matches[site.number].quantity.kind == "cotangent" else 0.7
        gained = self._gained(after)
        score -= gained + 2.0 * len(fixed)
        doubtful = (bool(lost) or was_right or at_the_end or repair.cost > 2.2
                    or fixed != self.experiment.wrong)
        shown = explained or far or small or gained > TELLING
        doubt = 2 if doubtful or not shown else int(not (explained or far))
        return ShownRepair(repair, fixed, after, score, doubt)

    def _becomes_alike(self, before: str, text: str) -> int:
        """Return 1 if a change makes a statement like another one but for names, -1 if unlike."""
        others = self._forms - Counter([form_of(before)])
        new = [line for line in text.splitlines() if line != before]
        added = "\n" in text
        return any(form_of(line) in others for line in new) - (
            not added and form_of(before) in others)

    def _is_overwritten(self, repair: Repair) -> bool:
        """Return whether a further statement changes what is a value of the loss before."""
        stored = set(repair.added_to())
        return any(match.quantity.kind == "value" and variable_of(site) in stored
                   for site in self.experiment.sites
                   if (match := self.matches.get(site.number)) is not None)

    def _is_explained(self, site: Site, after: Matches, far: bool = False) -> bool:
        """Return whether a repaired statement computes a quantity of the graph, where it can.

        It also counts where another line, which uses what this one computes, has become one; and
        what is inside of the loss, where only lines that are no quantities lie in between (`far`).
        """
        if isinstance(site.statement, (ast.For, ast.While, ast.If)):
            return len(after) > len(self.matches)
        others = [each for each in self.experiment.sites if (each.root or each.after)
                  and each.statement is not site.statement and each.number not in self.matches]
        if not far:
            return any(each.number in after and (each.statement is site.statement or (
                each.number not in self.matches and feeding(each, [site])))
                for each in self.experiment.sites)
        new = [site]
        while new:
            new = [each for each in others if feeding(each, new)]
            others = [each for each in others if each not in new]
            if any(each.number in after and not self._is_gradient(after[each.number])
                   for each in new):
                return True
        return False

    def _is_gradient(self, match: Match) -> bool:
        """Return whether a quantity is what is asked for, which is right after every repair."""
        return match.quantity.depth == self._deepest

    def of_wanted(self, wanted: Wanted, after: Matches) -> float:
        """Return the score of a line that should hold a quantity."""
        lost = [n for n in self.matches if n not in after and n != wanted.site.number]
        return (0.7 * len(lost) + 1.0 * (wanted.family.kind == "value") - 2.0 * len(wanted.fixed)
                - self._gained(after))

    def _gained(self, after: Matches) -> float:
        """Return how much more is explained in a changed derivation, and how many names fit."""
        return self._explained(after) - self._before

    def _explained(self, matches: Matches) -> float:
        sites = self.experiment.sites
        fitting = sum(self.ranking.fits_name(sites[n], match) for n, match in matches.items())
        return 0.5 * told(matches) + 0.3 * fitting


def _bareness(site: Site, repair: Repair) -> float:
    """Return how much less likely it is that what has no formula lacks a part of one."""
    if not any(site.plain in ast.unparse(made) for _, made in repair.expressions):
        return 0.0
    if isinstance(site.node, ast.Name) and isinstance(site.statement, ast.AugAssign):
        return 0.05
    passed = isinstance(site.node, ast.Name) and isinstance(site.statement, ast.Expr)
    read = isinstance(site.node, (ast.Subscript, ast.Attribute))
    return BARE * (passed or read and isinstance(site.statement, ast.Assign))


def form_of(text: str) -> str:
    """Return a statement without its names; nothing for a header, or without operators."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return ""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            node.id = "_"
    return ast.dump(tree) if any(isinstance(node, ast.BinOp) for node in ast.walk(tree)) else ""


def is_returned(experiment: RepairTrials, site: Site) -> bool:
    """Return whether a site stands where the gradients are returned."""
    source = experiment.derived.source
    return (isinstance(site.statement, ast.Return) and source is not None
            and site.source.tree is source.tree)


def told(matches: Matches) -> float:
    """Return how much is explained: different quantities above all, and lines of the right sign."""
    different = {(match.quantity.kind, match.quantity.family) for match in matches.values()}
    return (sum(WEIGHTS[kind] for kind, _ in different)
            + 0.3 * sum(match.sign > 0 for match in matches.values()))
