"""The check of an equation: both sides of each relation are evaluated, and must agree.

Broadcasting is undone as the engine does it, and reduced axes are kept with length 1. In a relation
with elements ``a[i, j]`` the indices count the last axes (the operation's `axis`, if it has one, is
moved there), and elements outside of an array are 0. ``Σ`` and ``Π`` run over the indices that the
left side does not have.
"""

from __future__ import annotations

import unicodedata
from copy import copy
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.ops.losses import divisor
from tinygrad_mlp.autograd.ops.sums import axes_of, broadcasts, kept, reduced_count, sum_to
from tinygrad_mlp.verify.operations.cases import OpCase
from tinygrad_mlp.verify.operations.equation import Clause, WrittenEquation
from tinygrad_mlp.verify.operations.equation_functions import (
    ELEMENTWISE,
    OVER_AXES,
    SYMBOLS,
    IdentityMatrix,
    NoMeaning,
    function_named,
)
from tinygrad_mlp.verify.operations.equation_syntax import Tree
from tinygrad_mlp.verify.operations.forward import close
from tinygrad_mlp.verify.operations.report import Failure

RTOL = 1e-8


def check_equation(
    equation: WrittenEquation, cases: list[OpCase], seed: int
) -> tuple[int, list[Failure]]:
    """Compare the sides of every relation for every case.

    An equation need not have a meaning for every sample (that of matrices has none for vectors).

    Returns:
        the number of samples it was evaluated for, and the relations that do not hold.
    """
    wrong: dict[str, Failure] = {}
    evaluated = 0
    for case in cases if equation.clauses else ():
        try:
            false = wrong_clauses(equation, case, seed)
        except (NoMeaning, np.linalg.LinAlgError):
            continue
        except (ValueError, TypeError, LookupError, RecursionError) as error:
            text = equation.op.record.equation
            return evaluated, [_failure(text, f"cannot be evaluated: {error}", case)]
        evaluated += 1
        try:
            rounded = whole_numbers(case)
            found = [(c, rounded) for c in wrong_clauses(equation, rounded, seed, partly=True)]
        except Exception:
            found = []  # not every function takes whole numbers
        for clause, at in [*((clause, case) for clause in false), *found]:
            wrong.setdefault(clause.text, _failure(clause.text, "does not hold", at))
    return evaluated, list(wrong.values())


def wrong_clauses(
    equation: WrittenEquation, case: OpCase, seed: int, partly: bool = False
) -> list[Clause]:
    """Return the relations that do not hold; partly: but for places with NaN."""
    with np.errstate(all="ignore"):
        values = Values(equation, case, seed)
        return [clause for clause in equation.clauses if not holds(clause, values, partly)]


def whole_numbers(case: OpCase) -> OpCase:
    """Return the case with rounded arguments, among which equal ones and zeros are frequent."""
    rounded = copy(case)
    rounded.args = [np.rint(a) if i in case.floats else a for i, a in enumerate(case.args)]
    rounded.sample = f"{case.sample}, rounded to whole numbers"
    return rounded


def _failure(text: str, what: str, case: OpCase) -> Failure:
    message = f"'{unicodedata.normalize('NFC', text)}' {what}."
    return Failure("equation", "equation", message, case.sample)


def holds(clause: Clause, values: Values, partly: bool = False) -> bool:
    """Return whether a relation holds for the arrays of a case."""
    relation = clause.tree
    sides = relation.parts
    evaluate = values.of
    if any(tree.head == "element" for tree in relation.walk()):
        evaluate = Elements(values, sides[0].indices(), relation).of
    if relation.head != "equal":
        return bool(np.all(evaluate(relation)))
    left, right = (np.asarray(evaluate(side), float) for side in sides)
    if any(tree.head == "bar" for tree in sides[0].walk()):
        right = as_shape(right, left.shape)
    elif left.size != right.size:
        left, right = np.broadcast_arrays(left, right)
    right = np.reshape(right, left.shape)
    known = np.isfinite(right) | (not partly)
    return close(right[known], left[known], RTOL)


def as_shape(value: Any, shape: tuple[int, ...]) -> Any:
    """Return a gradient in the shape of its argument: summed down, or repeated."""
    value = np.asarray(value, float)
    if [n for n in value.shape if n != 1] == [n for n in shape if n != 1]:
        return value.reshape(shape)  # reduced axes, kept or not
    if broadcasts(shape, value.shape):
        return sum_to.forward(value, shape=shape)
    return np.broadcast_to(value, shape)


