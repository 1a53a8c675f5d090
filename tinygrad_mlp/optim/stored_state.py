"""The states of an optimizer as arrays by name, in which form they are stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.optim.rules import State
from tinygrad_mlp.support.checks import integer_at_least


def flattened(states: list[State]) -> dict[str, Any]:
    """Return the states as one dict, by "position in parameters.name"."""
    return {f"{i}.{name}": value for i, state in enumerate(states) for name, value in state.items()}


def unflattened(fresh: list[State], arrays: Mapping[str, Any]) -> list[State]:
    """Return states like the `fresh` ones, with the values of `arrays`.

    Raises:
        InvalidArgumentError: the arrays are of other states than these.
    """
    expected = {key: np.asarray(value) for key, value in flattened(fresh).items()}
    found = {key: np.asarray(value) for key, value in dict(arrays).items()}
    wrong = [f"{key} is missing" for key in expected.keys() - found.keys()]
    wrong += [f"{key} is unexpected" for key in found.keys() - expected.keys()]
    for key in expected.keys() & found.keys():
        want, got = expected[key], found[key]
        if (want.shape, want.dtype) != (got.shape, got.dtype):
            wrong.append(
                f"{key} must be of shape {want.shape} and dtype {want.dtype}, and is of "
                f"{got.shape} and {got.dtype}"
            )
    if wrong:
        raise InvalidArgumentError(
            f"it belongs to other parameters, or to these in another order "
            f"({'; '.join(sorted(wrong))}). Make the optimizer for the model that was saved."
        )

    def value(key: str, like: Any) -> Any:
        array = found[key]
        return integer_at_least(0, array.item(), key) if isinstance(like, int) else array.copy("K")

    return [
        {name: value(f"{i}.{name}", like) for name, like in state.items()}
        for i, state in enumerate(fresh)
    ]
