"""`check_step`: gradients that stand in an update only, ``W -= lr * dW``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.support.checks import positive
from tinygrad_mlp.verify.derivations.arguments import AtPoint
from tinygrad_mlp.verify.derivations.check import checked_options, report_on
from tinygrad_mlp.verify.derivations.comparison import Options
from tinygrad_mlp.verify.derivations.one_function import Nested
from tinygrad_mlp.verify.derivations.points import Handed
from tinygrad_mlp.verify.derivations.report import DerivationReport
from tinygrad_mlp.verify.layers.objects import candidates
from tinygrad_mlp.verify.layers.swapping import Variables, swapped
from tinygrad_mlp.verify.reading.names import returned_names
from tinygrad_mlp.verify.reading.returned import gradients_in, is_number, plain_array

WHO = "check_step"

Point = Mapping[str, Any]


def check_step(step: Callable[..., object], parameters: object, lr: float, *,
               loss: Callable[..., object] | None = None, rng: np.random.Generator | None = None,
               rtol: float | None = None, hint: int = 3, budget: float = 5.0,
               scale: float = 1.0, ignoring: Collection[str] = ()) -> DerivationReport:
    """Check the gradients in a step of gradient descent, of which only the update is written.

    The gradient of a parameter W is read as (W before − W after) / lr, so that a step that goes
    uphill has a gradient of the wrong sign. Parameters and objects are afterwards as before.

    Args:
        step: one update, with plain gradient descent. It takes the parameters (by name, by
            position or in one dict), or nothing, where it uses `parameters` by itself. It changes
            arrays, or returns or assigns new ones.
        parameters: the arrays by name, one array, or the object whose arrays the step changes.
        lr: the learning rate of the step.
        loss: the loss, called in the same way as the step. If None, the step returns its value
            before the update.
        rng: as for `check_derivation`.
        rtol: as for `check_derivation`.
        hint: as for `check_derivation`.
        budget: as for `check_derivation`.
        scale: as for `check_derivation`.
        ignoring: as for `check_derivation`.

    Returns:
        The same report as that of `check_derivation`.

    Raises:
        InvalidArgumentError: the step changes no parameter, or there is no loss.

    >>> def step(w):
    ...     loss = 0.5 * np.sum(w**2)
    ...     w += 0.1 * w
    ...     return loss
    >>> report = check_step(step, {"w": np.array([1.0, 2.0])}, lr=0.1)
    >>> print(report.diagnoses["w"].message)
    The gradient of w has the wrong sign.
    """
    options = checked_options(WHO, rng, rtol, hint, budget, scale, ignoring)
    lr = positive(lr, f"{WHO}: lr")
    made: _Step
    if isinstance(parameters, (Mapping, Sequence, np.ndarray)):
        made = _StepOfArrays(step, loss, lr, _named(parameters, step))
    else:
        made = _StepOfObject(step, loss, lr, parameters)
    return made.report(options)


def _named(parameters: object, step: Callable[..., object]) -> Mapping[str, object]:
    if isinstance(parameters, Mapping):
        return {str(name): value for name, value in parameters.items()}
    first = next(iter(inspect.signature(step).parameters), "parameters")
    return {first: parameters}


class _Step:
    """A step, and what it does to arrays at a point; `point` is the given one."""

    def __init__(self, step: Callable[..., object], loss: Callable[..., object] | None,
                 lr: float) -> None:
        self.step, self.loss, self.lr = step, loss, lr
        self.point: dict[str, Array] = {}
        self.before: dict[str, Array] = {}
        self.now: Point = {}
        self.updated: frozenset[str] = frozenset()

    def caller(self, function: Callable[..., object], role: str) -> AtPoint:
        """Return a function called at a point."""
        raise NotImplementedError

    def after(self, found: object, args: tuple[object, ...]) -> Mapping[str, Any]:
        """Return the parameters after the step, those that it changed."""
        raise NotImplementedError

    def missing(self) -> list[str]:
        """Return the names of parameters that the step leaves as they are."""
        return []

    def report(self, options: Options) -> DerivationReport:
        """Return the report."""
        derived = self._derived()
        given = derived({name: value.copy() for name, value in self.point.items()})
        if not given:
            raise InvalidArgumentError(
                f"{WHO}: step must change {', '.join(self.point)}, or return new ones. It did "
                f"neither.")
        self.updated = frozenset(given)
        self.choose(given)
        derived, loss = self._derived(), self._loss()
        note = (f"Gradients were read as (before − after) / lr, with lr = {self.lr:g}, from "
                f"{', '.join(name for name in self.point if name in given)}.")
        report = report_on(
            Handed(loss, derived, None, *options[:2], resolution=1 / self.lr), self.point, options,
            [note])
        report.not_given += self.missing()
        kinds = [found.kind for found in report.diagnoses.values()]
        if len(kinds) == len(report.rows) and set(kinds) <= {"sign", "ascent"}:
            report.notes.append("The step goes uphill: it adds lr times the gradient.")
        return report

    def choose(self, given: Mapping[str, Array]) -> None:
        """Leave what is no parameter out of the point; `given` has what the step changed."""

    def _loss(self) -> AtPoint:
        made = self.caller(self.loss or self.step, "loss" if self.loss else "step")
        if self.loss is None:
            made.finish = lambda found, args: _loss_in(found)
        return made

    def _derived(self) -> AtPoint:
        made = self.caller(self.step, "step")
        around = made.around

        @contextmanager
        def remembering(point: Point) -> Iterator[None]:
            self.now = point
            self.before = {name: plain_array(value).copy() for name, value in point.items()}
            with around(point):
                yield

        made.around, made.finish = remembering, self._gradients
        return made

    def _gradients(self, found: object, args: tuple[object, ...]) -> dict[str, Array]:
        """Return (before − after) / lr of what is changed, here or at the given point."""
        gradients = {}
        for name, value in self.after(found, args).items():
            before, after = self.before[name], plain_array(value)
            if name in self.updated or not np.array_equal(before, after, equal_nan=True):
                gradients[name] = np.asarray((before - after) / self.lr)
        return gradients


def _loss_in(found: object) -> Any:
    """Return the loss among what a step returned."""
    each = found if isinstance(found, (tuple, list)) else (found,)
    loss = next((value for value in each if is_number(value)), None)
    if loss is None:
        raise InvalidArgumentError(
            f"{WHO}: step must return the loss before the update, or loss must be given. Got "
            f"{type(found).__name__}. Call it as check_step(step, parameters, lr, loss=loss).")
    return loss


class _StepOfArrays(_Step):
    """A step that takes its parameters, or finds them in its variables."""

    def __init__(self, step: Callable[..., object], loss: Callable[..., object] | None, lr: float,
                 parameters: Mapping[str, object]) -> None:
        super().__init__(step, loss, lr)
        self.nested = Nested(parameters)
        self.point = dict(self.nested.flat)
        if not self.point:
            raise InvalidArgumentError(
                f"{WHO}: parameters must hold arrays of floating-point numbers. Got none.")
        functions = {"step": step} | ({} if loss is None else {"loss": loss})
        self.variables = Variables(functions, self.point)

    def caller(self, function: Callable[..., object], role: str) -> AtPoint:
        """Return a function called at a point."""
        if inspect.signature(function).parameters:
            made = self.nested.caller(function, role)
        else:
            lost = sorted(set(self.point) - self.variables.names)
            if lost:
                raise InvalidArgumentError(
                    f"{WHO}: {role} must take the parameters, or use them as variables. It takes "
                    f"nothing, and {lost[0]} is none of its variables.")
            made = AtPoint(function, self.point, role, lambda point: ((), {}))
            made.around = self.variables.swapped
        made.who = WHO
        return made

    def after(self, found: object, args: tuple[object, ...]) -> Mapping[str, Any]:
        """Return the parameters after the step: assigned, changed in place, or returned."""
        if self.variables.names and not inspect.signature(self.step).parameters:
            return self.variables.values()
        now = dict(self.now)
        paths = {name: place.path for name, place in self.nested.firsts.items()}
        if len(args) == 1 and isinstance(args[0], Mapping) and set(args[0]) & {
                path[0] for path in paths.values()}:
            now = {name: _followed(args[0], path) for name, path in paths.items()}
        elif args and any(len(path) > 1 for path in paths.values()):
            top = dict(zip(self.nested.point, args, strict=False))
            now = {name: _followed(top, path) for name, path in paths.items()}
        if any(not np.array_equal(self.before[name], plain_array(value), equal_nan=True)
               for name, value in now.items()):
            return now
        rest = [each for each in found if not is_number(each)] if isinstance(found, tuple) else (
            found)
        rest = rest[0] if isinstance(rest, list) and len(rest) == 1 else rest
        if rest is None or is_number(rest) and self.point[next(iter(self.point))].size != 1:
            return {}
        returned = gradients_in(rest, self.nested.slots, returned_names(self.step), WHO, "step")
        return {name: value for name, (value, _) in returned.items()}


def _followed(root: Any, path: Sequence[Any]) -> Any:
    for key in path:
        root = root[key] if isinstance(root, (Mapping, list, tuple)) else getattr(root, key)
    return root


class _StepOfObject(_Step):
    """A step of an object, which holds the parameters."""

    def __init__(self, step: Callable[..., object], loss: Callable[..., object] | None, lr: float,
                 owner: object) -> None:
        super().__init__(step, loss, lr)
        self.owner = owner
        self.groups = candidates(owner)
        self.point = {name: group[0].array for name, group in self.groups.items()}
        self._left: list[str] = []
        if not self.point:
            raise InvalidArgumentError(
                f"{WHO}: {type(owner).__name__} must hold arrays of floating-point numbers before "
                f"the step. It holds none.")

    def caller(self, function: Callable[..., object], role: str) -> AtPoint:
        """Return a function called while the object holds the values of a point."""
        own = (self.owner,) if inspect.signature(function).parameters else ()
        made = AtPoint(function, self.point, role, lambda point: (own, {}), who=WHO)

        @contextmanager
        def around(point: Point) -> Iterator[None]:
            with swapped(self.owner, {id(group[0].array): point[name]
                                      for name, group in self.groups.items() if name in point}):
                yield

        made.around = around
        return made

    def after(self, found: object, args: tuple[object, ...]) -> Mapping[str, Any]:
        """Return what the object holds now."""
        return {name: _followed(self.owner, self.groups[name][0].path) for name in self.now}

    def choose(self, given: Mapping[str, Array]) -> None:
        """Keep what the step changes and the loss depends on."""
        used = [name for name in self.point if self._counts(name)]
        holders = {group[0].path[:-1] for name, group in self.groups.items()
                   if name in given and name in used}
        self._left = [name for name in used
                      if name not in given and self.groups[name][0].path[:-1] in holders]
        chosen = [name for name in used if name in given]
        self.point = {name: self.point[name] for name in chosen}

    def missing(self) -> list[str]:
        """Return what stands beside parameters and is not updated."""
        return self._left

    def _counts(self, name: str) -> bool:
        """Return whether the loss depends on an array."""
        loss = self._loss()
        rng = np.random.default_rng(0)
        moved = self.point[name] * (1 + 0.1 * rng.standard_normal(self.point[name].shape)) + 1e-3
        copies = {key: value.copy() for key, value in self.point.items()}
        before = plain_array(loss(copies)).copy()
        copies = {key: value.copy() for key, value in self.point.items()}
        after = plain_array(loss({**copies, name: moved}))
        return not np.array_equal(before, after, equal_nan=True)