class Values:
    """The values of expressions for the arrays of one case.

    Args:
        equation: the equation, with its definitions.
        case: the operation at a sample.
        seed: of the cotangents.

    Attributes:
        names: the arguments, static parameters, outputs and `g`, with reduced axes kept.
        bars: what the gradient rules return, in the shapes of the arguments; of an operation with
            several outputs their cotangents, too.
        reduced: the outputs and `g` as they are.
    """

    def __init__(self, equation: WrittenEquation, case: OpCase, seed: int) -> None:
        op, self.static, self.equation = case.op, case.static, equation
        if any(a is None for a in case.args) or op.variadic:
            raise NoMeaning("the equation is about all arguments")
        self.first = case.args[0]
        outs = case.forward(case.copies())
        g = case.cotangents(outs, seed)
        self.bars = {
            case.name(i): as_shape(case.share(i, g, outs, case.copies()), case.args[i].shape)
            for i in case.moving
        }
        self.reduced: dict[str, Any] = dict(zip(equation.outputs, outs, strict=True))
        if op.outputs == 1:
            self.reduced["g"] = g[0]
        else:
            self.bars.update(zip(equation.outputs, g, strict=True))
        arguments = dict(zip(op.arrays, case.args, strict=True))
        with_axes = {name: self._kept(value) for name, value in self.reduced.items()}
        self.names: dict[str, Any] = {**self.static, **arguments, **with_axes}

    def _kept(self, value: Any) -> Any:
        """Put the reduced axes of an output back."""
        static, ndim = self.static, self.first.ndim
        if "axis" not in static or value.ndim != ndim - len(axes_of(static["axis"], ndim)):
            return value
        return kept(value, self.first.shape, static["axis"], False)

    def of(self, tree: Tree) -> Any:
        """Return the value of an expression."""
        if tree.head == "number":
            return 0.5 if tree.text == "½" else int(tree.text) if tree.text.isdigit() else (
                float(tree.text)
            )  # fmt: skip
        if tree.head == "text":
            return tree.text.strip("'")
        if tree.head == "name":
            return self.named(tree.text)
        if tree.head == "bar":
            own = tree.text in self.bars
            return self.bars[tree.text if own else self.equation.argument(tree.text) or ""]
        if tree.head == "element":
            return Elements(self, [], tree).of(tree)
        parts = [self.of(part) for part in tree.parts]
        return tuple(parts) if tree.head == "tuple" else self.called(tree.head, parts)

    def named(self, name: str) -> Any:
        """Return the value of a name."""
        if name in self.equation.definitions:
            left, right = self.equation.definitions[name].parts
            if any(tree.head == "element" for tree in right.walk()):
                return Elements(self, left.indices(), right).of(right)
            return self.of(right)
        if name in self.names:
            return self.names[name]
        if name in SYMBOLS:
            return SYMBOLS[name]
        if name == "n":  # the number of elements, or samples, that one result is made of
            if "reduction" in self.static:
                return divisor(self.first, self.static["reduction"])
            return reduced_count(self.first.shape, self.static.get("axis"))
        return self.names[self.equation.argument(name) or name]

    def called(self, name: str, parts: list[Any]) -> Any:
        """Return the value of a function."""
        axis = self.static.get("axis")
        if name in OVER_AXES and len(parts) == 1:
            return OVER_AXES[name](parts[0], axis=axis, keepdims="axis" in self.static)
        if name == "Σⱼ":
            return np.sum(parts[0], axis=-1, keepdims=True)
        if name == "softmax":
            e = np.exp(parts[0])
            return e / np.sum(e, axis=-1 if axis is None else axis, keepdims=True)
        sizes = [part.shape[-1] for part in parts if isinstance(part, np.ndarray) and part.ndim]
        parts = [np.eye(sizes[0]) if isinstance(part, IdentityMatrix) else part for part in parts]
        function = function_named(name)
        assert function is not None, name
        return function(*parts)

    def last(self, name: str, value: Any) -> Any:
        """Return an array with the axes that indices count as its last ones."""
        static, ndim = self.static, np.ndim(self.first)
        by_indices = name in self.equation.definitions and (
            self.equation.definitions[name].parts[0].head == "element"
        )
        if by_indices or np.ndim(value) != ndim:
            return value
        if "axis1" in static:
            return np.moveaxis(value, (static["axis1"], static["axis2"]), (-2, -1))
        if "axis" not in static:
            return value
        axis = static["axis"]
        return np.ravel(value) if axis is None else np.moveaxis(value, axis, -1)


