"""A recorded graph in index notation: its leaves, its constants, and its results."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.graph import Node, Value
from tinygrad_mlp.autograd.op import OPS
from tinygrad_mlp.explanation.algebra.monomial import Base
from tinygrad_mlp.explanation.algebra.numbers import Meanings, Row, is_number, number
from tinygrad_mlp.explanation.algebra.polynomial import Polynomial, whole
from tinygrad_mlp.explanation.algebra.simplest import Simplifier
from tinygrad_mlp.explanation.algebra.translation import FORMS, Translation
from tinygrad_mlp.explanation.algebra.values import BaseValues, random_point
from tinygrad_mlp.graph_view.layer_view import Recorded, arrays_of
from tinygrad_mlp.graph_view.names import Name
from tinygrad_mlp.graph_view.naming import Naming, is_filled, key_of

NOTHING_KNOWN = Meanings()


class Forward:
    """The values of a graph as polynomials, of which `targets` are to be named.

    `values` are those of leaves, constants and results by key, and `leaves` the bases of the first
    two; `related` are constants that are written as forms of others. `hints` are names for bases
    without one, and for polynomials by key. `recorded_calls` are the results of operations.
    """

    simplifier_class = Simplifier

    def __init__(self, graph: Recorded, naming: Naming, targets: Sequence[Value],
                 meanings: Meanings = NOTHING_KNOWN) -> None:
        self.graph = graph
        self.naming = naming
        self.targets = targets
        self.t = Translation(meanings)
        self.simplifier = self.simplifier_class(self.t)
        self.recorded = BaseValues()
        self.values: dict[Any, Polynomial] = {}
        self.leaves: set[Base] = set()
        self.related: dict[str, Polynomial] = {}
        self.hints: dict[Any, Name] = {}
        self.kept = {t.node for t in targets if t.node is not None}

    def record_all(self) -> None:
        """All results, and the facts about them."""
        for node in self.graph.nodes:
            self.record(node)
        self.recorded_calls = {b for b in self.t.bases if b.call is not None}
        self._find_facts()

    def hint(self, base: Base) -> Name | None:
        """What a base without a name may be called."""
        made = base.polynomial
        return self.hints.get(base) or (None if made is None else self.hints.get(made.key))

    def argument(self, node: Node, position: int) -> Polynomial | None:
        """An argument of a node."""
        parent, array = node[position], arrays_of(node)[position]
        if parent is None:
            if isinstance(array, (int, float)) and node.op in (ops.power, OPS["float_power"]):
                return self.t.number(array)  # an exponent is no named quantity
            row = self.t.meanings.constants.get((node, position), ())
            return None if array is None else self.constant(array, row)
        if isinstance(parent, Value) and parent.node is None:
            key = (id(parent), id(array))
            if key not in self.values:
                self.values[key] = self.leaf(array, self.naming.of_leaf(parent))
                if not any(parent is t for t in self.targets):
                    self._note_sums(self.values[key], array)
            return self.values[key]
        return self.values[key_of(parent)]

    def leaf(self, array: Any, name: Name) -> Polynomial:
        """A new base with a name and a value."""
        base = self.t.base(array.shape, None, np.asarray(array))
        base.name = name
        self.leaves.add(base)
        return whole(base)

    def constant(self, array: Any, row: Row = ()) -> Polynomial:
        """An array that needs no gradient, or a Python number, which is a row in all calls."""
        if isinstance(array, (int, float)):
            return self.t.scalar(array, row) if np.isfinite(array) else self.t.number(array)
        key = id(array)
        if key not in self.values:
            if not self.naming.known(key) and is_number(array):
                value = float(array.flat[0])
                one = self.t.scalar(value, row) if np.isfinite(value) else self.t.number(value)
                return one + number(0, array.shape)
            related = self._related(array)
            if related is not None:
                self.related[self.naming.of_constant(array).text] = related
            self.values[key] = related or self._new_constant(array)
        return self.values[key]

    def _new_constant(self, array: Any) -> Polynomial:
        made = self.leaf(array, self.naming.of_constant(array))
        self._note_sums(made, array)
        return made

    def _note_sums(self, p: Polynomial, array: Any) -> None:
        """Note along which axes data are shares of 1."""
        if array.dtype.kind == "f" and (array >= 0).all():
            for axis, n in enumerate(array.shape):
                if n > 1 and np.allclose(array.sum(axis), 1, rtol=1e-12, atol=0):
                    p.bases().pop().sums[axis] = 1

    def _related(self, array: Any) -> Polynomial | None:
        """A constant that is the transpose of a known one, or 1 minus it."""
        if self.naming.by_user(id(array)) or is_filled(array):
            return None
        for p in list(self.values.values()):
            base = p.single
            if base is None or base.definition is not None or np.ndim(base.value) != array.ndim:
                continue
            if array.ndim == 2 and base.shape == array.shape[::-1] and np.array_equal(
                    base.value.T, array):
                return p.rearranged({0: 1, 1: 0}, array.shape)
            if array.ndim and base.shape == array.shape and np.array_equal(1 - base.value, array):
                return self.t.sum(self.t.number(1), -p)
        return None

    def record(self, node: Node) -> None:
        """The result of a node as a polynomial."""
        args = [self.argument(node, position) for position in range(len(node))]
        if node.op not in FORMS:
            args = [a if a is None or not node.op.rule(i) else self.t.argument(a)
                    for i, a in enumerate(args)]
        outs = node.out if node.op.outputs > 1 else (node.out,)
        for index, out in enumerate(outs):
            key = node if node.op.outputs == 1 else (node, index)
            p = self.t.apply(node.op, args, node.static, np.shape(out), index=index)
            if p.single is not None:
                self.recorded.known.setdefault(p.single, out)
            if node.op is ops.divide:
                p = self.simplifier.reduced(p)
            elif any(b.is_bracket and b.has_quotients for b in p.bases()):
                p = self.simplifier.simplest(p)
            self.values[key] = self._named(p, node, index)

    def _named(self, p: Polynomial, node: Node, index: int) -> Polynomial:
        """A result that the user has named, or that is asked for, as a base of that name."""
        name = self.naming.of_node(node, index)
        if not self.keeps_name(node, index):
            base = p.single
            if node not in self.graph.inlined:
                self.hints.setdefault(p.key if base is None else base, name)
            return p
        base = p.single
        if base is not None and base.name == name:
            return p
        if base is None or base.name is not None:
            if p.number is not None:
                return p
            base = self.t.base(p.shape, p)
            self.t.defined[p.key] = base
            self._solve_for_inner(base, p)
        base.name = name
        self.hints.pop(base, None)
        return whole(base)

    def keeps_name(self, node: Node, index: int) -> bool:
        """Whether a result keeps its name: the user gave it, or its gradient is asked for."""
        key = node if node.op.outputs == 1 else (node, index)
        return self.naming.by_user(key) or node in self.kept

    def _solve_for_inner(self, base: Base, p: Polynomial) -> None:
        """Where q = u / s or q = √u has a name and u has none, u is written q s, or q²."""
        if len(p.terms) != 1:
            return
        (monomial, c), = p.terms.items()
        for f in monomial:
            others = [g._replace(exponent=-g.exponent) for g in monomial if g is not f]
            solvable = others if f.exponent == 1 else c == 1 and not others
            if solvable and f.base.is_bracket and f.base.shape == p.shape and all(
                    g.exponent > 0 for g in others):
                rest = Polynomial(p.shape, {tuple(others): 1 / c})
                made = self.t.power(whole(base) * rest, Fraction(1) / f.exponent)
                if made is not None:
                    self.simplifier.instead[f.base] = made

    def _find_facts(self) -> None:
        """Note sums over an axis that are 0 or 1 whatever the numbers are."""
        points = [self.recorded, *(random_point(self.t.bases, seed) for seed in (1, 2))]
        for base in list(self.t.bases):
            if base.polynomial is None:
                continue
            with np.errstate(all="ignore"):
                values = [np.asarray(point.of_base(base), float) for point in points]
            for axis, n in enumerate(base.shape):
                for total in (0, 1):
                    if n > 1 and all(sums_to(v, axis, total) for v in values):
                        base.sums.setdefault(axis, total)

    def target(self, target: Value) -> Base:
        """The base of a tensor that is differentiated with respect to."""
        if target.node is not None:
            base = self.values[key_of(target)].single
        else:
            base = next(p.single for key, p in self.values.items()
                        if isinstance(key, tuple) and key[0] == id(target))
        assert base is not None
        return base


def sums_to(value: Any, axis: int, total: int) -> bool:
    """Whether the sums over an axis are a number, but for rounding."""
    sums, sizes = value.sum(axis), np.abs(value).sum(axis)
    return bool(np.all(np.abs(sums - total) <= 1e-12 * (sizes + total)) and np.any(sizes))
