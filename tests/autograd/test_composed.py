"""Functions composed of operations: NumPy's answers, and gradients that numbers agree with."""

from __future__ import annotations

import operator

import numpy as np
import pytest

import tinygrad_mlp as tg
from tests.every_sample import every_sample
from tinygrad_mlp.autograd.op import IMPLEMENTED_BY

V, W = np.array([0.5, -1.0, 2.0]), np.array([1.5, 0.3, -0.7])
A, B = np.arange(1.0, 7.0).reshape(2, 3) / 3, np.cos(np.arange(6.0)).reshape(2, 3)
S, T = np.array([[2.0, 0.3], [-0.5, 1.5]]), np.sin(np.arange(1.0, 5.0)).reshape(2, 2)
C, D = np.sin(np.arange(24.0)).reshape(2, 3, 4), np.cos(np.arange(24.0)).reshape(3, 4, 2)
SYMMETRIC = np.array([[2.0, 0.3, 0.1], [0.3, 4.0, -0.2], [0.1, -0.2, 1.0]])
INDEX = np.array([[2, 0, 1], [1, 1, 0]])
N = np.array(1.5)


def first(found):
    """The arrays of a result, be it one or several."""
    return list(found) if isinstance(found, (list, tuple)) else [found]


# (arguments to differentiate, the function as one would write it with NumPy or with tg)
CASES = {
    "ravel": [(A, lambda np, a: np.ravel(a)), (N, lambda np, a: np.ravel(a))],
    "squeeze": [(A[None], lambda np, a: np.squeeze(a)),
                (A[None, :, None], lambda np, a: np.squeeze(a, axis=(0, 2)))],
    "expand_dims": [(A, lambda np, a: np.expand_dims(a, 1)),
                    (A, lambda np, a: np.expand_dims(a, (0, -1)))],
    "atleast_1d": [(N, lambda np, a: np.atleast_1d(a)), (A, lambda np, a: np.atleast_1d(a)),
                   (V, N, lambda np, a, b: np.atleast_1d(a, b))],
    "atleast_2d": [(N, lambda np, a: np.atleast_2d(a)), (V, lambda np, a: np.atleast_2d(a)),
                   (V, C, lambda np, a, b: np.atleast_2d(a, b))],
    "atleast_3d": [(N, lambda np, a: np.atleast_3d(a)), (V, lambda np, a: np.atleast_3d(a)),
                   (A, C, lambda np, a, b: np.atleast_3d(a, b))],
    "moveaxis": [(C, lambda np, a: np.moveaxis(a, 0, -1)),
                 (C, lambda np, a: np.moveaxis(a, (0, 1), (-1, 0))),
                 (C, lambda np, a: np.moveaxis(a, [2, 0], [0, 1]))],
    "rollaxis": [(C, lambda np, a: np.rollaxis(a, 2)), (C, lambda np, a: np.rollaxis(a, 0, 3)),
                 (C, lambda np, a: np.rollaxis(a, 1, 1)),
                 (C, lambda np, a: np.rollaxis(a, -1, -2))],
    "broadcast_arrays": [(V, S[:, :1], lambda np, a, b: np.broadcast_arrays(a, b)),
                         (N, V, lambda np, a, b: np.broadcast_arrays(a, b))],
    "concatenate": [(A, B, lambda np, a, b: np.concatenate([a, b], axis=1)),
                    (A, V, lambda np, a, b: np.concatenate((a, b), axis=None))],
    "stack": [(A, B, lambda np, a, b: np.stack([a, b], axis=-1)),
              (N, N, lambda np, a, b: np.stack((a, b)))],
    "vstack": [(V, A, lambda np, a, b: np.vstack([a, b])),
               (N, N, lambda np, a, b: np.vstack([a, b]))],
    "hstack": [(V, W, lambda np, a, b: np.hstack([a, b])),
               (A, S, lambda np, a, b: np.hstack((a, b))),
               (N, V, lambda np, a, b: np.hstack((a, b)))],
    "dstack": [(V, W, lambda np, a, b: np.dstack([a, b])),
               (A, B, lambda np, a, b: np.dstack([a, b]))],
    "column_stack": [(V, W, lambda np, a, b: np.column_stack([a, b])),
                     (S, S[0], lambda np, a, b: np.column_stack([a, b]))],
    "append": [(A, V, lambda np, a, b: np.append(a, b)),
               (A, B, lambda np, a, b: np.append(a, b, axis=0))],
    "diff": [(A, lambda np, a: np.diff(a)), (A, lambda np, a: np.diff(a, n=1, axis=0))],
    "average": [(A, lambda np, a: np.average(a)), (A, lambda np, a: np.average(a, axis=0))],
    "split": [(C, lambda np, a: np.split(a, 2, axis=-1)), (V, lambda np, a: np.split(a, [1])),
              (V, lambda np, a: np.split(a, [1, 5])), (V, lambda np, a: np.split(a, [2, 1]))],
    "array_split": [(V, lambda np, a: np.array_split(a, 2)),
                    (C, lambda np, a: np.array_split(a, 3, axis=2)),
                    (V, lambda np, a: np.array_split(a, 5))],
    "vsplit": [(A, lambda np, a: np.vsplit(a, 2))],
    "hsplit": [(A, lambda np, a: np.hsplit(a, 3)), (V, lambda np, a: np.hsplit(a, [1]))],
    "dsplit": [(C, lambda np, a: np.dsplit(a, 2))],
    "flip": [(C, lambda np, a: np.flip(a)), (C, lambda np, a: np.flip(a, 1)),
             (C, lambda np, a: np.flip(a, (0, -1)))],
    "fliplr": [(A, lambda np, a: np.fliplr(a))],
    "flipud": [(A, lambda np, a: np.flipud(a)), (V, lambda np, a: np.flipud(a))],
    "rot90": [(A, lambda np, a, k=k: np.rot90(a, k)) for k in (-1, 0, 1, 2, 3, 4, 5)]
    + [(C, lambda np, a: np.rot90(a, 1, (2, 0)))],
    "tile": [(V, lambda np, a: np.tile(a, 2)), (A, lambda np, a: np.tile(a, (2, 1, 3))),
             (C, lambda np, a: np.tile(a, 2)), (N, lambda np, a: np.tile(a, (2, 2))),
             (V, lambda np, a: np.tile(a, 0))],
    "repeat": [(A, lambda np, a: np.repeat(a, 2)), (A, lambda np, a: np.repeat(a, 3, axis=-1)),
               (A, lambda np, a: np.repeat(a, [1, 0, 2], axis=1)),
               (N, lambda np, a: np.repeat(a, 3))],
    "take": [(A, lambda np, a: np.take(a, [0, 5, 0])), (A, lambda np, a: np.take(a, 1, axis=1)),
             (A, lambda np, a: np.take(a, INDEX, axis=-1)), (A, lambda np, a: np.take(a, -1)),
             (V, lambda np, a: np.take(a, [-7, 5], mode="wrap")),
             (V, lambda np, a: np.take(a, [-7, 5], mode="clip")),
             (A, lambda np, a: np.take(a, INDEX[:0, 0], axis=1))],
    "take_along_axis": [(A, lambda np, a: np.take_along_axis(a, INDEX, axis=1)),
                        (A, lambda np, a: np.take_along_axis(a, INDEX[1:], axis=0)),
                        (A, lambda np, a: np.take_along_axis(a, INDEX[0], axis=None))],
    "select": [(A, B, lambda np, a, b: np.select([A > 1.5, B > 0], [a, np.multiply(2, b)], 7.0)),
               (A, lambda np, a: np.select([A > 1], [a]))],
    "full_like": [(N, lambda np, a: np.full_like(A, 0.0) + a),
                  (A, lambda np, a: np.full_like(a, 2.0) * a)],
    "real": [(A, lambda np, a: np.real(a))], "imag": [(A, lambda np, a: np.add(np.imag(a), a))],
    "conjugate": [(A, lambda np, a: np.conjugate(a) * a)],
    "zeros_like": [(A, lambda np, a: np.zeros_like(a) + a)],
    "ones_like": [(A, lambda np, a: np.ones_like(a, shape=(4, 2, 3)) * a)],
    "linspace": [
        (N, V, lambda np, a, b: np.linspace(a, b, 4)),
        (A, V, lambda np, a, b: np.linspace(a, b, 3, endpoint=False, axis=-1)),
        (V, W, lambda np, a, b: np.linspace(a, b, 2, retstep=True)),
        (N, lambda np, a: np.linspace(a, 2.0, 1))],
    "gradient": [
        (V, lambda np, a: np.gradient(a)), (C, lambda np, a: np.gradient(a, 0.5)),
        (C, lambda np, a: np.gradient(a, 0.5, 2.0, axis=(2, 1))),
        (V, lambda np, a: np.gradient(a, [0.0, 0.3, 1.0], edge_order=2)),
        (C, lambda np, a: np.gradient(a, [0.0, 0.3, 1.0, 1.1], axis=-1)),
        (V, N, lambda np, a, h: np.gradient(a, h, edge_order=2))],
    "convolve": [(V, S[0], lambda np, a, v, mode=mode: np.convolve(a, v, mode))
                 for mode in ("full", "valid", "same")]
    + [(S[0], V, lambda np, a, v: np.convolve(a, v, "same"))],
    "meshgrid": [(V, S[0], lambda np, a, b: np.meshgrid(a, b)),
                 (V, S[0], lambda np, a, b: np.meshgrid(a, b, indexing="ij", sparse=True)),
                 (V, S[0], W, lambda np, a, b, c: np.meshgrid(a, b, c)),
                 (V, lambda np, a: np.meshgrid(a)), (V, N, lambda np, a, b: np.meshgrid(a, b))],
    "diag": [(V, lambda np, a: np.diag(a)), (V, lambda np, a: np.diag(a, -2)),
             (A, lambda np, a: np.diag(a, 1))],
    "diagflat": [(A, lambda np, a: np.diagflat(a)), (N, lambda np, a: np.diagflat(a, 1))],
    "dot": [(V, W, lambda np, a, b: np.dot(a, b)), (A, V, lambda np, a, b: np.dot(a, b)),
            (A, N, lambda np, a, b: np.dot(a, b)), (V[:2], A, lambda np, a, b: np.dot(a, b)),
            (C, D, lambda np, a, b: np.dot(a, b)), (S, D, lambda np, a, b: np.dot(b, a)),
            (V, C, lambda np, a, b: np.dot(a, b))],
    "vdot": [(A, B, lambda np, a, b: np.vdot(a, b)), (N, N, lambda np, a, b: np.vdot(a, b))],
    "inner": [(A, B, lambda np, a, b: np.inner(a, b)), (C, C[0], lambda np, a, b: np.inner(a, b)),
              (N, V, lambda np, a, b: np.inner(a, b))],
    "outer": [(V, S, lambda np, a, b: np.outer(a, b)), (N, V, lambda np, a, b: np.outer(a, b))],
    "linalg.outer": [(V, W, lambda np, a, b: np.linalg.outer(a, b))],
    "tensordot": [(C, D, lambda np, a, b: np.tensordot(a, b)),
                  (C, D, lambda np, a, b: np.tensordot(a, b, axes=([0, 2], [2, 1]))),
                  (A, V, lambda np, a, b: np.tensordot(a, b, axes=(1, 0))),
                  (V, W, lambda np, a, b: np.tensordot(a, b, axes=0))],
    "linalg.tensordot": [(C, D, lambda np, a, b: np.linalg.tensordot(a, b, axes=2))],
    "kron": [(A, S, lambda np, a, b: np.kron(a, b)), (V, A, lambda np, a, b: np.kron(a, b)),
             (N, A, lambda np, a, b: np.kron(a, b))],
    "cross": [(A, V, lambda np, a, b: np.cross(a, b)),
              (A.T, A.T, lambda np, a, b: np.cross(a, b, axis=0)),
              (A.T, B, lambda np, a, b: np.cross(a, b, axisa=0, axisc=0))],
    "linalg.cross": [(A, V, lambda np, a, b: np.linalg.cross(a, b))],
    "linalg.multi_dot": [
        (A, A.T, S, lambda np, a, b, c: np.linalg.multi_dot([a, b, c])),
        (V, A.T, S, S[0], lambda np, a, b, c, d: np.linalg.multi_dot([a, b, c, d])),
        (A, V, lambda np, a, b: np.linalg.multi_dot([a, b])),
    ],
    "einsum": [
        (A, B, lambda np, a, b: np.einsum("ij,kj", a, b)), (S, lambda np, a: np.einsum("ii", a)),
        (S, lambda np, a: np.einsum("ba", a)), (C, lambda np, a: np.einsum("...ij->...ji", a)),
        (C, D, lambda np, a, b: np.einsum("...jk,jkl->...l", a, b)),
        (C, A, lambda np, a, b: np.einsum("...k,...->k...", a, b)),
        (C, lambda np, a: np.einsum("k...->...", a)), (C, lambda np, a: np.einsum("...", a)),
        (A, V, lambda np, a, b: np.einsum(a, [0, 1], b, [1], [0])),
        (A, B, lambda np, a, b: np.einsum(a, [0, 1], b, [2, 1])),
        (C, S, lambda np, a, b: np.einsum(b, [0, 5], a, [5, ...], [0, ...])),
        (A, B, V, lambda np, a, b, c: np.einsum("ij,kj,j->ik", a, b, c, optimize=True)),
        (A, A[:, :1], lambda np, a, b: np.einsum("ij,ij->i", a, b)),
        (V, N, lambda np, a, b: np.einsum("i,->i", a, b)),
        (A, lambda np, a: np.einsum("ij,ij,ij->i", a, a, a)),
    ],
    "pad": [
        (A, lambda np, a: np.pad(a, 1)), (A, lambda np, a: np.pad(a, ((0, 1), (2, 0)), "edge")),
        (C, lambda np, a: np.pad(a, {-1: (1, 2)}, "wrap")),
        *[(A, lambda np, a, mode=mode: np.pad(a, ((2, 1), (0, 3)), mode))
          for mode in ("mean", "maximum", "minimum", "median", "linear_ramp")],
        (A, lambda np, a: np.pad(a, 2, "mean", stat_length=((1, 2), (2, 1)))),
        (V, lambda np, a: np.pad(a, 3, "linear_ramp", end_values=(1.0, -2.0))),
    ],
    "linalg.pinv": [
        (A, lambda np, a: np.linalg.pinv(a)), (A, lambda np, a: np.linalg.pinv(a, rtol=1e-9)),
        (SYMMETRIC, lambda np, a: np.linalg.pinv(a, None, True, rtol=None)),
    ],
    "linalg.slogdet": [(S, lambda np, a: np.linalg.slogdet(a))],
    "linalg.matrix_power": [(S, lambda np, a, n=n: np.linalg.matrix_power(a, n) + a)
                            for n in (-2, -1, 0, 1, 2, 3, 5)],
    "linalg.eigh": [(SYMMETRIC, lambda np, a: np.linalg.eigh(a)),
                    (SYMMETRIC, lambda np, a: np.linalg.eigh(a, "U").eigenvectors)],
    "linalg.svd": [(A, lambda np, a: np.linalg.svd(a, full_matrices=False)),
                   (S, lambda np, a: np.linalg.svd(a).Vh),
                   (A, lambda np, a: np.linalg.svd(a, compute_uv=False))],
    "linalg.qr": [(A, lambda np, a: np.linalg.qr(a)), (A.T, lambda np, a: np.linalg.qr(a, "r")),
                  (A, lambda np, a: np.linalg.qr(a, "complete").Q)],
    "linalg.vector_norm": [(A, lambda np, a, p=p: np.linalg.vector_norm(a, ord=p, axis=1))
                           for p in (2, 1, 3.5, np.inf, -np.inf, 0.5, -2)],
    "linalg.matrix_norm": [(C, lambda np, a: np.linalg.matrix_norm(a)),
                           (C, lambda np, a: np.linalg.matrix_norm(a, ord=2, keepdims=True))],
    "linalg.norm": [
        (C, lambda np, a: np.linalg.norm(a)), (V, lambda np, a: np.linalg.norm(a, 1)),
        (A, lambda np, a: np.linalg.norm(a, axis=0, keepdims=True)),
        *[(A, lambda np, a, p=p: np.linalg.norm(a, p))
          for p in (None, "fro", "nuc", 2, -2, 1, -1, np.inf, -np.inf)],
        *[(C, lambda np, a, p=p: np.linalg.norm(a, p, axis=(2, 0), keepdims=True))
          for p in (None, "nuc", 2, 1, -np.inf)],
        *[(C, lambda np, a, p=p: np.linalg.norm(a, p, axis=(-3, 1))) for p in (1, np.inf)],
    ],
    "linalg.diagonal": [(C, lambda np, a: np.linalg.diagonal(a, offset=1))],
    "linalg.trace": [(C, lambda np, a: np.linalg.trace(a))],
    "linalg.matrix_transpose": [(C, lambda np, a: np.linalg.matrix_transpose(a))],
    "matrix_transpose": [(C, lambda np, a: np.linalg.matrix_transpose(a))],
}


