"""The model that a report is about, with its loss, its optimizer and its evaluation data."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_mlp import nn
from tinygrad_mlp.autograd import Tensor, ops
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.drawing import Drawing, draw
from tinygrad_mlp.errors import InvalidArgumentError, ShapeError
from tinygrad_mlp.explanation import Derivation, explain
from tinygrad_mlp.neural_network import NeuralNetwork
from tinygrad_mlp.nn.module import precision
from tinygrad_mlp.program import CompiledFunction
from tinygrad_mlp.stepping import Steps, steps
from tinygrad_mlp.support.checks import integer_at_least
from tinygrad_mlp.training.checked_data import check_lengths, checked_numbers, is_one_hot
from tinygrad_mlp.training.evaluation import LossFunction, evaluate, predict
from tinygrad_mlp.training.history import History
from tinygrad_mlp.verify import GradReport, check_grad

EVERY_ELEMENT = 1000  # up to so many parameters each is checked; of more, random directions
MOST_CHECKED = 20  # arrays of parameters that are checked; of more, the first and the last are
CHECKED_SAMPLES = 4  # samples over which the checked loss is averaged


class ReportedModel:
    """A model and all computations for its report.

    The model itself is not changed: a copy of it takes steps and computes gradients. The arguments
    are those of `report`.
    """

    def __init__(self, model: Any, X: object, Y: object, *, loss: LossFunction | None = None,
                 optimizer: Any = None, history: History | None = None,
                 batch_size: int | None = None, images: object = None) -> None:
        self.network = model if isinstance(model, NeuralNetwork) else None
        if self.network is not None:
            _refuse_given(loss=loss, optimizer=optimizer, batch_size=batch_size)
            model, loss, optimizer = model.model, model.criterion, model.new_optimizer()
            history = self.network.history if history is None else history
            batch_size = self.network.batch_size
        _check_kinds(model, loss, optimizer, history)
        assert loss is not None
        if batch_size is not None:
            batch_size = integer_at_least(1, batch_size, "report: batch_size")
        dtype = precision(model)
        self.X = checked_numbers(X, "report: X", dtype)
        self.Y = checked_numbers(Y, "report: Y", dtype)
        check_lengths(self.X, self.Y, "report: X", "Y")
        self.model, self.optimizer = copy.deepcopy((model, optimizer))
        self.loss: LossFunction = loss
        self.history = History() if history is None else history
        self.batch_size = min(batch_size or 32, len(self.X))
        self.outputs = predict(self.model, self.X)
        self.mean_loss, self.accuracy = evaluate(self.model, loss, self.X, self.Y)
        self.images = self._images(images)

    def _images(self, images: object) -> Array | None:
        if images is None:
            side = math.isqrt(math.prod(self.X.shape[1:]))
            square = self.X.shape[-2:] == (side, side) or self.X.ndim == 2
            if side < 4 or not square or side * side != math.prod(self.X.shape[1:]):
                return None
            return self.X.reshape(-1, side, side)
        array = np.asarray(images)
        if array.ndim != 3 or len(array) != len(self.X):
            raise ShapeError(
                f"report: images must have shape (n, height, width), one for each of the "
                f"{len(self.X)} samples. Got {array.shape}.")
        return array

    @property
    def classifies(self) -> bool:
        """True if the targets are classes, so that answers can be right or wrong."""
        return is_one_hot(self.Y) and self.outputs.shape == self.Y.shape

    @property
    def probabilities(self) -> Array | None:
        """The outputs as probabilities; None if they are none."""
        if self.loss is nn.softmax_cross_entropy:
            return np.asarray(ops.softmax(self.outputs))
        if self.loss is nn.sigmoid_cross_entropy:
            return np.asarray(ops.sigmoid(self.outputs))
        inside = ((self.outputs >= 0) & (self.outputs <= 1)).all()
        return self.outputs if inside else None

    def _loss_of(self, X: object, Y: Array) -> Tensor:
        self.model.eval()
        return self.loss(self.model(Tensor(X, name="x")), Tensor(Y, name="y"))

    def _loss_of_one(self) -> Tensor:
        one = 0 if self.network is not None else slice(0, 1)  # a NeuralNetwork takes a vector
        return self._loss_of(self.X[one], self.Y[one])

    def derivation(self) -> Derivation:
        """Derive the gradients of the loss of one sample with respect to all parameters."""
        return explain(self._loss_of_one(), shapes=True)

    def steps(self) -> Steps:
        """Step through a forward and a backward pass of the loss of one sample."""
        return steps(self._loss_of_one())

    def drawing(self) -> Drawing:
        """Draw the graph of the loss of a batch."""
        rows = slice(0, self.batch_size)
        return draw(self._loss_of(self.X[rows], self.Y[rows]), model=self.model)

    def step(self) -> CompiledFunction[..., Any]:
        """Record a training step as a program."""
        model, optimizer = copy.deepcopy((self.model, self.optimizer))
        model.train()

        def step(x: Array | Tensor, y: Array | Tensor) -> Any:
            value = self.loss(model(x), y)
            value.backward()
            if optimizer is not None:
                optimizer.step()
                optimizer.zero_grad()
            return value

        program = CompiledFunction(step)
        program(self.X[: self.batch_size], self.Y[: self.batch_size])
        return program

    def gradient_check(self) -> GradReport:
        """Compare the gradients of the parameters with numerical derivatives."""
        model = copy.deepcopy(self.model).eval()
        named = list(model.named_parameters())
        if len(named) > MOST_CHECKED:
            named = [*named[: MOST_CHECKED // 2], *named[-MOST_CHECKED // 2 :]]
        parameters = [parameter for _, parameter in named]
        x, y = self.X[:CHECKED_SAMPLES], self.Y[:CHECKED_SAMPLES]

        def of_parameters(values: dict[str, object]) -> Any:
            _exchange(model, parameters, list(values.values()))
            try:
                return {"L": self.loss(model(x), y)}
            finally:
                _exchange(model, list(values.values()), parameters)

        point = {_short_name(path, parameter.name): parameter.data for path, parameter in named}
        return check_grad(
            of_parameters, point, fast=model.n_parameters > EVERY_ELEMENT, points=0)


def _require(allowed: bool, expected: str, got: object) -> None:
    if not allowed:
        raise InvalidArgumentError(f"report: {expected}. Got {got}.")


def _refuse_given(**arguments: object) -> None:
    """Refuse arguments that a `NeuralNetwork` has itself."""
    for name, value in arguments.items():
        expected = f"{name} must be left out for a NeuralNetwork, which has its own"
        _require(value is None, expected, repr(value))


def _check_kinds(model: Any, loss: object, optimizer: Any, history: object) -> None:
    is_model = isinstance(model, nn.Module)
    _require(is_model, "model must be a NeuralNetwork or a Module", type(model).__name__)
    _require(
        callable(loss), "loss must be the function (prediction, target) that the module was "
        "trained with, such as tg.nn.squared_error", repr(loss))
    usable = hasattr(optimizer, "step") and not isinstance(optimizer, type)
    _require(
        optimizer is None or usable, "optimizer must be the optimizer that the module was trained "
        "with, such as tg.optim.SGD(model.parameters(), lr=0.1)", repr(optimizer))
    is_history = history is None or isinstance(history, History)
    _require(is_history, "history must be the History that fit returned", type(history).__name__)


def _short_name(path: str, own: str | None) -> str:
    """Return a parameter's own name, such as W1, or its path where that says more."""
    return path if own is None or path.endswith(f".{own}") else own


def _exchange(model: nn.Module, old: Sequence[object], new: Sequence[object]) -> None:
    """Replace tensors by others wherever the modules hold them."""
    found = {id(before): after for before, after in zip(old, new, strict=True)}
    for _, module in model.named_modules():
        for name, member in module.__dict__.items():
            if isinstance(member, (list, tuple)):
                module.__dict__[name] = type(member)(found.get(id(m), m) for m in member)
            elif id(member) in found:
                module.__dict__[name] = found[id(member)]
