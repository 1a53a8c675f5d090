"""The search for a weight whose update can be deferred, in the program of a step.

Such a weight W is used only through ``x Wᵀ``, where x are samples among the data, and its new value
is linear in W, its velocity and the gradient ``Dᵀ x`` (see `coefficients`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from tinygrad_mlp.autograd.op import Op
from tinygrad_mlp.program.instructions import Instruction, Variable
from tinygrad_mlp.program.passes.simplify import remove_dead_code
from tinygrad_mlp.program.program import Program
from tinygrad_mlp.program.recording import DATA

GradientSource = Callable[[Instruction], Variable | None]
"""A function that returns D, where an instruction computes the gradient made from it."""


class Deferrable(NamedTuple):
    """A weight W, shape (m, p), or a bias b, shape (m,), whose update can be deferred."""

    parameter: Variable
    velocity: Variable | None  # its velocity, an input; None where there is no momentum


class Pattern(NamedTuple):
    """The parts of a program that compute with a weight whose update can be deferred."""

    weight: Deferrable
    bias: Deferrable | None  # None where there is none, or where it is not deferred
    x: Variable  # the samples, shape (n, p): a data input, or one whose samples were flattened
    data: Variable  # that data input
    z: Variable  # the pre-activation x Wᵀ + b, shape (n, m)
    delta: Variable  # D, the derivative at z, shape (n, m)

    def deferred(self) -> list[Deferrable]:
        """Return the weight, and the bias where there is one."""
        return [self.weight] if self.bias is None else [self.weight, self.bias]

    def inputs(self) -> set[Variable]:
        """Return the inputs that the program of a step without the parameters does not read."""
        return {v for deferred in self.deferred() for v in deferred if v is not None}


class _Finder:
    """A search for patterns in a simplified program."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.definition = {r: line for line in program.instructions for r in line.results}
        self.users: dict[Variable, list[Instruction]] = {}
        for line in program.instructions:
            for variable in line.variables:
                self.users.setdefault(variable, []).append(line)

    def patterns(self) -> list[Pattern]:
        """Return all patterns."""
        found = (
            self.pattern(line.results[0], weight)
            for weight in (update.target for update in self.program.updates)
            if weight is not None and weight.label.kind == "parameter" and len(weight.shape) == 2
            for line in self.users.get(weight, ())
            if line.op.name == "transpose")
        return [pattern for pattern in found if pattern is not None]

    def pattern(self, transposed: Variable, weight: Variable) -> Pattern | None:
        """Return the pattern of a weight that is used through its transpose."""
        for product in self.users.get(transposed, ()):
            x = product.operands[0]
            data = self.samples(x)
            if product.op.name != "matmul" or data is None:
                continue
            found = self.update_of(weight, partial(self.outer_product, x=x))
            if found is None:
                continue
            delta, deferrable = found
            pattern = Pattern(deferrable, None, x, data, product.results[0], delta)
            for candidate in (self.with_bias(pattern), pattern):
                if candidate is not None and self.is_enough(candidate):
                    return candidate
        return None

    def samples(self, x: Any) -> Variable | None:
        """Return the data that `x` consists of, a sample in each row; None for anything else."""
        if not isinstance(x, Variable) or len(x.shape) != 2:
            return None
        line = self.definition.get(x)
        if line is not None and line.op.name == "reshape":
            x, rows = line.operands[0], x.shape[0]
            if not isinstance(x, Variable) or x.shape[:1] != (rows,):
                return None
        return x if x in self.program.inputs and x.label.kind == "data" else None

    def with_bias(self, pattern: Pattern) -> Pattern | None:
        """Return the pattern with the bias that is added to its product, if there is one."""
        for line in self.users.get(pattern.z, ()):
            bias = line.operands[-1]
            if line.op.name != "add" or not isinstance(bias, Variable) or len(bias.shape) != 1:
                continue
            found = self.update_of(bias, partial(self.sum_over_samples, delta=pattern.delta))
            if found is not None:
                return pattern._replace(bias=found[1], z=line.results[0])
        return None

    def is_enough(self, pattern: Pattern) -> bool:
        """Return whether the step needs nothing of the deferred parameters but z."""
        return pattern.inputs().isdisjoint(without(self.program, pattern).inputs)

    def update_of(self, parameter: Variable,
                  gradient: GradientSource) -> tuple[Variable, Deferrable] | None:
        """Return D and the parameter, where its new value and velocity are linear.

        That is, in the old ones and in what `gradient` recognises as the gradient made from D.
        """
        news = {u.target: u.value for u in self.program.updates if u.target is not None}
        found = self.linear(news.get(parameter), parameter, gradient)
        if found is None:
            return None
        delta, velocity = found
        if velocity is not None and self.linear(news.get(velocity), parameter, gradient) != found:
            return None
        return delta, Deferrable(parameter, velocity)

    def linear(self, value: object, parameter: Variable,
               gradient: GradientSource) -> tuple[Variable, Variable | None] | None:
        """Return D and V, where `value` is linear in the parameter, V and a gradient only."""
        deltas: set[Variable] = set()
        states: set[Variable] = set()
        stack: list[Any] = [value]
        while stack:
            a = stack.pop()
            if not isinstance(a, Variable) or a.dtype is None or a is parameter:
                continue
            line = self.definition.get(a)
            if line is None:
                states.add(a)
                continue
            delta = gradient(line)
            if delta is not None:
                deltas.add(delta)
            elif _is_linear(line):
                stack.extend(line.operands)
            else:
                return None
        if len(deltas) != 1 or len(states) > 1:
            return None
        return deltas.pop(), next(iter(states), None)

    def outer_product(self, line: Instruction, x: Variable) -> Variable | None:
        """Return D, where an instruction computes ``Dᵀ x`` (for one sample, an outer product)."""
        if line.op.name not in ("matmul", "multiply") or line.operands[1] is not x:
            return None
        if line.op.name == "multiply" and x.shape[0] != 1:
            return None
        first = line.operands[0]
        before = self.definition.get(first) if isinstance(first, Variable) else None
        if before is None or before.op.name != "transpose" or len(line.results[0].shape) != 2:
            return None
        delta = before.operands[0]
        return delta if isinstance(delta, Variable) else None

    def sum_over_samples(self, line: Instruction, delta: Variable) -> Variable | None:
        """Return D, where an instruction computes its sum over the samples."""
        over_samples = line.op.name == "sum" and line.static["axis"] in (0, (0,))
        return delta if over_samples and line.operands[0] is delta else None


