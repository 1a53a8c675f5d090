"""The callbacks of a run: what users pass is made a `Callback`, or refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.training.callbacks import Callback

if TYPE_CHECKING:
    from tinygrad_mlp.training.run import Run

EVENTS = tuple(name for name in vars(Callback) if name.startswith("on_"))
CALLED = (*EVENTS, "state_dict", "load_state_dict")

FOREIGN = re.compile(
    r"on_|(before|after|begin|end|start|finish)_(\w+_)?(fit|train|training|epoch|batch|step)$"
    r"|(\w+_)?(fit|train|training|epoch|batch|step)_(begin|start|end)$")
"""Names of events in other libraries: `on_epoch_end`, `after_batch`, `training_step_end`."""

RUN_TOGETHER = {name.replace("_", "") for name in CALLED}


class AdaptedCallback(Callback):
    """A callback made of the methods of another object, or of a function."""

    def __init__(self, adapted: object, methods: Mapping[str, Callable[..., object]]) -> None:
        self._name = type(adapted).__name__
        vars(self).update(methods)

    @property
    def name(self) -> str:
        """The name of the adapted object's class."""
        return self._name


def as_callback(callback: object) -> Callback:
    """Return a `Callback` for an object or a function of the user's, or raise an error."""
    if isinstance(callback, type):
        raise InvalidArgumentError(
            f"fit: callbacks must be objects. Got the class {callback.__name__}. "
            f"Write {callback.__name__}().")
    _check_names(callback)
    if isinstance(callback, Callback):
        return callback
    if any(hasattr(callback, event) for event in EVENTS):
        methods = {name: getattr(callback, name) for name in CALLED if hasattr(callback, name)}
        return AdaptedCallback(callback, methods)
    if callable(callback):
        return AdaptedCallback(callback, {"on_record": callback})
    raise InvalidArgumentError(
        f"fit: a callback must be a function of the run, or an object with one of the methods "
        f"{', '.join(EVENTS)}. Got {callback!r}.")


def _check_names(callback: object) -> None:
    """Raise InvalidArgumentError for a method that is meant to be called, and never would be."""
    if type(callback).__module__.startswith("tinygrad_mlp."):
        names = [name for name, value in vars(callback).items() if callable(value)]
    else:
        names = dir(callback)
    for name in names:
        if name in CALLED or name.startswith("_"):
            continue
        meant = FOREIGN.match(name) or name.replace("_", "").lower() in RUN_TOGETHER
        if meant and callable(getattr(callback, name)):
            raise InvalidArgumentError(
                f"fit: a callback's methods must be among {', '.join(CALLED)}. Got "
                f"{type(callback).__name__}.{name}, which would never be called. Give it one of "
                f"these names, or begin its name with an underscore if it is a helper.")


class CallbackList(list[Callback]):
    """The callbacks of a run, in their order.

    `watch_steps` says whether one sees every step, `change_gradients` whether one acts before the
    updates, `evaluate_training` whether one judges by the training data; a checkpoint stores those
    `with_state`.
    """

    def __init__(self, callbacks: object) -> None:
        if not isinstance(callbacks, Iterable):
            raise InvalidArgumentError(
                f"fit: callbacks must be a list. Got {type(callbacks).__name__}. Write [callback].")
        super().__init__(as_callback(callback) for callback in callbacks)
        self.watch_steps = any(callback.watches_steps for callback in self)
        self.change_gradients = any(callback.changes_gradients for callback in self)
        self.evaluate_training = any(callback.evaluates_training for callback in self)
        self.with_state = [callback for callback in self if callback.keeps_state]

    def tell(self, event: str, run: Run) -> None:
        """Call the method of that name of each callback."""
        for callback in self:
            getattr(callback, event)(run)
