"""Tracing: an evaluation written down as a list of instructions.

While a `Trace` is the hook of `Op.__call__`, every operation on one of its tracers becomes an
instruction. A `Tracer` stands where an array would stand: it has a shape and a dtype, and what
is computed from it is computed from an example as well, so that there is no second set of rules
for shapes. But it refuses to become a number: what depends on an example must not decide what is
recorded.

Gradient rules are written with operators and operations only, so that they can be traced like
any function.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

import numpy as np

from tinygrad_mlp.autograd.call_site import user_site
from tinygrad_mlp.autograd.graph import MODE, Value, changed_mode
from tinygrad_mlp.autograd.op import Op, op
from tinygrad_mlp.autograd.ops import astype
from tinygrad_mlp.autograd.tensor import Tensor
from tinygrad_mlp.errors import TraceError

Number = (bool, int, float)


class Variable:
    """What instructions compute with: an input of a trace, or a result of an instruction.

    Attributes:
        data: its value in the example, a Python number for one; None once forgotten.
        instruction: what computes it; None for an input.
        index: which of the instruction's results it is.
        label: what an input stands for: anything the tracing code likes to find there again.
        name: what listings call it, or None.
        shape: lengths of its axes.
        dtype: type of its elements; None for a Python number, beside which float32 stays float32.

    >>> trace = Trace()
    >>> variable = trace.input(np.array([1.0, 2.0]), label="data").variable
    >>> variable.label, variable.shape, variable.instruction is None
    ('data', (2,), True)
    """

    __slots__ = ("data", "instruction", "index", "label", "name", "shape", "dtype")

    def __init__(
        self,
        data: Any,
        instruction: Instruction | None = None,
        index: int = 0,
        label: Any = None,
    ) -> None:
        self.data = data
        self.instruction = instruction
        self.index = index
        self.label = label
        self.name: str | None = None
        self.shape: tuple[int, ...] = np.shape(data)
        self.dtype: np.dtype[Any] | None = None if type(data) in Number else data.dtype

    @property
    def type(self) -> tuple[tuple[int, ...], np.dtype[Any] | None]:
        """Shape and dtype: what memory has to have to hold it."""
        return self.shape, self.dtype

    def __repr__(self) -> str:
        return f"{self.name or '_'}: {self.dtype or 'number'}{list(self.shape)}"


class Instruction:
    """One operation of a trace.

    Attributes:
        op: the operation.
        operands: its array arguments: variables, constant arrays, Python numbers, or None.
        static: its keyword parameters.
        results: its outputs, of which there is usually one.
        into: the variable whose memory takes the result, or None for new memory.

    `out` is what the operation returned in the example; `results` are made of it.

    >>> import numpy as np, tinygrad_mlp as tg
    >>> double = tg.compile(lambda x: 2 * x)
    >>> double(np.array([1.0, 2.0]))
    array([2., 4.])
    >>> [instruction.op.name for instruction in double.program.instructions]
    ['multiply']
    """

    __slots__ = ("op", "operands", "static", "results", "into")

    def __init__(self, op: Op, operands: tuple[Any, ...], static: dict[str, Any], out: Any) -> None:
        self.op = op
        self.operands = operands
        self.static = static
        outs = out if op.outputs > 1 else (out,)
        self.results = tuple(Variable(o, self, i) for i, o in enumerate(outs))
        self.into: Variable | None = None

    def changed(self, **fields: Any) -> Instruction:
        """Another instruction with the same results, and other `fields`."""
        made = Instruction.__new__(Instruction)
        for name in Instruction.__slots__:
            setattr(made, name, fields.get(name, getattr(self, name)))
        return made


@op(register=False, nondifferentiable=True, latex=r"{x1} \wedge {x2}")
def both(x1: Any, x2: Any) -> Any:
    """Where both conditions hold: what ``&`` means between the results of comparisons."""
    return x1 & x2


@op(register=False, nondifferentiable=True, latex=r"{x1} \vee {x2}")
def either(x1: Any, x2: Any) -> Any:
    """Where one of the conditions holds: what ``|`` means between the results of comparisons."""
    return x1 | x2


@op(register=False, nondifferentiable=True, latex=r"\neg {x}")
def opposite(x: Any) -> Any:
    """Where a condition does not hold: what ``~`` means of the result of a comparison."""
    return ~x


class Tracer(Tensor):
    """Stands for an array, or a number: what is done with it is written down.

    It is its own `.data`, so that a Tensor may hold one where it would hold an array.

    Attributes:
        variable: what it stands for in the trace.

    Traces make them, by `Trace.input` and at each operation; `data`, `requires_grad`, `dtype` and
    `name` are those of `Tensor`.

    >>> trace = Trace()
    >>> x = trace.input(np.array([1.0, 2.0]))
    >>> isinstance(x, Tracer), x.shape
    (True, (2,))
    """

    __slots__ = ("variable",)

    variable: Variable

    @classmethod
    def of(cls, variable: Variable) -> Tracer:
        """The tracer for a variable. Its data may be of any dtype: comparisons are traced, too."""
        tracer = cls.__new__(cls)
        tracer.grad = tracer.own_name = tracer.node = None
        tracer._requires_grad = False
        tracer.index = 0
        tracer.variable = variable
        return tracer

    @property
    def data(self) -> Any:  # type: ignore[override]
        """Itself, as long as it is traced.

        Raises:
            TraceError: recording has ended: there is no number in it.
        """
        if MODE.get().hook is None:
            raise TraceError(
                f"a traced value of shape {self.shape} has left the function that was being "
                f"recorded: it has no number in it. Return it from the function instead of "
                f"storing it.\n  at {user_site()}"
            )
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

    def copy(self) -> Tracer:
        """Itself: nothing can change it."""
        return self

    def detach(self) -> Tracer:
        """Itself: it has no history."""
        return self

    def astype(self, dtype: Any) -> Any:
        """The same numbers in another dtype."""
        return self if np.dtype(dtype) == self.dtype else astype(self, dtype=np.dtype(dtype))

    def __and__(self, other: Any) -> Any:
        return both(self, other)

    def __rand__(self, other: Any) -> Any:
        return both(other, self)

    def __or__(self, other: Any) -> Any:
        return either(self, other)

    def __ror__(self, other: Any) -> Any:
        return either(other, self)

    def __invert__(self) -> Any:
        return opposite(self)

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"Tracer(shape={self.shape}, dtype={self.dtype})"

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        """What needs a number, which a traced value has not.

        Raises:
            TraceError: always.
        """
        raise TraceError(
            f"a traced value of shape {self.shape} cannot become a number: the program would hold "
            f"for this one value only. Use tg.where(...) instead of 'if', tg.array([...]) instead "
            f"of np.array([...]), return what is to be looked at, and leave conversions to the "
            f"caller.\n  at {user_site()}"
        )

    __bool__ = __float__ = __int__ = __index__ = __array__ = __contains__ = _refuse
    item = numpy = tolist = __format__ = _refuse


class Trace:
    """Writes down the operations on its tracers: a hook for `Op.__call__`.

    Tensors that are no tracers are constants here. `Recording` treats them otherwise.

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

    def array_of(self, value: Value) -> Any:
        """What stands for the array of a tensor: a tracer, or an array that is a constant."""
        return value.data

    def __call__(self, op: Op, args: tuple[Any, ...], static: dict[str, Any]) -> Any:
        """What `Op.__call__` does while this trace is the hook."""
        arrays = tuple(self._array(op, a) for a in args)
        if not any(type(a) is Tracer for a in arrays) and not is_random(static):
            return op.unhooked(args, static)
        for key, value in static.items():
            if isinstance(value, Value):
                raise TraceError(
                    f"{op.name}() expects '{key}' to be known when the program is recorded. Got "
                    f"a traced value, which differs from run to run. Compute it outside and pass "
                    f"it in as a plain Python object.\n  at {user_site()}"
                )
        operands = tuple(a.variable if type(a) is Tracer else a for a in arrays)
        examples = [o.data if isinstance(o, Variable) else o for o in operands]
        made = Instruction(op, operands, static, example(op, examples, static))
        self.instructions.append(made)
        tracers = tuple(map(Tracer.of, made.results))
        out = tracers if op.outputs > 1 else tracers[0]
        return op.as_value(args, arrays, static, out)

    def _array(self, op: Op, a: Any) -> Any:
        """An argument as the rules see it."""
        if type(a) is Tracer:
            return a
        if isinstance(a, Value):
            return self.array_of(a)
        # As in the ordinary path: a Python number beside an array stays one (2 · float32 is
        # float32).
        return a if a is None or isinstance(a, op.weak_scalars) else np.asarray(a)


