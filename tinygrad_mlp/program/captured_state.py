"""What a recorded function reads besides its arguments: has it changed since?

A recording keeps numbers, lists and attributes that the function read as they were. A
`CapturedState` lists the places that the function's code can read (see `captured_places`), with
what they held. `StateWatch` tells at every call whether that is still true, by a function generated
from the list, and knows former states again, so that their programs can be used again.

The numbers of tensors that a program reads at every run are not compared.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.mode import CHANGES
from tinygrad_mlp.program.captured_places import (
    ALL_ELEMENTS,
    ALL_ITEMS,
    ATOMS,
    ATTRIBUTE,
    BY_VALUE,
    CELL,
    ITEM,
    LENGTH,
    SOME_ELEMENTS,
    THESE_ITEMS,
    CapturedPlace,
    Walk,
    some_elements,
)

MOST_STATES = 4
"""Former states that are remembered."""


class StateChanged(Exception):
    """A function has changed what it reads itself. The message says where."""


class CapturedState:
    """The places that the code of some objects, given by name, can read, and what they hold.

    >>> settings = {"scale": 2.0}
    >>> before = CapturedState({"settings": settings})
    >>> settings["scale"] = 3.0
    >>> before.difference(CapturedState({"settings": settings}), {})
    'settings'
    """

    def __init__(self, roots: Mapping[str, object]) -> None:
        self.places = Walk(roots).places

    def difference(self, other: CapturedState, known: Mapping[int, object]) -> str | None:
        """Return the path of the first place in which another state differs, or None.

        The numbers of tensors in `known`, by identity, are not compared.
        """
        theirs = _compared(other.places, known)
        for mine in _compared(self.places, known):
            place = next(theirs, None)
            if place is None or mine.path != place.path or not same(mine.token, place.token):
                return mine.path
        place = next(theirs, None)
        return None if place is None else place.path

    def check(self, known: Mapping[int, object]) -> Callable[[], bool]:
        """Return a function that returns whether all places hold what they held."""
        scope: dict[str, Any] = {
            "same": same, "some": some_elements, "changes": CHANGES, "seen": [-1]}
        names: dict[int, str] = {}

        def name(value: object) -> str:
            made = names.setdefault(id(value), f"v{len(names)}")
            scope[made] = value
            return made

        lines: dict[bool, list[str]] = {True: [], False: []}
        for place in _compared(self.places, known):
            if place.read:
                lines[place.counted] += _code(place, name)
        text = ["def unchanged():", "    try:",
                "        if changes.count != seen[0]:", *(f"    {line}" for line in lines[True]),
                "            seen[0] = changes.count", *lines[False],
                "        return True", "    except Exception:", "        return False"]
        source = "\n".join(text)
        exec(compile(source, "<captured state>", "exec"), scope)
        made: Callable[[], bool] = scope["unchanged"]
        return made

    def has_other_elements(self) -> bool:
        """Return whether a large array has changed, also where `check` does not look at it."""
        return any(
            place.read == SOME_ELEMENTS and place.saved is not None
            and place.owner.tobytes() != place.saved for place in self.places)

    def restore(self) -> None:
        """Put back what the places held, where that is possible."""
        for place in self.places:
            _put_back(place)


class StateWatch:
    """A watch over what the code of some objects can read.

    `unchanged` is a function that returns whether everything is as it was when `now` was called
    last. `difference` is the path of what had changed then.
    """

    def __init__(self, roots: Mapping[str, object]) -> None:
        self.roots = dict(roots)
        self.difference: str | None = None
        self.unchanged: Callable[[], bool] = _never
        self._states: list[CapturedState] = []
        self._known: dict[int, Any] = {}

    def now(self) -> CapturedState:
        """Return the present state; the same object where it is equal to a former one."""
        if self.unchanged():
            return self._states[-1]
        new = CapturedState(self.roots)
        states = self._states
        self.difference = states[-1].difference(new, self._known) if states else None
        for former in reversed(states):
            if former.difference(new, self._known) is None:
                former.places = new.places
                states.remove(former)
                new = former
                break
        states.append(new)
        del states[:-MOST_STATES]
        self.unchanged = new.check(self._known)
        return new

    def leave_out(self, tensors: Iterable[object]) -> None:
        """Do not compare the numbers of tensors that a program reads at every run."""
        before = len(self._known)
        self._known.update((id(tensor), tensor) for tensor in tensors)
        if len(self._known) > before and self._states:
            self.unchanged = self._states[-1].check(self._known)

    def look_closely(self) -> None:
        """Look at all attributes again, and at all elements of large arrays.

        That takes too long for each call of a program. A change shows at the next call of `now`.
        """
        if self._states:
            CHANGES.count += 1  # attributes may have been set without being counted, by vars()
            if self._states[-1].has_other_elements():
                self.unchanged = _never


def _never() -> bool:
    return False


def _compared(places: Iterable[CapturedPlace],
              known: Mapping[int, object]) -> Iterator[CapturedPlace]:
    """Iterate over the places without the numbers of known tensors."""
    return (p for p in places if p.tensor is None or id(p.tensor) not in known)


def _code(place: CapturedPlace, name: Callable[[object], str]) -> list[str]:
    """Return the lines that return False where a place no longer holds what it held."""
    owner, value = name(place.owner), place.value
    if place.read == THESE_ITEMS:
        items = [f"i{n}" for n in range(len(value))]
        others = [f"{i} is not {name(held)}" for i, held in zip(items, value, strict=True)]
        return [f"        [{', '.join(items)}] = {owner}",  # an error if there are more or less
                f"        if {' or '.join(others)}: return False"]
    key = place.key if place.read == ATTRIBUTE else name(place.key)
    read = place.read.format(owner=owner, key=key)
    if isinstance(value, bool):
        return [f"        if {read} is not {value}: return False"]
    held = name(value)
    different = f"{read} {'!=' if place.read in BY_VALUE else 'is not'} {held}"
    if isinstance(value, ATOMS) and place.read not in BY_VALUE:
        different += f" and not same({read}, {held})"
    return [f"        if {different}: return False"]


def same(a: Any, b: Any) -> bool:
    """Return whether two things are the same, or of one type and one value."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, (float, complex, np.generic)):
        return repr(a) == repr(b)  # NaN is itself, and −0 is not 0
    if isinstance(a, (list, tuple, deque)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(map(same, a.values(), b.values()))
    return isinstance(a, (*ATOMS, set, frozenset)) and bool(a == b)


def _put_back(place: CapturedPlace) -> None:
    """Put back what a place held."""
    owner, key, value = place.owner, place.key, place.value
    if place.read == CELL:
        owner.cell_contents = value
    elif place.read == ATTRIBUTE:
        if getattr(owner, key, None) is not value:
            setattr(owner, key, value)
    elif place.read == ITEM:
        owner[key] = value
    elif place.read in (LENGTH, ALL_ITEMS, THESE_ITEMS):
        owner.clear()
        (owner.extend if isinstance(owner, (list, deque)) else owner.update)(place.saved)
    elif place.read in (ALL_ELEMENTS, SOME_ELEMENTS) and place.saved is not None:
        if owner.tobytes() != place.saved:
            owner[...] = np.frombuffer(place.saved, owner.dtype).reshape(owner.shape)
