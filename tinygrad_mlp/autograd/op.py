"""An operation: one record that holds everything the package knows about it.

Forward function, one gradient rule per argument, equation, LaTeX, reference and samples are
declared in one block. Everything else (recording, gradients of any order, checks, explanations,
the tests) reads that record, so that adding an operation means adding one block.

`Op.__call__` is the one way in which an operation is called: it is recorded, watched or traced
there and nowhere else.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from types import FunctionType
from typing import Any, NamedTuple, SupportsIndex, TypeVar

import numpy as np

from tinygrad_mlp import errors
from tinygrad_mlp.autograd.graph import Array, Node, Value, make_value
from tinygrad_mlp.autograd.mode import MODE, changed_mode

Rule = Callable[..., Any]
# (A string: NumPy loads np.random when it is first named.)
Samples = Callable[["np.random.Generator"], "Iterator[Sample] | Sequence[Sample]"]
Static = dict[str, Any]

ndarray, DOUBLE = np.ndarray, np.dtype(float)

COMPUTED = "fiubc"
"""The kinds of dtypes that results may have. Complex steps, of the checks, pass through, too."""

OPS: dict[str, Op] = {}
"""Every operation by name, in the order of definition."""

Composed = TypeVar("Composed", bound=Callable[..., Any])
IMPLEMENTED_BY: dict[Any, Callable[..., Any]] = {}
"""The functions composed of operations that implement NumPy functions for a `Tensor`."""

NO_STATIC: Static = {}

KEYWORD_ONLY, VAR_POSITIONAL = inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_POSITIONAL
PLAIN = inspect.Parameter.POSITIONAL_OR_KEYWORD


class OpParameter(NamedTuple):
    """A parameter of a forward function, with those fields of `inspect.Parameter` that are used."""

    name: str
    kind: Any
    default: Any


def parameters_of(function: Callable[..., object]) -> list[Any]:
    """Return the parameters of a function in the order of its signature.

    Those of plain functions are read from the code object: with `inspect.signature`, this would be
    most of what defining an operation takes when the package is imported.
    """
    starred = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS
    if (not isinstance(function, FunctionType) or hasattr(function, "__wrapped__")
            or function.__code__.co_flags & starred):
        return list(inspect.signature(function).parameters.values())
    code, empty = function.__code__, inspect.Parameter.empty
    names, n = code.co_varnames, code.co_argcount
    values, given = function.__defaults__ or (), function.__kwdefaults__ or {}
    defaults = (empty,) * (n - len(values)) + values
    static = names[n:n + code.co_kwonlyargcount]
    return [*map(OpParameter, names, (PLAIN,) * n, defaults),
            *(OpParameter(name, KEYWORD_ONLY, given.get(name, empty)) for name in static)]


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
        self.args, self.static = args, static

    def __repr__(self) -> str:
        shown = [f"array{np.shape(a)}" for a in self.args]
        shown += [f"{key}={value!r}" for key, value in self.static.items()]
        return f"Sample({', '.join(shown)})"


@dataclass(frozen=True, eq=False)
class OpRecord:
    """The declaration of an operation: everything that the package knows about it.

    Attributes:
        name: the name in `OPS` and in messages.
        forward: the function on arrays. Its positional parameters are arrays, its keyword-only
            parameters are static.
        rules: the gradient rules by the names of the array parameters. A rule is called as
            ``rule(g, y, *arrays, **static)`` with the cotangent `g` of the output `y`. For an
            operation with several outputs, `g` and `y` are tuples.
        equation: forward and gradient in one line of plain text.
        latex: template of the forward expression, with parameter names in braces. Where it depends
            on shapes or static parameters: a function that is called like `forward`, with
            stand-ins that have a shape and print as themselves, and returns the expression.
        reference: an independent implementation on arrays that `forward` is compared with.
        domain: the interval of each argument to draw samples from, where none are given.
        samples: arguments to try it on, as a function of a random generator. Without it they are
            drawn from the domain, in shapes that broadcast.
        numpy: the NumPy functions that it implements for a `Tensor`.
        scipy: the name of the ufunc in `scipy.special` that it implements. (A name, since SciPy is
            loaded only when it is needed.)
        outputs: the number of outputs.
        elementwise: the output has the shape to which the arguments broadcast, and each of its
            elements depends on the corresponding elements of the arguments only.
        nondifferentiable: the result is piecewise constant (a comparison, an index): a plain array.
        provenance: the result remembers its node even where nothing is recorded, because a loss
            can be computed more exactly from this operation's input than from its output.
        decomposable: the forward function consists of operators and NumPy functions that are
            operations, too, and decides nothing by values: a program is made of its parts, which
            can be shared with those of the gradient.
        unused_as_none: rules are given None, and not zeros, for the cotangent of an output that
            nothing depends on. (Eigenvectors that nobody uses need no derivative.)
        floating: whole numbers and booleans are converted to floating point before the call. A
            loss or an activation of unsigned bytes would wrap around at 0 and 256 otherwise.
        add_share: the rule of the first argument as a change of an array: called as
            ``add_share(total, g, *others, **static)`` with the other arguments, it adds the share
            to `total` in place. For an operation that reads a small part of its argument.
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
    unused_as_none: bool = False
    floating: bool = False
    add_share: Callable[..., None] | None = None