def is_generator(value: Any) -> bool:
    """Whether something is a random generator; without loading `numpy.random` to find out."""
    return hasattr(value, "bit_generator")


def is_random(static: dict[str, Any]) -> bool:
    """Whether an operation draws random numbers: whether it was given a generator."""
    return any(map(is_generator, static.values()))


def generators_in(instructions: Iterable[Instruction]) -> list[Any]:
    """The random generators that instructions draw from."""
    found = {
        id(value): value
        for line in instructions
        for value in line.static.values()
        if is_generator(value)
    }
    return list(found.values())


def example(op: Op, operands: list[Any], static: dict[str, Any]) -> Any:
    """The result of an operation on examples; of Python numbers, a Python number.

    With numbers NumPy's promotion is weak: a learning rate times float32 is float32, and so must
    be the square of the learning rate times float32.
    """
    if operands and op.outputs == 1 and all(type(o) in Number for o in operands):
        out = np.asarray(number_result(op.forward, operands, static))
        if out.ndim == 0 and not op.variadic:
            return out.item()
    out = op.unhooked(tuple(operands), static)
    if op.outputs > 1:
        return tuple(np.asarray(o) for o in out)
    return np.asarray(out)


def number_result(
    forward: Callable[..., Any], operands: list[Any], static: dict[str, Any]
) -> Any:
    """What a forward function makes of Python numbers."""
    try:
        return forward(*operands, **static)
    except AttributeError:  # it wants arrays
        return forward(*map(np.asarray, operands), **static)


def untraced(a: Any) -> Any:
    """The example of a tracer, the array of a tensor; anything else as it is."""
    return a.variable.data if type(a) is Tracer else a.data if isinstance(a, Value) else a
