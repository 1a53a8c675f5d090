"""Saving and loading models in the safetensors format, which holds arrays and text only.

Nothing in such a file is ever executed, and other frameworks read it.
"""

from __future__ import annotations

import math
import os
import warnings
from typing import Any

from tinygrad_mlp.errors import DataError, InvalidArgumentError, StateDictError
from tinygrad_mlp.neural_network import NeuralNetwork
from tinygrad_mlp.nn import Module
from tinygrad_mlp.nn.architecture import architecture, differences
from tinygrad_mlp.support.checks import checked_metadata
from tinygrad_mlp.support.safetensors_file import read as read
from tinygrad_mlp.support.safetensors_file import write
from tinygrad_mlp.training.history import History, Record

MEAN, SCALE = "preprocessing.mean", "preprocessing.scale"
RESERVED = (
    "format", "versions", "architecture", "neural_network", "training", "checkpoint", "checksum"
)  # fmt: skip
"""The entries of the metadata that `save` writes itself."""


def save(
    path: str | os.PathLike[str],
    model: Any,
    *,
    metadata: dict[str, Any] | None = None,
    history: History | None = None,
) -> None:
    """Write a model to a file, whole or not at all: its weights, and what it is.

    The metadata hold the architecture (each module's class and settings), the versions of this
    package, NumPy and Python, and how the model was trained, as far as that is known.

    Args:
        path: where to, by convention ending in ``.safetensors``.
        model: a `Module` or a `NeuralNetwork`; of the latter the settings are saved, too, so that
            `load_network` can build it again.
        metadata: further facts to store, anything that JSON can express.
        history: what `fit` has returned for this model: the settings of that training are
            stored, and how it ended. A `NeuralNetwork` knows its own.

    Raises:
        InvalidArgumentError: `model` is neither, or `metadata` cannot be expressed in JSON or
            uses one of the names this function needs itself.
        DTypeError: an array of a precision that the format does not have.
        DataNotFoundError: the folder does not exist.

    >>> import tempfile, numpy as np, tinygrad_mlp as tg
    >>> path = tempfile.mkdtemp() + "/model.safetensors"
    >>> first, second = (tg.nn.Linear(3, 2, rng=np.random.default_rng(i)) for i in (0, 1))
    >>> tg.save(path, first)
    >>> _ = tg.load(path, second)
    >>> bool((first.weight == second.weight).all())
    True
    """
    given = checked_metadata(metadata, RESERVED, "save")
    if history is not None and not isinstance(history, History):
        raise InvalidArgumentError(
            f"save: history must be what tg.fit returns. Got {type(history).__name__}."
        )
    facts: dict[str, Any] = {}
    if isinstance(model, NeuralNetwork):
        facts["neural_network"] = model.settings()
        facts["architecture"] = architecture(model.model)
        history = model.history if history is None else history
        arrays = model.model.state_dict()
        if model.preprocessing is not None:
            arrays[MEAN], arrays[SCALE] = model.preprocessing
    elif isinstance(model, Module):
        facts["architecture"] = architecture(model)
        arrays = model.state_dict()
    else:
        raise InvalidArgumentError(
            f"save: model must be a Module or a NeuralNetwork. Got {type(model).__name__}."
        )
    if history is not None and history.settings:
        facts["training"] = _of_training(history)
    write(path, arrays, {**facts, **given}, "save")


def _of_training(history: History) -> dict[str, Any]:
    """The settings of a training and how it ended; no times, so that equal runs save the same."""
    facts: dict[str, Any] = {"settings": history.settings, "stopped": history.stopped}
    if history.records:
        last = history.records[-1]
        facts["iterations"] = last.iteration + 1
        for field in Record._fields[3:]:
            value = getattr(last, field)
            if value is not None and math.isfinite(value):
                facts[field] = float(value)
    return facts


def load(path: str | os.PathLike[str], model: Any) -> Any:
    """Read weights saved by `save` into a model of the same architecture, and return it.

    Of a checkpoint (see `fit`) it reads the model's weights as they were then.

    Args:
        path: the file.
        model: a `Module` or a `NeuralNetwork`.

    Raises:
        DataNotFoundError: there is no such file.
        DataError: it is damaged, or not in the safetensors format.
        StateDictError: the weights are of another architecture, with the layers that differ;
            nothing is changed then.
        InvalidArgumentError: `model` is neither.

    Warns:
        UserWarning: the weights fit, but the model computes something else with them: another
            activation, another ε.

    >>> import os, tempfile
    >>> import numpy as np, tinygrad_mlp as tg
    >>> network = tg.NeuralNetwork([2, 3, 1], monitor=False, plot=False, seed=0)
    >>> path = os.path.join(tempfile.mkdtemp(), "network.safetensors")
    >>> tg.save(path, network)
    >>> other = tg.NeuralNetwork([2, 3, 1], monitor=False, plot=False, seed=1)
    >>> load(path, other) is other, bool((other.weights[0] == network.weights[0]).all())
    (True, True)
    """
    if not isinstance(model, (Module, NeuralNetwork)):
        raise InvalidArgumentError(
            f"load: model must be a Module or a NeuralNetwork. Got {type(model).__name__}."
        )
    arrays, facts = read(path)
    mean = scale = None
    if "neural_network" in facts:  # a module's own arrays may have these names, too
        mean, scale = arrays.pop(MEAN, None), arrays.pop(SCALE, None)
    if "checkpoint" in facts:
        arrays = {
            name.removeprefix("model."): array for name, array in arrays.items()
            if name.startswith("model.")
        }  # fmt: skip
    module = model.model if isinstance(model, NeuralNetwork) else model
    different = "\n  ".join(differences(facts.get("architecture"), module))
    try:
        module.load_state_dict(arrays)
    except StateDictError as error:
        if not different:
            raise
        raise StateDictError(f"{error}\nModules that differ:\n  {different}") from None
    if isinstance(model, NeuralNetwork) and mean is not None and scale is not None:
        model.preprocessing = (mean, scale)
    if different:
        warnings.warn(
            f"load: the weights of {os.fspath(path)} fit, but they were saved from another "
            f"model:\n  {different}",
            UserWarning,
            stacklevel=2,
        )
    return model


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
    arrays, facts = read(path)
    settings = facts.get("neural_network")
    if not isinstance(settings, dict):
        raise DataError(
            f"{os.fspath(path)}: expected a saved NeuralNetwork; found weights without its "
            f"settings. Build the model yourself and use tg.load(path, model)."
        )
    layers = settings.get("layers")
    sizes = list(zip(layers[1:], layers, strict=False)) if isinstance(layers, list) else []
    found = [arrays[key].shape for i in range(len(sizes)) if (key := f"{2 * i}.weight") in arrays]
    if not sizes or found != sizes:
        # Refused before building: damaged sizes could ask for any amount of memory.
        raise DataError(
            f"{os.fspath(path)}: the settings of the NeuralNetwork are damaged: layers {layers!r} "
            f"do not fit weights of the shapes {found}."
        )
    try:
        network = NeuralNetwork(**settings, monitor=False, plot=False)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{os.fspath(path)}: the settings of the NeuralNetwork are damaged: {error}"
        ) from error
    return load(path, network)  # type: ignore[no-any-return]
