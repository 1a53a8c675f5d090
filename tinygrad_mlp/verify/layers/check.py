"""`check_layer`: a forward function or method, and the backward one written by hand for it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.ops.products.tensordot import vdot
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.verify.derivations.arguments import AtPoint
from tinygrad_mlp.verify.derivations.check import checked_options, report_on
from tinygrad_mlp.verify.derivations.comparison import Options
from tinygrad_mlp.verify.derivations.points import Handed
from tinygrad_mlp.verify.derivations.report import DerivationReport
from tinygrad_mlp.verify.layers import objects
from tinygrad_mlp.verify.layers.arguments import Inputs, required
from tinygrad_mlp.verify.layers.backward import arguments_for, kept_by
from tinygrad_mlp.verify.reading.names import returned_names
from tinygrad_mlp.verify.reading.returned import gradients_in, plain_array

WHO = "check_layer"
INPUT_GRADIENTS = ("dinputs", "dinput", "dx", "dX", "grad_input", "input_grad", "grad_inputs")

Gradients = dict[str, tuple[Array, str]]


def check_layer(layer: Any, *arguments: Any, rng: np.random.Generator | None = None,
                rtol: float | None = None, hint: int = 3,
                budget: float = 5.0, scale: float = 1.0,
                ignoring: Collection[str] = ()) -> DerivationReport:
    """Check the backward pass that was written by hand for a layer: its name, the line, a repair.

    The layer is an object with the methods ``forward(x)`` and ``backward(dout)``, or the two
    functions ``out, cache = forward(x, w, b)`` and ``dx, dw, db = backward(dout, cache)``. For a
    random cotangent c of the output, the gradients that backward gives are compared with those of
    L = Σ c · out, as by `check_derivation`. The layer itself is not changed: a copy is run.

    Args:
        layer: an object, or the forward function.
        arguments: the backward function, if `layer` is a function; then the arguments of forward.
            Arrays of floating-point numbers are differentiated, also those in dicts and lists;
            all other arguments are settings. Parameters of an object are its arrays. Their
            gradients are found by name and shape (``dW``, ``grads["W"]``, ``grads[0]``,
            ``W.grad``, ``get_grads()``), and the report says which were paired.
        rng: of the cotangent, the trials and further points; the same for every call if None.
        rtol: as for `check_derivation`.
        hint: as for `check_derivation`.
        budget: as for `check_derivation`.
        scale: as for `check_derivation`.
        ignoring: as for `check_derivation`.

    Returns:
        The same report as that of `check_derivation`.

    Raises:
        InvalidArgumentError: no forward or backward, no array to differentiate, or a backward that
            takes or returns what cannot be told.

    >>> def forward(x, w):
    ...     return x @ w, (x, w)
    >>> def backward(dout, cache):
    ...     x, w = cache
    ...     return dout @ w.T, x.T @ (2 * dout)
    >>> report = check_layer(forward, backward, np.eye(2, 3), np.ones((3, 4)))
    >>> print(report.diagnoses["w"].message)
    The gradient of w is the right one times 2.
    """
    options = checked_options(WHO, rng, rtol, hint, budget, scale, ignoring)
    functions = bool(arguments) and _is_function(layer) and _is_function(arguments[0])
    if _is_function(layer) and not functions:
        raise InvalidArgumentError(
            f"{WHO}: expected forward, backward and the arguments of forward. Got one function. "
            f"Call it as check_layer(forward, backward, x, w, b).")
    if functions:
        return _Layer(layer, arguments[0], None, arguments[1:]).report(options)
    forward = objects.method_of(layer, objects.FORWARD, WHO)
    backward = objects.method_of(layer, objects.BACKWARD, WHO)
    return _Layer(forward, backward, layer, arguments).report(options)


def _is_function(value: object) -> bool:
    return callable(value) and not hasattr(type(value), "backward") and not hasattr(
        value, "backward")


class _Layer:
    """The two functions, the object that they belong to, if any, and a cotangent."""

    def __init__(self, forward: Callable[..., object], backward: Callable[..., object],
                 owner: object, arguments: Sequence[object]) -> None:
        self.forward, self.backward, self.owner = forward, backward, owner
        bound = owner is not None
        self.takes = required(backward)[1:] if bound else required(backward)
        self.inputs = Inputs(_without_self(forward) if bound else forward, arguments)
        self.groups = objects.candidates(owner) if bound else {}
        self.groups = {name if name not in self.inputs.leaves else f"{name} of the layer": group
                       for name, group in self.groups.items()}
        self.paths = {name: [place.path for place in group] for name, group in self.groups.items()}
        self.said = returned_names(backward)
        self.cotangents: list[Array] = []
        self.at: dict[str, Array] = {}

    def report(self, options: Options) -> DerivationReport:
        """Return the report."""
        point = {**self.inputs.leaves,
                 **{name: group[0].array for name, group in self.groups.items()}}
        if not point:
            raise InvalidArgumentError(
                f"{WHO}: an argument or an attribute of the layer must be an array of "
                f"floating-point numbers. Got none. Call it as check_layer(layer, x).")
        outputs = self._outputs(point)
        self.cotangents = [np.asarray(options.rng.standard_normal(out.shape), dtype=out.dtype)
                           for out in outputs]
        if not self.takes:
            self.cotangents = [np.ones_like(out) for out in outputs]
        given = self._gradients(point)
        used = [name for name in point if self._moves_output(point, name, outputs)]
        self.at = at = {name: point[name] for name in used
                        if name in given or name in self.inputs.leaves}
        if not at.keys() & given.keys():
            raise InvalidArgumentError(
                f"{WHO}: backward must return gradients, or leave them in attributes such as dW "
                f"or grads['W']. None was found for {', '.join(point)}.")
        shapes = {name: given[name][0].shape for name in at if name in given}
        read = ", ".join(f"{name} from {given[name][1]}" + (
            f", of shape {shape}" if shape != at[name].shape else "")
            for name, shape in shapes.items())
        loss = AtPoint(self.forward, at, "forward", self._forward_arguments, self._loss, WHO)
        derived = AtPoint(self.backward, at, "backward", self._backward_arguments, self._answer,
                          WHO)
        report = report_on(Handed(loss, derived, None, *options[:2]), at, options,
                           [f"Gradients were read as follows: {read}."])
        report.not_given += [name for name in used if name not in at]
        return report

    def _moves_output(self, point: Mapping[str, Array], name: str,
                      before: Sequence[Array]) -> bool:
        """Return whether an array counts: buffers and what is left from another call do not."""
        rng = np.random.default_rng(0)
        moved = point[name] * (1 + 0.1 * rng.standard_normal(point[name].shape)) + 1e-3
        try:
            after = self._outputs({**point, name: np.asarray(moved, point[name].dtype)})
        except Exception:  # forward need not take any numbers
            return True
        return not all(np.array_equal(a, b, equal_nan=True)
                       for a, b in zip(before, after, strict=True))

    def _forward_arguments(
            self, point: Mapping[str, object]) -> tuple[tuple[object, ...], dict[str, object]]:
        arguments = self.inputs.at(point, WHO)
        if self.owner is not None:
            arguments = (objects.copied_layer(self.owner, self.groups, point, WHO), *arguments)
        return arguments, {}

    def _outputs(self, point: Mapping[str, Array]) -> list[Array]:
        """Return the outputs of forward, in numbers."""
        copies = {name: value.copy() for name, value in point.items()}
        arguments, _ = self._forward_arguments(copies)
        return [plain_array(out).copy()
                for out in kept_by(self.forward(*arguments), self.takes, WHO).outputs]

    def _loss(self, found: object, args: tuple[object, ...]) -> Any:
        """Return Σ c · out."""
        outputs = kept_by(found, self.takes, WHO).outputs
        terms = [vdot(out, c) for out, c in zip(outputs, self.cotangents, strict=True)]
        return terms[0] if len(terms) == 1 else sum(terms[1:], terms[0])

    def _backward_arguments(
            self, point: Mapping[str, object]) -> tuple[tuple[object, ...], dict[str, object]]:
        """Run forward, and return the arguments of backward."""
        arguments, _ = self._forward_arguments(point)
        own = arguments[:1] if self.owner is not None else ()
        for layer in own:
            objects.reset(layer)
        kept = kept_by(self.forward(*arguments), self.takes, WHO)
        inputs = dict(zip(self.inputs.names, arguments[len(own):], strict=True))
        return (*own, *arguments_for(self.takes, kept, self.cotangents, inputs, WHO)), {}

    def _gradients(self, point: Mapping[str, Array]) -> Gradients:
        copies = {name: value.copy() for name, value in point.items()}
        arguments, _ = self._backward_arguments(copies)
        return self._read(self.backward(*arguments), arguments)

    def _read(self, found: object, args: tuple[object, ...]) -> Gradients:
        """Return the gradients that were returned or are held by the object, by name."""
        given: Gradients = {}
        if self.owner is None:
            given = gradients_in(found, self.inputs.slots, self.said, WHO)
        else:
            given = objects.gradients_of(args[0], self.paths)
            given |= self._of_inputs(found, args[0])
        return given

    def _of_inputs(self, found: object, layer: object) -> Gradients:
        """Return the gradients of the inputs, and of parameters returned after them."""
        slots = self.inputs.slots
        if found is None:
            held = next((name for name in INPUT_GRADIENTS
                         if isinstance(getattr(layer, name, None), np.ndarray)), None)
            if held is None or not slots:
                return {}
            name = next(iter(self.inputs.leaves))
            return {name: (getattr(layer, held), held)}
        several = found if isinstance(found, (tuple, list, Mapping)) else (found,)
        if len(several) > len(slots) or isinstance(found, Mapping):
            slots = {**slots, **{name: [name] for name in self.groups}}
        return gradients_in(found, slots, self.said, WHO) if slots else {}

    def _answer(self, found: object, args: tuple[object, ...]) -> dict[str, Array]:
        given = self._read(found, args)
        return {name: array for name, (array, _) in given.items() if name in self.at}


def _without_self(forward: Callable[..., object]) -> Callable[..., object]:
    """Return a function that has the parameters of a method without the first."""
    import functools

    return functools.partial(forward, None)
