"""Saving and loading of models in the safetensors format.

Nothing in such a file is ever executed, and other frameworks can read it.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Mapping
from typing import Any

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.errors import DataError, InvalidArgumentError, StateDictError
from tinygrad_mlp.neural_network import NeuralNetwork
from tinygrad_mlp.nn import Module
from tinygrad_mlp.nn.architecture import architecture, differences
from tinygrad_mlp.nn.matching import matched
from tinygrad_mlp.support.checks import checked_metadata, path_like
from tinygrad_mlp.support.safetensors_file import read as read
from tinygrad_mlp.support.safetensors_file import write
from tinygrad_mlp.training.history import History, Record

MEAN, SCALE = "preprocessing.mean", "preprocessing.scale"
RESERVED = (
    "format", "versions", "architecture", "neural_network", "training", "checkpoint", "checksum")
"""The entries of the metadata that `save` writes itself."""


def save(path: str | os.PathLike[str], model: object, *,
         metadata: Mapping[str, object] | None = None, history: History | None = None) -> None:
    """Write the weights and the architecture of a model to a file, completely or not at all.

    The metadata hold the architecture (each module's class and settings), the versions of this
    package, NumPy and Python, and the settings and the result of the training, if known.

    Args:
        path: the path of the file, by convention ending in ``.safetensors``.
        model: a `Module` or a `NeuralNetwork`; of the latter the settings are saved, too, so that
            `load_network` can build it again.
        metadata: further entries to store, anything that JSON can express.
        history: the result of `fit` for this model, whose settings and result are stored. A
            `NeuralNetwork` has its own.

    Raises:
        InvalidArgumentError: `model` is neither, or `metadata` cannot be expressed in JSON or
            uses a reserved name.
        DTypeError: an array has a dtype that the format lacks.
        DataNotFoundError: the folder does not exist.
        WriteError: the file cannot be written, as on a full disk; an old one remains.

    >>> import tempfile, numpy as np, tinygrad_mlp as tg
    >>> path = tempfile.mkdtemp() + "/model.safetensors"
    >>> first, second = (tg.nn.Linear(3, 2, rng=np.random.default_rng(i)) for i in (0, 1))
    >>> tg.save(path, first)
    >>> _ = tg.load(path, second)
    >>> bool((first.weight == second.weight).all())
    True
    """
    path_like(path, "save(path, model)")
    given = checked_metadata(metadata, RESERVED, "save")
    if history is not None and not isinstance(history, History):
        raise InvalidArgumentError(
            f"save: history must be the History that tg.fit returns. Got {type(history).__name__}.")
    stored: dict[str, Any] = {}
    if isinstance(model, NeuralNetwork):
        stored["neural_network"] = model.settings()
        stored["architecture"] = architecture(model.model)
        history = model.history if history is None else history
        arrays = model.model.state_dict()
        if model.preprocessing is not None:
            arrays[MEAN], arrays[SCALE] = model.preprocessing
    elif isinstance(model, Module):
        stored["architecture"] = architecture(model)
        arrays = model.state_dict()
    else:
        raise InvalidArgumentError(
            f"save: model must be a Module or a NeuralNetwork. Got {type(model).__name__}.")
    if history is not None and history.settings:
        stored["training"] = _training_metadata(history)
    write(path, arrays, {**stored, **given}, "save")


def _training_metadata(history: History) -> dict[str, object]:
    """Return settings and result of a training, without times: equal runs make equal files."""
    stored: dict[str, Any] = {"settings": history.settings, "stopped": history.stopped}
    if history.records:
        last = history.records[-1]
        stored["iterations"] = last.iteration + 1
        for field in Record._fields[3:]:
            value = getattr(last, field)
            if value is not None and math.isfinite(value):
                stored[field] = float(value)
    return stored


def load(path: str | os.PathLike[str], model: object) -> Any:
    """Read weights saved by `save` into a model of the same architecture, and return it.

    From a checkpoint (see `fit`) it reads the weights of the model.

    Args:
        path: the file.
        model: a `Module` or a `NeuralNetwork`.

    Raises:
        DataNotFoundError: there is no such file.
        DataError: it is damaged, or not in the safetensors format.
        StateDictError: the weights are of another architecture; the message lists the layers
            that differ, and nothing is changed.
        InvalidArgumentError: `model` is neither.

    Warns:
        UserWarning: the weights fit, but the model has another activation or another ε.

    >>> import os, tempfile
    >>> import numpy as np, tinygrad_mlp as tg
    >>> network = tg.NeuralNetwork([2, 3, 1], monitor=False, plot=False, seed=0)
    >>> path = os.path.join(tempfile.mkdtemp(), "network.safetensors")
    >>> tg.save(path, network)
    >>> other = tg.NeuralNetwork([2, 3, 1], monitor=False, plot=False, seed=1)
    >>> load(path, other) is other, bool((other.weights[0] == network.weights[0]).all())
    (True, True)
    """
    path_like(path, "load(path, model)")
    if not isinstance(model, (Module, NeuralNetwork)):
        raise InvalidArgumentError(
            f"load: model must be a Module or a NeuralNetwork. Got {type(model).__name__}.")
    arrays, stored = read(path)
    mean = scale = None
    if "neural_network" in stored:  # a module may have arrays of these names, too
        mean, scale = arrays.pop(MEAN, None), arrays.pop(SCALE, None)
    if "checkpoint" in stored:
        arrays = {name.removeprefix("model."): array for name, array in arrays.items()
                  if name.startswith("model.")}
    module = model.model if isinstance(model, NeuralNetwork) else model
    different = "\n  ".join(differences(stored.get("architecture"), module))
    try:
        if isinstance(model, NeuralNetwork) and (mean is not None or scale is not None):
            if not matched(dict(module.named_state()), arrays)[1]:  # else the error is told below
                _check_preprocessing(os.fspath(path), mean, scale, model)
        module.load_state_dict(arrays)
    except StateDictError as error:
        modules = f"\nModules that differ:\n  {different}" if different else ""
        raise StateDictError(f"{os.fspath(path)}: {error}{modules}") from None
    if isinstance(model, NeuralNetwork) and mean is not None and scale is not None:
        model.preprocessing = (mean, scale)
    if different:
        warnings.warn(
            f"load: the weights of {os.fspath(path)} fit, but they were saved from another "
            f"model:\n  {different}", stacklevel=2)
    return model


def _check_preprocessing(path: str, mean: Array | None, scale: Array | None,
                         network: NeuralNetwork) -> None:
    """Raise a DataError unless there are both mean and scale, and fit the inputs of a network."""
    inputs = (network.layers[0],)
    for name, array in ((MEAN, mean), (SCALE, scale)):
        if array is None or array.shape not in ((), inputs):
            found = "none" if array is None else f"one of shape {array.shape}"
            raise DataError(
                f"{path}: expected an array '{name}' of shape {inputs}, a number for each input. "
                f"Got {found}. Save the model again.")


def load_network(path: str | os.PathLike[str]) -> NeuralNetwork:
    """Build the `NeuralNetwork` that was saved in a file, with its weights and preprocessing.

    Args:
        path: the file.

    Raises:
        DataNotFoundError: there is no such file.
        DataError: it is damaged, or holds no `NeuralNetwork`.

    >>> import os, tempfile
    >>> import numpy as np, tinygrad_mlp as tg
    >>> network = tg.NeuralNetwork([2, 3, 1], monitor=False, plot=False, seed=0)
    >>> path = os.path.join(tempfile.mkdtemp(), "network.safetensors")
    >>> tg.save(path, network)
    >>> again = load_network(path)
    >>> [bool((a == b).all()) for a, b in zip(again.weights, network.weights)]
    [True, True]
    """
    arrays, stored = read(path)
    settings = stored.get("neural_network")
    if not isinstance(settings, dict):
        raise DataError(
            f"{os.fspath(path)}: expected a saved NeuralNetwork. Got weights without its "
            f"settings. Build the model yourself and use tg.load(path, model).")
    layers = settings.get("layers")
    sizes = list(zip(layers[1:], layers, strict=False)) if isinstance(layers, list) else []
    found = [arrays[key].shape for i in range(len(sizes)) if (key := f"{2 * i}.weight") in arrays]
    if not sizes or found != sizes:
        # Before building, since damaged sizes could need any amount of memory.
        raise DataError(
            f"{os.fspath(path)}: the settings of the NeuralNetwork are damaged: layers {layers!r} "
            f"do not fit weights of the shapes {found}.")
    try:
        network = NeuralNetwork(**settings, monitor=False, plot=False)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{os.fspath(path)}: the settings of the NeuralNetwork are damaged: {error}") from error
    return load(path, network)
