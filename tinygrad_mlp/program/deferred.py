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

The numbers c, e, k are not derived again for every variant: the update rule itself is run on
vectors of coefficients, in which W_0, V_0 and the g_i are the unit vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.optim import SGD
from tinygrad_mlp.program.compiled import Runner
from tinygrad_mlp.program.passes import improved, without_dead_code
from tinygrad_mlp.program.program import Program
from tinygrad_mlp.program.recording import DATA
from tinygrad_mlp.program.source import Source
from tinygrad_mlp.program.trace import Instruction, Variable

LINEAR = ("add", "subtract", "multiply", "negative")
ROWWISE = ("squared_error", "sigmoid_cross_entropy", "softmax_cross_entropy")
"""Losses that are sums over samples, so that a block's can be computed at once."""
ROWS = 64
"""Samples of a block, where batches are small: the longer, the more is added in each step; the
shorter, the less the large products gain from being large."""
SMALLEST = 20_000
"""Elements of a weight from which deferring its update pays off."""


class Pattern(NamedTuple):
    """Where a program uses a weight in the way that can be deferred.

    Attributes:
        weight: W, shape (m, p).
        x: the samples, a data input of shape (n, p).
        z: the product ``x Wᵀ``, shape (n, m).
        delta: D, the derivative at z, shape (n, m).
        velocity: V, an input, or None where there is no momentum.
    """

    weight: Variable
    x: Variable
    z: Variable
    delta: Variable
    velocity: Variable | None


def pattern_in(program: Program, lr: str = "lr") -> Pattern | None:
    """The largest weight of a simplified program whose update can be deferred."""
    definition = {r: line for line in program.instructions for r in line.results}
    users: dict[Variable, list[Instruction]] = {}
    for line in program.instructions:
        for o in line.operands:
            if isinstance(o, Variable):
                users.setdefault(o, []).append(line)
    found = [
        pattern
        for update in program.updates
        if update.target is not None and update.target.label.kind == "parameter"
        and isinstance(update.value, Variable)
        for pattern in [_pattern_of(program, update.target, update.value, definition, users)]
        if pattern is not None
    ]  # fmt: skip
    return max(found, key=lambda p: p.weight.shape[0] * p.weight.shape[1], default=None)


def _pattern_of(
    program: Program,
    weight: Variable,
    value: Variable,
    definition: dict[Variable, Instruction],
    users: dict[Variable, list[Instruction]],
) -> Pattern | None:
    """The pattern of one weight, whose new value is `value`."""
    for transposed in users.get(weight, []):
        if transposed.op.name != "transpose":
            continue
        for product in users.get(transposed.results[0], []):
            x = product.operands[0]
            if product.op.name != "matmul" or not isinstance(x, Variable):
                continue
            if x not in program.inputs or x.label.kind != "data" or len(x.shape) != 2:
                continue
            gradient = _gradient_in(value, weight, x, definition)
            if gradient is None:
                continue
            delta, velocity = gradient
            pattern = Pattern(weight, x, product.results[0], delta, velocity)
            if velocity is not None and not _is_velocity(program, pattern, definition):
                continue
            left = _without(program, pattern)
            if weight not in left.inputs and velocity not in left.inputs:
                return pattern
    return None


def _gradient_in(
    value: Variable, weight: Variable, x: Variable, definition: dict[Variable, Instruction]
) -> tuple[Variable, Variable | None] | None:
    """D and V, where `value` is a linear expression of W, V and ``Dᵀ x`` only."""
    deltas: set[Variable] = set()
    states: set[Variable] = set()
    stack: list[Any] = [value]
    while stack:
        a = stack.pop()
        if not isinstance(a, Variable) or a.dtype is None or a is weight:
            continue
        line = definition.get(a)
        if line is None:
            states.add(a)
            continue
        delta = _delta_of(line, x, definition)
        if delta is not None:
            deltas.add(delta)
        elif line.op.name in LINEAR and _is_linear(line):
            stack.extend(line.operands)
        else:
            return None
    if len(deltas) != 1 or len(states) > 1:
        return None
    return deltas.pop(), next(iter(states), None)


def _is_linear(line: Instruction) -> bool:
    """Whether a product has a number among its factors; sums are linear anyway."""
    if line.op.name != "multiply":
        return True
    return any(not isinstance(o, Variable) or o.dtype is None for o in line.operands)


def _delta_of(
    line: Instruction, x: Variable, definition: dict[Variable, Instruction]
) -> Variable | None:
    """D, where an instruction computes ``Dᵀ x`` (for one sample, an outer product)."""
    if line.op.name not in ("matmul", "multiply") or line.operands[1] is not x:
        return None
    first = line.operands[0]
    before = definition.get(first) if isinstance(first, Variable) else None
    if before is None or before.op.name != "transpose" or len(line.results[0].shape) != 2:
        return None
    if line.op.name == "multiply" and x.shape[0] != 1:
        return None
    delta = before.operands[0]
    return delta if isinstance(delta, Variable) else None


