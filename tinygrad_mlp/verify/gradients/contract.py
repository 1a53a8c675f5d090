"""The rules that operations and gradients must follow whatever their numbers.

Operations and gradient rules do not change their arguments. A gradient has the shape and the
precision of its input and its own memory. It is linear in the cotangent, and the same call gives
the same result again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.backward import backward
from tinygrad_mlp.autograd.debug import arrays_of, fingerprint
from tinygrad_mlp.autograd.describe import label
from tinygrad_mlp.autograd.graph import Array, Node, Value
from tinygrad_mlp.autograd.mode import changed_mode
from tinygrad_mlp.autograd.op import Op, Static
from tinygrad_mlp.autograd.tape import source_of_copy
from tinygrad_mlp.verify.gradients.probe import Probe, ProbeTape, data_of
from tinygrad_mlp.verify.gradients.report import Problem

LINEAR_FACTOR = -4.0
"""A power of two: products and sums scale by it without rounding."""


class Contract:
    """An observer of one evaluation and its backward pass, as hook and as walk of the mode."""

    def __init__(self, probe: Probe) -> None:
        self.probe = probe
        self.problems: list[Problem] = []
        self._reported: set[tuple[str, str]] = set()
        self._op = ""

    def report(self, kind: str, where: str, message: str) -> None:
        """Record a problem, once for each place."""
        if (kind, where) not in self._reported:
            self._reported.add((kind, where))
            self.problems.append(Problem(kind, f"{where} {message}"))

    # -- operations and their rules ----------------------------------------------------------

    def __call__(self, op: Op, args: tuple[object, ...], static: Static) -> Any:
        """Apply an operation and check that its arguments are the same afterwards."""
        given = arrays_of(args)
        before = [fingerprint(a) for a in given]
        out = op.unhooked(args, static)
        for position, a in enumerate(given):
            if fingerprint(a) != before[position]:
                name = label(op, position, args[position])
                message = f"changed its argument {name}. Let it work on a copy."
                self.report("changed in place", f"op '{op.name}'", message)
        return out

    def vjp_of(self, node: Node, g: object) -> Callable[..., object]:
        """Return the `vjp` of the node's operation, observed."""
        self._op = node.op.name
        return partial(self._checked, node.op)

    def _checked(self, op: Op, position: int, g: Any, y: Any, inputs: Sequence[object],
                 static: dict[str, object]) -> Any:
        """Return the share of an argument, as `op.vjp`, after checking it if it is an array."""
        if op.rule(position) is None:
            return None
        parts, outs = op.as_tuple(g), op.as_tuple(y)
        if any(isinstance(a, Value) for a in (*parts, *inputs)):
            return op.vjp(position, g, y, inputs, static)  # checked where it is called with arrays

        def run(cotangent: object) -> Any:
            with changed_mode(walk=None, hook=None):
                return op.vjp(position, cotangent, y, inputs, static)

        where = f"the gradient rule of '{op.name}' for {label(op, position, None)}"
        held = [a for a in (*inputs, *outs) if isinstance(a, np.ndarray)]
        given = [*held, *(a for a in parts if a is not None)]
        before = [fingerprint(a) for a in given]
        share = run(g)
        if [fingerprint(a) for a in given] != before:
            message = "changed one of the arrays it was given. Let it compute a new one."
            self.report("changed in place", where, message)
            return share  # nothing else is certain any more
        array = data_of(share)
        if isinstance(array, (np.ndarray, np.generic)):
            self._check_precision(where, np.asarray(array), [inputs[position], *outs])
            if any(np.shares_memory(array, a) for a in held):
                self.report(
                    "shared memory", where,
                    "returned an array that shares memory with an argument or the result of the "
                    "operation. A gradient depends on g, so it cannot be one of these.")
            self._check_calls(where, run, np.array(array), parts)
        return share

    def _check_precision(self, where: str, share: Array, givers: Sequence[Any]) -> None:
        """Check that a share is as precise as the argument, or as the result if that is less."""
        eps = max(float(np.finfo(a.dtype).eps) for a in givers)
        if share.dtype.kind != "f" or float(np.finfo(share.dtype).eps) > eps:
            kinds = f"returned {share.dtype} for an argument of {givers[0].dtype}"
            self.report("dtype", where, f"{kinds}. Keep its precision.")

    def _check_calls(self, where: str, run: Callable[[object], object], first: Array,
                     parts: Sequence[Array]) -> None:
        """Call the rule again, with the same cotangent, a multiple of it, and zero."""

        def again(factor: float) -> Array:
            scaled = [None if a is None else np.asarray(np.multiply(a, factor, dtype=a.dtype))
                      for a in parts]
            return np.array(data_of(run(tuple(scaled) if len(scaled) > 1 else scaled[0])))

        size = np.max(np.abs(first), initial=0, where=np.isfinite(first))
        used = [a for a in parts if a is not None]
        limits = np.finfo(used[0].dtype)
        close, smallest = 1e3 * float(limits.eps), 1e3 * float(limits.tiny)

        def same(a: Array, b: Array) -> bool:
            finite = np.isfinite(a) & np.isfinite(b)
            bound = close * (np.abs(b) + 1e-3 * np.abs(LINEAR_FACTOR) * size) + smallest
            return a.shape == b.shape and not (np.abs(a - b) > bound)[finite].any()

        if not same(again(1), first):
            message = "gave another result the second time. It must depend on its arguments only."
            self.report("second run", where, message)
            return
        at_zero = again(0)
        # Beyond overflow and underflow there is nothing to compare.
        fits = all(np.isfinite(LINEAR_FACTOR * np.asarray(a)).all() for a in used)
        if at_zero[np.isfinite(at_zero)].any():
            message = "is not zero for the cotangent g = 0: it must be multiplied with g."
            self.report("cotangent", where, message)
        elif fits and not same(again(LINEAR_FACTOR), LINEAR_FACTOR * first):
            f = f"{LINEAR_FACTOR:g}"
            message = f"is not linear in its cotangent: for {f} g it is not {f} times that for g."
            self.report("cotangent", where, message)

    # -- the whole function ------------------------------------------------------------------

    def check(self, cotangents: Sequence[Array]) -> bool:
        """Check an evaluation and the gradients; return whether there are any to compare."""
        with changed_mode(hook=self, walk=lambda starts: self.vjp_of):
            run = self.probe.record(self.probe.original)
            self._check_inputs(run, "f")
            try:
                found = [self._backward(run, number, u) for number, u in enumerate(cotangents)]
            except Exception as error:
                after = f", after a rule of '{self._op}'" if self._op else ""
                message = f"raised {type(error).__name__}{after}: {error}"
                self.report("error", "the backward pass", message)
                return False
            self._check_inputs(run, "the backward pass")
        self._check_second_run(run, cotangents, found)
        return True

    def _check_inputs(self, run: ProbeTape, who: str) -> None:
        """Check that the inputs hold the numbers they were given."""
        for name, leaf, copy, a in zip(
                self.probe.inputs, run.inputs, run.copies, self.probe.original, strict=True):
            # (What the function computes in place, or stores, is recorded: then it is no copy.)
            held = [leaf.data, *([copy.data] if source_of_copy(copy.node) is leaf else [])]
            same = all(data.shape == a.shape and np.array_equal(data, a, equal_nan=True)
                       for data in held)
            if not same and not any(p.kind == "changed in place" for p in self.problems):
                self.report("changed in place", who, f"changed its input {name}.")

    def _backward(self, run: ProbeTape, number: int, cotangent: Array) -> list[Array]:
        """Return an output's gradients as `Tensor.backward` leaves them, after checking them."""
        value = run.outputs[number]
        for leaf in run.inputs:
            leaf.grad = None
        if isinstance(value, Value) and value.requires_grad:
            cotangent = cotangent.astype(value.data.dtype)
            backward(value, cotangent, retain_graph=True)
        others = [leaf.data for leaf in run.inputs] + [data_of(v) for v in run.outputs]
        found: list[Array] = []
        for name, leaf in zip(self.probe.inputs, run.inputs, strict=True):
            where = f"the gradient of {self.probe.outputs[number].name} for {name}"
            g = np.zeros(leaf.data.shape, leaf.data.dtype) if leaf.grad is None else leaf.grad
            if g.shape != leaf.data.shape:
                self.report("shape", where, f"has shape {g.shape}, not {leaf.data.shape}.")
            if g.dtype != leaf.data.dtype:
                self.report("dtype", where, f"is of {g.dtype}, not of {leaf.data.dtype}.")
            if any(np.shares_memory(g, a) for a in [*others, cotangent, *found]):
                self.report("shared memory", where, "shares memory with another array.")
            found.append(g)
        return found

    def _check_second_run(self, run: ProbeTape, cotangents: Sequence[Array],
                          found: list[list[Array]]) -> None:
        """Check that a second run gives the same and leaves the first one's gradients alone."""
        kept = [[g.copy() for g in row] for row in found]
        second = self.probe.record(self.probe.original)
        again = [second.pull(number, u) for number, u in enumerate(cotangents)]
        for number, output in enumerate(self.probe.outputs):
            same = _close(run.outputs[number], second.outputs[number])
            if not same:
                message = "was different when f was called again. "
                message += "Fix what is random, or keeps state."
                self.report("second run", output.name, message)
            rows = zip(self.probe.inputs, found[number], kept[number], again[number], strict=True)
            for name, g, before, now in rows:
                where = f"the gradient of {output.name} for {name}"
                if not np.array_equal(g, before, equal_nan=True):
                    message = "was overwritten when another was computed. Return a new array."
                    self.report("shared memory", where, message)
                elif same and not _close(before, now):
                    message = "was different in a second run of the same computation."
                    self.report("second run", where, message)


def _close(a: object, b: object) -> bool:
    """Return whether two results are equal up to the rounding that a memory layout may cause."""
    a, b = np.asarray(data_of(a)), np.asarray(data_of(b))
    if a.shape != b.shape:
        return False
    close = 1e4 * float(np.finfo(a.dtype).eps)
    size = np.max(np.abs(a), initial=0, where=np.isfinite(a))
    return bool(np.allclose(a, b, rtol=close, atol=close * 1e-2 * float(size), equal_nan=True))
