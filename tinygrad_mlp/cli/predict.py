"""``tinygrad-mlp predict``: the classes of an image, or of all images of a data set."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.cli.image import ReadDrawing, border_level, read_ink, resized
from tinygrad_mlp.cli.options import is_dataset
from tinygrad_mlp.cli.outputs import (
    SUCCESS,
    Heading,
    Table,
    announced,
    width_of_terminal,
    wrapped,
)
from tinygrad_mlp.cli.running import Outcome
from tinygrad_mlp.data import load, standardise
from tinygrad_mlp.data.preprocessing import LARGEST
from tinygrad_mlp.errors import DataError, InvalidArgumentError
from tinygrad_mlp.neural_network import NeuralNetwork
from tinygrad_mlp.saving import model as model_file

BAR, WIDEST = 24, 28
"""Columns of the longest bar, and of the widest picture."""
LEAD = 0.5
"""Lead of the largest output over the next one from which an answer is called certain."""
INKED = 0.35
"""Ink from which a pixel is shown as drawn."""


class SavedNetwork:
    """A saved network, and the metadata of its file on the images it was trained on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.network: NeuralNetwork = model_file.load_network(path)
        self.metadata: dict[str, Any] = model_file.read(path)[1]
        wanted = (self.network.layers[0],)
        for array in self.network.preprocessing or ():
            if array.shape != wanted or not np.isfinite(array).all():
                raise DataError(
                    f"{path}: expected a mean and a scale of shape {wanted}, finite numbers. "
                    f"Got shape {array.shape}. Save the model again.")

    @property
    def image_shape(self) -> tuple[int, int]:
        """The height and width of its images; a square unless the file says otherwise."""
        inputs = self.network.layers[0]
        side = math.isqrt(inputs)
        shape: Any = self.metadata.get("image_shape", [side, side])
        if not _numbers(shape, int) or min(shape) < 1 or math.prod(shape) != inputs:
            raise DataError(
                f"{self.path}: expected image_shape, the height and width of images of {inputs} "
                f"pixels. Got {shape}. Save the model with metadata={{'image_shape': [h, w]}}.")
        return shape[0], shape[1]

    @property
    def pixel_range(self) -> tuple[float, float]:
        """The levels of black and white in its images."""
        levels: Any = self.metadata.get("pixel_range")
        if not _numbers(levels, (int, float)) or not -LARGEST < levels[0] < levels[1] < LARGEST:
            raise DataError(
                f"{self.path}: expected pixel_range, the lowest and highest level of the images "
                f"it was trained on. Got {levels}. Save the model with `tinygrad-mlp train "
                "--save`, or with metadata={'pixel_range': [0, 255]}.")
        return float(levels[0]), float(levels[1])

    @property
    def digit_size(self) -> int | None:
        """The size of the drawings on its images in pixels, if the file says so."""
        size = self.metadata.get("digit_size")
        return size if isinstance(size, int) and 0 < size <= max(self.image_shape) else None

    def pixels(self, ink: Array) -> Array:
        """Return ink from 0 to 1 as an image like those it was trained on."""
        low, high = self.pixel_range
        dark_on_light = False
        if self.network.preprocessing is not None:
            average = self.network.preprocessing[0].reshape(self.image_shape)
            dark_on_light = border_level(average) > (low + high) / 2
        return high - ink * (high - low) if dark_on_light else low + ink * (high - low)

    def outputs(self, images: Array) -> Array:
        """Return the network's outputs for raw images of shape (n, h, w)."""
        X = images.reshape(len(images), -1)
        if self.network.preprocessing is not None:
            X = standardise(images, *self.network.preprocessing)
        outputs = self.network.predict(X)
        if not np.isfinite(outputs).all():
            raise DataError(
                f"{self.path}: expected a model with finite outputs. Got NaN or infinity, since "
                "its training diverged or the file was edited. Train it again.")
        return outputs


