"""Saving and loading weights in the safetensors format, which holds arrays and text only.

Nothing in such a file is ever executed, and other frameworks read it.
"""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.errors import DataError, DataNotFoundError, DTypeError, InvalidArgumentError
from tinygrad_mlp.files import atomic_path
from tinygrad_mlp.neural_network import NeuralNetwork
from tinygrad_mlp.nn import Module

FORMAT = "tinygrad_mlp"
MEAN, SCALE = "preprocessing.mean", "preprocessing.scale"
RESERVED = ("format", "version", "neural_network")
"""The entries of the metadata that `save` writes itself."""


def save(
    path: str | os.PathLike[str], model: Any, *, metadata: dict[str, Any] | None = None
) -> None:
    """Write the weights of a model to a file, whole or not at all.

    Args:
        path: where to, by convention ending in ``.safetensors``.
        model: a `Module` or a `NeuralNetwork`; of the latter the settings are saved, too, so that
            `load_network` can build it again.
        metadata: further facts to store, anything that JSON can express.

    Raises:
        InvalidArgumentError: `model` is neither, or `metadata` cannot be expressed in JSON or
            uses one of the names this function needs itself.
        DTypeError: an array of a precision that the format does not have.
        DataNotFoundError: the folder does not exist.

    >>> import tempfile, tinygrad_mlp as tg
    >>> path = tempfile.mkdtemp() + "/model.safetensors"
    >>> first, second = (tg.nn.Linear(3, 2, rng=np.random.default_rng(i)) for i in (0, 1))
    >>> tg.save(path, first)
    >>> _ = tg.load(path, second)
    >>> bool((first.weight == second.weight).all())
    True
    """
    from safetensors.numpy import save_file

    from tinygrad_mlp import __version__

    facts: dict[str, Any] = {"format": FORMAT, "version": __version__}
    given = {} if metadata is None else metadata
    if not isinstance(given, dict) or not all(
        isinstance(key, str) and key not in RESERVED for key in given
    ):
        raise InvalidArgumentError(
            f"save: metadata must be a dict whose keys are text other than "
            f"{', '.join(RESERVED)}; got {metadata!r}."
        )
    facts.update(given)
    if isinstance(model, NeuralNetwork):
        facts["neural_network"] = model.settings()
        arrays = model.model.state_dict()
        if model.preprocessing is not None:
            arrays[MEAN], arrays[SCALE] = model.preprocessing
    elif isinstance(model, Module):
        arrays = model.state_dict()
    else:
        raise InvalidArgumentError(
            f"save: model must be a Module or a NeuralNetwork; got {type(model).__name__}."
        )
    try:
        # One entry: the format keeps entries in no order, and equal models make equal files.
        described = {FORMAT: json.dumps(facts)}
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(f"save: metadata must be expressible in JSON: {error}") from None
    # The format stores memory as it lies, so a transposed view would come back scrambled.
    arrays = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    for name, array in arrays.items():
        if array.dtype.kind not in "fiub" or array.itemsize > 8:
            raise DTypeError(
                f"save: '{name}' is of {array.dtype}, which a safetensors file cannot hold. "
                f"Convert it to float64 first."
            )
    with atomic_path(path) as temporary:
        save_file(arrays, temporary, described)


def load(path: str | os.PathLike[str], model: Any) -> Any:
    """Read weights saved by `save` into a model of the same architecture, and return it.

    Args:
        path: the file.
        model: a `Module` or a `NeuralNetwork`.

    Raises:
        DataNotFoundError: there is no such file.
        DataError: it is damaged, or not in the safetensors format.
        StateDictError: the weights are of another architecture; nothing is changed then.
        InvalidArgumentError: `model` is neither.
    """
    if not isinstance(model, (Module, NeuralNetwork)):
        raise InvalidArgumentError(
            f"load: model must be a Module or a NeuralNetwork; got {type(model).__name__}."
        )
    arrays, facts = read(path)
    mean = scale = None
    if "neural_network" in facts:  # a module's own arrays may have these names, too
        mean, scale = arrays.pop(MEAN, None), arrays.pop(SCALE, None)
    if isinstance(model, NeuralNetwork):
        model.model.load_state_dict(arrays)
        if mean is not None and scale is not None:
            model.preprocessing = (mean, scale)
    else:
        model.load_state_dict(arrays)
    return model


def load_network(path: str | os.PathLike[str]) -> NeuralNetwork:
    """Build the `NeuralNetwork` that was saved in a file, with its weights and preprocessing.

    Raises:
        DataNotFoundError: there is no such file.
        DataError: it is damaged, or holds no `NeuralNetwork`.
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


def read(path: str | os.PathLike[str]) -> tuple[dict[str, Array], dict[str, Any]]:
    """The arrays and the facts (metadata) of a file.

    Raises:
        DataNotFoundError: there is no such file.
        DataError: it is damaged, or not in the safetensors format.
    """
    from safetensors import SafetensorError, safe_open

    name = os.fspath(path)
    if not os.path.isfile(name):
        found = "this is a folder" if os.path.isdir(name) else "there is no such file"
        raise DataNotFoundError(f"{name}: {found}. Name a file that tg.save has written.")
    arrays = {}
    try:
        with safe_open(name, framework="numpy") as file:
            facts = _facts(file.metadata() or {})
            for key in file.keys():
                arrays[key] = array = file.get_tensor(key)
                if array.dtype.kind not in "fiub":  # bfloat16, where ml_dtypes has been loaded
                    raise TypeError(f"'{key}' of {array.dtype}, which is no type of NumPy's own")
    # The last three: data types that NumPy does not have.
    except (SafetensorError, OSError, TypeError, AttributeError, KeyError) as error:
        raise DataError(
            f"{name}: expected a file in the safetensors format; found {error}. Save it again."
        ) from error
    return arrays, facts


def _facts(metadata: dict[str, str]) -> dict[str, Any]:
    """What `save` wrote; as it is, what another program did."""
    try:
        facts = json.loads(metadata[FORMAT])
    except (KeyError, ValueError, RecursionError):
        return dict(metadata)
    return facts if isinstance(facts, dict) else dict(metadata)
