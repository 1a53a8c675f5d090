"""Minimisers of functions of nested arrays, with autograd's arguments and the rules of `tg.optim`.

Each takes the gradient as a function ``(x, iteration)`` and returns the last x. `callback` is
called as ``callback(x, iteration, gradient)`` before each step.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.pytree import leaves, leaves_like, rebuild
from tinygrad_mlp.optim import rules

__all__ = ["adam", "rmsprop", "sgd"]

Gradient = Callable[[Any, int], Any]
Callback = Callable[[Any, int, Any], Any] | None


def _minimised(grad: Gradient, x: Any, callback: Callback, num_iters: int, update: Any,
               state: Callable[[object], dict[str, object]]) -> Any:
    arrays = [np.asarray(a, float) for a in leaves(x)]
    states = [state(a) for a in arrays]
    for i in range(num_iters):
        nested = rebuild(x, arrays)
        gradient = grad(nested, i)
        if callback is not None:
            callback(nested, i, gradient)
        stepped = map(update, arrays, leaves_like(x, gradient), states)
        arrays, states = map(list, zip(*stepped, strict=True))
    return rebuild(x, arrays)


def sgd(grad: Gradient, x: object, callback: Callback = None, num_iters: int = 200,
        step_size: float = 0.1, mass: float = 0.9) -> Any:
    """Minimise by gradient descent along the running mean of gradients, ``v' = m v + (1 − m) g``.

    >>> sgd(lambda x, i: {"w": 2 * x["w"]}, {"w": np.array([1.0])})["w"].round(4) + 0
    array([0.])
    """
    update = partial(rules.sgd, lr=step_size * (1 - mass), momentum=mass)
    return _minimised(grad, x, callback, num_iters, update,
                      lambda a: {"velocity": np.zeros_like(a)} if mass else {})


def rmsprop(grad: Gradient, x: Any, callback: Callback = None, num_iters: int = 100,
            step_size: float = 0.1, gamma: float = 0.9, eps: float = 1e-8) -> Any:
    """Minimise by RMSprop, whose running mean of squares begins at 1.

    >>> rmsprop(lambda x, i: 2 * x, np.array([1.0]), step_size=0.01)[0] < 0.2
    np.True_
    """
    update = partial(rules.rmsprop, lr=step_size, alpha=gamma, eps=eps)
    return _minimised(grad, x, callback, num_iters, update,
                      lambda a: {"v": np.ones_like(a)})


def adam(grad: Gradient, x: object, callback: Callback = None, num_iters: int = 100,
         step_size: float = 0.001, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8) -> Any:
    """Minimise by Adam.

    >>> adam(lambda x, i: 2 * x, np.array([1.0]), num_iters=10, step_size=0.1).round(4)
    array([0.0762])
    """
    update = partial(rules.adam, lr=step_size, beta1=b1, beta2=b2, eps=eps)
    return _minimised(grad, x, callback, num_iters, update, lambda a: {
        "t": 0, "m": np.zeros_like(a), "v": np.zeros_like(a)})