def _is_velocity(
    program: Program, pattern: Pattern, definition: dict[Variable, Instruction]
) -> bool:
    """Whether V is replaced by a linear expression of W, V and the gradient, too."""
    for update in program.updates:
        if update.target is pattern.velocity and isinstance(update.value, Variable):
            found = _gradient_in(update.value, pattern.weight, pattern.x, definition)
            return found is not None and found[0] is pattern.delta
    return False


def _without(program: Program, pattern: Pattern) -> Program:
    """The step without W: the pre-activation comes in, D goes out, last of the results."""
    z = Variable(np.empty(0, pattern.z.dtype), label=DATA)
    z.shape, z.data, z.name = pattern.z.shape, None, pattern.z.name
    gone = (pattern.weight, pattern.velocity)
    delta = z if pattern.delta is pattern.z else pattern.delta
    kept = replace(
        program,
        inputs=(z, *program.inputs),
        results=(*program.results, delta),
        updates=tuple(u for u in program.updates if u.target is None or u.target not in gone),
    ).rewritten(program.instructions, {pattern.z: z})
    return without_dead_code(kept)[0]


class Coefficients(NamedTuple):
    """The numbers of the docstring above for a block, in rows t = 0, …, K.

    Attributes:
        weight: of W_0 and V_0 and every g_i in W_t, shapes (K + 1), (K + 1), (K + 1, K).
        velocity: the same in V_t, at the end of a row.
    """

    c: Array
    e: Array
    k: Array
    velocity: Array


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
    table = np.array(rows)
    return Coefficients(table[:, 0], table[:, 1], table[:, 2:], np.array(velocities))


