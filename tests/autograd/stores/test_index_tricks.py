"""``np.r_`` and ``np.c_`` of the recording NumPy: NumPy's arrays, and gradients."""

from __future__ import annotations

import numpy
import pytest

import tinygrad_mlp as tg
import tinygrad_mlp.numpy as tg_numpy

X = numpy.array([1.0, -2.0, 3.0])

JOINED = {
    "numbers and a range": lambda np, x: np.r_[x, 0, 1:4],
    "a number first": lambda np, x: np.r_[1.5, x, x[0]],
    "one vector": lambda np, x: np.r_[x],
    "columns": lambda np, x: np.c_[x, x**2],
    "a range as a column": lambda np, x: np.c_[1:4, x],
    "rows": lambda np, x: np.r_["0,2", x, [1.0, 2.0, 3.0]],
    "along the last axis": lambda np, x: np.r_["-1", np.c_[x, x], np.ones((3, 1))],
    "as a new axis": lambda np, x: np.r_["0,2,0", x, x]}


@pytest.mark.parametrize("case", JOINED)
def test_brackets_join_as_numpys_do_and_are_differentiated(case):
    f = JOINED[case]
    found = f(tg_numpy, tg.Tensor(X, requires_grad=True))
    numpy.testing.assert_array_equal(found.data, f(numpy, X), strict=True)
    tg.verify.check_grad(lambda x: tg.sum(f(tg_numpy, x) ** 2), X).assert_ok()


def test_lists_of_tensors_are_appended():
    def f(x):
        return tg.sum(tg_numpy.append([x[0], x[1]], [[x[2]], [1.0]], axis=None) ** 2)

    numpy.testing.assert_array_equal(tg.grad(f)(X), 2 * X)


def test_without_tensors_they_are_numpys():
    numpy.testing.assert_array_equal(tg_numpy.r_[X, 1:3], numpy.r_[X, 1:3])
    assert type(tg_numpy.c_[X, X]) is numpy.ndarray


def test_numpys_own_are_reached_by_exchanging_numpy():
    def f(x):
        return numpy.sum(numpy.r_[x, x[:1]] ** 2)

    numpy.testing.assert_array_equal(tg.grad(f, stores=True)(X), [4.0, -4.0, 6.0])
