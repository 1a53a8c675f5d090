"""Loading of weights trained by PyTorch into models of this package."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tinygrad_mlp.errors import InvalidArgumentError, StateDictError
from tinygrad_mlp.neural_network import NeuralNetwork
from tinygrad_mlp.nn import BatchNorm1d, BatchNorm2d, Module, Sequential
from tinygrad_mlp.nn.matching import matched
from tinygrad_mlp.saving.model import read

COUNTER = "num_batches_tracked"
"""A count of PyTorch's batch norms, which is not needed here."""


def from_torch_state(model_or_layers: object, path_or_dict: Any, *,
                     rename: Mapping[str, str] | None = None) -> Any:
    """Load the weights of a PyTorch model into layers of the same sizes.

    `Linear`, `Conv2d`, `LayerNorm` and `BatchNorm1d` have the arrays of PyTorch's layers of the
    same names: ``weight``, ``bias``, and in batch norms ``running_mean`` and ``running_var``
    (``num_batches_tracked`` is ignored). A batch norm without affine parameters gets the weight 1
    and the bias 0. Arrays of bfloat16 are read as float32. The arrays of a `Sequential` are called
    ``0.weight``, ``1.bias``, as in PyTorch; those of other modules after their attributes. A prefix
    that all names share (``model.``, ``module.``) may occur on one side only. Nothing is changed
    unless every name and every shape fits.

    Args:
        model_or_layers: a `Module`, a `NeuralNetwork`, or a list of layers, which is used as a
            `Sequential` of them.
        path_or_dict: a file in the safetensors format, or arrays or tensors by name, such as
            PyTorch's ``model.state_dict()``. (A file of ``torch.save`` raises an error, since it
            is a program that runs when it is loaded.)
        rename: for names that differ, PyTorch's name or prefix of names, and the one here, e.g.
            ``{"fc1": "0", "fc2": "2"}``.

    Returns:
        `model_or_layers`, with its dtypes unchanged.

    Raises:
        StateDictError: names or shapes do not fit; the message lists what is missing, what is
            unexpected, and both shapes.
        DataNotFoundError: there is no such file.
        DataError: it is not in the safetensors format.
        InvalidArgumentError: an argument is something else.

    >>> import tinygrad_mlp as tg
    >>> state = {"fc.weight": np.ones((2, 3), np.float32), "fc.bias": np.zeros(2, np.float32)}
    >>> layer = tg.from_torch_state(tg.nn.Linear(3, 2), state)
    >>> layer(np.array([1.0, 2.0, 3.0])).numpy()
    array([6., 6.])
    """
    module = _module_of(model_or_layers)
    state = _state_of(path_or_dict)
    given = {name: value for name, value in _renamed(state, rename).items()
             if name.rpartition(".")[2] != COUNTER}
    own = dict(module.named_state())
    given, replacement = _with_our_prefix(own, given)
    given = _with_affine(module, given)
    new, problems = matched(own, given)
    for name, array in given.items():
        # Quantised weights, whose numbers are not the weights themselves.
        if name in new and np.asarray(array).dtype.kind != own[name].dtype.kind:
            dtypes = f"{np.asarray(array).dtype}, expected {own[name].dtype}"
            problems.append(f"wrong dtype: '{name}' is {dtypes}")
    if problems:
        source = "" if isinstance(path_or_dict, Mapping) else f"{os.fspath(path_or_dict)}: "
        raise StateDictError(
            f"{source}from_torch_state: these weights do not fit this "
            f"{type(module).__name__}{replacement}. Build it with the same layers and sizes. "
            f"If only names differ, give rename={{PyTorch's name: name here}}. "
            "Nothing was changed.\n  " + "\n  ".join(problems))
    for name, tensor in own.items():
        tensor.data = new[name]
    return model_or_layers


def _module_of(model: object) -> Module:
    if isinstance(model, NeuralNetwork):
        return model.model
    if isinstance(model, Module):
        return model
    if isinstance(model, (list, tuple)) and all(isinstance(layer, Module) for layer in model):
        return Sequential(*model)
    raise InvalidArgumentError(
        f"from_torch_state: model_or_layers must be a Module, a NeuralNetwork, or a list of "
        f"layers. Got {type(model).__name__}.")


