"""`Module`: a layer or a network, that is, named parameters and a function of arrays.

A module is a plain object, without a metaclass and without registration. Its parts are those of
its attributes that are parameters, buffers or modules, and those in its lists, tuples and dicts,
nested to any depth (see `containers`). They are in the order of assignment, in `parameters()` as in
saved files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from reprlib import recursive_repr
from typing import Any, Self

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.mode import CHANGES, assume, clear_grad, no_grad
from tinygrad_mlp.autograd.tensor import Tensor
from tinygrad_mlp.errors import InvalidArgumentError, StateDictError
from tinygrad_mlp.nn.containers import NO_PARTS, PLAIN, held, refuse_nameless
from tinygrad_mlp.nn.matching import matched
from tinygrad_mlp.nn.output_shapes import output_shapes
from tinygrad_mlp.nn.parameter import Buffer, Parameter

SUMMARY = ("module", "layer", "parameters", "numbers")
"""The headings of `Module.summary` without inputs."""


class Module:
    """Base class of layers and networks: override `forward`, assign parameters in `__init__`.

    Parameters, buffers and modules are found in attributes, and in lists, tuples, dicts and
    dataclasses in them, by names such as ``blocks.left.0.weight``. An attribute that holds a
    parameter keeps holding one: another `Parameter` replaces it and None removes it, while an
    assignment of anything else is an error.

    Raises:
        InvalidArgumentError: something other than a parameter is assigned in the place of one; a
            part lies where it would not be found: in a set, in the class itself, in `__slots__`.

    >>> import numpy as np, tinygrad_mlp as tg
    >>> class Scale(tg.nn.Module):
    ...     def __init__(self):
    ...         self.factor = tg.nn.Parameter([2.0])
    ...     def forward(self, x):
    ...         return x * self.factor
    >>> Scale()(np.array([1.0, 3.0])).numpy()
    array([2., 6.])
    """

    _training = True

    def __init_subclass__(cls, **options: object) -> None:
        super().__init_subclass__(**options)
        if cls.__dict__.get("__slots__"):
            raise InvalidArgumentError(
                f"{cls.__name__}: a module keeps its parts in plain attributes, where they are "
                f"found. Got __slots__: leave them out.")
        for name, value in vars(cls).items():
            if any(_has_state(part) for _, part in held(name, value, _is_part)):
                raise InvalidArgumentError(
                    f"{cls.__name__}: a module's parts belong to the object, as those of a class "
                    f"would be shared by all of its objects. Got {name} = … in the class: write "
                    f"self.{name} = … in __init__.")

    def __setattr__(self, name: str, value: object) -> None:
        if name == "training":  # set at every evaluation, and no part
            CHANGES.count += 1
            super().__setattr__(name, value)
            return
        before = self.__dict__.get(name)
        if isinstance(before, (Parameter, Buffer)) and not (
                value is None or isinstance(value, (Parameter, Buffer))):
            kind = type(before).__name__
            raise InvalidArgumentError(
                f"{type(self).__name__}.{name} is a {kind} and must stay one. Got "
                f"{type(value).__name__}. To set its numbers, write .{name}.data = …, or "
                f".{name} -= … under no_grad(); to replace it, assign a {kind}; to remove it, "
                f"None.")
        if type(value) not in PLAIN:
            refuse_nameless(name, value, _is_part)
            if type(value) not in NO_PARTS:
                _tell_places(name, value)
        CHANGES.count += 1
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        CHANGES.count += 1
        super().__delattr__(name)

    @property
    def training(self) -> bool:
        """The mode: true in training, which matters to dropout and batch norm."""
        return assume(lambda: self._training)

    @training.setter
    def training(self, training: bool) -> None:
        vars(self)["_training"] = bool(training)  # `__setattr__` has counted the change already

    def forward(self, x: Any) -> Any:
        """Compute the output of the module; subclasses define it."""
        raise NotImplementedError(f"{type(self).__name__} must define forward(self, x).")

    def __call__(self, x: Any, *more: Any) -> Tensor:
        """Compute the output of the module by its `forward`, which may take several arguments."""
        return self.forward(x, *more) if more else self.forward(x)

    # -- parts -------------------------------------------------------------------------------

    def _members(self) -> list[tuple[str, Any]]:
        members: list[tuple[str, Any]] = []
        for name, value in self.__dict__.items():
            if type(value) in PLAIN:
                continue
            if isinstance(value, PARTS):  # the usual case, without the call
                members.append((name, value))
            else:
                members += held(name, value, _is_part)
        return members

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """Iterate over this module (named "") and all modules in it, each once, outer first."""
        return iter([(path, module) for path, module, _ in _modules_in(self, prefix)])

    def named_state(self) -> Iterator[tuple[str, Parameter | Buffer]]:
        """Iterate over names and parameters or buffers, in the order of assignment, each once."""
        seen: set[int] = set()
        for path, _, members in _modules_in(self):
            for name, member in members:
                # A parameter used in two places is listed once, under its first name.
                if isinstance(member, (Parameter, Buffer)) and id(member) not in seen:
                    seen.add(id(member))
                    yield f"{path}.{name}".lstrip("."), member

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Iterate over names and parameters, in the order of assignment, each once."""
        for name, member in self.named_state():
            if isinstance(member, Parameter):
                yield name, member

    def parameters(self) -> Iterator[Parameter]:
        """Iterate over the parameters, in the order of `named_parameters`."""
        for _, parameter in self.named_parameters():
            yield parameter

    def named_generators(self) -> Iterator[tuple[str, np.random.Generator]]:
        """Iterate over names and random generators; a shared generator has several names."""
        for path, _, members in _modules_in(self):
            for name, member in members:
                # By name: loading numpy.random takes time, and without it there are no generators.
                if type(member).__name__ == "Generator" and hasattr(member, "bit_generator"):
                    yield f"{path}.{name}".lstrip("."), member

    @property
    def n_parameters(self) -> int:
        """The number of elements of all parameters."""
        return sum(parameter.size for parameter in self.parameters())

    # -- state -------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Array]:
        """Return copies of all parameters and buffers by name."""
        # With the same memory layout, as products of other layouts round differently.
        return {name: member.data.copy("K") for name, member in self.named_state()}

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Load arrays saved by `state_dict` of a module of the same architecture.

        Raises:
            StateDictError: entries are missing, unexpected, of another shape or no numbers of
                the right kind; nothing is changed then.
        """
        if not isinstance(state, Mapping):
            raise StateDictError(
                f"load_state_dict() expects arrays by name, as state_dict() gives them. Got "
                f"{type(state).__name__}.")
        own = dict(self.named_state())
        new, problems = matched(own, state)
        if problems:
            raise StateDictError(
                f"load_state_dict(): these weights do not belong to this "
                f"{type(self).__name__}. Build it with the layers they were saved with.\n  "
                + "\n  ".join(problems))
        for name, member in own.items():
            member.data = new[name]

    def train(self, mode: bool = True) -> Self:
        """Switch to training mode, for dropout and batch norm, and return the module."""
        for _, module in self.named_modules():
            if module._training is not mode:
                module.training = mode
        return self

    def eval(self) -> Self:
        """Switch to evaluation mode and return the module."""
        return self.train(False)

    def zero_grad(self) -> None:
        """Set the gradients of all parameters to None."""
        for parameter in self.parameters():
            clear_grad(parameter)

    # -- printing ----------------------------------------------------------------------------

    def describe(self) -> str:
        """Return the text between the parentheses of the module's repr."""
        return ""

    def summary(self, *inputs: object) -> list[tuple[str, ...]]:
        """Return path, layer, shapes and number of parameters of each layer.

        A layer is a module with parameters of its own, or without modules in it. With `inputs`, as
        the model is called with, the last entry of a row is the shape of the layer's output.
        """
        shapes: dict[str, str] | None = None
        if inputs:
            with evaluation(self), no_grad():
                shapes = output_shapes(dict(self.named_modules()), lambda: self(*inputs))
        rows: list[tuple[str, ...]] = []
        for path, module in self.named_modules():
            own = {n: m for n, m in module._members() if isinstance(m, Parameter)}
            if own or not any(isinstance(member, Module) for _, member in module._members()):
                parameters = "\n".join(f"{name} {member.shape}" for name, member in own.items())
                layer = f"{type(module).__name__}({module.describe()})"
                row = path, layer, parameters, f"{sum(m.size for m in own.values()):,}"
                rows.append(row if shapes is None else (*row, shapes[path]))
        return rows

    def _repr_html_(self) -> str:
        """Return the summary as a table."""
        from tinygrad_mlp.support.html import table

        total = f"{type(self).__name__}: {self.n_parameters:,} parameters"
        return table(SUMMARY, self.summary(), total)

    @recursive_repr("...")
    def __repr__(self) -> str:
        inner = [(name, m) for name, m in self._members() if isinstance(m, Module)]
        head = f"{type(self).__name__}({self.describe()}"
        if not inner:
            return head + ")"
        lines = []
        for name, module in inner:
            shown = repr(module).splitlines()
            bare = shown[0].partition("  # ")[0].rstrip()  # of a nested one, without its count
            shown[0] = _with_count(f"({name}) {bare}", module)
            lines += [f"  {line}" for line in shown]
        return "\n".join([_with_count(head, self), *lines, ")"])


