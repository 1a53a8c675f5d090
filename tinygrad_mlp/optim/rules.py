"""The update rules: pure functions from (parameter, gradient, state) to (parameter, state).

A rule does not change its arguments and consists of operators and operations only. So the same
code runs on arrays, in `Optimizer.step`; on Tensors, to differentiate a training step; and as part
of a traced program.

Below, `θ` is the parameter, `g` its gradient, `α` the learning rate `lr`, `λ` the `weight_decay`;
a prime marks what is new. Products and quotients of arrays are element by element. All scalars
are Python numbers, beside which a float32 parameter stays float32.

The result is written ``parameter + -step * direction`` and not as a difference: NumPy can add into
the memory of the product on the right, but not subtract. For a large matrix this saves a third of
the time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_mlp.autograd.ops import maximum, sqrt

if TYPE_CHECKING:
    from tinygrad_mlp.autograd.graph import Array
    from tinygrad_mlp.autograd.tensor import Tensor

State = dict[str, Any]
"""The state of one parameter between steps: arrays of its shape, and counts."""


def sgd(parameter: Array | Tensor, gradient: Array | Tensor, state: State, *, lr: float | Tensor,
        momentum: float = 0.0, nesterov: bool = False,
        weight_decay: float = 0.0) -> tuple[Array | Tensor, State]:
    """Return the step of stochastic gradient descent, ``θ' = θ − α g``.

    With weight decay, ``g + λ θ`` replaces `g`. With momentum `μ` and velocity `v`::

        v' = μ v + g
        θ' = θ − α v'              θ' = θ − α (g + μ v')  for Nesterov's

    Args:
        state: ``{"velocity": v}``, 0 at first; with momentum 0, ``{}``.

    Source: Sutskever, Martens, Dahl and Hinton, 2013, in PyTorch's form, where `α` multiplies
    the velocity and not the gradient.

    >>> sgd(1.0, 2.0, {}, lr=0.1)
    (0.8, {})
    >>> sgd(1.0, 2.0, {"velocity": 1.0}, lr=0.1, momentum=0.5)
    (0.75, {'velocity': 2.5})
    """
    direction = gradient + weight_decay * parameter if weight_decay else gradient
    if momentum:
        velocity = momentum * state["velocity"] + direction
        direction = direction + momentum * velocity if nesterov else velocity
        state = {"velocity": velocity}
    return parameter + -lr * direction, state


def adam(parameter: Array | Tensor, gradient: Array | Tensor, state: State, *, lr: float | Tensor,
         beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8,
         weight_decay: float = 0.0) -> tuple[Array | Tensor, State]:
    """Return the step of Adam, of about `α` whatever the scale of the gradient.

    With weight decay, ``g + λ θ`` replaces `g`. With running means `m` of the gradient and `v`
    of its square, both pulled towards their start at 0, which the divisions correct::

        m' = β₁ m + (1 − β₁) g
        v' = β₂ v + (1 − β₂) g²
        θ' = θ − α m' / (1 − β₁^t) / (√(v' / (1 − β₂^t)) + ε)      t = 1, 2, …

    Args:
        state: ``{"t": number of steps done, "m": m, "v": v}``, all 0 at first. `t` counts the
            steps of this parameter: one that had no gradient for a while starts its correction
            later.

    Source: Kingma and Ba, 2015, algorithm 1.

    >>> adam(1.0, 100.0, {"t": 0, "m": 0.0, "v": 0.0}, lr=0.25)[0].round(6)
    np.float64(0.75)
    """
    if weight_decay:
        gradient = gradient + weight_decay * parameter
    t = state["t"] + 1
    m = beta1 * state["m"] + (1 - beta1) * gradient
    v = beta2 * state["v"] + (1 - beta2) * gradient * gradient
    # The correction of v multiplies both sides of the quotient: numbers, and no pass over v.
    correction = (1 - beta2**t) ** 0.5
    step_size = lr * correction / (1 - beta1**t)
    scale = sqrt(v) + eps * correction
    return parameter + -step_size * m / scale, {"t": t, "m": m, "v": v}


def adamw(parameter: Array | Tensor, gradient: Array | Tensor, state: State, *, lr: float | Tensor,
          beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8,
          weight_decay: float = 0.01) -> tuple[Array | Tensor, State]:
    """Return the step of Adam with decoupled weight decay: ``(1 − α λ) θ`` replaces `θ`.

    In `adam` the decay is part of the gradient, and is divided by the gradient's scale with it;
    here all parameters decay at the same rate.

    Args:
        state: as for `adam`.

    Source: Loshchilov and Hutter, 2019, in PyTorch's form, where `α` multiplies `λ`.

    >>> adamw(1.0, 0.0, {"t": 0, "m": 0.0, "v": 0.0}, lr=0.5, weight_decay=0.5)[0]
    np.float64(0.75)
    """
    if weight_decay:
        parameter = (1 - lr * weight_decay) * parameter
    return adam(parameter, gradient, state, lr=lr, beta1=beta1, beta2=beta2, eps=eps)


def rmsprop(parameter: Array | Tensor, gradient: Array | Tensor, state: State, *,
            lr: float | Tensor, alpha: float = 0.99, eps: float = 1e-8, momentum: float = 0.0,
            centered: bool = False, weight_decay: float = 0.0) -> tuple[Array | Tensor, State]:
    """Return the step of RMSprop: the gradient over the root of the mean of its square.

    With weight decay, ``g + λ θ`` replaces `g`. With the decay rate `a` (`alpha`)::

        v' = a v + (1 − a) g²
        d  = g / (√v' + ε)
        θ' = θ − α d

    Centered, ``v' − m'²`` replaces `v'` in the quotient, with the running mean
    ``m' = a m + (1 − a) g``: the variance and not the mean square. With momentum `μ`, the
    velocity ``u' = μ u + d`` replaces `d`.

    Args:
        state: ``{"v": v}``, ``"m"`` as well where centered, ``"velocity"`` (`u`) where there is
            momentum; all 0 at first.

    Source: Tieleman and Hinton, 2012, lecture 6.5; Graves, 2013, for the centered form.

    >>> rmsprop(1.0, 2.0, {"v": 0.0}, lr=0.25, alpha=0.75, eps=1e-12)[0].round(6)
    np.float64(0.5)
    """
    if weight_decay:
        gradient = gradient + weight_decay * parameter
    v = alpha * state["v"] + (1 - alpha) * gradient * gradient
    new = {"v": v}
    if centered:
        new["m"] = m = alpha * state["m"] + (1 - alpha) * gradient
        # Never negative but for rounding: where the gradient is constant, this cancels.
        v = maximum(v - m * m, 0.0)
    direction = gradient / (sqrt(v) + eps)
    if momentum:
        new["velocity"] = direction = momentum * state["velocity"] + direction
    return parameter + -lr * direction, new