class Op:
    """One operation; call it like the NumPy function that it implements.

    On plain arrays it is that function. With a `Tensor` among the arguments the result is a
    `Tensor` that remembers how it was computed.

    Args:
        record: the declaration.

    Attributes:
        record: the declaration. All of its fields but `rules` are attributes of the operation,
            too, those that a call or the backward pass reads as plain ones.
        arrays: the names of the array parameters (one name stands for all of a ``*args``).
        variadic: whether the array parameters are a ``*args``; the one rule then receives the
            keyword `position` and answers for that argument.
        arity: the number of array parameters.
        defaults: the static (keyword-only) parameters with their default values.
        required: the names of the parameters without a default.
        rules: the gradient rule of each array parameter, or None, in order.
        weak_scalars: the types of Python numbers that stay numbers beside an array.

    >>> import numpy as np, tinygrad_mlp as tg
    >>> tg.tanh.record.equation, tg.tanh.arrays
    ('y = tanh x,  x̄ = g (1 − y²)', ('x',))
    >>> float(tg.tanh.rules[0](1.0, 0.6, None))  # with g = 1, y = 0.6; x is not needed
    0.64
    """

    def __init__(self, record: OpRecord) -> None:
        self.record = record
        self.name = self.__name__ = self.__qualname__ = record.name
        self.forward = self.__wrapped__ = record.forward  # inspect and doctest see through it
        self.__module__ = record.forward.__module__
        self.__doc__ = _documentation(record)
        self.outputs, self.floating = record.outputs, record.floating
        self.nondifferentiable, self.provenance = record.nondifferentiable, record.provenance
        self.add_share = record.add_share
        parameters = parameters_of(record.forward)
        arrays = [p for p in parameters if p.kind is not KEYWORD_ONLY]
        self.arrays: tuple[str, ...] = tuple(p.name for p in arrays)
        self.variadic = any(p.kind is VAR_POSITIONAL for p in arrays)
        self.arity = len(arrays)
        self.defaults = {p.name: p.default for p in parameters if p.kind is KEYWORD_ONLY}
        needed = [p for p in parameters if p.default is inspect.Parameter.empty]
        self.required = tuple(p.name for p in needed if p.kind is not VAR_POSITIONAL)
        self.rules = tuple(record.rules.get(name) for name in self.arrays)
        # Beside another array a Python number stays one, for NumPy's weak promotion: 2 · float32
        # is float32. On its own it becomes an array, so that forward can rely on having one.
        self.weak_scalars: tuple[type, ...] = (float, int) if self.arity > 1 else ()

    # Whether the same arguments give the same result, without anything else being changed.
    repeatable = True

    # The rest of the record can be read of the operation, too: `tanh.equation`. (Properties, since
    # a `__getattr__` would slow down the reading of every attribute.)
    equation = property(attrgetter("record.equation"))
    latex = property(attrgetter("record.latex"))
    reference = property(attrgetter("record.reference"))
    domain = property(attrgetter("record.domain"))
    samples = property(attrgetter("record.samples"))
    numpy = property(attrgetter("record.numpy"))
    scipy = property(attrgetter("record.scipy"))
    elementwise = property(attrgetter("record.elementwise"))
    decomposable = property(attrgetter("record.decomposable"))

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[object, ...]:
        # A copied or unpickled model must hold the operation itself: losses ask which it is.
        if OPS.get(self.name) is self:
            return registered, (self.name,)
        return super().__reduce_ex__(protocol)

    def register(self) -> None:
        """Enter the operation into `OPS`."""
        OPS[self.name] = self

    def __repr__(self) -> str:
        return f"<op {self.name}{inspect.signature(self.forward)}>"

    # -- the call ------------------------------------------------------------------------------

    # One function, although a long one: a small network is all overhead, and each function more
    # makes the call of a small operation slower by some percent.
    def __call__(self, *args: Any, **static: Any) -> Any:  # noqa: C901
        """Compute the operation, and record it where a gradient can be asked for."""
        if len(args) != self.arity or len(static) != len(self.defaults):
            args, static = self.bind(args, static)
        if self.floating:
            args = in_floating_point(args, self.name)
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
                    continue  # leaves are looked at when they get a gradient
                if type(a.data) is not ndarray:
                    errors.refuse_assigned(a.data, "data")
            elif type(a) is ndarray or isinstance(a, self.weak_scalars) or a is None:
                arrays.append(a)
            else:
                errors.refuse_more_than_numbers(a, f"{self.name}()")
                arrays.append(np.asarray(a))
            parents.append(None)
        try:
            out = self.forward(*arrays, **static)
        except (ValueError, TypeError, IndexError) as error:
            self.bind(args, static)  # a misspelt keyword gets the better message
            raise _explained(self, error, arrays, static) from error
        if cls is None or self.nondifferentiable:
            return out
        requires_grad = requires_grad and mode.recording
        if self.outputs > 1:
            return self.as_value(args, tuple(arrays), static, out)
        if type(out) is not ndarray:
            out = np.asarray(out) if isinstance(out, np.generic) else plain_output(out, self)
        if out.dtype is not DOUBLE and out.dtype.kind not in COMPUTED:
            errors.refuse_unreal(out, f"{self.name}() with a Tensor")
        value = cls.__new__(cls)  # as `make_value`, without the call
        value.data = out
        value.grad = value.own_name = value.node = None
        value._requires_grad = requires_grad
        value.index = 0
        if requires_grad or self.provenance:
            kept = parents if requires_grad else [None] * len(parents)
            # One empty dict for all nodes: what a graph keeps, the garbage collector must visit.
            value.node = mode.node(kept, self, tuple(arrays), static or NO_STATIC, out)
        return value

    def as_value(self, args: Sequence[object], arrays: tuple[object, ...], static: Static,
                 out: object) -> Any:
        """Return what the call ``op(*args, **static)`` returns where its output is `out`.

        For several outputs, which are a tuple, and for hooks that compute the output themselves.
        The node keeps `arrays` in the place of the arrays of `args`.
        """
        # (A traced array is a value, too, but takes the place of an array: it is its own data.)
        values = [a for a in args if isinstance(a, Value) and id(a.data) != id(a)]
        if not values or self.nondifferentiable:
            return out
        outs: tuple[Any, ...] = tuple(
            o if isinstance(o, Value) else plain_output(o, self) for o in self.as_tuple(out))
        requires_grad = MODE.get().recording and any(a.requires_grad for a in values)
        node = None
        if requires_grad or self.provenance:
            parents = [_parent(a) if requires_grad else None for a in args]
            kept = outs if self.outputs > 1 else outs[0]
            node = Node(parents, self, arrays, static or NO_STATIC, kept)
        cls = values[-1].result_class
        made = tuple(make_value(cls, o, node, requires_grad, i) for i, o in enumerate(outs))
        return made if self.outputs > 1 else made[0]

    def as_tuple(self, out: Any) -> tuple[Any, ...]:
        """Return the outputs of a call, or their cotangents, as a tuple also where it is one."""
        return tuple(out) if self.outputs > 1 else (out,)

    def unhooked(self, args: tuple[object, ...], static: Static) -> Any:
        """Call the operation, and its forward function, without the hook: how a hook continues."""
        with changed_mode(hook=None):
            return self(*args, **static)

    def bind(self, args: tuple[object, ...], static: Static) -> tuple[tuple[Any, ...], Static]:
        """Sort a call's arguments into array arguments and static parameters, as NumPy would.

        Array parameters may be given by keyword; static parameters may follow the arrays by
        position, in the order of the signature (``tg.sum(x, 0)``). Defaults are filled in.

        Raises:
            InvalidArgumentError: too many arguments, an unknown name, or one missing.
        """
        if not static and len(args) == self.arity and self.required == self.arrays:
            return args, dict(self.defaults)  # the usual case
        names = list(self.defaults) if self.variadic else [*self.arrays, *self.defaults]
        in_order = () if self.variadic else args
        if len(in_order) > len(names):
            raise self._bad_call(f"{len(args)} arguments")
        given = dict(zip(names, in_order, strict=False))
        for name in static:
            if name not in names:
                raise self._bad_call(f"unknown argument '{name}'")
            if name in given:
                raise self._bad_call(f"'{name}' given twice")
        given |= static
        for name in self.required:
            if name not in given:
                raise self._bad_call(f"no '{name}'")
        arrays = args if self.variadic else tuple(given.get(name) for name in self.arrays)
        return arrays, {name: given.get(name, value) for name, value in self.defaults.items()}

    def _bad_call(self, what: str) -> errors.InvalidArgumentError:
        return errors.InvalidArgumentError(
            f"{self.name}() expects {self.name}{inspect.signature(self.forward)}. Got {what}.")

    # -- the gradient --------------------------------------------------------------------------

    def rule(self, position: int) -> Rule | None:
        """Return the gradient rule of the argument at `position`; None where it has none."""
        return self.rules[0 if self.variadic else position]

    def parameter(self, position: int) -> str:
        """Return the name of the parameter that takes the argument at `position`."""
        return self.arrays[0 if self.variadic else position]

    def vjp(self, position: int, g: Any, y: Any, arrays: Sequence[Any], static: Static) -> Any:
        """Return the share of an argument x in the gradient: ``x̄ = ȳᵀ ∂y/∂x`` with ``ȳ = g``.

        `position` is that of x among the array arguments; for several outputs, `g` and `y` are
        tuples. The share is as the rule returns it: where x was broadcast, of the broadcast shape;
        None where there is no rule for x.
        """
        if self.variadic:
            rule = self.rules[0]
            return rule and rule(g, y, *arrays, position=position, **static)
        rule = self.rules[position]
        return rule and rule(g, y, *arrays, **static)


