"""The regressor."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils import column_or_1d
from sklearn.utils.metaestimators import available_if

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.estimators.objective import LOSSES, Loss
from tinygrad_mlp.estimators.perceptron import MultilayerPerceptron
from tinygrad_mlp.optim import Optimizer
from tinygrad_mlp.training.checkpoint import CheckpointLike
from tinygrad_mlp.training.evaluation import LossFunction


class MLPRegressor(RegressorMixin, MultilayerPerceptron):  # type: ignore[misc]
    """A fully connected network for regression, a scikit-learn estimator.

    It minimises the mean over samples of ``½ Σⱼ (ŷⱼ − yⱼ)²``, summed over the outputs, plus
    ``½ α ‖W‖² / n``, with the exact gradient of that sum (see the decision on estimators).

    Args:
        hidden_layer_sizes: neurons of each hidden layer.
        activation: as for `MLPClassifier`.
        loss: "squared_error"; "poisson", half of the Poisson deviance, for targets >= 0 and with
            outputs ``e^z``; or a function (predictions, targets) of tensors of shape
            ``(n, outputs)`` that returns one number, or one for each sample.
        output_activation: None for the one of the loss; or a name as for
            `activation`, "exp", a layer, or a function of tensors.
        dropout, solver, alpha, batch_size, learning_rate, learning_rate_init, power_t, max_iter,
            shuffle, random_state, tol, verbose, warm_start, momentum, nesterovs_momentum,
            early_stopping, validation_fraction, beta_1, beta_2, epsilon, n_iter_no_change,
            max_fun, callbacks, dtype, compiled, threads, clip_gradients, checkpoint: as for
            `MLPClassifier`.

    Attributes:
        validation_scores_, best_validation_score_: R², with early stopping.
        network_, history_, coefs_, intercepts_, loss_, best_loss_, loss_curve_, n_iter_,
            n_features_in_, feature_names_in_, n_layers_, n_outputs_, out_activation_: as for
            `MLPClassifier`.

    Raises:
        InvalidArgumentError: by `fit`, for parameters that are not allowed, or targets below 0
            with the loss "poisson".

    Warns:
        ConvergenceWarning: max_iter was reached before the loss stopped improving.

    >>> import numpy as np
    >>> X = np.linspace(-2, 2, 50)[:, None]
    >>> regressor = MLPRegressor((20,), "tanh", solver="lbfgs", alpha=0, tol=1e-3, random_state=0)
    >>> regressor.fit(X, np.sin(2 * X[:, 0])).score(X, np.sin(2 * X[:, 0])) > 0.99
    True
    """

    known_losses = ("squared_error", "poisson")

    def __init__(self, hidden_layer_sizes: int | Sequence[int] | NDArray[np.integer[Any]] = (100,),
                 activation: object = "relu", *, loss: str | LossFunction = "squared_error",
                 output_activation: object = None,
                 dropout: float | list[float] | tuple[float, ...] = 0.0,
                 solver: str | Callable[..., Optimizer] = "adam", alpha: float = 0.0001,
                 batch_size: int | str = "auto",
                 learning_rate: str | Callable[[int], float] = "constant",
                 learning_rate_init: float = 0.001, power_t: float = 0.5, max_iter: int = 200,
                 shuffle: bool | str = True,
                 random_state: int | np.random.RandomState | None = None, tol: float = 1e-4,
                 verbose: bool = False, warm_start: bool = False, momentum: float = 0.9,
                 nesterovs_momentum: bool = True, early_stopping: bool = False,
                 validation_fraction: float = 0.1, beta_1: float = 0.9, beta_2: float = 0.999,
                 epsilon: float = 1e-8, n_iter_no_change: float = 10, max_fun: int = 15000,
                 callbacks: Iterable[object] = (), dtype: DTypeLike | None = None,
                 compiled: bool | str = "auto", threads: int | None = None,
                 clip_gradients: float | None = None,
                 checkpoint: CheckpointLike | None = None) -> None:
        self._set(locals())

    def fit(self, X: object, y: ArrayLike, sample_weight: ArrayLike | None = None) -> MLPRegressor:
        """Train on samples in rows.

        Args:
            X: inputs, shape ``(n, features)``; sparse ones are made dense by the batch.
            y: targets, shape ``(n,)`` or ``(n, outputs)``.
            sample_weight: weights >= 0, shape ``(n,)``; a weight of 2 counts like two samples.
        """
        return self._fit(X, y, sample_weight)

    @available_if(lambda estimator: estimator._has_partial_fit())  # type: ignore[untyped-decorator]
    def partial_fit(self, X: object, y: ArrayLike,
                    sample_weight: ArrayLike | None = None) -> MLPRegressor:
        """Train for one epoch on these samples, from the end of the last call.

        Args:
            X, y, sample_weight: as for `fit`.
        """
        return self._fit(X, y, sample_weight, partial=True)

    def _encoded(self, y: Any, dtype: DTypeLike, goes_on: bool, classes: object) -> Array:
        y = column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y
        if self.loss == "poisson" and y.min() < 0:
            raise InvalidArgumentError(
                f"MLPRegressor: y must be >= 0 with loss='poisson'. Got {y.min()}.")
        targets: Array = y.reshape(len(y), -1).astype(dtype, copy=False)
        return targets

    def _loss(self) -> tuple[Loss, object]:
        chosen = self.output_activation
        if callable(self.loss):
            return self.loss, "identity" if chosen is None else chosen
        known = LOSSES[self.loss]
        if chosen is None or chosen == known.output:
            return known, known.output
        if self.loss == "squared_error":
            return (lambda prediction, target: 0.5 * (prediction - target) ** 2), chosen
        raise InvalidArgumentError(
            f"MLPRegressor: output_activation must be None or 'exp' with loss='poisson'. Got "
            f"{chosen!r}.")

    def _score(self, output: Array, target: Array, weight: Array | None) -> float:
        if not np.isfinite(output).all():
            return float("nan")
        return float(r2_score(target, output, sample_weight=weight))

    def predict(self, X: object) -> Array:
        """Return the predictions, shape ``(n,)``, or ``(n, outputs)`` for several outputs.

        Args:
            X: inputs, shape ``(n, features)``.
        """
        output = self._output(X)
        return output.ravel() if output.shape[1] == 1 else output

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
