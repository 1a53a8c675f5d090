"""Rounding made visible: operations evaluated on arguments that are off by a rounding error."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.graph import Value
from tinygrad_mlp.autograd.op import Op

TRIALS = 4
"""Number of noisy evaluations from which the rounding error of one evaluation is estimated."""

MOVING = frozenset(
    {ops.reshape, ops.transpose, ops.swapaxes, ops.broadcast_to, ops.astype, ops.identity}
)
"""Operations that pass their argument's numbers on and so do not round."""


class RoundingNoise:
    """A hook (see `Mode`) that changes the arguments of every operation by a rounding error.

    Each element is multiplied by ``1 + eps · n``, where n is a standard normal number. How far
    several evaluations under this hook are from the exact one shows what rounding can do to the
    result, including errors that cancellation inside the function magnifies.

    Args:
        eps: relative size of one rounding error.
        rng: source of the random numbers.
    """

    def __init__(self, eps: float, rng: np.random.Generator) -> None:
        self.eps = eps
        self.rng = rng

    def __call__(self, op: Op, args: tuple[Any, ...], static: dict[str, Any]) -> Any:
        """Apply the operation to changed arguments."""
        return op.unhooked(self.changed(op, args), static)

    def changed(self, op: Op, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the arguments with errors, or unchanged where `op` only compares or moves them."""
        # Equal numbers must stay equal: the rule of max looks for the maximum in its argument.
        exact = op.nondifferentiable or op in MOVING
        return args if exact else tuple(self._rounded(a) for a in args)

    def _rounded(self, a: Any) -> Any:
        if not isinstance(a, Value) or a.data.dtype.kind not in "fc":
            return a
        error = np.asarray(self.rng.standard_normal(a.data.shape), dtype=a.data.real.dtype)
        return ops.multiply.unhooked((a, 1 + error * self.eps), {})