def _is_linear(line: Instruction) -> bool:
    """Return whether an instruction is a sum, or a product with a number."""
    if line.op.name == "multiply":
        return any(not isinstance(o, Variable) or o.dtype is None for o in line.operands)
    return line.op.name in ("add", "subtract", "negative")


def pattern_in(program: Program) -> Pattern | None:
    """Return the largest weight of a simplified program whose update can be deferred."""
    found = _Finder(program).patterns()
    return max(found, key=lambda p: p.weight.parameter.shape[0] * p.x.shape[1], default=None)


def without(program: Program, pattern: Pattern) -> Program:
    """Return the step without W: the pre-activation is its first input, D its last result."""
    z = pattern.z.like(pattern.z.name, label=DATA)
    gone = pattern.inputs()
    delta = z if pattern.delta is pattern.z else pattern.delta
    kept = replace(
        program,
        inputs=(z, *program.inputs),
        results=(*program.results, delta),
        updates=tuple(u for u in program.updates if u.target is None or u.target not in gone),
    ).rewritten(program.instructions, {pattern.z: z})
    return remove_dead_code(kept)[0]


class MeanLoss(NamedTuple):
    """A loss that is a mean over samples, so that all losses of a block can be computed at once."""

    op: Op
    prediction: Variable  # its first operand, a variable of the program
    target: Variable  # its second operand, a data input


def mean_loss_in(recorded: Program, simplified: Program) -> MeanLoss | None:
    """Return the loss of a step, where it is a mean over samples of a prediction and data."""
    computed = {r for line in simplified.instructions for r in line.results}
    for line in recorded.instructions:
        if "target" not in line.op.arrays or line.static.get("reduction") != "mean":
            continue
        prediction, target = line.operands
        if line.results[0] not in recorded.results or not isinstance(target, Variable):
            continue
        if target in simplified.inputs and target.label.kind == "data":
            if prediction in computed and len(prediction.shape) == 2:
                return MeanLoss(line.op, prediction, target)
    return None
