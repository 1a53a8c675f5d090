"""Random programs of operations that PyTorch and JAX have, too: the same values and gradients.

A program is a graph of up to ten steps on matrices, rows, columns and numbers, in double or single
precision, with second derivatives in a quarter of them. Only where the libraries are installed
(``pip install -e '.[bench]'``, ``pip install jax``). ``pytest --thorough`` draws 20,000 programs.
`other_libraries` says what the functions are called there.
"""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_mlp as tg
from tests.autograd import other_libraries
from tests.campaigns import chosen

OFFSETS = np.arange(9.0).reshape(3, 3)[:, ::-1] * 3
SHARES = np.array([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0], [0.1, 0.8, 0.1]])

# What a step does with one or two 3×3 matrices, from functions `m` of any of the libraries. Where
# a function has a domain, its argument is brought there; where two libraries define a gradient
# differently (at ties of sort, at the origin of hypot), its argument is kept away.
ANYWHERE = (
    "tanh", "sigmoid", "sin", "cos", "arctan", "arcsinh", "sinc", "erf", "erfc", "square", "relu",
    "softplus", "abs", "sign", "floor", "exp2", "degrees", "gelu", "leaky_relu", "i0",
)
POSITIVE = ("log", "log2", "log10", "log1p", "sqrt", "reciprocal", "gammaln", "digamma", "cbrt")
INSIDE = ("arcsin", "arccos", "arctanh", "erfinv", "tan", "expm1", "logit_of_half", "sinh", "cosh")
ROWS = ("sum", "mean", "max", "min", "var", "std", "logsumexp")  # also over several axes
ALONG = ("softmax", "log_softmax", "cumsum", "cumprod", "prod", "diff", "trapezoid", "flip")
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
    "logaddexp2": lambda m, x, y: m.logaddexp2(x, y),
    "xlogy": lambda m, x, y: m.xlogy(x, y * y + 0.5),
    "mod": lambda m, x, y: m.remainder(x, y * y + 0.5),
    "where": lambda m, x, y: m.where(x > y, x, y * y),
    "einsum": lambda m, x, y: m.einsum("ij,kj->ki", x, y),
    "einsum, a diagonal": lambda m, x, y: m.einsum("ii,jk->ijk", x, y)[1],
    "inner": lambda m, x, y: m.inner(x, y),
    "kron": lambda m, x, y: m.kron(x, y)[2:5, 4:7],
    "outer": lambda m, x, y: m.outer(x[0], y[:, 1]),
    "tensordot": lambda m, x, y: m.tensordot(x, y, 1),
    "cross": lambda m, x, y: m.linalg.cross(x, y + m.constant(OFFSETS)),  # not of x by x
    "solve": lambda m, x, y: m.linalg.solve(positive(m, x), y),
    "solve a row": lambda m, x, y: m.linalg.solve(positive(m, x), y[0]) * y,
    "in a batch": lambda m, x, y: (m.stack([x, y]) @ m.stack([y, x]))[1],
    "inverses of a batch": lambda m, x, y: m.linalg.inv(
        m.stack([positive(m, x), positive(m, y)])).sum(0),
    "a row": lambda m, x, y: x * y[0],
    "a column": lambda m, x, y: x - y[:, 2:],
    "a table of differences": lambda m, x, y: ((x[:, None, :] - y[None]) ** 2).sum(-1),
    "concatenate": lambda m, x, y: m.concatenate([x, y])[1:4],
    "pick by row": lambda m, x, y: m.take_along_axis(x, np.array([[2, 0, 0], [1, 1, 0], [0, 2, 1]])
                                                     ) * y,
    "convolution": lambda m, x, y: m.convolution(x, y)[:, :1] + x,
}
OF_ONE = {
    **{name: lambda m, x, name=name: getattr(m, name)(x) for name in ANYWHERE},
    **{name: lambda m, x, name=name: getattr(m, name)(x * x + 0.5) for name in POSITIVE},
    **{name: lambda m, x, name=name: getattr(m, name)(0.9 * m.tanh(x)) for name in INSIDE},
    "transpose": lambda m, x: x.T,
    "slices": lambda m, x: x[1:, :2].sum() * x[:, :1] + x,
    "strides": lambda m, x: x[::2, 1:].sum(0)[None] @ x[1:, :] + x,
    "indices": lambda m, x: x[[0, 2, 2], :][:, [1, 1, 0]],
    "pairs of indices": lambda m, x: x[[0, 1, 1], [2, 0, 0]] * x,
    "a mask": lambda m, x: x[np.eye(3, dtype=bool)] * x,
    "new axes": lambda m, x: (x[..., None] * x[None])[1],
    "tril": lambda m, x: m.tril(x),
    "triu": lambda m, x: m.triu(x, 1) + x,
    "roll": lambda m, x: m.roll(x, 1, 0),
    "pad": lambda m, x: m.padded(x)[:3, 2:],
    "tile": lambda m, x: m.tile(x, (2, 1))[2:5],
    "diagonal": lambda m, x: m.diagonal(x) * x,
    "diag": lambda m, x: m.diag(x[1]) @ x,
    "trace": lambda m, x: m.trace(x) * x,
    "reshape": lambda m, x: x.reshape((9,)).reshape((3, 3)) * x,
    "stack": lambda m, x: m.stack([x[0], x[2], x[0]]),
    "sort": lambda m, x: m.sort(m.tanh(x) + m.constant(OFFSETS)),
    "clip": lambda m, x: m.clip(x, -0.5, 0.5),
    "standardise": lambda m, x: (x - m.mean(x, 0, True)) / (m.std(x, 0, True) + 0.5),
    "sigmoid cross entropy": lambda m, x: m.sigmoid_cross_entropy(x, m.constant(SHARES)) * x,
    "softmax cross entropy": lambda m, x: m.softmax_cross_entropy(x, m.constant(SHARES)) * x,
    "inv": lambda m, x: m.linalg.inv(positive(m, x)),
    "det": lambda m, x: m.linalg.det(positive(m, x)) * x,
    "slogdet": lambda m, x: m.linalg.slogdet(positive(m, x))[1] * x,
    "cholesky": lambda m, x: m.linalg.cholesky(positive(m, x)),
    "matrix power": lambda m, x: m.linalg.matrix_power(m.tanh(x), 3),
    "pinv, tall": lambda m, x: m.linalg.pinv(apart(m, x)[:, :2]).T @ x[:2],
    "pinv, wide": lambda m, x: m.linalg.pinv(apart(m, x)[:2]) @ x[:2],
    "eigenvalues": lambda m, x: m.linalg.eigvalsh(symmetric(m, x)) * x,
    "a function of eigenvalues": lambda m, x: exponential(m, symmetric(m, x)),
    "singular values": lambda m, x: m.svdvals(apart(m, x)) * x,
    "qr": lambda m, x: m.linalg.qr(apart(m, x))[0] ** 2,  # the signs are LAPACK's choice
    "norm": lambda m, x: m.linalg.norm(x + m.constant(OFFSETS)) * x,
    "norms of rows": lambda m, x: m.norm_of_rows(x + 0.1) * x,
    "norm of order 3": lambda m, x: m.norm_of_order_3(x + 0.1) * x,
    "nuclear norm": lambda m, x: m.nuclear_norm(apart(m, x)) * x,
}
STEPS = [*OF_PAIRS, *OF_ONE, *ROWS, *ALONG]
JUMPS = {"floor", "sign", "where", "mod"}  # in single precision the libraries jump elsewhere
AXES = ((0, False), (1, True), (-1, False), (0, True), (1, False), ((0, 1), True), ((0, 1), False))
SHAPES = ((3, 3), (3, 3), (3,), (3, 1), ())


