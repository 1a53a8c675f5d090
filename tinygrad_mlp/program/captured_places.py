"""The places that Python code can read besides its arguments: a list, and how it is made.

From a function, the walk goes on to the variables of its closure, the globals that its code names,
its defaults; from an object to its attributes and the methods of its class; from a container to its
items; from an array to its elements; from a tensor to its numbers and whether it requires a
gradient. Libraries are not entered, and what is declared to recordings by other means is left out.
"""

from __future__ import annotations

import dis
import functools
import sys
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from types import CodeType, FunctionType, MemberDescriptorType, MethodType, ModuleType
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array, Value
from tinygrad_mlp.autograd.tensor import Tensor
from tinygrad_mlp.nn.layers import Linear
from tinygrad_mlp.nn.module import Module
from tinygrad_mlp.optim.optimizer_base import Optimizer
from tinygrad_mlp.optim.settings import INNER
from tinygrad_mlp.program.trace import Tracer

ATOMS = (type(None), bool, int, float, complex, str, bytes, np.generic, np.dtype, type(...))
"""Types whose values never change; they are compared by value."""
LIBRARIES = {
    *sys.stdlib_module_names, "numpy", "scipy", "sklearn", "pandas", "matplotlib", "tinygrad_mlp"}
"""Packages whose functions and objects are taken as they are."""
SETTINGS = ("SimpleNamespace", "Namespace")
"""Classes of the standard library in which users keep settings."""
DECLARED: tuple[tuple[type, set[str]], ...] = (
    (Module, {"_training"}), (Linear, {"in_features", "out_features"}),
    (Optimizer, {*INNER, "parameters", "_hyperparameters", "_changes", "_complete"}))
"""Attributes that a recording is told of (see `autograd.mode`), and those that others imply."""
MOST_PLACES = 5_000
"""Places that are listed; what would come after them is not."""
SMALL = 2**14
"""Bytes of an array up to which all elements are compared at every call."""
LARGEST = 2**24
"""Bytes of an array up to which all elements are compared now and then."""
SOME = 64
"""Elements of a larger array that are compared at every call."""

ATTRIBUTE, ITEM, CELL = "{owner}.{key}", "{owner}[{key}]", "{owner}.cell_contents"
LENGTH, ALL_ITEMS, THESE_ITEMS = "len({owner})", "{owner}", "[*{owner}]"
ALL_ELEMENTS, SOME_ELEMENTS = "{owner}.tobytes()", "some({owner}, {key})"
BY_VALUE = (LENGTH, ALL_ITEMS, ALL_ELEMENTS, SOME_ELEMENTS)
"""Readings that are compared by value; the others give the very objects that were there."""


@dataclass(slots=True)
class CapturedPlace:
    """A place that code can read, and what it held.

    `read` is how to read it, of `owner` and `key`; "" where nothing can be put there. `value` is
    what it held, and `token` what it has in common with the same place of an equal state. `tensor`
    is the tensor whose numbers these are, if it is one. `saved` serves to put the contents back.
    What is put into a place that is `counted` counts in `autograd.mode.CHANGES`.
    """

    path: str
    read: str
    owner: Any
    key: Any
    value: Any
    token: Any
    tensor: Value | None = None
    saved: Any = None
    counted: bool = False


