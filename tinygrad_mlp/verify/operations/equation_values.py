"""The check of an equation: both sides of each relation are evaluated, and must agree.

Broadcasting is undone as the engine does it, and reduced axes are kept with length 1. In a relation
with elements ``a[i, j]`` the indices count the last axes (the operation's `axis`, if it has one, is
moved there), and elements outside of an array are 0. ``Σ`` and ``Π`` run over the indices that the
left side does not have.
"""

from __future__ import annotations

import contextlib
from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_mlp.autograd.ops.losses import divisor
from tinygrad_mlp.autograd.ops.sums import axes_of, broadcasts, reduced_count, sum_to
from tinygrad_mlp.verify.operations.cases import OpCase
from tinygrad_mlp.verify.operations.equation import (
    CONSTANTS,
    REDUCTIONS,
    Element,
    NoMeaning,
    Relation,
    RelationSide,
    WrittenEquation,
    bar,
)
from tinygrad_mlp.verify.operations.forward import close
from tinygrad_mlp.verify.operations.report import Failure

if TYPE_CHECKING:
    from tinygrad_mlp.autograd.argument_types import Axis
    from tinygrad_mlp.autograd.graph import Array

RTOL = 1e-8


def check_equation(equation: WrittenEquation, cases: list[OpCase]) -> tuple[int, list[Failure]]:
    """Return for how many samples an equation was evaluated, and which relations do not hold.

    An equation need not have a meaning for every sample (that of matrices has none for vectors).
    """
    wrong: dict[str, Failure] = {}
    evaluated = 0
    for case in cases if equation.relations else ():
        try:
            found = [(relation, case) for relation in wrong_relations(equation, case)]
        except (NoMeaning, np.linalg.LinAlgError):
            continue
        except Exception as error:  # the functions in it may raise anything
            text = f"'{equation.op.record.equation}' cannot be evaluated: {error}."
            return evaluated, [Failure("equation", "equation", text, case.sample)]
        evaluated += 1
        # Among whole numbers equal ones and zeros are frequent. Not every function takes them.
        rounded = copy(case)
        rounded.args = [np.rint(a) if i in case.floats else a for i, a in enumerate(case.args)]
        rounded.sample = f"{case.sample}, rounded to whole numbers"
        with contextlib.suppress(Exception):
            found += [(r, rounded) for r in wrong_relations(equation, rounded, partly=True)]
        for relation, at in found:
            text = f"'{relation.text}' does not hold."
            wrong.setdefault(text, Failure("equation", "equation", text, at.sample))
    return evaluated, list(wrong.values())


@np.errstate(all="ignore")
def wrong_relations(equation: WrittenEquation, case: OpCase,
                    partly: bool = False) -> list[Relation]:
    """Return the relations that do not hold; partly: but for places with NaN."""
    values = Values(equation, case)
    return [relation for relation in equation.relations if not values.agree(relation, partly)]


def as_shape(value: object, shape: tuple[int, ...]) -> Array:
    """Return a gradient in the shape of its argument: summed down, or repeated."""
    value = np.asarray(value, float)
    if [n for n in value.shape if n != 1] == [n for n in shape if n != 1]:
        return value.reshape(shape)  # reduced axes, kept or not
    if broadcasts(shape, value.shape):
        return sum_to.forward(value, shape=shape)
    return np.broadcast_to(value, shape)