def positive(m, x):
    """A positive definite matrix made of any."""
    return m.tanh(x) @ m.tanh(x).T + m.constant(np.eye(3))


def apart(m, x):
    """A matrix whose singular values are well apart, and not 0."""
    return 0.3 * m.tanh(x) + m.constant(np.diag([1.0, 3.0, 6.0]))


def symmetric(m, x):
    """A symmetric matrix whose eigenvalues are well apart."""
    return apart(m, x) + apart(m, x).T


def exponential(m, x):
    values, vectors = m.linalg.eigh(0.2 * x)
    return (vectors * m.exp(values)) @ vectors.T


def run(m, program, leaves):
    """A program on two matrices, a row, a column and a number; every value counts at the end."""
    a, b, row, column, number = leaves
    values = [a, b, a * row, b + column, a * number]
    for name, first, second, along in program:
        x, y = values[-1 - first % len(values)], values[-1 - second % len(values)]
        if name in OF_PAIRS:
            out = OF_PAIRS[name](m, x, y)
        elif name in OF_ONE:
            out = OF_ONE[name](m, x)
        elif name in ROWS:
            axis, keepdims = AXES[along]
            of = x + m.constant(OFFSETS) if name == "std" else x  # which has a kink at equal ones
            out = getattr(m, name)(of, axis, keepdims) * x  # back to a matrix, by broadcasting
        else:
            out = getattr(m, name)(x, AXES[along % 5][0])
            out = out if out.shape == x.shape else out.sum() * x
        values.append(m.arcsinh(0.5 * out))  # lest numbers grow without bound
    return sum((m.sin(v)).sum() for v in values)


