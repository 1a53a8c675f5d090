"""An operation: one record that holds everything the package knows about it.

Forward function, one gradient rule per argument, equation, LaTeX, reference and samples stand in
one block. Everything else (recording, gradients of any order, checks, explanations, the tests)
reads that record, so that adding an operation means adding one block.

`Op.__call__` is the only door: an operation is recorded, watched or traced there and nowhere else.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_mlp.autograd.calls import bound, explained
from tinygrad_mlp.autograd.declaration import Rule, declared, in_order
from tinygrad_mlp.autograd.graph import MODE, Node, Value, changed_mode, make_value
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


class Op:
    """One operation; call it like the NumPy function it stands for.

    On plain arrays it is that function. With a `Tensor` among the arguments the result is a
    `Tensor` that remembers how it was made.

    Attributes:
        name: the name in `OPS` and in messages.
        forward: the function on arrays.
        rules: the gradient rule of each array parameter, or None, in order. A rule is called as
            ``rule(g, y, *inputs, **static)`` with the cotangent `g` of the output `y`. For an
            operation with several outputs, `g` and `y` are tuples.
        arrays: names of the array parameters (one name stands for all of a ``*args``).
        variadic: whether the array parameters are a ``*args``; the one rule then receives the
            keyword `position` and answers for that argument.
        defaults: the static (keyword-only) parameters with their default values.
        equation: forward and gradient in one line of plain text.
        latex: template of the forward expression, with parameter names in braces. Where it depends
            on shapes or static parameters: a function that is called like `forward`, with
            stand-ins that have a shape and print as themselves, and returns the expression.
        reference: an independent implementation on arrays, to hold `forward` against.
        domain: for elementwise operations, the interval of each argument to draw samples from.
        numpy: the NumPy functions that stand for it when called on a `Tensor`.
        scipy: the name of the ufunc in `scipy.special` that does, too. (A name, since SciPy is
            loaded only when it is needed.)
        outputs: the number of outputs.
        nondifferentiable: the result is piecewise constant (a comparison, an index): a plain array.
        provenance: the result remembers its node even where nothing is recorded, because a loss
            can be computed more exactly from this operation's input than from its output.
        composed: the forward function consists of operators and NumPy functions that are
            operations, too, and decides nothing by values: a program is made of its parts, which
            can be shared with those of the gradient.
        tried: whether it has been looked at whether its rules can be differentiated (see
            `first_use`); true from the start for the package's own, which are tested.
        flaw: what was found then, or nothing.

    >>> import numpy as np, tinygrad_mlp as tg
    >>> tg.tanh.equation, tg.tanh.arrays
    ('y = tanh x,  x̄ = g (1 − y²)', ('x',))
    >>> float(tg.tanh.rules[0](1.0, 0.6, None))  # with g = 1, y = 0.6; x is not needed
    0.64
    """

    def __init__(
        self,
        forward: Callable[..., Any],
        rules: Mapping[str, Rule],
        *,
        name: str | None = None,
        equation: str = "",
        latex: str | Callable[..., str] = "",
        reference: Callable[..., Any] | None = None,
        domain: Mapping[str, tuple[float, float]] | None = None,
        samples: Samples | None = None,
        numpy: Any = (),
        scipy: str | None = None,
        outputs: int = 1,
        nondifferentiable: bool = False,
        provenance: bool = False,
        decomposable: bool = False,
    ) -> None:
        self.name = self.__name__ = self.__qualname__ = name or forward.__name__
        self.__module__ = forward.__module__
        self.__doc__ = _documentation(forward, equation, numpy, scipy)
        self.__wrapped__ = forward  # lets inspect.signature and doctest see through
        self.forward = forward
        known = declared(self.name, forward)
        self.arrays, self.required, self.variadic, self.defaults = known
        self.static_names = frozenset(self.defaults)
        self.arity = len(self.arrays)
        # Beside another array a Python number stays one, for NumPy's weak promotion: 2 · float32
        # is float32. On its own it becomes an array, so that forward can rely on having one.
        self.weak_scalars: tuple[type, ...] = (float, int) if self.arity > 1 else ()
        self.rules = in_order(self.name, rules, known)
        self.equation = equation
        self.latex = latex
        self.reference = reference
        self.domain = dict(domain or {})
        self.samples = samples
        self.numpy: tuple[Any, ...] = numpy if isinstance(numpy, tuple) else (numpy,)
        self.scipy = scipy
        self.outputs = outputs
        self.nondifferentiable = nondifferentiable
        self.provenance = provenance
        self.decomposable = decomposable
        self.rules_checked = str(self.__module__).startswith("tinygrad_mlp.")
        self.rule_error = ""

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


def _documentation(
    forward: Callable[..., Any], equation: str, numpy: Any, scipy: str | None
) -> str | None:
    """What ``help`` shows: the function's docstring, and what the record knows besides."""
    if not forward.__doc__:
        return None
    functions = numpy if isinstance(numpy, tuple) else (numpy,)
    names = [f"np.{function.__name__}" for function in functions]
    names += [] if scipy is None else [f"scipy.special.{scipy}"]
    ufuncs = [f for f in functions if isinstance(f, np.ufunc) and f.signature is None]
    added = ""
    if equation:
        added += f"""

    Equation: {equation}

    Here g is the derivative of the final result with respect to y, and a bar marks the derivative
    with respect to an argument."""
    if ufuncs or scipy is not None:
        added += """

    Shapes: the arguments are broadcast against each other; y has the shape they have together."""
    if names:
        added += f"""

    Source: defined as {', '.join(names)}. Called on a `Tensor`, that is this operation, too."""
    return forward.__doc__.rstrip() + added + "\n" if added else forward.__doc__


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


def op(
    *,
    rules: Mapping[str, Rule] | None = None,
    register: bool = True,
    **record: Any,
) -> Callable[[Callable[..., Any]], Op]:
    """Make an operation of a NumPy function and one gradient rule per differentiable argument.

    Positional parameters of the function are arrays, keyword-only ones are static. A rule is
    called as ``rule(g, y, *inputs, **static)``, where `g` is the derivative of the final output
    with respect to `y = f(*inputs)`, and returns the derivative with respect to its argument.
    Written with operators and operations only, it can itself be differentiated. Broadcasting need
    not be undone: that is done once, for every rule.

    Args:
        rules: rule by parameter name. A parameter without one is not differentiable.
        register: whether to enter it into `OPS`.
        record: the other fields of `Op` (equation, latex, reference, domain, samples, …).

    Raises:
        OpDefinitionError: a rule for an unknown parameter, or a name that is taken.

    >>> import numpy as np, tinygrad_mlp as tg
    >>> @tg.op(rules={"x": lambda g, y, x: g * 3 * x**2}, register=False)
    ... def cube(x):
    ...     return x**3
    >>> float(tg.grad(cube)(2.0))
    12.0
    """

    def declare(forward: Callable[..., Any]) -> Op:
        made = Op(forward, rules or {}, **record)
        if register:
            known = OPS.get(made.name)
            if known is not None and known.__module__ != made.__module__:
                raise OpDefinitionError(
                    f"op '{made.name}' exists already (in {known.__module__}). "
                    f"Choose another name."
                )
            OPS[made.name] = made
        return made

    return declare
