"""Schedules: learning rates that change in the course of the training.

A schedule is a function of `k`, the number of epochs or of steps done so far, so that `k` is 0 in
the first. Its parameters are plain numbers, by which it is compared, printed and stored.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, SupportsIndex

from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.support.checks import decay_factor, integer_at_least, not_negative, positive

UNITS = ("epoch", "step")


class Schedule:
    """A learning rate as a function of the epoch or of the step. It cannot be changed.

    Those of this module are made by the functions below. One of your own::

        Schedule(lambda k: 0.1 / (1 + k) ** 0.5, unit="step")

    Args:
        formula: from `k` to the learning rate.
        unit: what `k` counts, "epoch" or "step"; a step is one update, an epoch one pass through
            the data.
        name: of the function of this module that makes it, with `parameters` as its arguments.
            Without a name, the schedule is a user's own: only equal to one of the same
            `formula`, and not to be stored.
        parameters: plain numbers (and for `linear_warmup`, the schedule that follows).
        equation: the formula in plain text.

    Raises:
        InvalidArgumentError: `formula` cannot be called, or `unit` is unknown.

    >>> alpha = inverse_time()
    >>> alpha(0), alpha(10)
    (0.01, 0.005)
    >>> alpha
    inverse_time(offset=100.0, rate=10.0, per='epoch')
    >>> print(alpha)
    1 / (100 + 10 k), k = epochs done
    """

    __slots__ = ("formula", "unit", "name", "parameters", "equation")

    formula: Callable[[int], float]
    unit: str
    name: str | None
    parameters: Mapping[str, Any]
    equation: str

    def __init__(self, formula: Callable[[int], float], unit: str = "epoch", *,
                 name: str | None = None, parameters: Mapping[str, object] | None = None,
                 equation: str = "") -> None:
        if not callable(formula):
            raise InvalidArgumentError(f"Schedule(): formula must be a function. Got {formula!r}.")
        if unit not in UNITS:
            where = f"{name}(): per" if name else "Schedule(): unit"
            raise InvalidArgumentError(f"{where} must be 'epoch' or 'step'. Got {unit!r}.")
        given: dict[str, Any] = {"formula": formula, "unit": unit, "name": name,
                                 "parameters": MappingProxyType(dict(parameters or {})),
                                 "equation": equation}
        for attribute, value in given.items():
            object.__setattr__(self, attribute, value)

    def __setattr__(self, attribute: str, value: object) -> None:
        # The formula holds its parameters already: changing one here would have no effect.
        raise AttributeError(
            f"a schedule cannot be changed. Got a value for its '{attribute}'. Make a new one, "
            f"and set the optimizer's lr to it.", name=attribute, obj=self)

    def __call__(self, k: int) -> float:
        """Return the learning rate after `k` epochs or steps.

        Raises:
            InvalidArgumentError: `k` is negative, or the formula gives no number >= 0.
        """
        if k < 0:
            raise InvalidArgumentError(f"{self!r}: k must be >= 0. Got {k!r}.")
        rate = self.formula(k)
        # The message is not put together in vain: this is called in every step.
        if type(rate) is not float or not 0 <= rate < math.inf:
            rate = not_negative(rate, f"{self!r}: its value at k = {k}")
        return rate

    @property
    def storable(self) -> bool:
        """True if `to_dict` can describe it: no part of it is a user's function."""
        parts = [part for part in self.parameters.values() if isinstance(part, Schedule)]
        return self.name is not None and all(part.storable for part in parts)

    def to_dict(self) -> dict[str, object]:
        """Return name, unit and parameters as plain data, for `from_dict`.

        Raises:
            InvalidArgumentError: it is a user's own function, which plain data cannot hold.

        >>> inverse_time().to_dict()
        {'name': 'inverse_time', 'per': 'epoch', 'offset': 100.0, 'rate': 10.0}
        """
        if self.name is None:
            raise InvalidArgumentError(
                f"{self!r} is a function, which cannot be stored as data. Use a schedule of "
                "tg.optim.schedule, or set the optimizer's lr again after loading.")
        plain = {
            key: value.to_dict() if isinstance(value, Schedule) else value
            for key, value in self.parameters.items()}
        return {"name": self.name, "per": self.unit, **plain}

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[object, ...]:
        # By its parameters: the formulas of this module are local functions, which cannot be
        # found again by name.
        if self.storable:
            return from_dict, (self.to_dict(),)
        return partial(Schedule, self.formula, self.unit, name=self.name, equation=self.equation,
                       parameters=dict(self.parameters)), ()

    def __reduce__(self) -> str | tuple[object, ...]:
        return self.__reduce_ex__(2)

    def __getstate__(self) -> dict[str, object]:  # which skops stores, as pickle does not
        return self.to_dict()

    def __setstate__(self, state: dict[str, object]) -> None:
        made = from_dict(state)
        for attribute in self.__slots__:
            object.__setattr__(self, attribute, getattr(made, attribute))

    def __repr__(self) -> str:
        if self.name is None:
            function = getattr(self.formula, "__qualname__", repr(self.formula))
            return f"Schedule({function}, unit={self.unit!r})"
        arguments = "".join(f"{key}={value!r}, " for key, value in self.parameters.items())
        return f"{self.name}({arguments}per={self.unit!r})"

    def __str__(self) -> str:
        return f"{self.equation}, k = {self.unit}s done" if self.equation else repr(self)

    def _key(self) -> tuple[object, ...]:
        identity = self.formula if self.name is None else None
        return self.name, identity, self.unit, tuple(self.parameters.items())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Schedule) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())


