"""Random programs of operations that PyTorch and JAX have, too: the same values and gradients.

Only where they are installed (``pip install -e '.[bench]'``, ``pip install jax``);
``pytest --thorough`` draws thousands of programs.
"""

from __future__ import annotations

import importlib.util
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_mlp as tg
from tests.campaigns import chosen

OFFSETS = np.arange(9.0).reshape(3, 3)[:, ::-1] * 3

# What a step does with one or two 3×3 matrices, from functions `m` of any of the libraries. Where
# a function has a domain, its argument is brought there; where two libraries define a gradient
# differently (at ties of sort, at the origin of hypot), its argument is kept away.
ANYWHERE = (
    "tanh", "sigmoid", "sin", "cos", "arctan", "arcsinh", "sinc", "erf", "erfc", "square", "relu",
    "softplus", "abs", "sign", "floor", "exp2", "degrees", "gelu",
)
POSITIVE = ("log", "log2", "log10", "log1p", "sqrt", "reciprocal", "gammaln", "digamma", "cbrt")
INSIDE = ("arcsin", "arccos", "arctanh", "erfinv", "tan", "expm1", "logit_of_half")
ROWS = ("sum", "mean", "prod", "max", "min", "var", "logsumexp")
ALONG = ("softmax", "log_softmax", "cumsum", "cumprod")
OF_PAIRS = {
    "add": lambda m, x, y: x + y,
    "subtract": lambda m, x, y: x - y,
    "multiply": lambda m, x, y: x * y,
    "divide": lambda m, x, y: x / (y * y + 0.5),
    "power": lambda m, x, y: (x * x + 0.5) ** m.tanh(y),
    "matmul": lambda m, x, y: x @ y,
    "maximum": lambda m, x, y: m.maximum(x, y),
    "minimum": lambda m, x, y: m.minimum(x, y),
    "fmax": lambda m, x, y: m.fmax(x, y),
    "hypot": lambda m, x, y: m.hypot(x, y * y + 0.5),
    "arctan2": lambda m, x, y: m.arctan2(x, y * y + 0.5),
    "logaddexp": lambda m, x, y: m.logaddexp(x, y),
    "xlogy": lambda m, x, y: m.xlogy(x, y * y + 0.5),
    "where": lambda m, x, y: m.where(x > y, x, y * y),
    "einsum": lambda m, x, y: m.einsum("ij,kj->ki", x, y),
    "inner": lambda m, x, y: m.inner(x, y),
    "kron": lambda m, x, y: m.kron(x, y)[2:5, 4:7],
    "outer": lambda m, x, y: m.outer(x[0], y[:, 1]),
    "solve": lambda m, x, y: m.linalg.solve(positive(m, x), y),
}
OF_ONE = {
    **{name: lambda m, x, name=name: getattr(m, name)(x) for name in ANYWHERE},
    **{name: lambda m, x, name=name: getattr(m, name)(x * x + 0.5) for name in POSITIVE},
    **{name: lambda m, x, name=name: getattr(m, name)(0.9 * m.tanh(x)) for name in INSIDE},
    "transpose": lambda m, x: x.T,
    "slices": lambda m, x: x[1:, :2].sum() * x[:, :1] + x,
    "indices": lambda m, x: x[[0, 2, 2], :][:, [1, 1, 0]],
    "tril": lambda m, x: m.tril(x),
    "triu": lambda m, x: m.triu(x, 1) + x,
    "roll": lambda m, x: m.roll(x, 1, 0),
    "diagonal": lambda m, x: m.diagonal(x) * x,
    "trace": lambda m, x: m.trace(x) * x,
    "reshape": lambda m, x: x.reshape((9,)).reshape((3, 3)) * x,
    "stack": lambda m, x: m.stack([x[0], x[2], x[0]]),
    "sort": lambda m, x: m.sort(m.tanh(x) + m.constant(OFFSETS)),
    "clip": lambda m, x: m.clip(x, -0.5, 0.5),
    "inv": lambda m, x: m.linalg.inv(positive(m, x)),
    "det": lambda m, x: m.linalg.det(positive(m, x)) * x,
    "slogdet": lambda m, x: m.linalg.slogdet(positive(m, x))[1] * x,
    "cholesky": lambda m, x: m.linalg.cholesky(positive(m, x)),
    "norm": lambda m, x: m.linalg.norm(x + m.constant(OFFSETS)) * x,
}
STEPS = [*OF_PAIRS, *OF_ONE, *ROWS, *ALONG]