OURS_FOR_NUMPYS = (
    (TypeError, errors.DTypeError),
    (np.linalg.LinAlgError, errors.LinAlgError),
    (ValueError, errors.ShapeError),  # also a missing axis, which is an IndexError, too
    (IndexError, errors.IndexingError))


def plain_output(out: object, op: Op) -> Array:
    """Return what a forward function returned as an array; refuse one that is more, or less."""
    who = f"the result of {op.name}()"
    errors.refuse_more_than_numbers(out, who)
    array = np.asarray(out)
    if array.dtype.kind not in COMPUTED:
        errors.refuse_unreal(array, who)
    return array


def in_floating_point(args: tuple[Any, ...], name: str) -> tuple[Any, ...]:
    """Return arguments of a call with whole numbers and booleans in floating point.

    Beside floats in the dtype that NumPy promotes both to; by themselves in float64.
    """
    try:
        for a in args:
            if a is not None and a.dtype.kind != "f":
                break
        else:
            return args  # the usual case
    except AttributeError:
        pass  # a list, or a Python number
    for a in args:
        errors.refuse_more_than_numbers(a, f"{name}()")
    given: list[Any] = [
        a if isinstance(a, (Value, float)) or a is None else np.asarray(a) for a in args]
    dtypes = [getattr(a, "dtype", None) for a in given]
    floats = [dtype for dtype in dtypes if dtype is not None and dtype.kind == "f"]
    for i, dtype in enumerate(dtypes):
        if dtype is not None and dtype.kind in "iub":
            wide = np.result_type(dtype, *floats) if floats else np.dtype(float)
            a = given[i]
            given[i] = OPS["astype"](a, dtype=wide) if isinstance(a, Value) else a.astype(wide)
    return tuple(given)


