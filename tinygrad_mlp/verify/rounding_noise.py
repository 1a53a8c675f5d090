"""Rounding made visible: operations evaluated on arguments that are off by a rounding error."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.graph import Array, Value
from tinygrad_mlp.autograd.op import Op

TRIALS = 4
"""Number of noisy evaluations from which the rounding error of one evaluation is estimated."""

MOVING = frozenset(
    {ops.reshape, ops.transpose, ops.swapaxes, ops.broadcast_to, ops.astype, ops.identity})
"""Operations that pass their argument's numbers on and so do not round."""


class RoundingNoise:
    """A hook (see `Mode`) that changes the arguments of every operation by a rounding error.

    Each element is multiplied by ``1 + eps · n``, where n is a standard normal number. How far
    several evaluations under this hook are from the exact one shows what rounding can do to the
    result, including errors that cancellation inside the function magnifies.
    """

    def __init__(self, eps: float, rng: np.random.Generator) -> None:
        self.eps, self.rng = eps, rng

    def __call__(self, op: Op, args: tuple[Any, ...], static: dict[str, Any]) -> Any:
        """Apply the operation to changed arguments."""
        return evaluate(op, args, self.arrays(op, args), static)

    def arrays(self, op: Op, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the arguments' arrays with errors, or exact where `op` only compares or moves."""
        exact = exact_arrays(op, args)
        # Equal numbers must stay equal: the rule of max looks for the maximum in its argument.
        if op.nondifferentiable or op in MOVING:
            return exact
        pairs = zip(args, exact, strict=True)
        return tuple(self._rounded(array) if isinstance(a, Value) else array for a, array in pairs)

    def _rounded(self, array: Array) -> Array:
        if array.dtype.kind not in "fc":
            return array
        error = np.asarray(self.rng.standard_normal(array.shape), dtype=array.real.dtype)
        return np.asarray(array * (1 + error * self.eps))


def exact_arrays(op: Op, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the arrays that the forward function of `op` receives for `args`."""

    def array_of(a: Any) -> Any:
        if isinstance(a, Value):
            return a.data
        return a if a is None or isinstance(a, op.weak_scalars) else np.asarray(a)

    return tuple(map(array_of, args))


def evaluate(op: Op, args: tuple[Any, ...], arrays: tuple[Any, ...], static: dict[str, Any]) -> Any:
    """Return and record what `op` computes from `arrays`, as its result for `args`."""
    out = op.forward(*arrays, **static)
    return op.as_value(args, arrays, static, out if op.outputs > 1 else np.asarray(out))
