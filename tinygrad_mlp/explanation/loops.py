"""Loops: what is the same at every step is written once, with t for the number of the step.

A loop is a sequence of results ``h_1, …, h_T`` of one operation, each computed from the one before
and from quantities that either all steps share or that belong to the step. The equations of all
steps are compared; those that are equal relative to t become one. The layers of a network, each
with weights of its own, are a loop, too, over l.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.explanation.monomial import AppliedOp, Base, Monomial
from tinygrad_mlp.explanation.polynomial import Polynomial
from tinygrad_mlp.graph_view.names import LAYERED, Name, layer_number, name

SHORTEST = 3
"""The number of steps from which a loop is written as one."""

Place = tuple[str, int]
"""A name that the quantities of a kind have in common, and the number of the step."""


class Loop:
    """The quantities of a loop.

    `steps` are the results of its operation, the `first` of which has that number; ``places[base]``
    is ("h", 3) for that of the third step, and likewise for what belongs to a step; `before` is
    the place before that of the first. `arguments` are what the operation was applied to, with
    their numbers. `derivatives` are the letters of derivatives, and `index` is that of a step.
    """

    def __init__(self, steps: Sequence[Base], letter: str, index: str = "t",
                 first: int = 1) -> None:
        self.steps = steps
        self.first = first
        self.index = index
        self.places: dict[Base, Place] = {b: (letter, t) for t, b in enumerate(steps, first)}
        self.before = letter, first - 1
        self.arguments = {z: t for t, b in enumerate(steps, first) if (z := argument_of(b))}
        self.derivatives = {"δ"}
        self.every: dict[Any, Base] = {}

    def relative(self, p: Polynomial, t: int) -> Any:
        """What a polynomial is, with the places of its bases relative to t, to be compared."""
        return frozenset((c, self.relative_product(m, t)) for m, c in p.terms.items())

    def relative_product(self, monomial: Monomial, t: int) -> Any:
        """The same of a monomial."""
        return frozenset((self.relative_base(f.base, t), f.indices, f.exponent) for f in monomial)

    def relative_base(self, base: Base, t: int) -> Any:
        """The same of a base."""
        made = base.definition
        if base in self.places:
            letter, number = self.places[base]
            return letter, number - t
        if base.name is not None or made is None:
            return base.number
        if isinstance(made, Polynomial):
            return self.relative(made, t)
        return self.relative_call(made, t)

    def relative_call(self, call: AppliedOp, t: int) -> Any:
        """The same of an operation."""
        args = tuple(None if a is None else self.relative(a, t) for a in call.args)
        return call.op, args, repr(call.static), call.index

    def only_step(self, made: Polynomial | AppliedOp | None) -> int | None:
        """The number of the only step whose quantities a definition has; None for others."""
        if not isinstance(made, Polynomial):
            return None
        steps = {self.places[b][1] for b in made.bases() if b in self.places}
        return steps.pop() if len(steps) == 1 else None

    def common(self, p: Polynomial, t: int) -> Polynomial:
        """What a polynomial of step t is at every step, with bases named ``h_t``, ``x_t``."""
        return Polynomial(p.shape, {
            tuple(f._replace(base=self._common_base(f.base, t)) for f in m): c
            for m, c in p.terms.items()})

    def _common_base(self, base: Base, t: int) -> Base:
        made = base.definition
        if base in self.places:
            letter, number = self.places[base]
            offset = number - t
            key = letter, offset, base.shape
            return self._made(key, base, self.name(letter, offset), None)
        if base.name is not None or made is None:
            return base
        if isinstance(made, Polynomial):
            return self._made((base, t), base, None, self.common(made, t))
        return self._made((base, t), base, None, self.common_call(made, t))

    def common_call(self, call: AppliedOp, t: int) -> AppliedOp:
        """What an operation of step t is at every step."""
        args = tuple(None if a is None else self.common(a, t) for a in call.args)
        return AppliedOp(call.op, args, call.static, call.index)

    def name(self, letter: str, offset: int) -> Name:
        """``h_t``, ``h_{t−1}``, ``δ_{t+1}``."""
        shown = f"{self.index}{offset:+}" if offset else self.index
        text = f"{{{shown.replace('-', '−')}}}" if offset else shown
        return self.indexed(f"{letter}_{text}", letter, shown)

    def indexed(self, text: str, letter: str, index: object) -> Name:
        """The name for a text that is a letter with an index."""
        of = name(letter)
        main = f"{{{of.latex}}}" if of.script else of.latex  # one index is not put below another
        layered = self.index == "l" and letter in LAYERED
        return Name(text, main, f"^{{({index})}}" if layered else f"_{{{index}}}")

    def _made(self, key: Any, like: Base, name: Name | None, definition: Any) -> Base:
        if key not in self.every:
            # A number of its own, next to that of what it stands for, where it is written, too.
            number = like.number + (len(self.every) + 1) * 1e-6
            made = Base(number, like.shape, definition, np.ones(like.shape))
            made.name = name
            self.every[key] = made
        return self.every[key]


def find_loop(calls: Iterable[Base], shared: set[Base]) -> Loop | None:
    """The longest loop among results of operations; None without one of at least three steps.

    `shared` are the parameters, which all steps use.
    """
    steps = longest(calls, shared)
    columns = aligned([argument(step) for step in steps], shared)
    if columns is None:
        return None
    loop = Loop(steps, "h")
    for column in columns:
        if column[1:] == steps[:-1]:
            loop.places[column[0]] = loop.before
        elif len(set(column)) == len(column):
            loop.places |= {base: (_letter(base), t) for t, base in enumerate(column, start=1)}
        elif len(set(column)) > 1:
            return None
    return loop


def find_layers(calls: Iterable[Base], sums: Iterable[Base],
                named: Callable[[Base], Name | None]) -> Loop | None:
    """The longest sequence of layers with weights of their own, as a loop over l.

    Of `sums`, the one that is computed from the last layer as that is from the one before belongs
    to the output. `named` gives the name that a base has, or may get.
    """
    steps = longest(calls, None)
    if not steps:
        return None
    alike = outline(argument(steps[-1]), None)
    last = [b for b in sums if isinstance(b.definition, Polynomial) and steps[-1] in (
        b.definition.bases()) and outline(b.definition, None) == alike]
    zs = [z for step in steps if (z := argument_of(step))] + last[:1]
    columns = aligned([argument(b) for b in (*steps, *last[:1])], None)
    matrix = sum(n != 1 for n in steps[0].shape) > 1
    numbers = numbered(steps, named) or (
        ("A" if matrix else "a", found[1]) if (found := numbered(zs, named)) else None)
    if columns is None or numbers is None:
        return None
    letter, first = numbers
    loop = Loop(steps, letter, "l", first)
    loop.arguments |= {z: first + len(steps) for z in last[:1]}
    if numbered(zs, named):
        of_z = numbered(zs, lambda b: b.name) or ("z" if letter.islower() else "Z", first)
        loop.arguments = {z: k for k, z in enumerate(zs, of_z[1])}
        loop.places |= {z: (of_z[0], k) for z, k in loop.arguments.items()}
    for column in columns:
        places = numbered(column, named)
        if column[1:] == steps[: len(column) - 1]:
            if column[0].name is not None:
                loop.places[column[0]] = loop.before
        elif places is not None:
            loop.places |= {b: (places[0], k) for k, b in enumerate(column, places[1])}
        elif len(set(column)) > 1:
            return None
    return loop


def numbered(bases: Sequence[Base], named: Callable[[Base], Name | None]) -> Place | None:
    """The letter and the first number of names such as W2, W3, W4; None for others."""
    texts = [made.text if (made := named(base)) else "" for base in bases]
    found = re.fullmatch(r"(.*[^\d_])_?(\d+)", texts[0] if texts else "")
    if found is None or found[1] == "v":
        return None
    letter, first = found[1], int(found[2])
    alike = all(layer_number(text, re.escape(letter)) == k for k, text in enumerate(texts, first))
    return (letter, first) if alike else None


def renumbered(hints: Mapping[Any, Name], hint: Callable[[Base], Name | None],
               loop: Loop) -> dict[Any, Name]:
    """Hints that call the z of all layers as those of a loop are called: Z1, where z3 is Z2."""
    changes = [(place, n) for z, place in loop.places.items() if z in loop.arguments
               if (of := hint(z)) and (n := layer_number(of.text)) is not None]
    if not changes:
        return {}
    (letter, number), before = changes[0]
    numbers = {key: layer_number(of.text) for key, of in hints.items()}
    return {key: name(f"{letter}{n - before + number}") for key, n in numbers.items()
            if n is not None and n + number >= before}


def longest(calls: Iterable[Base], shared: set[Base] | None) -> list[Base]:
    """The longest chain of results, each computed as the one before and from it; or nothing."""
    outlines = {b: (b.definition.op, repr(b.definition.static), outline(argument(b), shared))
                for b in calls if isinstance(b.definition, AppliedOp)}
    best: list[Base] = []
    begun: set[Base] = set()
    for last in sorted(outlines, key=lambda b: -b.number):
        if last in begun:
            continue
        chain = [last]
        while len(before := [b for b in argument(chain[0]).bases()
                             if b in outlines and outlines[b] == outlines[last]]) == 1:
            chain.insert(0, before[0])
        begun.update(chain)
        best = max(best, chain, key=len)
    return best if len(best) >= SHORTEST else []


def argument_of(call: Base) -> Base | None:
    """The base that an operation of one argument was applied to."""
    made = call.definition
    return made.args[0].single if isinstance(made, AppliedOp) and made.args[0] else None


def argument(base: Base) -> Polynomial:
    """What an operation of one argument was applied to, written out; that of a sum is itself."""
    made = base.definition
    if isinstance(made, AppliedOp) and made.args[0] is not None:
        inner = argument_of(base)
        made = inner.definition if inner and isinstance(inner.definition, Polynomial) else (
            made.args[0])
    assert isinstance(made, Polynomial)
    return made


def outline(p: Polynomial, shared: set[Base] | None) -> Any:
    """What all steps of a loop have in common; of layers (without `shared`), no shapes."""
    return frozenset((c, tuple(sorted(map(str, _outline(m, shared))))) for m, c in p.terms.items())


def _outline(monomial: Monomial, shared: set[Base] | None) -> list[Any]:
    def known(base: Base) -> Any:
        return None if shared is None else base.number if base in shared else base.shape

    return [(known(f.base), f.indices, f.exponent) for f in monomial]


def aligned(rows: Sequence[Polynomial], shared: set[Base] | None) -> list[list[Base]] | None:
    """The bases that stand in the same place at each step; None if places cannot be told apart."""
    tables = []
    for p in rows:
        factors = [((str(sorted(map(str, _outline(m, shared)))), str((f.indices, f.exponent))),
                    f.base) for m in p.terms for f in m if f.base not in (shared or ())]
        tables.append(dict(factors))
        if shared is None and len(tables[-1]) < len(factors):
            return None
    return [[table[key] for table in tables] for key in tables[0]] if tables else None


def row_of(base: Base) -> Place | None:
    """The place of a row of an array that the user has named: that of ``y[0]`` is ("y", 1)."""
    made = base.definition
    if not isinstance(made, AppliedOp) or made.op is not ops.getitem or len(made.args) != 1:
        return None
    first, *others = made.static["template"]
    of = made.args[0].single if made.args[0] is not None else None
    if of is None or of.name is None or others or not isinstance(first, int) or first < 0:
        return None
    return of.name.text, first + 1


def _letter(base: Base) -> str:
    """What the quantities of all steps are called: x for the rows of x."""
    made = base.definition
    if isinstance(made, AppliedOp) and made.args[0] is not None and made.args[0].single is not None:
        base = made.args[0].single
    return re.sub(r"_?\d+$", "", base.name.text) if base.name else "x"