def _parent(argument: object) -> Node | Value | None:
    """Return what a node has as the parent for an argument (see `Node`)."""
    if not isinstance(argument, Value) or not argument.requires_grad:
        return None
    node = argument.node
    return argument if node is None or node.op.outputs > 1 else node


def _explained(op: Op, error: Exception, arrays: Sequence[Any], static: Static) -> Exception:
    """Return NumPy's `error` in terms of the operation and its arguments' shapes."""
    if isinstance(error, errors.TinygradError):
        return error
    shown = [
        f"{op.parameter(position)} of shape {np.shape(array)}"
        for position, array in enumerate(arrays) if array is not None]
    shown += [f"{key}={value!r}" for key, value in static.items()]
    kind = next(ours for numpys, ours in OURS_FOR_NUMPYS if isinstance(error, numpys))
    return kind(f"{op.name}() cannot take {', '.join(shown)}: {error}")


def _documentation(record: OpRecord) -> str | None:
    """Return what ``help`` shows: the function's docstring, and more from the record."""
    written = record.forward.__doc__
    if not written:
        return None
    names = [f"np.{function.__name__}" for function in record.numpy]
    names += [f"scipy.special.{record.scipy}"] if record.scipy else []
    added = ""
    if record.equation:
        added += f"""

    Equation: {record.equation}

    Here g is the derivative of the final result with respect to y, and a bar marks the derivative
    with respect to an argument."""
    if record.elementwise:
        added += """

    Shapes: the arguments are broadcast against each other; y has the shape they have together."""
    if names:
        added += f"""

    Source: defined as {', '.join(names)}. Called on a `Tensor`, that is this operation, too."""
    return written.rstrip() + added + "\n" if added else written


