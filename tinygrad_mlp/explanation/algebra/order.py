"""The order in which things are worked through that are made of others."""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable, Iterable, Iterator
from typing import TypeVar

Thing = TypeVar("Thing", bound=Hashable)


def in_order(roots: Iterable[Thing], parts_of: Callable[[Thing], Iterable[Thing]],
             known: Container[Thing] = ()) -> Iterator[Thing]:
    """The roots and all that they are made of, each once, parts before wholes; without the known.

    Without recursion: a graph may be long.
    """
    done: set[Thing] = set()
    stack = list(roots)
    while stack:
        top = stack[-1]
        new = top not in done and top not in known
        missing = [p for p in parts_of(top) if p not in done and p not in known] if new else []
        stack += missing
        if not missing:
            stack.pop()
            if new:
                done.add(top)
                yield top
