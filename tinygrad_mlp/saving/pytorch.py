"""Weights that PyTorch has trained, for layers of this package."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from tinygrad_mlp.errors import DataError, InvalidArgumentError, StateDictError
from tinygrad_mlp.neural_network import NeuralNetwork
from tinygrad_mlp.nn import Module, Sequential
from tinygrad_mlp.nn.module import matched
from tinygrad_mlp.saving.model import read

COUNTER = "num_batches_tracked"
"""What PyTorch's batch norms count and nothing here needs."""

PICKLES = (b"PK", b"\x80")
"""How files of ``torch.save`` begin: archives of pickles, and bare ones."""


def from_torch_state(
    model_or_layers: Any,
    path_or_dict: Any,
    *,
    rename: Mapping[str, str] | None = None,
) -> Any:
    """Take over the weights of a PyTorch model into layers of the same sizes.

    `Linear`, `Conv2d`, `LayerNorm` and `BatchNorm1d` hold what PyTorch's layers of the same names
    hold: ``weight``, ``bias``, and of batch norms ``running_mean`` and ``running_var``
    (``num_batches_tracked`` is left out). A `Sequential` calls its layers ``0.weight``, ``1.bias``,
    as PyTorch does; other modules by their attributes. A part in front that all names have in
    common (``model.``, ``module.``) may be there on one side only. Nothing is changed unless
    every name and every shape fits.

    Args:
        model_or_layers: a `Module`, a `NeuralNetwork`, or a list of layers, which is taken as a
            `Sequential` of them.
        path_or_dict: a file in the safetensors format, or arrays or tensors by name, such as
            PyTorch's ``model.state_dict()``. (A file of ``torch.save`` is refused: it is a program
            that runs when it is loaded.)
        rename: for names that differ: PyTorch's name, or the front part of names, and what it is
            here, e.g. ``{"fc1": "0", "fc2": "2"}``.

    Returns:
        `model_or_layers`, in the precision it was in.

    Raises:
        StateDictError: names or shapes do not fit: it lists what is missing, what is left over,
            and both shapes.
        DataNotFoundError: there is no such file.
        DataError: it is not in the safetensors format.
        InvalidArgumentError: the arguments are something else.

    >>> import tinygrad_mlp as tg
    >>> state = {"fc.weight": np.ones((2, 3), np.float32), "fc.bias": np.zeros(2, np.float32)}
    >>> layer = tg.from_torch_state(tg.nn.Linear(3, 2), state)
    >>> layer(np.array([1.0, 2.0, 3.0])).numpy()
    array([6., 6.])
    """
    module = _module_of(model_or_layers)
    state = _state_of(path_or_dict)
    given = {name: value for name, value in _renamed(state, rename).items()
             if name.rpartition(".")[2] != COUNTER}  # fmt: skip
    own = dict(module.named_state())
    given, front = _fitting(own, given)
    new, problems = matched(own, given)
    for name, array in given.items():
        # Quantised weights, which mean something else than their numbers say.
        if name in new and np.asarray(array).dtype.kind != own[name].dtype.kind:
            dtypes = f"{np.asarray(array).dtype}, expected {own[name].dtype}"
            problems.append(f"wrong dtype: '{name}' is {dtypes}")
    if problems:
        raise StateDictError(
            f"from_torch_state: these weights do not fit this {type(module).__name__}{front}. "
            f"Build it with the same layers and sizes; where only names differ, give "
            f"rename={{PyTorch's name: name here}}. Nothing was changed.\n  "
            + "\n  ".join(problems)
        )
    for name, tensor in own.items():
        tensor.data = new[name]
    return model_or_layers


def _module_of(model: Any) -> Module:
    if isinstance(model, NeuralNetwork):
        return model.model
    if isinstance(model, Module):
        return model
    if isinstance(model, (list, tuple)) and all(isinstance(layer, Module) for layer in model):
        return Sequential(*model)
    raise InvalidArgumentError(
        f"from_torch_state: model_or_layers must be a Module, a NeuralNetwork, or a list of "
        f"layers. Got {type(model).__name__}."
    )


