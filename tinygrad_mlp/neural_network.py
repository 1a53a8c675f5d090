"""`NeuralNetwork`: the class of the classic experiment, on top of `nn`, `optim` and `fit`."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np

from tinygrad_mlp import nn, optim
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.errors import InvalidArgumentError, ShapeError
from tinygrad_mlp.nn.module import SUMMARY
from tinygrad_mlp.parallel import Ranks
from tinygrad_mlp.support.checks import integer_at_least, one_of
from tinygrad_mlp.support.memory import check_memory
from tinygrad_mlp.training.checked_data import as_rows, checked_numbers, is_one_hot
from tinygrad_mlp.training.checkpoint import CheckpointLike
from tinygrad_mlp.training.evaluation import accuracy, predict
from tinygrad_mlp.training.fit import fit
from tinygrad_mlp.training.history import History, Record
from tinygrad_mlp.training.progress import monitor_line

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike

    from tinygrad_mlp.autograd.tensor import Tensor
    from tinygrad_mlp.optim import Optimizer, Schedule


ACTIVATIONS: dict[str, type[nn.Module]] = {
    "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "relu": nn.ReLU, "leaky_relu": nn.LeakyReLU,
    "softplus": nn.Softplus, "gelu": nn.GELU, "softmax": nn.Softmax, "identity": nn.Identity}

OPTIMIZERS = {"sgd": optim.SGD, "adam": optim.Adam, "adamw": optim.AdamW, "rmsprop": optim.RMSprop}

# Sigmoid outputs are probabilities of independent events, softmax outputs those of one choice.
CROSS_ENTROPY = {"sigmoid": nn.binary_cross_entropy, "softmax": nn.categorical_cross_entropy}

LOSSES = ("mean_square", "cross_entropy")

FEW_RECORDS = 4
"""Records below which the end of each epoch is recorded, too."""
MOST_LINES = 10
"""Lines that are printed of records at the ends of epochs."""


class NeuralNetwork:
    """A fully connected network that classifies, trained one sample at a time.

    ``a1 = x,  z2 = W1 a1,  a2 = tanh(z2),  z3 = W2 a2,  ŷ = g(z3)``, and so on for more layers,
    with g the sigmoid. Each step lowers the weights by ``α ∂L/∂W`` of one sample's loss L, with
    ``α = 1 / (100 + 10 k)`` in epoch k.

    Args:
        layers: numbers of neurons, from input to output, e.g. ``[784, 256, 10]``.
        loss: "mean_square" (``½ Σ (y − ŷ)²``) or "cross_entropy".
        monitor: whether to record and print loss and accuracy every `n_save` iterations of
            training; a function that makes a line of a `Record` sets what is printed.
        plot: whether to show the curves after training; without a display they are saved, and the
            path is printed.
        hidden_activation: "tanh", "sigmoid", "relu", "leaky_relu", "softplus", "gelu" or
            "identity".
        output_activation: "sigmoid", or any other of these or "softmax"; the cross entropy needs
            "sigmoid" or "softmax".
        bias: whether the layers have biases (which start at 0).
        sigma: standard deviation of the initial weights, drawn from N(0, σ²).
        seed: the seed of the initial weights and of the order of the samples; None for different
            ones each time.
        dtype: precision, float64 or float32.
        batch_size: number of samples a step, over which the gradient is averaged.
        learning_rate: a number, a function of the epoch, or a schedule (see `optim.schedule`).
        optimizer: "sgd", "adam", "adamw" or "rmsprop".
        shuffle: whether each epoch visits the samples in a new order.

    Attributes:
        weights: list of the weight matrices, ``weights[i]`` of shape
            ``(layers[i + 1], layers[i])``; they can be assigned.
        training_loss: the loss, summed over the training data, after every `n_save`-th update.
        training_accuracy: the share of correct classes then.
        n_save: iterations between records (10,000); 0 for no records.
        history: the records of the last call of `train`. Of a training that is shorter than four
            times `n_save`, they include the end of each epoch.
        preprocessing: mean and scale by which the training data were standardised, if you set
            them; they are saved with the weights, for predictions on raw images.
        model: the `nn.Sequential` that computes the outputs.

    Raises:
        InvalidArgumentError: an unknown name, fewer than two layers, an impossible number.
        TooLargeError: the weights would not fit into the memory.

    Source: the classic experiment, which docs/tutorial.md states in full.

    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 2))
    >>> Y = np.eye(2)[(X[:, 0] * X[:, 1] > 0).astype(int)]
    >>> network = NeuralNetwork([2, 8, 2], monitor=False, plot=False, sigma=1.0, bias=True,
    ...                         learning_rate=0.1, seed=0)
    >>> network.train(X, Y, epochs=20)
    >>> network.accuracy(Y, network.predict(X)) > 0.9
    True
    """

    def __init__(self, layers: Sequence[int], loss: str = "cross_entropy",
                 monitor: bool | Callable[[Record], str] = True, plot: bool = True, *,
                 hidden_activation: str = "tanh", output_activation: str = "sigmoid",
                 bias: bool = False, sigma: float = 0.01, seed: int | None = None,
                 dtype: DTypeLike = np.float64, batch_size: int = 1,
                 learning_rate: float | Callable[[int], float] | Schedule | None = None,
                 optimizer: str = "sgd", shuffle: bool = False) -> None:
        self.layers = checked_layers(layers)
        who, names = "NeuralNetwork", list(ACTIVATIONS)
        inner = [name for name in names if name != "softmax"]
        self.loss_name = one_of(loss, LOSSES, f"{who}: loss")
        self.hidden_activation = one_of(hidden_activation, inner, f"{who}: hidden_activation")
        self.output_activation = one_of(output_activation, names, f"{who}: output_activation")
        self.optimizer_name = one_of(optimizer, list(OPTIMIZERS), f"{who}: optimizer")
        self.batch_size = integer_at_least(1, batch_size, f"{who}: batch_size")
        if loss == "cross_entropy" and output_activation not in CROSS_ENTROPY:
            raise InvalidArgumentError(
                f"{who}: loss='cross_entropy' needs outputs that are probabilities, so "
                f"output_activation must be 'sigmoid' or 'softmax'. Got {output_activation!r}. "
                f"For other outputs use loss='mean_square'.")
        self.dtype = kind = np.dtype(dtype)
        if kind not in (np.dtype(np.float64), np.dtype(np.float32)):
            raise InvalidArgumentError(f"{who}: dtype must be float64 or float32. Got {kind}.")
        self.bias = bool(bias)
        self.sigma = float(sigma)
        default = optim.schedule.inverse_time()
        self.learning_rate = default if learning_rate is None else learning_rate
        self.shuffle = bool(shuffle)
        self.monitor, self.plot = monitor, plot
        self.n_save = 10_000
        self.training_loss: list[float] = []
        self.training_accuracy: list[float] = []
        self.history = History()
        self.preprocessing: tuple[Array, Array] | None = None
        self._rng = np.random.default_rng(seed)
        self.model = self._build()
        self.new_optimizer()  # an impossible learning rate is refused here, not in train()

    def _build(self) -> nn.Sequential:
        check_weights(self.layers)
        modules: list[nn.Module] = []
        init = nn.init.normal(self.sigma)
        for i, activation in enumerate(self._activations(), start=1):
            n_in, n_out = self.layers[i - 1 : i + 1]
            linear = nn.Linear(n_in, n_out, self.bias, init=init, rng=self._rng, dtype=self.dtype)
            linear.weight.name = f"W{i}"
            if linear.bias is not None:
                linear.bias.name = f"b{i}"
            modules += [linear, ACTIVATIONS[activation]()]
        return nn.Sequential(*modules)

    def _activations(self) -> list[str]:
        """Return the activation after each weight matrix."""
        return [self.hidden_activation] * (len(self.layers) - 2) + [self.output_activation]

    @property
    def criterion(self) -> Callable[..., Any]:
        """The loss ``(prediction, target)`` that training minimises, averaged over samples."""
        if self.loss_name == "mean_square":
            return nn.squared_error
        return CROSS_ENTROPY[self.output_activation]

    def new_optimizer(self) -> Optimizer:
        """Return a new optimizer of this network's parameters, as each call of `train` uses it."""
        return OPTIMIZERS[self.optimizer_name](self.model.parameters(), self.learning_rate)

    def settings(self) -> dict[str, Any]:
        """Return the arguments for a network of the same architecture, as JSON can hold them."""
        return {"layers": self.layers, "loss": self.loss_name,
                "hidden_activation": self.hidden_activation,
                "output_activation": self.output_activation, "bias": self.bias, "sigma": self.sigma,
                "dtype": self.dtype.name, "batch_size": self.batch_size,
                "optimizer": self.optimizer_name}

    def __onnx__(self) -> tuple[nn.Module, tuple[int, ...]]:
        """Return what `export_onnx` writes: the network, after its preprocessing if it has one."""
        model: nn.Module = self.model
        if self.preprocessing is not None:
            mean, scale = (np.asarray(a, self.dtype) for a in self.preprocessing)
            model = _Preprocessed(self.model, mean, scale)
        return model, (self.layers[0],)

    def __repr__(self) -> str:
        return (f"NeuralNetwork({self.layers}, loss={self.loss_name!r}, "
                f"{self.model.n_parameters:,} parameters)")

    def picture(self) -> str:
        """Return the network as SVG, as textbooks draw it: units in columns, weights as lines.

        Of large layers the first and the last units are shown. Orange lines are positive weights,
        violet dashed ones negative; the thicker, the larger.
        """
        from tinygrad_mlp.drawing.neurons import neurons

        names = [*(f"a{number}" for number in range(2, len(self.layers))), "ŷ"]
        captions = [("x", f"{self.layers[0]:,} inputs")]
        for name, units, kind in zip(names, self.layers[1:], self._activations(), strict=True):
            captions.append((name, f"{units:,} {kind}"))
        return neurons(self.weights, captions)

    def _repr_html_(self) -> str:
        """Return the picture, the table of the layers, and the settings of training."""
        from tinygrad_mlp.support.html import table

        rate = getattr(self.learning_rate, "equation", self.learning_rate)
        about = f"{self.optimizer_name}, learning rate {rate}, batch size {self.batch_size}"
        lines = [repr(self), about, *([repr(self.history)] if len(self.history) else [])]
        return self.picture() + table(SUMMARY, self.model.summary(), "\n".join(lines))

    def _linears(self) -> list[nn.Linear]:
        return [layer for layer in self.model if isinstance(layer, nn.Linear)]

    @property
    def weights(self) -> list[Array]:
        """The weight matrices; assigning to the list or to its entries changes the network."""
        return _Weights(self._linears())

    @weights.setter
    def weights(self, new: Sequence[Array]) -> None:
        linears = self._linears()
        if len(new) != len(linears):
            raise ShapeError(
                f"NeuralNetwork.weights: expected {len(linears)} matrices. Got {len(new)}.")
        arrays = [_checked_weight(w, linears[i], i) for i, w in enumerate(new)]
        for layer, array in zip(linears, arrays, strict=True):
            layer.weight.data = array

    def loss(self, Y: Any, Y_hat: Any) -> float:
        """Return the loss of predictions, summed over samples and outputs.

        Args:
            Y: targets, shape ``(n, k)``.
            Y_hat: outputs of the network, of the same shape.
        """
        return float(self.criterion(np.asarray(Y_hat), np.asarray(Y), reduction="sum"))

    @staticmethod
    def accuracy(Y: ArrayLike, Y_hat: ArrayLike) -> float:
        """Return the share of samples whose largest output is that of their class.

        Args:
            Y: one-hot targets, shape ``(n, k)``.
            Y_hat: outputs of the network, of the same shape.
        """
        return accuracy(Y, Y_hat)

    def predict(self, X: ArrayLike) -> Array:
        """Return the outputs of the network for samples in rows.

        Args:
            X: inputs, shape ``(n, layers[0])``.

        Returns:
            ŷ, shape ``(n, layers[-1])``.

        Raises:
            ShapeError: X does not have that shape.
            InvalidArgumentError: X holds NaN or infinity.
        """
        X = self._inputs(X, "X")
        return predict(self.model, checked_numbers(X, "NeuralNetwork: X", self.dtype))

    def train(self, X: object, Y: object, epochs: int = 2, validation: object = None,
              validation_label: object = None, *, callbacks: Iterable[object] = (),
              compiled: bool | str = "auto", block: int | None = None, threads: int | None = None,
              checkpoint: CheckpointLike | None = None, ranks: Ranks | None = None) -> None:
        """Train on samples in rows, in the given order, `epochs` times.

        Training continues from the present weights; the learning rate starts from epoch 0.

        Args:
            X: training inputs, shape ``(n, layers[0])``.
            Y: one-hot training targets, shape ``(n, layers[-1])``.
            epochs: number of passes through the data.
            validation: inputs to evaluate on.
            validation_label: their targets.
            callbacks: see `callbacks`; functions are called after each record.
            compiled, block, threads: how the steps are taken (see `fit`); the defaults are fastest.
            checkpoint: a file to resume from, and to write after each epoch (see `fit`).
            ranks: the processes that train together (see `fit`).

        Raises:
            ShapeError: arrays of other shapes, or of different numbers of samples.
            InvalidArgumentError: targets that are not one-hot, NaN in the data, or only one of
                the validation arrays. Nothing has been changed then.
        """
        # What any data must fulfil is checked by `fit`: here only what this network asks for.
        X, Y = self._inputs(X, "X"), self._targets(Y, "Y")
        if (validation is None) != (validation_label is None):
            raise InvalidArgumentError(
                "NeuralNetwork.train: validation and validation_label must be given together. "
                "Got only one of them.")
        held_out = None if validation is None else (
            self._inputs(validation, "validation"),
            self._targets(validation_label, "validation_label"))
        n = len(X)
        every = integer_at_least(0, self.n_save, "NeuralNetwork: n_save")
        epochs = integer_at_least(1, epochs, "NeuralNetwork.train: epochs")
        # Curves of one or two points show no learning.
        updates = epochs * -(-n // self.batch_size)
        short = updates < FEW_RECORDS * every
        records = bool(every and (self.monitor or self.plot))
        self.history = fit(self.model, self.criterion, self.new_optimizer(), X, Y, epochs=epochs,
                           batch_size=self.batch_size, validation=held_out, shuffle=self.shuffle,
                           rng=self._rng, callbacks=callbacks,
                           monitor=bool(self.monitor) and self._line_of_record(n, epochs, updates),
                           record_every=every if records else 0, record_epochs=records and short,
                           evaluate_training=True, compiled=compiled, block=block, threads=threads,
                           checkpoint=checkpoint, ranks=ranks)
        kept = [r for r in self.history if r.iteration % every == 0]
        self.training_loss += [record.training_loss * n for record in kept]
        accuracies: list[Any] = [record.training_accuracy for record in kept]
        self.training_accuracy += accuracies
        if self.plot:
            from tinygrad_mlp.plotting import show_training

            show_training(self.history, self.loss_name, loss_factor=n)

    def _line_of_record(self, n: int, epochs: int, updates: int) -> Callable[[Record], str]:
        """Return what makes the line of a record, with losses summed over `n` samples.

        Lines are for every `n_save`-th update. Where that is the first one only, some of the ends
        of epochs have a line, too; other records have none, "".
        """
        line = self.monitor if callable(self.monitor) else functools.partial(
            monitor_line, loss_factor=n)
        every = self.n_save
        step = -(-epochs // MOST_LINES) if updates <= every else epochs + 1

        def shown(record: Record) -> str:
            due = record.iteration % every == 0 or (record.epoch + 1) % step == 0
            return line(record) if due or record.epoch == epochs - 1 and step <= epochs else ""

        return shown

    def _inputs(self, X: object, name: str) -> Array:
        return _rows(X, name, self.layers[0], "a sample in each row")

    def _targets(self, Y: object, name: str) -> Array:
        k = self.layers[-1]
        advice = f"Class numbers become such rows through tg.data.one_hot(labels, {k})."
        array = _rows(Y, name, k, "a one-hot row for each sample", advice)
        if k > 1 and not is_one_hot(array):
            first = next(i for i in range(len(array)) if not is_one_hot(array[i : i + 1]))
            raise InvalidArgumentError(
                f"NeuralNetwork: {name} must be one-hot, each row with a single 1 and zeros "
                f"otherwise. Got {array[first]} in row {first}. {advice}")
        return array


def _rows(given: object, name: str, width: int, meaning: str, advice: str = "") -> Array:
    """Return the rows of an array of numbers, or raise an error unless they have that width."""
    array = as_rows(given, f"NeuralNetwork: {name}")
    if array.ndim != 2 or array.shape[1] != width:
        raise ShapeError(
            f"NeuralNetwork: {name} must have shape (n, {width}), {meaning}. Got {array.shape}. "
            f"{advice}".rstrip())
    return array


class _Standardise(nn.Module):
    """The module ``(x − mean) / scale``, column by column."""

    def __init__(self, mean: Array, scale: Array) -> None:
        self.mean, self.scale = nn.Buffer(mean), nn.Buffer(scale)

    def forward(self, x: Array | Tensor) -> Any:
        return (x - self.mean) / self.scale


class _Preprocessed(nn.Sequential):
    """The layers of a network, after the preprocessing of its inputs."""

    def __init__(self, layers: Iterable[nn.Module], mean: Array, scale: Array) -> None:
        super().__init__(*layers)
        self.preprocessing = _Standardise(mean, scale)

    def forward(self, x: Any) -> Any:
        return super().forward(self.preprocessing(x))


class _Weights(list[Array]):
    """The weight matrices of a network; assigning to an entry changes the network."""

    def __init__(self, linears: list[nn.Linear]) -> None:
        super().__init__(layer.weight.data for layer in linears)
        self._linears = linears

    def __setitem__(self, i: SupportsIndex | slice, new: object) -> None:
        if isinstance(i, slice):
            raise InvalidArgumentError(
                "NeuralNetwork.weights: assign one matrix at a time, or the whole list.")
        layer = self._linears[i]
        layer.weight.data = _checked_weight(new, layer, int(i))
        super().__setitem__(i, layer.weight.data)


def _checked_weight(new: object, layer: nn.Linear, i: int) -> Array:
    array: Array = np.array(new, dtype=layer.weight.dtype)
    if array.shape != layer.weight.shape:
        raise ShapeError(
            f"NeuralNetwork.weights[{i}] must have shape {layer.weight.shape}. Got {array.shape}.")
    return array


def check_weights(layers: Sequence[int]) -> None:
    """Raise a TooLargeError if weights and gradients of such layers do not fit into the memory."""
    n_bytes = 2 * 8 * sum(map(operator.mul, layers, layers[1:]))
    what = f"NeuralNetwork: the weights between layers of the sizes {layers}, and their gradients,"
    check_memory(n_bytes, what, "Use fewer neurons.")


def checked_layers(layers: object) -> list[int]:
    """Return the sizes of layers as a list, if there are two or more and all are at least 1."""
    sizes = list(layers) if isinstance(layers, Iterable) else []
    if len(sizes) < 2:
        raise InvalidArgumentError(
            f"NeuralNetwork: layers must list at least two sizes, input and output, e.g. "
            f"[784, 256, 10]. Got {layers!r}.")
    who = "NeuralNetwork: layers"
    return [integer_at_least(1, size, f"{who}[{i}]") for i, size in enumerate(sizes)]
