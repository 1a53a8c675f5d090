"""The answer of a search: which line is wrong, what it should be, and a repair."""

from __future__ import annotations

import ast
from typing import Any, NamedTuple

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.verify.wrong_line.graph.matching import Match, Matches
from tinygrad_mlp.verify.wrong_line.recording.sites import Site, feeding
from tinygrad_mlp.verify.wrong_line.repairs.repair_text import differing
from tinygrad_mlp.verify.wrong_line.repairs.replacement import Wanted
from tinygrad_mlp.verify.wrong_line.score import ShownRepair, is_returned
from tinygrad_mlp.verify.wrong_line.search import Search

LARGE = 1.6
"""The cost of an edit from which on it may be a coincidence that it makes gradients right."""

UNSURE = 0.2
"""A score so little better than that of another line does not decide between the two."""

LONGEST_REPAIR = 60
"""Characters added by a repair beyond which only the expected quantity is named."""


class Culprit(NamedTuple):
    """The line at which a derivation goes wrong.

    Attributes:
        line: its number in the file, or in the cell of the notebook.
        column: where `text` begins in the line, from 0.
        text: the expression that is wrong, as it was written.
        expected: the quantity of the loss that it should be, in the names of the loss, or None.
        repair: the statement with which `gradients` are right, at fresh points too, or None.
        gradients: the names of the gradients that it decides.
        source: the whole line.
        filename: the file.
        agreeing: sentences about what the statement uses that is right.
        others: the names of gradients that are wrong for another reason.
        in_loop: whether the line is executed several times.
        values: what the statement computes at the given point, and what it should; or None.
        misplaced: whether it belongs to another place, which the repair shows with what is there.
    """

    line: int
    column: int
    text: str
    expected: str | None
    repair: str | None
    gradients: tuple[str, ...]
    source: str
    filename: str
    agreeing: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    in_loop: bool = False
    values: tuple[Any, Any] | None = None
    misplaced: bool = False

    @property
    def cell(self) -> str:
        """The cell of a notebook's file that the line is in, with a comma; else empty."""
        path, found, number = self.filename.rpartition(" cell ")
        return f"cell {number}, " if found and path.endswith(".ipynb") else ""


class Traced(NamedTuple):
    """One line of a derivation: an expression, and the quantity of the loss that it equals.

    `match` is None where there is no such quantity: after the first wrong line, and where a right
    derivation takes a way of its own.
    """

    line: int
    text: str
    match: str | None


class Found(NamedTuple):
    """What a search found. `cut_off` says that its budget ended it, `failure` that an error did."""

    culprit: Culprit | None = None
    trace: tuple[Traced, ...] = ()
    cut_off: bool = False
    failure: str = ""


def found_by(search: Search, hint: int) -> Found:
    """Return the result of a search that has run; of the culprit, what the hint shows."""
    culprit = _culprit(search)
    if culprit is not None and hint < 3:
        culprit = culprit._replace(repair=None)
    if culprit is not None and hint < 2:
        culprit = culprit._replace(expected=None, values=None)
    return Found(culprit, _trace(search), search.experiment.budget.spent)


def _culprit(search: Search) -> Culprit | None:
    answer = search.best
    wanted = search.wanted[0][1] if search.wanted else None
    if wanted is not None and is_returned(search.experiment, wanted.site):
        wanted = None  # that the returned gradient should be the gradient, everybody knows
    if answer is None:
        site = search.ranking.departure(search.roots)
        if wanted is not None and wanted.fixed == search.experiment.wrong and (
                search.ranking.may_be_told(wanted.site)) and not (
                site and site.number < wanted.site.number):
            return _of_wanted(search, wanted)
        return site and _placed(search, site, site.node, None, None, search.experiment.wrong)
    line = answer.repair.site.node.lineno
    if wanted is not None and wanted.site.node.lineno != line and wanted.fixed > answer.fixed:
        there = [each for each in search.answers if each.fixed >= answer.fixed
                 and each.repair.site.node.lineno == wanted.site.node.lineno]
        if not there:
            return _of_wanted(search, wanted)
        answer = min(there, key=lambda each: each.score)
    elif (wanted is None or wanted.site.node.lineno != line) and answer.repair.cost > LARGE and any(
            other.score < answer.score + UNSURE for other in search.answers
            if other.repair.site.node.lineno != line
            and not feeding(other.repair.site, [answer.repair.site])):
        return None  # another line is as likely
    return _of_answer(search, answer)


