"""``tinygrad-mlp report``: a page on a model that ``train`` has saved, or is about to save.

A saved model's file says how it was trained: the options, and the history. From these the data are
split once more as they were then, so that the report judges the model on the images that were set
aside, without anything else having been kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np

from tinygrad_mlp import checkpoint
from tinygrad_mlp.cli.experiment import Experiment, Settings
from tinygrad_mlp.cli.outputs import check_outputs, write_all
from tinygrad_mlp.errors import DataError, TinygradError
from tinygrad_mlp.history import History, Record
from tinygrad_mlp.neural_network import NeuralNetwork
from tinygrad_mlp.reporting import check_ending
from tinygrad_mlp.reporting import report as write_report
from tinygrad_mlp.reporting.results import counted

RUN = "run"
"""The entry of a model file's facts that says how it was trained."""


def run_facts(experiment: Experiment, network: NeuralNetwork) -> dict[str, Any]:
    """How a network was trained, fit for JSON: what `report` needs besides the data."""
    settings = experiment.settings._asdict()
    del settings["data_dir"]  # of this machine
    history = network.history
    return {
        "loss": network.loss_name,
        "settings": {**settings, "hidden": list(settings["hidden"])},
        "history": {
            "records": [list(record) for record in history],
            "stopped": history.stopped,
            "execution": history.execution,
        },
    }


def report(
    model: Path, dataset: str | None = None, *, output: Path | None, data_dir: Path | None
) -> int:
    """Write a report on a saved model.

    Args:
        model: the file that ``train --save`` has written.
        dataset: the data it was trained on, if they are no longer called what they were then.
        output: the file of the report; by default that of the model, with another ending.
        data_dir: where the MNIST files lie.

    Returns:
        The exit code.

    Raises:
        TinygradError: the file is none that `train` has written, or the data are others.
    """
    output = model.with_suffix(".html") if output is None else output
    check_outputs({"--output": output})
    check_ending(output, "--output")
    try:
        settings, loss, history = _account(checkpoint.read(model)[1][RUN], dataset, data_dir)
    except (TypeError, KeyError, ValueError) as error:
        if isinstance(error, TinygradError):
            raise
        raise DataError(
            f"{model}: expected a model with an account of its training, as `tinygrad-mlp train "
            "--save` writes it; found none, or a damaged one. Train it again, or write the report "
            "in Python, with tg.report."
        ) from error
    experiment = Experiment(settings, [loss])
    network = experiment.network(loss)
    before = network.preprocessing
    checkpoint.load(model, network)
    network.history = history
    if not _alike(before, network.preprocessing):
        raise DataError(
            f"{settings.dataset}: expected the images that {model} was trained on; found others, "
            "with another mean or scale. Name the right ones: tinygrad-mlp report MODEL DATASET."
        )
    return write_all({output: lambda path: write(path, experiment, network)})


def write(path: Path, experiment: Experiment, network: NeuralNetwork) -> None:
    """Write the report on a network that was trained in an experiment."""
    split, dataset, chosen = experiment.split, experiment.dataset, experiment.settings
    shape = "×".join(map(str, dataset.image_shape))
    write_report(
        path, network, split.X_validation, split.Y_validation,
        images=dataset.X[split.order[len(split.X) :]],
        title=f"{dataset.name}: a {'-'.join(map(str, network.layers))} network",
        settings={
            "data": f"{dataset.name}, images of {shape} pixels in {dataset.n_classes} classes",
            "training": f"{counted(len(split.X), 'image')}, "
            f"{counted(experiment.epochs, 'epoch')} of {counted(experiment.steps, 'step')}",
            "validation": f"{counted(len(split.X_validation), 'image')}, set aside; this report "
            "judges the network on them",
            "standardised over": "all images" if chosen.whole_set else "the training images",
            "seed": chosen.seed,
        },
    )  # fmt: skip


def _account(
    run: Any, dataset: str | None, data_dir: Path | None
) -> tuple[Settings, str, History]:
    """What `run_facts` wrote: options, loss and history.

    Raises:
        TypeError, KeyError, ValueError: it is something else.
    """
    saved = {**run["settings"], "data_dir": data_dir}
    if dataset is not None:
        saved["dataset"] = dataset
    settings = Settings(**saved)
    for name, hint in get_type_hints(Settings).items():
        if not _fits(getattr(settings, name), hint):
            raise TypeError(f"{name} must be of {hint}; found {getattr(settings, name)!r}.")
    return settings, str(run["loss"]), _history(run["history"])


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value is of the type that an annotation says."""
    kinds = get_args(hint)
    if get_origin(hint) is Sequence:
        return isinstance(value, list) and all(_fits(item, kinds[0]) for item in value)
    if kinds:  # one of several
        return any(_fits(value, kind) for kind in kinds)
    if isinstance(value, bool):
        return hint is bool
    return isinstance(value, (int, float) if hint is float else hint)


def _history(saved: Any) -> History:
    """The history that `run_facts` wrote."""
    history = History()
    for row in saved["records"]:
        history.append(Record(*row))
    history.stopped, history.execution = saved["stopped"], str(saved["execution"])
    return history


def _alike(before: Any, after: Any) -> bool:
    """Whether mean and scale are the same, up to the rounding of another machine."""
    return after is not None and all(
        a.shape == b.shape and np.allclose(a, b, rtol=1e-6, atol=1e-9)
        for a, b in zip(before, after, strict=True)
    )
