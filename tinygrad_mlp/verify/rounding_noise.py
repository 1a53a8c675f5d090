"""Rounding made visible: operations evaluated on arguments that are off by a rounding error."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.graph import Array, Value, make_value
from tinygrad_mlp.autograd.op import Op, Static

TRIALS = 4
"""Number of noisy evaluations from which the rounding error of one evaluation is estimated."""

MOVING = frozenset(
    {ops.reshape, ops.transpose, ops.swapaxes, ops.broadcast_to, ops.astype, ops.identity,
     ops.getitem, ops.concatenate, ops.stack, ops.where, ops.diagonal, ops.embed_diagonal, ops.tril,
     ops.triu, ops.roll, ops.pad, ops.windows, ops.negative})
"""Operations that pass their argument's numbers on and so do not round."""


DECIDING = frozenset(
    {ops.max, ops.min, ops.median, ops.sort, ops.partition, ops.maximum, ops.minimum, ops.fmax,
     ops.fmin, ops.clip, ops.relu, ops.leaky_relu, ops.abs, ops.sign, ops.heaviside, ops.floor,
     ops.ceil, ops.trunc, ops.rint, ops.round, ops.floor_divide, ops.mod, ops.fmod, ops.nan_to_num,
     ops.max_pool2d})
"""Operations that select or compare: which piece of them holds is decided by their arguments, and
within a piece they are linear. They do not round."""


def decides(op: Op, static: dict[str, object]) -> bool:
    """Return whether an operation decides something, so that its derivative may jump."""
    return op.nondifferentiable or op in DECIDING or (
        op is ops.vector_norm and static.get("ord") not in (None, 2))


class Decision(NamedTuple):
    """A call of an operation that decides: what it was given, and what it returned."""

    op: Op
    arrays: tuple[Any, ...]
    out: Any


class RoundingNoise:
    """A hook (see `Mode`) that changes the arguments of every operation by a rounding error.

    Each element is multiplied by ``1 + eps · n``, where n is a standard normal number. How far
    several evaluations under this hook are from the exact one shows what rounding can do to the
    result, including errors that cancellation inside the function magnifies.

    A jump at a tie is no rounding error. Where the `decisions` of the exact evaluation are given,
    in their order, those are made again: the branches taken, and the pieces whose slopes the
    gradient rules use. The results of those with the numbers in `constants` get no gradient.
    """

    def __init__(self, eps: float, rng: np.random.Generator, decisions: Sequence[Decision] = (),
                 constants: Collection[int] = ()) -> None:
        self.eps, self.rng, self.constants = eps, rng, constants
        self._left: Iterator[tuple[int, Decision]] = iter(enumerate(decisions))

    def __call__(self, op: Op, args: tuple[object, ...], static: Static) -> Any:
        """Apply the operation to changed arguments."""
        found = evaluate(op, args, self.arrays(op, args, static), static)
        return self._as_decided(op, found) if decides(op, static) else found

    def arrays(self, op: Op, args: tuple[object, ...], static: Static) -> tuple[Any, ...]:
        """Return the arguments' arrays with errors, or exact where `op` only compares or moves."""
        exact = exact_arrays(op, args)
        # Equal numbers must stay equal: the rule of max looks for the maximum in its argument.
        if op in MOVING or decides(op, static):
            return exact
        pairs = zip(args, exact, strict=True)
        return tuple(self._rounded(array) if isinstance(a, Value) else array for a, array in pairs)

    def _as_decided(self, op: Op, found: Any) -> Any:
        """Return a result with the decision of the exact evaluation, if it made this call."""
        number, known = next(self._left, (-1, None))
        if known is None or known.op is not op:
            self._left = iter([])  # another branch: what follows belongs to other calls
            return found
        node = found.node if isinstance(found, Value) else None
        if op.nondifferentiable:
            return known.out
        if node is not None:
            if number in self.constants:
                return make_value(type(found), found.data, None, False)
            node.arrays, node.out = known.arrays, known.out
        return found

    def _rounded(self, array: Array) -> Array:
        if array.dtype.kind not in "fc":
            return array
        error = np.asarray(self.rng.standard_normal(array.shape), dtype=array.real.dtype)
        return np.asarray(array * (1 + error * self.eps))


def exact_arrays(op: Op, args: tuple[object, ...]) -> tuple[Any, ...]:
    """Return the arrays that the forward function of `op` receives for `args`."""

    def array_of(a: object) -> Any:
        if isinstance(a, Value):
            return a.data
        return a if a is None or isinstance(a, op.weak_scalars) else np.asarray(a)

    return tuple(map(array_of, args))


def evaluate(op: Op, args: tuple[object, ...], arrays: tuple[object, ...],
             static: dict[str, object]) -> Any:
    """Return and record what `op` computes from `arrays`, as its result for `args`."""
    out = op.forward(*arrays, **static)
    return op.as_value(args, arrays, static, out if op.outputs > 1 else np.asarray(out))
