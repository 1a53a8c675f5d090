"""The function `report`, which writes everything about a trained network to one HTML file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from markupsafe import Markup

from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.reporting import results, workings
from tinygrad_mlp.reporting.reported_model import ReportedModel
from tinygrad_mlp.stepping.page import style
from tinygrad_mlp.support.checks import path_like
from tinygrad_mlp.support.files import write_file
from tinygrad_mlp.support.version import __version__
from tinygrad_mlp.training.evaluation import LossFunction
from tinygrad_mlp.training.history import History

ENDINGS = (".html", ".htm")


def report(path: str | os.PathLike[str], model: object, X: object, Y: object, *,
           loss: LossFunction | None = None, optimizer: Any = None, history: History | None = None,
           batch_size: int | None = None, images: object = None,
           settings: Mapping[str, object] | None = None, title: str | None = None) -> None:
    """Write a report on a trained model: one HTML file that needs nothing but a browser.

    It holds the settings; the curves of loss and accuracy; the confusion matrix and samples with
    wrong answers, with probabilities; the layers, the graph and the first weights; the derivation
    of the gradients as mathematics; a training step as NumPy code; a check of all gradients against
    numerical derivatives; and the training time. Equal arguments give equal files. The model is not
    changed.

    Args:
        path: the file, which must end in .html.
        model: a `NeuralNetwork`, or a module.
        X: samples to evaluate the model on, shape ``(n, ...)``, best ones that it was not trained
            on.
        Y: their targets, shape ``(n, ...)``. If they are one-hot, the report shows wrong answers.
        loss: for a module, the function ``(prediction, target)`` that it was trained with.
        optimizer: for a module, the optimizer that it was trained with. Without one, the training
            step ends with the gradients.
        history: the history that `fit` returned; by default that of a `NeuralNetwork`.
        batch_size: for a module, the samples of a training step, 32 by default.
        images: pictures of the samples, shape ``(n, height, width)``; by default X, if its samples
            are square images.
        settings: further facts by name, listed as they are.
        title: the title of the report; by default a description of the model.

    Raises:
        InvalidArgumentError: the path has another ending, the loss is missing, an argument is given
            that a `NeuralNetwork` has itself, or X or Y contain NaN.
        ShapeError: the shapes do not fit each other.
        DataNotFoundError: the folder does not exist.
        WriteError: the file cannot be written, as on a full disk; an old one remains.

    >>> import pathlib, tempfile, tinygrad_mlp as tg
    >>> network = tg.NeuralNetwork([2, 3, 2], monitor=False, plot=False, seed=0)
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "report.html"
    >>> tg.report(path, network, np.eye(2), np.eye(2), title="Two points")
    >>> "<h1>Two points</h1>" in path.read_text(encoding="utf-8")
    True
    """
    path_like(path, "report(path, model, X, Y)")
    check_ending(path, "report: path")
    if settings is not None and not isinstance(settings, Mapping):
        raise InvalidArgumentError(
            f"report: settings must be a mapping from names to facts. Got {settings!r}.")
    with np.errstate(all="ignore"):  # a training that diverged has a report, too
        subject = ReportedModel(model, X, Y, loss=loss, optimizer=optimizer, history=history,
                                batch_size=batch_size, images=images)
        page = render_page(subject, settings or {}, title)
    write_file(path, page)


def check_ending(path: str | os.PathLike[str], name: str) -> None:
    """Refuse a path that a browser would not open as a page; the message begins with `name`."""
    if os.path.splitext(path)[1].lower() not in ENDINGS:
        raise InvalidArgumentError(f"{name} must end in .html. Got {os.fspath(path)}.")


def render_page(subject: ReportedModel, settings: Mapping[str, object], title: str | None) -> str:
    """Return the HTML of a report."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    # Everything that is not markup made here is text, whatever characters it contains.
    environment = Environment(loader=PackageLoader("tinygrad_mlp.reporting", "."), autoescape=True,
                              undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    wrong, mistakes = results.mistakes(subject)
    check = workings.gradient_check(subject)
    return environment.get_template("page.html").render(
        title=title or _name(subject), tiles=_tiles(subject, check),
        settings={**_facts(subject), **{str(k): str(v) for k, v in settings.items()}},
        curves=results.curves(subject.history), evaluations=results.evaluations(subject.history),
        classifies=subject.classifies, confusion=results.confusion(subject),
        mistakes=mistakes, more=wrong > len(mistakes), wrong=f"{wrong:,}",
        of=results.counted(len(subject.X), "sample"), probable=subject.probabilities is not None,
        layers=workings.layers(subject), neurons=workings.neurons(subject),
        graph=workings.graph(subject), weights=workings.first_weights(subject),
        derivation=workings.derivation(subject), one_pass=workings.one_pass(subject),
        steps_style=Markup(style()), step=workings.step(subject), check=check,
        timings=results.timings(subject),
        versions=f"tinygrad_mlp {__version__}, NumPy {np.__version__}")


def _name(subject: ReportedModel) -> str:
    if subject.network is not None:
        return f"A {'-'.join(map(str, subject.network.layers))} network"
    return f"A {type(subject.model).__name__} of {subject.model.n_parameters:,} parameters"


def _facts(subject: ReportedModel) -> dict[str, str]:
    """Return the settings of a model by name."""
    network = subject.network
    if network is None:
        return {"model": type(subject.model).__name__,
                "loss": getattr(subject.loss, "__name__", str(subject.loss)),
                "optimizer": "none given" if subject.optimizer is None else f"{subject.optimizer}",
                "batch size": f"{subject.batch_size}"}
    rate = getattr(network.learning_rate, "equation", network.learning_rate)
    return {
        "layers": "-".join(map(str, network.layers)) + (", with biases" if network.bias else ""),
        "activations": f"{network.hidden_activation}, {network.output_activation} at the output",
        "loss": network.loss_name,
        "optimizer": f"{network.optimizer_name}, learning rate {rate}",
        "batch size": f"{network.batch_size}",
        "initial weights": f"drawn from N(0, {network.sigma:g}²)",
        "precision": network.dtype.name}


def _tiles(subject: ReportedModel, check: workings.CheckSection) -> list[tuple[str, str, str]]:
    """Return the most important results: a name, a number, and its meaning."""
    n, tiles = len(subject.X), []
    if subject.classifies and subject.accuracy is not None:
        right = round(subject.accuracy * n)
        tiles.append(("accuracy", f"{100 * subject.accuracy:.1f} %", f"{right:,} of {n:,} right"))
    tiles.append(("loss", f"{subject.mean_loss:.4g}", "per sample"))
    tiles.append(("parameters", f"{subject.model.n_parameters:,}", "numbers learned"))
    if len(subject.history):
        seconds, epochs = subject.history.seconds[-1], subject.history.epoch[-1] + 1
        tiles.append(("training", results.duration(seconds), results.counted(epochs, "epoch")))
    verdict = "right" if check.ok else "WRONG" if check.table is not None else "not checked"
    tiles.append(("gradients", verdict, "compared with numbers"))
    return tiles
