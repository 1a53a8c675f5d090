"""Tracing: a function evaluated on stand-ins for arrays, which list the operations done to them.

A `Trace` is a hook of `Op.__call__`: while it is active, every operation on one of its tracers
becomes an instruction. A `Tracer` takes the place of an array. It has a shape and a dtype, and
everything computed from it is also computed for an example, so that no second set of rules for
shapes is needed. But it refuses to become a number: a decision that depends on the example would
make the recorded program wrong for other numbers.

Gradient rules consist of operators and operations only, so they can be traced like any function.
"""

from __future__ import annotations

import math
from typing import Any, NoReturn

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_mlp.autograd.call_site import user_site
from tinygrad_mlp.autograd.graph import Array, Value
from tinygrad_mlp.autograd.mode import MODE, changed_mode
from tinygrad_mlp.autograd.op import Op, op, plain_output
from tinygrad_mlp.autograd.ops import astype
from tinygrad_mlp.autograd.stores.buffer import RecordedBuffer
from tinygrad_mlp.autograd.stores.creation import recorded
from tinygrad_mlp.autograd.tensor import Tensor
from tinygrad_mlp.errors import TraceError
from tinygrad_mlp.program.instructions import Instruction, Number, Variable, is_random
from tinygrad_mlp.support.checks import as_array

_slot: Any = vars(Value)["data"]  # where a tracer keeps its variable and its layout


@op(register=False, elementwise=True, nondifferentiable=True, latex=r"{x1} \wedge {x2}")
def both(x1: Array, x2: Array) -> Array:
    """Return where both conditions hold: ``&`` between results of comparisons."""
    return x1 & x2


@op(register=False, elementwise=True, nondifferentiable=True, latex=r"{x1} \vee {x2}")
def either(x1: Array, x2: Array) -> Array:
    """Return where at least one condition holds: ``|`` between results of comparisons."""
    return x1 | x2


@op(register=False, elementwise=True, nondifferentiable=True, latex=r"\neg {x}")
def opposite(x: Array) -> Array:
    """Return where a condition does not hold: ``~`` of the result of a comparison."""
    return ~x