def _state_of(source: object) -> dict[str, object]:
    """Return the arrays by name."""
    if isinstance(source, Mapping):
        if not all(isinstance(name, str) for name in source):
            raise InvalidArgumentError(
                "from_torch_state: the names in a state dict must be strings. Pass "
                "model.state_dict().")
        return {name: _on_cpu(value) for name, value in source.items()}
    if not isinstance(source, (str, os.PathLike)):
        raise InvalidArgumentError(
            f"from_torch_state: path_or_dict must be a path of a safetensors file, or arrays by "
            f"name. Got {type(source).__name__}.")
    return dict(read(source)[0])


def _on_cpu(value: Any) -> Any:
    """Return a PyTorch tensor in a form that NumPy reads, and anything else unchanged."""
    if hasattr(value, "cpu") and hasattr(value, "detach"):
        value = value.detach().cpu()
    if str(getattr(value, "dtype", "")) in ("torch.bfloat16", "bfloat16"):  # float32 holds them all
        return value.float() if hasattr(value, "float") else value.astype(np.float32)
    return value


def _with_affine(module: Module, given: dict[str, object]) -> dict[str, object]:
    """Add the weight and the bias of batch norms that have running averages only."""
    added = dict(given)
    for path, layer in module.named_modules():
        if not isinstance(layer, (BatchNorm1d, BatchNorm2d)):
            continue
        start = f"{path}." if path else ""
        running = {f"{start}running_mean", f"{start}running_var"}
        affine = {f"{start}weight": np.ones(layer.weight.size),
                  f"{start}bias": np.zeros(layer.bias.size)}
        if given.keys() >= running and not given.keys() & affine.keys():
            added |= affine
    return added


def _renamed(state: Mapping[str, object], rename: Mapping[str, str] | None) -> dict[str, object]:
    """Return the state with the names, or prefixes of names, in `rename` replaced."""
    if rename is None:
        return dict(state)
    if not isinstance(rename, Mapping) or not all(
            isinstance(part, str) for pair in rename.items() for part in pair):
        raise InvalidArgumentError(
            f"from_torch_state: rename must be a dict of names, PyTorch's and those here. Got "
            f"{rename!r}.")
    unused = set(rename)
    renamed: dict[str, Any] = {}
    for name, value in state.items():
        # The longest prefix that has an entry.
        prefix = next((part for part in reversed(_prefixes(name)) if part in rename), None)
        if prefix is not None:
            unused.discard(prefix)
            name = f"{rename[prefix]}{name[len(prefix) :]}".lstrip(".")
        if name in renamed:
            raise InvalidArgumentError(
                f"from_torch_state: rename gives two arrays the name '{name}'.")
        renamed[name] = value
    if unused:
        raise InvalidArgumentError(
            f"from_torch_state: rename names {', '.join(sorted(map(repr, unused)))}, which is in "
            f"none of the names {', '.join(sorted(map(repr, state)))}.")
    return renamed


def _prefixes(name: str) -> list[str]:
    """Return the prefixes of a name: of ``a.b.c`` these are ``a``, ``a.b`` and ``a.b.c``."""
    parts = name.split(".")
    return [".".join(parts[: i + 1]) for i in range(len(parts))]


def _shared_prefixes(names: Iterable[str]) -> list[str]:
    """Return the prefixes that all names share, from "" to the longest."""
    every = [set(_prefixes(name.rpartition(".")[0])) for name in names]
    shared = set.intersection(*every) - {""} if every else set()
    return ["", *(f"{prefix}." for prefix in sorted(shared, key=len))]


def _with_our_prefix(own: Mapping[str, object],
                     given: dict[str, object]) -> tuple[dict[str, object], str]:
    """Replace the prefix of PyTorch's names by that of ours, if that gives more common names.

    The second result is the replacement as text for messages.
    """
    best, most, replacement = given, len(own.keys() & given.keys()), ""
    for theirs in _shared_prefixes(given):
        for ours in _shared_prefixes(own):
            tried = {f"{ours}{name.removeprefix(theirs)}": value for name, value in given.items()}
            common = len(own.keys() & tried.keys())
            if common > most:
                best, most = tried, common
                replacement = f" (with '{theirs}' in their names read as '{ours}')"
    return best, replacement
