"""Functions that are one node of the graph, with a backward pass of their own.

`rematerialize` computes its function again in the backward pass, `fixed_point` and `odeint` solve
an equation there. What the function reads besides its arguments, such as the parameters of a layer,
gets its gradient, too.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array, Value
from tinygrad_mlp.autograd.mode import MODE, changed_mode
from tinygrad_mlp.autograd.op import Op, OpRecord
from tinygrad_mlp.autograd.pytree import leaves, rebuild
from tinygrad_mlp.autograd.tape import Tape, function_of
from tinygrad_mlp.autograd.tensor import Tensor, numeric_array
from tinygrad_mlp.errors import InvalidArgumentError, TraceError

PullBack = Callable[[tuple[Any, ...], tuple[Any, ...], Sequence[Any]], Sequence[Any]]
"""From the cotangents of the outputs, the outputs and the inputs to the cotangents of the inputs.
Tensors with a history, where the result is to be differentiated again."""


def is_tracked(a: object) -> bool:
    """Return whether gradients flow to an argument."""
    return isinstance(a, Value) and a.requires_grad


def require_numbers(name: str, values: Sequence[object]) -> None:
    """Refuse a traced array: what decides by its numbers is no fixed list of operations."""
    for value in values:
        if isinstance(value, Value) and isinstance(value.data, Value):
            raise TraceError(
                f"{name}() decides by the numbers how many steps to take, and cannot be compiled, "
                f"nor explained as formulas. Call it outside of the compiled function.")


def as_one_node(name: str, outs: Sequence[object], inputs: Sequence[object],
                pull_back: PullBack) -> list[Array]:
    """Return the arrays `outs` as the results of one operation on `inputs`."""
    latest: list[Any] = [None, None]  # of which cotangents, and what they became

    def rule(g: Any, y: Any, *arrays: object, position: int) -> Any:
        if latest[0] is not g:
            gs, ys = (g, y) if len(outs) > 1 else ((g,), (y,))
            latest[:] = g, list(pull_back(gs, ys, arrays))
        return latest[1][position]

    def forward(*arrays: object) -> Any:
        return tuple(outs) if len(outs) > 1 else outs[0]

    op = Op(OpRecord(name=name, forward=forward, rules={"arrays": rule}, outputs=len(outs)))
    op.repeatable = False  # a check of its arrays would only get `outs` again
    made = op(*inputs)
    return list(made) if len(outs) > 1 else [made]


def rematerialize(f: Callable[..., object]) -> Callable[..., Any]:
    """Return `f` as a function that keeps none of its intermediate results for the backward pass.

    They are computed again when they are needed: memory for time. A chain of n layers, in √n parts
    that are rematerialized, takes the memory of about 2 √n layers, and one more forward pass.
    Where `f` is compiled or mapped, it is called as it is.

    Args:
        f: a function of arrays, tensors, and nestings of them, or a layer. It must return the same
            whenever it is called with the same arguments.

    Raises:
        InvalidArgumentError: in the backward pass, if `f` returns something else than before.

    Source: Griewank and Walther, "Evaluating Derivatives", 2008, ch. 12.

    >>> import tinygrad_mlp as tg
    >>> float(tg.grad(rematerialize(lambda x: tg.exp(tg.sin(x))))(0.0))
    1.0
    """

    @functools.wraps(f)
    def called(*args: object, **kwargs: object) -> Any:
        mode = MODE.get()
        if not mode.recording or mode.hook is not None:
            return f(*args, **kwargs)
        tree = [list(args), kwargs]
        given = leaves(tree)
        places = [i for i, a in enumerate(given) if is_tracked(a)]

        def of_all(*values: object) -> Any:
            again, named = rebuild(tree, values)
            return f(*again, **named)

        of_tracked, tracked = function_of("rematerialize", places, of_all, given, {})
        run = Tape("rematerialize", of_tracked, tracked)
        results = [i for i, out in enumerate(run.outputs) if out.requires_grad]
        if not results:
            return run.out
        captured, outs = run.captured(), [run.outputs[i].data for i in results]

        def pull_back(g: tuple[object, ...], y: tuple[object, ...],
                      arrays: Sequence[object]) -> list[Any]:
            again = Tape("rematerialize", of_tracked, arrays[: len(places)])
            again.outputs = [again.outputs[i] for i in results]
            if MODE.get().hook is None:  # else there may be no numbers to compare
                _require_same(again.outputs, outs)
            return again.pull_back(g, also=captured)

        made = as_one_node("rematerialize", outs, [*tracked, *captured], pull_back)
        complete = leaves(run.out)
        for i, out in zip(results, made, strict=True):
            complete[i] = out
        return rebuild(run.out, complete)

    return called


def _require_same(found: Sequence[Tensor], expected: Sequence[Array]) -> None:
    for a, b in zip(found, expected, strict=True):
        if a.shape != b.shape or not np.allclose(a.data, b, rtol=1e-5, equal_nan=True):
            raise InvalidArgumentError(
                "rematerialize() expects a function that returns the same whenever it is called "
                "with the same arguments. In the backward pass it returned something else: does "
                "it draw random numbers (dropout), or change what it reads?")


def fixed_point(f: Callable[[Any, Any], Any], a: object, x0: object, *, tol: float = 1e-10,
                max_iter: int = 10_000) -> Any:
    """Solve ``x = f(a, x)`` by iteration, and differentiate the solution with respect to `a`.

    With ``A = ∂f/∂a`` and ``B = ∂f/∂x`` at the solution, ``dx = A da + B dx``. The backward pass
    solves the fixed point ``w = g + Bᵀ w``, and returns ``ā = Aᵀ w``. It keeps no iteration.

    Args:
        f: a function that contracts distances in x, of `a` and of an array like `x0`.
        a: an array, or a nesting of arrays.
        x0: an array to begin with. It has no influence on the solution, and no gradient.
        tol: the iteration ends when no element changes by more than this times the largest.
        max_iter: how many iterations are tried.

    Raises:
        InvalidArgumentError: the iteration does not converge.
        TraceError: it is compiled: how many steps it takes depends on the numbers.

    Source: Christianson, "Reverse accumulation and attractive fixed points", 1994.

    >>> import numpy as np, tinygrad_mlp as tg
    >>> root = lambda a: fixed_point(lambda a, x: (x + a / x) / 2, a, 1.0)  # Newton's, of √a
    >>> round(float(tg.grad(root)(4.0)), 6)
    0.25
    """
    given = leaves(a)
    require_numbers("fixed_point", [*given, x0])
    start = numeric_array(x0)
    start = start if start.dtype.kind == "f" else start.astype(float)

    def step(values: Sequence[object], x: Any) -> Any:
        return f(rebuild(a, values), x)

    with changed_mode(recording=False):
        plain = [v.data if isinstance(v, Value) else v for v in given]
        solution = _iterated(lambda x: step(plain, x), start, tol, max_iter)
    if not MODE.get().recording:
        return solution
    places = [i for i, v in enumerate(given) if is_tracked(v)]

    of_tracked, tracked = function_of(
        "fixed_point", [*places, len(given)], lambda *values: step(values[:-1], values[-1]),
        [*given, solution], {})
    captured = Tape("fixed_point", of_tracked, tracked).captured()
    inputs = [*tracked[:-1], *captured]
    if not inputs:
        return solution

    def pull_back(g: tuple[object, ...], y: tuple[object, ...],
                  arrays: Sequence[object]) -> list[Any]:
        require_numbers("fixed_point", [*g, *y, *arrays])
        run = Tape("fixed_point", of_tracked, [*arrays[: len(places)], y[0]])
        if run.create_graph:
            def adjoint(known: Any, w: Array) -> Array:
                *values, x, cotangent = known
                at = Tape("fixed_point", of_tracked, [*values, x])
                return cotangent + at.pull_back([w])[len(places)]

            known = [*arrays[: len(places)], y[0], g[0]]
            w = fixed_point(adjoint, known, np.zeros_like(solution), tol=tol, max_iter=max_iter)
        else:
            w = _iterated(lambda w: g[0] + run.pull_back([w])[len(places)],
                          np.zeros_like(solution), tol, max_iter)
        found = run.pull_back([w], also=captured)
        return [*found[: len(places)], *found[len(places) + 1 :]]

    return as_one_node("fixed_point", [solution], inputs, pull_back)[0]


def _iterated(f: Callable[[object], object], x: Array, tol: float, max_iter: int) -> Array:
    change = np.inf
    for _ in range(max_iter):
        made = f(x)
        following = np.asarray(made.data if isinstance(made, Value) else made, x.dtype)
        change = np.max(np.abs(following - x), initial=0)
        x = following
        if change <= tol * np.max(np.abs(x), initial=0):
            return x
    raise InvalidArgumentError(
        f"fixed_point() expects a function that contracts distances. After {max_iter} iterations "
        f"x still changes by {change:.3g}: begin nearer to the solution, or raise max_iter or tol.")
