"""Random programs of operations that PyTorch has, too: the same values and gradients.

Only where PyTorch is installed (``pip install -e '.[bench]'``); ``HYPOTHESIS_PROFILE=thorough``
draws thousands of programs.
"""

from __future__ import annotations

import importlib.util
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_mlp as tg

if importlib.util.find_spec("torch") is None:
    pytest.skip("PyTorch is not installed", allow_module_level=True)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import torch

UNARY = ("tanh", "sigmoid", "sin", "cos", "softplus", "relu", "square", "negative", "erf")
BINARY = ("add", "subtract", "multiply", "matmul", "maximum", "minimum")
OF_ROWS = ("sum", "mean", "logsumexp", "softmax", "log_softmax", "var")
ELSEWHERE = {
    "softplus": lambda x: torch.nn.functional.softplus(x, threshold=1e9),
    "var": lambda x, dim: torch.var(x, dim=dim, correction=0),
}

steps = st.tuples(
    st.sampled_from(UNARY + BINARY + OF_ROWS), st.integers(0, 9), st.integers(0, 9),
    st.integers(0, 1),
)  # fmt: skip


def run(library, program, values):
    """A program on 3×3 matrices, in one library or the other; every value counts at the end."""
    values = list(values)
    for name, first, second, axis in program:
        x, y = values[-1 - first % len(values)], values[-1 - second % len(values)]
        ours = library is tg
        f = getattr(tg, name) if ours else ELSEWHERE.get(name) or getattr(torch, name)
        if name in UNARY:
            out = f(x)
        elif name in BINARY:
            out = f(x, y)
        else:
            out = f(x, axis=axis) if ours else f(x, dim=axis)
            if len(out.shape) == 1:  # back to a matrix, by broadcasting
                out = out * x
        values.append(0.5 * out)  # lest numbers grow without bound
    return sum((library.sin(v)).sum() for v in values)


@settings(max_examples=max(200, settings.default.max_examples))
@given(st.lists(steps, min_size=1, max_size=12), st.integers(0, 99))
def test_random_programs_agree_with_torch(program, seed):
    arrays = np.random.default_rng(seed).normal(size=(2, 3, 3))
    leaves = [tg.Tensor(a, requires_grad=True) for a in arrays]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    out, expected = run(tg, program, leaves), run(torch, program, theirs)
    np.testing.assert_allclose(out.item(), expected.item(), rtol=1e-9, atol=1e-10)
    out.backward()
    expected.backward()
    for leaf, their in zip(leaves, theirs, strict=True):
        true = their.grad.numpy()
        scale = np.max(np.abs(true), initial=1)
        np.testing.assert_allclose(leaf.grad, true, rtol=1e-8, atol=1e-9 * scale)
