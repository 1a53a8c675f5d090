"""The optimizers: an update rule with its hyper-parameters and initial state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from tinygrad_mlp.autograd import Tensor
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.optim import rules
from tinygrad_mlp.optim.optimizer_base import Optimizer, Rate
from tinygrad_mlp.optim.rules import State
from tinygrad_mlp.support.checks import flag, fraction, not_negative, positive

if TYPE_CHECKING:
    from tinygrad_mlp.autograd.graph import Array


def _zeros(parameter: Array | Tensor) -> Array:
    return np.zeros(parameter.shape, parameter.dtype)


class SGD(Optimizer):
    """Stochastic gradient descent ``θ' = θ − α g``, with momentum on request (see `rules.sgd`).

    Args:
        parameters: tensors with ``requires_grad=True``, also in nested lists and dicts.
        lr: the learning rate `α`: a number, a `Schedule`, or a function of the epoch.
        momentum: in [0, 1). The velocity ``v' = momentum · v + g`` takes the place of `g`.
        nesterov: whether to look ahead, by ``g + momentum · v'`` in place of ``v'``.
        weight_decay: `λ` of the penalty ``½ λ θ²``, whose gradient ``λ θ`` is added to `g`.

    Raises:
        InvalidArgumentError: no parameters, one twice or none that gradients flow to; or a
            hyper-parameter outside of its interval.

    Source: Robbins and Monro, 1951; Polyak, 1964, for the momentum; Sutskever et al.,
    2013, for Nesterov's.

    >>> w = Tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = SGD([w], lr=0.25)
    >>> (w * w).sum().backward()
    >>> optimizer.step()  # w − 0.25 · 2 w
    >>> w.data
    array([0.5, 1. ])
    >>> optimizer
    SGD(1 parameter, lr=0.25, momentum=0.0, nesterov=False, weight_decay=0.0)
    """

    update = staticmethod(rules.sgd)
    checks = {"momentum": fraction, "nesterov": flag, "weight_decay": not_negative}

    # The rate is required. None is refused, but after what is wrong with the parameters.
    def __init__(self, parameters: Iterable[Tensor],
                 lr: Rate = None,  # type: ignore[assignment]
                 momentum: float = 0.0, nesterov: bool = False, weight_decay: float = 0.0) -> None:
        super().__init__(
            parameters, lr, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay)

    def check(self, hyperparameters: Mapping[str, object]) -> dict[str, object]:
        """Check the hyper-parameters; with `nesterov` there must be momentum.

        Raises:
            InvalidArgumentError: it has none, or a hyper-parameter is out of its interval.
        """
        plain = super().check(hyperparameters)
        if plain["nesterov"] and not plain["momentum"]:
            raise InvalidArgumentError(
                "SGD(): nesterov=True must come with momentum > 0. Got momentum=0: pass e.g. "
                "momentum=0.9, or leave nesterov out.")
        return plain

    def init_state(self, parameter: Array | Tensor) -> State:
        """Return a velocity of 0; without momentum, nothing."""
        return {"velocity": _zeros(parameter)} if self.hyperparameters["momentum"] else {}


class Adam(Optimizer):
    """Adam: running means of gradient and square set the step of each element (`rules.adam`).

    Args:
        parameters: tensors with ``requires_grad=True``, also in nested lists and dicts.
        lr: the learning rate, about the size of a step: a number, a `Schedule`, or a function of
            the epoch.
        beta1: in [0, 1); how much of the mean of the gradient is kept from step to step.
        beta2: in [0, 1); the same for the mean of its square.
        eps: above 0, in the gradient's units: smaller gradients than this make smaller steps.
        weight_decay: `λ`; ``λ θ`` is added to the gradient. See `AdamW` for the other way.

    Raises:
        InvalidArgumentError: as `SGD`.

    Source: Kingma and Ba, "Adam: a method for stochastic optimization", 2015, algorithm 1.

    >>> w = Tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = Adam([w], lr=0.125)
    >>> (1000 * w * w).sum().backward()
    >>> optimizer.step()  # the first step is lr · sign of the gradient
    >>> w.data
    array([ 0.875, -1.875])
    """

    update = staticmethod(rules.adam)
    checks = {"beta1": fraction, "beta2": fraction, "eps": positive, "weight_decay": not_negative}

    def __init__(self, parameters: Iterable[Tensor], lr: Rate = 0.001, *, beta1: float = 0.9,
                 beta2: float = 0.999, eps: float = 1e-8, weight_decay: float = 0.0) -> None:
        super().__init__(
            parameters, lr, beta1=beta1, beta2=beta2, eps=eps, weight_decay=weight_decay)

    def init_state(self, parameter: Array | Tensor) -> State:
        """Return means of 0, after no step."""
        return {"t": 0, "m": _zeros(parameter), "v": _zeros(parameter)}


class AdamW(Adam):
    """Adam with decoupled weight decay: ``θ`` shrinks by ``1 − α λ`` a step (`rules.adamw`).

    Args:
        parameters, lr, beta1, beta2, eps: as for `Adam`.
        weight_decay: `λ`, not scaled by the gradient.

    Raises:
        InvalidArgumentError: as `SGD`.

    Source: Loshchilov and Hutter, "Decoupled weight decay regularization", 2019, algorithm 2.

    >>> w = Tensor([4.0], requires_grad=True)
    >>> w.grad = np.zeros(1)
    >>> AdamW([w], lr=0.5, weight_decay=0.5).step()
    >>> w.data
    array([3.])
    """

    update = staticmethod(rules.adamw)

    def __init__(self, parameters: Iterable[Tensor], lr: Rate = 0.001, *, beta1: float = 0.9,
                 beta2: float = 0.999, eps: float = 1e-8, weight_decay: float = 0.01) -> None:
        super().__init__(
            parameters, lr, beta1=beta1, beta2=beta2, eps=eps, weight_decay=weight_decay)


class RMSprop(Optimizer):
    """RMSprop: the gradient divided by the root of the mean of its square (`rules.rmsprop`).

    Args:
        parameters: tensors with ``requires_grad=True``, also in nested lists and dicts.
        lr: the learning rate: a number, a `Schedule`, or a function of the epoch.
        alpha: in [0, 1); how much of the mean of the square is kept from step to step.
        eps: above 0, in the gradient's units; added to the root.
        momentum: in [0, 1), of the quotient.
        centered: whether to subtract the square of the mean: the variance for the mean square.
        weight_decay: `λ`; ``λ θ`` is added to the gradient.

    Raises:
        InvalidArgumentError: as `SGD`.

    Source: Tieleman and Hinton, 2012; the centred form of Graves, "Generating sequences with
    recurrent neural networks", 2013.

    >>> w = Tensor([1.0], requires_grad=True)
    >>> w.grad = np.array([100.0])
    >>> RMSprop([w], lr=0.25, alpha=0.75).step()  # the root is 100 √(1 − 0.75) = 50
    >>> w.data
    array([0.5])
    """

    update = staticmethod(rules.rmsprop)
    checks = {"alpha": fraction, "eps": positive, "momentum": fraction, "centered": flag,
              "weight_decay": not_negative}

    def __init__(self, parameters: Iterable[Tensor], lr: Rate = 0.01, *, alpha: float = 0.99,
                 eps: float = 1e-8, momentum: float = 0.0, centered: bool = False,
                 weight_decay: float = 0.0) -> None:
        super().__init__(parameters, lr, alpha=alpha, eps=eps, momentum=momentum, centered=centered,
                         weight_decay=weight_decay)

    def init_state(self, parameter: Array | Tensor) -> State:
        """Return means of 0, and with momentum a velocity of 0."""
        needed = {"v": True, "m": self.hyperparameters["centered"],
                  "velocity": self.hyperparameters["momentum"]}
        return {name: _zeros(parameter) for name, wanted in needed.items() if wanted}
