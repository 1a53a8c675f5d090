"""A repair, which is an expression or a statement written otherwise; and trying one out."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from types import CodeType, FrameType
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.support.source_rewriting import copied
from tinygrad_mlp.verify.wrong_line.expressions.evaluation import (
    code_of,
    evaluated,
    values_of_parts,
)
from tinygrad_mlp.verify.wrong_line.expressions.syntax import kind_of
from tinygrad_mlp.verify.wrong_line.recording.recorder import Override, StatementChange
from tinygrad_mlp.verify.wrong_line.recording.sites import Site, stored_in
from tinygrad_mlp.verify.wrong_line.repairs.repair_text import header_of, text_of_change
from tinygrad_mlp.verify.wrong_line.running.experiment import RepairTrials, Scope, Trial

EVALUATIONS, OF_CONDITIONS = 4, 16
"""Evaluations of an expression that are compared: more of conditions and of whole numbers, which
have few values."""


class Repair(NamedTuple):
    """One change of the derivation: other expressions at some sites, or one statement changed.

    `expressions` are the roots that are edited, with what takes their place. `statement` is a
    statement that is changed as a whole, and how. `removed` is one that is taken out, because the
    repair puts it elsewhere. `values` are those of an edited root at a few of its evaluations,
    where it can be evaluated by itself.
    """

    cost: float
    expressions: tuple[tuple[Site, ast.expr], ...] = ()
    statement: tuple[Site, StatementChange] | None = None
    values: tuple[Any, ...] = ()
    equals: Sequence[Repair] = ()
    removed: Any = None

    @property
    def site(self) -> Site:
        """The site whose line is repaired."""
        return self.expressions[0][0] if self.statement is None else self.statement[0]

    def overrides(self, i: int = 0) -> dict[int, Override]:
        """Return the overrides that run the derivation with this repair, at any point."""
        return {site.number: evaluating(edited) for site, edited in self.expressions}

    def statements(self) -> dict[int, StatementChange]:
        """Return the changes of statements that run the derivation with this repair."""
        if self.statement is None:
            return {}
        site, change = self.statement
        gone = {} if self.removed is None else {id(self.removed): _nothing}
        return {id(site.statement): change, **gone}

    def text(self) -> str:
        """Return the text of the repaired statement, without its body, as Python prints it."""
        return "\n".join(map(header_of, self._made()))

    def shown_text(self) -> str:
        """Return that text with all that the repair does not change as the person wrote it."""
        site = self.site
        return "\n".join(text_of_change(site.source, site.statement, each)
                         for each in self._made())

    def added_to(self) -> list[str]:
        """Return the variables that statements are added for; none where one only changes."""
        made, before = self._made(), header_of(self.site.statement)
        return [name for each in made if len(made) > 1 and header_of(each) != before
                for name in stored_in(each)]

    def _made(self) -> list[Any]:
        """Return the statements that take the place of the repaired one."""
        site = self.site
        edited = {id(each.node): made for each, made in self.expressions
                  if each.statement is site.statement}
        copy = copied(site.statement, lambda original, copy: edited.get(id(original), copy))
        return [_plain(copy)] if self.statement is None else self.statement[1](copy)


def _plain(statement: ast.stmt) -> ast.stmt:
    """Return ``x += e`` for ``x -= -e``, and the other way round; other statements as they are."""
    value = getattr(statement, "value", None)
    if not (isinstance(statement, ast.AugAssign) and isinstance(statement.op, (ast.Add, ast.Sub))
            and isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.USub)):
        return statement
    other = ast.Sub() if isinstance(statement.op, ast.Add) else ast.Add()
    return ast.copy_location(ast.AugAssign(statement.target, other, value.operand), statement)


def _nothing(statement: ast.stmt) -> list[ast.Pass]:
    """Take a statement out; a block needs one."""
    return [ast.copy_location(ast.Pass(), statement)]


def evaluating(expression: ast.expr) -> Override:
    """Return the override that evaluates an expression in the place of another one."""
    codes: list[CodeType] = []

    def override(occurrence: int, value: Array, frame: FrameType) -> Array:
        if not codes:
            codes.append(code_of(expression))
        # An inner function of the code (a comprehension) sees global variables only.
        if any(isinstance(constant, CodeType) for constant in codes[0].co_consts):
            return eval(codes[0], {**frame.f_globals, **frame.f_locals})
        return eval(codes[0], frame.f_globals, frame.f_locals)

    return override


def holds(experiment: RepairTrials, repair: Repair, first: Trial) -> bool:
    """Return whether a repair makes right at all other points what it makes right at the first."""
    overrides, statements = repair.overrides(), repair.statements()
    return experiment.holds(first, lambda i: (overrides, statements), "trying repairs",
                            range(1, len(experiment.points)))


def distinct(repairs: Iterator[tuple[float, ast.expr]], site: Site, scopes: Sequence[Scope],
             values: Sequence[Any]) -> Iterator[Repair]:
    """Yield edits of a root whose values are new, those of the right shape first, cheap ones first.

    `values` are those of the root itself. What cannot be evaluated by itself (in a comprehension,
    in the header of a loop) is yielded, too.
    """
    seen: dict[Any, list[Repair]] = {}
    if values and all(map(_is_number, values)):
        seen[digest(values)] = []
    later: list[Repair] = []
    # (Of conditions a few evaluations do not tell which are equal.)
    numeric = bool(values) and all(isinstance(value, np.ndarray) and (
        value.ndim > 0 or value.dtype.kind != "b") for value in values)
    known = [values_of_parts(site.node, scope) for scope in scopes] if numeric else []
    for cost, edited in sorted(repairs, key=lambda each: each[0]):
        found = evaluated(edited, scopes, known) if numeric else None
        if numeric and (found is None or not all(map(_is_number, found))):
            continue
        equals: list[Repair] = []
        repair = Repair(cost, ((site, edited),), None, tuple(found or ()), equals)
        if found is not None:
            key = digest(found)
            if key in seen:
                seen[key].append(repair)
                continue
            seen[key] = equals
        fits = found is None or [np.shape(v) for v in found] == [np.shape(v) for v in values]
        if fits:
            yield repair
        else:
            later.append(repair)
    yield from later


def _is_number(value: object) -> bool:
    """Return whether a value is an array of finite numbers."""
    if not isinstance(value, (np.ndarray, np.generic, float, int)):
        return False
    array = np.asarray(value)
    return array.dtype.kind in "fiub" and bool(np.isfinite(array).all())


def digest(values: Sequence[Array | float]) -> tuple[object, ...]:
    """Return what is the same for values that are equal up to rounding."""
    found: list[Any] = []
    for value in values:
        flat = np.asarray(value, dtype=float).ravel()
        found += [np.shape(value), f"{float(flat @ np.cos(np.arange(flat.size))):.9g}"]
    return tuple(found)


def chosen(site: Site, values: Sequence[Array | float | None]) -> list[int]:
    """Return which evaluations of a site are looked at: the first, and others in between.

    Those that give zeros, as behind a mask, do not tell one edit from another.
    """
    whole = bool(values) and kind_of(values[0]) in "iu"
    few = whole or any(isinstance(node, ast.Compare) for node in ast.walk(site.node))
    numbers = [k for k, value in enumerate(values) if value is None or np.any(value)]
    found = list(range(len(values))) if few or not numbers else numbers
    most = min(len(found), OF_CONDITIONS if few else EVALUATIONS)
    return [found[k * len(found) // most] for k in range(most)]


def variables_in(site: Site, scope: Mapping[str, object],
                 texts: Sequence[str]) -> dict[str, Array | float]:
    """Return the expressions that a repair of a site may use, with their values.

    The variables of the function that it stands in, and elements such as ``h[t - 1]`` that occur
    there.
    """
    found: dict[str, Any] = {}
    lengths: dict[int, str] = {}
    for text in texts:
        try:
            value = eval(text, dict(scope))
        except Exception:  # not defined yet
            continue
        if isinstance(value, (list, tuple, dict, set)) or (
                isinstance(value, np.ndarray) and value.ndim):
            lengths.setdefault(len(value), f"len({text})")
        if isinstance(value, (np.ndarray, np.generic, float, int)) and value is not True:
            found[text] = value
    return found | {text: length for length, text in lengths.items()}