def predict(model: Path, target: str, *, data_dir: Path | None, limit: int | None,
            whole_picture: bool) -> Outcome:
    """Classify an image, or all images of a data set.

    Unless the whole picture is used, the drawing on an image is cut out and centred, if the model's
    file says how large it is to be.
    """
    saved = SavedNetwork(model)
    dataset = is_dataset(target)
    if dataset:
        if whole_picture:
            raise InvalidArgumentError(
                f"--whole-picture is for images; {target} is a data set. Leave it out.")
        return _of_dataset(saved, target, data_dir, limit)
    for option, value in {"--limit": limit, "--data-dir": data_dir}.items():
        if value is not None:
            raise InvalidArgumentError(
                f"{option} is for data sets; {target} is an image. Leave it out.")
    return _of_image(saved, Path(target), whole_picture)


def _of_image(model: SavedNetwork, path: Path, whole_picture: bool) -> Outcome:
    size = None if whole_picture else model.digit_size
    # A model that does not say what its images are is refused, whatever the picture.
    wanted, _ = model.image_shape, model.pixel_range
    drawing = read_ink(path, wanted, size)
    outputs, certain, other = judged(model, drawing)
    best = int(np.argmax(outputs))
    # Sigmoid outputs are separate for each class: they need not add up to 1.
    probable = model.network.output_activation == "softmax"
    polarity = "dark on light" if drawing.dark_on_light else "light on dark"
    shape = "x".join(map(str, model.image_shape))
    kind = "probability" if probable else "output"
    table = Table([Heading("class", right=True), Heading(kind, right=True), Heading("", rank=1)])
    longest = min(BAR, table.width - 20)  # what is left beside the numbers
    mark = "\N{FULL BLOCK}" if draws_blocks() else "#"
    for number, output in enumerate(outputs):
        bar = mark * round(longest * min(max(float(output), 0.0), 1.0))
        table.add(number, f"{output:.4f}", bar)
    document = {"model": model.path, "image": path, "answer": best, "certain": certain,
                "outputs": outputs, "probabilities": probable, "polarity": polarity,
                "image_shape": model.image_shape}
    lines = [f"{path}: {best}"]
    if not certain:
        lines.append(wrapped(f"This answer is uncertain: it may be {other} as well."))
    lines.append(wrapped(f"(read as {polarity}, brought to {shape} pixels)"))
    seen = in_blocks(drawing.ink, min(table.width, WIDEST), draws_blocks())
    return Outcome(SUCCESS, document, "\n".join([*lines, str(table), "", "It saw:", seen]))


def judged(model: SavedNetwork, drawing: ReadDrawing) -> tuple[Array, bool, int]:
    """Return the outputs for a drawing, whether the answer is certain, and the next best answer.

    Of a drawing that was cut out, the outputs are the mean of those as it is and without its slant.
    An answer is uncertain if these two differ in it, or if its output has a small lead.
    """
    inks = [drawing.ink, *([] if drawing.upright is None else [drawing.upright])]
    each = model.outputs(np.stack([model.pixels(ink) for ink in inks]))
    outputs = each.mean(axis=0)
    order = np.argsort(outputs, kind="stable")[::-1]
    best, following = int(order[0]), int(order[min(1, len(order) - 1)])
    answers = {int(np.argmax(row)) for row in each}
    lead = float(outputs[best] - outputs[following]) if len(order) > 1 else 1.0
    return outputs, answers == {best} and lead >= LEAD, min(answers - {best}, default=following)


def draws_blocks() -> bool:
    """Return whether the output can show block characters."""
    return (sys.stdout.encoding or "").lower().startswith("utf")


