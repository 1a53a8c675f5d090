"""Numbers without an axis, arrays without elements, indices of every kind: all as NumPy has it.

A complete table: every function of shapes, reductions, products and indices, on arrays of every
kind. Values, shapes and dtypes are NumPy's; where NumPy raises, so does the package, by an error of
its own; the gradient exists and has the shape of the argument.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import tinygrad_mlp as tg
from tinygrad_mlp.errors import NotDifferentiableError, TinygradError

ARRAYS = {
    "a number": np.array(5.0), "a vector": np.array([1.0, 2.0, 3.0]),
    "a matrix": np.arange(6.0).reshape(2, 3), "no rows": np.zeros((0, 3)),
    "no elements": np.zeros(0), "no columns": np.zeros((2, 0)),
}

INDICES = {
    "[]": [], "()": (), "empty floats": np.array([]), "empty integers": np.array([], int),
    "empty booleans": np.zeros(0, bool), "[], 0": ([], 0), ":, []": (slice(None), []),
    "[], []": ([], []), "..., []": (Ellipsis, []), "[[]]": [[]], "[[], []]": [[], []],
    "((),)": ((),), "((0, 1),)": ((0, 1),), "True": True, "False": False, "np.True_": np.True_,
    "None": None, "booleans": [True, False, True], "a column": [[0], [1]],
    "bytes": np.array([1, 0], np.uint8), "a NumPy integer": np.int64(1), "0-d": np.array(1),
    "0-d boolean": np.array(True), "reversed": slice(None, None, -1), "nothing": slice(0, 0),
    "np.ix_": np.ix_([0], []), "None, []": (None, []), "booleans, 0": (np.array([True, False]), 0),
}

CALLS = {
    **{f"x[{name}]": lambda x, index=index: x[index] for name, index in INDICES.items()},
    **{f"{name}, axis={axis}": lambda x, name=name, axis=axis: getattr(np, name)(x, axis=axis)
       for name in ("sum", "max", "min", "mean", "std", "var", "prod", "cumsum", "cumprod",
                    "median", "any", "all", "argmax", "argmin", "count_nonzero", "sort", "argsort",
                    "flip", "average", "squeeze")
       for axis in (0, -1, None)},
    "sum, axis=()": lambda x: np.sum(x, axis=()),
    "squeeze, axis=()": lambda x: np.squeeze(x, axis=()),
    **{f"take {i!r}, axis={axis}": lambda x, i=i, axis=axis: np.take(x, i, axis=axis)
       for i in (0, [], [True, False], [[0], [0]], (0,)) for axis in (None, 0, -1)},
    "take, an empty table": lambda x: np.take(x, np.zeros((0, 2), int)),
    "take, empty floats": lambda x: np.take(x, np.array([])),
    "take, floats": lambda x: np.take(x, np.array([0.0])),
    "take, wrap": lambda x: np.take(x, np.array([200], np.uint8), mode="wrap"),
    "take, clip": lambda x: np.take(x, [], mode="clip"),
    **{f"repeat {n}, axis={axis}": lambda x, n=n, axis=axis: np.repeat(x, n, axis=axis)
       for n in (0, 2, [2], []) for axis in (None, 0, -1)},
    "partition": lambda x: np.partition(x, 0),
    "diff": np.diff, "trapezoid": np.trapezoid, "roll": lambda x: np.roll(x, 1),
    "roll, axis": lambda x: np.roll(x, 1, 0), "tile": lambda x: np.tile(x, 2),
    "tile, rows": lambda x: np.tile(x, (2, 1)), "tile, none": lambda x: np.tile(x, 0),
    "tile, ()": lambda x: np.tile(x, ()), "expand_dims": lambda x: np.expand_dims(x, 0),
    "transpose": np.transpose, "swapaxes": lambda x: np.swapaxes(x, 0, -1),
    "moveaxis": lambda x: np.moveaxis(x, 0, -1), "rollaxis": lambda x: np.rollaxis(x, 0),
    "ravel": np.ravel, "reshape, -1": lambda x: np.reshape(x, -1),
    "reshape, (0,)": lambda x: np.reshape(x, (0,)),
    "reshape, (1, -1)": lambda x: np.reshape(x, (1, -1)),
    "reshape, (0, -1)": lambda x: np.reshape(x, (0, -1)),
    "broadcast_to": lambda x: np.broadcast_to(x, (2, *x.shape)),
    "broadcast_to, none": lambda x: np.broadcast_to(x, (0, *x.shape)),
    "atleast_1d": np.atleast_1d, "atleast_2d": np.atleast_2d, "atleast_3d": np.atleast_3d,
    "concatenate": lambda x: np.concatenate([x, x]),
    "concatenate, axis=None": lambda x: np.concatenate([x, x], axis=None),
    "stack": lambda x: np.stack([x, x]), "hstack": lambda x: np.hstack([x, x]),
    "vstack": lambda x: np.vstack([x, x]), "dstack": lambda x: np.dstack([x, x]),
    "column_stack": lambda x: np.column_stack([x, x]), "split": lambda x: np.split(x, 1),
    "array_split": lambda x: np.array_split(x, 2), "append": lambda x: np.append(x, x),
    "pad": lambda x: np.pad(x, 1), "pad, none": lambda x: np.pad(x, 0),
    "diagonal": np.diagonal, "trace": np.trace, "diag": np.diag, "diagflat": np.diagflat,
    "tril": np.tril, "triu": np.triu, "dot": lambda x: np.dot(x, x),
    "inner": lambda x: np.inner(x, x), "outer": lambda x: np.outer(x, x),
    "kron": lambda x: np.kron(x, x), "vdot": lambda x: np.vdot(x, x),
    "tensordot": lambda x: np.tensordot(x, x, 0), "matmul": lambda x: x @ x.T,
    "einsum": lambda x: np.einsum("...->...", x),
    **{f"norm, {p}": lambda x, p=p: np.linalg.norm(x, p) for p in (
        None, 1, 2, np.inf, -np.inf, "fro", "nuc")},
    "norm, axis=0": lambda x: np.linalg.norm(x, axis=0),
    "vector_norm": np.linalg.vector_norm,
    "clip": lambda x: np.clip(x, 0, 1), "where": lambda x: np.where(x > 1, x, 0),
    "maximum": lambda x: np.maximum(x, 0), "searchsorted": lambda x: np.searchsorted([1.0, 2], x),
    "real": np.real, "imag": np.imag, "conj": np.conj, "conjugate": np.conjugate,
    ".real": lambda x: x.real, ".imag": lambda x: x.imag, ".conj()": lambda x: x.conj(),
    "isreal": np.isreal, "isrealobj": np.isrealobj, "full_like": lambda x: np.full_like(x, 2.0),
    "zeros_like": np.zeros_like, "copy": np.copy, "flatnonzero": np.flatnonzero,
    "argwhere": np.argwhere, "rot90": np.rot90, "fliplr": np.fliplr, "flipud": np.flipud,
    "take_along_axis": lambda x: np.take_along_axis(x, np.argsort(x), -1),
    "select": lambda x: np.select([x > 1], [x], 0.0), "nan_to_num": np.nan_to_num,
    "matrix_transpose": np.matrix_transpose, "permute_dims": np.permute_dims,
    "hypot": lambda x: np.hypot(x, 1.0), "logaddexp": lambda x: np.logaddexp(x, 1.0),
}


def outcome(call, x):
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            out = call(x)
        except (ValueError, TypeError, IndexError, ZeroDivisionError) as error:
            return error
    return list(out) if isinstance(out, (list, tuple)) else [out]


def total(call, x):
    outs = [o for o in outcome(call, x) if isinstance(o, tg.Tensor)]
    return sum((tg.sum(o) for o in outs), tg.sum(x) * 0)


@pytest.mark.parametrize("name", CALLS)
def test_it_is_as_numpy_has_it(name):
    for kind, array in ARRAYS.items():
        where = f"{name} of {kind}"
        expected = outcome(CALLS[name], array)
        found = outcome(CALLS[name], tg.Tensor(array, requires_grad=True))
        if isinstance(expected, ZeroDivisionError):
            continue  # of the number of results, in np.average
        if isinstance(expected, Exception):
            assert isinstance(found, TinygradError), where
            continue
        assert not isinstance(found, Exception), (where, found)
        for a, b in zip(found, expected, strict=True):
            a = a.data if isinstance(a, tg.Tensor) else np.asarray(a)
            np.testing.assert_array_equal(a, b, err_msg=where, strict=np.ndim(b) > 0)
            assert a.shape == np.shape(b) and a.dtype == np.asarray(b).dtype, where
        with np.errstate(all="ignore"):
            gradient = tg.grad(lambda x: total(CALLS[name], x))(array)
        assert gradient.shape == array.shape, where


def test_a_number_is_differentiated_along_the_axis_that_numpy_gives_it():
    x = np.array(3.0)
    for f, slope in ((lambda x: np.repeat(x, 2, axis=0), 2), (lambda x: np.take(x, 0, axis=0), 1),
                     (lambda x: np.squeeze(x, axis=-1), 1), (lambda x: np.cumprod(x, axis=0), 1)):
        assert tg.grad(lambda x, f=f: tg.sum(f(x)))(x) == slope


MISSING = {  # what is called, and what the message names
    "np.full": (lambda x: np.full((2, 3), x), ["np.full ", "tg.full"]),
    "np.full of a dtype": (lambda x: np.full((2, 3), x, float), ["np.full ", "tg.full"]),
    "np.full_like": (lambda x: np.full_like(np.zeros((2, 3)), x), ["np.full_like", "tg.full_like"]),
    "np.ptp": (np.ptp, ["np.ptp", "tg.max(x) - tg.min(x)"]),
    "np.interp": (lambda x: np.interp(x, [0, 1], [0, 1]), ["np.interp", "tg.searchsorted"]),
    "np.delete": (lambda x: np.delete(x, 0), ["np.delete", "tg.take"]),
    "np.linalg.eig": (lambda x: np.linalg.eig(tg.outer(x, x)), ["np.linalg.eig", "tg.eigh"]),
    "np.unwrap": (np.unwrap, ["np.unwrap", "@tg.op"]),
    "np.take": (lambda x: np.take(x, [0.5]), ["take()", "integers"]),
    "np.repeat": (lambda x: np.repeat(x, [1, 2]), ["repeat()", "3 positions"]),
}


@pytest.mark.parametrize("row", MISSING)
def test_what_is_missing_is_called_by_its_name_with_what_there_is_in_its_place(row):
    call, words = MISSING[row]
    with pytest.raises(TinygradError) as caught:
        call(tg.Tensor([1.0, 2.0, 3.0], requires_grad=True))
    for word in words:
        assert word in str(caught.value), str(caught.value)


def test_what_stands_in_the_place_of_a_missing_function_exists():
    from tinygrad_mlp.autograd.numpy_dispatch import IN_ITS_PLACE, numpy_op

    for function, advice in IN_ITS_PLACE.items():
        with pytest.raises(NotDifferentiableError):
            numpy_op(function)
        for word in advice.replace("(", " ").replace(",", " ").split():
            if word.startswith("tg."):
                assert callable(getattr(tg, word[3:])), advice
