"""An operation: one record that holds everything the package knows about it.

Forward function, one gradient rule per argument, equation, LaTeX, reference and samples stand in
one block. Everything else (recording, gradients of any order, checks, explanations, the tests)
reads that record, so that adding an operation means adding one block.

`Op.__call__` is the only door: an operation is recorded, watched or traced there and nowhere else.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_mlp.autograd.calls import bound, explained
from tinygrad_mlp.autograd.declaration import Rule, declared, in_order
from tinygrad_mlp.autograd.graph import Node, Value, make_value
from tinygrad_mlp.autograd.mode import MODE, changed_mode
from tinygrad_mlp.errors import OpDefinitionError

if TYPE_CHECKING:
    from numpy.random import Generator

Samples = Callable[["Generator"], "Iterator[Sample] | Sequence[Sample]"]

ndarray = np.ndarray

OPS: dict[str, Op] = {}
"""Every operation by name, in the order of definition."""


NO_STATIC: dict[str, Any] = {}


class Sample:
    """Arguments to try an operation on: positional arrays and static keyword parameters.

    Args:
        args: the arrays, in order.
        static: the keyword parameters.

    >>> Sample(np.ones((2, 3)), axis=1)
    Sample(array(2, 3), axis=1)
    """

    __slots__ = ("args", "static")

    def __init__(self, *args: Any, **static: Any) -> None:
        self.args = args
        self.static = static

    def __repr__(self) -> str:
        shown = [f"array{np.shape(a)}" for a in self.args]
        shown += [f"{key}={value!r}" for key, value in self.static.items()]
        return f"Sample({', '.join(shown)})"


@dataclass(frozen=True, eq=False)
class Record:
    """What the declaration of an operation says: all that the package knows about it.

    Attributes:
        name: the name in `OPS` and in messages.
        forward: the function on arrays.
        rules: the gradient rules by the names of the array parameters. A rule is called as
            ``rule(g, y, *inputs, **static)`` with the cotangent `g` of the output `y`. For an
            operation with several outputs, `g` and `y` are tuples.
        equation: forward and gradient in one line of plain text.
        latex: template of the forward expression, with parameter names in braces. Where it depends
            on shapes or static parameters: a function that is called like `forward`, with
            stand-ins that have a shape and print as themselves, and returns the expression.
        reference: an independent implementation on arrays, to hold `forward` against.
        domain: the interval of each argument to draw samples from, where none are given.
        samples: arguments to try it on, as a function of a random generator. Without it they are
            drawn from the domain, in shapes that broadcast.
        numpy: the NumPy functions that stand for it when called on a `Tensor`.
        scipy: the name of the ufunc in `scipy.special` that does, too. (A name, since SciPy is
            loaded only when it is needed.)
        outputs: the number of outputs.
        elementwise: the output has the shape that the arguments have together, and each of its
            elements depends on the corresponding elements of the arguments only.
        nondifferentiable: the result is piecewise constant (a comparison, an index): a plain array.
        provenance: the result remembers its node even where nothing is recorded, because a loss
            can be computed more exactly from this operation's input than from its output.
        decomposable: the forward function consists of operators and NumPy functions that are
            operations, too, and decides nothing by values: a program is made of its parts, which
            can be shared with those of the gradient.
    """

    name: str
    forward: Callable[..., Any]
    rules: Mapping[str, Rule]
    equation: str = ""
    latex: str | Callable[..., str] = ""
    reference: Callable[..., Any] | None = None
    domain: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    samples: Samples | None = None
    numpy: tuple[Any, ...] = ()
    scipy: str | None = None
    outputs: int = 1
    elementwise: bool = False
    nondifferentiable: bool = False
    provenance: bool = False
    decomposable: bool = False


class Op:
    """One operation; call it like the NumPy function it stands for.

    On plain arrays it is that function. With a `Tensor` among the arguments the result is a
    `Tensor` that remembers how it was made.

    Args:
        record: what is declared.

    Attributes:
        record: what is declared. Its fields can be read of the operation, too: ``tanh.equation``.
        arrays: names of the array parameters (one name stands for all of a ``*args``).
        required: how many of them have no default.
        variadic: whether the array parameters are a ``*args``; the one rule then receives the
            keyword `position` and answers for that argument.
        arity: the number of array parameters.
        defaults: the static (keyword-only) parameters with their default values.
        static_names: their names.
        rules: the gradient rule of each array parameter, or None, in order.
        weak_scalars: the types of Python numbers that stay numbers beside an array.
        rules_checked: whether the rules have been checked for differentiability (see
            `rule_check`). The package's own are, by its tests.
        rule_error: what was found then, or nothing.

    The fields of the record that calls and the backward pass need are attributes as well.

    >>> import numpy as np, tinygrad_mlp as tg
    >>> tg.tanh.record.equation, tg.tanh.arrays
    ('y = tanh x,  x̄ = g (1 − y²)', ('x',))
    >>> float(tg.tanh.rules[0](1.0, 0.6, None))  # with g = 1, y = 0.6; x is not needed
    0.64
    """

    def __init__(self, record: Record) -> None:
        self.record = record
        self.name = self.__name__ = self.__qualname__ = record.name
        self.forward = self.__wrapped__ = record.forward  # inspect and doctest see through it
        self.__module__ = record.forward.__module__
        self.__doc__ = _documentation(record)
        self.outputs = record.outputs
        self.nondifferentiable = record.nondifferentiable
        self.provenance = record.provenance
        known = declared(record.name, record.forward)
        self.arrays, self.required, self.variadic, self.defaults = known
        self.static_names = frozenset(self.defaults)
        self.arity = len(self.arrays)
        # Beside another array a Python number stays one, for NumPy's weak promotion: 2 · float32
        # is float32. On its own it becomes an array, so that forward can rely on having one.
        self.weak_scalars: tuple[type, ...] = (float, int) if self.arity > 1 else ()
        self.rules = in_order(record.name, record.rules, known)
        self.rules_checked = False
        self.rule_error = ""

    if not TYPE_CHECKING:  # where a misspelt attribute is to be found

        def __getattr__(self, name: str) -> Any:
            """Return what is declared: ``tanh.equation`` is ``tanh.record.equation``."""
            if name == "record":  # of an operation that is being copied, and has nothing yet
                raise AttributeError(name)
            return getattr(self.record, name)

    def __reduce_ex__(self, protocol: Any) -> Any:
        # A copied or unpickled model must hold the operation itself: losses ask which it is.
        if OPS.get(self.name) is self:
            return registered, (self.name,)
        return super().__reduce_ex__(protocol)

    def __repr__(self) -> str:
        return f"<op {self.name}{inspect.signature(self.forward)}>"

    def __call__(self, *args: Any, **static: Any) -> Any:
        # The hot path: a small network is all overhead, so what is rare is handled elsewhere.
        if len(args) != self.arity or len(static) != len(self.defaults):
            args, static = self.bind(args, static)
        mode = MODE.get()
        if mode.hook is not None:
            return mode.hook(self, args, static)
        cls = None
        requires_grad = False
        arrays: list[Any] = []
        parents: list[Node | Value | None] = []
        for a in args:
            if isinstance(a, Value):
                cls = a.result_class
                arrays.append(a.data)
                if a._requires_grad:
                    requires_grad = True
                    node = a.node
                    parents.append(a if node is None or node.op.outputs > 1 else node)
                    continue
            elif type(a) is ndarray or isinstance(a, self.weak_scalars) or a is None:
                arrays.append(a)
            else:
                arrays.append(np.asarray(a))
            parents.append(None)
        try:
            out = self.forward(*arrays, **static)
        except (ValueError, TypeError, IndexError) as error:
            self.bind(args, static)  # a misspelt keyword gets the better message
            raise explained(self, error, arrays, static) from error
        if cls is None or self.nondifferentiable:
            return out
        if self.outputs > 1:
            requires_grad = requires_grad and mode.recording
            return self._several(cls, parents, tuple(arrays), static, out, requires_grad)
        if type(out) is not ndarray:
            out = np.asarray(out)
        requires_grad = requires_grad and mode.recording
        value = cls.__new__(cls)  # as `make_value`, without the call
        value.data = out
        value.grad = value.own_name = value.node = None
        value._requires_grad = requires_grad
        value.index = 0
        if requires_grad or self.provenance:
            if not requires_grad:
                parents = [None] * len(parents)
            # One empty dict for all nodes: what a graph keeps, the garbage collector must visit.
            value.node = Node(parents, self, tuple(arrays), static or NO_STATIC, out)
        return value

    def unhooked(self, args: tuple[Any, ...], static: dict[str, Any]) -> Any:
        """The ordinary path although there is a hook: how a hook goes on.

        The forward function runs without a hook, too: what it consists of is its own business.
        """
        with changed_mode(hook=None):
            return self(*args, **static)

    def as_value(
        self, args: Sequence[Any], arrays: tuple[Any, ...], static: dict[str, Any], out: Any
    ) -> Any:
        """What a call with `args` returns, for a hook that has computed `out` from `arrays` itself.

        The ordinary path does the same in place, for speed.
        """
        # (A traced array is a value, too, but stands where an array would: it is its own data.)
        values = [a for a in args if isinstance(a, Value) and id(a.data) != id(a)]
        if not values or self.nondifferentiable:
            return out
        parents: list[Node | Value | None] = [
            None if not isinstance(a, Value) or not a._requires_grad
            else a if a.node is None or a.node.op.outputs > 1
            else a.node
            for a in args
        ]  # fmt: skip
        cls = values[-1].result_class
        requires_grad = MODE.get().recording and any(a._requires_grad for a in values)
        if self.outputs > 1:
            return self._several(cls, parents, arrays, static, out, requires_grad)
        node = None
        if requires_grad or self.provenance:
            parents = parents if requires_grad else [None] * len(parents)
            node = Node(parents, self, arrays, static or NO_STATIC, out)
        return make_value(cls, out, node, requires_grad)

    def _several(
        self,
        cls: type[Value],
        parents: list[Node | Value | None],
        arrays: tuple[Any, ...],
        static: dict[str, Any],
        out: Any,
        requires_grad: bool,
    ) -> tuple[Value, ...]:
        """Wrap the outputs of an operation that has several: one node, one value for each."""
        out = tuple(o if isinstance(o, Value) else np.asarray(o) for o in out)
        node = Node(parents, self, arrays, static, out) if requires_grad else None
        values = []
        for index, array in enumerate(out):
            value = make_value(cls, array, node, requires_grad)
            value.index = index
            values.append(value)
        return tuple(values)

    def bind(
        self, args: tuple[Any, ...], static: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Sort a call's arguments into array arguments and static parameters, as NumPy would.

        Array parameters may be given by keyword; static parameters may follow the arrays by
        position, in the order of the signature (``tg.sum(x, 0)``). Defaults are filled in.

        Raises:
            InvalidArgumentError: too many arguments, an unknown name, or one missing.
        """
        return bound(self, args, static)


