r"""Small batches at the speed of large ones, exactly: the first layer's update deferred.

Training with small batches is slow because every step reads and writes the whole of the first
weight matrix W, for a product with a few samples. But where W is used only through ``X_t Wᵀ``,
with samples known beforehand, its gradient is ``g_t = D_tᵀ X_t``, with ``D_t`` the derivatives of
the loss at the pre-activations. Under a rule that is linear in parameter, velocity and gradient
(SGD with momentum, Nesterov's, weight decay), W after t steps is a combination

    W_t = c_t W_0 + e_t V_0 + Σ_{i<t} k_{t,i} D_iᵀ X_i

with numbers c, e, k that depend on learning rates, momentum and decay only; for plain SGD,
``W_t = W_0 − Σ α_i D_iᵀ X_i``. So the pre-activation of step t is

    X_t W_tᵀ = c_t X_t W_0ᵀ + e_t X_t V_0ᵀ + Σ_{i<t} k_{t,i} (X_t X_iᵀ) D_i

and for a block of K steps the products ``X W_0ᵀ`` and ``X Xᵀ`` are two large ones, computed once;
each step adds a small product with the D's so far, and W is written once, at the end of the
block. It is the same arithmetic in another order: equal up to rounding.

A bias is the weight of a column of ones: ``X W_tᵀ + 1 b_tᵀ`` is the same with ``X Xᵀ + 1 1ᵀ`` in
the place of ``X Xᵀ``.

The numbers c, e, k are not derived again for every variant: the update rule itself is run on
vectors of coefficients, in which W_0, V_0 and the g_i are the unit vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.program.instructions import Instruction, Variable
from tinygrad_mlp.program.passes.simplify import remove_dead_code
from tinygrad_mlp.program.program import Program
from tinygrad_mlp.program.recording import DATA

LINEAR = ("add", "subtract", "multiply", "negative")


class Deferrable(NamedTuple):
    """A parameter whose update can be deferred.

    Attributes:
        parameter: a weight W, shape (m, p), or a bias b, shape (m,).
        velocity: its velocity V, an input of the program; None where there is no momentum.
    """

    parameter: Variable
    velocity: Variable | None

    def inputs(self) -> set[Variable]:
        """What the program of a step without the parameter does not read any more."""
        return {self.parameter} if self.velocity is None else {self.parameter, self.velocity}


class Pattern(NamedTuple):
    """Where a program uses a weight in the way that can be deferred.

    Attributes:
        weight: W.
        bias: b, or None where there is none, or it is not deferred.
        x: the samples, shape (n, p): a data input, or one whose samples were flattened.
        data: that data input.
        z: the pre-activation ``x Wᵀ + b``, shape (n, m).
        delta: D, the derivative at z, shape (n, m).
    """

    weight: Deferrable
    bias: Deferrable | None
    x: Variable
    data: Variable
    z: Variable
    delta: Variable

    def deferred(self) -> list[Deferrable]:
        """The weight, and the bias where there is one."""
        return [self.weight] if self.bias is None else [self.weight, self.bias]


class _Finder:
    """Looks for the pattern in a simplified program.

    Attributes:
        program: the program.
        definition: the instruction that computes each variable.
        users: the instructions that use each variable.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.definition = {r: line for line in program.instructions for r in line.results}
        self.users: dict[Variable, list[Instruction]] = {}
        for line in program.instructions:
            for o in line.operands:
                if isinstance(o, Variable):
                    self.users.setdefault(o, []).append(line)

    def patterns(self) -> list[Pattern]:
        """All there are."""
        found = (
            self.pattern(transposed.results[0], target)
            for update in self.program.updates
            for target in [update.target]
            if target is not None and target.label.kind == "parameter" and len(target.shape) == 2
            for transposed in self.users.get(target, ())
            if transposed.op.name == "transpose"
        )
        return [pattern for pattern in found if pattern is not None]

    def pattern(self, transposed: Variable, weight: Variable) -> Pattern | None:
        """The pattern of one weight that is used through its transpose."""
        for product in self.users.get(transposed, ()):
            x = product.operands[0]
            data = self.samples(x)
            if product.op.name != "matmul" or data is None:
                continue
            z = product.results[0]
            found = self.update_of(weight, partial(self.outer, x=x))
            if found is None:
                continue
            delta, deferrable = found
            pattern = Pattern(deferrable, None, x, data, z, delta)
            with_bias = self.with_bias(pattern)
            for candidate in (with_bias, pattern):
                if candidate is not None and self.is_enough(candidate):
                    return candidate
        return None

    def samples(self, x: Any) -> Variable | None:
        """The data that `x` consists of, a sample in each row; None where it does not."""
        if not isinstance(x, Variable) or len(x.shape) != 2:
            return None
        line = self.definition.get(x)
        if line is not None and line.op.name == "reshape":
            x, rows = line.operands[0], x.shape[0]
            if not isinstance(x, Variable) or x.shape[:1] != (rows,):
                return None
        return x if x in self.program.inputs and x.label.kind == "data" else None

    def with_bias(self, pattern: Pattern) -> Pattern | None:
        """The pattern with the bias that is added to its product, if there is one."""
        for line in self.users.get(pattern.z, ()):
            bias = line.operands[-1]
            if line.op.name != "add" or not isinstance(bias, Variable) or len(bias.shape) != 1:
                continue
            found = self.update_of(bias, partial(self.summed, delta=pattern.delta))
            if found is not None:
                return pattern._replace(bias=found[1], z=line.results[0])
        return None

    def is_enough(self, pattern: Pattern) -> bool:
        """Whether the step needs nothing of the deferred parameters but z."""
        left = set(without(self.program, pattern).inputs)
        return not any(left & deferred.inputs() for deferred in pattern.deferred())

    def update_of(
        self, parameter: Variable, gradient: Callable[[Instruction], Variable | None]
    ) -> tuple[Variable, Deferrable] | None:
        """D and the parameter, where its new value, and its new velocity, are linear in the old
        ones and in what `gradient` recognises as the gradient that D makes."""
        news = {u.target: u.value for u in self.program.updates if u.target is not None}
        found = self.linear(news.get(parameter), parameter, gradient)
        if found is None:
            return None
        delta, velocity = found
        if velocity is not None and self.linear(news.get(velocity), parameter, gradient) != found:
            return None
        return delta, Deferrable(parameter, velocity)

    def linear(
        self, value: Any, parameter: Variable, gradient: Callable[[Instruction], Variable | None]
    ) -> tuple[Variable, Variable | None] | None:
        """D and V, where `value` is a linear expression of the parameter, V and a gradient only."""
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
            elif line.op.name in LINEAR and _is_linear(line):
                stack.extend(line.operands)
            else:
                return None
        if len(deltas) != 1 or len(states) > 1:
            return None
        return deltas.pop(), next(iter(states), None)

    def outer(self, line: Instruction, x: Variable) -> Variable | None:
        """D, where an instruction computes ``Dᵀ x`` (for one sample, an outer product)."""
        if line.op.name not in ("matmul", "multiply") or line.operands[1] is not x:
            return None
        first = line.operands[0]
        before = self.definition.get(first) if isinstance(first, Variable) else None
        if before is None or before.op.name != "transpose" or len(line.results[0].shape) != 2:
            return None
        if line.op.name == "multiply" and x.shape[0] != 1:
            return None
        delta = before.operands[0]
        return delta if isinstance(delta, Variable) else None

    def summed(self, line: Instruction, delta: Variable) -> Variable | None:
        """D, where an instruction computes its sum over the samples."""
        over_samples = line.op.name == "sum" and line.static["axis"] in (0, (0,))
        return delta if over_samples and line.operands[0] is delta else None


