"""Stacks of matrices: what is the same for each matrix of a stack is written once, as for heads.

``Q[h] = X Wq[h]`` for all h is one formula of matrices, where index notation has three axes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.op import Op
from tinygrad_mlp.explanation.algebra.monomial import (
    SUMMED,
    AppliedOp,
    Base,
    Factor,
    Monomial,
    Shape,
)
from tinygrad_mlp.explanation.algebra.polynomial import Polynomial, term, whole
from tinygrad_mlp.explanation.expressions.expression import Expression, Symbol
from tinygrad_mlp.explanation.expressions.making import apply
from tinygrad_mlp.explanation.repetition.loop_lines import (
    AllSteps,
    EveryStep,
    LoopWriter,
    at_each_step,
    over_steps,
    total,
)
from tinygrad_mlp.explanation.repetition.loops import Loop
from tinygrad_mlp.graph_view.names import Name

ALONG_AXIS = (ops.softmax, ops.log_softmax)
"""Operations along an axis that are the same for each matrix, unless it is the first axis."""


class NoStack(Exception):
    """A polynomial that has the axis of a stack elsewhere than in front."""


class MatrixStack:
    """A stack of `length` matrices; those of a number are made once, None being every number."""

    def __init__(self, length: int, index: str) -> None:
        self.length = length
        self.loop = Loop(index)
        self._made: dict[Any, Base] = {}

    def index_in(self, monomial: Monomial, summed: bool) -> int | None:
        """The index of the stack in a product, among those that are summed over or not."""
        return next((f.indices[0] for f in monomial if len(f.base.shape) == 3
                     and f.base.shape[0] == self.length
                     and (f.indices[0] >= SUMMED if summed else f.indices[0] == 0)), None)

    def polynomial(self, p: Polynomial, s: int, h: int | None) -> Polynomial:
        """One matrix: what is left of a polynomial at one place of an index."""
        shape = p.shape[1:] if s == 0 else p.shape
        total = Polynomial(shape, {})
        for m, c in p.terms.items():
            total += term(shape, [self._factor(f, s, h) for f in m], c)
        return total

    def _factor(self, f: Factor, s: int, h: int | None) -> Factor:
        inside = s in f.indices
        if f.indices.count(s) > 1 or inside and f.indices[0] != s:
            raise NoStack
        indices = f.indices[1:] if inside else f.indices
        if s == 0:
            indices = tuple(i - 1 if 0 <= i < SUMMED else i for i in indices)
        return Factor(self.base(f.base, h) if inside else f.base, indices, f.exponent)

    def name(self, of: Name) -> Name:
        """The name of every matrix of a stack."""
        return self.loop.name(of.text.replace("δ_", "δ"), 0)

    def base(self, base: Base, h: int | None) -> Base:
        """One matrix of a base."""
        if (base, h) not in self._made:
            number = base.number + (len(self._made) + 1) * 1e-6
            shape = base.shape[1:]
            if base.name is None and base.definition is not None:
                made = Base(number, shape, self.definition(base, h), None)
            elif h is None:
                made = Base(number, shape, None, np.ones(shape))
                made.name = self.name(Name(str(base), ""))
            else:
                row = AppliedOp(ops.getitem, (whole(base),), {"template": (h,)})
                made = Base(number, shape, row, None)
            self._made[base, h] = made
        return self._made[base, h]

    def every(self) -> list[Base]:
        """What has been made that every matrix has, with names."""
        return [made for made in self._made.values() if made.name is not None]

    def definition(self, base: Base, h: int | None) -> Any:
        """The definition of one matrix."""
        if base.polynomial is not None:
            return self.polynomial(base.polynomial, 0, h)
        made = base.call
        assert made is not None
        axis = made.static.get("axis")
        alike = made.op.record.elementwise and not made.static or (
            made.op in ALONG_AXIS and isinstance(axis, int) and axis % len(base.shape) != 0)
        if not alike:
            raise NoStack
        static = {**made.static, "axis": axis % len(base.shape) - 1} if axis is not None else {}
        args = [a if a is None or len(a.shape) < len(base.shape) else self.polynomial(a, 0, h)
                for a in made.args]
        return AppliedOp(made.op, tuple(args), static, made.index)


class StackWriter(LoopWriter):
    """Writes what is computed for each matrix of a stack once."""

    def __init__(self, stack: MatrixStack, inner: Callable[[Polynomial], Polynomial],
                 sigmoid: Op) -> None:
        super().__init__(stack.loop, inner, sigmoid)
        self.stack = stack

    def _each(self, shape: Shape, made: Callable[[int | None], Expression]) -> Expression:
        """The array of a shape, of which `made` gives every matrix, or that of a number."""
        parts = [made(h) for h in (None, *range(self.stack.length))]
        return EveryStep(at_each_step, parts, {}, shape, parts[0].dtype)

    def definition(self, base: Base) -> Expression:
        """The right side of the equation of a base with a name."""
        if base.call is None or len(base.shape) != 3 or base.shape[0] != self.stack.length:
            return super().definition(base)
        return self._each(base.shape, lambda h: self.written_out(Base(
            math.inf, base.shape[1:], self.stack.definition(base, h), None)))

    def sum(self, p: Polynomial) -> Expression:
        """A polynomial, with a sum over the stack as one over h."""
        if any(self.stack.index_in(m, False) is not None for m in p.terms):
            return self._each(p.shape, lambda h: self.expression(self.stack.polynomial(p, 0, h)))
        sums, rest = [], {}
        for m, c in p.terms.items():
            s = self.stack.index_in(m, True)
            if s is None:
                rest[m] = c
                continue
            steps = [super(StackWriter, self).sum(self.stack.polynomial(
                Polynomial(p.shape, {m: abs(c)}), s, h)) for h in (None, *range(self.stack.length))]
            sums.append((c < 0, apply(
                over_steps, steps[0].shape, *steps, limits=f"_{self.loop.index}")))
        if rest or not sums:
            sums.append((False, super().sum(Polynomial(p.shape, rest))))
        return total(sums)

    def shapes(self) -> dict[str, list[Shape]]:
        """The shapes of the matrices that names are of."""
        return {str(base): [base.shape] for base in self.stack.every()}

    def glossary(self) -> list[str]:
        """For which matrices the names ``Q_h, K_h`` are."""
        names = ", ".join(dict.fromkeys(str(base) for base in self.stack.every()))
        return [f"{names}: of head {self.loop.index} = 1, …, {self.stack.length}"]

    def left(self, symbol: Symbol, name: Name | None = None) -> Symbol:
        """The left side of an equation: the name of every matrix, if those are what it is of."""
        made = symbol.definition
        if not isinstance(made, EveryStep):
            return symbol
        name = name or self.stack.name(symbol.name)
        return AllSteps(name, symbol.shape, symbol.dtype, definition=made)

    def together(self, rows: Iterable[tuple[int, Any, Symbol]],
                 name: Name) -> Iterator[tuple[list[Symbol], Symbol]]:
        """Gradients with the names of those for every matrix."""
        yield from (([symbol], self.left(symbol, name)) for _, _, symbol in rows)
