"""`check_grads` of autograd, by `tg.verify.check_grad`'s mathematics: numbers against rules.

Derivatives along a random direction are compared with central differences, in reverse mode and in
forward mode, to the second order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.pytree import leaves, map_leaves
from tinygrad_mlp.autograd.tape import function_of
from tinygrad_mlp.compat.autograd.operators import make_jvp, make_vjp

EPS = 1e-6
TOL = 1e-6


def _random_like(tree: object, rng: np.random.Generator) -> Any:
    return map_leaves(lambda a: rng.standard_normal(np.shape(a)), tree)


def _inner(one: object, other: object) -> float:
    return float(sum(np.sum(a * b) for a, b in zip(leaves(one), leaves(other), strict=True)))


def _require_close(what: str, a: float, b: float) -> None:
    if abs(a - b) > TOL * max(1.0, abs(a + b)):
        raise AssertionError(f"check_grads: {what} is {a:.10g}, and numbers say {b:.10g}.")


def check_grads(f: Callable[..., object], argnum: int | Sequence[int] | None = None,
                modes: Sequence[str] = ("fwd", "rev"), order: int = 2) -> Callable[..., None]:
    """Return the function ``(*args)`` that raises where derivatives of `f` are not right."""
    return lambda *args, **kwargs: _check(f, argnum, modes, order, args, kwargs)


def _check(f: Callable[..., object], argnum: Any, modes: Sequence[str], order: int, args: Any,
           kwargs: Any) -> None:
    places = range(len(args)) if argnum is None else argnum
    chosen = (places,) if isinstance(places, int) else tuple(places)
    rng = np.random.default_rng(0)
    of_chosen, at = function_of("check_grads", chosen, f, args, kwargs)

    def moved(x: Sequence[object]) -> Any:
        return of_chosen(*x)

    v = _random_like(at, rng)
    plus, minus = (moved(map_leaves(lambda a, b, s=s: a + s * EPS * b, at, v)) for s in (0.5, -0.5))
    push = make_jvp(moved)(at)
    u = _random_like(push(v)[0], rng)
    numeric = _inner(u, map_leaves(lambda a, b: (a - b) / EPS, plus, minus))
    if "fwd" in modes:
        _require_close("a derivative in forward mode", _inner(u, push(v)[1]), numeric)
        if order > 1:
            _check(lambda x: make_jvp(moved)(x)(v)[1], None, modes, order - 1, (at,), {})
    if "rev" in modes:
        _require_close("a gradient", _inner(make_vjp(moved)(at)[0](u), v), numeric)
        if order > 1:
            _check(lambda x: make_vjp(moved)(x)[0](u), None, modes, order - 1, (at,), {})


def combo_check(fun: Callable[..., object], *args: Any, **options: Any) -> Callable[..., None]:
    """Return a check of all combinations of the given lists of arguments."""

    def check(*lists: Sequence[object], **named: Sequence[object]) -> None:
        for given in product(*lists):
            for values in product(*named.values()):
                keywords = dict(zip(named, values, strict=True))
                check_grads(lambda *a, kw=keywords: fun(*a, **kw), *args, **options)(*given)

    return check
