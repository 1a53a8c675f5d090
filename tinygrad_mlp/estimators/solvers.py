"""The solvers: an optimizer for steps on batches, or L-BFGS on all samples at once."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp import nn, optim
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.estimators.objective import Objective
from tinygrad_mlp.estimators.settings import RATES
from tinygrad_mlp.optim.schedule import as_schedule


def make_optimizer(estimator: Any, parameters: list[nn.Parameter]) -> optim.Optimizer:
    """The optimizer that an estimator's parameters describe, with `learning_rate_init`.

    Raises:
        InvalidArgumentError: the user's function makes something else, or does not take
            (parameters, lr).
    """
    lr = estimator.learning_rate_init
    if callable(estimator.learning_rate):
        lr = estimator.learning_rate
    adam = {"beta1": estimator.beta_1, "beta2": estimator.beta_2, "eps": estimator.epsilon}
    match estimator.solver:
        case "sgd":
            momentum = estimator.momentum
            nesterov = bool(estimator.nesterovs_momentum and momentum)
            return optim.SGD(parameters, lr, momentum=momentum, nesterov=nesterov)
        case "adam":
            return optim.Adam(parameters, lr, **adam)
        case "adamw":
            return optim.AdamW(parameters, lr, **adam)
        case "rmsprop":
            return optim.RMSprop(parameters, lr, eps=estimator.epsilon)
    who = type(estimator).__name__
    try:
        made = estimator.solver(parameters, lr)
    except TypeError as error:
        raise InvalidArgumentError(
            f"{who}: solver, as a function, must take (parameters, lr), as the class "
            f"tg.optim.RMSprop does; the learning rate itself is set by learning_rate_init or "
            f"learning_rate. Got: {error}."
        ) from error
    if not isinstance(made, optim.Optimizer):
        raise InvalidArgumentError(
            f"{who}: solver must be a function (parameters, lr) that makes an optimizer of "
            f"tg.optim; it made {made!r}."
        )
    return made


def set_rate(estimator: Any, optimizer: optim.Optimizer, samples: int, epochs: int) -> None:
    """Let the learning rate go on after `epochs` epochs that this optimizer has already done.

    "invscaling" is scikit-learn's ``α(k) = learning_rate_init / (1 + n k)^power_t`` with n samples
    in an epoch; as there, Adam does without it.
    """
    rate = estimator.learning_rate
    if rate == "invscaling" and estimator.solver != "adam":
        rate = functools.partial(
            _inverse_power, estimator.learning_rate_init, estimator.power_t, samples
        )
    if rate in RATES:
        return
    schedule = as_schedule(rate)
    if schedule.unit == "epoch" and epochs:
        optimizer.lr = functools.partial(_later, schedule, epochs)
    else:
        optimizer.lr = rate


def _inverse_power(initial: float, power: float, samples: int, k: int) -> float:
    return float(initial / (1 + samples * k) ** power)


def _later(schedule: Callable[[int], float], epochs: int, k: int) -> float:
    return schedule(k + epochs)


class Minimised(NamedTuple):
    """What L-BFGS arrived at.

    Attributes:
        losses: after each iteration.
        seconds: from the start to the end of each.
        loss: at the end.
        iterations: how many there were.
        problem: why it ended without having converged, or None.
    """

    losses: list[float]
    seconds: list[float]
    loss: float
    iterations: int
    problem: str | None


def minimise(
    model: nn.Module, objective: Objective, X: Array, Y: Array, *,
    max_iter: int, max_fun: int, tol: float, verbose: bool,
) -> Minimised:  # fmt: skip
    """Minimise the loss on all samples by SciPy's L-BFGS-B, with exact gradients.

    Args:
        model: its parameters are changed.
        objective: the loss ``(model(X), Y)``.
        max_iter: iterations at most.
        max_fun: evaluations of the loss at most.
        tol: the largest element of the gradient at which it has converged.
        verbose: whether to print a line for each iteration.

    Source: Byrd, Lu, Nocedal and Zhu, 1995.
    """
    from scipy.optimize import minimize

    parameters = list(model.parameters())
    ends = np.cumsum([p.size for p in parameters])[:-1]
    losses: list[float] = []
    seconds: list[float] = []
    start = time.perf_counter()
    model.eval()

    def put(packed: Array) -> None:
        for p, part in zip(parameters, np.split(packed, ends), strict=True):
            p.data = part.reshape(p.shape).astype(p.dtype)

    def packed(arrays: list[Array]) -> Array:
        return np.concatenate([np.ravel(a) for a in arrays]).astype(np.float64)

    def loss_and_gradient(point: Array) -> tuple[float, Array]:
        put(point)
        model.zero_grad()
        value = objective(model(X), Y)
        value.backward()
        gradients = [np.zeros_like(p.data) if p.grad is None else p.grad for p in parameters]
        return value.item(), packed(gradients)

    def after_iteration(intermediate_result: Any) -> None:
        losses.append(float(intermediate_result.fun))
        seconds.append(time.perf_counter() - start)
        if verbose:
            print(f"Iteration {len(losses)}, loss = {losses[-1]:.8f}", flush=True)

    found = minimize(
        loss_and_gradient, packed([p.data for p in parameters]), method="L-BFGS-B", jac=True,
        callback=after_iteration, options={"maxiter": max_iter, "maxfun": max_fun, "gtol": tol},
    )  # fmt: skip
    put(found.x)
    model.zero_grad()
    problem = None if found.status == 0 else str(found.message)
    return Minimised(losses, seconds, float(found.fun), int(found.nit), problem)
