"""What `fit` is given: the checks of it, and its settings in words."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.nn import Module
from tinygrad_mlp.optim import Optimizer
from tinygrad_mlp.training.evaluation import check_lengths, checked_numbers, is_one_hot, plain
from tinygrad_mlp.training.history import Record


def check_parts(model: Any, loss: Any, optimizer: Any, callbacks: Any) -> None:
    """Refuse arguments of `fit` that are something else than what they should be."""
    if not isinstance(model, Module):
        raise InvalidArgumentError(
            f"fit: model must be a Module (see tg.nn); got {type(model).__name__}."
        )
    if not callable(loss):
        raise InvalidArgumentError(
            f"fit: loss must be a function (prediction, target), such as tg.nn.squared_error; "
            f"got {loss!r}."
        )
    if isinstance(optimizer, type) or not hasattr(optimizer, "step"):
        raise InvalidArgumentError(
            f"fit: optimizer must be an optimizer of the model's parameters, such as "
            f"tg.optim.SGD(model.parameters(), lr=0.1); got {optimizer!r}."
        )
    if not isinstance(callbacks, Iterable):
        raise InvalidArgumentError(
            f"fit: callbacks must be a list; got {type(callbacks).__name__}. Write [callback]."
        )


def checked_data(X: Any, Y: Any, name_x: str, name_y: str, dtype: Any) -> tuple[Array, Array]:
    """Inputs and targets as finite arrays of `dtype`, one target for each input."""
    arrays = [
        checked_numbers(plain(a), f"fit: {name}", dtype) for a, name in ((X, name_x), (Y, name_y))
    ]
    x, y = arrays
    check_lengths(x, y, f"fit: {name_x}", name_y)
    return x, y


def recorded(Y: Array, validation: Any, record_every: int | None) -> tuple[str, ...]:
    """The fields of `Record` that a run fills in."""
    if record_every == 0:
        return ()
    fields: tuple[str, ...] = Record._fields[:3]
    for part, data in (("training", (None, Y)), ("validation", validation)):
        if data is not None:
            fields += (f"{part}_loss",)
            fields += (f"{part}_accuracy",) * is_one_hot(data[1])
    return fields


def settings(loss: Callable[..., Any], optimizer: Any, **others: Any) -> dict[str, Any]:
    """The settings of a training, fit for JSON; functions by their names.

    >>> import tinygrad_mlp as tg
    >>> layer = tg.nn.Linear(2, 1)
    >>> settings(tg.nn.squared_error, tg.optim.RMSprop(layer.parameters(), 0.1), epochs=3)["loss"]
    'squared_error'
    """
    own = (
        optimizer.settings() if isinstance(optimizer, Optimizer)
        else {"optimizer": type(optimizer).__name__}
    )  # fmt: skip
    name = getattr(loss, "__qualname__", None) or getattr(loss, "name", None)
    return {"loss": name or type(loss).__qualname__, "optimizer": own, **others}
