"""Functions of one number or of one example, for many: `elementwise_grad` and `vmap`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ParamSpec

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.functional import grad
from tinygrad_mlp.autograd.graph import Value
from tinygrad_mlp.autograd.mode import MODE, changed_mode
from tinygrad_mlp.autograd.pytree import leaves, map_leaves, rebuild
from tinygrad_mlp.autograd.stack_rules import side_by_side
from tinygrad_mlp.autograd.stacks import Stack, Stacking
from tinygrad_mlp.autograd.tensor import Tensor, numeric_array
from tinygrad_mlp.errors import InvalidArgumentError, ShapeError

Axes = int | None | Sequence[int | None]
P = ParamSpec("P")


def elementwise_grad(f: Callable[P, Any], argnums: int = 0) -> Callable[P, Any]:
    """Return the derivative of a function that works element by element.

    The gradient of the sum of its results: ``∂f(x)[i] / ∂x[i]``, where no other element of x has
    an influence on ``f(x)[i]``.

    Args:
        f: a function of arrays, such as a plot needs.
        argnums: the argument to differentiate with respect to.

    >>> import numpy as np, tinygrad_mlp as tg
    >>> elementwise_grad(tg.tanh)(np.array([0.0, 1.0])).round(4)
    array([1.  , 0.42])
    """
    return grad(lambda *args, **kwargs: ops.sum(f(*args, **kwargs)), argnums)


def vmap(f: Callable[..., object], in_axes: Axes = 0) -> Callable[..., Any]:
    """Return `f` as a function of many examples: ``(xs, …) -> [f(xs[0], …), f(xs[1], …), …]``.

    The operations are called once for all examples. Where that cannot be, as where `f` decides by
    a value, `f` is called for each. The result can be differentiated, and `f` may itself contain
    gradients: ``vmap(grad(loss), (None, 0, 0))`` are the gradients of a loss, example by example.

    Args:
        f: a function of arrays, or nestings of them, that returns such. It is called more than
            once, and must not change anything.
        in_axes: the axis of the examples in all arguments, or one for each argument; None for an
            argument that is the same for all examples.

    Returns:
        The function. Its results have the examples along the first axis.

    Raises:
        ShapeError: when called, if the arguments have different numbers of examples, or none.
        InvalidArgumentError: when called, if `in_axes` does not fit the arguments.

    >>> import numpy as np, tinygrad_mlp as tg
    >>> loss = lambda w, x, y: (tg.dot(w, x) - y) ** 2
    >>> X, Y = np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([0.0, 1.0])
    >>> vmap(tg.grad(loss), (None, 0, 0))(np.array([1.0, 2.0]), X, Y)
    array([[ 2.,  0.],
           [ 0., 12.]])
    """

    def mapped(*args: object) -> Any:
        given, count = _in_front(args, in_axes)
        hook = Stacking(MODE.get().hook)
        try:
            with changed_mode(hook=hook):
                stacked = [Stack.of(a, hook) for a in given]
                made = f(*rebuild(args, stacked))
                return map_leaves(lambda out: _unstacked(hook, out, given), made)
        except Exception:  # one by one, what is wrong will be seen
            results = [f(*rebuild(args, [a[i] for a in given])) for i in range(count)]
        parts = zip(*map(leaves, results), strict=True)
        return rebuild(results[0], [side_by_side(part) for part in parts])

    return mapped


def _in_front(args: Sequence[Any], in_axes: Axes) -> tuple[list[Any], int]:
    """Return the arrays of the arguments with the examples along the first axis, and their number.

    What is the same for all examples is repeated, without taking memory.
    """
    axes = [in_axes] * len(args) if in_axes is None or isinstance(in_axes, int) else [*in_axes]
    if len(axes) != len(args) or all(axis is None for axis in axes):
        raise InvalidArgumentError(
            f"vmap() expects in_axes with an axis, or None, for each of {len(args)} arguments, and "
            f"not None for all. Got {in_axes!r}.")
    arrays: list[tuple[Any, bool]] = []
    for arg, axis in zip(args, axes, strict=True):
        for a in leaves(arg):
            array: Any = a if isinstance(a, Value) else numeric_array(a)
            if axis is None:
                arrays.append((array, False))
            elif -array.ndim <= axis < array.ndim:
                arrays.append((ops.moveaxis(array, axis, 0) if axis else array, True))
            else:
                raise ShapeError(
                    f"vmap() expects arrays with an axis {axis}. Got shape {array.shape}.")
    counts = sorted({len(a) for a, along in arrays if along})
    if len(counts) != 1 or not counts[0]:
        raise ShapeError(
            f"vmap() expects the same number of examples in all arguments, at least one. "
            f"Got {', '.join(map(str, counts)) or 'no array'}.")
    count = counts[0]
    return [a if along else np.broadcast_to(a, (count, *a.shape)) for a, along in arrays], count


def _unstacked(hook: Stacking, out: Any, given: Sequence[Any]) -> Any:
    """Return a result with the examples along the first axis, in memory of its own."""
    stack = hook.stack_in(out)
    if stack is not None:
        arrays = stack.arrays
    else:
        value = out if isinstance(out, Tensor) else np.asarray(out)
        with changed_mode(hook=hook.outer):
            arrays = np.broadcast_to(value, (len(given[0]), *value.shape))
    if isinstance(arrays, Value):
        return arrays
    return arrays.copy() if arrays.base is not None or any(arrays is a for a in given) else arrays