def constant(lr: float, per: str = "epoch") -> Schedule:
    """Return the constant learning rate ``α(k) = lr``.

    Args:
        per: "epoch" or "step", what k counts.

    Source: the definition.

    >>> constant(0.1)(1000)
    0.1
    """
    lr = not_negative(lr, "constant(): lr")
    return Schedule(lambda k: lr, per, name="constant", parameters={"lr": lr}, equation=f"{lr:g}")


def inverse_time(offset: float = 100.0, rate: float = 10.0, per: str = "epoch") -> Schedule:
    """Return the learning rate ``α(k) = 1 / (offset + rate k)``; 1/(100 + 10 k) by default.

    Args:
        per: "epoch" or "step", what k counts.

    Source: the definition; the classic experiment (docs/tutorial.md) takes the defaults.

    >>> [round(1 / inverse_time()(epoch)) for epoch in range(4)]
    [100, 110, 120, 130]
    """
    offset = positive(offset, "inverse_time(): offset")
    rate = not_negative(rate, "inverse_time(): rate")
    return Schedule(
        lambda k: 1 / (offset + rate * k), per, name="inverse_time",
        parameters={"offset": offset, "rate": rate}, equation=f"1 / ({offset:g} + {rate:g} k)")


def step_decay(initial: float, factor: float, every: int, per: str = "epoch") -> Schedule:
    """Multiply by `factor` after each `every` epochs: ``α(k) = initial · factor^⌊k / every⌋``.

    Args:
        per: "epoch" or "step", what k counts.

    Source: the definition.

    >>> [step_decay(0.5, 0.5, every=2)(epoch) for epoch in range(5)]
    [0.5, 0.5, 0.25, 0.25, 0.125]
    """
    initial = not_negative(initial, "step_decay(): initial")
    factor = decay_factor(factor, "step_decay(): factor")
    every = integer_at_least(1, every, "step_decay(): every")
    return Schedule(lambda k: initial * factor ** (k // every), per, name="step_decay",
                    parameters={"initial": initial, "factor": factor, "every": every},
                    equation=f"{initial:g} · {factor:g}^⌊k / {every}⌋")


def exponential(initial: float, decay: float, per: str = "epoch") -> Schedule:
    """Multiply by `decay`, in (0, 1], after each epoch: ``α(k) = initial · decay^k``.

    Args:
        per: "epoch" or "step", what k counts.

    Source: the definition.

    >>> [exponential(0.5, 0.5)(epoch) for epoch in range(3)]
    [0.5, 0.25, 0.125]
    """
    initial = not_negative(initial, "exponential(): initial")
    decay = decay_factor(decay, "exponential(): decay")
    return Schedule(
        lambda k: initial * decay**k, per, name="exponential",
        parameters={"initial": initial, "decay": decay}, equation=f"{initial:g} · {decay:g}^k")


def cosine(initial: float, final: float, length: int, per: str = "epoch") -> Schedule:
    """Go from `initial` to `final` along half a cosine of the given length, then stay there.

    ``α(k) = final + ½ (initial − final) (1 + cos(π k / length))``, for ``k ≥ length``: `final`.

    Source: Loshchilov and Hutter, 2017 (SGDR, without restarts).

    Args:
        per: "epoch" or "step", what k counts.

    >>> [round(cosine(1.0, 0.0, length=4)(epoch), 4) for epoch in range(6)]
    [1.0, 0.8536, 0.5, 0.1464, 0.0, 0.0]
    """
    initial = not_negative(initial, "cosine(): initial")
    final = not_negative(final, "cosine(): final")
    length = integer_at_least(1, length, "cosine(): length")
    return Schedule(
        lambda k: final + (initial - final) * (1 + math.cos(math.pi * min(k / length, 1))) / 2, per,
        name="cosine", parameters={"initial": initial, "final": final, "length": length},
        equation=f"{final:g} + ½ ({initial:g} − {final:g}) (1 + cos(π min(k / {length}, 1)))")


def linear_warmup(length: int, after: Schedule | float, per: str = "step") -> Schedule:
    """Rise for `length` steps to the start of another schedule, which then follows.

    ``α(k) = after(0) (k + 1) / (length + 1)`` for ``k < length``, then ``after(k − length)``: a
    straight line that would be 0 one step before the first and meets `after` at its start.

    Args:
        length: number of steps (or epochs, as `per` says) of warm-up.
        after: a schedule of the same unit, or a number.

    Raises:
        InvalidArgumentError: `after` counts epochs where the warm-up counts steps, or vice versa.

    Source: Goyal et al., "Accurate, large minibatch SGD", 2017, 2.2.

    >>> [linear_warmup(3, after=1.0)(step) for step in range(5)]
    [0.25, 0.5, 0.75, 1.0, 1.0]
    """
    length = integer_at_least(1, length, "linear_warmup(): length")
    if not isinstance(after, Schedule):
        after = not_negative(after, "linear_warmup(): after, unless it is a Schedule,")
    following = after if isinstance(after, Schedule) else constant(after, per)
    if following.unit != per:
        raise InvalidArgumentError(
            f"linear_warmup(): after must count what the warm-up counts. Got per={per!r} and "
            f"{after!r}. Give both the same unit: a k in epochs cannot follow one in steps.")
    return Schedule(
        lambda k: following(0) * (k + 1) / (length + 1) if k < length else following(k - length),
        per, name="linear_warmup", parameters={"length": length, "after": after},
        equation=f"{following(0):g} (k + 1) / {length + 1} for k < {length}, "
                 f"then {following.equation} with k − {length} for k")


CONSTRUCTORS: dict[str, Callable[..., Schedule]] = {
    function.__name__: function
    for function in (constant, inverse_time, step_decay, exponential, cosine, linear_warmup)}
"""The schedules of this module, by the names under which they are stored."""


def from_dict(stored: Mapping[str, Any]) -> Schedule:
    """Return the schedule that `Schedule.to_dict` has described.

    Args:
        stored: its name and its parameters.

    Raises:
        InvalidArgumentError: an unknown name, or parameters which that schedule does not have.

    >>> from_dict(cosine(0.1, 0.0, 50).to_dict()) == cosine(0.1, 0.0, 50)
    True
    """
    parameters = dict(stored)
    name = parameters.pop("name", None)
    if name not in CONSTRUCTORS:
        raise InvalidArgumentError(
            f"from_dict(): name must be one of {', '.join(CONSTRUCTORS)}. Got {name!r}.")
    if isinstance(parameters.get("after"), Mapping):
        parameters["after"] = from_dict(parameters["after"])
    try:
        return CONSTRUCTORS[name](**parameters)
    except TypeError as error:
        raise InvalidArgumentError(f"from_dict(): {error}.") from error


def as_schedule(lr: Any, argument: str = "lr") -> Schedule:
    """Return a learning rate as a schedule: of a number, constant; of a function, by epoch.

    Args:
        lr: a number, a function, a `Schedule`.
        argument: what messages call it.

    Raises:
        InvalidArgumentError: neither a number >= 0 nor a function nor a schedule.

    >>> as_schedule(0.1, "SGD: lr")(5)
    0.1
    """
    if isinstance(lr, Schedule):
        return lr
    if not callable(lr):
        return constant(not_negative(lr, f"{argument}, unless it is a schedule,"))
    if lr in CONSTRUCTORS.values():
        raise InvalidArgumentError(
            f"{argument} must be a number or a schedule. Got schedule.{lr.__name__}, the function "
            f"that makes one: call it, as in schedule.{lr.__name__}(...).")
    return Schedule(lr)