def _state_of(source: Any) -> dict[str, Any]:
    """Arrays by name."""
    if isinstance(source, Mapping):
        if not all(isinstance(name, str) for name in source):
            raise InvalidArgumentError(
                "from_torch_state: the names in a state dict must be text. Pass "
                "model.state_dict()."
            )
        return {name: _on_cpu(value) for name, value in source.items()}
    if not isinstance(source, (str, os.PathLike)):
        raise InvalidArgumentError(
            f"from_torch_state: path_or_dict must be a path of a safetensors file, or arrays by "
            f"name. Got {type(source).__name__}."
        )
    try:
        arrays, _ = read(source)
    except DataError:
        with open(source, "rb") as file:
            if not file.read(2).startswith(PICKLES):
                raise
        raise DataError(
            f"{os.fspath(source)}: expected a file in the safetensors format; found a pickle of "
            f"torch.save, which would run what is in it. In PyTorch: "
            f"safetensors.torch.save_file(model.state_dict(), path)."
        ) from None
    return dict(arrays)


def _on_cpu(value: Any) -> Any:
    """A PyTorch tensor as NumPy can read it; anything else as it is."""
    return value.detach().cpu() if hasattr(value, "cpu") and hasattr(value, "detach") else value


def _renamed(state: Mapping[str, Any], rename: Mapping[str, str] | None) -> dict[str, Any]:
    """The state with the names, or the front parts of names, in `rename` replaced."""
    if rename is None:
        return dict(state)
    if not isinstance(rename, Mapping) or not all(
        isinstance(part, str) for pair in rename.items() for part in pair
    ):
        raise InvalidArgumentError(
            f"from_torch_state: rename must be a dict of names, PyTorch's and those here. Got "
            f"{rename!r}."
        )
    unused = set(rename)
    renamed: dict[str, Any] = {}
    for name, value in state.items():
        # The longest part in front that has an entry.
        front = next((part for part in reversed(_fronts(name)) if part in rename), None)
        if front is not None:
            unused.discard(front)
            name = f"{rename[front]}{name[len(front):]}".lstrip(".")
        if name in renamed:
            raise InvalidArgumentError(
                f"from_torch_state: rename gives two arrays the name '{name}'."
            )
        renamed[name] = value
    if unused:
        raise InvalidArgumentError(
            f"from_torch_state: rename names {', '.join(sorted(map(repr, unused)))}, which is in "
            f"none of the names {', '.join(sorted(map(repr, state)))}."
        )
    return renamed


def _fronts(name: str) -> list[str]:
    """``a.b.c``: ``a``, ``a.b`` and ``a.b.c``."""
    parts = name.split(".")
    return [".".join(parts[: i + 1]) for i in range(len(parts))]


def _shared_fronts(names: Iterable[str]) -> Iterator[str]:
    """What all names begin with, in whole parts: "" first, the longest last."""
    every = [set(_fronts(name.rpartition(".")[0])) for name in names]
    yield ""
    if every:
        yield from (f"{front}." for front in sorted(set.intersection(*every), key=len) if front)


def _fitting(own: Mapping[str, Any], given: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """The state with its names without a front part that only PyTorch's or only ours have.

    Returns:
        the state whose names are those of `own`, or of the states tried the one that has most of
        them, with what was done to its names as messages say it.
    """
    best, most, said = given, len(own.keys() & given.keys()), ""
    for theirs in _shared_fronts(given):
        for ours in _shared_fronts(own):
            tried = {f"{ours}{name.removeprefix(theirs)}": value for name, value in given.items()}
            common = len(own.keys() & tried.keys())
            if common > most:
                best, most = tried, common
                said = f" (with '{theirs}' in their names read as '{ours}')"
    return best, said
