"""Derivatives of functions: `grad`, `value_and_grad`, `vjp`, `jvp`, `jacobian`, `hessian`, `hvp`.

Each takes a function and gives a function, so they nest: ``grad(grad(f))`` is the second
derivative. Arguments may be arrays, numbers, Tensors, or lists, tuples and dicts of them. Arrays
in, arrays out; Tensors that require gradients, or a transform around this one, give Tensors whose
history continues, so that the result can be differentiated again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar, overload

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.mode import MODE
from tinygrad_mlp.autograd.pytree import leaves_like, map_leaves, rebuild
from tinygrad_mlp.autograd.stacks import Stack, stacking
from tinygrad_mlp.autograd.stores.differentiable import differentiable
from tinygrad_mlp.autograd.tape import Function, Tape, function_of
from tinygrad_mlp.autograd.tensor import Tensor, direction
from tinygrad_mlp.errors import InvalidArgumentError, ShapeError

__all__ = ["grad", "value_and_grad", "vjp", "jvp", "jacobian", "hessian", "hvp"]

# The types of a function's first argument, of its other arguments, and of what it returns. The
# derivative with respect to the first argument is of its type; type checkers are told no more.
A = TypeVar("A", bound=Any)
P = ParamSpec("P")
R = TypeVar("R")
First = Callable[Concatenate[A, P], R]


@overload
def value_and_grad(  # type: ignore[overload-overlap]
    f: First[A, P, R], argnums: Literal[0] = 0, *,
    stores: bool = False) -> First[A, P, tuple[R, A]]: ...
@overload
def value_and_grad(f: Callable[P, R], argnums: int | Sequence[int], *,
                   stores: bool = False) -> Callable[P, tuple[R, Any]]: ...
def value_and_grad(f: Function, argnums: int | Sequence[int] = 0, *,
                   stores: bool = False) -> Function:
    """Return the function ``(*args) -> (f(*args), ∇f(*args))``: both from one evaluation.

    Args:
        f: a function of arrays that returns one number.
        argnums: the argument, or the arguments, to differentiate with respect to.
        stores: whether what `f` stores into arrays it creates is recorded; see `differentiable`.

    Raises:
        ShapeError: when called, if `f` does not return one number.
        DTypeError: when called, if an argument to differentiate with respect to, or what `f`
            returns, is not of floating-point numbers.

    >>> import numpy as np
    >>> value, gradient = value_and_grad(lambda w: (w * w).sum())(np.array([1.0, 2.0]))
    >>> float(value), gradient
    (5.0, array([2., 4.]))
    """
    f = differentiable(f) if stores else f
    several = isinstance(argnums, Sequence)
    chosen = tuple(argnums) if isinstance(argnums, Sequence) else (int(argnums),)

    def value_and_gradient(*args: object, **kwargs: object) -> tuple[Any, Any]:
        function, picked = function_of("grad", chosen, f, args, kwargs)
        run = Tape("grad", function, picked)
        if [out.size for out in run.outputs] != [1]:
            shapes = ", ".join(str(out.shape) for out in run.outputs)
            raise ShapeError(
                f"grad() expects a function that returns one number. It returned shape {shapes}: "
                f"reduce it, e.g. with tg.sum(...), or use jacobian().")
        out = run.outputs[0]
        found = rebuild(picked, run.pull_back([np.ones(out.shape, out.dtype)], release=True))
        return run.plain(out), tuple(found) if several else found[0]

    return value_and_gradient


@overload
def grad(  # type: ignore[overload-overlap]
    f: First[A, P, object], argnums: Literal[0] = 0, *,
    stores: bool = False) -> First[A, P, A]: ...
@overload
def grad(f: Callable[P, object], argnums: int | Sequence[int], *,
         stores: bool = False) -> Callable[P, Any]: ...
def grad(f: Function, argnums: int | Sequence[int] = 0, *, stores: bool = False) -> Function:
    """Return the gradient of `f`: the function ``(*args) -> ∂f/∂args[argnums]``.

    Args:
        f: a function of arrays that returns one number.
        argnums: the argument, or the arguments, to differentiate with respect to.
        stores: whether what `f` stores into arrays it creates is recorded; see `differentiable`.

    Raises:
        ShapeError: when called, if `f` does not return one number.

    >>> import tinygrad_mlp as tg
    >>> float(grad(tg.tanh)(0.0))  # 1 − tanh²(0)
    1.0
    >>> float(grad(grad(lambda x: x**3))(2.0))  # 6x
    12.0
    """
    both = value_and_grad(f, argnums, stores=stores)

    def gradient(*args: object, **kwargs: object) -> Any:
        return both(*args, **kwargs)[1]

    return gradient


def vjp(f: Callable[..., R], *primals: object) -> tuple[R, Callable[[Any], Any]]:
    """Compute ``f(*primals)`` and return it with the vector-Jacobian product.

    With J the Jacobian of `f`, the second result is the function ``pullback(v) = vᵀ J``, which
    returns a tuple with one entry per primal.

    Args:
        f: a function of arrays that returns an array, or a nesting of arrays.
        primals: the point.

    Raises:
        ShapeError: by the pullback, if a cotangent does not have the shape of its output.
        DTypeError: an argument or the output is not of floating-point numbers; by the pullback,
            if a cotangent is not.

    Source: Griewank and Walther, "Evaluating Derivatives", 2008, ch. 3 (the reverse mode).

    >>> import numpy as np
    >>> out, pullback = vjp(lambda x: x * x, np.array([1.0, 2.0]))
    >>> out, pullback(np.array([1.0, 10.0]))
    (array([1., 4.]), (array([ 2., 40.]),))
    """
    run = Tape("vjp", f, primals)

    def pullback(cotangent: object) -> Any:
        given = _given("vjp", "cotangent", cotangent, run.out, run.outputs)
        return rebuild(primals, run.pull_back(given))

    return map_leaves(run.plain, run.out), pullback


def _given(name: str, what: str, tree: object, model: object,
           wanted: Sequence[Tensor]) -> list[Any]:
    """Return the leaves of the cotangents or tangents `tree`, in the order of those of `model`."""
    try:
        given = leaves_like(model, tree)
    except InvalidArgumentError as error:
        raise ShapeError(f"{name}() cannot use this {what}: {error}") from None
    shapes = [np.shape(g) for g in given]
    expected = [w.shape for w in wanted]
    if shapes != expected:
        raise ShapeError(
            f"{name}() expects a {what} of shape {', '.join(map(str, expected))}. "
            f"Got {', '.join(map(str, shapes))}.")
    for g in given:
        direction(g, f"{name}()", what)
    return given


def jvp(f: Callable[..., R], primals: Sequence[object], tangents: Sequence[object]) -> tuple[R, R]:
    """Compute ``f(*primals)`` and its derivative along `tangents`, ``J v``.

    Computed by differentiating the vector-Jacobian product, which is linear in its cotangent u:
    the derivative of ``u ↦ uᵀ J`` pulled back from v is ``J v``.

    Args:
        f: a function of arrays that returns an array, or a nesting of arrays.
        primals: the point, a sequence of arguments.
        tangents: the direction, of the same structure and shapes.

    Raises:
        ShapeError: a tangent does not have the shape of its primal.
        DTypeError: a tangent is of whole numbers, booleans or complex numbers.

    >>> import numpy as np
    >>> jvp(lambda x: x * x, (np.array([1.0, 2.0]),), (np.array([1.0, 10.0]),))
    (array([1., 4.]), array([ 2., 40.]))
    """
    return _pushed_forward("jvp", f, tuple(primals), tuple(tangents))


def _pushed_forward(name: str, f: Function, primals: tuple[object, ...],
                    tangents: tuple[object, ...]) -> tuple[Any, Any]:
    """Compute what `jvp` does for the function `name`."""
    run = Tape(name, f, primals)
    given = _given(name, "tangent", tangents, primals, run.inputs)

    def linear(*u: object) -> Any:
        return run.pull_back(u, create_graph=True)

    # At u = 0: a function that is linear in u has the same derivative everywhere.
    second = Tape(name, linear, [np.zeros(o.shape, o.dtype) for o in run.outputs])
    tangent = second.pull_back(given, create_graph=run.create_graph)
    return map_leaves(run.plain, run.out), rebuild(run.out, tangent)


@overload
def jacobian(  # type: ignore[overload-overlap]
    f: First[A, P, object], argnums: Literal[0] = 0) -> First[A, P, A]: ...
@overload
def jacobian(f: Callable[P, object], argnums: int) -> Callable[P, Any]: ...
def jacobian(f: Function, argnums: int = 0) -> Function:
    """Return the Jacobian of `f`: the function ``(*args) -> ∂f/∂args[argnums]``.

    Its result has the shape of the output followed by the shape of the argument:
    ``J[i, …, j, …] = ∂f[i, …] / ∂x[j, …]``.

    Args:
        f: a function of arrays that returns one array.
        argnums: the argument to differentiate with respect to: one array.

    Raises:
        InvalidArgumentError: the argument or the output is not one array.

    Source: Griewank and Walther, "Evaluating Derivatives", 2008, ch. 3: the backward pass for all
    outputs, many at a time where the gradient rules can take several cotangents side by side.

    >>> import numpy as np
    >>> jacobian(lambda x: x * x)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """

    def jacobian_of(*args: object, **kwargs: object) -> Array:
        run = Tape("jacobian", *function_of("jacobian", (argnums,), f, args, kwargs))
        if len(run.outputs) != 1 or len(run.inputs) != 1:
            raise InvalidArgumentError(
                "jacobian() expects a function from one array to one array. Stack the outputs, or "
                "take the Jacobian with respect to one array at a time.")
        out = run.outputs[0]
        shape = (*out.shape, *run.inputs[0].shape)
        if not out.size:
            return np.zeros(shape, out.dtype)
        rows = None if run.create_graph else _rows_together(run)
        if rows is None:
            units = (_units(out, i, i + 1)[0] for i in range(out.size))
            rows = ops.stack([row for unit in units for row in run.pull_back([unit])])
        return ops.reshape(rows, shape=shape)

    return jacobian_of


TOGETHER = 1 << 21
"""Elements of the cotangents of an output that are pulled back together."""


def _units(out: Tensor, start: int, stop: int) -> Array:
    """Return some of the cotangents that are 1 at one element and 0 at the others."""
    count = min(stop, out.size) - start
    units = np.eye(count, out.size, start, dtype=out.dtype)
    return units.reshape((count, *out.shape))


def _rows_together(run: Tape) -> Array | None:
    """Return the rows of a Jacobian, many at a time; None where a rule cannot do that.

    A rule may look at the numbers of its cotangent, or call functions that take only arrays.
    """
    if MODE.get().hook is not None:
        return None  # who looks at every operation is to see arrays
    out, x = run.outputs[0], run.inputs[0]
    n = max(1, TOGETHER // max(out.size, x.size, 1))
    rows = []
    try:
        for start in range(0, out.size, n):
            units = _units(out, start, start + n)
            with stacking():
                found = run.pull_back([Stack.of(units)])[0]
            rows.append(found.arrays if isinstance(found, Stack)
                        else np.zeros((len(units), *x.shape), x.dtype))  # it does not depend on x
    except Exception:  # one by one, what is wrong will be seen
        return None
    return np.concatenate(rows)


@overload
def hessian(  # type: ignore[overload-overlap]
    f: First[A, P, object], argnums: Literal[0] = 0) -> First[A, P, A]: ...
@overload
def hessian(f: Callable[P, object], argnums: int) -> Callable[P, Any]: ...
def hessian(f: Function, argnums: int = 0) -> Function:
    """Return the matrix of second derivatives: ``H[i, …, j, …] = ∂²f / ∂x[i, …] ∂x[j, …]``.

    Args:
        f: a function of arrays that returns one number.
        argnums: the argument to differentiate with respect to: one array.

    Source: the Jacobian of the gradient, which is a function like any other.

    >>> import numpy as np
    >>> hessian(lambda x: x[0] ** 2 * x[1])(np.array([3.0, 5.0]))
    array([[10.,  6.],
           [ 6.,  0.]])
    """
    return jacobian(grad(f, argnums), argnums)


def hvp(f: Callable[[A], object], x: A, v: A) -> A:
    """Compute the Hessian-vector product ``H(x) v`` without forming the Hessian.

    ``H v = ∇ₓ (∇f(x) · v)``: one more backward pass, whatever the size of x.

    Args:
        f: a function that returns one number.
        x: the point, an array or a nesting of arrays.
        v: the direction, of the same structure and shapes.

    Raises:
        ShapeError: v does not have the shape of x.
        DTypeError: v is not of floating-point numbers.

    Source: Pearlmutter, "Fast exact multiplication by the Hessian", Neural Computation, 1994.

    >>> import numpy as np
    >>> hvp(lambda x: x[0] ** 2 * x[1], np.array([3.0, 5.0]), np.array([1.0, 0.0]))
    array([10.,  6.])
    """
    return _pushed_forward("hvp", grad(f), (x,), (v,))[1]
