"""One training, a step at a time: the same steps, in the same order, as those of `fit`."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from tinygrad_mlp import nn
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.mode import no_grad
from tinygrad_mlp.autograd.op import Op
from tinygrad_mlp.graph_view.names import of_places
from tinygrad_mlp.nn.module import evaluation as in_evaluation
from tinygrad_mlp.nn.module import precision
from tinygrad_mlp.playground.data import PlayData
from tinygrad_mlp.playground.settings import (
    ACTIVATIONS,
    INITIALISERS,
    OPTIMIZERS,
    WRONG_RULES,
    PlaySettings,
)
from tinygrad_mlp.training.checked_data import plain
from tinygrad_mlp.training.evaluation import evaluate, fitting_dtypes
from tinygrad_mlp.training.examples import Examples
from tinygrad_mlp.training.history import History
from tinygrad_mlp.training.run import FitSettings, Run
from tinygrad_mlp.training.steps import StepRunner

ENDLESS = 10**9  # epochs of a training that a person ends

MOST_EVALUATED = 500
"""Samples of each kind up to which loss and accuracy are evaluated for a frame."""

MODULES = {"tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "relu": nn.ReLU, "softplus": nn.Softplus}


class Planted(nn.Module):
    """An activation with a wrong gradient rule."""

    def __init__(self, op: Op) -> None:
        self.op = op

    def forward(self, x: object) -> Any:
        """Apply the operation."""
        return self.op(x)


def activation_op(settings: PlaySettings, rule: str = "") -> Op:
    """Return the operation of the activation; with a wrong rule, one of the same name."""
    right = ACTIVATIONS[settings.activation]
    if not rule:
        return right
    return Op(replace(right.record, rules={"x": WRONG_RULES[settings.activation][rule]}))


def built(settings: PlaySettings, n_in: int, n_out: int, rule: str = "") -> nn.Sequential:
    """Return the network of the settings, with weights drawn from the seed."""
    rng = np.random.default_rng(settings.seed)
    widths = [n_in, *settings.hidden, n_out]
    modules: list[nn.Module] = []
    for n, m in pairwise(widths):
        modules.append(nn.Linear(n, m, init=INITIALISERS[settings.init], rng=rng))
        activation = Planted(activation_op(settings, rule)) if rule else (
            MODULES[settings.activation]())
        modules.append(activation)
    return nn.Sequential(*modules[:-1])


class Trainer:
    """A model in training. `loss` takes the output of the model and the target."""

    def __init__(self, model: nn.Module, loss: Callable[..., object], data: PlayData,
                 settings: PlaySettings) -> None:
        self.model, self.data, self.settings = model, data, settings
        dtypes = fitting_dtypes(model, loss, data.X, data.Y, precision(model))
        optimizer = OPTIMIZERS[settings.optimizer](model.parameters(), lr=settings.lr)
        self.run = Run(model, optimizer, History())
        training = FitSettings(
            epochs=ENDLESS, batch_size=settings.batch, shuffle=True, compiled=False, block=1,
            threads=1, record_every=0, accumulate=1)
        self.runner = StepRunner(
            self.run, loss, Examples(data.X, data.Y, dtypes), training,
            np.random.default_rng(settings.seed), threads=1, watched=True)
        self._steps = self._taken()
        model.train()

    def set(self, settings: PlaySettings) -> None:
        """Change what can be changed while training goes on."""
        before, self.settings = self.settings, settings
        if settings.optimizer != before.optimizer:
            parameters = self.model.parameters()
            self.run.optimizer = OPTIMIZERS[settings.optimizer](parameters, lr=settings.lr)
        elif settings.lr != before.lr:
            self.run.optimizer.lr = settings.lr
        if settings.batch != before.batch:
            self._begin(settings.batch)

    def _begin(self, batch_size: int) -> None:
        """Go on from the same place in the data with batches of another size."""
        self.runner.batch_size = batch_size
        self._steps = self._taken()

    def _taken(self) -> Iterator[None]:
        for _ in self.runner.epochs():
            yield from self.runner.steps()
            if self.run.stopped:
                return
            self.runner.order.end_epoch()

    def step(self, unit: str = "batch") -> int:
        """Take a step on a batch or a sample, or the steps left of an epoch; return their number.

        There are none once the loss is not finite: `run.stopped` says why.
        """
        if unit == "sample":
            self._begin(1)
        taken = 0
        for _ in self._steps:
            taken += 1
            if unit != "epoch" or self.runner.order.samples >= len(self.data.X):
                break
        if unit == "sample":
            self._begin(self.settings.batch)
        return taken

    @property
    def epochs(self) -> float:
        """The epochs that are done, with the part of the present one."""
        order = self.runner.order
        return order.epochs + order.samples / len(self.data.X)

    def evaluated(self) -> tuple[float, float | None, float, float | None]:
        """Return loss and accuracy on samples trained on, and on others."""
        n = MOST_EVALUATED
        seen = evaluate(self.model, self.runner.loss, self.data.X[:n], self.data.Y[:n])
        held_out = evaluate(
            self.model, self.runner.loss, self.data.X_test[:n], self.data.Y_test[:n])
        return (*seen, *held_out)

    def weights(self) -> dict[str, nn.Parameter]:
        """Return the weights: W1, W2, … of layers one after another, else by their places."""
        found = {name: p for name, p in self.model.named_parameters() if p.data.ndim > 1}
        names = of_places(found)
        if all(name.partition(".")[0].isdigit() and name.count(".") == 1 for name in found):
            names = {name: f"W{i}" for i, name in enumerate(found, 1)}
        return {names[name]: p for name, p in found.items()}

    def norms(self) -> list[float]:
        """Return ``‖∂L/∂W‖`` of each weight, by layer; 0 before the first step."""
        return [0.0 if w.grad is None else float(np.linalg.norm(w.grad))
                for w in self.weights().values()]

    def layers(self) -> list[nn.Linear]:
        """Return the layers of a network whose layers follow one another; else none."""
        if not isinstance(self.model, nn.Sequential):
            return []
        modules = list(self.model)
        linear = [m for m in modules if isinstance(m, nn.Linear)]
        plain = (nn.Linear, Planted, *MODULES.values(), nn.Softmax)
        return linear if all(isinstance(m, plain) for m in modules) else []

    def columns(self, X: Array) -> list[Array]:
        """Return the inputs and the outputs of each layer, after its activation."""
        found = [X]
        modules = list(self.model)  # type: ignore[call-overload]
        with in_evaluation(self.model), no_grad():
            for module, after in zip(modules, [*modules[1:], None], strict=True):
                X = module(X)
                if not isinstance(module, nn.Linear) or after is None or isinstance(
                        after, nn.Linear):
                    found.append(plain(X))
        return found

    def copied_model(self) -> nn.Module:
        """Return a copy of the model in evaluation mode."""
        return copy.deepcopy(self.model).eval()
