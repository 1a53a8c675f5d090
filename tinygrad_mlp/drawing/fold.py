"""Folding: the parts of a long graph that become one box: repeated blocks, lines, and stretches.

A block repeats. In a line, each operation takes only the result of the one before. What is still
too long for a page is cut into stretches, where the fewest results are handed on. In the place of
lines, the operations of one module or of one line of the program can become a box.

Operations are taken in the order of recording, in which data flow. A part is an interval of that
order. Making one vertex of an interval never makes a cycle, because all arrows that leave it lead
to later operations.

The first and the last repetition of a block stay visible.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.gradients import origin
from tinygrad_mlp.autograd.graph import Array, Node, Value
from tinygrad_mlp.graph_view.layer_view import Recorded, arrays_of

LONGEST_PERIOD = 256  # longer blocks, in operations, are not searched for
FEWEST_TIMES = 4  # repetitions from which on a block is folded; two of them stay visible
SHORTEST_RUN = 5  # operations in a line from which on they are folded; two of them stay visible
MOST_BOXES = 30  # of operations, that a picture shows before it is cut into stretches


class Fold(NamedTuple):
    """A part that becomes one box: from operation `start` to the one before `stop`.

    It holds `times` repetitions of a block; 1 for operations in a line or in one `place`, 0 for a
    stretch of any operations.
    """

    start: int
    stop: int
    times: int
    place: str = ""

    @property
    def block(self) -> int:
        """The number of operations of the block."""
        return (self.stop - self.start) // max(self.times, 1)


def find_folds(graph: Recorded, places: Mapping[Node, str] | None = None) -> list[Fold]:
    """Find the parts of a graph that become one box each, in order.

    With the places of its operations (see `grouping.places`), those of one place become a box.
    """
    found = _find_repetitions(graph)
    folded = {i for fold in found for i in range(fold.start, fold.stop)}
    if places is None:
        return _cut(graph, sorted(found + _find_lines(graph, folded)))
    return _cut(graph, sorted(found + _find_places(graph, places, folded)))


def count_operations(nodes: list[Node]) -> str:
    """Return the names of operations with their numbers, most frequent first: "exp ×2, tanh"."""
    counts = Counter(node.op.name for node in nodes).most_common()
    shown = [f"{name} ×{n}" if n > 1 else name for name, n in counts[:6]]
    return ", ".join(shown) + (", …" if len(counts) > 6 else "")


def _find_repetitions(graph: Recorded) -> list[Fold]:
    """Find blocks of operations that repeat. The longest repetition is taken first."""
    kinds = _kinds_of_operations(graph)
    beginnings = _beginning_keys(graph)
    n = len(kinds)
    candidates: list[tuple[int, int, Fold]] = []
    for period in range(1, min(n // FEWEST_TIMES, LONGEST_PERIOD) + 1):
        edges = np.flatnonzero(np.diff(np.r_[False, kinds[period:] == kinds[:-period], False]))
        runs = edges.reshape(-1, 2)
        for start, stop in runs[runs[:, 1] - runs[:, 0] >= (FEWEST_TIMES - 1) * period]:
            # The operations of [start, stop + period) repeat. A block may begin at any of them.
            shift = min(range(period), key=lambda i: beginnings[start + i])
            times = int(stop + period - start - shift) // period
            if times >= FEWEST_TIMES:
                first = int(start + shift + period)
                hidden = Fold(first, first + (times - 2) * period, times - 2)
                candidates.append((hidden.start - hidden.stop, period, hidden))
    chosen: list[Fold] = []
    hidden_already = np.zeros(n, bool)
    for _, period, fold in sorted(candidates):
        # Another fold must not hide the first and the last repetition.
        if not hidden_already[fold.start - period : fold.stop + period].any():
            chosen.append(fold)
            hidden_already[fold.start : fold.stop] = True
    return chosen


def _kinds_of_operations(graph: Recorded) -> Array:
    """Number the operations; equal numbers mean the same call, on results equally far back."""
    at = {node: i for i, node in enumerate(graph.nodes)}
    numbers: dict[Any, int] = {}
    kinds = []
    for i, node in enumerate(graph.nodes):
        arguments: list[Any] = []
        for parent, array in zip(node, arrays_of(node), strict=True):
            made_by = origin(parent)
            if made_by is not None:
                index = parent.index if isinstance(parent, Value) else 0
                arguments.append((i - at[made_by], index))
            elif isinstance(array, (int, float)):
                arguments.append(array)
            else:
                arguments.append((parent is None, np.shape(array) if array is not None else None))
        outs = node.op.as_tuple(node.out)
        static = tuple((name, repr(value)) for name, value in node.static.items())
        call = node.op.name, static, tuple(arguments), tuple(out.shape for out in outs)
        kinds.append(numbers.setdefault(call, len(numbers)))
    return np.array(kinds, np.int64)


def _beginning_keys(graph: Recorded) -> list[tuple[int, int, bool]]:
    """Return a key for each operation; a block begins at the operation with the least key.

    The best beginning is where the fewest earlier results are still to be used, as where a layer
    begins. Among such places it is an operation that takes a weight, and among these one that does
    not take the result of the operation before it.
    """
    still_used = _still_used(graph)
    keys = []
    for i, node in enumerate(graph.nodes):
        pairs = zip(arrays_of(node), node, strict=True)
        weights = [np.ndim(a) for a, p in pairs if p is not None and origin(p) is None]
        goes_on = i > 0 and graph.nodes[i - 1] in map(origin, node)
        keys.append((int(still_used[i]), -max(weights, default=-1), goes_on))
    return keys


def _still_used(graph: Recorded) -> Array:
    """Return for each operation how many results of earlier ones are used by it or later."""
    at = {node: i for i, node in enumerate(graph.nodes)}
    last_use = [max((at[user] for user in graph.users[n]), default=at[n]) for n in graph.nodes]
    change = np.zeros(len(graph.nodes) + 2, np.int64)
    for i, last in enumerate(last_use):
        change[i + 1] += 1
        change[last + 1] -= 1
    return np.cumsum(change)


def _cut(graph: Recorded, folds: list[Fold]) -> list[Fold]:
    """Cut what would fill more than a page into stretches; repetitions stay as they are.

    The first and the last operation stay visible.
    """
    n = len(graph.nodes)
    repeated = [fold for fold in folds if fold.times > 1]
    lines = {fold.start: fold.stop for fold in folds if fold.times == 1}
    in_folds = sum(fold.stop - fold.start - 1 for fold in folds)
    if n - in_folds <= MOST_BOXES:
        return folds
    length = -(-(n - in_folds) // (MOST_BOXES // 2))
    still_used = _still_used(graph)
    found, start = list(repeated), 1
    for stop in [*(fold.start for fold in repeated), n - 1]:
        while stop - start > 1:
            if start + length + length // 2 >= stop:
                end = stop
            else:
                around = range(start + -(-length // 2), start + length + length // 2)
                end = min(around, key=lambda i: (still_used[i], abs(i - start - length)))
                end = next((lines[i] for i in lines if i < end < lines[i]), end)
            found.append(Fold(start, min(end, stop), 0))
            start = end
        start = max(start, next((f.stop for f in repeated if f.start == stop), stop))
    return sorted(fold for fold in found if fold.stop - fold.start > 1)


def _find_lines(graph: Recorded, folded: set[int]) -> list[Fold]:
    """Find runs of operations that each take only the result of the one before."""
    n = len(graph.nodes)
    found: list[Fold] = []
    start = 0
    for i in range(1, n + 1):
        if i < n and not folded.intersection((i - 1, i)) and _follows_the_one_before(graph, i):
            continue
        if i - start >= SHORTEST_RUN:
            found.append(Fold(start + 1, i - 1, 1))
        start = i
    return found


def _find_places(graph: Recorded, places: Mapping[Node, str], folded: set[int]) -> list[Fold]:
    """Find the operations in one place that follow each other. The last of all stays visible."""
    at = ["" if i in folded else places.get(node, "") for i, node in enumerate(graph.nodes[:-1])]
    runs = [(place, list(run)) for place, run in groupby(range(len(at)), at.__getitem__)]
    return [Fold(run[0], run[-1] + 1, 1, place) for place, run in runs if place]


def _follows_the_one_before(graph: Recorded, i: int) -> bool:
    before, node = graph.nodes[i - 1 : i + 1]
    makers = [origin(parent) for parent in node if parent is not None]
    arrays = (a for a, parent in zip(arrays_of(node), node, strict=True) if parent is None)
    plain = all(np.ndim(a) == 0 for a in arrays)
    return plain and makers == [before] and graph.only_user(before) is node
