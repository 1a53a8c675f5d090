"""The solver "lbfgs": SciPy's L-BFGS-B on the loss of all samples, with exact gradients."""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from tinygrad_mlp import nn
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.mode import changed_mode
from tinygrad_mlp.data import batches
from tinygrad_mlp.data.rows import CHUNK
from tinygrad_mlp.estimators.epoch_monitor import FitState
from tinygrad_mlp.estimators.fitting import Samples
from tinygrad_mlp.estimators.objective import Objective
from tinygrad_mlp.estimators.parameter_checks import FittedEstimator
from tinygrad_mlp.support.blas_threads import blas_threads
from tinygrad_mlp.training.checked_data import as_number
from tinygrad_mlp.training.history import History, Record


def minimise(estimator: FittedEstimator, model: nn.Module, objective: Objective, state: FitState,
             samples: Samples) -> History:
    """Minimise the objective of all samples over the parameters of the model.

    It is the sum of the shares of parts, in which no layer gives more than `CHUNK` bytes. It has
    converged when no element of the gradient exceeds the estimator's `tol`. The state gets the
    losses, the estimator its `n_iter_`.

    Source: Byrd, Lu, Nocedal and Zhu, 1995.
    """
    from scipy.optimize import minimize
    parameters = list(model.parameters())
    history = History()
    history.execution = "L-BFGS-B"
    start = time.perf_counter()
    X, Y, n = samples.X, samples.targets, len(samples.X)
    total = n if samples.weight is None else float(samples.weight.sum())
    bytes_of_a_sample = X.dtype.itemsize * max(max(p.shape, default=1) for p in parameters)
    parts = list(batches(n, max(1, CHUNK // bytes_of_a_sample)))
    model.eval()

    def loss_and_gradient(point: Array) -> tuple[float, Array]:
        _assign(point, parameters)
        model.zero_grad()
        loss = 0.0
        for i, rows in enumerate(parts):
            with changed_mode(differentiating="fit"):
                value, weight = objective.of_data(model(X[rows]), Y[rows])
                value = value * (as_number(weight) / total)
                if i == 0:
                    value = objective.with_penalty(value, total)
            value.backward()
            loss += value.item()
        gradients = [np.zeros_like(p.data) if p.grad is None else p.grad for p in parameters]
        return loss, _flattened(gradients)

    def after_iteration(intermediate_result: Any) -> None:
        i, loss = len(history), float(intermediate_result.fun)
        history.append(Record(i, i, time.perf_counter() - start, loss, None, None, None))
        if estimator.verbose:
            print(f"Iteration {len(history)}, loss = {loss:.8f}", flush=True)

    limits = {"maxiter": estimator.max_iter, "maxfun": estimator.max_fun, "gtol": estimator.tol}
    with blas_threads(estimator.threads):
        found = minimize(
            loss_and_gradient, _flattened([p.data for p in parameters]), method="L-BFGS-B",
            jac=True, callback=after_iteration, options=limits)
    _assign(found.x, parameters)
    model.zero_grad()
    state.losses += [record.training_loss for record in history] or [float(found.fun)]
    state.best_loss = min(state.losses)
    estimator.n_iter_ = int(found.nit)
    if found.status != 0:
        history.stopped = str(found.message)
        warnings.warn(
            f"{type(estimator).__name__}: L-BFGS ended before it had converged: {found.message}.",
            ConvergenceWarning, stacklevel=4)  # the line that called the estimator's `fit`
    return history


def _flattened(arrays: list[Array]) -> Array:
    return np.concatenate([np.ravel(a) for a in arrays]).astype(np.float64)


def _assign(point: Array, parameters: list[nn.Parameter]) -> None:
    ends = np.cumsum([p.size for p in parameters])[:-1]
    for p, part in zip(parameters, np.split(point, ends), strict=True):
        p.data = part.reshape(p.shape).astype(p.dtype)
