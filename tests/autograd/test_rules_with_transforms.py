"""Rules that call `grad`, `vjp` or `jacobian` themselves: checkpoints, fixed points."""

from __future__ import annotations

import functools
import itertools
import warnings

import numpy as np
import pytest

import tinygrad_mlp as tg
from tinygrad_mlp.errors import OpDefinitionError

COUPLING = np.array([[0.1, 0.05], [-0.1, 0.15]])
POINT = np.array([0.3, -0.7])


def smooth_function(x):
    return tg.sin(x) * tg.exp(0.3 * x)


def equilibrium(x):
    """The solution of ``y = tanh(W y + x)``, unrolled."""
    y = np.zeros(2)
    for _ in range(14):
        y = tg.tanh(COUPLING @ y + x)
    return y


def equilibrium_rule(g, y, x):
    """The implicit function theorem: ``x̄ = (∂F/∂x)ᵀ u`` with ``(I − ∂F/∂y)ᵀ u = g``."""
    step = lambda y, x: tg.tanh(COUPLING @ y + x)  # noqa: E731
    slope = tg.jacobian(step)(y, x)
    u = tg.solve((np.eye(2) - slope).T, g)
    return tg.vjp(lambda x: step(y, x), x)[1](u)[0]


OF_TRANSFORMS = {
    "vjp": (smooth_function, lambda g, y, x: tg.vjp(smooth_function, x)[1](g)[0]),
    "grad": (smooth_function,
             lambda g, y, x: g * tg.grad(lambda x: tg.sum(smooth_function(x)))(x)),
    "fixed point": (equilibrium, equilibrium_rule),
}
ASKED = {
    "grad": tg.grad, "hessian": tg.hessian,
    "hvp": lambda f: lambda x: tg.hvp(f, x, np.array([1.0, -2.0])),
    "backward": lambda f: lambda x: backward_of(f, x),
    "compiled": lambda f: tg.compile(tg.grad(f)),
}


def backward_of(f, x):
    x = tg.Tensor(x, requires_grad=True)
    f(x).backward()
    return x.grad


@functools.cache
def unruled(kind, asked):
    """What the engine finds without the rule."""
    function, _ = OF_TRANSFORMS[kind]
    return ASKED[asked](lambda x: tg.sum(function(x) ** 2))(POINT)


@pytest.mark.parametrize("kind", OF_TRANSFORMS)
@pytest.mark.parametrize("order", list(itertools.permutations(ASKED, 2)), ids="-".join)
def test_a_rule_may_call_transforms_whatever_is_asked_for_first(kind, order):
    function, rule = OF_TRANSFORMS[kind]
    op = tg.op(register=False, rules={"x": rule})(function)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for asked in order:
            found = ASKED[asked](lambda x: tg.sum(op(x) ** 2))(POINT)
            np.testing.assert_allclose(found, unruled(kind, asked), rtol=1e-9, atol=1e-10)


def test_such_rules_have_third_derivatives():
    op = tg.op(register=False, rules={"x": OF_TRANSFORMS["vjp"][1]})(smooth_function)
    third = [tg.jacobian(tg.hessian(lambda x, f=f: tg.sum(f(x))))(POINT)
             for f in (op, smooth_function)]
    np.testing.assert_allclose(*third, rtol=1e-10)


def test_a_rule_that_takes_raw_numbers_into_a_transform_is_still_found():
    def rule(g, y, x):
        return g * tg.grad(lambda x: tg.sum(smooth_function(x)))(np.asarray(getattr(x, "data", x)))

    op = tg.op(register=False, rules={"x": rule})(smooth_function)
    with pytest.raises(OpDefinitionError, match="raw numbers"):
        tg.hessian(lambda x: tg.sum(op(x)))(POINT)