def in_blocks(ink: Array, columns: int, blocks: bool) -> str:
    """Return ink from 0 to 1 as lines of characters, two rows of pixels in each line.

    >>> print(in_blocks(np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]]), 28, blocks=True))
    ▀▄█
    >>> print(in_blocks(np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]]), 28, blocks=False))
    '.#
    """
    if max(ink.shape) > columns:
        height, width = (max(1, round(n * columns / max(ink.shape))) for n in ink.shape)
        ink = resized(ink, (height, width))
    drawn = np.pad(ink > INKED, ((0, len(ink) % 2), (0, 0)))
    signs = " \N{LOWER HALF BLOCK}\N{UPPER HALF BLOCK}\N{FULL BLOCK}" if blocks else " .'#"
    pairs = 2 * drawn[::2].astype(int) + drawn[1::2]
    lines = "\n".join("".join(signs[pair] for pair in row).rstrip() for row in pairs)
    return lines.strip("\n")


def _of_dataset(model: SavedNetwork, name: str, data_dir: Path | None,
                limit: int | None) -> Outcome:
    # For MNIST, the images that training never sees.
    with announced(f"Reading {name} …"):
        dataset = load(name, data_dir, subset="test", progress=sys.stderr.isatty())
    inputs, outputs = model.network.layers[0], model.network.layers[-1]
    size, classes = math.prod(dataset.image_shape), dataset.n_classes
    if size != inputs or classes > outputs:
        raise InvalidArgumentError(
            f"{model.path} takes images of {inputs} pixels and knows {outputs} classes; {name} has "
            f"images of {'x'.join(map(str, dataset.image_shape))} = {size} pixels in {classes} "
            f"classes. Use a model trained on such data.")
    labels = dataset.labels[:limit]
    answers = np.argmax(model.outputs(dataset.X[:limit]), axis=1)
    right = int((answers == labels).sum())
    title = f"{dataset.name}{' test' if name == 'mnist' else ''}"
    lines = [f"{title}: accuracy {right / len(labels):.4f}, {right:,} of {len(labels):,} images"]
    seen = name != "mnist" and model.metadata.get("dataset") == dataset.name
    if seen:
        lines.append("(Most of these images are those it was trained on.)")
    counts = confusion_counts(labels, answers, outputs)
    document = {"model": model.path, "dataset": dataset.name, "images": len(labels), "right": right,
                "accuracy": right / len(labels), "confusion": counts, "seen_in_training": seen}
    table = confusion_table(counts, width_of_terminal())
    return Outcome(SUCCESS, document, wrapped("\n".join(lines)) + f"\n\n{table}")


def confusion_counts(labels: Array, answers: Array, n_classes: int) -> Array:
    """Return how often images of each class (rows) got each answer (columns)."""
    counts = np.zeros((n_classes, n_classes), np.intp)
    np.add.at(counts, (labels, answers), 1)
    return counts


def confusion_table(counts: Array, width: int) -> str:
    """Return the counts as a table; if that is wider than `width`, the most frequent mistakes.

    >>> print(confusion_table(np.array([[1, 0], [1, 2]]), 60))
    Rows: the true class. Columns: the answer.
          0 1
      0 | 1 .
      1 | 1 2
    """
    n_classes = len(counts)
    cell = len(str(max(int(counts.max()), n_classes - 1))) + 1
    if 5 + n_classes * cell <= width:
        rows = [f"{row:>3} |" + "".join(f"{count or '.':>{cell}}" for count in counts[row])
                for row in range(n_classes)]
        head = " " * 5 + "".join(f"{column:>{cell}}" for column in range(n_classes))
        return "\n".join([wrapped("Rows: the true class. Columns: the answer."), head, *rows])
    mistakes = counts * (1 - np.eye(n_classes, dtype=np.intp))
    worst = np.argsort(mistakes, axis=None, kind="stable")[::-1][:10]
    pairs = [divmod(int(i), n_classes) for i in worst if mistakes.flat[i]]
    lines = [f"  {true} taken for {answer}: {mistakes[true, answer]}" for true, answer in pairs]
    return "\n".join(["The most frequent mistakes:" if pairs else "There are no mistakes.", *lines])


def _numbers(pair: Any, kind: Any) -> bool:
    return isinstance(pair, list) and len(pair) == 2 and all(
        isinstance(n, kind) and not isinstance(n, bool) for n in pair)