def defined_at(rule: object) -> str:
    """Return the place of a gradient rule in the source, as the end of a message."""
    code = getattr(rule, "__code__", None)
    return "" if code is None else f"\n  rule at {code.co_filename}:{code.co_firstlineno}"


def registered(name: str) -> Op:
    """Return the operation of that name."""
    return OPS[name]


def op(*, rules: Mapping[str, Rule] | None = None, name: str | None = None, numpy: object = (),
       elementwise: bool = False, register: bool = True, kind: type[Op] = Op,
       **declared: Any) -> Callable[[Callable[..., Any]], Op]:
    """Make an operation of the package of a NumPy function and its gradient rules.

    The tests check these operations. For one's own there is `declaration.op`, which is ``tg.op``.
    `declared` are the other fields of `OpRecord`. An operation that implements a ufunc is
    elementwise anyway.
    """
    functions = numpy if isinstance(numpy, tuple) else (numpy,)
    is_ufunc = [isinstance(f, np.ufunc) and f.signature is None for f in functions]
    elementwise = elementwise or any(is_ufunc) or bool(declared.get("scipy"))

    def declare(forward: Callable[..., object]) -> Op:
        made = kind(OpRecord(name=name or forward.__name__, forward=forward, rules=rules or {},
                             numpy=functions, elementwise=elementwise, **declared))
        if register:
            made.register()
        return made

    return declare


def implements(*functions: object) -> Callable[[Composed], Composed]:
    """Let a function composed of operations implement NumPy functions for a `Tensor`.

    The field `numpy` does the same for an operation. A composed function has no record: it is
    differentiated, compiled and explained through the operations that it calls.
    """

    def declare(composed: Composed) -> Composed:
        IMPLEMENTED_BY.update(dict.fromkeys(functions, composed))
        return composed

    return declare