class Elements:
    """The values of expressions with elements: one axis for each index, after all other axes.

    Args:
        values: the arrays.
        left: the indices of the left side, in their order.
        tree: the relation in which the lengths of the indices are found.
    """

    def __init__(self, values: Values, left: list[str], tree: Tree) -> None:
        if isinstance(values.static.get("axis"), tuple):
            raise NoMeaning("one index does not count several axes")
        self.values = values
        sizes = self._sizes(tree)
        on_the_left = [name for name in left if name in sizes]
        self.indices = [*on_the_left, *(name for name in sizes if name not in left)]
        self.summed = len(sizes) - len(on_the_left)
        self.grid = {
            name: np.arange(sizes[name]).reshape([-1 if i == name else 1 for i in self.indices])
            for name in self.indices
        }

    def _sizes(self, tree: Tree) -> dict[str, int]:
        """Find how far each index runs: along the axis of an array that it is the index of."""
        sizes: dict[str, int] = {}
        values = self.values
        meant = {*values.names, *values.equation.definitions}
        for element in [t for t in tree.walk() if t.head == "element"]:
            base = self.base(element)
            if isinstance(base, tuple):
                continue
            n = len(element.parts) - 1
            if base.ndim < n:
                raise NoMeaning("more indices than axes")
            for axis, part in enumerate(element.parts[1:], base.ndim - n):
                if part.head == "name" and part.text not in meant:
                    sizes.setdefault(part.text, base.shape[axis])
        return sizes

    def base(self, element: Tree) -> Any:
        """Return the array that an element is taken from."""
        array = element.parts[0]
        value = self.plain(array)
        return value if isinstance(value, tuple) else self.values.last(array.text, value)

    def plain(self, tree: Tree) -> Any:
        """Return the value of an expression without indices; outputs without reduced axes."""
        if tree.head != "name" or tree.text not in self.values.reduced:
            return self.values.of(tree)
        value, static = self.values.reduced[tree.text], self.values.static
        if not static.get("keepdims"):
            return value
        return np.squeeze(value, axes_of(static["axis"], value.ndim))

    def of(self, tree: Tree) -> Any:
        """Return the value of an expression, without the axes of indices summed over."""
        value = np.asarray(self.value(tree))
        return value.reshape(value.shape[: value.ndim - self.summed])

    def value(self, tree: Tree) -> Any:
        """Return the value of an expression, with an axis for each index."""
        if tree.head == "name" and tree.text in self.grid:
            return self.grid[tree.text]
        if tree.head == "element":
            return self.element(tree)
        if tree.head in ("Σ", "Π"):
            axes = tuple(range(-self.summed, 0))
            return OVER_AXES[tree.head](self.value(tree.parts[0]), axis=axes, keepdims=True)
        if tree.head in ELEMENTWISE:
            return ELEMENTWISE[tree.head](*map(self.value, tree.parts))
        value = self.plain(tree)
        if isinstance(value, np.ndarray):
            return value.reshape(value.shape + (1,) * len(self.indices))
        return value

    def element(self, tree: Tree) -> Any:
        """Return the elements at indices; 0 outside of the array."""
        base, places = self.base(tree), [self.value(part) for part in tree.parts[1:]]
        if isinstance(base, tuple):
            return base[int(places[0])]
        grid = np.zeros((1,) * len(self.indices), int)
        places = [np.asarray(place, int) + grid for place in places]
        sizes = base.shape[base.ndim - len(places) :]
        inside = np.all(
            np.broadcast_arrays(
                *((p >= 0) & (p < size) for p, size in zip(places, sizes, strict=True))
            ),
            axis=0,
        )
        chosen = [np.clip(p, 0, size - 1) for p, size in zip(places, sizes, strict=True)]
        return np.where(inside, base[(..., *chosen)], 0)
