"""The common part of the commands that train: the data, the networks, their training."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.cli import outputs, process
from tinygrad_mlp.cli.options import EPOCHS, EPOCHS_OF, RATE_OF_ADAPTIVE, Settings
from tinygrad_mlp.cli.outputs import FAILURE, INTERRUPT, SUCCESS
from tinygrad_mlp.data import load, preprocess
from tinygrad_mlp.errors import DataError
from tinygrad_mlp.neural_network import NeuralNetwork, check_weights
from tinygrad_mlp.optim import Schedule
from tinygrad_mlp.parallel.ranks import ALONE, Ranks
from tinygrad_mlp.support.signals import interruption, is_interruption
from tinygrad_mlp.training.callbacks import Callback, Run
from tinygrad_mlp.training.checkpoint import Checkpoint
from tinygrad_mlp.training.history import Record

HEADER = """\
             training            validation
iteration    loss  accuracy      loss  accuracy"""
NARROW_HEADER = """\
            training    validation
iteration   loss  acc.   loss  acc."""


class Experiment:
    """A data set prepared for training, and networks to train on it with some losses.

    `ranks` are the processes that train together.
    """

    def __init__(self, settings: Settings, losses: Sequence[str], ranks: Ranks = ALONE) -> None:
        self.settings, self.ranks = settings, ranks
        # Errors for impossible options, before a download. The sizes are those of the hidden layers
        # alone, which may need more memory than there is.
        check_weights([1, *settings.hidden, 1])
        for loss in losses:
            self._network(loss, [1, 1])
        with outputs.announced(f"Reading {settings.dataset} …"):
            self._read()
        self.epochs = settings.epochs or EPOCHS_OF.get(settings.dataset, EPOCHS)
        self.steps = -(-len(self.split.X) // settings.batch_size)
        self.monitor_every = settings.monitor_every or evaluation_interval(self.epochs * self.steps)

    def _read(self) -> None:
        settings = self.settings
        self.dataset = load(settings.dataset, settings.data_dir, progress=sys.stderr.isatty())
        if self.dataset.n_classes < 2:
            raise DataError(
                f"{settings.dataset}: expected images of at least two classes. Got one class, and "
                "nothing to tell apart.")
        self.split = preprocess(
            self.dataset.X, self.dataset.labels, rng=np.random.default_rng(settings.seed),
            whole_set=settings.whole_set, n_classes=self.dataset.n_classes, dtype=settings.dtype)

    def network(self, loss: str) -> NeuralNetwork:
        """Return a new network, whose initial weights depend on the seed but not on the loss."""
        inputs, outputs = self.split.X.shape[1], self.split.Y.shape[1]
        network = self._network(loss, [inputs, *self.settings.hidden, outputs])
        network.n_save = self.monitor_every
        network.preprocessing = (self.split.mean, self.split.scale)
        return network

    def _network(self, loss: str, layers: list[int]) -> NeuralNetwork:
        chosen = self.settings
        rate = chosen.lr
        if rate is None and chosen.optimizer != "sgd":
            rate = RATE_OF_ADAPTIVE
        return NeuralNetwork(
            layers, loss, monitor=record_line, plot=False, bias=chosen.bias, sigma=chosen.sigma,
            hidden_activation=chosen.hidden_activation, output_activation=chosen.output_activation,
            seed=chosen.seed, dtype=chosen.dtype, batch_size=chosen.batch_size, learning_rate=rate,
            optimizer=chosen.optimizer)

    def summary(self, network: NeuralNetwork, loss: str) -> str:
        """Return the settings as text, to be read before training starts."""
        split, chosen = self.split, self.settings
        rate = network.learning_rate
        return outputs.labelled({
            "data": f"{self.dataset.name}, {'x'.join(map(str, self.dataset.image_shape))}: "
            f"{len(split.X):,} to train, {len(split.X_validation):,} to validate"
            + (", standardised over all" if chosen.whole_set else ""),
            "network": f"{'-'.join(map(str, network.layers))}, {chosen.hidden_activation} and "
            f"{chosen.output_activation}, {network.model.n_parameters:,} parameters",
            "loss": f"{loss}, computed in {chosen.dtype}",
            "optimizer": f"{chosen.optimizer}, learning rate "
            + (f"{rate.equation} in epoch k" if isinstance(rate, Schedule) else f"{rate:g}"),
            "training": f"{self.epochs} epoch{'s' * (self.epochs > 1)} of {self.steps:,} steps, "
            f"batch size {chosen.batch_size}, seed {chosen.seed}"
            + (f", by {self.ranks.size} processes" if self.ranks.size > 1 else "")})

    def document(self, network: NeuralNetwork) -> dict[str, Any]:
        """Return the settings as JSON."""
        split, chosen = self.split, self.settings
        rate = network.learning_rate
        return {
            "data": {"name": self.dataset.name, "image_shape": self.dataset.image_shape,
                     "classes": self.dataset.n_classes, "training_images": len(split.X),
                     "validation_images": len(split.X_validation),
                     "standardised_over": "all" if chosen.whole_set else "training"},
            "network": {"layers": network.layers, "hidden_activation": chosen.hidden_activation,
                        "output_activation": chosen.output_activation, "bias": chosen.bias,
                        "sigma": chosen.sigma, "parameters": network.model.n_parameters,
                        "dtype": chosen.dtype},
            "training": {"optimizer": chosen.optimizer,
                         "learning_rate": rate.equation if isinstance(rate, Schedule) else rate,
                         "epochs": self.epochs, "steps_per_epoch": self.steps,
                         "batch_size": chosen.batch_size, "seed": chosen.seed,
                         "ranks": self.ranks.size}}

    def train(self, network: NeuralNetwork,
              checkpoint: Checkpoint | None = None) -> tuple[int, dict[str, object]]:
        """Train a network, and print a table of evaluations as they are made.

        The last record of its history is of the network at the end. Return the exit code and the
        training as JSON; losses are per image.
        """
        print(f"\n{header()}")
        split = self.split
        start = time.perf_counter()
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            # A loss that is not finite ends training with a reason, which is printed below.
            warnings.simplefilter("ignore", RuntimeWarning)
            warnings.simplefilter("always", UserWarning)  # such as of a checkpoint on a full disk
            warnings.showwarning = lambda message, *place: outputs.fail(str(message))
            network.train(split.X, split.Y, self.epochs, split.X_validation, split.Y_validation,
                          callbacks=[FinalRecord(network, split)], checkpoint=checkpoint,
                          ranks=self.ranks)
        seconds, stopped = time.perf_counter() - start, network.history.stopped
        interrupted = is_interruption(stopped)
        code = SUCCESS if stopped is None else INTERRUPT if interrupted else FAILURE
        records = network.history.records
        if code == FAILURE:
            outputs.fail(f"training diverged: {stopped}. Try a smaller --lr.")
        elif records:
            last = records[-1]
            print(outputs.wrapped(
                f"\nFinal validation accuracy {last.validation_accuracy:.4f}, loss "
                f"{last.validation_loss:.4g}; in training {last.training_accuracy:.4f} and "
                f"{last.training_loss:.4g}. {last.iteration + 1:,} iterations took "
                f"{seconds:.1f} s."))
        rows = [record._asdict() for record in records]
        final = rows[-1] if rows else None
        return code, {"history": rows, "final": final, "seconds": seconds, "stopped": stopped}


class FinalRecord(Callback):
    """A callback that adds an evaluation after the last step, and says what signals do."""

    def __init__(self, network: NeuralNetwork, split: Any) -> None:
        self.network, self.split = network, split

    def on_start(self, run: Run) -> None:
        """Let signals end the training, also one that came between two trainings."""
        if process.State.signal:
            run.stop(interruption(process.State.signal))
        process.State.on_signal = "raise"

    def on_end(self, run: Run) -> None:
        """Evaluate, unless there was no step or the last one has been evaluated."""
        process.State.on_signal = "noted"  # until the files are written
        records, split = run.history.records, self.split
        if run.iteration < 0 or (records and records[-1].iteration == run.iteration):
            return
        run.history.append(Record(
            run.iteration, run.epoch, run.seconds, *self._loss_and_accuracy(split.X, split.Y),
            *self._loss_and_accuracy(split.X_validation, split.Y_validation)))

    def _loss_and_accuracy(self, X: Array, Y: Array) -> tuple[float, float]:
        prediction = self.network.predict(X)
        return self.network.loss(Y, prediction) / len(Y), self.network.accuracy(Y, prediction)


def narrow() -> bool:
    """Return whether the terminal is too narrow for the full table of evaluations."""
    return outputs.width_of_terminal() < len(HEADER.splitlines()[1])


def header() -> str:
    """Return the headings above the rows of `record_line`."""
    return NARROW_HEADER if narrow() else HEADER


def record_line(record: Record) -> str:
    """Return a row of the table of evaluations; losses are per sample.

    >>> print(header()), print(record_line(Record(5000, 3, 0.4, 0.8569, 0.975, 0.9024, 0.953)))
                 training            validation
    iteration    loss  accuracy      loss  accuracy
        5,000  0.8569    0.9750    0.9024    0.9530
    (None, None)
    """
    figures: list[float] = [figure or 0.0 for figure in record[3:]]
    if narrow():
        widths = (7, 6, 7, 6)
        shown = [f"{figure:.3f}" if figure < 100 else f"{figure:.0e}" for figure in figures]
    else:
        widths = (8, 10, 10, 10)
        shown = [f"{figure:.4f}" if figure < 1000 else f"{figure:.1e}" for figure in figures]
    cells = [f"{figure:>{width}}" for figure, width in zip(shown, widths, strict=True)]
    return f"{record.iteration:>9,}{''.join(cells)}"


def evaluation_interval(iterations: int) -> int:
    """Return a round number of iterations that gives 5 to 10 evaluations, and at most 10,000.

    The classic experiment on MNIST evaluates every 10,000 iterations.

    >>> [evaluation_interval(n) for n in (9, 1_000, 48_510, 108_000)]
    [1, 100, 5000, 10000]
    """
    round_numbers = [digit * zeros for zeros in (1, 10, 100, 1_000) for digit in (1, 2, 5)]
    return next((n for n in round_numbers if 10 * n >= iterations), 10_000)
