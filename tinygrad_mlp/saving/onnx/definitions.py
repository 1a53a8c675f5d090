"""Definitions of operations that ONNX lacks by operations that it has.

Each definition takes the arguments of its operation. It is run on tracers, so that it holds for
every shape. An operation without a definition, such as a user's own, is tried with its forward
function. The result is compared with that of the operation itself, so that no wrong definition is
exported.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.op import OPS
from tinygrad_mlp.errors import TinygradError
from tinygrad_mlp.program.instructions import Instruction, Variable
from tinygrad_mlp.program.trace import Trace, Tracer

if TYPE_CHECKING:
    from tinygrad_mlp.autograd.argument_types import Axis
    from tinygrad_mlp.autograd.graph import Array


def _clip(a: Array, a_min: Array | None, a_max: Array | None) -> Array:
    at_least = a if a_min is None else ops.maximum(a, a_min)
    return at_least if a_max is None else ops.minimum(at_least, a_max)


def _softmax(a: Array, axis: Axis) -> Any:
    e = ops.exp(a - ops.max(a, axis=axis, keepdims=True))
    return e / ops.sum(e, axis=axis, keepdims=True)


def _logsumexp(a: Array, axis: Axis, keepdims: bool) -> Tracer:
    m = ops.max(a, axis=axis, keepdims=True)
    total = m + ops.log(ops.sum(ops.exp(a - m), axis=axis, keepdims=True))
    return total if keepdims else ops.sum(total, axis=axis)  # removes axes of length 1


def _stack(*arrays: Array, axis: int) -> Tracer:
    return OPS["concatenate"](*(ops.expand_dims(a, axis) for a in arrays), axis=axis)


def _diff(a: Array, n: int, axis: int) -> Array:
    before = (slice(None),) * (axis % a.ndim)
    for _ in range(n):
        a = a[(*before, slice(1, None))] - a[(*before, slice(None, -1))]
    return a


def _hypot(x1: Tracer, x2: Array | float) -> Any:
    """Divide by the larger one, so that no square is too large or too small."""
    a, b = ops.abs(x1), ops.abs(x2)
    large, small = ops.maximum(a, b), ops.minimum(a, b)
    finite = (large > 0) & (large < math.inf)
    ratio = ops.where(finite, small / ops.where(finite, large, 1.0), 0.0)
    return large * ops.sqrt(ratio * ratio + 1)


def _log1p(x: Array) -> Tracer:
    """Correct ``ln(1 + x)`` by what the sum has rounded off (Kahan)."""
    y = 1 + x
    exact = (y == 1) | (y == math.inf)
    return ops.where(exact, x, ops.log(y) * (x / ops.where(exact, 1.0, y - 1)))


def _expm1(x: Array) -> Tracer:
    """Use a product, since ``e^x − 1`` loses digits for small x."""
    return ops.tanh(x / 2) * (ops.exp(x) + 1)


def _arcsinh(x: Any) -> Tracer:
    a = ops.abs(x)
    return ops.sign(x) * _log1p(a + a * (a / (1 + _hypot(a, 1.0))))


def _norm(x: Array, axis: Axis, keepdims: bool, ord: float) -> Any:
    if ord == 2:
        return ops.sqrt(ops.sum(x * x, axis=axis, keepdims=keepdims))
    if ord == 1:
        return ops.sum(ops.abs(x), axis=axis, keepdims=keepdims)
    return ops.sum(ops.abs(x) ** ord, axis=axis, keepdims=keepdims) ** (1 / ord)


def _var(a: Array, axis: Axis, ddof: int, keepdims: bool) -> Tracer:
    centred = a - ops.mean(a, axis=axis, keepdims=True)
    total = ops.sum(centred * centred, axis=axis, keepdims=keepdims)
    return total / (a.size // max(math.prod(total.shape), 1) - ddof)


DEFINITIONS: dict[str, Callable[..., Any]] = {
    "arccosh": lambda x: ops.log(x + ops.sqrt(x * x - 1)),
    "arcsinh": _arcsinh,
    "arctanh": lambda x: _log1p(2 * x / (1 - x)) / 2,
    "cbrt": lambda x: ops.sign(x) * ops.abs(x) ** (1 / 3),
    "clip": _clip,
    "cosh": lambda x: (ops.exp(x) + ops.exp(-x)) / 2,
    "degrees": lambda x: x * (180 / math.pi),
    "diff": _diff,
    "erfc": lambda x: 1 - ops.erf(x),
    "exp2": lambda x: ops.exp(x * math.log(2)),
    "expm1": _expm1,
    "float_power": lambda x1, x2: x1**x2,
    "floor_divide": lambda x1, x2: ops.floor(x1 / x2),
    "gelu": lambda x: x * (0.5 * (1 + ops.erf(x / math.sqrt(2)))),
    "heaviside": lambda x1, x2: ops.where(x1 < 0, 0.0, ops.where(x1 > 0, 1.0, x2)),
    "hypot": _hypot,
    "isfinite": lambda x: ops.abs(x) < math.inf,
    "isinf": lambda x: ops.equal(ops.abs(x), math.inf),
    "isnan": lambda x: ops.not_equal(x, x),
    "leaky_relu": lambda x, slope: ops.where(x > 0, x, x * slope),
    "log10": lambda x: ops.log(x) * (1 / math.log(10)),
    "log1p": _log1p,
    "log2": lambda x: ops.log(x) * (1 / math.log(2)),
    "log_softmax": lambda a, axis: a - _logsumexp(a, axis, True),
    "logaddexp": lambda x1, x2: ops.maximum(x1, x2) + _log1p(ops.exp(-ops.abs(x1 - x2))),
    "logit": lambda x: ops.log(x / (1 - x)),
    "logsumexp": _logsumexp,
    "mod": lambda x1, x2: x1 - ops.floor(x1 / x2) * x2,
    "radians": lambda x: x * (math.pi / 180),
    "round": lambda a, decimals: ops.rint(a * 10.0**decimals) / 10.0**decimals,
    "sinh": lambda x: (_expm1(x) - _expm1(-x)) / 2,
    "softmax": _softmax,
    "softplus": lambda x: ops.maximum(x, 0.0) + _log1p(ops.exp(-ops.abs(x))),
    "square": lambda x: x * x,
    "stack": _stack,
    "std": lambda a, axis, ddof, keepdims: ops.sqrt(_var(a, axis, ddof, keepdims)),
    "tan": lambda x: ops.sin(x) / ops.cos(x),
    "trunc": lambda x: ops.sign(x) * ops.floor(ops.abs(x)),
    "var": _var,
    "vector_norm": _norm}


def expansion(line: Instruction) -> tuple[list[Instruction], Variable] | None:
    """Return the instructions that define an instruction, and the variable of its result.

    They are recorded with the values of the instruction, since one that does not depend on the
    model's input may still become a constant. The result is None if there is no definition.
    """
    op = line.op
    if op.outputs > 1 or any(o.data is None for o in line.operands if isinstance(o, Variable)):
        return None
    trace = Trace()
    given = [Tracer.of(Variable(o.data)) if isinstance(o, Variable) else o for o in line.operands]
    own: dict[Variable, Any] = {
        g.variable: o for g, o in zip(given, line.operands, strict=True) if type(g) is Tracer}
    definition = DEFINITIONS.get(op.name) if OPS.get(op.name) is op else None
    try:
        with trace.recording(), np.errstate(all="ignore"):
            result = (definition or op.forward)(*given, **line.static)
    except (TinygradError, TypeError, ValueError, AttributeError, ArithmeticError):
        return None
    if type(result) is not Tracer or any(made.op is op for made in trace.instructions):
        return None
    if not _same(result.variable, line.results[0]):
        return None
    made = [instruction.replacing(own) for instruction in trace.instructions]
    return made, own.get(result.variable, result.variable)


def _same(found: Variable, wanted: Variable) -> bool:
    if found.shape != wanted.shape or found.dtype != wanted.dtype:
        return False
    scale = np.max(np.abs(wanted.data), initial=0, where=np.isfinite(wanted.data))
    close = np.allclose(found.data, wanted.data, rtol=1e-4, atol=1e-4 * scale, equal_nan=True)
    return bool(close)