programs = st.lists(
    st.tuples(st.sampled_from(STEPS), st.integers(0, 9), st.integers(0, 9),
              st.integers(0, len(AXES) - 1)),
    min_size=1, max_size=10,
)


def compared(library, program, seed, dtype, second):
    """Compare what a program gives here and there: value, gradients, a Hessian times a vector."""
    if dtype is np.float32:
        program = [step for step in program if step[0] not in JUMPS]
        second = False
    names = {step[0] for step in program}
    # PyTorch's second derivative of sinc at 0 is NaN, and its trigamma has nine digits.
    second = second and len(program) <= 6 and "sinc" not in names
    rng = np.random.default_rng(seed)
    leaves, direction = ([rng.normal(size=s).astype(dtype) for s in SHAPES] for _ in range(2))
    f = lambda xs: run(other_libraries.ours(dtype), program, xs)  # noqa: E731
    value, gradients = tg.value_and_grad(f)(leaves)
    found = [value, *gradients, *(tg.hvp(f, leaves, direction) if second else [])]
    true = library(run, program, leaves, direction, second, dtype)
    noise = [0.0] * len(true)
    if dtype is np.float32:  # how much single precision loses says double precision
        wide = [a.astype(float) for a in leaves]
        exact = library(run, program, wide, wide, False, np.float64)
        noise = [30 * np.max(np.abs(a - b)) for a, b in zip(true, exact, strict=True)]
    digits = 3e-5 if dtype is np.float32 else 3e-8 if "digamma" in names else 1e-9
    for i, (a, b) in enumerate(zip(found, true, strict=True)):
        assert np.shape(a) == np.shape(b) and a.dtype == dtype
        tolerance = digits * (1 if i < 6 else 100) * max(np.max(np.abs(b)), 1) + noise[i]
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance)


DRAWN = (programs, st.integers(0, 99), st.sampled_from([np.float64, np.float64, np.float32]),
         st.sampled_from([True, False, False, False]))


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")
@settings(max_examples=chosen(40, 20_000))
@given(*DRAWN)
def test_random_programs_agree_with_torch(program, seed, dtype, second):
    compared(other_libraries.in_torch, program, seed, dtype, second)


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")
@settings(max_examples=chosen(2, 300))
@given(*DRAWN)
def test_random_programs_agree_with_jax(program, seed, dtype, second):
    compared(other_libraries.in_jax, program, seed, dtype, second)


def test_a_wrong_gradient_is_found():
    """The comparison itself: with a rule that is off by a thousandth, and with one for float32."""
    def distorted(run, program, leaves, direction, second, dtype):
        one, *others = other_libraries.in_ours(run, program, leaves, direction, second, dtype)
        return [one, *(a * dtype(1.001) for a in others)]

    program = [("tanh", 0, 0, 0), ("matmul", 1, 0, 0)]
    for dtype in (np.float32, np.float64):
        compared(other_libraries.in_ours, program, 0, dtype, True)
        with pytest.raises(AssertionError):
            compared(distorted, program, 0, dtype, True)
