"""A function at a point: its values nearby, its gradients, and their rounding errors."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.gradients import gradients
from tinygrad_mlp.autograd.graph import Array, Value, make_value
from tinygrad_mlp.autograd.in_place import Argument
from tinygrad_mlp.autograd.mode import MODE, changed_mode
from tinygrad_mlp.autograd.pytree import leaves, rebuild
from tinygrad_mlp.autograd.stores.differentiable import stores_recorded
from tinygrad_mlp.autograd.tape import own_copy
from tinygrad_mlp.autograd.tensor import Tensor
from tinygrad_mlp.errors import DTypeError, InvalidArgumentError, refuse_more_than_numbers
from tinygrad_mlp.verify.rounding_noise import TRIALS, RoundingNoise


@contextmanager
def undisturbed() -> Iterator[None]:
    """Evaluate without warnings, hooks and recording: a check tries what a program would avoid."""
    with (warnings.catch_warnings(), np.errstate(all="ignore"),
          changed_mode(recording=False, hook=None, walk=None)):
        warnings.simplefilter("ignore")
        # A lost imaginary part is how a function shows that it cannot take a complex step.
        warnings.simplefilter("error", np.exceptions.ComplexWarning)
        yield


OUTSIDE = (np.linalg.LinAlgError, AssertionError, ValueError, ArithmeticError)
"""What a function raises outside of its domain, at points that its author did not choose."""


class Output(NamedTuple):
    """One array that the function returns; `place` is that of its elements in `Probe.values`."""

    name: str
    shape: tuple[int, ...]
    place: slice


class Probe:
    """The function `f` at the point `args`, called with copies of its inputs as tensors.

    The inputs are the arrays of floating-point numbers in `args`: `original` as they were given,
    and `point` in double precision, where `f` takes that; all numbers are computed there. `base`
    holds the values of all floating-point `outputs` in a row, with a relative rounding error `eps`.
    """

    def __init__(self, f: Callable[..., object], args: tuple[object, ...],
                 names: list[str] | None = None) -> None:
        self.f, self.args = f, args
        self._given = leaves(args)
        self._places = [i for i, a in enumerate(self._given) if _is_floating(a)]
        if not self._places:
            kinds = ", ".join(_kind(a) for a in self._given) or "none"
            raise DTypeError(
                f"check_grad() expects at least one floating-point argument. Got {kinds}: write "
                f"2.0 instead of 2, or convert an array with .astype(float).")
        self.inputs = names or [input_names(f, args)[i] for i in self._places]
        for name, i in zip(self.inputs, self._places, strict=True):
            refuse_more_than_numbers(data_of(self._given[i]), f"check_grad: {name}")
        self.original = [np.array(data_of(self._given[i])) for i in self._places]
        self.point = [a.astype(np.result_type(a, np.float64)) for a in self.original]
        try:
            out = self.call(self.point)
        except Exception:
            if all(a.dtype == p.dtype for a, p in zip(self.original, self.point, strict=True)):
                raise
            # A function that insists on its precision is checked in it.
            self.point = [a.copy() for a in self.original]
            out = self.call(self.point)
        self._read_outputs(out)
        self.base = self._flat(out)
        used = [*self.point, *(data_of(leaves(out)[i]) for i in self._kept)]
        self.eps = max(float(np.finfo(a.dtype).eps) for a in used)

    def _read_outputs(self, out: object) -> None:
        self.outputs: list[Output] = []
        self._kept: list[int] = []
        start = 0
        for i, (name, value) in enumerate(zip(named(out, "out"), leaves(out), strict=True)):
            if not isinstance(value, (Value, np.ndarray, np.generic, int, float)):
                what = "check_grad() expects a function that returns arrays."
                raise InvalidArgumentError(f"{what} It returned {type(value).__name__}.")
            array = np.asarray(data_of(value))
            if array.dtype.kind == "f":
                self._kept.append(i)
                place = slice(start, start + array.size)
                self.outputs.append(Output(name, array.shape, place))
                start = place.stop
        if not self._kept:
            raise DTypeError(
                "check_grad() expects a function with a floating-point result. "
                f"It returned {', '.join(_kind(v) for v in leaves(out)) or 'nothing'}.")

    def call(self, arrays: Sequence[Array]) -> Any:
        """Return the result of `f` for copies of `arrays` in place of its inputs."""
        return self._called([make_value(Tensor, np.array(a), None, False) for a in arrays])

    def _called(self, inputs: Sequence[Value]) -> Any:
        filled = list(self._given)
        for place, value in zip(self._places, inputs, strict=True):
            filled[place] = value
        return self.f(*rebuild(self.args, filled))

    def _flat(self, out: object) -> Array:
        found = leaves(out)
        # `concatenate` copies: the results may be views of an input that will be written to.
        return np.concatenate([np.ravel(data_of(found[i])) for i in self._kept])

    def values(self, arrays: Sequence[Array]) -> Array:
        """Return all elements of all outputs, in a row, for `arrays` in place of the inputs."""
        try:
            return self._flat(self.call(arrays))
        except OUTSIDE:
            return np.full(self.base.shape, np.nan)

    def noise(self, arrays: Sequence[Array], rng: np.random.Generator,
              trials: int = TRIALS) -> Array:
        """Return by how much rounding may change each element of the outputs, as trials show it."""
        exact = self.values(arrays)
        moved = np.zeros(exact.shape)
        with changed_mode(hook=RoundingNoise(self.eps, rng)):
            for _ in range(trials):
                change = np.abs(self.values(arrays) - exact)
                moved = np.fmax(moved, np.where(np.isfinite(change), change, 0))
        return np.where(np.isfinite(exact), 2 * moved + 4 * self.eps * np.abs(exact), np.inf)

    def moved(self, by: Sequence[Array]) -> Probe:
        """Return the same function at another point."""
        other = copy(self)
        pairs = zip(self.original, by, strict=True)
        other.original = [np.asarray(a + v, dtype=a.dtype) for a, v in pairs]
        pairs = zip(other.original, self.point, strict=True)
        other.point = [a.astype(p.dtype) for a, p in pairs]
        other.base = other.values(other.point)
        return other

    def record(self, arrays: Sequence[Array]) -> ProbeTape:
        """Evaluate the function at `arrays` and keep the graph."""
        inputs = [make_value(Argument, np.array(a), None, True) for a in arrays]
        with changed_mode(recording=True, differentiating="check_grad"), (
                stores_recorded(self.f, self.args)):
            copies = [own_copy(x) for x in inputs]
            found = leaves(self._called(copies))
        return ProbeTape(inputs, [found[i] for i in self._kept], copies)

    def rule_noise(self, output: int, cotangent: Array, eps: float,
                   rng: np.random.Generator) -> list[Array] | None:
        """Return by how much rounding may change an output's gradients; None if it is not seen."""
        found: list[Array] = [np.zeros(a.shape) for a in self.point]
        try:
            exact = self.record(self.point).pull(output, cotangent, create_graph=True)
            with changed_mode(hook=RoundingNoise(eps, rng)):
                for _ in range(2 * TRIALS):  # it may be the winner of a tie that rounding decides
                    trial = self.record(self.point).pull(output, cotangent, create_graph=True)
                    rows = zip(found, trial, exact, strict=True)
                    found = [np.maximum(n, np.abs(a - b)) for n, a, b in rows]
        except Exception:  # any error of a rule that was written for arrays only
            return None
        return found if all(np.isfinite(n).all() for n in found) else None


