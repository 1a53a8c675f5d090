"""What each statement may be repaired with: its variables, and the functions at hand."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tinygrad_mlp.support.source_rewriting import copied
from tinygrad_mlp.verify.wrong_line.expressions.syntax import Vocabulary, called, is_count
from tinygrad_mlp.verify.wrong_line.expressions.terms import NUMBERS
from tinygrad_mlp.verify.wrong_line.recording.sites import Site
from tinygrad_mlp.verify.wrong_line.repairs.repair import chosen, variables_in
from tinygrad_mlp.verify.wrong_line.running.experiment import RepairTrials, Scope

LONGEST_TEXT = 24
"""Most characters of an expression that is offered as a variable."""

KINKED = ("maximum", "minimum", "max", "min", "amax", "abs", "where", "clip", "relu", "sign")
"""Functions with kinks, where a derivative has a mask."""


class Offers:
    """What each statement may be repaired with: its variables, and the functions at hand."""

    def __init__(self, experiment: RepairTrials, roots: Sequence[Site],
                 loss: Sequence[Site]) -> None:
        self.experiment = experiment
        self.scopes = experiment.scopes(0, roots)
        self._of_loss = [node.id for s in loss if s.root for node in ast.walk(s.node)
                         if isinstance(node, ast.Name)]
        named = {s.text for s in loss
                 if any(isinstance(node, ast.Name) for node in ast.walk(s.node))}
        self._of_loss += [text for text, value in experiment.graphs[0].constants.items()
                          if value.ndim == 0 and len(text) <= LONGEST_TEXT and text in named]
        self.numbers = sorted({*NUMBERS, *(
            float(node.value) for s in loss if s.root for node in ast.walk(s.node)
            if isinstance(node, ast.Constant) and isinstance(node.value, (int, float))
            and not isinstance(node.value, bool) and abs(node.value) not in (0, 1))})
        self.unused = frozenset().union(*(
            unused_in(tree, tree is not getattr(experiment.derived.source, "tree", None))
            for tree in {id(s.source.tree): s.source.tree for s in experiment.sites}.values()))
        sites = [*experiment.sites, *loss]
        self._indexed = {node.value.id for s in sites for node in ast.walk(s.statement)
                         if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name)}
        self.steps = sorted({s.statement.target.id for s in sites if isinstance(
            s.statement, ast.For) and isinstance(s.statement.target, ast.Name)})
        self._vocabularies: dict[int, Vocabulary] = {}
        functions: dict[str, None] = {}
        self._texts: dict[int, list[tuple[int, str]]] = {}
        self._terms = list(dict.fromkeys(site.plain for site in experiment.sites if isinstance(
            site.node, ast.BinOp) and not isinstance(site.node.op, (ast.Add, ast.Sub))
            and len(site.plain) <= LONGEST_TEXT))
        for site in experiment.sites:
            node = site.node
            texts = self._texts.setdefault(id(site.source.tree), [])
            simple = site.root and isinstance(site.statement, (ast.Assign, ast.AugAssign))
            for part in ast.walk(site.statement if simple else node) if site.root else [node]:
                if isinstance(part, ast.Name):
                    texts.append((site.number, part.id))
            if isinstance(node, (ast.Subscript, ast.Attribute)) and len(site.plain) <= LONGEST_TEXT:
                if not (isinstance(node, ast.Attribute) and node.attr in ("T", "shape", "size")):
                    texts += [(site.number, text) for text in (site.plain, *other_parts(node))]
        for site in sites:
            node = site.node
            if isinstance(node, ast.Call) and len(node.args) == 1 and not node.keywords:
                functions |= dict.fromkeys(_elementwise(ast.unparse(node.func)))
        self.functions = tuple(functions)
        self._masks = any(isinstance(site.node, ast.Compare) or isinstance(
            site.node, ast.Call) and called(site.node) in KINKED for site in sites)
        stored = [stored_index(site) for site in experiment.sites if site.root]
        self._targets = [f"{target}[{index}]" for target, index in stored if index]

    def scope(self, site: Site) -> list[Scope]:
        """Return the variables that a site sees, at a few of its evaluations."""
        found = self.scopes.get(site.number, [])
        values = self.experiment.values[0].get(site.number, [])
        if len(values) != len(found):
            values = [None] * len(found)
        return [found[i] for i in chosen(site, values)]

    def texts(self, site: Site) -> list[str]:
        """Return the variables, and elements of such, in the function that a site stands in.

        What is computed and not used comes first, then what is used shortly before.
        """
        used = self._texts.get(id(site.source.tree), ())
        texts = [text for number, text in reversed(used) if number < site.number]
        texts += [text for number, text in used if number >= site.number]
        scope = (self.scope(site) or [{}])[-1]
        lists = {name for name, value in scope.items() if isinstance(value, list)}
        elements = [f"{name}[{step}]" for name in sorted(lists | self._indexed)
                    for step in self.steps]
        elements += [f"{name}[{step} {shift} 1]" for name in sorted(lists)
                     for step in self.steps for shift in "+-"]
        for node in ast.walk(site.statement):  # as in psi[far] = delta * np.sign(eps[far])
            base: Any = node
            while isinstance(base, ast.Subscript):
                base = base.value
            if base is not node and isinstance(base, ast.Name):
                index = ast.unparse(node).removeprefix(base.id)
                elements += [name + index for name in texts
                             if is_like(scope.get(name), scope.get(base.id))]
        elements += [name for name, value in scope.items() if is_count(value) and name[0] != "_"]
        elements += [f"{name}.{attribute}" for name, value in scope.items()
                     for attribute, array in getattr(value, "__dict__", {}).items()
                     if isinstance(array, np.ndarray)]
        return list(dict.fromkeys([*sorted(self.unused), *texts, *elements, *self._of_loss,
                                  *self._targets]))

    def seen(self, site: Site) -> tuple[list[Scope], list[Any]]:
        """Return variables and values of a site at a few of its evaluations."""
        scopes, values = self.scope(site), self.experiment.values[0].get(site.number, [])
        values = [values[i] for i in chosen(site, values)]
        return (scopes, values) if len(scopes) == len(values) else ([], [])

    def vocabulary(self, site: Site) -> Vocabulary:
        """Return what small edits of a site may use."""
        if site.number not in self._vocabularies:
            scopes = self.scope(site)
            known = variables_in(site, scopes[-1], self.texts(site)) if scopes else {}
            terms = [text for text in self._terms if text not in site.plain]
            found = variables_in(site, scopes[-1], terms) if scopes else {}
            self._vocabularies[site.number] = Vocabulary(
                known, self.functions, self.unused,
                {text: found[text] for text in found if text in terms}, self._masks)
        return self._vocabularies[site.number]


def unused_in(tree: Any, arguments: bool) -> frozenset[str]:
    """Return the variables of a function, or its arguments as well, that it does not use."""
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    stored = {node.id for node in names if isinstance(node.ctx, ast.Store)}
    if arguments:
        stored |= {node.arg for node in ast.walk(tree.args) if isinstance(node, ast.arg)}
    used = {node.id for node in names if isinstance(node.ctx, ast.Load)}
    # Not _, which is meant to be left unused, and has a value of its own at Python's prompt.
    return frozenset(name for name in stored - used if name.strip("_"))


def _elementwise(name: str) -> tuple[str, ...]:
    """Return a function that is called by a name, where it is one of an array's elements.

    Besides |x|, its derivative sign x.
    """
    if name == "np.abs":
        return name, "np.sign"
    module, _, last = name.rpartition(".")
    if module == "np":
        ufunc = getattr(getattr(np, last, None), "nin", 0) == 1
        return (name,) if ufunc or last in ("cumsum", "diag") else ()
    plain = not module and not name.startswith("<") and name not in vars(builtins)
    return (name,) if plain else ()


def is_like(value: object, other: object) -> bool:
    """Return whether a value has the same elements as another: the same shape, or length."""
    if isinstance(value, np.ndarray) and isinstance(other, np.ndarray):
        return value.shape == other.shape
    kinds = (list, np.ndarray)
    return isinstance(value, kinds) and isinstance(other, kinds) and len(value) == len(other)


def other_parts(node: ast.expr) -> Iterator[str]:
    """Yield ``x[:, :d]`` for ``x[:, d:]``, and the other way round: the rest of what was split."""
    index: Any = node.slice if isinstance(node, ast.Subscript) else None
    for part in index.elts if isinstance(index, ast.Tuple) else [index]:
        if isinstance(part, ast.Slice) and (part.lower is None) != (part.upper is None):
            rest = ast.Slice(part.upper, part.lower, part.step)
            yield ast.unparse(copied(node, lambda old, new: rest if old is part else new))  # noqa: B023


def stored_index(site: Site) -> tuple[str, str]:
    """Return the variable and the index that a site is stored at; empty where there is none."""
    statement: Any = site.statement
    if isinstance(statement, (ast.Assign, ast.AugAssign)):
        target = statement.target if isinstance(statement, ast.AugAssign) else statement.targets[0]
        if isinstance(target, ast.Subscript):
            name = ast.unparse(target.value)
            return name, ast.unparse(target)[len(name) + 1:-1]
    return "", ""
