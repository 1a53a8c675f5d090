"""The comparison of arrays by name with the tensors of a module that they are to be loaded into."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.tensor import Tensor, numeric_array
from tinygrad_mlp.errors import DTypeError


def matched(own: Mapping[str, Tensor],
            state: Mapping[str, object]) -> tuple[dict[str, Array], list[str]]:
    """Return arrays by name for a module's tensors `own`, and a line for each that does not fit."""
    problems = [f"missing: '{name}' {own[name].shape}" for name in own if name not in state]
    new: dict[str, Array] = {}
    for name, entry in state.items():
        try:
            array = numeric_array(entry)
        except DTypeError:
            problems.append(f"no array of numbers: '{name}'")
            continue
        if name not in own:
            problems.append(f"unexpected: '{name}' {array.shape}")
        elif array.shape != own[name].shape:
            problems.append(f"wrong shape: '{name}' is {array.shape}, expected {own[name].shape}")
        elif not np.can_cast(array.dtype, own[name].dtype, "same_kind"):
            problems.append(f"wrong dtype: '{name}' is {array.dtype}, expected {own[name].dtype}")
        else:
            new[name] = np.array(array, dtype=own[name].dtype)
    return new, problems
