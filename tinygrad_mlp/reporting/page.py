"""`report`: everything about a trained network in one HTML file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import numpy as np

from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.neural_network import NeuralNetwork
from tinygrad_mlp.reporting import results, workings
from tinygrad_mlp.reporting.subject import Subject
from tinygrad_mlp.support.files import atomic_path
from tinygrad_mlp.training.evaluation import LossFunction
from tinygrad_mlp.training.history import History

ENDINGS = (".html", ".htm")


def report(
    path: str | os.PathLike[str],
    model: Any,
    X: Any,
    Y: Any,
    *,
    loss: LossFunction | None = None,
    optimizer: Any = None,
    history: History | None = None,
    batch_size: int | None = None,
    images: Any = None,
    settings: Mapping[str, Any] | None = None,
    title: str | None = None,
) -> None:
    """Write a report on a trained model: one HTML file that needs nothing but a browser.

    It holds the settings; the curves of loss and accuracy; the confusion matrix and the samples
    that were taken for something else, with probabilities; the layers, the graph and the first
    weights; the derivation of the gradients as mathematics; a training step as NumPy code; a check
    of all gradients against numbers; and how long training took. Equal arguments give equal files.
    The model is not changed.

    Args:
        path: of the file, ending in .html.
        model: a `NeuralNetwork`, or a module.
        X: samples to judge the model on, shape ``(n, ...)``, best such as it was not trained on.
        Y: their targets, shape ``(n, ...)``. If they are one-hot, answers can be right or wrong.
        loss: of a module: the function ``(prediction, target)`` it was trained with.
        optimizer: of a module: what it was trained with; without one, the training step ends with
            the gradients.
        history: what `fit` returned; of a `NeuralNetwork` by default its own.
        batch_size: of a module: samples a training step, 32 by default.
        images: what the samples look like, shape ``(n, height, width)``; by default X, if its
            samples are square images.
        settings: further facts by name, to be listed as they are.
        title: of the report; by default what the model is.

    Raises:
        InvalidArgumentError: another ending, no loss, or something that a `NeuralNetwork` knows
            itself; or X or Y have NaN in them.
        ShapeError: these do not fit each other.
        DataNotFoundError: the folder does not exist.

    >>> import pathlib, tempfile, tinygrad_mlp as tg
    >>> network = tg.NeuralNetwork([2, 3, 2], monitor=False, plot=False, seed=0)
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "report.html"
    >>> tg.report(path, network, np.eye(2), np.eye(2), title="Two points")
    >>> "<h1>Two points</h1>" in path.read_text(encoding="utf-8")
    True
    """
    check_ending(path, "report: path")
    if settings is not None and not isinstance(settings, Mapping):
        raise InvalidArgumentError(
            f"report: settings must be a mapping from names to facts; got {settings!r}."
        )
    with np.errstate(all="ignore"):  # a training that diverged is reported, too
        subject = Subject(
            model, X, Y, loss=loss, optimizer=optimizer, history=history, batch_size=batch_size,
            images=images,
        )  # fmt: skip
        page = written(subject, settings or {}, title)
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        file.write(page)


def check_ending(path: str | os.PathLike[str], name: str) -> None:
    """Refuse a path that a browser would not take for a page.

    Raises:
        InvalidArgumentError: it does not end in .html; the message begins with `name`.
    """
    if os.path.splitext(path)[1].lower() not in ENDINGS:
        raise InvalidArgumentError(f"{name} must end in .html; got {os.fspath(path)}.")


def written(subject: Subject, settings: Mapping[str, Any], title: str | None) -> str:
    """The page."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    def source(name: str) -> str:
        return (files("tinygrad_mlp.reporting") / name).read_text(encoding="utf-8")

    # Everything that is not made here as markup is text, whatever characters are in it.
    environment = Environment(
        loader=FunctionLoader(source), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    from tinygrad_mlp.support.version import __version__

    wrong, mistakes = results.mistakes(subject) if subject.classifies else (0, [])
    check = workings.gradient_check(subject)
    return environment.get_template("page.html").render(
        title=title or _name(subject),
        tiles=_tiles(subject, check),
        settings={**_facts(subject), **{str(k): str(v) for k, v in settings.items()}},
        curves=results.curves(subject.history),
        evaluations=results.evaluations(subject.history),
        classifies=subject.classifies,
        confusion=results.confusion(subject),
        mistakes=mistakes, more=wrong > len(mistakes), wrong=f"{wrong:,}",
        of=results.counted(len(subject.X), "sample"),
        probable=subject.probabilities is not None,
        layers=workings.layers(subject.model),
        neurons=workings.neurons(subject),
        graph=workings.graph(subject),
        weights=workings.first_weights(subject),
        derivation=workings.derivation(subject),
        step=workings.step(subject),
        check=check,
        timings=results.timings(subject),
        versions=f"tinygrad_mlp {__version__}, NumPy {np.__version__}",
    )  # fmt: skip


def _name(subject: Subject) -> str:
    if subject.network is not None:
        return f"A {'-'.join(map(str, subject.network.layers))} network"
    return f"A {type(subject.model).__name__} of {subject.model.n_parameters:,} parameters"


def _facts(subject: Subject) -> dict[str, str]:
    """What the model says of itself."""
    network = subject.network
    if network is None:
        return {
            "model": type(subject.model).__name__,
            "loss": getattr(subject.loss, "__name__", str(subject.loss)),
            "optimizer": "none given" if subject.optimizer is None else f"{subject.optimizer}",
            "batch size": f"{subject.batch_size}",
        }
    return _facts_of_network(network)


def _facts_of_network(network: NeuralNetwork) -> dict[str, str]:
    rate = network.learning_rate
    rate = getattr(rate, "equation", rate)
    return {
        "layers": "-".join(map(str, network.layers)) + (", with biases" if network.bias else ""),
        "activations": f"{network.hidden_activation}, {network.output_activation} at the output",
        "loss": network.loss_name,
        "optimizer": f"{network.optimizer_name}, learning rate {rate}",
        "batch size": f"{network.batch_size}",
        "initial weights": f"drawn from N(0, {network.sigma:g}²)",
        "precision": network.dtype.name,
    }


def _tiles(subject: Subject, check: workings.Check) -> list[tuple[str, str, str]]:
    """What one wants to know first: a name, a number, and what it means."""
    n, tiles = len(subject.X), []
    if subject.classifies and subject.accuracy is not None:
        right = round(subject.accuracy * n)
        tiles.append(("accuracy", f"{100 * subject.accuracy:.1f} %", f"{right:,} of {n:,} right"))
    tiles.append(("loss", results.figures(subject.mean_loss), "per sample"))
    tiles.append(("parameters", f"{subject.model.n_parameters:,}", "numbers learned"))
    if len(subject.history):
        seconds, epochs = subject.history.seconds[-1], subject.history.epoch[-1] + 1
        tiles.append(("training", results.duration(seconds), results.counted(epochs, "epoch")))
    verdict = "right" if check.ok else "WRONG" if check.table is not None else "not checked"
    tiles.append(("gradients", verdict, "held against numbers"))
    return tiles
