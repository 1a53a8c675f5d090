"""Operations made of simpler ones, written out before a program is improved.

A fused operation is one line in a listing and one call in eager mode. Written out, its parts
can be shared with those of the gradient (the error ``ŷ − y`` of the squared error) and written
into memory that is there already.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.ops.losses import divisor
from tinygrad_mlp.autograd.ops.reduction import reduced_count
from tinygrad_mlp.program.program import Program
from tinygrad_mlp.program.trace import Instruction, Trace, Tracer, Variable


def _linear(x: Any, weight: Any, bias: Any) -> Any:
    z = ops.matmul(x, ops.transpose(weight))
    return z if bias is None else z + bias


def _squared_error(prediction: Any, target: Any, reduction: str) -> Any:
    error = prediction - target
    return 0.5 * ops.sum(error * error) / divisor(prediction, reduction)


def _sigmoid_cross_entropy(logits: Any, target: Any, reduction: str) -> Any:
    losses = ops.log1p(ops.exp(-ops.abs(logits)))
    losses = losses + ops.where(ops.greater(logits, 0), (1 - target) * logits, -target * logits)
    return ops.sum(losses) / divisor(logits, reduction)


def _sum_to(a: Any, shape: tuple[int, ...]) -> Any:
    added = a.ndim - len(shape)
    axes = tuple(i for i in range(a.ndim) if i < added or shape[i - added] != a.shape[i])
    return ops.reshape(ops.sum(a, axis=axes[0] if len(axes) == 1 else axes), shape=shape)


def _mean(a: Any, axis: Any, keepdims: bool) -> Any:
    return ops.sum(a, axis=axis, keepdims=keepdims) / reduced_count(a.shape, axis)


WRITTEN_OUT: dict[str, Callable[..., Any]] = {
    "linear": _linear,
    "squared_error": _squared_error,
    "sigmoid_cross_entropy": _sigmoid_cross_entropy,
    "sum_to": _sum_to,
    "mean": _mean,
}


def written_out(program: Program) -> Program:
    """The program with fused operations replaced by what they are made of."""
    instructions: list[Instruction] = []
    instead: dict[Variable, Any] = {}
    for line in program.instructions:
        function = WRITTEN_OUT.get(line.op.name)
        if function is None or line.op.outputs > 1:
            instructions.append(line)
            continue
        trace = Trace()
        given = [_like(trace, o) if isinstance(o, Variable) else o for o in line.operands]
        with trace.recording(), np.errstate(all="ignore"):
            out = function(*given, **line.static)
        result = out.variable
        result.name = line.results[0].name
        back = {g.variable: o for g, o in zip(given, line.operands, strict=True) if _traced(g)}
        for made in trace.instructions:
            own = [back.get(o, o) if isinstance(o, Variable) else o for o in made.operands]
            instructions.append(made.changed(operands=tuple(own)))
        instead[line.results[0]] = result
        for made in trace.instructions:
            for variable in made.results:
                variable.data = None
    return program.rewritten(instructions, instead)


def _like(trace: Trace, variable: Variable) -> Tracer:
    if variable.dtype is None:
        return Tracer.of(Variable(0.5))
    return trace.input(np.ones(variable.shape, variable.dtype))


def _traced(a: Any) -> bool:
    return type(a) is Tracer
