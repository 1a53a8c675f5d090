"""Loops: what is the same at every step is written once, with t for the number of the step.

The layers of a network, each with weights of its own, are a loop, too, over l, and so are heads
that stand beside each other, over h. The equations of all steps are compared; those that are equal
relative to t become one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.graph import Node
from tinygrad_mlp.autograd.op import OPS, op
from tinygrad_mlp.explanation.algebra.monomial import AppliedOp, Base
from tinygrad_mlp.explanation.algebra.polynomial import Polynomial, collected
from tinygrad_mlp.explanation.algebra.quantities import cuts_of
from tinygrad_mlp.graph_view.names import LAYERED, Name, UniqueNames, name

Place = tuple[str, int]
"""A name that the quantities of a kind have in common, and the number of the step."""

Fixed = frozenset[Base]
"""Quantities that have the same number at all steps of another loop."""

JOINING = OPS["concatenate"], OPS["stack"]
"""Operations that put what all steps have beside each other."""


class Loop:
    """The quantities of a loop.

    ``places[base]`` is ("h", 3) for the h of the third step, ``("h", 0)`` being `initial`, and
    ``slopes[z]`` is ("δ", 3) for an argument of an operation, the derivative with respect to which
    is called so, its letter being in `of_slopes`. `carried` are sums that the next step takes, and
    `derivatives` the letters of derivatives. `planned` are the places of values of the graph by
    their keys, and `main` is the letter of what a step computes. `entries` are arguments that are
    what another loop ends with. `index` is the letter for the number of a step, and `spans` are the
    numbers that steps have. Steps that are alike are found by what `compared` makes of them;
    `shown` is for what is written.
    """

    def __init__(self, index: str) -> None:
        self.index = index
        self.main = self.before_main = ""
        self.planned: dict[Any, Place] = {}
        self.first_values: set[Any] = set()
        self.handed_on: set[Any] = set()
        self.given: set[Any] = set()
        self.entries: dict[tuple[Node, int], Place] = {}
        self.spans: list[list[int]] = []
        self.places: dict[Base, Place] = {}
        self.initial: set[Base] = set()
        self.carried: set[Base] = set()
        self.data: set[Base] = set()
        self.slopes: dict[Base, Place] = {}
        self.of_slopes: set[str] = set()
        self.derivatives: set[str] = set()
        self.blocks: dict[Base, int] = {}
        self.names: dict[Place, Name] = {}
        self.shown = EveryStepsBases(self)
        self.compared = EveryStepsBases(self)

    def settle(self, values: Mapping[Any, Polynomial]) -> None:
        """Learn the bases of what was planned from the values of a graph by their keys."""
        of = {key[0] if isinstance(key, tuple) and isinstance(key[0], int) else key: p.single
              for key, p in values.items()}
        handed_on = {of.get(key) for key in self.handed_on}
        for key, place in self.planned.items():
            base = of.get(key)
            if base is None:
                continue
            self.places[base] = place
            if key in self.first_values:
                self.initial.add(base)
            elif base.has_quotients or key in self.handed_on and base.polynomial is not None:
                self.carried.add(base)
            elif key in self.given:
                self.data.add(base)
        self.spans = [self.numbers_of(letter) for letter in {of for of, _ in self.places.values()}]
        arguments = {base: z for base in self.places if base not in self.initial | self.data
                     and (z := argument_of(base)) is not None}
        own = {base: z for base, z in arguments.items() if z not in self.places}
        several = len({self.places[base][0] for base in own}) > 1
        for base, (letter, t) in self.places.items():
            if letter == self.before_main:
                self.slopes[base] = "δ", t
            elif base in own:
                short = letter == self.main or not several
                self.slopes[own[base]] = "δ" if short else f"δ{letter}", t
            elif base in arguments and self.index == "t":
                self.carried.add(base if base in handed_on else arguments[base])
        self.of_slopes = {of for of, _ in self.slopes.values()}

    def is_derived(self, base: Base) -> bool:
        """Whether the derivative with respect to a base is a quantity of each step, or of all."""
        of_all = self.places and base.call is not None and base.call.op in JOINING
        return base in self.carried or of_all or base in self.slopes and base not in self.places

    def place_of_derivative(self, of: Base) -> Place | None:
        """The place of the derivative with respect to a base."""
        if of in self.slopes or of not in self.places:
            return self.slopes.get(of)
        letter, t = self.places[of]
        if not self.slopes and {self.places[base][0] for base in self.carried} == {letter}:
            return "δ", t
        return f"δ_{letter}" if f"δ{letter}" in self.of_slopes else f"δ{letter}", t

    def numbers_of(self, letter: str) -> list[int]:
        """The numbers of the steps that have a letter."""
        return sorted(t for base, (of, t) in self.places.items() if of == letter and (
            base not in self.initial))

    def enter(self, base: Base, place: Place, names: UniqueNames, derivative: bool = True) -> Name:
        """Give a base its place, and the name for that."""
        self.places[base] = place
        self.derivatives |= {place[0]} if derivative else set()
        base.name = self.member(place, names)
        return base.name

    def find_blocks(self, bases: Iterable[Base], deltas: Mapping[Base, Base]) -> None:
        """Number the parts of an array that belong to the steps, from the first to the last one.

        That is no array of a step itself, or the derivative by what is joined of all steps.
        """
        joined = {delta for delta, of in deltas.items() if of.call and of.call.op in JOINING}
        found: dict[Any, dict[int, Base]] = {}
        first = min((t for span in self.spans for t in span), default=0)
        for base in bases if self.places else ():
            made = base.called(ops.getitem)
            template = made.static["template"] if made and base.name is None else ()
            if made is None or not template or not (
                    made.args[0].single in joined or self.step_of(made.args[0]) is None):
                continue
            cuts = cuts_of(template, len(made.args[0].shape))
            axis, cut = next(iter(cuts.items()))
            start, width = (cut, 1) if type(cut) is int else (-1, 0)
            if isinstance(cut, slice) and cut.step is None:
                start, stop, _ = cut.indices(made.args[0].shape[axis])
                width = stop - start
            if len(cuts) == 1 and start >= 0 and width > 0 and start % width == 0:
                key = made.args[0].key, axis, width
                found.setdefault(key, {})[first + start // width] = base
        for members in found.values():
            if sorted(members) in self.spans:
                self.blocks |= {base: t for t, base in members.items()}

    def step_of(self, made: Any, fixed: Fixed = frozenset()) -> int | None:
        """The last step whose quantities a polynomial or an operation has; None without any."""
        return max((self.places[b][1] if b in self.places else self.blocks[b]
                    for b in self.members(made) - fixed), default=None)

    def members(self, made: Any) -> set[Base]:
        """The quantities of steps that a polynomial or an operation has."""
        if isinstance(made, AppliedOp):
            return set().union(*(self.members(a) for a in made.args if a is not None))
        found: set[Base] = set()
        for b in made.bases():
            if b in self.places or b in self.blocks:
                found.add(b)
            elif b.name is None and b.definition is not None:
                found |= self.members(b.definition)
        return found

    def relative(self, made: Polynomial | AppliedOp, t: int, fixed: Fixed = frozenset()) -> Any:
        """What is equal for two steps that are written alike.

        `fixed` are quantities with the same number at all steps, such as the last h of an encoder.
        """
        return identity(self.compared.of(made, t, fixed))

    def common(self, made: Any, t: int, fixed: Fixed = frozenset()) -> Any:
        """What is made of bases at step t as it is at every step, with bases ``h_t``, ``x_t``."""
        return self.shown.of(made, t, fixed)

    def name(self, letter: str, offset: int) -> Name:
        """``h_t``, ``h_{t−1}``, ``δ_{t+1}``: what every step has, or the one before or after."""
        shown = f"{self.index}{offset:+}" if offset else self.index
        text = f"{{{shown.replace('-', '−')}}}" if offset else shown
        return self.indexed(f"{letter}_{text}", letter, shown)

    def member(self, place: Place, names: UniqueNames | None = None) -> Name:
        """``h_3``, or ``h(3)`` where `names` have that of something else; of layers, ``δ3``."""
        if place not in self.names:
            letter, t = place
            text = f"{letter}_{t}" if self.index == "t" else f"{letter}{t}"
            if names is not None:
                text = f"{letter}({t})" if text in names.given else text
                names.unique(text)
            self.names[place] = self.indexed(text, letter, t)
        return self.names[place]

    def indexed(self, text: str, letter: str, index: object) -> Name:
        """The name for a text that is a letter with an index."""
        of = name(letter)
        main = f"{{{of.latex}}}" if of.script else of.latex  # one index is not put below another
        layered = self.index == "l" and letter in LAYERED
        if letter[0] == "δ" and letter[1:]:  # the derivative with respect to h_t
            of = name(letter[1:].lstrip("_"))
            return Name(text, r"\delta", rf"^{{{of.latex}}}_{{{index}}}")
        return Name(text, main, f"^{{({index})}}" if layered else f"_{{{index}}}")


class EveryStepsBases:
    """The bases that the steps of a loop have in common, each made once.

    Those of a number are one and the same, with the shape that it has at each step.
    """

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.numbers: dict[Any, float] = {}
        self.bases: dict[Any, Base] = {}

    def of(self, made: Any, t: int, fixed: Fixed = frozenset()) -> Any:
        """What is made of bases at step t, made of those in common."""
        if isinstance(made, Polynomial):
            return collected(made.shape, (
                (tuple(f._replace(base=self._base(f.base, t, fixed)) for f in m), c)
                for m, c in made.terms.items()))
        args = tuple(None if a is None else self.of(a, t, fixed) for a in made.args)
        return AppliedOp(made.op, args, made.static, made.index)

    def _base(self, base: Base, t: int, fixed: Fixed) -> Base:
        made, loop = base.definition, self.loop
        if base in fixed:
            return base
        if base in loop.places:
            letter, number = loop.places[base]
            return self._made((letter, number - t), base, loop.name(letter, number - t), None)
        if base in loop.blocks:
            block = AppliedOp(block_of, made.args, {**made.static, "index": loop.index})
            return self._made((loop.blocks[base] - t, made.args[0].key), base, None, block)
        if base.name is not None or made is None:
            return base
        every = self.of(made, t, fixed)
        return self._made(identity(every), base, None, every)

    def _made(self, key: Any, like: Base, name: Name | None, definition: Any) -> Base:
        if (key, like.shape) not in self.bases:
            # A number of its own, next to that of what it stands for, where it is written, too;
            # next to a matrix of a stack it is nearer than the other matrices.
            number = self.numbers.setdefault(key, like.number + (len(self.bases) + 1) * 1e-9)
            made = self.bases[key, like.shape] = Base(
                number, like.shape, definition, np.ones(like.shape))
            made.name = name
        return self.bases[key, like.shape]


def identity(made: Polynomial | AppliedOp) -> Any:
    """What is equal for equal sums and calls, whatever their shapes."""
    if isinstance(made, Polynomial):
        return made.key[1]
    args = tuple(None if a is None else identity(a) for a in made.args)
    return made.op, args, repr(made.static), made.index


@op(register=False, latex=lambda a, template, index: f"{a}_{{{index}}}")
def block_of(a: Any, *, template: Any, index: str) -> Any:
    """The part of an array that belongs to a step."""
    return a[template]


def row_of(template: Sequence[object], ndim: int) -> tuple[int, int]:
    """The axis that an index takes one row of, and which; row −1 of axis 0 for other indices."""
    (axis, cut), *others = cuts_of(template, ndim).items() or [(0, None)]
    return (axis, cut) if type(cut) is int and not others else (0, -1)


def argument_of(call: Base) -> Base | None:
    """The base that an operation of one argument was applied to."""
    args = call.call.args if call.call else ()
    return args[0].single if len(args) == 1 and args[0] is not None else None