def _of_answer(search: Search, answer: ShownRepair) -> Culprit:
    repair = answer.repair
    site = repair.site
    node: Any = site.node
    if repair.statement is None:
        node = differing(site.node, repair.expressions[0][1])[0]
    elif not isinstance(site.statement, ast.Lambda):
        node = repair.removed or site.statement
    match = _after(search, site, answer.matches)
    text = repair.text()
    short = len(text) - len(_statement_text(site)) <= LONGEST_REPAIR
    # A statement that was missing is put after one that is as it should be.
    added = repair.statement is not None and "\n" in text
    known = None if added else match
    placed = _placed(search, site, node, known and known.words,
                     repair.shown_text() if short else None, answer.fixed)
    right = known and known.sign * known.quantity.arrays[0]
    return placed._replace(values=_values(search, site, right),
                           misplaced=repair.removed is not None)


def _of_wanted(search: Search, wanted: Wanted) -> Culprit:
    site = wanted.site
    node = site.statement if site.after else site.node
    placed = _placed(search, site, node, wanted.words, None, wanted.fixed)
    return placed._replace(values=_values(search, site, wanted.arrays[0][0]))


def _placed(search: Search, site: Site, node: Any, expected: str | None, repair: str | None,
            fixed: frozenset[str]) -> Culprit:
    line = node.lineno
    source = site.source.lines[line - 1].rstrip()
    end = node.end_col_offset if node.end_lineno == line else None
    text = source.encode()[node.col_offset:end].decode()
    if isinstance(node, (ast.For, ast.While, ast.If, ast.With)):
        text = source[node.col_offset:]
    column = len(source.encode()[:node.col_offset].decode())
    names = [name for name in search.experiment.right[0] if name in fixed]
    others = [n for n in search.experiment.right[0] if n in search.experiment.wrong - fixed]
    times = len(search.experiment.values[0].get(site.number, ()))
    return Culprit(line, column, text, expected, repair, tuple(names), source, site.source.filename,
                   _agreeing(search, site), tuple(others), times > 1)


def _values(search: Search, site: Site, right: Array | None) -> tuple[Array, Array] | None:
    """Return what a statement computes when it is first executed, and what it should."""
    numbers = [each.number for each in search.experiment.sites
               if each.root and each.statement is site.statement]
    values = [value for n in numbers for value in search.experiment.values[0].get(n, ())[:1]]
    return None if right is None or len(values) != 1 else (values[0], right)


def _after(search: Search, site: Site, matches: Matches) -> Match | None:
    """Return what a repaired line computes."""
    same = [each.number for each in search.experiment.sites
            if each.statement is site.statement and each.after]
    numbers = [site.number, *same] if site.root else same
    return next((matches[number] for number in numbers if number in matches), None)


def _agreeing(search: Search, site: Site) -> tuple[str, ...]:
    """Return what the variables are that a line uses, where these are gradients of the loss."""
    said: dict[str, None] = {}
    for each in search.experiment.sites:
        if each.statement is not site.statement or each.after:
            continue
        if isinstance(each.node, (ast.Name, ast.Subscript)):
            match = search.dictionary.match_site(search.experiment.values[:3], each)
            telling = match is not None and match.quantity.kind in ("cotangent", "share")
            if match is not None and telling and match.words and match.words != each.text:
                said[f"{each.text} is {match.words}"] = None
    return tuple(said)[:2]


def _statement_text(site: Site) -> str:
    return ast.unparse(site.statement).partition("\n")[0]


def _trace(search: Search) -> tuple[Traced, ...]:
    """Return the lines of the derivation with the quantities that they equal."""
    traced = []
    for site in search.experiment.sites:
        values = search.experiment.values[0].get(site.number, [None])
        if site.root and values[0] is not None and not isinstance(site.node, ast.Constant):
            match = search.matches.get(site.number)
            traced.append(Traced(site.node.lineno, site.text, match.words if match else None))
    return tuple(sorted(traced, key=lambda each: each.line))
