r"""The weight after each step of a block, as a combination of what is known before the block.

Training with small batches is slow because every step reads and writes the whole of the first
weight matrix W, for a product with a few samples. But where W is used only through ``X_t Wᵀ``,
with samples known beforehand, its gradient is ``g_t = D_tᵀ X_t``, where ``D_t`` are the
derivatives of the loss at the pre-activations. Under a rule that is linear in parameter, velocity
and gradient (SGD with momentum, Nesterov's momentum, weight decay), W after t steps is

    W_t = c_t W_0 + e_t V_0 + Σ_{i<t} k_{t,i} D_iᵀ X_i

with numbers c, e, k that depend on learning rates, momentum and decay only. For plain SGD,
``W_t = W_0 − Σ α_i D_iᵀ X_i``. So the pre-activation of step t is

    X_t W_tᵀ = c_t X_t W_0ᵀ + e_t X_t V_0ᵀ + Σ_{i<t} k_{t,i} (X_t X_iᵀ) D_i

and for a block of K steps the products ``X W_0ᵀ`` and ``X Xᵀ`` are two large ones, computed once.
Each step adds a small product with the D's so far, and W is written once, at the end of the block.
It is the same arithmetic in another order, and the results are equal up to rounding.

A bias is the weight of a column of ones: ``X W_tᵀ + 1 b_tᵀ`` is the same with ``X Xᵀ + 1 1ᵀ`` in
the place of ``X Xᵀ``.

The numbers c, e, k are not derived separately for every variant of SGD: the update rule itself is
run, once for each learning rate, on the unit vectors of W, V and g. That gives what W and V of one
step are made of, and from step to step these are multiplied out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tinygrad_mlp.autograd.graph import Array

if TYPE_CHECKING:
    from tinygrad_mlp.optim.optimizers import SGD


def coefficients(optimizer: SGD, lrs: Sequence[float]) -> tuple[Array, Array]:
    """Return what the optimizer's rule makes of W_0, V_0 and the gradients, step by step.

    The first array has a row for each t = 0, …, K with the coefficients of W_0, V_0 and every g_i
    in W_t, that is c_t, e_t and k_t; the second has those in V_t. Both have shape (K + 1, K + 2).
    """
    W, V, g = np.eye(3)
    rules: dict[float, Array] = {}
    made = np.eye(2, len(lrs) + 2)  # of what W and V are made after so many steps
    steps = [made]
    for t, lr in enumerate(lrs):
        if lr not in rules:
            weight, state = optimizer.rule(W, g, {"velocity": V}, lr)
            rules[lr] = np.array([weight, state["velocity"]])
        made = rules[lr][:, :2] @ made
        made[:, t + 2] = rules[lr][:, 2]
        steps.append(made)
    weights, velocities = np.stack(steps, axis=1)
    return weights, velocities