def _documentation(record: Record) -> str | None:
    """Return what ``help`` shows: the function's docstring, and what the record knows besides."""
    if not record.forward.__doc__:
        return None
    names = [f"np.{function.__name__}" for function in record.numpy]
    names += [] if record.scipy is None else [f"scipy.special.{record.scipy}"]
    ufuncs = [f for f in record.numpy if isinstance(f, np.ufunc) and f.signature is None]
    added = ""
    if record.equation:
        added += f"""

    Equation: {record.equation}

    Here g is the derivative of the final result with respect to y, and a bar marks the derivative
    with respect to an argument."""
    if ufuncs or record.scipy is not None:
        added += """

    Shapes: the arguments are broadcast against each other; y has the shape they have together."""
    if names:
        added += f"""

    Source: defined as {', '.join(names)}. Called on a `Tensor`, that is this operation, too."""
    written = record.forward.__doc__
    return written.rstrip() + added + "\n" if added else written


IMPLEMENTED_BY: dict[Any, Callable[..., Any]] = {}
"""The functions composed of operations that stand for NumPy functions called on a `Tensor`."""


def implements(*functions: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let a function composed of operations stand for NumPy functions when called on a `Tensor`.

    What the field `numpy` is in the record of an operation. A composed function has no record:
    it is differentiated, compiled and explained through the operations it calls.

    >>> import numpy as np, tinygrad_mlp as tg
    >>> np.vstack([tg.Tensor([1.0, 2.0]), [3.0, 4.0]])
    Tensor([[1., 2.],
            [3., 4.]])
    """

    def declare(composed: Callable[..., Any]) -> Callable[..., Any]:
        IMPLEMENTED_BY.update(dict.fromkeys(functions, composed))
        return composed

    return declare


def registered(name: str) -> Op:
    """The operation of that name."""
    return OPS[name]


RENAMED = {"discrete": "nondifferentiable", "composed": "decomposable"}
"""Fields of the record that had other names."""


def op(
    *,
    rules: Mapping[str, Rule] | None = None,
    name: str | None = None,
    domain: Mapping[str, tuple[float, float]] | None = None,
    numpy: Any = (),
    register: bool = True,
    **declared: Any,
) -> Callable[[Callable[..., Any]], Op]:
    """Make an operation of a NumPy function and one gradient rule per differentiable argument.

    Positional parameters of the function are arrays, keyword-only ones are static. A rule is
    called as ``rule(g, y, *inputs, **static)``, where `g` is the derivative of the final output
    with respect to `y = f(*inputs)`, and returns the derivative with respect to its argument.
    Written with operators and operations only, it can itself be differentiated. Broadcasting need
    not be undone: that is done once, for every rule.

    Args:
        rules: rule by parameter name. A parameter without one is not differentiable.
        name: its name, if it is not that of the function.
        domain: the interval of each argument to draw samples from.
        numpy: the NumPy function that stands for it, or several in a tuple.
        register: whether to enter it into `OPS`.
        declared: the other fields of `Record` (equation, latex, reference, samples, …).

    Raises:
        OpDefinitionError: a rule for an unknown parameter, or a name that is taken.

    >>> import numpy as np, tinygrad_mlp as tg
    >>> @tg.op(rules={"x": lambda g, y, x: g * 3 * x**2}, elementwise=True, register=False)
    ... def cube(x):
    ...     return x**3
    >>> float(tg.grad(cube)(2.0))
    12.0
    """
    for old, new in RENAMED.items():
        if old in declared:
            warnings.warn(
                f"op(): {old}= is now called {new}=. Use that.", DeprecationWarning, stacklevel=2
            )
            declared[new] = declared.pop(old)

    def declare(forward: Callable[..., Any]) -> Op:
        record = Record(
            name=name or forward.__name__,
            forward=forward,
            rules=dict(rules or {}),
            domain=dict(domain or {}),
            numpy=numpy if isinstance(numpy, tuple) else (numpy,),
            **declared,
        )
        made = Op(record)
        if register:
            known = OPS.get(made.name)
            if known is not None and not _is_defined_anew(made, known):
                raise OpDefinitionError(
                    f"op '{made.name}' exists already (in {known.__module__}). "
                    f"Choose another name."
                )
            OPS[made.name] = made
        return made

    return declare


def _is_defined_anew(made: Op, known: Op) -> bool:
    """Return whether two operations share a namespace: a cell or a module was run again."""
    of_made, of_known = (getattr(op.forward, "__globals__", None) for op in (made, known))
    return of_made is not None and of_made is of_known