def name_of(function):
    return ("linalg." if function.__module__ == "numpy.linalg" else "") + function.__name__


def test_the_table_is_complete():
    # Python's; an operation, whose view is noted; and a store: tests/autograd/stores
    elsewhere = {operator.getitem, np.broadcast_to, np.copyto, np.put, np.putmask, np.place,
                 np.fill_diagonal}
    of_numpy = IMPLEMENTED_BY.keys() - elsewhere
    assert set(CASES) == {name_of(function) for function in of_numpy}


every_function = pytest.mark.parametrize("row_samples", CASES.values(), ids=CASES)


def tracked(arrays):
    return [tg.Tensor(a, requires_grad=True) for a in arrays]


@every_function
@every_sample
def test_called_from_either_package_it_gives_what_numpy_gives(row):
    *arrays, f = row
    expected = first(f(np, *arrays))
    for found in (f(np, *tracked(arrays)), f(tg, *tracked(arrays)), f(tg, *arrays)):
        found = first(found)
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            array = one.data if isinstance(one, tg.Tensor) else one
            np.testing.assert_allclose(array, other, rtol=1e-13, atol=1e-14, strict=True)


@every_function
@every_sample
def test_lists_and_numbers_do_as_arrays(row):
    *arrays, f = row
    found = first(f(tg, *(a.tolist() for a in arrays)))
    for one, other in zip(found, first(f(np, *arrays)), strict=True):
        assert isinstance(one, (np.ndarray, np.generic)), type(one)
        np.testing.assert_allclose(one, other, rtol=1e-13, atol=1e-14)


