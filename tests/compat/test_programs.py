"""The programs that autograd is used for: the same numbers from both libraries."""

from __future__ import annotations

import numpy as np
import pytest

from tests.compat.programs import PROGRAMS, autograds, ours
from tinygrad_mlp.autograd.pytree import leaves, leaves_like, map_leaves


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_gradient_of_a_program_is_right(name):
    lib = ours()
    loss, p = PROGRAMS[name](lib)
    gradient = leaves_like(p, lib.grad(loss)(p))
    rng = np.random.default_rng(0)
    along = map_leaves(lambda a: rng.normal(size=np.shape(a)), p)
    h = 1e-5
    up, down = (loss(map_leaves(lambda a, d, s=s: a + s * h * d, p, along)) for s in (1, -1))
    expected = sum(np.sum(g * d) for g, d in zip(gradient, leaves(along), strict=True))
    scale = sum(np.sum(np.abs(g * d)) for g, d in zip(gradient, leaves(along), strict=True))
    assert abs((up - down) / (2 * h) - expected) < 1e-5 * scale


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_gives_what_autograd_gives(name):
    pytest.importorskip("autograd")
    found, expected = (
        [np.asarray(g) for g in leaves_like(p, plain(lib.grad(loss)(p)))]
        for lib, (loss, p) in ((lib, PROGRAMS[name](lib)) for lib in (ours(), autograds())))
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11 * max(1, np.abs(b).max()))


def plain(tree):
    """Return autograd's containers as Python's."""
    if isinstance(tree, dict):
        return {key: plain(value) for key, value in tree.items()}
    return [plain(value) for value in tree] if isinstance(tree, (list, tuple)) else tree
