"""What classifier and regressor have in common: checking, training, and the fitted attributes."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, is_regressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from tinygrad_mlp import nn
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.callbacks import INTERRUPTED
from tinygrad_mlp.data import batches
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.estimators import settings, solvers
from tinygrad_mlp.estimators.network import build, generator
from tinygrad_mlp.estimators.objective import Loss, Objective
from tinygrad_mlp.estimators.recorder import Progress, Recorder, Rules
from tinygrad_mlp.evaluation import EVALUATION_ROWS, as_number, predict
from tinygrad_mlp.history import History, Record
from tinygrad_mlp.training import fit

AUTO_BATCH = 200
"""Samples of a batch for "auto", where there are as many: scikit-learn's number."""


class MultilayerPerceptron(BaseEstimator):  # type: ignore[misc]
    """Base of the two estimators; see `MLPClassifier` and `MLPRegressor`.

    A subclass says what its targets are as columns of numbers (`_encoded`), with which loss and
    output (`_loss`), and what a validation score is (`_score`).
    """

    known_losses: tuple[str, ...]
    output_activation: Any = None

    def _set(self, arguments: dict[str, Any]) -> None:
        """Keep the arguments of `__init__`, each under its name, as they are."""
        for name in self._get_param_names():
            setattr(self, name, arguments[name])

    # -- what the subclasses say -------------------------------------------------------------

    def _encoded(self, y: Any, dtype: Any, goes_on: bool, classes: Any) -> Array:
        """The targets as columns of numbers; `classes` are those that y may not show."""
        raise NotImplementedError

    def _loss(self) -> tuple[Any, Any]:
        """The loss (one of `LOSSES`, or the user's function), and the output activation."""
        raise NotImplementedError

    def _score(self, output: Array, target: Array, weight: Any) -> float:
        """The validation score of the network's output."""
        raise NotImplementedError

    def _class_weights(self, y: Any, partial: bool) -> Any:
        """A factor for each sample's weight, or None."""
        return None

    # -- training ----------------------------------------------------------------------------

    def _fit(
        self, X: Any, y: Any, sample_weight: Any, partial: bool = False, classes: Any = None
    ) -> Any:
        """Train, from the start or from where an earlier call ended."""
        settings.check(self)
        if partial and self.early_stopping:
            raise InvalidArgumentError(
                f"{type(self).__name__}: partial_fit cannot be used with early_stopping=True, as "
                "each call may bring other samples. Hold samples out yourself and use score()."
            )
        goes_on = hasattr(self, "network_") and bool(self.warm_start or partial)
        X, y = validate_data(
            self, X, y, accept_sparse="csr", multi_output=True, dtype=(np.float64, np.float32),
            y_numeric=is_regressor(self), reset=not goes_on,
        )  # fmt: skip
        X = X if isinstance(X, np.ndarray) else X.toarray()  # `fit` takes rows of dense arrays
        own, weight = self._weights(X, y, sample_weight, partial)
        Y = self._encoded(y, X.dtype, goes_on, classes)
        if weight is not None:
            kept = np.flatnonzero(weight)  # without those that weigh nothing, every batch weighs
            X, Y, weight = X[kept], Y[kept], weight[kept]
            own = None if own is None else own[kept]
        # Without a seed, not scikit-learn's global generator: nothing here touches that.
        seed = np.random.RandomState() if self.random_state is None else self.random_state
        random = check_random_state(seed)
        network = self._network(X, Y, random, goes_on)
        progress = self._progress if goes_on else Progress()
        if self.solver == settings.LBFGS:
            history = self._minimise(network, progress, X, Y, weight)
        else:
            history = self._train(network, progress, X, Y, weight, own, random, partial)
        self._keep(network, progress, history)
        return self

    def _weights(self, X: Array, y: Any, sample_weight: Any, partial: bool) -> tuple[Any, Any]:
        """The samples' own weights, and these with the weights of their classes; None for none."""
        own = None
        if sample_weight is not None:
            own = _check_sample_weight(sample_weight, X, dtype=X.dtype, ensure_non_negative=True)
        by_class = self._class_weights(y, partial)
        weight = own
        if by_class is not None:
            weight = by_class.astype(X.dtype) * (1 if own is None else own)
        if weight is not None and not weight.any():
            raise InvalidArgumentError(
                f"{type(self).__name__}: sample_weight must be above 0 for at least one sample; "
                f"got zeros only."
            )
        return own, weight

    def _network(self, X: Array, Y: Array, random: Any, goes_on: bool) -> nn.Sequential:
        """A new network, or that of the earlier call."""
        hidden = settings.hidden_layers(self.hidden_layer_sizes, "hidden_layer_sizes")
        units = [X.shape[1], *hidden, Y.shape[1]]
        if not goes_on:
            output = self._loss()[1]
            return build(units, self.activation, output, self.dropout, random, X.dtype)
        found = [self.n_features_in_, *(len(b) for b in self.intercepts_)]
        if found != units:
            raise InvalidArgumentError(
                f"{type(self).__name__}: training can only go on with the network it began with, "
                f"with layers of {found} units; got {units}. Set warm_start=False, or use a clone."
            )
        network: nn.Sequential = self.network_
        return network

    def _trained(self, network: nn.Sequential, weighted: bool) -> tuple[nn.Module, Objective]:
        """What is trained, and its loss."""
        loss = self._loss()[0]
        # The losses that are known here are computed from the pre-activations of the output, so
        # that they are exact for any size of these. The layers are the same.
        model = nn.Sequential(*network.layers[:-1]) if isinstance(loss, Loss) else network
        return model, Objective(model, loss, self.alpha, weighted)

    def _minimise(
        self, network: nn.Sequential, progress: Progress, X: Array, Y: Array, weight: Any
    ) -> History:
        model, objective = self._trained(network, weight is not None)
        found = solvers.minimise(
            model, objective, X, with_weights(Y, weight), max_iter=self.max_iter,
            max_fun=self.max_fun, tol=self.tol, verbose=bool(self.verbose),
        )  # fmt: skip
        history = History()
        history.execution = "L-BFGS-B"
        for i, loss in enumerate(found.losses):
            history.append(Record(i, i, 0.0, loss, None, None, None))
        progress.losses += found.losses or [found.loss]
        progress.best_loss = min(progress.losses)
        self.n_iter_ = found.iterations
        if found.problem is not None:
            history.stopped = found.problem
            self._warn(f"L-BFGS ended without having converged: {found.problem}.")
        return history

    def _train(
        self, network: nn.Sequential, progress: Progress, X: Array, Y: Array, weight: Any,
        own: Any, random: Any, partial: bool,
    ) -> History:  # fmt: skip
        model, objective = self._trained(network, weight is not None)
        rules = Rules(
            self.tol, self.n_iter_no_change, self.learning_rate == "adaptive"
            and self.solver != "adam", bool(self.verbose),
        )  # fmt: skip
        targets = with_weights(Y, weight)
        if self.early_stopping:
            rows, held_out = self._split(Y, random)
            X_v, Y_v, target_v = X[held_out], Y[held_out], targets[held_out]
            own_v = None if own is None else own[held_out]
            X, targets = X[rows], targets[rows]

            def validate() -> tuple[float, float, float | None]:
                loss = as_number(objective.of_data(predict(model, X_v), target_v)[0])
                score = self._score(predict(network, X_v), Y_v, own_v)
                return loss, score, score if hasattr(self, "classes_") else None

            rules.validate = validate
        n = len(X)
        if progress.optimizer is None or not partial:
            progress.optimizer = solvers.make_optimizer(self, list(model.parameters()))
            progress.rng, progress.epochs = generator(random), 0
        solvers.set_rate(self, progress.optimizer, n, progress.epochs)
        recorder = Recorder(progress, objective, n, rules, self.callbacks)
        epochs = 1 if partial else self.max_iter
        history = fit(
            model, objective, progress.optimizer, X, targets, epochs=epochs,
            batch_size=self._batch(n), shuffle=self.shuffle, rng=progress.rng,
            callbacks=[recorder], monitor=bool(self.verbose), record_every=0,
        )  # fmt: skip
        objective.taken()
        progress.epochs += recorder.epochs
        self.n_iter_ = recorder.epochs
        if history.stopped is None and not partial:
            self._warn(
                f"max_iter={self.max_iter} epochs have been done, and training has not converged. "
                f"Allow more, or scale the data."
            )
        elif history.stopped is not None and history.stopped.startswith(INTERRUPTED):
            warnings.warn(f"Training was {history.stopped}.", UserWarning, stacklevel=4)
        return history

    def _batch(self, samples: int) -> int:
        if isinstance(self.batch_size, str):
            return min(AUTO_BATCH, samples)
        if self.batch_size > samples:
            warnings.warn(
                f"{type(self).__name__}: batch_size={self.batch_size} is larger than the "
                f"{samples} samples: all of them make one batch.",
                UserWarning,
                stacklevel=5,
            )
        return min(int(self.batch_size), samples)

    def _split(self, Y: Array, random: Any) -> tuple[Array, Array]:
        """The samples to train on and those held out: each class in its proportion if possible."""
        n = len(Y)
        held_out = int(np.ceil(self.validation_fraction * n))
        if held_out < 2 or held_out >= n:
            raise InvalidArgumentError(
                f"{type(self).__name__}: early_stopping needs at least two samples to validate "
                f"on, and one to train on; validation_fraction={self.validation_fraction} of {n} "
                f"samples are {held_out}."
            )
        classes = None
        if hasattr(self, "classes_") and not self._multilabel:
            classes = Y.argmax(axis=1) if Y.shape[1] > 1 else Y[:, 0]
            numbers = np.unique(classes, return_counts=True)[1]
            if numbers.min() < 2 or min(held_out, n - held_out) < len(numbers):
                classes = None
        rows = np.arange(n)
        train, test = train_test_split(
            rows, test_size=held_out, random_state=random, stratify=classes
        )
        return train, test

    def _warn(self, message: str) -> None:
        warnings.warn(f"{type(self).__name__}: {message}", ConvergenceWarning, stacklevel=5)

    def _keep(self, network: nn.Sequential, progress: Progress, history: History) -> None:
        """The fitted attributes, once nothing can fail any more."""
        self.network_ = network.eval()
        self.history_ = history
        self._progress = progress
        layers = [layer for layer in network if isinstance(layer, nn.Linear)]
        self.n_layers_ = len(layers) + 1
        self.n_outputs_ = layers[-1].out_features
        self.out_activation_ = self._loss()[1]
        self.loss_curve_ = progress.losses
        self.loss_ = progress.losses[-1] if progress.losses else np.nan
        validated = bool(progress.scores)
        self.best_loss_ = None if validated else progress.best_loss
        self.validation_scores_ = progress.scores if validated else None
        self.best_validation_score_ = progress.best_score if validated else None

    # -- the fitted network ------------------------------------------------------------------

    @property
    def coefs_(self) -> list[Array]:
        """The weights, of shapes ``(units of a layer, units of the next)``: views."""
        return [layer.weight.data.T for layer in self.network_ if isinstance(layer, nn.Linear)]

    @property
    def intercepts_(self) -> list[Array]:
        """The biases, of shapes ``(units of a layer,)``, from the second layer on."""
        return [
            layer.bias.data
            for layer in self.network_
            if isinstance(layer, nn.Linear) and layer.bias is not None
        ]

    def _output(self, X: Any, pre_activation: bool = False) -> Array:
        """The network's output for samples in rows, shape ``(n, outputs)``."""
        check_is_fitted(self)
        X = validate_data(
            self, X, accept_sparse="csr", dtype=(np.float64, np.float32), reset=False
        )
        network = nn.Sequential(*self.network_.layers[:-1]) if pre_activation else self.network_
        dtype = self.intercepts_[0].dtype
        if isinstance(X, np.ndarray):
            return predict(network, X.astype(dtype, copy=False))
        parts = batches(X.shape[0], EVALUATION_ROWS)  # of sparse samples, a few at a time
        return np.concatenate([predict(network, X[r].toarray().astype(dtype)) for r in parts])

    def _takes_parts(self) -> bool:
        """Whether there is a `partial_fit`."""
        if self.solver == settings.LBFGS:
            raise AttributeError(
                f"{type(self).__name__}: solver='lbfgs' trains on all samples at once and has no "
                f"partial_fit. Use another solver."
            )
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def with_weights(Y: Array, weight: Any) -> Array:
    """The targets, with the samples' weights as the last column, which `Objective` reads."""
    return Y if weight is None else np.column_stack([Y, weight]).astype(Y.dtype, copy=False)
