"""Declaring an operation of one's own: what may be wrong with it is found here.

The package's own operations are checked by its tests. Those that a user declares are checked when
they are declared, and their rules once more when they are first used.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from tinygrad_mlp.autograd.call_site import user_site
from tinygrad_mlp.autograd.graph import Value
from tinygrad_mlp.autograd.op import OPS, Op, OpRecord, Rule, Static, defined_at, parameters_of
from tinygrad_mlp.autograd.op import op as declare
from tinygrad_mlp.autograd.rule_check import raw_numbers
from tinygrad_mlp.errors import OpDefinitionError, RawNumbersWarning

RENAMED = {"discrete": "nondifferentiable", "composed": "decomposable"}
"""Fields of the record that had other names."""


def op(*, rules: dict[str, Rule] | None = None, register: bool = True,
       **declared: Any) -> Callable[[Callable[..., Any]], Op]:
    """Make an operation of a NumPy function and one gradient rule per differentiable argument.

    Positional parameters of the function are arrays, keyword-only ones are static. A rule is
    called as ``rule(g, y, *arrays, **static)``, where `g` is the derivative of the final output
    with respect to ``y = f(*arrays)``, and returns the derivative with respect to its argument.
    Written with operators and operations only, it can itself be differentiated. A rule need not
    undo broadcasting: the backward pass does that.

    Args:
        rules: the rules by parameter name. A parameter without one is not differentiable.
        register: whether to enter the operation into `OPS`.
        declared: the other fields of `OpRecord`: `name`, `equation`, `latex`, `reference`,
            `samples`, `elementwise`, …; for `numpy`, a function or several in a tuple.

    Raises:
        OpDefinitionError: the declaration contradicts itself, or the name is taken.

    >>> import numpy as np, tinygrad_mlp as tg
    >>> @tg.op(rules={"x": lambda g, y, x: g * 3 * x**2}, elementwise=True, register=False)
    ... def cube(x):
    ...     return x**3
    >>> float(tg.grad(cube)(2.0))
    12.0
    """
    for old, new in RENAMED.items():
        if old in declared:
            warnings.warn(f"op() calls {old}= {new}= now. Got {old}=, which will be removed.",
                          DeprecationWarning, stacklevel=2)
            declared[new] = declared.pop(old)

    return declare(rules=rules, register=register, kind=CheckedOp, **declared)


class CheckedOp(Op):
    """An operation declared outside of the package.

    Once its rules have been checked for differentiability (`rules_checked`), `rule_error` is a
    sentence about the first that cannot be differentiated, or nothing.
    """

    repeatable = False  # that is not known of a user's function

    def __init__(self, record: OpRecord) -> None:
        _check_parameters(record)
        super().__init__(record)
        for name, rule in record.rules.items():
            _check_rule(self, name, rule)
        self.rules_checked = False
        self.rule_error = ""

    def register(self) -> None:
        """Enter the operation into `OPS`; in the place of another only if both have one namespace.

        So that a notebook's cell can be run again.
        """
        known = OPS.get(self.name, self)
        namespace = getattr(self.forward, "__globals__", None)
        if known is not self and namespace is not getattr(known.forward, "__globals__", ()):
            raise OpDefinitionError(
                f"op '{self.name}' exists already (in {known.__module__}). Choose another name.")
        super().register()

    def vjp(self, position: int, g: Any, y: Any, arrays: Sequence[object], static: Static) -> Any:
        """Return the share of an argument, as `Op.vjp` does, after a check at the first call."""
        one: Any = self.as_tuple(y)[0]
        # (A traced array is a value, too, but takes the place of an array: it is its own data.)
        create_graph = isinstance(one, Value) and one.data is not one
        if not self.rules_checked:
            self.rules_checked = True  # before, since a rule may call the operation itself
            found = raw_numbers(self, g, y, arrays, static)
            self.rules_checked, self.rule_error = found is not None, found or ""
            if found and not create_graph:
                site = user_site()
                warnings.warn_explicit(found, RawNumbersWarning, site.code.co_filename, site.line)
        if self.rule_error and create_graph:
            raise OpDefinitionError(self.rule_error)
        return super().vjp(position, g, y, arrays, static)


def _check_parameters(record: OpRecord) -> None:
    """Raise an error for a forward function whose calls could not be checked."""
    of = inspect.Parameter
    kinds = {p.name: p.kind for p in parameters_of(record.forward)}
    arrays = [name for name, kind in kinds.items() if kind is not of.KEYWORD_ONLY]
    for name, kind in kinds.items():
        if kind is of.VAR_KEYWORD:
            raise OpDefinitionError(
                f"op '{record.name}' expects that every static parameter is named after a '*', so "
                f"that calls can be checked. Got **{name}.")
        if kind is of.VAR_POSITIONAL and len(arrays) > 1:
            others = ", ".join(other for other in arrays if other != name)
            raise OpDefinitionError(
                f"op '{record.name}' expects *{name} to take all arrays. Got other array "
                f"parameters beside it ({others}).")


def _check_rule(op: Op, parameter: str, rule: object) -> None:
    """Raise an error for a rule of no array parameter, no function, or one of other arguments."""
    if parameter not in op.arrays:
        raise OpDefinitionError(
            f"op '{op.name}' expects gradient rules for its array parameters "
            f"({', '.join(op.arrays) or 'none'}). Got one for '{parameter}'. Static parameters "
            f"(after the '*') have no gradient.")
    keywords = [*(["position"] if op.variadic else []), *op.defaults]
    arrays = [f"*{op.arrays[0]}"] if op.variadic else op.arrays
    call = ", ".join(["g", "y", *arrays, *(f"{key}={key}" for key in keywords)])
    who = f"op '{op.name}' expects the gradient rule for '{parameter}' to be called as rule({call})"
    if not callable(rule):
        raise OpDefinitionError(f"{who}. Got {rule!r}, which is no function.")
    try:
        signature = inspect.signature(rule)
    except (ValueError, TypeError):
        return  # built in, without a signature
    try:
        for n in (0, 1, 9) if op.variadic else (op.arity,):
            signature.bind("g", "y", *("x" * n), **dict.fromkeys(keywords))
    except TypeError as error:
        message = f"{who}. Got rule{signature}: {error}.{defined_at(rule)}"
        raise OpDefinitionError(message) from None