class Values:
    """The values of names and expressions for the arrays of one case."""

    def __init__(self, equation: WrittenEquation, case: OpCase) -> None:
        if any(a is None for a in case.args) or case.op.variadic:
            raise NoMeaning("the equation is about all arguments")
        self.equation, self.static, self.axis = equation, case.static, case.static.get("axis")
        self.first = first = case.args[0]
        outs = case.forward(case.copies())
        g = case.cotangents(outs, case.seed)
        self.reduced = dict(zip(equation.outputs, outs, strict=True))
        if case.op.outputs == 1:
            self.reduced["g"] = g[0]
        axes = axes_of(self.axis, first.ndim) if "axis" in self.static else ()
        if self.static.get("keepdims"):
            self.reduced = {name: np.squeeze(a, axes) for name, a in self.reduced.items()}
        reduction = self.static.get("reduction")
        n = divisor(first, reduction) if reduction else reduced_count(first.shape, self.axis)
        arguments = dict(zip(case.op.arrays, case.args, strict=True))
        self.names: dict[str, Any] = {
            **{name: arguments[array] for name, array in equation.arguments.items()},
            **CONSTANTS, "n": n, **self.static, **arguments, **self.reduced}
        for name, a in self.reduced.items():
            if a.ndim == first.ndim - len(axes):
                self.names[name] = np.expand_dims(a, axes)
        for i in case.moving:
            gradient = as_shape(case.share(i, g, outs, case.copies()), case.args[i].shape)
            names = [name for name, a in equation.arguments.items() if a == case.name(i)]
            self.names.update((bar(name), gradient) for name in names)
        if case.op.outputs > 1:
            self.names.update(zip(map(bar, equation.outputs), g, strict=True))

    def agree(self, relation: Relation, partly: bool) -> bool:
        """Return whether a relation holds."""
        elements = relation.left.elements + relation.right.elements
        left, right = (
            np.asarray(self.of(side, relation.left.places, elements), float)
            for side in (relation.left, relation.right))
        if relation.left.has_bar:
            right = as_shape(right, left.shape)
        elif left.size != right.size:
            left, right = np.broadcast_arrays(left, right)
        right = np.reshape(right, left.shape)
        known = np.isfinite(right) | (not partly)
        return close(right[known], left[known], RTOL)

    def named(self, name: str) -> Any:
        """Return the value of a name, which the equation may define."""
        if name not in self.equation.definitions:
            return self.names[name]
        _, left, right = self.equation.definitions[name]
        return self.of(right, left.places, right.elements)

    def of(self, side: RelationSide, free: list[str], elements: list[Element]) -> Any:
        """Return the value of one side of a relation, of which all elements are given.

        If there are any, every array has an axis for each index, after all other axes: first those
        of the free indices, which are on the left side, then those that are summed over.
        """
        names = side.names & self.equation.values
        if not elements:
            arrays = {name: self.named(name) for name in names}
            return self._evaluated(side, arrays, self.axis, keepdims="axis" in self.static)
        sizes = self._sizes(elements)
        indices = sorted(sizes, key=lambda name: free.index(name) if name in free else len(free))
        arrays = {name: self._for_indices(name, len(indices)) for name in names}
        for name in indices:
            grid = np.arange(sizes[name], dtype=float)
            arrays[name] = grid.reshape([-1 if name == index else 1 for index in indices])
        arrays["element"] = partial(element, len(indices))
        summed = tuple(range(-len([name for name in indices if name not in free]), 0))
        value = np.asarray(self._evaluated(side, arrays, summed, keepdims=True))
        return value.reshape(value.shape[: value.ndim - len(summed)])

    def _evaluated(
        self, side: RelationSide, names: dict[str, object], axis: Axis, keepdims: bool
    ) -> Array:
        for name in side.names & REDUCTIONS.keys() - names.keys():
            of_several = self.equation.functions.get(name)
            names[name] = partial(over_axes, name, of_several, axis=axis, keepdims=keepdims)
        return eval(side.code, self.equation.functions, names)

    def _sizes(self, elements: list[Element]) -> dict[str, int]:
        """Find how far each index runs: along the axis of an array that it is the index of."""
        if isinstance(self.axis, tuple):
            raise NoMeaning("one index does not count several axes")
        sizes: dict[str, int] = {}
        for name, places in elements:
            array = self._for_indices(name, 0) if name else ()
            if isinstance(array, tuple):
                continue
            if array.ndim < len(places):
                raise NoMeaning("more indices than axes")
            for place, size in zip(places, array.shape[array.ndim - len(places) :], strict=True):
                if place and place not in self.equation.values:
                    sizes.setdefault(place, size)
        return sizes

    def _for_indices(self, name: str, count: int) -> Array:
        """Return a value with the axes that indices count last, and `count` new ones."""
        value = self.reduced[name] if name in self.reduced else self.named(name)
        definition = self.equation.definitions.get(name)
        by_indices = definition is not None and definition.left.elements
        if not by_indices and np.ndim(value) == self.first.ndim:
            if "axis1" in self.static:
                value = np.moveaxis(value, (self.static["axis1"], self.static["axis2"]), (-2, -1))
            elif "axis" in self.static:
                value = np.ravel(value) if self.axis is None else np.moveaxis(value, self.axis, -1)
        return value.reshape(value.shape + (1,) * count) if isinstance(value, np.ndarray) else value


def over_axes(name: str, of_several: Any, *parts: object, **axes: object) -> Any:
    """Return the reduction of one array, or what the function of several arrays gives."""
    return of_several(*parts) if len(parts) > 1 else REDUCTIONS[name](*parts, **axes)


def element(count: int, array: Any, *places: Any) -> Any:
    """Return the elements of an array with `count` axes for indices; 0 outside of the array."""
    if isinstance(array, tuple):
        return array[int(places[0])]
    array = array.reshape(array.shape[: array.ndim - count])
    inside: Any = True
    within = []
    for place, size in zip(places, array.shape[array.ndim - len(places) :], strict=True):
        place = place + np.zeros((1,) * count)
        inside = inside & (place >= 0) & (place < size)
        within.append(np.clip(place, 0, size - 1).astype(int))
    return np.where(inside, array[(..., *within)], 0)