def _is_linear(line: Instruction) -> bool:
    """Whether a product has a number among its factors; sums are linear anyway."""
    if line.op.name != "multiply":
        return True
    return any(not isinstance(o, Variable) or o.dtype is None for o in line.operands)


def pattern_in(program: Program) -> Pattern | None:
    """The largest weight of a simplified program whose update can be deferred."""
    found = _Finder(program).patterns()
    return max(found, key=lambda p: p.weight.parameter.shape[0] * p.x.shape[1], default=None)


def without(program: Program, pattern: Pattern) -> Program:
    """The step without W: the pre-activation comes in first, D goes out last."""
    z = Variable(np.empty(0, pattern.z.dtype), label=DATA)
    z.shape, z.data, z.name = pattern.z.shape, None, pattern.z.name
    gone = set[Variable]().union(*(deferred.inputs() for deferred in pattern.deferred()))
    delta = z if pattern.delta is pattern.z else pattern.delta
    kept = replace(
        program,
        inputs=(z, *program.inputs),
        results=(*program.results, delta),
        updates=tuple(u for u in program.updates if u.target is None or u.target not in gone),
    ).rewritten(program.instructions, {pattern.z: z})
    return remove_dead_code(kept)[0]


class Coefficients(NamedTuple):
    """The numbers of the docstring above for a block of K steps.

    Attributes:
        weight: those of W_0, V_0 and every g_i in W_t, in rows t = 0, …, K; shape (K + 1, K + 2).
        velocity: those in V_t.
    """

    weight: Array
    velocity: Array

    @property
    def c(self) -> Array:
        """Of W_0 in each W_t."""
        return self.weight[:, 0]

    @property
    def e(self) -> Array:
        """Of V_0 in each W_t."""
        return self.weight[:, 1]

    @property
    def k(self) -> Array:
        """Of every g_i in each W_t."""
        return self.weight[:, 2:]


def coefficients(optimizer: Any, lrs: Sequence[float]) -> Coefficients:
    """What the optimizer's rule makes of W_0, V_0 and the gradients, step by step.

    >>> import tinygrad_mlp as tg
    >>> optimizer = tg.optim.SGD([tg.nn.Parameter([0.0])], lr=0.5, momentum=0.5)
    >>> coefficients(optimizer, [0.5, 0.5]).k  # v_2 = μ g_0 + g_1
    array([[ 0.  ,  0.  ],
           [-0.5 ,  0.  ],
           [-0.75, -0.5 ]])
    """
    steps = len(lrs)
    unit = np.eye(steps + 2)
    weight, state = unit[0], {"velocity": unit[1]}
    rows, velocities = [weight], [unit[1]]
    for t, lr in enumerate(lrs):
        weight, state = optimizer.rule(weight, unit[t + 2], state, lr)
        state = state or {"velocity": unit[1]}
        rows.append(weight)
        velocities.append(state["velocity"])
    return Coefficients(np.array(rows), np.array(velocities))