class ProbeTape(NamedTuple):
    """One evaluation of a function whose graph was kept; outputs without inputs are arrays."""

    inputs: list[Value]
    outputs: list[Any]
    copies: Sequence[Value]  # of the inputs, which the function was given

    def pull(self, output: int, cotangent: Array, *, create_graph: bool = False) -> list[Array]:
        """Return the gradients of all inputs for a cotangent of one output."""
        value = self.outputs[output]
        found: list[Any] = [None] * len(self.inputs)
        if isinstance(value, Value) and value.requires_grad:
            cotangent = np.asarray(cotangent).astype(value.data.dtype)
            with changed_mode(recording=True):
                found = gradients([(value, cotangent)], self.inputs, create_graph=create_graph)
        return [
            np.zeros(x.data.shape, x.data.dtype) if g is None else np.array(data_of(g))
            for g, x in zip(found, self.inputs, strict=True)]


def probe_of_gradient(probe: Probe, rng: np.random.Generator) -> Probe:
    """Return the gradient of a probe's function, as a function of its inputs and of cotangents."""
    values = map(data_of, probe.record(probe.original).outputs)
    cotangents = [rng.standard_normal(value.shape).astype(value.dtype) for value in values]
    names = [*probe.inputs, *(f"cotangent of {output.name}" for output in probe.outputs)]
    second = Probe(pulled_back(probe.f), (probe.args, cotangents), names)
    outputs = zip(second.outputs, probe.inputs, strict=True)
    second.outputs = [output._replace(name=f"gradient of {name}") for output, name in outputs]
    return second