class Tracer(Tensor):
    """A stand-in for an array or a number, whose operations are recorded.

    It is its own `.data`, so that a Tensor may hold one where it would hold an array.

    Traces make them, by `Trace.input` and at each operation; `data`, `requires_grad`, `dtype` and
    `name` are those of `Tensor`.

    >>> trace = Trace()
    >>> x = trace.input(np.array([1.0, 2.0]))
    >>> isinstance(x, Tracer), x.shape
    (True, (2,))
    """

    __slots__ = ()

    @property
    def variable(self) -> Variable:
        """The variable of the trace that it stands for."""
        return _slot.__get__(self)[0]

    @property
    def layout(self) -> Array | float:
        """The array of the call that is recorded, which lies in memory as it does in every run."""
        return _slot.__get__(self)[1]

    @classmethod
    def of(cls, variable: Variable, layout: object = None) -> Tracer:
        """Return a tracer for a variable of any dtype: comparisons are traced, too."""
        tracer = cls.__new__(cls)
        tracer.grad = tracer.own_name = tracer.node = None
        tracer._requires_grad = False
        tracer.index = 0
        _slot.__set__(tracer, (variable, variable.data if layout is None else layout))
        return tracer

    @property
    def data(self) -> Any:  # type: ignore[override]
        """The tracer itself, while something is traced; afterwards, a TraceError."""
        if MODE.get().hook is None:
            raise TraceError(
                f"a traced value of shape {self.shape} has left the function that was being "
                f"recorded: it has no number in it. Return it from the function instead of "
                f"storing it.\n  at {user_site()}")
        return self

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return self.variable.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements."""
        return self.variable.dtype or np.asarray(self.variable.data).dtype

    def stand_for(self, other: Array | Tensor) -> None:
        """Stand for another value from now on, as an array that is changed: aliases see it."""
        _slot.__set__(self, _slot.__get__(other.data))

    def copy(self) -> Tracer:
        """Return another tracer for the same value, which shares no memory with this one."""
        return Tracer.of(self.variable, np.copy(self.layout))

    def detach(self) -> Tracer:
        """Return the tracer itself: it has no history."""
        return self

    def astype(self, dtype: DTypeLike) -> Any:
        """Return the same numbers in another dtype."""
        return self if np.dtype(dtype) == self.dtype else astype(self, dtype=np.dtype(dtype))

    def __and__(self, other: object) -> Tracer:
        return both(self, other)

    def __rand__(self, other: object) -> Tracer:
        return both(other, self)

    def __or__(self, other: object) -> Tracer:
        return either(self, other)

    def __ror__(self, other: object) -> Tracer:
        return either(other, self)

    def __invert__(self) -> Tracer:
        return opposite(self)

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"Tracer(shape={self.shape}, dtype={self.dtype})"

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        """Raise TraceError: an operation needs a number."""
        raise TraceError(
            f"a traced value of shape {self.shape} cannot become a number: the program would hold "
            f"for this one value only. Use tg.where(...) instead of 'if', tg.array([...]) instead "
            f"of np.array([...]), return what is to be looked at, and leave conversions to the "
            f"caller.\n  at {user_site()}")

    __bool__ = __float__ = __int__ = __index__ = __array__ = __contains__ = _refuse
    __trunc__ = __floor__ = __ceil__ = __round__ = _refuse
    item = numpy = tolist = __format__ = _refuse


class Trace:
    """A hook of `Op.__call__` that lists the operations on its tracers.

    Tensors that are not tracers are constants here. In a `Recording` they become inputs.

    Attributes:
        instructions: the operations, in order.

    >>> from tinygrad_mlp.autograd import ops
    >>> trace = Trace()
    >>> x = trace.input(np.array([1.0, 2.0]))
    >>> with trace.recording():
    ...     y = ops.exp(-x * 3)
    >>> [instruction.op.name for instruction in trace.instructions]
    ['negative', 'multiply', 'exp']
    """

    def __init__(self) -> None:
        self.instructions: list[Instruction] = []

    def recording(self) -> changed_mode:
        """Return the context in which operations are recorded."""
        return changed_mode(hook=self)

    def input(self, data: Array, label: object = None) -> Tracer:
        """Return a tracer for an argument of the function to be traced."""
        return Tracer.of(Variable(np.asarray(data), label=label))

    def array_of(self, value: Value) -> Array:
        """Return what takes the place of a tensor's array: a tracer, or a constant array."""
        return value.data

    def __call__(self, op: Op, args: tuple[object, ...], static: dict[str, Any]) -> Any:
        """Record a call of an operation, in the place of `Op.__call__`."""
        arrays = tuple(self._array(op, a) for a in args)
        if not any(type(a) is Tracer for a in arrays) and not is_random(static):
            if any(type(a) is RecordedBuffer for a in args):  # constant
                made = op.unhooked(arrays, static)
                return tuple(map(recorded, made)) if op.outputs > 1 else recorded(made)
            return op.unhooked(args, static)
        for key, value in static.items():
            if isinstance(value, Value):
                raise TraceError(
                    f"{op.name}() expects '{key}' to be known when the program is recorded. Got "
                    f"a traced value, which differs from run to run. Compute it outside and pass "
                    f"it in as a plain Python object.\n  at {user_site()}")
        operands = tuple(a.variable if type(a) is Tracer else a for a in arrays)
        examples = [a.layout if type(a) is Tracer else a for a in arrays]
        made = Instruction(op, operands, static, example(op, examples, static))
        self.instructions.append(made)
        tracers = tuple(map(Tracer.of, made.results))
        out = tracers if op.outputs > 1 else tracers[0]
        return op.as_value(args, arrays, static, out)

    def _array(self, op: Op, a: Any) -> Any:
        """Return an argument as the gradient rules see it."""
        if type(a) is Tracer:
            return Tracer.of(a.variable, a.layout)  # which nodes may keep: `a` can be changed
        if type(a) is RecordedBuffer:
            a = a.reading()
            if a.data is a or not a.requires_grad and type(a.data) is np.ndarray:
                return a.data  # made in the function, and constant
        if isinstance(a, Value):
            return self.array_of(a)
        # As in `Op.__call__`: beside an array a Python number stays one (2 · float32 is float32).
        return a if a is None or isinstance(a, op.weak_scalars) else as_array(a, f"{op.name}()")


def example(op: Op, operands: list[object], static: dict[str, object]) -> Any:
    """Compute the result of an operation on examples; on Python numbers, a Python number.

    NumPy's promotion is weak with numbers: a learning rate times float32 is float32, and the
    square of the learning rate times float32 must be float32, too.
    """
    if operands and op.outputs == 1 and all(type(o) in Number for o in operands):
        try:
            out = np.asarray(op.forward(*operands, **static))
        except AttributeError:  # it insists on arrays
            out = np.asarray(op.forward(*map(np.asarray, operands), **static))
        if out.ndim == 0 and not op.variadic:
            return out.item()
    out = op.unhooked(tuple(operands), static)
    return tuple(plain_output(o, op) for o in out) if op.outputs > 1 else plain_output(out, op)


def untraced(a: object) -> Any:
    """Return the example of a tracer, the array of a tensor, and anything else as it is."""
    return a.variable.data if type(a) is Tracer else a.data if isinstance(a, Value) else a


def as_operand(value: object) -> Any:
    """Return a value as instructions refer to it: a variable, or a constant."""
    if type(value) is Tracer:
        return value.variable
    if isinstance(value, Value):
        return as_operand(value.data)
    return value
