"""An operation at one sample: the calls that the checks consist of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import Op, Sample
from tinygrad_mlp.autograd.tensor import Tensor
from tinygrad_mlp.verify.gradients import GradReport, check_grad
from tinygrad_mlp.verify.operations.report import Failure


class OpCase:
    """An operation with the arguments of one sample.

    `floats` are the positions of the arguments that hold floating-point numbers, and `moving`
    those of them that have a gradient rule. `seed` and `rtol` are those of `check_grad`.
    """

    def __init__(self, op: Op, sample: Sample, seed: int = 0, rtol: float | None = None) -> None:
        self.op, self.sample, self.seed, self.rtol = op, repr(sample), seed, rtol
        given, self.static = op.bind(sample.args, sample.static)
        self.args: list[Any] = [None if a is None else np.array(a) for a in given]
        self.floats = [i for i, a in enumerate(self.args) if a is not None and a.dtype.kind == "f"]
        self.moving = [
            i for i in self.floats if not op.nondifferentiable and op.rule(i) is not None]

    def name(self, place: int) -> str:
        """Return the name of the parameter that an argument is passed for."""
        return self.op.parameter(place)

    def failure(self, place: int, cause: str, message: str) -> Failure:
        """Return a failure of the gradient rule of an argument at this sample."""
        return Failure(self.name(place), cause, message, self.sample)

    def copies(self, change: Callable[[Array], object] = np.array) -> list[Any]:
        """Return copies of the arguments, with `change` applied to arrays of floats."""
        return [
            change(a) if i in self.floats else None if a is None else np.array(a)
            for i, a in enumerate(self.args)]

    def forward(self, args: Sequence[object]) -> list[Array]:
        """Return the outputs for arrays."""
        return [np.asarray(o) for o in self.op.as_tuple(self.op.forward(*args, **self.static))]

    def reference(self) -> list[Array] | None:
        """Return the outputs that the record's reference gives; None where it has none."""
        function = self.op.record.reference
        if function is None:
            return None
        return [np.asarray(o) for o in self.op.as_tuple(function(*self.copies(), **self.static))]

    def of(self, *places: int) -> Callable[..., Any]:
        """Return the operation as a function of the arguments at `places` alone."""

        def f(*values: object) -> Any:
            args: list[Any] = list(self.args)
            for place, value in zip(places, values, strict=True):
                args[place] = value
            return self.op(*args, **self.static)

        f.__name__ = self.op.name
        return f

    def check_grad(self, f: Any, places: Sequence[int], order: int = 1) -> GradReport:
        """Check the gradients of a function of the arguments at `places`."""
        inputs = [self.args[i] for i in places]
        # (Samples are points enough.)
        return check_grad(f, *inputs, order=order, seed=self.seed, rtol=self.rtol, points=0)

    def rule_inputs(self, seed: int) -> tuple[list[Array], list[Array], list[Array]]:
        """Return copies of the arguments, the outputs, and random cotangents of these."""
        args = self.copies()
        outs = [o.copy() for o in self.forward(args)]
        return args, outs, self.cotangents(outs, seed)

    def share(self, place: int, g: Sequence[Any], outs: Sequence[Array | Tensor],
              args: Sequence[object]) -> Any:
        """Return the result of the rule of an argument as it is, not yet unbroadcast."""
        several = self.op.outputs > 1
        g, y = (tuple(g), tuple(outs)) if several else (g[0], outs[0])
        return self.op.vjp(place, g, y, args, self.static)

    def cotangents(self, outs: Sequence[Array], seed: int) -> list[Array]:
        """Return random cotangents of the outputs."""
        rng = np.random.default_rng(seed)
        return [
            np.asarray(rng.normal(size=o.shape), o.dtype if o.dtype.kind == "f" else float)
            for o in outs]
