"""Tracing: an evaluation written down as a list of instructions.

While a `Trace` is the hook of `Op.__call__`, every operation on one of its tracers becomes an
instruction. A `Tracer` is a Tensor that holds example data, so that shapes and dtypes are known
without a second set of rules for them, but refuses to become a number: what depends on an example
must not decide what is recorded.

Gradient rules are written with operators and operations only, so that they can be traced like
any function.
"""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from tinygrad_mlp.autograd.graph import Array, Value, changed_mode
from tinygrad_mlp.autograd.op import Op, op
from tinygrad_mlp.autograd.tensor import Tensor
from tinygrad_mlp.errors import TracingError


class Variable:
    """What instructions compute with: an input of a trace, or a result of an instruction.

    Attributes:
        data: its value in the example.
        instruction: what computes it; None for an input.
        index: which of the instruction's results it is.
        label: what an input stands for: anything the tracing code likes to find there again.
    """

    __slots__ = ("data", "instruction", "index", "label")

    def __init__(
        self,
        data: Array,
        instruction: Instruction | None = None,
        index: int = 0,
        label: Any = None,
    ) -> None:
        self.data = data
        self.instruction = instruction
        self.index = index
        self.label = label


class Instruction:
    """One operation of a trace.

    Attributes:
        op: the operation.
        operands: its array arguments: variables, constant arrays, Python numbers, or None.
        static: its keyword parameters.
        results: its outputs, of which there is usually one.
    """

    __slots__ = ("op", "operands", "static", "results")

    def __init__(self, op: Op, operands: tuple[Any, ...], static: dict[str, Any], out: Any) -> None:
        self.op = op
        self.operands = operands
        self.static = static
        outs = out if op.outputs > 1 else (out,)
        self.results = tuple(Variable(np.asarray(o), self, i) for i, o in enumerate(outs))


@op(register=False, discrete=True, latex=r"{x1} \wedge {x2}")
def both(x1: Any, x2: Any) -> Any:
    """Where both conditions hold: what ``&`` means between the results of comparisons."""
    return x1 & x2


@op(register=False, discrete=True, latex=r"{x1} \vee {x2}")
def either(x1: Any, x2: Any) -> Any:
    """Where one of the conditions holds: what ``|`` means between the results of comparisons."""
    return x1 | x2


class Tracer(Tensor):
    """A Tensor whose operations are written down, and which does not become a number.

    Attributes:
        variable: what it stands for in the trace.
    """

    __slots__ = ("variable",)

    variable: Variable

    @classmethod
    def of(cls, variable: Variable) -> Tracer:
        """The tracer for a variable. Its data may be of any dtype: comparisons are traced, too."""
        tracer = cls.__new__(cls)
        tracer.data = variable.data
        tracer.grad = tracer.own_name = tracer.node = None
        tracer.tracked = True
        tracer.index = 0
        tracer.variable = variable
        return tracer

    def __and__(self, other: Any) -> Any:
        return both(self, other)

    def __rand__(self, other: Any) -> Any:
        return both(other, self)

    def __or__(self, other: Any) -> Any:
        return either(self, other)

    def __ror__(self, other: Any) -> Any:
        return either(other, self)

    def _refuse(self, *_: Any) -> NoReturn:
        raise TracingError(
            f"a traced value of shape {self.shape} cannot become a number: the trace would hold "
            f"for this one value only. Use tg.where(...) instead of 'if', and leave conversions "
            f"to the caller."
        )

    __bool__ = __float__ = __int__ = item = numpy = _refuse


class Trace:
    """Writes down the operations on its tracers: a hook for `Op.__call__`.

    Attributes:
        instructions: what was done, in order.

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
        """The context in which operations are written down."""
        return changed_mode(hook=self)

    def input(self, data: Any, label: Any = None) -> Tracer:
        """A tracer for an argument of what will be traced."""
        return Tracer.of(Variable(np.asarray(data), label=label))

    def __call__(self, op: Op, args: tuple[Any, ...], static: dict[str, Any]) -> Any:
        """What `Op.__call__` does while this trace is the hook."""
        if not any(type(a) is Tracer for a in args):
            return op.unhooked(args, static)
        operands = tuple(_operand(op, a) for a in args)
        arrays = tuple(o.data if isinstance(o, Variable) else o for o in operands)
        made = Instruction(op, operands, static, op.unhooked(arrays, static))
        self.instructions.append(made)
        tracers = tuple(map(Tracer.of, made.results))
        return tracers if op.outputs > 1 else tracers[0]


def _operand(op: Op, a: Any) -> Any:
    """An argument as an instruction keeps it."""
    if type(a) is Tracer:
        return a.variable
    if isinstance(a, Value):
        return a.data
    # As in the ordinary path: a Python number beside an array stays one (2 · float32 is float32).
    return a if a is None or isinstance(a, op.taken) else np.asarray(a)
