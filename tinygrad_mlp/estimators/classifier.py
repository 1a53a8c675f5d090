"""The classifier."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from scipy.sparse import issparse
from sklearn.base import ClassifierMixin
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import column_or_1d
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import type_of_target, unique_labels

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.ops import log_softmax, softplus
from tinygrad_mlp.data.rows import PIECE, Rows, computed
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.estimators.objective import LOSSES, Loss
from tinygrad_mlp.estimators.perceptron import MultilayerPerceptron
from tinygrad_mlp.optim import Optimizer
from tinygrad_mlp.training.checkpoint import CheckpointLike
from tinygrad_mlp.training.evaluation import LossFunction


class MLPClassifier(ClassifierMixin, MultilayerPerceptron):  # type: ignore[misc]
    """A fully connected network for classification, a scikit-learn estimator.

    The outputs are the probabilities of the classes: by the softmax for several classes, by the
    sigmoid for two, or for labels that do not exclude each other. It minimises the mean over
    samples of ``−Σⱼ (yⱼ ln ŷⱼ)`` or ``−Σⱼ (yⱼ ln ŷⱼ + (1 − yⱼ) ln(1 − ŷⱼ))``, plus
    ``½ α ‖W‖² / n``.

    Args:
        hidden_layer_sizes: neurons of each hidden layer.
        activation: "relu", "tanh", "logistic", "identity", "leaky_relu", "softplus" or "gelu"; a
            layer such as ``tg.nn.LeakyReLU(0.2)``; a function of tensors; or a list of these, one
            for each hidden layer.
        loss: "log_loss", or a function (probabilities, targets) of tensors of shape
            ``(n, outputs)`` that returns one number, or one for each sample (the targets are 0 and
            1; one output for two classes).
        class_weight: None, "balanced", or the weights by class; they multiply the samples' weights.
        dropout: probability of dropping a hidden neuron in training, or a list of them.
        solver: "adam", "sgd", "adamw", "rmsprop" or "lbfgs"; or a function (parameters, lr) that
            makes an optimizer, such as ``tg.optim.RMSprop`` or a ``functools.partial`` of it.
        alpha: α of the penalty on the weights (not the biases); n is the number of samples in a
            batch.
        batch_size: samples in a step; "auto" for 200, or all if there are fewer.
        learning_rate: "constant"; "invscaling" or "adaptive", for solvers other than Adam; or a
            schedule of `tg.optim.schedule`, or a function of the epoch, in place of all three.
        learning_rate_init: the learning rate at the start.
        power_t: the exponent of "invscaling".
        max_iter: epochs at most; for "lbfgs", iterations.
        shuffle: whether each epoch takes the samples in a new order; "chunks" for one that reads
            a large file in runs (see `tg.fit`).
        random_state: seed of weights, order, dropout and validation set; None for a new one in
            every run.
        tol: the least improvement of the loss, or of the validation score, that counts.
        verbose: whether to show the progress.
        warm_start: whether `fit` starts from the weights of its last call.
        momentum: of "sgd", at least 0 and less than 1.
        nesterovs_momentum: whether "sgd" uses Nesterov's momentum.
        early_stopping: whether to hold out samples, stop when the score on them does not improve,
            and keep the weights of the best score.
        validation_fraction: the share of samples to hold out, each class in its proportion.
        beta_1, beta_2, epsilon: of "adam" and "adamw" (see `tg.optim.Adam`).
        n_iter_no_change: epochs without improvement before training stops.
        max_fun: evaluations of the loss that "lbfgs" may make.
        callbacks: see `tg.callbacks`.
        dtype: precision of the network, "float32" or "float64"; None for that of the inputs.
        compiled, threads, checkpoint: as for `tg.fit`. A checkpoint belongs to one call of `fit`.
        clip_gradients: the greatest length of the gradients, taken together as one vector, or None.

    Attributes:
        classes_: the classes, in the order of the outputs.
        network_: the network, an `nn.Sequential` that ends with the output activation.
        history_: the `History` of the last call of `fit`.
        coefs_, intercepts_: weights and biases, of scikit-learn's shapes.
        loss_, best_loss_, loss_curve_: mean loss of the batches in the last, the best, each epoch.
        validation_scores_, best_validation_score_: accuracies, with early stopping.
        n_iter_: epochs (or iterations) of the last call.
        n_features_in_, feature_names_in_, n_layers_, n_outputs_, out_activation_: as in
            scikit-learn.

    Raises:
        InvalidArgumentError: by `fit`, for parameters that are not allowed.

    Warns:
        ConvergenceWarning: max_iter was reached before the loss stopped improving.

    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> y = np.where(X[:, 0] * X[:, 1] > 0, "same", "opposite")
    >>> classifier = MLPClassifier((16,), solver="lbfgs", random_state=0, max_iter=500).fit(X, y)
    >>> classifier.predict([[1.0, 1.0], [-1.0, 1.0]]).tolist()
    ['same', 'opposite']
    """

    known_losses = ("log_loss",)
    classes_: Any
    _binarizer: Any

    def __init__(self, hidden_layer_sizes: int | Sequence[int] | NDArray[np.integer[Any]] = (100,),
                 activation: object = "relu", *, loss: str | LossFunction = "log_loss",
                 class_weight: str | Mapping[int, float] | Mapping[str, float] | None = None,
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

    def fit(self, X: object, y: object, sample_weight: ArrayLike | None = None) -> MLPClassifier:
        """Train on samples in rows.

        Args:
            X: inputs, shape ``(n, features)``; sparse ones are made dense by the batch.
            y: classes (numbers or text), shape ``(n,)``; or labels, 0 or 1, ``(n, labels)``.
            sample_weight: weights >= 0, shape ``(n,)``; a weight of 2 counts like two samples.
        """
        return self._fit(X, y, sample_weight)

    @available_if(lambda estimator: estimator._has_partial_fit())  # type: ignore[untyped-decorator]
    def partial_fit(self, X: object, y: object, sample_weight: ArrayLike | None = None,
                    classes: object = None) -> MLPClassifier:
        """Train for one epoch on these samples, from the end of the last call.

        Args:
            X, y, sample_weight: as for `fit`.
            classes: all classes; needed in the first call.
        """
        first = not hasattr(self, "network_")
        if first and classes is None and not type_of_target(y).startswith("multilabel"):
            raise InvalidArgumentError(
                "MLPClassifier: classes must be passed in the first call of partial_fit.")
        return self._fit(X, y, sample_weight, partial=True, classes=classes)

    def _encoded(self, y: Any, dtype: DTypeLike, goes_on: bool, classes: object) -> Array | Rows:
        y = y.toarray() if issparse(y) else y
        y = column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y
        if goes_on:
            if classes is not None and set(unique_labels(classes)) != set(self.classes_):
                raise InvalidArgumentError(
                    f"MLPClassifier: classes must be those of the first call of partial_fit, "
                    f"{self.classes_}. Got {classes}.")
            binarizer = self._binarizer
        else:
            multilabel = type_of_target(y).startswith("multilabel")
            binarizer = LabelBinarizer().fit(y if multilabel or classes is None else classes)
        if len(new := np.setdiff1d(unique_labels(y), binarizer.classes_)):
            raise InvalidArgumentError(
                f"MLPClassifier: training can only continue with the classes of the first call, "
                f"{binarizer.classes_}. Got {new}, too.")
        self._binarizer, self.classes_ = binarizer, binarizer.classes_
        k = len(self.classes_)
        if y.ndim > 1 or binarizer.y_type_ not in ("binary", "multiclass"):
            labels: Array = binarizer.transform(y).astype(dtype)
            return labels
        numbers = np.searchsorted(self.classes_, y)
        codes = np.eye(k, dtype=dtype) if k > 2 else np.array([[0], [1]], dtype)
        if k > 2 and 8 * len(y) * k > PIECE:
            return computed(lambda rows: codes[numbers[rows]], (len(y), k), dtype)
        encoded: Array = codes[numbers]
        return encoded

    def _class_numbers(self, Y: Array) -> Array | None:
        if self._binarizer.y_type_.startswith("multilabel"):
            return None
        return Y.argmax(axis=1) if Y.shape[1] > 1 else Y[:, 0]

    def _class_weights(self, y: Array, partial: bool) -> Array | None:
        if self.class_weight is None:
            return None
        if partial and isinstance(self.class_weight, str):
            raise InvalidArgumentError(
                "MLPClassifier: class_weight='balanced' needs all samples at once, which "
                "partial_fit does not see. Pass the weights by class.")
        return compute_sample_weight(self.class_weight, y)

    def _loss(self) -> tuple[Loss, object]:
        one_of_several = self._binarizer.y_type_ == "multiclass" and len(self.classes_) > 2
        known = LOSSES["log_loss of classes" if one_of_several else "log_loss of labels"]
        return (self.loss if callable(self.loss) else known), known.output

    def _decoded(self, output: Array) -> Array:
        output = output.ravel() if output.shape[1] == 1 else output
        labels: Array = self._binarizer.inverse_transform(output)
        return labels

    def _score(self, output: Array, target: Array, weight: Array | None) -> float:
        right = self._decoded(output) == self._decoded(target)
        right = right.all(axis=1) if right.ndim == 2 else right
        return float(np.average(right, weights=weight))

    def __onnx_classes__(self) -> tuple[object, bool]:
        """Return the classes for `export_onnx`, and whether a sample may have several."""
        return self.classes_, self._binarizer.y_type_.startswith("multilabel")

    def predict(self, X: object) -> Array:
        """Return the most probable class of each sample, shape ``(n,)``; or its labels.

        Args:
            X: inputs, shape ``(n, features)``.
        """
        return self._decoded(self._output(X))

    def predict_proba(self, X: object) -> Array:
        """Return the probabilities, shape ``(n, classes)``, in the order of `classes_`.

        Args:
            X: inputs, shape ``(n, features)``.
        """
        output = self._output(X)
        return np.hstack([1 - output, output]) if output.shape[1] == 1 else output

    def predict_log_proba(self, X: object) -> Array:
        """Return the logarithms of the probabilities, finite however small these are.

        Args:
            X: inputs, shape ``(n, features)``.
        """
        z = self._output(X, pre_activation=True)
        if self.out_activation_ == "softmax":
            return np.asarray(log_softmax(z))
        return np.asarray(-softplus(np.hstack([z, -z]) if z.shape[1] == 1 else -z))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
