"""What a number in a graph means: its function is called again with arrays of other sizes.

A number is n if it is n in all calls. ``1/√d`` with d = 16 is no 1/n for n = 4, and λ = 0.1 no 1/n
for n = 10: with other samples, n is another number, and these stay. A function that changes what
it reads, as a dropout its generator and a batch norm its statistics, is called once.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import random
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from tinygrad_mlp.autograd.graph import Value
from tinygrad_mlp.autograd.ops.sums import reduced_count
from tinygrad_mlp.autograd.tensor import Tensor
from tinygrad_mlp.explanation.algebra.monomial import SUMMED, UNIT, Shape
from tinygrad_mlp.explanation.algebra.numbers import Meanings, is_number
from tinygrad_mlp.explanation.algebra.polynomial import Polynomial
from tinygrad_mlp.explanation.calling import called, weighted
from tinygrad_mlp.explanation.differentiation.forms import LOSSES
from tinygrad_mlp.explanation.differentiation.forward import Forward
from tinygrad_mlp.explanation.repetition.repeats import kind_of
from tinygrad_mlp.graph_view.layer_view import Recorded, arrays_of
from tinygrad_mlp.graph_view.naming import Naming, in_graph
from tinygrad_mlp.program.captured_state import CapturedState

COUNTING = ("mean", "var", "std", *LOSSES)
"""Operations that divide by the number of what they combine."""
COUNT = -1
"""The place of that number among their arguments."""
CHANGES: tuple[Callable[[int], int], ...] = (lambda n: n + 1, lambda n: n - 1, lambda n: 2 * n)
"""Other sizes, of which the first is taken that the function accepts."""
SHARED = np.random.mtrand._rand
"""The generator of np.random's functions."""

Axis = tuple[str, int | None]
"""An axis of an argument; None for an argument that is a whole number."""


class Call(NamedTuple):
    """The numbers of a graph by node and place, the kinds of nodes, and numbers with a name."""

    numbers: dict[tuple[int, int], float]
    kinds: list[object]
    named: Mapping[str, float]
    samples: int | None


def meanings(graph: Recorded, named: Mapping[str, float], again: Again | None) -> Meanings:
    """What the numbers of a graph may mean; its function is called again if several are alike."""
    first = Call(*numbers_of(graph), named, again.first.samples if again else None)
    calls = [first, *(again.calls(graph, first) if again else ())]
    rows = {key: tuple(call.numbers[key] for call in calls) for key in first.numbers}
    known = {text: tuple(call.named.get(text, v) for call in calls) for text, v in named.items()}
    samples = tuple(call.samples or 0 for call in calls)
    if samples[0] and "n" not in known and samples not in known.values():
        known["n"] = samples
    counts: dict[float, set[tuple[float, ...]]] = {}
    for (_, place), row in rows.items():
        if place == COUNT:
            counts.setdefault(row[0], set()).add(row)
    return Meanings(known, again.first.literals if again else (), {
        (graph.nodes[i], place): row for (i, place), row in rows.items()}, counts)


def numbers_of(graph: Recorded) -> tuple[dict[tuple[int, int], float], list[object]]:
    """The numbers of a graph by node and place, and the kinds of its nodes."""
    found: dict[tuple[int, int], float] = {}
    for i, node in enumerate(graph.nodes):
        arrays = arrays_of(node)
        for place, (parent, array) in enumerate(zip(node, arrays, strict=True)):
            if parent is None and array is not None and is_number(np.asarray(array)):
                found[i, place] = float(np.asarray(array).flat[0])
        if node.op.name in COUNTING and np.ndim(arrays[0]):
            axis = node.static["axis"] if "axis" in node.static else 0
            found[i, COUNT] = float(reduced_count(np.shape(arrays[0]), axis))
    return found, [kind_of(node) for node in graph.nodes]