class Walk:
    """A list of the places that can be reached from some objects."""

    def __init__(self, roots: Mapping[str, object]) -> None:
        self.places: list[CapturedPlace] = []
        self._seen: dict[int, int] = {}
        for path, root in roots.items():
            self._add(path, "", None, None, root)

    def _add(self, path: str, read: str, owner: object, key: object, value: object,
             counted: bool = False) -> None:
        """List a place, and what can be reached from the object in it."""
        if len(self.places) >= MOST_PLACES:
            return
        place = CapturedPlace(path, read, owner, key, value, value, counted=counted)
        self.places.append(place)
        if isinstance(value, ATOMS):
            return
        first = self._seen.setdefault(id(value), len(self.places))
        if first == len(self.places):
            place.token = self._enter(path, value)
        else:
            place.token = first  # the same object as in an earlier place

    def _contents(self, path: str, read: str, owner: object, value: object, saved: object = None,
                  tensor: Value | None = None, key: object = None) -> None:
        """List what is compared by value."""
        self.places.append(CapturedPlace(path, read, owner, key, value, value, tensor, saved))

    def _enter(self, path: str, value: object) -> Any:
        """List what is in an object; return what it has in common with an equal one."""
        for kind, enter in ENTER:
            if isinstance(value, kind):
                return enter(self, path, value)
        return self._object(path, value)

    # -- functions ---------------------------------------------------------------------------------

    def _function(self, path: str, function: FunctionType) -> Any:
        of = function.__name__
        own = not in_library(function.__globals__.get("__name__"))
        names = function.__code__.co_freevars
        for name, cell in zip(names, function.__closure__ or (), strict=True):
            try:
                held = cell.cell_contents
            except ValueError:  # it has no value yet
                continue
            self._add(f"'{name}' of {of}", CELL if own else "", cell, None, held)
        if own:
            for attribute in ("__defaults__", "__kwdefaults__"):
                held = getattr(function, attribute)
                if held:
                    self._add(f"the defaults of {of}", ATTRIBUTE, function, attribute, held)
            if vars(function):
                self._items(f"an attribute of {of}", vars(function))
            self._globals(function.__globals__, *_names(function.__code__))
        return function.__code__

    def _globals(self, scope: dict[str, object], names: set[str], attributes: set[str]) -> None:
        """List globals of these names; of a global that is a module, those of its attributes."""
        for name in sorted(names & scope.keys()):
            held = scope[name]
            if not isinstance(held, ModuleType):
                self._add(f"the global '{name}'", ITEM, scope, name, held)
            elif not in_library(held.__name__) and id(held) not in self._seen:
                self._seen[id(held)] = -1
                self._globals(vars(held), attributes, attributes)

    def _partial(self, path: str, made: functools.partial[object]) -> type:
        for part in (made.func, made.args, made.keywords):
            self._add(path, "", None, None, part)
        return functools.partial

    def _method(self, path: str, method: MethodType) -> Any:
        self._add(path, "", None, None, method.__self__)
        self._add(path, "", None, None, method.__func__)
        return MethodType

    # -- containers --------------------------------------------------------------------------------

    def _sequence(self, path: str, items: Any) -> type:
        if all(isinstance(item, ATOMS) for item in items):
            self._contents(path, ALL_ITEMS, items, items.copy(), items.copy())
            return type(items)
        self._contents(path, THESE_ITEMS, items, items.copy(), items.copy())
        self.places[-1].token = len(items)
        for i, item in enumerate(items):
            self._add(f"{path}[{i}]", "", None, None, item)
        return type(items)

    def _fixed(self, path: str, items: Any) -> Any:
        if all(isinstance(item, ATOMS) for item in items):
            return items
        for i, item in enumerate(items):
            self._add(f"{path}[{i}]", "", None, None, item)
        return type(items)

    def _items(self, path: str, items: dict[Any, Any]) -> Any:
        if all(isinstance(item, ATOMS) for item in items.values()):
            self._contents(path, ALL_ITEMS, items, items.copy(), items.copy())
            return type(items)
        self._contents(path, LENGTH, items, len(items), items.copy())
        for key, item in items.items():
            self._add(f"{path}[{key!r}]", ITEM, items, key, item)
        return type(items)

    def _set(self, path: str, items: set[object]) -> type:
        self._contents(path, ALL_ITEMS, items, items.copy(), items.copy())
        return set

    # -- numbers -----------------------------------------------------------------------------------

    def _array(self, path: str, array: Array, tensor: Value | None = None) -> tuple[object, ...]:
        about = (np.ndarray, array.shape, array.dtype)
        whole = array.tobytes() if array.nbytes <= LARGEST else None
        if array.nbytes <= SMALL:
            self._contents(path, ALL_ELEMENTS, array, whole, whole, tensor)
        else:
            some = np.linspace(0, array.size - 1, SOME).astype(int)
            self._contents(path, SOME_ELEMENTS, array, some_elements(array, some), whole, tensor,
                           some)
        return about

    def _tensor(self, path: str, tensor: Tensor) -> Tensor:
        flag = tensor._requires_grad
        where = f"requires_grad of {path}"
        self._add(where, ATTRIBUTE, tensor, "_requires_grad", flag, counted=True)
        if not flag and not isinstance(tensor, Tracer) and isinstance(tensor.data, np.ndarray):
            held = tensor.data
            self.places.append(
                CapturedPlace(path, ATTRIBUTE, tensor, "data", held, None, tensor))
            self._array(path, held, tensor)
        return tensor

    # -- objects -----------------------------------------------------------------------------------

    def _object(self, path: str, value: Any) -> Any:
        kind = type(value)
        ours = (kind.__module__ or "").startswith("tinygrad_mlp.")
        if ours and hasattr(value, "__wrapped__"):  # an operation, or a compiled function
            self._add(path, "", None, None, value.__wrapped__)
            self._add(path, "", None, None, getattr(value, "rules", None))
            return value
        if not ours and in_library(kind.__module__) and kind.__name__ not in SETTINGS:
            return value
        skipped = {name for of, names in DECLARED if isinstance(value, of) for name in names}
        own = getattr(value, "__dict__", None)
        if own is not None:
            self._contents(f"the attributes of {path}", LENGTH, own, len(own), own.copy())
            self.places[-1].token = [name for name in own if name not in skipped]
            counted = self.places[-1].counted = isinstance(value, Module)
            for name, held in own.items():
                # Programs know of the numbers of an optimizer (see `OptimizerSettings`).
                if name not in skipped and not (
                        isinstance(value, Optimizer) and isinstance(held, ATOMS)):
                    plain = str(name).isidentifier() and not hasattr(kind, str(name))
                    place = (ATTRIBUTE, value) if plain else (ITEM, own)
                    self._add(f"{path}.{name}", *place, name, held, counted)
        self._class(path, kind, value)
        return kind

    def _class(self, path: str, kind: type, value: object = None) -> type:
        """List the attributes and methods of a class, and the slots of an object of it."""
        for base in kind.__mro__:
            if in_library(base.__module__):
                continue
            for name, held in vars(base).items():
                if isinstance(held, MemberDescriptorType) and hasattr(value, name):
                    self._add(f"{path}.{name}", ATTRIBUTE, value, name, getattr(value, name))
                elif id(base) not in self._seen:
                    self._class_attribute(base, name, held)
            self._seen[id(base)] = -1
        return kind

    def _class_attribute(self, base: type, name: str, held: object) -> None:
        held = getattr(held, "fget", held)  # of a property
        held = getattr(held, "__func__", held)  # of a class method or a static method
        inside = name.startswith("__") and not isinstance(held, FunctionType)
        if not inside and not hasattr(type(held), "__get__") or isinstance(held, FunctionType):
            read = ATTRIBUTE if vars(base)[name] is held else ""
            self._add(f"{base.__name__}.{name}", read, base, name, held)


ENTER: tuple[tuple[Any, Any], ...] = (
    (FunctionType, Walk._function), (MethodType, Walk._method), (np.ndarray, Walk._array),
    (functools.partial, Walk._partial), (Value, Walk._tensor),
    ((list, deque), Walk._sequence), ((tuple, frozenset), Walk._fixed),
    (dict, Walk._items), (set, Walk._set), (type, Walk._class))
"""What lists the contents of an object of each type."""


def in_library(module: str | None) -> bool:
    """Return whether a module is part of a library that is not looked into."""
    return isinstance(module, str) and module.partition(".")[0] in LIBRARIES


def some_elements(array: Array, places: Array) -> bytes:
    """Return the bytes of the elements of a large array that are compared at every call."""
    elements: bytes = array.flat[places].tobytes()
    return elements


def _names(code: CodeType) -> tuple[set[str], set[str]]:
    """Return the names of globals that a piece of code, or code in it, looks up, and all names."""
    lines = dis.get_instructions(code)
    names = {line.argval for line in lines if line.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    every = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            inner, all_inner = _names(constant)
            names |= inner
            every |= all_inner
    return names, every
