"""Files of what has been trained: a program, the weights, a report."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.playground.settings import PlaySettings
from tinygrad_mlp.playground.trainer import MODULES, Trainer
from tinygrad_mlp.reporting.page import report
from tinygrad_mlp.saving.model import save

PROGRAM = '''"""Trains the network of the playground anew, with the same numbers."""

import numpy as np

import tinygrad_mlp as tg
from tinygrad_mlp.playground import examples

data = examples({data!r}, noise={noise!r}, seed={seed})
rng = np.random.default_rng({seed})
model = tg.nn.Sequential(
{modules})
optimizer = tg.optim.{optimizer}

{loss}

# Step by step, as the playground trains; without `compiled`, the same is faster.
tg.fit(model, loss, optimizer, data.X, data.Y, epochs={epochs}, batch_size={batch},
       rng=np.random.default_rng({seed}), compiled=False)
print("loss {{:.4f}}, accuracy {{}}".format(*tg.evaluate(model, loss, data.X_test, data.Y_test)))
'''

INITIALISER_CALLS = {"xavier": "xavier_normal()", "he": "he_normal()", "small": "normal(0.01)",
                     "large": "normal(2.0)"}
OPTIMIZER_CALLS = {"sgd": "SGD(model.parameters(), lr={lr!r})",
                   "momentum": "SGD(model.parameters(), lr={lr!r}, momentum=0.9)",
                   "rmsprop": "RMSprop(model.parameters(), lr={lr!r})",
                   "adam": "Adam(model.parameters(), lr={lr!r})"}
LOSS_LINES = {
    "cross entropy": "loss = tg.nn.softmax_cross_entropy",
    "sigmoid cross entropy": "loss = tg.nn.sigmoid_cross_entropy",
    "squared error": "def loss(output, target):\n"
                     "    return tg.nn.squared_error(tg.sigmoid(output), target)\n",
    "regression": "loss = tg.nn.squared_error"}


def program(settings: PlaySettings, data: Any, n_in: int, n_out: int, epochs: int) -> str:
    """Return a Python program that trains the same network with so many epochs."""
    if isinstance(data, tuple):
        raise InvalidArgumentError(
            "export: a program can read a file, or make points; it does not know your arrays. "
            "Save them in a CSV file and give that to play.")
    widths = [n_in, *settings.hidden, n_out]
    start = f"init=tg.nn.init.{INITIALISER_CALLS[settings.init]}, rng=rng"
    lines = [f"    tg.nn.Linear({n}, {m}, {start})"
             for n, m in zip(widths, widths[1:], strict=False)]
    activation = f",\n    tg.nn.{MODULES[settings.activation].__name__}(),\n"
    return PROGRAM.format(
        data=str(data), noise=settings.noise, seed=settings.seed, modules=activation.join(lines),
        optimizer=OPTIMIZER_CALLS[settings.optimizer].format(lr=settings.lr),
        loss=LOSS_LINES[settings.loss], epochs=max(epochs, 1), batch=settings.batch)


def weights(trainer: Trainer) -> bytes:
    """Return the weights as a safetensors file, which `load` reads."""
    return _written("weights.safetensors", lambda path: save(path, trainer.model))


def written_report(trainer: Trainer) -> bytes:
    """Return the report on the training, a page."""
    data = trainer.data
    images = data.images if data.side else None
    return _written("report.html", lambda path: report(
        path, trainer.copied_model(), data.X_test, data.Y_test, loss=trainer.runner.loss,
        optimizer=None, images=images, batch_size=trainer.settings.batch))


def _written(name: str, write: Callable[[Path], object]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        write(path)
        return path.read_bytes()