def pulled_back(f: Callable[..., object]) -> Callable[..., Any]:
    """Return the function ``(args, cotangents) -> gradients of f``, which order 2 differentiates.

    It is linear in the cotangents, which are inputs as well: a rule that loses the history of
    its cotangent is wrong at second order only.
    """

    def gradients_of(args: tuple[object, ...], cotangents: list[object]) -> list[Tensor]:
        given = leaves(args)
        # (Complex numbers are there only because a complex step is being taken.)
        inputs = []
        for i, a in enumerate(given):
            if isinstance(a, Value) and a.data.dtype.kind in "fc":
                # A new vertex, which continues the argument's history where it has one.
                fresh = not a.requires_grad
                new = make_value(Argument, a.data, None, True) if fresh else ops.identity(a)
                given[i] = new
                inputs.append(new)
        with changed_mode(recording=True, depth=MODE.get().depth + 1):
            outs = leaves(f(*rebuild(args, given)))
            outs = [v for v in outs if np.asarray(data_of(v)).dtype.kind in "fc"]
            pairs = [
                (v, u) for v, u in zip(outs, cotangents, strict=True)
                if isinstance(v, Value) and v.requires_grad]
            found = gradients(pairs, inputs, create_graph=True) if pairs else [None] * len(inputs)
        return [
            Tensor(np.zeros(x.data.shape, x.data.dtype)) if g is None else g
            for g, x in zip(found, inputs, strict=True)]

    return gradients_of


def _is_floating(a: object) -> bool:
    if isinstance(a, (Value, np.ndarray, np.generic)):
        return bool(data_of(a).dtype.kind == "f")
    return isinstance(a, float)


def _kind(a: object) -> str:
    dtype = getattr(data_of(a), "dtype", None)
    return type(a).__name__ if dtype is None else f"an array of {dtype}"


def named(tree: object, name: str) -> list[str]:
    """Return the names of the leaves of a nesting.

    >>> named({"W": 1, "b": [2, 3]}, "p")
    ["p['W']", "p['b'][0]", "p['b'][1]"]
    """
    if isinstance(tree, dict):
        return [n for key, branch in tree.items() for n in named(branch, f"{name}[{key!r}]")]
    if isinstance(tree, (list, tuple)):
        return [n for i, branch in enumerate(tree) for n in named(branch, f"{name}[{i}]")]
    return [name]


def input_names(f: Callable[..., object], args: tuple[object, ...]) -> list[str]:
    """Return the names of the leaves of the arguments, after the function's parameters."""
    try:
        bound = inspect.signature(f).bind(*args).arguments
    except (TypeError, ValueError):
        bound = {"args": args}
    return [n for name, value in bound.items() for n in named(value, name)]


def data_of(a: object) -> Any:
    """Return the array of a value; other things as they are."""
    return a.data if isinstance(a, Value) else a