PARTS = (Module, Parameter, Buffer)


def _is_part(value: object) -> bool:
    return isinstance(value, PARTS)


def _tell_places(name: str, value: object) -> None:
    """Tell parameters their path from the module whose attribute holds them now."""
    told: list[tuple[str, Parameter]] = []  # all of them first, as what is refused tells nothing
    for path, part in held(name, value, _is_part):
        if isinstance(part, Parameter):
            told.append((path, part))
        elif isinstance(part, Module):
            told += [(f"{path}.{inner}", each) for inner, each in part.named_parameters()]
    for path, parameter in told:
        parameter.place = path


def _has_state(value: object) -> bool:
    """Return whether a part has numbers of its own: a layer such as Tanh has none."""
    if isinstance(value, Module):
        return any(True for _ in (*value.named_state(), *value.named_generators()))
    return isinstance(value, (Parameter, Buffer))


def _modules_in(module: Module, prefix: str = "", seen: set[int] | None = None,
                ) -> list[tuple[str, Module, list[tuple[str, Any]]]]:
    """Return a module and those in it that are not `seen` yet: names, modules, members."""
    seen = set() if seen is None else seen
    seen.add(id(module))
    members = module._members()
    found = [(prefix.rstrip("."), module, members)]
    for name, member in members:
        if isinstance(member, Module) and id(member) not in seen:
            found += _modules_in(member, f"{prefix}{name}.", seen)
    return found


def _with_count(line: str, module: Module) -> str:
    n = module.n_parameters
    return f"{line:<40}  # {n:,} parameter{'s' * (n != 1)}" if n else line


@contextmanager
def evaluation(model: Module) -> Iterator[None]:
    """Put a model into evaluation mode, and afterwards each of its modules into its own again."""
    training = [module for _, module in model.named_modules() if module._training]
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True


def precision(model: Module) -> np.dtype[np.generic]:
    """Return the dtype of a model's first parameter; float64 without any."""
    return next((p.dtype for p in model.parameters()), np.dtype(np.float64))
