"""The settings of an optimizer as attributes: what is set takes effect, or it is refused."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any, ClassVar

from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.support.checks import integer_at_least

COUNTERS = ("epoch", "steps")
"""The attributes that must be whole numbers."""

FIXED = {"parameters": "Make a new optimizer of these parameters",
         "update": "Define it in a class derived from Optimizer",
         "checks": "Define them in a class derived from Optimizer"}
"""The attributes that cannot be set, and what to do instead."""

INNER = {"lr", "hyperparameters", *COUNTERS, "_lr", "_schedule", "_states", "_made_for"}
"""The attributes that a program reads anew, or does not depend on."""


class Hyperparameters(MutableMapping[str, Any]):
    """The hyper-parameters of an optimizer by name. Setting an entry sets the attribute."""

    def __init__(self, optimizer: OptimizerSettings) -> None:
        self._optimizer = optimizer

    def __getitem__(self, name: str) -> bool | float:
        return self._optimizer._hyperparameters[name]

    def __setitem__(self, name: str, value: object) -> None:
        setattr(self._optimizer, name, value)

    def __delitem__(self, name: str) -> None:
        raise InvalidArgumentError(
            f"{type(self._optimizer).__name__}: a hyper-parameter cannot be removed. "
            f"Got {name!r}. Set it to the value without an effect, such as 0.")

    def __iter__(self) -> Iterator[str]:
        return iter(self._optimizer._hyperparameters)

    def __len__(self) -> int:
        return len(self._optimizer._hyperparameters)

    def __repr__(self) -> str:
        return repr(self._optimizer._hyperparameters)


def _completing(init: Callable[..., None]) -> Callable[..., None]:
    """Return an `__init__` that notes when it is over, unless a derived class has called it."""

    @functools.wraps(init)
    def completing(self: OptimizerSettings, *args: object, **kwargs: object) -> None:
        init(self, *args, **kwargs)
        if getattr(type(self), "__init__") is completing:  # noqa: B009
            vars(self)["_complete"] = True

    return completing


class OptimizerSettings:
    """The part of an optimizer that reads and sets its attributes.

    Hyper-parameters are attributes, which are checked as when the optimizer is made. An attribute
    that an optimizer does not have cannot be set: it would have no effect. A class that is derived
    from `Optimizer` adds attributes in its `__init__`.
    """

    checks: ClassVar[Mapping[str, Callable[[Any, str], Any]]] = {}
    _hyperparameters: dict[str, Any]
    _complete = False
    _changes = 0  # of the attributes that a derived class has added

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" in vars(cls):
            setattr(cls, "__init__", _completing(cls.__init__))  # noqa: B010

    @property
    def hyperparameters(self) -> MutableMapping[str, float]:
        """The rule's keyword arguments but `lr`, by name; setting one is setting the attribute."""
        return Hyperparameters(self)

    @hyperparameters.setter
    def hyperparameters(self, new: Mapping[str, object]) -> None:
        checked = self.check(new)
        before = self._names_of_states() if "_hyperparameters" in vars(self) else set()
        # A new dict, which a program can tell from the one that it was recorded with.
        vars(self)["_hyperparameters"] = checked
        self._adapt_states(before)

    def check(self, hyperparameters: Mapping[str, object]) -> dict[str, object]:
        """Return the hyper-parameters as plain Python numbers.

        Raises:
            InvalidArgumentError: one is missing, unknown, or of a value that cannot work.
        """
        who = f"{type(self).__name__}()"
        if set(hyperparameters) != set(self.checks):
            raise InvalidArgumentError(
                f"{who} has the hyper-parameters {', '.join(self.checks) or '(none)'}. "
                f"Got {', '.join(map(str, hyperparameters)) or '(none)'}.")
        return {
            name: check(hyperparameters[name], f"{who}: {name}")
            for name, check in self.checks.items()}

    def _names_of_states(self) -> set[str]:
        """Return the names of the states that the present hyper-parameters ask for."""
        raise NotImplementedError

    def _adapt_states(self, before: set[str]) -> None:
        """Add the states that new hyper-parameters ask for, and drop those asked for `before`."""
        raise NotImplementedError

    def __getattr__(self, name: str) -> bool | float:
        # Called for what is not found: in the middle of copying, also before anything is there.
        known = vars(self).get("_hyperparameters", {})
        if name not in known:
            raise AttributeError(self._unknown(name), name=name, obj=self)
        return known[name]

    def __setattr__(self, name: str, value: object) -> None:
        if name in self.checks:
            self._set_hyperparameter(name, value)
            return
        if name in COUNTERS:
            value = integer_at_least(0, value, f"{type(self).__name__}: {name}")
        elif self._complete and name in FIXED:
            raise InvalidArgumentError(
                f"{type(self).__name__}: {name} cannot be set. {FIXED[name]}.")
        elif self._complete and not name.startswith("_") and not hasattr(self, name):
            raise AttributeError(self._unknown(name), name=name, obj=self)
        object.__setattr__(self, name, value)
        if name not in INNER:
            vars(self)["_changes"] = self._changes + 1

    def _set_hyperparameter(self, name: str, value: object) -> None:
        if "_hyperparameters" not in vars(self):
            raise InvalidArgumentError(
                f"{type(self).__name__}: the hyper-parameter {name} cannot be set before the "
                f"optimizer is made. Pass it to super().__init__().")
        self.hyperparameters = {**self._hyperparameters, name: value}

    def _unknown(self, name: str) -> str:
        names = ", ".join(["lr", *self.checks, *COUNTERS])
        return f"{type(self).__name__} has no attribute '{name}'. Its settings are {names}."
