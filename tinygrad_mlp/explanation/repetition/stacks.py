"""Stacks of matrices: what is the same for each matrix of a stack is written once, as for heads.

``Q[h] = X Wq[h]`` for all h is one formula of matrices, where index notation has three axes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

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
from tinygrad_mlp.explanation.repetition.loop_lines import (
    AllSteps,
    EveryStep,
    LoopWriter,
    at_each_step,
)
from tinygrad_mlp.explanation.repetition.loops import Loop
from tinygrad_mlp.graph_view.names import Name

ALONG_AXIS = (ops.softmax, ops.log_softmax)
"""Operations along an axis that are the same for each matrix, unless it is the first axis."""


class NoStack(Exception):
    """A polynomial that has the axis of a stack elsewhere than in front."""


class MatrixStack:
    """A stack of `length` matrices, each the member of a loop; each is made once."""

    def __init__(self, length: int, index: str) -> None:
        self.length = length
        self.loop = Loop(index)
        self.loop.spans = [list(range(1, length + 1))]
        self._made: dict[Any, Base] = {}

    def index_in(self, monomial: Monomial, summed: bool) -> int | None:
        """The index of the stack in a product, among those that are summed over or not."""
        return next((f.indices[0] for f in monomial if len(f.base.shape) == 3
                     and f.base.shape[0] == self.length
                     and (f.indices[0] >= SUMMED if summed else f.indices[0] == 0)), None)

    def summed(self, p: Polynomial) -> Polynomial:
        """With each sum over the stack as one of terms."""
        total = Polynomial(p.shape, {})
        for m, c in p.terms.items():
            s, one = self.index_in(m, True), Polynomial(p.shape, {m: c})
            for part in [one] if s is None else self.each(one, s):
                total += part
        return total

    def each(self, p: Polynomial, s: int) -> list[Polynomial]:
        """What is left of a polynomial at each place of an index."""
        return [self.polynomial(p, s, h) for h in range(self.length)]

    def polynomial(self, p: Polynomial, s: int, h: int) -> Polynomial:
        """One matrix: what is left of a polynomial at one place of an index."""
        if s == 0 and any(self.index_in(m, True) is not None for m in p.terms):
            raise NoStack  # h would be both the matrix and what is summed over
        shape = p.shape[1:] if s == 0 else p.shape
        total = Polynomial(shape, {})
        for m, c in p.terms.items():
            total += term(shape, [self._factor(f, s, h) for f in m], c)
        return total

    def _factor(self, f: Factor, s: int, h: int) -> Factor:
        inside = s in f.indices
        if f.indices.count(s) > 1 or inside and f.indices[0] != s:
            raise NoStack
        indices = f.indices[1:] if inside else f.indices
        if s == 0:
            indices = tuple(i - 1 if 0 <= i < SUMMED else i for i in indices)
        return Factor(self.base(f.base, h) if inside else f.base, indices, f.exponent)

    def letter(self, text: str) -> str:
        """What the names of all matrices of a stack have in common."""
        return text.replace("δ_", "δ")

    def name(self, of: Name) -> Name:
        """The name of every matrix of a stack."""
        return self.loop.name(self.letter(of.text), 0)

    def base(self, base: Base, h: int) -> Base:
        """One matrix of a base, which is a member of the loop if the base has a name."""
        if (base, h) not in self._made:
            number = base.number + (len(self._made) + 1) * 1e-6
            named = base.name is not None or base.definition is None
            row = AppliedOp(ops.getitem, (whole(base),), {"template": (h,)})
            made = Base(number, base.shape[1:], row if named else self.definition(base, h), None)
            if named:
                self.loop.places[made] = self.letter(str(base)), h + 1
            self._made[base, h] = made
        return self._made[base, h]

    def definition(self, base: Base, h: int) -> Any:
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

    def _each(self, shape: Shape, matrices: Sequence[Any]) -> Expression:
        """The array of a shape that has these matrices."""
        parts = [self.made(made, shape[1:]) for made in (
            self.loop.common(matrices[0], 1), *matrices)]
        return EveryStep(at_each_step, parts, {}, shape, parts[0].dtype)

    def definition(self, base: Base) -> Expression:
        """The right side of the equation of a base with a name."""
        if base.call is None or len(base.shape) != 3 or base.shape[0] != self.stack.length:
            return super().definition(base)
        return self._each(base.shape, [
            self.stack.definition(base, h) for h in range(self.stack.length)])

    def sum(self, p: Polynomial) -> Expression:
        """A polynomial, with a sum over the stack as one over h."""
        if any(self.stack.index_in(m, False) is not None for m in p.terms):
            return self._each(p.shape, self.stack.each(p, 0))
        return super().sum(self.stack.summed(p))

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
