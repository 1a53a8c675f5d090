"""Which values of a graph are members of a loop, and what those of all steps are called.

Names are those of the user's variables where there are some, even if a variable has one value only
at the end: the h of a loop gives h_1, h_2, … their letter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import count, pairwise
from typing import Any

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.gradients import origin
from tinygrad_mlp.autograd.graph import Node, Value
from tinygrad_mlp.autograd.op import OPS
from tinygrad_mlp.explanation.repetition.loops import Loop, Place, row_of
from tinygrad_mlp.explanation.repetition.repeats import Column, Repeat, find_repeats, is_call
from tinygrad_mlp.graph_view.layer_view import arrays_of
from tinygrad_mlp.graph_view.names import Name, layer_number, name
from tinygrad_mlp.graph_view.naming import Naming, key_of

TEXTBOOK = {ops.sigmoid: "p", ops.softmax: "p", ops.tanh: "a", ops.relu: "a", ops.exp: "e",
            ops.inv: "M"}
"""What books call the results of operations; of matrices in capitals."""

DEVIATIONS = ops.sqrt, OPS["std"]
"""Operations of which a deviation is the result."""

OF_SCORES = ("softmax_cross_entropy", "sigmoid_cross_entropy")
"""Losses with an activation of their own, whose argument is a quantity."""


def find_loop(naming: Naming, targets: Sequence[Value], indices: str) -> Loop:
    """The loop of a graph, its members named, if its index is one of those; or one of nothing."""
    wanted = {key_of(t) for t in targets}

    def has_own(r: Repeat) -> bool:
        return any(numbered(column, naming.of_key) and wanted.intersection(column)
                   for column in r.taken)

    repeats = find_repeats(naming.graph.nodes)
    alike = [r for r in repeats if r.steps == repeats[0].steps]
    own = any(map(has_own, alike))
    if not own:  # loops may have different numbers of steps
        alike = [r for r in repeats if r.steps == repeats[0].steps or r.carried and not has_own(r)]
    repeats = sorted(alike, key=lambda r: r.start)
    handed_on = any(r.carried for r in repeats)
    shared = any(r.shared & wanted for r in repeats)
    index = "t" if not own or (handed_on and shared) else "l" if handed_on else "h"
    planner = StepPlanner if index == "t" else LayerPlanner
    stacked = {key_of(t) for t in targets if np.ndim(t.data) == 3}
    if not handed_on and any(
            n.op is ops.getitem and key_of(n[0], arrays_of(n)[0]) in stacked
            for r in repeats for n, *_ in r.results if isinstance(n, Node)):
        index = "h"  # heads whose matrices are those of a stack
    loop = Loop(index)
    for repeat in repeats if index in indices else ():
        planner(naming, loop, repeat).plan()
    if len(repeats) > 1:
        loop.main = ""
    return loop


class StepPlanner:
    """Plans a loop whose steps are numbered from 1: places and names for what a repetition has."""

    def __init__(self, naming: Naming, loop: Loop, repeat: Repeat) -> None:
        self.naming = naming
        self.loop = loop
        self.repeat = repeat
        self.step = 1  # −1 where the last row comes first

    def plan(self) -> None:
        """Enter the members into the loop."""
        repeat = self.repeat
        data = {c: place for c in repeat.results if (place := self.rows(c))}
        if data and all(step < 0 for _, _, step in data.values()):
            self.step = -1
        default = dict.fromkeys(repeat.carried, "h") | dict.fromkeys(repeat.taken, "x")
        first = next(iter(repeat.carried), None)
        if first is not None and len(repeat.carried) == len(first[0]) == 1 and is_call(first[0]):
            self.loop.main = self.letter(first) or "h"
        for column in dict.fromkeys([*repeat.carried, *repeat.results, *repeat.taken]):
            letter = self.letter(column) or default.get(column)
            if column in data and data[column][2] == self.step:
                self.loop.given.update(column)
                self.enter(column, *data[column][:2])
            elif letter is not None:
                self.enter(column, self.free(letter, column), self.first_of(column))
        self.plan_unnamed()

    def plan_unnamed(self) -> None:
        """Enter activations, and what several parts are taken of, that the user has not named."""
        for column in self.repeat.results:
            node = column[0]
            if not isinstance(node, Node):
                continue
            letter = TEXTBOOK.get(node.op) or self.of_norm(node)
            if letter and key_of(node[0], arrays_of(node)[0]) in self.loop.planned and (
                    node.op in TEXTBOOK):
                letter = None  # it is short
            users = self.naming.graph.users[node]
            parts = sum(user.op is ops.getitem or user.op.outputs > 1 for user in users)
            if parts > 1 or (len(users) > 1 and node.op is ops.add):
                letter = "z" if parts > 1 else "s"
                self.loop.handed_on.update(column)
            if letter is not None and node not in self.loop.planned:
                matrix = sum(n != 1 for n in node.out.shape) > 1
                letter = self.free(letter.upper() if matrix else letter, column)
                self.enter(column, letter, self.first_of(column))

    def of_norm(self, node: Node) -> str | None:
        """The letter of what is divided by a deviation, or of that; None for other results."""
        graph = self.naming.graph
        if node.op in DEVIATIONS and any(
                user.op is ops.divide and origin(user[1]) is node for user in graph.users[node]):
            return "s" if any(n.op is ops.sigmoid for n in graph.nodes) else "σ"
        below = origin(node[1]) if node.op is ops.divide else None
        return "N" if below is not None and below.op in DEVIATIONS else None

    def rows(self, column: Column) -> tuple[str, int, int] | None:
        """The place of the first of some rows, that of y[0] being ("y", 1), and the step, 1 or −1.

        None for what are no successive rows of an array that the user has named.
        """
        found = [place for key in column if (place := self._row(key)) is not None]
        steps = {(a[0] == b[0], b[1] - a[1]) for a, b in pairwise(found)}
        if len(found) < len(column) or len(steps) > 1 or not steps <= {(True, 1), (True, -1)}:
            return None
        return *found[0], steps.pop()[1]

    def _row(self, key: Any) -> Place | None:
        if not isinstance(key, Node) or key.op is not ops.getitem or len(key) != 1:
            return None
        _, number = row_of(key.static["template"], np.ndim(arrays_of(key)[0]))
        of = self.users(key_of(key[0], arrays_of(key)[0]))
        outside = origin(key[0]) is None and number >= 0
        return (of.text, number + 1) if of is not None and outside else None

    def first_of(self, column: Column) -> int:
        """The number of the first member of a column without numbers of its own."""
        return 1 if self.step > 0 else len(column)

    def letter(self, column: Column) -> str | None:
        """What the user calls the members of a column; None without a name."""
        named = [made.text for key in column if (made := self.users(key))]
        return re.sub(r"_?\d+$", "", named[-1]) if named else None

    def users(self, key: Any) -> Name | None:
        """The name that the user has given."""
        return self.naming.of_key(key) if self.naming.by_user(key) else None

    def free(self, letter: str, column: Column) -> str:
        """A letter that no other column has: of layers, the next one, as A1 is that of a layer."""
        used = {of for key, (of, _) in self.loop.planned.items() if key not in column}
        following = len(letter) == 1 and self.loop.index != "t"
        texts = (chr(ord(letter) + n) if following else f"{letter}{n or ''}" for n in count())
        return next(text for text in texts if text not in used)

    def enter(self, column: Column, letter: str, first: int) -> None:
        """Enter a column, whose members have numbers from one on, and the value before it."""
        self.naming.release(key for key in column if isinstance(key, Node))
        for number, key in zip(count(first, self.step), column, strict=False):
            self._enter(key, letter, number)
        before = self.repeat.carried.get(column)
        if before is not None:
            self.loop.handed_on.update(column)
            place = letter, first - self.step
            if before in self.loop.planned:
                if self.loop.index == "t" and before not in self.loop.first_values:
                    self.loop.entries |= dict.fromkeys(self.repeat.entries[column], place)
            elif self.has_name(before):
                self.loop.first_values.add(before)
                self._enter(before, *place)

    def has_name(self, key: Any) -> bool:
        """Whether a value before the first step may be called as the others."""
        return True

    def _enter(self, key: Any, letter: str, number: int) -> None:
        if key in self.loop.planned:
            return
        self.loop.planned[key] = letter, number
        now = self.naming.of_key(key)
        has_it = now is not None and layer_number(now.text, re.escape(letter)) == number
        if not self.naming.by_user(key) or (isinstance(key, Node) and not has_it):
            names = None if has_it else self.naming.names
            self.naming.give_name(key, self.loop.member((letter, number), names))


class LayerPlanner(StepPlanner):
    """Plans a loop whose steps have numbers by the names of their weights."""

    def plan(self) -> None:
        """Enter the members into the loop, if all weights have numbers."""
        repeat = self.repeat
        weights = [numbered(column, self.naming.of_key) for column in repeat.taken]
        places = [place for place in weights if place is not None]
        if len(places) < len(weights) or not places:
            return
        self.first = places[0][1]
        main = next((column for column in repeat.carried if isinstance(column[0], Node)), None)
        if main is not None:
            self._plan_layers(main)
        for column in repeat.results:
            letter = self.letter(column)
            if letter is not None:
                self.enter(self.cut(column), *(numbered(column, self.users) or (
                    self.free(letter, column), self.first)))
        for column, place in zip(repeat.taken, places, strict=True):
            self.enter(self.cut(column), *place)
        self.plan_unnamed()

    def first_of(self, column: Column) -> int:
        """The number of the first member of a column without numbers of its own."""
        return self.first

    def cut(self, column: Column) -> Column:
        """A column without what comes after the last whole step, if that is no layer."""
        return column if self.last_is_layer else column[: self.repeat.steps]

    last_is_layer = True

    def _plan_layers(self, main: Column) -> None:
        """Name what the layers compute, A, and the arguments Z of their activations."""
        zs: Column = ()
        if is_call(main[0]) and len(main[0]) == 1:
            z = key_of(main[0][0], arrays_of(main[0])[0])
            zs = next((column for column in self.repeat.results if z in column), ())
        users = self.naming.graph.users.get(zs[-1], ()) if zs else ()
        self.last_is_layer = len(zs) <= len(main) or self.naming.by_user(zs[-1]) or any(
            is_call(user) or user.op.name in OF_SCORES for user in users)
        zs = self.cut(zs)
        matrix = sum(n != 1 for n in main[0].out.shape) > 1
        of_z = numbered(zs, self.naming.of_key)
        of_main, own = numbered(main, self.naming.of_key), numbered(zs, self.users)
        letter = of_main[0] if of_main else self.letter(main) or "Aa"[not matrix]
        found = numbered(main, self.users) or (
            letter, own[1] if own else self.first + bool(of_z or of_main))
        self.first = found[1]
        if zs:
            self.loop.main = found[0]
        self.enter(main, *found)
        if of_z:
            place = own or ("z" if found[0].islower() else "Z", found[1])
            self.loop.before_main = place[0]
            self.renumber(of_z, place)
            self.enter(zs, *place)

    def renumber(self, known: Place, new: Place) -> None:
        """Call the z of all layers as those of the loop: Z1, where z3 is Z2."""
        for node in self.naming.graph.nodes:
            number = layer_number(found.text, known[0]) if (
                found := self.naming.of_key(node)) else None
            if number is not None and not self.naming.by_user(node):
                text = f"{new[0]}{number - known[1] + new[1]}"
                if number - known[1] + new[1] >= 0 and text not in self.naming.names.given:
                    self.naming.give_name(node, name(text), by_user=False)

    def has_name(self, key: Any) -> bool:
        """Whether a value before the first step may be called as the others."""
        return not isinstance(key, Node) or numbered([key], self.naming.of_key) is not None


def numbered(things: Sequence[Any], named: Callable[[Any], Name | None]) -> Place | None:
    """The letter and the first number of names such as W2, W3, W4; None for others."""
    texts = [made.text if (made := named(thing)) else "" for thing in things]
    found = re.fullmatch(r"(.*[^\d_])_?(\d+)", texts[0] if texts else "")
    if found is None or found[1] == "v":
        return None
    letter, first = found[1], int(found[2])
    alike = all(layer_number(text, re.escape(letter)) == k for k, text in enumerate(texts, first))
    return (letter, first) if alike else None
