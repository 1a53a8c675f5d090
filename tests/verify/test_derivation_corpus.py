"""Every file of the corpus: its derivation is right, and each of its mistakes makes it wrong."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import tinygrad_mlp as tg
from tests.verify.derivation_corpus import files, right, wrong

FILES = pytest.mark.parametrize("path", files(), ids=lambda p: f"{p.parent.name}-{p.stem}")


@FILES
def test_the_derivation_of_the_file_is_autograds_gradient(path):
    exercise = right(path)
    for seed in (0, 1):
        point = exercise.point(seed)
        names = list(inspect.signature(exercise.loss).parameters)
        _, gradients = tg.value_and_grad(
            tg.differentiable(exercise.loss), argnums=tuple(range(len(names))))(
            *(point[name] for name in names))
        given = exercise.derived(**point)
        for name, gradient in zip(names, gradients, strict=True):
            scale = np.abs(gradient).max() + 1e-12
            assert np.abs(given[name] - gradient).max() <= 1e-7 * scale, name


@FILES
def test_each_mistake_changes_a_gradient(path):
    good = right(path)
    found = list(wrong(path))
    assert len(found) >= 5
    for exercise in found:
        point = good.point(0)
        a, b = good.derived(**point), exercise.derived(**point)
        assert any(not np.allclose(a[k], b[k], rtol=1e-6, atol=0) for k in point), exercise.name
        assert exercise.lines