@every_function
@every_sample
def test_its_gradient_is_what_numbers_say(row, assert_derivative):
    *arrays, f = row
    weights = [np.cos(1.0 + np.arange(o.size)).reshape(o.shape) for o in first(f(np, *arrays))]

    def number(np_, *arguments):
        parts = first(f(np_, *arguments))
        return sum((np_.sum(w * part) for w, part in zip(weights, parts, strict=True)), 0.0)

    places = tuple(range(len(arrays)))
    for i, g in enumerate(tg.grad(lambda *a: number(tg, *a), places)(*arrays)):

        def of_one(x, i=i):
            return number(np, *arrays[:i], x, *arrays[i + 1 :])

        assert_derivative(g, of_one, arrays[i])


@every_function
@every_sample
def test_compiled_it_is_the_same(row):
    *arrays, f = row
    compiled = tg.compile(lambda *a: tuple(first(f(tg, *a))))
    for _ in range(2):
        for one, other in zip(compiled(*arrays), first(f(np, *arrays)), strict=True):
            np.testing.assert_allclose(np.asarray(one), other, rtol=1e-12, atol=1e-13)


@every_function
@every_sample
def test_float32_stays_float32(row):
    *arrays, f = row
    small = [a.astype(np.float32) for a in arrays]
    for one, other in zip(first(f(tg, *tracked(small))), first(f(np, *small)), strict=True):
        assert one.dtype == other.dtype