class Again:
    """A function that is called, for the `first` time with the values that are given."""

    def __init__(self, function: Callable[..., object], values: Mapping[str, object]) -> None:
        self.function = function
        self.values = values
        before, drawn = self._state()
        self.first = called(function, values)
        after, drawn_then = self._state()
        self.changes_state = drawn != drawn_then or before.difference(after, {}) is not None

    def _state(self) -> tuple[CapturedState, list[object]]:
        """What the function can read, and the states of the generators that it can draw from."""
        state = CapturedState({"function": self.function, "values": self.values})
        generators = [place.value for place in state.places]
        return state, [drawn for g in (SHARED, random, *generators) if (drawn := drawn_from(g))]

    def calls(self, graph: Recorded, first: Call) -> Iterator[Call]:
        """Other calls, one for each length that may be another, if numbers are to be told apart."""
        if self.changes_state:
            return
        known = {**first.named, "n": first.samples or 0}
        alone = Meanings({text: (v,) for text, v in known.items()})
        of_means = [n for (_, place), n in first.numbers.items() if place == COUNT]
        if len(set(of_means)) == len(of_means) and not any(
                v not in (0, 1) and alone.candidates((v,)) for v in first.numbers.values()):
            return
        found: list[list[Axis]] = [[(text, None)] for text, v in self.values.items()
                                   if type(v) is int]
        with contextlib.suppress(Exception), np.errstate(all="ignore"):  # of a user's operation
            found += AxesAlike(graph, self.values).of(self.values)
        for axes in found:
            calls = (self._changed(axes, change) for change in CHANGES)
            yield from itertools.islice((call for call in calls if call is not None and (
                call.kinds == first.kinds and call.numbers.keys() == first.numbers.keys())), 1)

    def _changed(self, axes: Collection[Axis], change: Callable[[int], int]) -> Call | None:
        """A call with axes of another length; None where the function accepts none such."""
        changed = dict(self.values)
        for text, axis in axes:
            value = changed[text]
            if isinstance(value, int):
                changed[text] = change(value)
                continue
            data = np.asarray(value.data if isinstance(value, Value) else value)
            length = np.size(data, axis)
            data = data.take(np.arange(change(length)) % length, axis)
            changed[text] = Tensor(data, requires_grad=value.requires_grad) if (
                isinstance(value, Value)) else data
        try:
            with (np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"),
                  contextlib.redirect_stdout(io.StringIO())):
                found = called(self.function, changed)
                one = found.output.data.size == 1
                graph = Recorded(found.output if one else weighted(found.output)[0])
        except Exception:  # of a function of the user, it may be any
            return None
        return Call(*numbers_of(graph), found.names, found.samples)


def drawn_from(generator: object) -> object:
    """The state of a generator of random numbers; None for other things."""
    if isinstance(generator, np.random.Generator):
        return repr(generator.bit_generator.state)
    if isinstance(generator, np.random.RandomState):
        return repr(generator.get_state(legacy=False))
    return random.getstate() if generator is random else None


class AxesAlike:
    """The axes of arrays, those together that have to be of one length: they have one index."""

    def __init__(self, graph: Recorded, values: Mapping[str, object]) -> None:
        self._joined: dict[object, object] = {}
        self.forward = Forward(graph, Naming(graph, in_graph(graph, values)), ())
        for node in graph.nodes:
            self.forward.record(node)
        for p in self.forward.values.values():
            self._read(p, p.shape, 0, p)
        for base in self.forward.t.bases:
            for k, part in enumerate(base.call.args if base.call else [base.polynomial]):
                if part is not None:
                    self._read(base, base.shape, k, part)
        for chosen, places in self.forward.t.one_hot.items():
            for leaf in self.forward.leaves:
                if leaf.value is places:
                    self._join((leaf, 0), (chosen, 0))

    def _read(self, owner: object, shape: Shape, k: int, part: Polynomial) -> None:
        """Join what has one index in the part k of something, and its axes with those of that."""
        for number, m in enumerate(part.terms):
            for f in m:
                for axis, i in enumerate(f.indices):
                    if i != UNIT:
                        self._join((f.base, axis), (owner, k, i, number if i >= SUMMED else -1))
        for axis, n in enumerate(part.shape):
            for other, length in enumerate(shape):
                if n == length and (axis == other or part.shape != shape):
                    self._join((owner, k, axis, -1), (owner, other))

    def _root(self, key: object) -> object:
        while key in self._joined:
            key = self._joined[key]
        return key

    def _join(self, a: object, b: object) -> None:
        a, b = self._root(a), self._root(b)
        if a != b:
            self._joined[a] = b

    def of(self, names: Collection[str]) -> list[list[Axis]]:
        """Those of the arguments of some names."""
        found: dict[object, list[Axis]] = {}
        for base in sorted(self.forward.leaves, key=lambda base: base.number):
            text = base.name.text if base.name else ""
            for axis, n in enumerate(base.shape if text in names else ()):
                if n > 1:
                    found.setdefault(self._root((base, axis)), []).append((text, axis))
        return list(found.values())
