"""The common base of classifier and regressor: checks, training, and the fitted attributes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from tinygrad_mlp import nn
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.data import batches
from tinygrad_mlp.data.rows import AT_ONCE, Rows, converted
from tinygrad_mlp.errors import InvalidArgumentError, refuse_more_than_numbers
from tinygrad_mlp.estimators import fitting, lbfgs, parameter_checks
from tinygrad_mlp.estimators.epoch_monitor import FitState, Minimised
from tinygrad_mlp.estimators.fitting import Samples
from tinygrad_mlp.estimators.large_samples import FLOATS, checked_inputs, checked_samples
from tinygrad_mlp.estimators.network import build
from tinygrad_mlp.estimators.objective import Loss, Objective, OutputLoss
from tinygrad_mlp.training.checkpoint import CheckpointLike
from tinygrad_mlp.training.evaluation import predict
from tinygrad_mlp.training.examples import EVALUATION_ROWS
from tinygrad_mlp.training.history import History


class MultilayerPerceptron(BaseEstimator):  # type: ignore[misc]
    """The base of the two estimators; see `MLPClassifier` and `MLPRegressor`.

    A subclass defines the targets as columns of numbers (`_encoded`), the loss and the output
    activation (`_loss`), and the validation score (`_score`).
    """

    known_losses: tuple[str, ...]
    checkpoint: CheckpointLike | None
    dtype: DTypeLike | None
    output_activation: object = None
    n_iter_: int

    def _set(self, arguments: dict[str, object]) -> None:
        """Set each argument of `__init__` as an attribute, unchanged."""
        for name in self._get_param_names():
            setattr(self, name, arguments[name])

    def _encoded(self, y: Any, dtype: DTypeLike, goes_on: bool, classes: object) -> Array | Rows:
        """Return the targets as columns of numbers; `classes` may lack some in y."""
        raise NotImplementedError

    def _loss(self) -> tuple[Loss, object]:
        """Return the loss (one of `LOSSES`, or the user's function) and the output activation."""
        raise NotImplementedError

    def _score(self, output: Array, target: Array, weight: Array | None) -> float:
        """Return the validation score of the network's output."""
        raise NotImplementedError

    def _class_numbers(self, Y: Array) -> Array | None:
        """Return the number of each sample's class, or None if there are no classes."""
        return None

    def _class_weights(self, y: Array, partial: bool) -> Array | None:
        """Return a factor for each sample's weight, or None."""
        return None

    def _fit(self, X: Any, y: Any, sample_weight: object, partial: bool = False,
             classes: object = None) -> Self:
        """Train, from the start or from the end of an earlier call."""
        parameter_checks.check(self)
        if partial and self.early_stopping:
            raise InvalidArgumentError(
                f"{type(self).__name__}: partial_fit cannot be used with early_stopping=True, as "
                "each call may bring other samples. Hold samples out yourself and use score().")
        goes_on = hasattr(self, "network_") and bool(self.warm_start or partial)
        if self.checkpoint is not None and (goes_on or partial):
            raise InvalidArgumentError(
                f"{type(self).__name__}: checkpoint belongs to one training from its start, and "
                f"cannot be used with partial_fit or warm_start. Save the estimator instead.")
        self._refuse_more_than_numbers(X=X, y=y, sample_weight=sample_weight)
        if not (goes_on and self._fits(X) and _are_numbers(y, len(X))):
            X, y = checked_samples(self, X, y, reset=not goes_on)
        own, weight = self._weights(X, y, sample_weight, partial)
        samples = Samples(X, self._encoded(y, X.dtype, goes_on, classes), weight, own)
        if weight is not None and not weight.all():
            samples = samples.rows(np.flatnonzero(weight))  # so that no batch can weigh nothing
        random = functools.cache(self._random)
        network = self._network(samples, random, goes_on)
        state = self._fit_state if goes_on else FitState()
        first: Any = network.layers[0]
        samples = samples.astype(first.weight.dtype)
        minimised = self._minimised(network, samples, state)
        if self.solver == parameter_checks.LBFGS:
            model, objective, _ = minimised
            history = lbfgs.minimise(self, model, objective, state, samples)
        else:
            history = fitting.train(self, network, minimised, state, samples, random, partial)
        state.minimised = minimised
        self._set_fitted(network, state, history)
        return self

    def _weights(self, X: Array | Rows, y: Array, sample_weight: object,
                 partial: bool) -> tuple[Array | None, Array | None]:
        """Return the samples' weights, without and with those of their classes; None for none."""
        own = None
        if sample_weight is not None:
            own = _check_sample_weight(sample_weight, X, dtype=X.dtype, ensure_non_negative=True)
        by_class = self._class_weights(y, partial)
        weight = own
        if by_class is not None:
            weight = by_class.astype(X.dtype) * (1 if own is None else own)
        if weight is not None and not weight.any():
            raise InvalidArgumentError(
                f"{type(self).__name__}: sample_weight must be above 0 for at least one sample. "
                f"Got only zeros.")
        return own, weight

    def _random(self) -> np.random.RandomState:
        """Return a numpy.random.RandomState. Making one takes as long as a small step."""
        # Without a seed a new one, since scikit-learn's global one is left alone.
        return check_random_state(
            np.random.RandomState() if self.random_state is None else self.random_state)

    def _network(self, samples: Samples, random: Callable[[], np.random.RandomState],
                 goes_on: bool) -> nn.Sequential:
        """Return a new network, or that of the earlier call."""
        hidden = parameter_checks.hidden_layers(self.hidden_layer_sizes, "hidden_layer_sizes")
        units = [samples.X.shape[1], *hidden, samples.Y.shape[1]]
        if not goes_on:
            output = self._loss()[1]
            dtype = np.dtype(self.dtype or samples.X.dtype)
            return build(units, self.activation, output, self.dropout, random(), dtype)
        biases = self.intercepts_
        found = [self.n_features_in_, *map(len, biases)]
        if found != units:
            raise InvalidArgumentError(
                f"{type(self).__name__}: training can only continue with the same network, with "
                f"layers of {found} units. Got {units}. Set warm_start=False, or use a clone.")
        network: nn.Sequential = self.network_
        kept = biases[0].dtype
        if self.dtype is not None and np.dtype(self.dtype) != kept:
            raise InvalidArgumentError(
                f"{type(self).__name__}: training can only continue with dtype={kept.name!r}, that "
                f"of the network. Got {self.dtype!r}.")
        return network

    def _minimised(self, network: nn.Sequential, samples: Samples, state: FitState) -> Minimised:
        """Return the objective and what it judges: those of the last call, if they still hold."""
        loss = self._loss()[0]
        parts = (network, *network.layers, loss, self.alpha, samples.weight is None)
        if state.minimised is not None and state.minimised.is_of(parts):
            return state.minimised
        # The package's own losses take the pre-activations of the output, for which they are
        # exact however large these are.
        model = nn.Sequential(*network.layers[:-1]) if isinstance(loss, OutputLoss) else network
        objective = Objective(model, loss, self.alpha, samples.weight is not None)
        return Minimised(model, objective, parts)

    def _set_fitted(self, network: nn.Sequential, state: FitState, history: History) -> None:
        """Set the fitted attributes, once nothing can fail any more."""
        self.network_ = network
        self.history_ = history
        self._fit_state = state
        coefs = self.coefs_
        self.n_layers_ = len(coefs) + 1
        self.n_outputs_ = coefs[-1].shape[1]
        self.out_activation_ = self._loss()[1]
        self.loss_curve_ = state.losses
        self.loss_ = state.losses[-1] if state.losses else np.nan
        validated = bool(state.scores)
        self.best_loss_ = None if validated else state.best_loss
        self.validation_scores_ = state.scores if validated else None
        self.best_validation_score_ = state.best_score if validated else None

    @property
    def coefs_(self) -> list[Array]:
        """The weights, of shapes ``(units of a layer, units of the next)``: views."""
        return [layer.weight.data.T for layer in self.network_ if isinstance(layer, nn.Linear)]

    @property
    def intercepts_(self) -> list[Array]:
        """The biases, of shapes ``(units of a layer,)``, from the second layer on."""
        layers = [layer for layer in self.network_ if isinstance(layer, nn.Linear)]
        return [layer.bias.data for layer in layers if layer.bias is not None]

    def __onnx__(self) -> tuple[nn.Module, tuple[int, ...]]:
        """Return the network for `export_onnx`, which gives probabilities or values."""
        check_is_fitted(self)
        return self.network_, (self.n_features_in_,)

    def _output(self, X: Any, pre_activation: bool = False) -> Array:
        """Return the network's output for samples in rows, shape ``(n, outputs)``."""
        if not self._fits(X):
            check_is_fitted(self)
            self._refuse_more_than_numbers(X=X)
            X = checked_inputs(self, X)
        network = nn.Sequential(*self.network_.layers[:-1]) if pre_activation else self.network_
        dtype = self.intercepts_[0].dtype
        if isinstance(X, (np.ndarray, Rows)):
            return predict(network, converted(X, dtype))
        parts = batches(X.shape[0], EVALUATION_ROWS)  # sparse samples, a few at a time
        return np.concatenate([predict(network, X[r].toarray().astype(dtype)) for r in parts])

    def _fits(self, X: object) -> bool:
        """Return whether scikit-learn's checks would find X right, and leave it as it is.

        For one row, those take three times as long as the network.
        """
        return (type(X) is np.ndarray and X.ndim == 2 and 0 < X.nbytes <= AT_ONCE
                and X.dtype in FLOATS
                and X.shape[1] == getattr(self, "n_features_in_", None)
                and not hasattr(self, "feature_names_in_") and bool(np.isfinite(X).all()))

    def _refuse_more_than_numbers(self, **arrays: object) -> None:
        """Raise an error for masks and units, which scikit-learn ignores; it takes sparse data."""
        for name, a in arrays.items():
            if isinstance(a, np.ndarray):
                refuse_more_than_numbers(a, f"{type(self).__name__}: {name}")

    def _has_partial_fit(self) -> bool:
        """Return True, or raise an error with the reason for which there is no `partial_fit`."""
        if self.solver == parameter_checks.LBFGS:
            raise AttributeError(
                f"{type(self).__name__}: solver='lbfgs' trains on all samples at once and has no "
                f"partial_fit. Use another solver.")
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _are_numbers(y: object, n: int) -> bool:
    """Return whether scikit-learn's checks of n targets would find y right, as it is."""
    return (type(y) is np.ndarray and y.ndim in (1, 2) and len(y) == n and y.size > 0
            and y.dtype.kind in "iuf" and bool(np.isfinite(y).all()))
