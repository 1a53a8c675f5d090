"""``tinygrad-mlp report``: a page about a training that ``train --run`` has stored.

A run is a folder with the model and an account of its training: the options and the history. The
options suffice to split the data again as they were split then, so that the report judges the model
on the images that were set aside.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np
from typer import BadParameter

from tinygrad_mlp.cli.experiment import Experiment
from tinygrad_mlp.cli.options import LOSSES, Settings
from tinygrad_mlp.cli.outputs import check_outputs, write_all
from tinygrad_mlp.cli.running import Outcome
from tinygrad_mlp.errors import (
    DataError,
    DataNotFoundError,
    InvalidArgumentError,
    StateDictError,
)
from tinygrad_mlp.neural_network import NeuralNetwork
from tinygrad_mlp.reporting import check_ending
from tinygrad_mlp.reporting import report as write_report
from tinygrad_mlp.reporting.results import counted
from tinygrad_mlp.saving import model as model_file
from tinygrad_mlp.support.checks import one_of
from tinygrad_mlp.support.files import write_file
from tinygrad_mlp.training.history import History, Record

MODEL, ACCOUNT, PAGE = "model.safetensors", "run.json", "report.html"
"""The files of a run; the last is the report, unless another path is given."""


def files_of(folder: Path) -> dict[str, Path | None]:
    """Return the files that `write_run` writes, by what an error calls them."""
    return {f"--run (its {name})": folder / name for name in (MODEL, ACCOUNT)}


def write_run(folder: Path, experiment: Experiment, network: NeuralNetwork,
              metadata: Mapping[str, object] | None) -> None:
    """Write the account of a training and the model; no model after a divergence.

    `metadata` are those of the model's file, None after a divergence.
    """
    model = folder / MODEL
    if metadata is not None:
        model_file.save(model, network, metadata=metadata)
    settings = experiment.settings._asdict()
    del settings["data_dir"]  # it is of this machine only
    history = network.history
    account = {
        "loss": network.loss_name,
        "settings": {**settings, "hidden": list(settings["hidden"])},
        "history": {
            "records": [list(record) for record in history],
            "stopped": history.stopped, "execution": history.execution},
        "model": None if metadata is None else _fingerprint(model)}
    write_file(folder / ACCOUNT, json.dumps(account, indent=1) + "\n")


def report(run: Path, dataset: str | None = None, *, output: Path | None,
           data_dir: Path | None) -> Outcome:
    """Write a report on a run; `dataset` is the data it was trained on, if not as in training."""
    settings, loss, history = _read(run, dataset, data_dir)
    output = run / PAGE if output is None else output
    check_outputs({"--output": output})
    check_ending(output, "--output")
    try:
        experiment = Experiment(settings, [loss])
        network = experiment.network(loss)
    except InvalidArgumentError as error:
        raise DataError(f"{run / ACCOUNT}: the settings do not fit together: {error}") from error
    except DataNotFoundError as error:
        if dataset is not None:
            raise
        raise DataNotFoundError(
            f"{run / ACCOUNT}: the data are not where they were in training: {error} Or name them: "
            "tinygrad-mlp report RUN DATASET.") from error
    before = network.preprocessing
    try:
        model_file.load(run / MODEL, network)
    except StateDictError as error:
        raise _other_images(settings, run, "of another size or other classes") from error
    network.history = history
    if not _equal_but_for_rounding(before, network.preprocessing):
        raise _other_images(settings, run, "with another mean or scale")
    code, files = write_all({output: lambda path: write(path, experiment, network)})
    return Outcome(code, {"run": run, "loss": loss, "files": files})


def _other_images(settings: Settings, run: Path, how: str) -> DataError:
    return DataError(
        f"{settings.dataset}: expected the images that the model of {run / ACCOUNT} was trained "
        f"on. Got others, {how}. Name the right ones: tinygrad-mlp report RUN DATASET.")


def _read(run: Path, dataset: str | None, data_dir: Path | None) -> tuple[Settings, str, History]:
    """Return settings, loss and history of a run whose account and model are undamaged."""
    path, model = run / ACCOUNT, run / MODEL
    if not path.is_file():
        raise DataNotFoundError(
            f"{run}: expected a folder that `tinygrad-mlp train --run` has written. It has no "
            f"{ACCOUNT}.")
    try:
        account = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: expected JSON. Got {error}. Train again.") from error
    try:
        settings = _settings(account["settings"], dataset, data_dir)
        loss, fingerprint = one_of(account["loss"], LOSSES, "loss"), account["model"]
        history = _history(account["history"])
    except (TypeError, LookupError, ValueError, AttributeError, OverflowError) as error:
        raise DataError(
            f"{path}: expected an account of a training, as `tinygrad-mlp train --run` "
            f"writes it. Got {error!r}. Train again.") from error
    if fingerprint is None:
        raise DataError(
            f"{path}: there is no model to report on, since training diverged: {history.stopped}. "
            "Use `train --report` to see how.")
    model_file.read(model)  # raises a better error for a file that is no model at all
    if fingerprint != _fingerprint(model):
        raise DataError(
            f"{path}: expected the model whose training it describes. Got another "
            f"{MODEL}. Put the right one back, or train again.")
    return settings, loss, history


def _history(saved: Any) -> History:
    """Return the history that `write_run` wrote; raise a TypeError for anything else."""
    history = History()
    for row in saved["records"]:
        record = Record(*row)
        for value, hint in zip(record, get_type_hints(Record).values(), strict=True):
            if not _fits(value, hint):
                raise TypeError(f"a record must hold numbers. Got {value!r}")
        history.append(record)
    if not _fits(saved["stopped"], str | None) or not _fits(saved["execution"], str):
        raise TypeError(f"stopped and execution must be text. Got {saved}")
    history.stopped, history.execution = saved["stopped"], saved["execution"]
    return history


def _fingerprint(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


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
            "seed": chosen.seed})


def _settings(saved: Any, dataset: str | None, data_dir: Path | None) -> Settings:
    """Return the options that `write_run` wrote; raise TypeError or KeyError for anything else."""
    given = {**saved, "data_dir": data_dir}
    if dataset is not None:
        given["dataset"] = dataset
    settings = Settings(**given)
    if given.keys() != set(Settings._fields):
        raise KeyError(*sorted(set(Settings._fields) - given.keys()))
    for name, hint in get_type_hints(Settings, include_extras=True).items():
        value = getattr(settings, name)
        kind, option = get_args(hint)
        if not _fits(value, kind):
            raise TypeError(f"{name} must be of {kind}. Got {value!r}.")
        # As on the command line, where --hidden has a parser of its own.
        if value is not None and option.min is not None and value < option.min:
            raise ValueError(f"{name} must be at least {option.min}. Got {value!r}.")
        if option.callback is not None and name != "hidden":
            _checked(option.callback, value, name)
    return settings


def _checked(check: Any, value: object, name: str) -> None:
    try:
        check(value)
    except BadParameter as error:
        raise ValueError(f"{name}: {error.message}") from error


def _fits(value: object, hint: Any) -> bool:
    """Return whether a value is of the type of an annotation."""
    kinds = get_args(hint)
    if get_origin(hint) is list:
        return isinstance(value, list) and all(_fits(item, kinds[0]) for item in value)
    if kinds:  # one of several
        return any(_fits(value, kind) for kind in kinds)
    if isinstance(value, bool):
        return hint is bool
    return isinstance(value, (int, float) if hint is float else hint)


def _equal_but_for_rounding(before: Any, after: Any) -> bool:
    """Return whether mean and scale are equal, up to the rounding of another machine."""
    return after is not None and all(
        a.shape == b.shape and np.allclose(a, b, rtol=1e-6, atol=1e-9)
        for a, b in zip(before, after, strict=True))
