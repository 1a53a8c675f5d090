"""The base of all optimizers: parameters and their states, steps, the learning rate, storing."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, ClassVar

import numpy as np

from tinygrad_mlp.autograd import Tensor
from tinygrad_mlp.autograd.graph import Array, Value
from tinygrad_mlp.autograd.mode import MODE, assume, clear_grad, read_state, write_state
from tinygrad_mlp.errors import (
    DTypeError,
    InvalidArgumentError,
    NotDifferentiableError,
    ShapeError,
    StateDictError,
    refuse_assigned,
)
from tinygrad_mlp.optim.parameters import flattened, label, parameter_list, unflattened
from tinygrad_mlp.optim.rules import State
from tinygrad_mlp.optim.schedule import Schedule, as_schedule, from_dict
from tinygrad_mlp.optim.settings import OptimizerSettings
from tinygrad_mlp.support.checks import not_negative

Rate = float | Schedule | Callable[[int], float]
"""A learning rate as users give it; a plain function is one of the epoch."""

FIELDS = ("optimizer", "lr", "epoch", "steps", "hyperparameters", "arrays")
"""The keys of a stored state."""


class Optimizer(OptimizerSettings):
    """Base of the optimizers: everything but the update rule.

    A subclass defines its rule, the checks of its hyper-parameters and, if it has a state, the
    initial state.

    Hyper-parameters and `lr` may be set as attributes; the next step uses them, in a program, too.
    A momentum that is switched on starts with a velocity of 0.

    Raises:
        InvalidArgumentError: no parameters, one twice or none that gradients flow to; or a
            hyper-parameter that the rule does not have or that is outside of its interval.
        AttributeError: an attribute is set that the optimizer does not have.

    >>> class SignDescent(Optimizer):
    ...     update = staticmethod(lambda p, g, state, *, lr: (p - lr * np.sign(g), state))
    >>> w = Tensor([1.0, -2.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> SignDescent([w], lr=0.5).step()
    >>> w.data
    array([ 0.5, -1.5])

    Attributes:
        parameters: the tensors to change, in order.
        hyperparameters: the rule's keyword arguments but `lr`, by name. Each is an attribute, too.
        epoch: the number of the current epoch, from 0. The training loop sets it for schedules.
        steps: the number of steps done.
        update: the rule, a function like those of `rules` (of the class).
        checks: the hyper-parameters and, for each, the function of `support.checks` that accepts
            its values (of the class).
    """

    update: ClassVar[Callable[..., tuple[Any, State]]]

    def __init__(self, parameters: Iterable[Tensor], lr: Rate, **hyperparameters: object) -> None:
        who = f"{type(self).__name__}()"
        if not hasattr(self, "update"):
            raise InvalidArgumentError(
                f"{who} has no update rule: it is the base of the optimizers. Use SGD, Adam, "
                "AdamW, RMSprop, or a subclass with an `update`.")
        self.parameters = tuple(parameter_list(who, parameters))
        for index, parameter in enumerate(self.parameters):
            if parameter.node is not None or not parameter.requires_grad:
                raise InvalidArgumentError(
                    f"{who}: every parameter must be a leaf with requires_grad=True, as only such "
                    f"tensors receive a gradient. {label(index, parameter)} "
                    f"{'has requires_grad=False' if parameter.node is None else 'was computed'}: "
                    "leave it out, or make it one.")
        self._states: list[State] = [{} for _ in self.parameters]
        self.hyperparameters = hyperparameters
        self.epoch = self.steps = 0
        self.lr = lr
        self._made_for = [(p.data.shape, p.data.dtype) for p in self.parameters]

    def _names_of_states(self) -> set[str]:
        return set(self.init_state(self.parameters[0].data))

    def _adapt_states(self, before: set[str]) -> None:
        made = [self.init_state(p.data) for p in self.parameters]
        gone = before - set(made[0])
        self._states = [
            {**first, **{name: value for name, value in old.items() if name not in gone}}
            for first, old in zip(made, self._states, strict=True)]

    # -- the rule ----------------------------------------------------------------------------

    def init_state(self, parameter: Array | Tensor) -> State:
        """Return the state of a parameter (an array or a Tensor) before the first step."""
        return {}

    def rule(self, parameter: Array | Tensor, gradient: Array | Tensor, state: State,
             lr: float | Tensor) -> tuple[Array, State]:
        """Return the new parameter and state, by `update` with the hyper-parameters.

        Args:
            parameter, gradient: arrays or Tensors of one shape. They are not changed.
            state: from `init_state` or an earlier call.
            lr: a Python number.
        """
        return self.update(parameter, gradient, state, lr=lr, **self._hyperparameters)

    # -- training ----------------------------------------------------------------------------

    def step(self) -> None:
        """Update every parameter that has a `.grad`, by `rule`, at the current learning rate.

        A parameter's `.data` becomes a new array. The old one is not changed, since a graph may
        still hold it.

        Raises:
            ShapeError, DTypeError: a gradient, or a state, does not fit its parameter.
            NotDifferentiableError: no parameter has a gradient.

        Nothing is changed where an error is raised.
        """
        lr = read_state(self.current_lr, "lr")
        assume(lambda: self._hyperparameters)
        assume(lambda: self._changes)
        updates = []
        for index, parameter in enumerate(self.parameters):
            gradient = parameter.grad
            if gradient is not None:
                self._check_fit(index)
                old = self._state(index)
                new, state = self.rule(parameter.data, gradient, old, lr)
                # Computing with arrays of shape () gives NumPy scalars.
                value: Any = new if isinstance(new, Value) else np.asarray(new)
                updates.append((index, value, state, old))
        if not updates:
            raise NotDifferentiableError(
                f"{type(self).__name__}.step() expects parameters with gradients. None of the "
                f"{len(self.parameters)} has one: call backward() on a loss computed from them "
                "first, and zero_grad() after step().")
        for index, new, state, old in updates:
            self.parameters[index].data = new
            for name, value in state.items():
                write_state(partial(self._keep, index, name), value, old.get(name))
        write_state(self._count, 1)

    def _state(self, index: int) -> State:
        """Return the state kept for a parameter, in a new dict."""
        if MODE.get().recorder is None:
            return dict(self._states[index])
        # By index, as `load_state_dict` replaces the dicts in the list.
        return {
            name: read_state(partial(self._kept, index, name), name)
            for name in self._states[index]}

    def _kept(self, index: int, name: str) -> Array | float:
        return self._states[index][name]

    def _keep(self, index: int, name: str, value: object) -> None:
        self._states[index][name] = value

    def _count(self, steps: int) -> None:
        vars(self)["steps"] += steps  # without a check: this is part of every step

    def _check_fit(self, index: int) -> None:
        parameter = self.parameters[index]
        data = parameter.data
        gradient: Any = parameter.grad  # anything may have been assigned to it
        found = getattr(gradient, "shape", None)
        who = f"{type(self).__name__}.step()"
        if found != data.shape:
            raise ShapeError(
                f"{who} expects the gradient of {label(index, parameter)} to have its shape "
                f"{data.shape}. Got {type(gradient).__name__ if found is None else found}.")
        if type(gradient) is not type(data):
            refuse_assigned(gradient, "grad")
        if gradient.dtype != data.dtype:
            raise DTypeError(
                f"{who} expects the gradient of {label(index, parameter)} to have its dtype "
                f"{data.dtype}. Got {gradient.dtype}: convert it with .astype().")
        if self._states[index] and self._made_for[index] != (data.shape, data.dtype):
            shape, dtype = self._made_for[index]
            raise ShapeError(
                f"{who} expects {label(index, parameter)} to stay of shape {shape} and dtype "
                f"{dtype}, as the state kept for it is. Got {data.shape} and {data.dtype}: make a "
                "new optimizer for the changed parameters.")

    def zero_grad(self) -> None:
        """Set every parameter's `.grad` to None."""
        for parameter in self.parameters:
            clear_grad(parameter)

    # -- the learning rate -------------------------------------------------------------------

    @property
    def lr(self) -> Rate:
        """The learning rate as it was given: a number, a `Schedule` or a function of the epoch."""
        return self._lr

    @lr.setter
    def lr(self, lr: Rate) -> None:
        schedule = as_schedule(lr, f"{type(self).__name__}: lr")
        self._evaluate(schedule)  # an error is raised here and not in a later step
        self._lr = lr
        self._schedule = schedule

    def current_lr(self) -> float:
        """Return the learning rate of the next step, as a number."""
        # Evaluating a schedule would take a tenth of a small step.
        return self._lr if type(self._lr) is float else self._evaluate(self._schedule)

    def coming_lrs(self, n: int) -> list[float]:
        """Return the learning rates of the next `n` steps of this epoch."""
        if self._schedule.unit == "epoch":
            return [self.current_lr()] * n
        return [self._schedule(self.steps + i) for i in range(n)]

    def _evaluate(self, schedule: Schedule) -> float:
        return schedule(self.epoch if schedule.unit == "epoch" else self.steps)

    # -- resuming ----------------------------------------------------------------------------

    def settings(self) -> dict[str, Any]:
        """Return class, learning rate and hyper-parameters as data for JSON.

        Returns:
            a dict of "optimizer" (name of the class), "lr" (a number; for a schedule, its
            `to_dict()`; None for a function) and "hyperparameters".

        >>> w = Tensor([1.0], requires_grad=True)
        >>> from tinygrad_mlp.optim import RMSprop
        >>> RMSprop([w]).settings()["hyperparameters"]["alpha"]
        0.99
        """
        lr: Any = None
        if not callable(self._lr):
            lr = float(self._lr)
        elif self._schedule.storable:
            lr = self._schedule.to_dict()
        kind, numbers = type(self).__name__, dict(self.hyperparameters)
        return {"optimizer": kind, "lr": lr, "hyperparameters": numbers}

    def state_dict(self) -> dict[str, Any]:
        """Return the settings and the state as plain data, to resume with bit-identical results.

        Returns:
            the `settings()`, "epoch", "steps" and "arrays": copies of the states by "position in
            parameters.name", such as "0.velocity". All but "arrays" can be written as JSON.
        """
        arrays = {key: np.array(value) for key, value in flattened(self._states).items()}
        return {**self.settings(), "epoch": self.epoch, "steps": self.steps, "arrays": arrays}

    def load_state_dict(self, stored: Mapping[str, Any]) -> None:
        """Load the settings and the state of a `state_dict()`; parameters are not part of it.

        The learning rate and the hyper-parameters become the stored ones. A learning rate that is
        a user's function is not stored: this optimizer keeps its own.

        Raises:
            StateDictError: `stored` is of another kind of optimizer or of other parameters, or
                is damaged. Nothing is changed.
        """
        who = f"{type(self).__name__}.load_state_dict()"
        if not isinstance(stored, Mapping) or set(stored) != set(FIELDS):
            found = sorted(map(str, stored)) if isinstance(stored, Mapping) else type(stored)
            raise StateDictError(f"{who} expects a dict of {', '.join(FIELDS)}. Got {found}.")
        if stored["optimizer"] != type(self).__name__:
            raise StateDictError(
                f"{who} expects the state of this kind of optimizer. Got that of "
                f"{stored['optimizer']!r}: make one of the kind that was saved.")
        # A copy loads everything, so that nothing is changed where that fails.
        twin = copy.copy(self)
        try:
            twin.hyperparameters = stored["hyperparameters"]
            twin.epoch, twin.steps = stored["epoch"], stored["steps"]
            twin.lr = self._restored_lr(stored["lr"])
            fresh = [twin.init_state(p.data) for p in self.parameters]
            twin._states = unflattened(fresh, stored["arrays"])
        except (InvalidArgumentError, TypeError) as error:
            raise StateDictError(f"{who} cannot take this state: {error}") from error
        twin._made_for = [(p.data.shape, p.data.dtype) for p in self.parameters]
        vars(self).update(vars(twin))

    def _restored_lr(self, stored: object) -> Rate:
        if isinstance(stored, Mapping):
            return from_dict(stored)
        if stored is not None:
            return not_negative(stored, "lr")
        if self._schedule.storable:
            raise InvalidArgumentError(
                f"the learning rate was a function, which is not stored, and this optimizer has "
                f"lr={self._lr!r}. Set lr to that function first.")
        return self._lr

    def __repr__(self) -> str:
        n = len(self.parameters)
        settings = {"lr": self._lr, **self.hyperparameters}
        shown = ", ".join(f"{name}={value!r}" for name, value in settings.items())
        return f"{type(self).__name__}({n} parameter{'s' if n > 1 else ''}, {shown})"
