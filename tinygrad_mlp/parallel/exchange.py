"""The sum of the gradients over all ranks: one flat array a step, in eager and recorded steps.

A mean over a batch is the sum of the means over its parts, each weighted by its share of the
samples: ``∇L = Σ_r (n_r / n) ∇L_r``. The weights are applied while the gradients are copied into
one array, which the ranks add up at once. In front are the batch's loss and its accuracy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import op
from tinygrad_mlp.autograd.tensor import Tensor
from tinygrad_mlp.parallel.ranks import Ranks


@op(register=False, nondifferentiable=True)
def sum_over_ranks(*shares: object, exchange: Exchange) -> Array:
    """Return the weighted sums over all ranks of some arrays, one after the other in one array."""
    flat: Array = exchange.weighted_sum(shares)
    return flat


class Exchange:
    """The exchange of loss, accuracy and gradients between the ranks, once a step.

    However often a step is tried (recorded, then taken eagerly), the ranks speak once. A rank for
    which `ends` returns true makes the loss NaN, so that no rank updates.

    Attributes:
        weight: the share of this rank in the samples of the batch.
        silent: whether to return the own shares, without the other ranks; for recordings of which
            those do not know.
    """

    def __init__(self, ranks: Ranks, parameters: Sequence[Tensor],
                 ends: Callable[[], bool]) -> None:
        self.ranks, self.parameters, self.ends = ranks, parameters, ends
        self.weight = 1.0
        self.silent = False
        self._total: Array | None = None

    def begin(self, weight: float) -> None:
        """Begin a step of which this rank has a share of so much."""
        self.weight, self._total = weight, None

    def __call__(self, loss: object, accuracy: object) -> tuple[object, object]:
        """Put the gradients of the whole batch in place of those of this rank's part.

        Return loss and accuracy of the whole batch.
        """
        shares = [
            np.zeros(p.shape, p.dtype) if p.grad is None else p.grad for p in self.parameters]
        flat = sum_over_ranks(loss, accuracy, *shares, exchange=self)
        end = 2
        for parameter, share in zip(self.parameters, shares, strict=True):
            begin, end = end, end + parameter.size
            if parameter.grad is not None:
                total = flat[begin:end].reshape(parameter.shape)
                parameter.grad = total if total.dtype == share.dtype else total.astype(share.dtype)
        return flat[0], flat[1]

    def weighted_sum(self, shares: Sequence[object]) -> Array:
        """Return the sums over all ranks; those of this step if they are there already."""
        if self._total is None:
            own = self._packed([np.asarray(share) for share in shares])
            if self.silent:
                return own
            self._total = self.ranks.sum(own)
        return self._total

    def _packed(self, shares: Sequence[Array]) -> Array:
        """Return the arrays, times the weight, one after the other."""
        flat = np.empty(sum(a.size for a in shares), np.result_type(*shares[2:]))
        end = 0
        for a in shares:
            begin, end = end, end + a.size
            np.multiply(a, self.weight, out=flat[begin:end].reshape(a.shape))
        if self.ends():
            flat[0] = math.nan
        return flat
