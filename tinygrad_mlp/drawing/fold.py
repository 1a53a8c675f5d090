"""Which parts of a long graph are shown as one box: what repeats, and what runs in a line.

The operations stand in the order in which they were recorded, which is an order in which data
flows. Parts are intervals of that order: making one vertex of an interval never makes a cycle,
since what leaves it only leads to later operations.

Of everything that repeats, the first and the last time are shown.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.backward import origin
from tinygrad_mlp.autograd.graph import Array, Node, Value
from tinygrad_mlp.graph_view.recorded import Recorded, arrays_of

LONGEST_PERIOD = 256
"""The longest repeated block that is looked for, in operations."""

FEWEST_TIMES = 4
"""How often a block must follow itself to be folded: two of them are shown."""

SHORTEST_RUN = 5
"""How many operations in a line are folded if they do not repeat: two of them are shown."""


class Fold(NamedTuple):
    """A part that is shown as one box.

    Attributes:
        start: position of its first operation in the graph's order.
        stop: position after its last.
        times: how many times a block of operations is repeated in it; 1 for a line of operations.
    """

    start: int
    stop: int
    times: int

    @property
    def block(self) -> int:
        """The number of operations that are repeated."""
        return (self.stop - self.start) // self.times


def folds(graph: Recorded) -> list[Fold]:
    """The parts of a graph to show as one box each, in order."""
    found = _repetitions(graph)
    taken = {i for fold in found for i in range(fold.start, fold.stop)}
    return sorted(found + _lines(graph, taken))


def counted(nodes: list[Node]) -> str:
    """The operations of some nodes with their numbers, most frequent first.

    >>> import tinygrad_mlp as tg
    >>> x = tg.Tensor(2.0, requires_grad=True)
    >>> y = tg.exp(tg.exp(tg.tanh(x)))
    >>> counted([y.node, y.node[0], y.node[0][0]])
    'exp ×2, tanh'
    """
    counts = Counter(node.op.name for node in nodes).most_common()
    shown = [f"{name} ×{n}" if n > 1 else name for name, n in counts[:6]]
    return ", ".join(shown) + (", …" if len(counts) > 6 else "")


def _repetitions(graph: Recorded) -> list[Fold]:
    """Blocks of operations that follow themselves, the longest repetition first served."""
    kinds = _kinds(graph)
    beginnings = _beginnings(graph)
    n = len(kinds)
    candidates: list[tuple[int, int, Fold]] = []
    for period in range(1, min(n // FEWEST_TIMES, LONGEST_PERIOD) + 1):
        edges = np.flatnonzero(np.diff(np.r_[False, kinds[period:] == kinds[:-period], False]))
        runs = edges.reshape(-1, 2)
        for start, stop in runs[runs[:, 1] - runs[:, 0] >= (FEWEST_TIMES - 1) * period]:
            # The operations of [start, stop + period) repeat; a block may begin at any of them.
            shift = min(range(period), key=lambda i: beginnings[start + i])
            times = int(stop + period - start - shift) // period
            if times >= FEWEST_TIMES:
                first = int(start + shift + period)
                hidden = Fold(first, first + (times - 2) * period, times - 2)
                candidates.append((hidden.start - hidden.stop, period, hidden))
    chosen: list[Fold] = []
    hidden_already = np.zeros(n, bool)
    for _, period, fold in sorted(candidates):
        # The times that are shown must not be hidden by another fold.
        if not hidden_already[fold.start - period : fold.stop + period].any():
            chosen.append(fold)
            hidden_already[fold.start : fold.stop] = True
    return chosen


def _kinds(graph: Recorded) -> Array:
    """A number for each operation; equal ones do the same, with what lies equally far behind."""
    at = {node: i for i, node in enumerate(graph.nodes)}
    numbers: dict[Any, int] = {}

    def kind(i: int, node: Node) -> Any:
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
        outs = node.out if node.op.outputs > 1 else (node.out,)
        static = tuple((name, repr(value)) for name, value in node.static.items())
        return node.op.name, static, tuple(arguments), tuple(out.shape for out in outs)

    kinds = [numbers.setdefault(kind(i, node), len(numbers)) for i, node in enumerate(graph.nodes)]
    return np.array(kinds, np.int64)


def _beginnings(graph: Recorded) -> list[tuple[int, int, bool]]:
    """How little like the beginning of a block each operation is: a key to sort by.

    A block had best begin where little is handed on: at a layer, few of the results of before are
    still to be used. Of several such places it is the one that takes a weight, and of those the
    one that does not go on from where the operation before it ended.
    """
    at = {node: i for i, node in enumerate(graph.nodes)}
    last_use = [max((at[user] for user in graph.users[n]), default=at[n]) for n in graph.nodes]
    change = np.zeros(len(graph.nodes) + 2, np.int64)
    for i, last in enumerate(last_use):
        change[i + 1] += 1  # handed on to whatever comes after it, up to its last use
        change[last + 1] -= 1
    handed_on = np.cumsum(change)
    keys = []
    for i, node in enumerate(graph.nodes):
        weights = [np.ndim(a) for a, p in zip(arrays_of(node), node, strict=True)
                   if p is not None and origin(p) is None]  # fmt: skip
        goes_on = i > 0 and graph.nodes[i - 1] in map(origin, node)
        keys.append((int(handed_on[i]), -max(weights, default=-1), goes_on))
    return keys


def _lines(graph: Recorded, taken: set[int]) -> list[Fold]:
    """Runs of operations that each take nothing but the result of the one before."""
    nodes = graph.nodes
    found: list[Fold] = []
    start = 0
    for i in range(1, len(nodes) + 1):
        goes_on = (
            i < len(nodes) and i not in taken and i - 1 not in taken
            and _follows(graph, nodes[i], nodes[i - 1])
        )  # fmt: skip
        if not goes_on:
            if i - start >= SHORTEST_RUN:
                found.append(Fold(start + 1, i - 1, 1))
            start = i
    return found


def _follows(graph: Recorded, node: Node, before: Node) -> bool:
    makers = [origin(parent) for parent in node if parent is not None]
    arrays = (a for a, parent in zip(arrays_of(node), node, strict=True) if parent is None)
    plain = all(np.ndim(a) == 0 for a in arrays)
    return plain and makers == [before] and graph.only_user(before) is node
