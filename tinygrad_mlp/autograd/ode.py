"""`odeint`: solutions of ordinary differential equations, differentiated by the adjoint method."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.graph import Array, Value
from tinygrad_mlp.autograd.mode import MODE, changed_mode
from tinygrad_mlp.autograd.one_node import as_one_node, is_tracked, require_numbers
from tinygrad_mlp.autograd.pytree import leaves, rebuild
from tinygrad_mlp.autograd.tape import Tape, function_of
from tinygrad_mlp.errors import InvalidArgumentError, ShapeError


def odeint(func: Callable[..., Any], y0: Any, t: Any, args: tuple[Any, ...] = (), *,
           rtol: float = 1e-8, atol: float = 1e-8) -> Any:
    """Solve ``dy/dt = func(y, t, *args)`` from ``y(t[0]) = y0``, as `scipy.integrate.odeint`.

    The gradient comes from a second equation, solved backwards in time: with ``a = ∂L/∂y(t)``,
    ``da/dt = −aᵀ ∂func/∂y``, and an argument p gets ``p̄ = ∫ aᵀ ∂func/∂p dt``. No step of the
    solver is kept. The gradient is exact up to the tolerances of the solver.

    Args:
        func: the derivative of y, an array like y0.
        y0: the state at the time ``t[0]``, an array of any shape.
        t: the times at which y is wanted, ascending or descending.
        args: further arguments of `func`: arrays, or nestings of them, that get gradients. So does
            what `func` reads besides, such as the parameters of a layer.
        rtol, atol: the relative and the absolute tolerance of an element of y.

    Returns:
        y at these times, of shape ``(len(t), *y0.shape)``.

    Raises:
        ShapeError: t is not a vector of at least one time, or `func` returns another shape.
        InvalidArgumentError: the solver fails; its message says why.
        TraceError: it is compiled: how many steps it takes depends on the numbers.

    Source: Pontryagin et al., 1962; Chen et al., "Neural ordinary differential equations", 2018.

    >>> import numpy as np, tinygrad_mlp as tg
    >>> decay = lambda k: odeint(lambda y, t, k: -k * y, 1.0, np.array([0.0, 2.0]), (k,))[1]
    >>> round(float(tg.grad(decay)(0.5)), 6)  # −2 e^−2k
    -0.735759
    """
    given = [y0, t, *leaves(args)]
    require_numbers("odeint", given)
    plain = [_numbers(v) for v in given]
    times = plain[1]
    if times.ndim != 1 or not times.size:
        raise ShapeError(f"odeint() expects a vector of times. Got shape {times.shape}.")
    shape = plain[0].shape

    def slope(y: Any, at: Any, values: Sequence[Any]) -> Any:
        made = func(y, at, *rebuild(args, values))
        if np.shape(made) != shape:
            raise ShapeError(
                f"odeint() expects a function that returns an array of shape {shape}, as y0. It "
                f"returned shape {np.shape(made)}.")
        return made

    with changed_mode(recording=False):
        solution = _solved(lambda y, at: slope(y, at, plain[2:]), plain[0], times, rtol, atol)
    if not MODE.get().recording:
        return solution
    places = [i for i, v in enumerate(given) if is_tracked(v)]
    further = [i for i in places if i > 1]

    of_all, _ = function_of("odeint", [0, 1, *further],
                            lambda y, at, *values: slope(y, at, values), given, {})

    def first(y: Any, *values: object) -> Any:
        return of_all(y, times[0], *values)

    captured = Tape("odeint", first, [plain[0], *(given[i] for i in further)]).captured()
    inputs = [*(given[i] for i in places), *captured]
    if not inputs:
        return solution

    def pull_back(g: tuple[object, ...], y: tuple[object, ...],
                  arrays: Sequence[object]) -> list[Any]:
        require_numbers("odeint", [*g, *y, *arrays])
        known = dict(zip(places, arrays, strict=False))
        values = [known[i] for i in further]
        again = any(map(is_tracked, (*g, *arrays)))  # whether this is to be differentiated
        with changed_mode(recording=again):
            found = _adjoint(of_all, g[0], y[0], known.get(1, times), values, captured,
                             (rtol, atol))
        return [*(found[min(i, 2)] if i < 2 else found[2][further.index(i)] for i in places),
                *found[3]]

    return as_one_node("odeint", [solution], inputs, pull_back)[0]


def _adjoint(of_all: Callable[..., Any], g: Any, y: Any, t: Any, values: Sequence[Any],
             captured: Sequence[Value], tolerances: tuple[float, float]) -> tuple[Any, ...]:
    """Return the cotangents of y0, of the times, of the arguments and of what is captured."""
    times, n = _numbers(t), y[0].size
    like = [*values, *captured]
    sizes = [int(np.size(v)) for v in like]

    def backwards(state: Array, at: object, *values: object) -> Array:
        now = ops.reshape(state[:n], shape=y.shape[1:])
        run = Tape("odeint", lambda now, *values: of_all(now, at, *values), [now, *values])
        a = ops.reshape(state[n : 2 * n], shape=y.shape[1:])
        pulled = run.pull_back([-a], also=captured)
        return ops.concatenate([ops.ravel(p) for p in (run.plain(run.outputs[0]), *pulled)])

    a: Any = np.zeros(y.shape[1:])
    shares: Any = np.zeros(sum(sizes))
    of_times = [0.0] * len(times)
    for i in range(len(times) - 1, 0, -1):
        of_times[i] = ops.sum(of_all(y[i], t[i], *values) * g[i])
        state = ops.concatenate([ops.ravel(p) for p in (y[i], a + g[i], shares)])
        interval = ops.stack([t[i], t[i - 1]])
        state = odeint(backwards, state, interval, tuple(values), rtol=tolerances[0],
                       atol=tolerances[1])[1]
        a, shares = ops.reshape(state[n : 2 * n], shape=y.shape[1:]), state[2 * n :]
    of_times[0] = -ops.sum(of_all(y[0], t[0], *values) * a)
    ends = np.cumsum([0, *sizes])
    found = [ops.reshape(shares[start:stop], shape=np.shape(v))
             for v, start, stop in zip(like, ends, ends[1:], strict=False)]
    return a + g[0], ops.stack(of_times), found[: len(values)], found[len(values) :]


def _numbers(a: object) -> Array:
    return np.asarray(a.data if isinstance(a, Value) else a, float)


def _solved(slope: Callable[[Any, Any], Any], y0: Any, t: Any, rtol: float, atol: float) -> Array:
    """Return the solution by LSODA."""
    from scipy.integrate import odeint as lsoda  # loaded when first used

    def flat(y: Any, at: float) -> Any:
        made = slope(y.reshape(y0.shape), at)
        return np.ravel(made.data if isinstance(made, Value) else made)

    if len(t) == 1:
        return y0[None].copy()
    y, report = lsoda(flat, y0.ravel(), t, rtol=rtol, atol=atol, full_output=True)
    if report["message"] != "Integration successful.":
        raise InvalidArgumentError(f"odeint(): {report['message']}")
    return y.reshape((len(t), *y0.shape))