def positive(m, x):
    """A positive definite matrix made of any."""
    return m.tanh(x) @ m.tanh(x).T + m.constant(np.eye(3))


def half_logit(logit):
    return lambda x: logit(0.5 + 0.4 * x)


def our_functions():
    return SimpleNamespace(
        **{name: getattr(tg, name) for name in dir(tg)},
        constant=lambda a: a, logit_of_half=half_logit(tg.logit),
    )


def torch_functions():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torch

    f, special = torch.nn.functional, torch.special

    def rows(g):
        return lambda x, axis: g(x, dim=axis)

    return SimpleNamespace(
        **{
            **vars(torch),
            **{name: rows(getattr(torch, name)) for name in (
                "sum", "mean", "prod", "logsumexp", "softmax", "log_softmax", "cumsum", "cumprod"
            )},
            "max": rows(torch.amax), "min": rows(torch.amin),
            "var": lambda x, axis: torch.var(x, dim=axis, correction=0),
            "softplus": lambda x: f.softplus(x, threshold=1e9), "gelu": f.gelu,
            "degrees": torch.rad2deg, "gammaln": torch.lgamma, "xlogy": special.xlogy,
            "cbrt": lambda x: x ** (1 / 3), "sort": lambda x: torch.sort(x).values,
            "constant": lambda a: torch.tensor(a.copy()),
            "logit_of_half": half_logit(torch.logit),
        }
    )


def jax_functions():
    import jax
    import jax.numpy as jnp
    from jax.scipy import special

    names = "erf erfc gammaln digamma erfinv xlogy logsumexp".split()
    return SimpleNamespace(
        **{
            **vars(jnp),
            **{name: getattr(special, name) for name in names},
            **{name: getattr(jax.nn, name) for name in (
                "sigmoid", "relu", "softplus", "softmax", "log_softmax"
            )},
            "gelu": lambda x: jax.nn.gelu(x, approximate=False),
            "constant": jnp.asarray,
            "logit_of_half": half_logit(special.logit),
        }
    )


def run(m, program, values):
    """A program on 3×3 matrices, in one library or another; every value counts at the end."""
    values = list(values)
    for name, first, second, axis in program:
        x, y = values[-1 - first % len(values)], values[-1 - second % len(values)]
        if name in OF_PAIRS:
            out = OF_PAIRS[name](m, x, y)
        elif name in OF_ONE:
            out = OF_ONE[name](m, x)
        elif name in ROWS:
            out = getattr(m, name)(x, axis=axis) * x  # back to a matrix, by broadcasting
        else:
            out = getattr(m, name)(x, axis=axis)
        values.append(m.arcsinh(0.5 * out))  # lest numbers grow without bound
    return sum((m.sin(v)).sum() for v in values)


programs = st.lists(
    st.tuples(st.sampled_from(STEPS), st.integers(0, 9), st.integers(0, 9), st.integers(0, 1)),
    min_size=1, max_size=10,
)


def agree(program, seed, number, gradient):
    """Whether value and gradients are those that another library gives for two matrices."""
    arrays = np.random.default_rng(seed).normal(size=(2, 3, 3))
    value, gradients = tg.value_and_grad(lambda xs: run(our_functions(), program, xs))(list(arrays))
    np.testing.assert_allclose(value, number(arrays), rtol=1e-9, atol=1e-10)
    for g, true in zip(gradients, gradient(arrays), strict=True):
        scale = np.max(np.abs(true), initial=1)
        np.testing.assert_allclose(g, true, rtol=1e-8, atol=1e-9 * scale)


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")
@settings(max_examples=chosen(100, 2000))
@given(programs, st.integers(0, 99))
def test_random_programs_agree_with_torch(program, seed):
    import torch

    m = torch_functions()

    def leaves(arrays):
        return [torch.tensor(a, requires_grad=True) for a in arrays]

    def gradient(arrays):
        xs = leaves(arrays)
        run(m, program, xs).backward()
        return [x.grad.numpy() for x in xs]

    agree(program, seed, lambda arrays: run(m, program, leaves(arrays)).item(), gradient)


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")
@settings(max_examples=chosen(10, 200))
@given(programs, st.integers(0, 99))
def test_random_programs_agree_with_jax(program, seed):
    import jax

    m = jax_functions()
    f = lambda xs: run(m, program, xs)  # noqa: E731
    with jax.enable_x64(True):
        agree(program, seed, lambda a: float(f(list(map(m.constant, a)))),
              lambda a: list(map(np.asarray, jax.grad(f)(list(map(m.constant, a))))))
