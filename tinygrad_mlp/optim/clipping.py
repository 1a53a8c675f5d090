"""Clipping of gradients by their norm."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from tinygrad_mlp.autograd import Tensor
from tinygrad_mlp.errors import NonFiniteError, refuse_assigned
from tinygrad_mlp.optim.parameters import label, parameter_list
from tinygrad_mlp.support.checks import positive_or_infinite


def clip_by_norm(parameters: Iterable[Tensor], max_norm: float) -> float:
    """Shorten the gradients, taken together as one vector, to a length of at most `max_norm`.

    ``‖g‖ = √(Σ g²)`` over all elements of all parameters; where that is more than `max_norm`,
    every gradient is multiplied by ``max_norm / ‖g‖``, which keeps the direction. Call it between
    `backward()` and `step()`. No array is written to: each `.grad` becomes a new one.

    Args:
        parameters: tensors; those without a gradient are passed over.
        max_norm: more than 0; with infinity, nothing is changed.

    Returns:
        The length before, in the gradients' units. (Should it be beyond the largest float, it is
        returned as infinity; the gradients are shortened correctly all the same.)

    Raises:
        NonFiniteError: a gradient contains NaN or infinity. Nothing is changed.
        InvalidArgumentError: `max_norm` is not above 0, or `parameters` no iterable of tensors.

    Source: Pascanu, Mikolov and Bengio, 2013, algorithm 1.

    >>> w = Tensor([0.0, 0.0], requires_grad=True)
    >>> (3 * w[0] + 4 * w[1]).backward()
    >>> clip_by_norm([w], max_norm=1.0)
    5.0
    >>> w.grad
    array([0.6, 0.8])
    """
    max_norm = positive_or_infinite(max_norm, "clip_by_norm(): max_norm")
    largest = 0.0
    found = []
    for index, parameter in enumerate(parameter_list("clip_by_norm()", parameters)):
        if parameter.grad is None:
            continue
        refuse_assigned(parameter.grad, "grad")
        peak = float(np.max(np.abs(parameter.grad), initial=0.0))
        if not math.isfinite(peak):
            raise NonFiniteError(
                f"clip_by_norm() expects finite gradients. That of {label(index, parameter)} "
                "contains NaN or infinity: lower the learning rate, or look for a division by "
                "zero or an overflow in the loss.")
        largest = max(largest, peak)
        found.append((parameter, parameter.grad))
    if largest == 0.0:
        return 0.0
    # Relative to the largest element no square overflows, nor do all of them vanish.
    squares = (np.sum(np.square(g / largest), dtype=np.float64) for _, g in found)
    relative = math.sqrt(math.fsum(squares))
    norm = largest * relative
    if norm > max_norm:
        for parameter, g in found:
            parameter.grad = np.asarray(g / largest * (max_norm / relative))
    return norm
