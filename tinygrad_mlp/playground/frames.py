"""What a frame holds: numbers of a training, sampled, and as one byte each."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.mode import no_grad
from tinygrad_mlp.nn.module import evaluation
from tinygrad_mlp.playground.data import PlayData
from tinygrad_mlp.playground.settings import ANSWERS
from tinygrad_mlp.playground.trainer import Trainer
from tinygrad_mlp.training.checked_data import plain

GRID, SMALL_GRID = 48, 16
"""Points on a side of the decision boundary, and of what a neuron sees."""

MOST_NEURONS = 12
"""Neurons of a layer that are drawn, so that a page can be drawn twenty times a second."""

LARGEST_IMAGE = 28


class Parts:
    """Arrays as bytes: each from −127 to 127 with a scale, one after the other."""

    def __init__(self) -> None:
        self.listed: list[dict[str, Any]] = []
        self.payload = b""

    def add(self, name: str, array: Array) -> None:
        """Add an array under a name."""
        array = np.nan_to_num(np.asarray(array, float))
        scale = float(np.abs(array).max(initial=0)) or 1.0
        self.listed.append({"name": name, "shape": array.shape, "scale": scale / 127})
        self.payload += np.rint(array * (127 / scale)).astype(np.int8).tobytes()


def encoded(header: dict[str, object], payload: bytes = b"") -> bytes:
    """Return a message: the length of the header, the header as JSON, and the payload.

    >>> encoded({"type": "check"}, b"!")
    b'\\x10\\x00\\x00\\x00{"type":"check"}!'
    """
    text = json.dumps(_finite(header), separators=(",", ":"), allow_nan=False).encode()
    return struct.pack("<I", len(text)) + text + payload


def _finite(value: object) -> Any:
    """Return a value with None for NaN and infinity, which JSON lacks."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def frame(trainers: list[Trainer], loss: str, sample: int, running: bool,
          held: bool) -> bytes:
    """Return a frame: losses and gradient norms of each training, and pictures of the first."""
    first = trainers[0]
    parts = Parts()
    with np.errstate(all="ignore"):
        header: dict[str, Any] = {
            "type": "frame", "step": first.run.iteration + 1, "epoch": first.epochs,
            "running": running, "held": held,
            "trainings": [_numbers(trainer) for trainer in trainers]}
        if first.layers():
            _add_network(parts, first, sample)
        if not first.data.side:
            answers = answered(first, loss, plane(first.data, GRID))
            parts.add("boundary", answers.reshape(GRID, GRID, -1))
        parts.add("answer", answered(first, loss, first.data.X_test[sample : sample + 1])[0])
    return encoded({**header, "parts": parts.listed}, parts.payload)


def _numbers(trainer: Trainer) -> dict[str, object]:
    loss, accuracy, test_loss, test_accuracy = trainer.evaluated()
    return {"loss": loss, "accuracy": accuracy, "test_loss": test_loss,
            "test_accuracy": test_accuracy, "norms": trainer.norms(),
            "stopped": trainer.run.stopped}


def _add_network(parts: Parts, trainer: Trainer, sample: int) -> None:
    """Add weights, gradients and values between the neurons that are drawn, and their pictures."""
    data, layers = trainer.data, trainer.layers()
    for number, layer in enumerate(layers):
        shown = slice(MOST_NEURONS)
        weight = layer.weight.data
        gradient = np.zeros_like(weight) if layer.weight.grad is None else layer.weight.grad
        parts.add(f"weights{number}", weight[shown, shown])
        parts.add(f"gradients{number}", gradient[shown, shown])
    for number, column in enumerate(trainer.columns(data.X_test[sample : sample + 1])):
        parts.add(f"values{number}", column[0, :MOST_NEURONS])
    if data.side:
        if data.side <= LARGEST_IMAGE:
            images = layers[0].weight.data[:MOST_NEURONS]
            parts.add("seen1", images.reshape(-1, data.side, data.side))
        return
    for number, column in enumerate(trainer.columns(plane(data, SMALL_GRID))):
        maps = column[:, :MOST_NEURONS].T
        parts.add(f"seen{number}", maps.reshape(-1, SMALL_GRID, SMALL_GRID))


def plane(data: PlayData, side: int) -> Array:
    """Return points of the plane of the first two inputs, row by row from the top.

    Further inputs are 0, their mean.
    """
    X = np.zeros((side * side, data.X.shape[1]))
    low, high = limits(data)
    x = np.linspace(low[0], high[0], side)
    X[:, 0] = np.tile(x, side)
    if X.shape[1] > 1:
        X[:, 1] = np.repeat(np.linspace(high[1], low[1], side), side)
    return X


def limits(data: PlayData) -> tuple[list[float], list[float]]:
    """Return the lower left and the upper right corner of that plane."""
    X = data.X[:, :2]
    low, high = X.min(axis=0), X.max(axis=0)
    margin = 0.1 * (high - low) + 1e-9
    low, high = low - margin, high + margin
    if len(low) == 1:
        return [float(low[0]), -1.0], [float(high[0]), 1.0]
    return low.tolist(), high.tolist()


def answered(trainer: Trainer, loss: str, X: Array) -> Array:
    """Return what the model says of inputs: probabilities, or numbers."""
    with evaluation(trainer.model), no_grad():
        output = plain(trainer.model(X))
        return np.asarray(ANSWERS.get(loss, lambda o: o)(output))