class Deferred:
    """A step in which the update of one weight is deferred to the end of a block.

    Attributes:
        pattern: the weight, and how it is used.
        program: the program of one step without it.
        steps: steps of a block.
    """

    def __init__(
        self, runner: Runner, optimizer: Any, pattern: Pattern, steps: int | None = None
    ) -> None:
        self.pattern = pattern
        self.optimizer = optimizer
        batch = pattern.x.shape[0]
        self.steps = steps if steps is not None else max(2, ROWS // batch, min(4, 256 // batch))
        self.batch = batch
        left = _without(runner.simplified, pattern)
        self._loss = _rowwise_loss(runner)
        self.program = improved(_for_block(left, self._loss))
        source = Source(self.program)
        self.source = source.text
        self._function = source.compiled()
        self._returned = source.returned()
        inputs = self.program.inputs[1:]
        self._y = [number for number, v in enumerate(inputs) if v.label.kind == "data"]
        self._inputs = inputs
        self._written = {line.into for line in self.program.instructions}
        place = {id(v): n for n, v in enumerate(self._returned)}
        self._carried = [
            (inputs.index(u.target), place[id(u.value)])
            for u in self.program.updates
            if u.target in inputs and isinstance(u.value, Variable)
        ]  # fmt: skip
        self._finals = [
            (u.put, place[id(u.value)]) for u in self.program.updates
            if isinstance(u.value, Variable)
        ]  # fmt: skip
        self._counts = [u.put for u in self.program.updates if not isinstance(u.value, Variable)]
        self._count_values = [u.value for u in self.program.updates
                              if not isinstance(u.value, Variable)]  # fmt: skip
        self._cache: dict[tuple[float, ...], Coefficients] = {}
        self._expanded: dict[tuple[float, ...], Array] = {}
        self._put = {u.target: u.put for u in runner.simplified.updates if u.target is not None}

    def run(self, X: Array, Y: Array, stopped: Callable[[], Any]) -> tuple[int, float]:
        """The steps of a block on the rows of X and Y, `batch` at a time.

        Args:
            X: samples, shape ``(K · batch, p)``.
            Y: their targets.
            stopped: asked after each step whether to end the block there.

        Returns:
            the number of steps done, and the mean loss per sample in them.

        Raises:
            FloatingPointError: the loss of one was not finite. Nothing has been changed.
        """
        p, n = self.pattern, self.batch
        steps = len(X) // n
        dtype = p.weight.dtype
        lrs = tuple(self.optimizer.coming_lrs(steps))
        found, kernel = self._coefficients(lrs)
        W = _value(p.weight)
        V = None if p.velocity is None else _value(p.velocity)
        Z = X @ W.T
        if found.c[steps] != 1.0:
            Z *= np.repeat(found.c[:steps], n).astype(dtype)[:, None]
        if V is not None:
            Z += np.repeat(found.e[:steps], n).astype(dtype)[:, None] * (X @ V.T)
        M = X @ X.T
        M *= kernel
        D = np.empty((len(X), p.delta.shape[1]), dtype)
        values = [None if v.label.kind == "data" else self._read(v) for v in self._inputs]
        lr_at = next((i for i, v in enumerate(self._inputs) if v.name == "lr"), None)
        predictions: list[Array] = []
        total = 0.0
        out: tuple[Any, ...] = ()
        function, y_at, carried = self._function, self._y, self._carried
        number_of_results = len(self.program.results)
        done = 0
        start = 0
        while done < steps:
            stop = start + n
            z = Z[start:stop]
            if start:
                z += M[start:stop, :start] @ D[:start]
            if lr_at is not None:
                values[lr_at] = lrs[done]
            for place in y_at:
                values[place] = Y[start:stop]
            out = function(z, *values)
            D[start:stop] = out[number_of_results - 1]
            if self._loss is not None:
                predictions.append(out[number_of_results - 2])
            else:
                loss = float(out[0])
                if not np.isfinite(loss):
                    raise FloatingPointError(loss)
                total += loss
            for place, at in carried:
                values[place] = out[at]
            done += 1
            start = stop
            if stopped():
                break
        if self._loss is not None:
            op, _, _ = self._loss
            rows = np.concatenate(predictions)
            total = float(op.forward(rows, Y[:start], reduction="sum")) / n
            if not np.isfinite(total):
                raise FloatingPointError(total)
        self._finish(found, done, W, V, D[:start], X[:start], out)
        return done, total / done

    def _coefficients(self, lrs: tuple[float, ...]) -> tuple[Coefficients, Array]:
        known = self._cache.get(lrs)
        if known is None:
            if len(self._cache) > 8:
                self._cache.clear()
                self._expanded.clear()
            known = self._cache[lrs] = coefficients(self.optimizer, lrs)
            k = known.k[: len(lrs)].astype(self.pattern.weight.dtype)
            self._expanded[lrs] = np.kron(k, np.ones((self.batch, self.batch), k.dtype))
        return known, self._expanded[lrs]

    def _read(self, variable: Variable) -> Any:
        """A value the block begins with: of its own where it will be written to."""
        value = variable.label.get()
        return np.array(value, order="C") if variable in self._written else value

    def _finish(
        self, found: Coefficients, done: int, W: Array, V: Array | None, D: Array, X: Array,
        out: tuple[Any, ...],
    ) -> None:  # fmt: skip
        """Bring everything up to date: the weight by one large product, the others as they are."""
        dtype = W.dtype
        weights = np.repeat(found.k[done, :done], self.batch).astype(dtype)[:, None]
        new = (weights * D).T @ X
        new += W if found.c[done] == 1.0 else dtype.type(found.c[done]) * W
        if V is not None:
            new += dtype.type(found.e[done]) * V
            row = found.velocity[done]
            weights = np.repeat(row[2 : 2 + done], self.batch).astype(dtype)[:, None]
            speed = (weights * D).T @ X
            speed += dtype.type(row[1]) * V
            if row[0]:
                speed += dtype.type(row[0]) * W
            assert self.pattern.velocity is not None
            self._put[self.pattern.velocity](speed)
        self._put[self.pattern.weight](new)
        for put, at in self._finals:
            put(out[at])
        for put, value in zip(self._counts, self._count_values, strict=True):
            for _ in range(done):
                put(value)


def _value(variable: Variable) -> Any:
    return variable.label.get()


def _rowwise_loss(runner: Runner) -> tuple[Any, Variable, Variable] | None:
    """The operation, prediction and target of the loss, where it is a sum over samples."""
    for line in runner.recorded.instructions:
        if line.op.name in ROWWISE and line.results[0] in runner.recorded.results:
            prediction, target = line.operands
            known = {r for made in runner.simplified.instructions for r in made.results}
            is_target = isinstance(target, Variable) and target in runner.recorded.inputs
            if is_target and prediction in known and line.static["reduction"] == "mean":
                return line.op, prediction, target
    return None


def _for_block(program: Program, loss: tuple[Any, Variable, Variable] | None) -> Program:
    """Give out the prediction instead of the loss, where the losses are computed together."""
    if loss is None:
        return replace(program, required=())
    results = (loss[1], program.results[-1])
    return without_dead_code(replace(program, results=results, required=()))[0]


def plan(runner: Runner, optimizer: Any, steps: int | None = None) -> Deferred | None:
    """The deferred form of a step, where there is one and it pays off (or `steps` asks for it)."""
    if type(optimizer) is not SGD or len(runner.simplified.results) != 1:
        return None
    pattern = pattern_in(runner.simplified)
    if pattern is None:
        return None
    pays = pattern.weight.shape[0] * pattern.weight.shape[1] >= SMALLEST
    if steps is None and not (pays and pattern.x.shape[0] <= ROWS // 2):
        return None
    return Deferred(runner, optimizer, pattern, steps)
