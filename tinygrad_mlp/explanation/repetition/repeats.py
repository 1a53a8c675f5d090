"""What a program does several times: operations that a recorded graph has again and again.

A loop over steps, a stack of layers and several heads leave the same operations, in the same order,
with the same places among each other. They are found in the order of recording, before anything is
written: a period p such that each operation is that p places before it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.gradients import origin
from tinygrad_mlp.autograd.graph import Array, Node
from tinygrad_mlp.explanation.algebra.translation import FORMS
from tinygrad_mlp.graph_view.layer_view import arrays_of
from tinygrad_mlp.graph_view.naming import key_of

SHORTEST = 3
"""The number of steps from which they are written as one."""

Column = tuple[Any, ...]
"""The keys of values that stand in the same place at each step."""


class Repeat(NamedTuple):
    """Operations that are repeated from a place of the graph on, in so many `steps`.

    `results` are the columns of their results, without those that only add something up, and
    `taken` those of what is not computed in the steps, and is another at each; what is the same at
    each is `shared`. `carried` are the values before the first step, by the column of results that
    the next steps take instead, and `entries` the arguments of the first step that have them.
    """

    start: int
    steps: int
    results: list[Column]
    taken: list[Column]
    shared: set[Any]
    carried: dict[Column, Any]
    entries: dict[Column, list[tuple[Node, int]]]


class OperationOrder:
    """The operations of a graph in order: what each is, and where its arguments were made."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = nodes
        place = {node: i for i, node in enumerate(nodes)}
        known: dict[Any, int] = {}
        self.kinds = np.array([known.setdefault(kind_of(n), len(known)) for n in nodes], int)
        self.args = [[(-1 if (made_by := origin(parent)) is None else place[made_by],
                       ("number", array) if np.ndim(array) == 0 and parent is None else (
                           key_of(parent, array)))
                      for parent, array in zip(node, arrays_of(node), strict=True)]
                     for node in nodes]

    def follows(self, i: int, p: int, start: int) -> bool:
        """Whether the operation p places after i takes what that takes, one step later."""
        earlier = self.args[i - p] if i >= start + p else self.args[i]
        for (_, before), (a, key), (b, later) in zip(
                earlier, self.args[i], self.args[i + p], strict=True):
            if a < start and b < start:  # always the same, or always another
                right = i < start + p or (before == key) == (key == later)
            else:
                right = a >= start and b - a == p or (
                    a < start <= b < start + p and i < start + p)
            if not right:
                return False
        return True

    def longest(self, free: Array) -> tuple[int, int, int] | None:
        """What is repeated over the greatest length: the period, the start, the end."""
        best = None
        length = 0
        for p in range(1, len(self.nodes) // SHORTEST + 1):
            alike = (self.kinds[p:] == self.kinds[:-p]) & free[p:] & free[:-p]
            edges = np.flatnonzero(np.diff(np.concatenate([[0], alike, [0]])))
            for start, stop in edges.reshape(-1, 2).tolist():
                while stop - start >= max((SHORTEST - 1) * p, length - p + 1):
                    end = start
                    while end < stop and self.follows(end, p, start):
                        end += 1
                    if end - start >= max((SHORTEST - 1) * p, length - p + 1):
                        best, length = (p, start, end + p), end + p - start
                    start += 1
        return best

    def repeat(self, p: int, start: int, end: int) -> Repeat:
        """The columns of what is repeated."""
        results: list[Column] = []
        for first in range(start, start + p):
            places = range(first, end, p)
            for index in range(self.nodes[first].op.outputs):
                results.append(tuple(n if n.op.outputs == 1 else (n, index) for n in (
                    self.nodes[i] for i in places)))
        column_of = {key: column for column in results for key in column}
        carried: dict[Column, Any] = {}
        entries: dict[Column, list[tuple[Node, int]]] = {}
        taken: dict[Column, None] = {}
        shared = set()
        for first in range(start, start + p):
            rows = [self.args[i] for i in range(first, end, p)]
            for position, arguments in enumerate(zip(*rows, strict=True)):
                (a, key), (b, later), *_ = arguments
                if a < start <= b:
                    carried[column_of[later]] = key
                    entries.setdefault(column_of[later], []).append((self.nodes[first], position))
                elif a < start and key == later:
                    shared.add(key)
                elif a < start:
                    taken[tuple(key for _, key in arguments)] = None
        totals = [column for column in carried if self._is_total(column, start, end)]
        for column in totals:
            results.remove(column)
            del carried[column]
        return Repeat(start, (end - start) // p, results, list(taken), shared, carried, entries)

    def _is_total(self, column: Column, start: int, end: int) -> bool:
        """Whether a column is that of sums, each taken by the next only."""
        users = [self.nodes[i] for i in range(start, end) for _, key in self.args[i]
                 if key in column]
        return all(node in column and node.op in (ops.add, ops.subtract) for node in users)


def find_repeats(nodes: Sequence[Node]) -> list[Repeat]:
    """The repetitions in a graph, the longest first."""
    order = OperationOrder(nodes)
    free = np.ones(len(nodes), bool)
    found: list[Repeat] = []
    while (best := order.longest(free)) is not None:
        p, start, end = best
        free[start:end] = False
        # A step begins where the fewest values are handed on to the next, and no sums if possible.
        starts = [s for s in range(start, start + (end - start) % p + 1)
                  if all(order.follows(i, p, s) for i in range(s, end - p))]
        made = min((order.repeat(p, s, end) for s in starts), key=lambda r: (
            len(r.carried), sum(not is_call(column[0]) for column in r.carried)))
        if any(is_call(column[0]) for column in made.results):
            found.append(made)
    return found


def is_call(key: Any) -> bool:
    """Whether a result is that of an operation without a form in index notation."""
    op = (key if isinstance(key, Node) else key[0]).op
    return op not in FORMS and bool(op.rule(0))


def kind_of(node: Node) -> Any:
    """What an operation is, without the numbers that say which part it takes."""
    return node.op, len(node), re.sub(r"\d+", "#", repr(node.static))
