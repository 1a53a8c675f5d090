"""The search for the wrong line: its steps in order, and the best answer so far at any time."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from tinygrad_mlp.verify.wrong_line.graph.loss_graph import LossGraph, place_of
from tinygrad_mlp.verify.wrong_line.graph.matching import Dictionary, Matches
from tinygrad_mlp.verify.wrong_line.graph.quantities import (
    families,
    multiples,
    of_other_loops,
    quantities,
)
from tinygrad_mlp.verify.wrong_line.recording.recorder import FunctionRecorder
from tinygrad_mlp.verify.wrong_line.recording.sites import Site, feeding, is_alias
from tinygrad_mlp.verify.wrong_line.repairs.loop_updates import updates_and_ends, updates_at_the_end
from tinygrad_mlp.verify.wrong_line.repairs.missing import missing_statements
from tinygrad_mlp.verify.wrong_line.repairs.moves import moves
from tinygrad_mlp.verify.wrong_line.repairs.offers import Offers
from tinygrad_mlp.verify.wrong_line.repairs.repair import Repair, holds
from tinygrad_mlp.verify.wrong_line.repairs.replacement import Wanted, replacements
from tinygrad_mlp.verify.wrong_line.repairs.small_repairs import (
    edited,
    enlarged,
    repairs_of_copies,
    statement_repairs,
)
from tinygrad_mlp.verify.wrong_line.repairs.wanted_repairs import wanted_repairs
from tinygrad_mlp.verify.wrong_line.running.budget import Budget, BudgetSpentError
from tinygrad_mlp.verify.wrong_line.running.experiment import POINTS, RepairTrials, Task
from tinygrad_mlp.verify.wrong_line.running.ranking import LineRanking
from tinygrad_mlp.verify.wrong_line.running.slicing import Slice
from tinygrad_mlp.verify.wrong_line.score import AnswerScores, ShownRepair

MOST_OF_STAGE = 0.12
"""The most of the budget that one stage may use up, as the wrong line may need another one."""

MOST_WANTED = 6
"""Replaced values that expressions are looked for."""


class Search:
    """One search. `answers` and `wanted` hold what was found so far."""

    def __init__(self, task: Task, budget: Budget) -> None:
        self._repairs: dict[tuple[str, int], list[Repair]] = {}
        self._waiting: list[Iterator[None]] = []
        self._end = math.inf  # the share of the budget at which rivals of an answer are given up
        self._replaced_sites: set[int] = set()  # their numbers
        self._tried_wanted: set[int] = set()  # their identities; `wanted` keeps them alive
        self.roots: list[Site] = []
        self.answers: list[ShownRepair] = []
        self.wanted: list[tuple[float, Wanted]] = []
        self.loss = FunctionRecorder(task.loss)
        graphs, points = [], []
        for point in task.points:
            try:
                graphs.append(LossGraph(self.loss, point, task.call))
            except Exception:  # the loss need not be defined at a point its author did not choose
                continue
            points.append(point)
        self.experiment = RepairTrials(FunctionRecorder(task.derived), task, graphs, points, budget)
        known = quantities(graphs[:POINTS])
        known += multiples(known, self.experiment.counts())
        self.families = families(known)
        more = list(of_other_loops(self.families, self.experiment.passes()))
        self.dictionary = Dictionary([*known, *(each for one in more for each in one.members)])
        self.families += more
        self.matches = self._matches(self.experiment.values[:POINTS])
        self.ranking = LineRanking(self.experiment, self.dictionary, self.matches)

    def _matches(self, values: Sequence[Mapping[int, list[object]]]) -> Matches:
        """Return the roots that equal a quantity of the graph."""
        found = {site.number: self.dictionary.match_site(values, site)
                 for site in self.experiment.sites if site.root or site.after}
        return {number: match for number, match in found.items() if match is not None}

    @property
    def best(self) -> ShownRepair | None:
        """The likeliest answer so far."""
        return min(self.answers, default=None, key=lambda answer: (
            round(answer.score, 3), not self.ranking.is_named(answer.repair.site),
            answer.repair.site.node.lineno))

    def run(self) -> None:
        """Search until there is an answer without doubt, or the budget is spent."""
        try:
            with self.experiment.budget.enforced():
                self._search()
        except BudgetSpentError:
            pass
        finally:
            self.experiment.budget.close()

    def _search(self) -> None:
        self.slice = Slice(self.experiment)
        # What the loss runs as well is as it is meant, unless there is nothing else.
        known = self.experiment.graphs[0].lines
        roots, more_lines = ([site for site in sites if place_of(site) not in known]
                             for sites in (self.slice.roots, self.slice.others))
        self.roots = roots = sorted(roots or self.slice.roots, key=lambda site: (
            site not in self.slice.of_all, *self.ranking.rank(site)))
        self.offers = Offers(self.experiment, [*roots, *updates_and_ends(self.experiment.sites)],
                             self.loss.sites)
        self.scores = AnswerScores(self.ranking, self.offers)
        suspects = [site for site in roots if not self.ranking.is_right(site)]
        others = [site for site in roots if self.ranking.is_right(site)]
        small = self._edited, self._statements
        likely = self._likely_edits, self._likely_additions, *small
        more = (self._headers, self._updated, self._missing, self._replaced, self._enlarged,
                self._copies)
        for stages, sites in (((*likely, *more), suspects), (likely, others),
                              ((*small, self._headers), more_lines)):
            if any(self._stopped(stage, sites) for stage in stages):
                return
        for steps in self._waiting:
            for _ in steps:
                pass

    def _stopped(self, stage: Callable[[Sequence[Site]], Iterator[None]],
                 sites: Sequence[Site]) -> bool:
        """Run a stage until a line has an answer that leaves no doubt.

        Lines that come into question as well are then tried for as long as a stage may take: those
        that only pass a name on, those that compute what the line uses or use what it computes, and
        those that hold no quantity even so.
        """
        budget = self.experiment.budget
        begin = budget.share()
        steps = stage(sites)
        for number, _ in enumerate(steps, 1):
            best = self.best
            if best is not None and best.doubt == 0:
                site = best.repair.site
                left = [each for each in sites[number:] if is_alias(each) or feeding(
                    each, [site]) or (each.number in self.slice.numbers and not (
                        each.number in best.matches and best.matches[each.number].sign > 0))]
                unexplained = [each for each in self._feeding(site)
                               if not self.ranking.is_right(each)]
                self._end = budget.share() + MOST_OF_STAGE
                for _ in chain(stage([*left, *self._feeding(site, sites[:number], left)]),
                               self._likely_additions(unexplained), self._edited(unexplained),
                               self._enlarged(unexplained)):
                    if budget.share() > self._end:
                        break
                return True
            if budget.share() > begin + MOST_OF_STAGE:
                self._waiting.append(steps)  # the less likely lines wait for the other stages
                break
        likely = stage in (self._likely_edits, self._likely_additions)
        return self.best is not None and self.best.doubt < (1 if likely else 2)

    def _feeding(self, site: Site, *tried: Sequence[Site]) -> list[Site]:
        """Return the lines not yet tried that compute what the line of a site uses."""
        known = {each.number for sites in tried for each in sites}
        found = [site]
        for user in found:  # and what these are computed with, up to quantities of the graph
            if user is site or user.number not in self.matches:
                found += [each for each in feeding(user, self.roots) if each not in found]
        return [each for each in found[1:] if each.number not in known]

    def _likely_edits(self, sites: Sequence[Site]) -> Iterator[None]:
        """Try those small edits of every line that make it a quantity of the graph."""
        return self._likely(edited, sites)

    def _likely_additions(self, sites: Sequence[Site]) -> Iterator[None]:
        """Try those factors and terms that make a line a quantity of the graph."""
        return self._likely(enlarged, sites)

    def _likely(self, make: Callable[[Offers, Site], list[Repair]],
                sites: Sequence[Site]) -> Iterator[None]:
        for site in sites:
            if site.root:
                self._try(repair for repair in self._made(make, site)
                          if self.dictionary.knows(repair.values))
                yield

    def _headers(self, sites: Sequence[Site]) -> Iterator[None]:
        """Try small edits of the headers of loops and branches."""
        for site in sites:
            if site.root and not self.experiment.has_value(site):
                self._try(iter(self._made(edited, site)))
                yield

    def _updated(self, sites: Sequence[Site]) -> Iterator[None]:
        """Try those updates at the end of a loop's body that give a quantity of the graph."""
        for site in sites:
            self._try(repair for repair in updates_at_the_end(self.offers, site)
                      if self.dictionary.knows(repair.values))
            yield

    def _edited(self, sites: Sequence[Site]) -> Iterator[None]:
        """Try all small edits of every line."""
        for site in sites:
            if site.root and self.experiment.has_value(site):
                self._try(repair for repair in self._made(edited, site)
                          if not self.dictionary.knows(repair.values))
                yield

    def _enlarged(self, sites: Sequence[Site]) -> Iterator[None]:
        """Try every further factor or term in every line."""
        for site in sites:
            if site.root:
                self._try(repair for repair in self._made(enlarged, site)
                          if not self.dictionary.knows(repair.values))
                yield

    def _made(self, make: Callable[[Offers, Site], list[Repair]], site: Site) -> list[Repair]:
        key = make.__name__, site.number
        if key not in self._repairs:
            self._repairs[key] = make(self.offers, site)
        return self._repairs[key]

    def _statements(self, sites: Sequence[Site]) -> Iterator[None]:
        """Try each statement with another target or operator, or without it."""
        for site in {id(site.statement): site for site in sites}.values():
            self._try(statement_repairs(self.offers, site))
            if not any(each.repair.site is site for each in self.answers):
                self._try(moves(site, self.experiment.sites))
            yield

    def _missing(self, sites: Sequence[Site]) -> Iterator[None]:
        """Try further statements."""
        names = frozenset(site.node.id for site in self.experiment.sites
                          if isinstance(site.node, ast.Name) and site.number in self.slice.numbers)
        for repairs in missing_statements(self.offers, self.experiment.sites, self.roots, names):
            self._try(repairs)
            yield

    def _copies(self, sites: Sequence[Site]) -> Iterator[None]:
        """Try the same small edit in several lines."""
        self._try(repairs_of_copies([site for site in sites if site.root], self.offers))
        yield

    def _replaced(self, sites: Sequence[Site]) -> Iterator[None]:
        """Find out what each line should hold, and look for expressions that do."""
        negative = any(match.sign < 0 and match.quantity.kind == "cotangent"
                       for match in self.matches.values())
        begin = self.experiment.budget.share()
        limit = begin + min(MOST_OF_STAGE, (1 - begin) / 2)
        for site in sites:
            self._replace(site, negative, limit)
        for _, wanted in list(self.wanted):
            for site in self._feeding(wanted.site, sites):
                self._replace(site, negative, limit)
        for _, wanted in self.wanted[:MOST_WANTED]:
            if id(wanted) not in self._tried_wanted:
                self._tried_wanted.add(id(wanted))
                self._try(wanted_repairs(self.experiment, self.offers, wanted))
                yield

    def _replace(self, site: Site, negative: bool, limit: float) -> None:
        if site.number in self._replaced_sites:
            return
        if self.experiment.budget.share() > limit:
            self.experiment.budget.spent = True
            return
        self._replaced_sites.add(site.number)
        negative = negative or any(
            isinstance(node, ast.USub) for user in self.roots if feeding(user, [site])
            for node in ast.walk(user.statement))
        for wanted in replacements(self.experiment, site, self.families, negative):
            after = self._after(wanted.overrides)
            score = 0.0 if after is None else self.scores.of_wanted(wanted, after)
            self.wanted.append((score, wanted))
        self.wanted.sort(key=lambda each: (each[0], each[1].site.number))

    def _try(self, repairs: Iterator[Repair]) -> None:
        for same in repairs:
            if self.experiment.budget.share() > self._end:
                return
            first = self.experiment.trial(
                0, same.overrides(), "trying repairs", same.statements())
            if first is None or not first.accepted:
                continue
            # What has the same values at the first point may have others elsewhere.
            repair = next((each for each in (same, *same.equals)
                           if holds(self.experiment, each, first)), None)
            after = repair and self._after(repair.overrides, repair.statements())
            if repair is not None and after is not None:
                self.answers.append(self.scores.answer(repair, first.fixed, after))

    def _after(self, overrides: Callable[[int], Any], statements: Any = None) -> Matches | None:
        """Return what the roots are equal to in the changed derivation."""
        values = []
        for i in range(POINTS):
            trial = self.experiment.trial(i, overrides(i), "trying repairs", statements, keep=True)
            if trial is None:
                return None
            values.append(trial.values)
        return self._matches(values)
