"""What an array does, a Tensor does: NumPy's rarer protocols, Python's, and what is refused.

On every carrier: a Tensor, a value inside a transform, and a traced value in a program.
"""

from __future__ import annotations

import copy
import operator

import numpy as np
import pytest

import tinygrad_mlp as tg
from tinygrad_mlp.errors import (
    InvalidArgumentError,
    NotDifferentiableError,
    ShapeError,
    TinygradError,
    TraceError,
)

X = np.array([[0.5, -1.5, 2.0], [3.0, 0.25, -0.75]])


@pytest.fixture
def x():
    return tg.Tensor(X.copy(), requires_grad=True, name="x")


# -- functions of NumPy, on every carrier ----------------------------------------------------------

A = np.array([[1.0, -2.0], [0.5, 3.0], [0.25, 1.0]])

FUNCTIONS = {
    "a ufunc": lambda x: np.tanh(x),
    "a reduction": lambda x: np.sum(x, axis=0, keepdims=True),
    "where": lambda x: np.where(x > 0, x, 0.1 * x),
    "an array on the left": lambda x: A.T[:, :2] @ x,
    "an array on the right": lambda x: x @ A,
    "dot": lambda x: np.dot(x, A) + np.dot(A.T, np.dot(x.T, 2.0)) + x[0].dot(X[1]),
    "a NumPy number on the left": lambda x: np.float64(2) * x - np.float64(1) / (x + 5),
    "a NumPy function of both": lambda x: np.multiply(X, np.exp(x)),
    "arrays left and right of an operator": lambda x: (X - x) ** 2 + X**2,
    "add.reduce": lambda x: np.add.reduce(x),
    "add.reduce over all": lambda x: np.add.reduce(x, axis=None),
    "maximum.reduce": lambda x: np.maximum.reduce(x, axis=1, keepdims=True),
    "minimum.reduce": lambda x: np.minimum.reduce(x, axis=1),
    "multiply.outer": lambda x: np.multiply.outer(x[0], x),
    "add.outer of an array": lambda x: np.add.outer(X[0], x[1]),
    "subtract.outer with a number": lambda x: np.subtract.outer(2.0, x),
    "methods": lambda x: x.sum(axis=1).max() + x.mean() * x.min(1) + x.var(axis=1, ddof=1),
    "methods of shape": lambda x: x.reshape(3, 2).T.ravel().clip(-1, 1) + x.flatten(),
    "iteration": lambda x: sum(np.sin(row) for row in x),
    "unpacking": lambda x: (lambda first, second: first * second)(*x),
    "mask by comparison": lambda x: x * (x > 0) + (x <= 0) * 0.5,
    "shape, ndim and size": lambda x: x / np.size(x) * np.ndim(x) + np.shape(x)[0] + len(x),
    "zeros_like": lambda x: np.ones_like(x) * x + np.zeros_like(x),
}


@pytest.mark.parametrize("f", FUNCTIONS.values(), ids=FUNCTIONS)
def test_functions_work_and_differentiate_on_every_carrier(f, x, assert_derivative):
    expected = f(X)
    weights = np.random.default_rng(0).normal(size=np.shape(expected))

    def loss(x):
        return np.sum(weights * f(x))

    out = f(x)
    assert type(out) is tg.Tensor and out.requires_grad
    np.testing.assert_allclose(out.data, expected, rtol=1e-14)
    out.backward(weights)

    gradient = tg.grad(loss)(X)
    assert type(gradient) is np.ndarray
    assert_derivative(gradient, loss, X)
    np.testing.assert_allclose(x.grad, gradient, rtol=1e-14)

    value, pullback = tg.vjp(f, X)
    np.testing.assert_allclose(value, expected, rtol=1e-14)
    np.testing.assert_allclose(pullback(weights)[0], gradient, rtol=1e-14)
    along = tg.jvp(loss, (X,), (X,))[1]
    np.testing.assert_allclose(along, np.sum(gradient * X), rtol=1e-12)
    hessian = tg.hessian(loss)(X)
    np.testing.assert_allclose(
        np.tensordot(hessian, X), tg.hvp(loss, X, X), rtol=1e-12, atol=1e-13
    )

    compiled = tg.compile(tg.value_and_grad(loss))
    for point in (X, 0.9 * X + 0.01):  # recorded at the first, run at the second
        for found, true in zip(compiled(point), tg.value_and_grad(loss)(point), strict=True):
            np.testing.assert_allclose(found, true, rtol=1e-12, atol=1e-14)


# -- results without derivative --------------------------------------------------------------------

CONSTANT = {
    "argmax": lambda x: np.argmax(x, axis=1),
    "argmax, a method": lambda x: x.argmax(axis=1),
    "argmin": lambda x: np.argmin(x),
    "argsort": lambda x: np.argsort(x, axis=0),
    "isnan": lambda x: np.isnan(x),
    "isfinite": lambda x: np.isfinite(x),
    "all of a comparison": lambda x: np.all(x > -9),
    "all": lambda x: x.all(axis=0),
    "any": lambda x: np.any(x),
    "logical_and": lambda x: np.logical_and(x > 0, x),
    "logical_or.reduce": lambda x: np.logical_or.reduce(x),
    "allclose": lambda x: np.allclose(x, X),
    "array_equal": lambda x: np.array_equal(x, X),
    "searchsorted": lambda x: np.searchsorted([0.0, 1.0], x),
    "count_nonzero": lambda x: np.count_nonzero(x),
    "nonzero": lambda x: x.nonzero(),
    "equal": lambda x: x == X,
    "array less": lambda x: X < x,
    "zeros_like": lambda x: np.zeros_like(x),
}


@pytest.mark.parametrize("f", CONSTANT.values(), ids=CONSTANT)
def test_what_has_no_derivative_is_a_plain_array(f, x):
    found, expected = f(x), f(X)
    assert not isinstance(found, tg.Tensor) and type(found) is type(expected)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", ["allclose", "nonzero"])
def test_in_a_program_an_answer_about_the_numbers_is_not_baked_in(name):
    f = CONSTANT[name]
    with pytest.raises(TraceError):
        tg.compile(lambda x: x * np.sum(f(x)))(X)


# -- Python's protocols ----------------------------------------------------------------------------

PYTHON = {
    "bool of one": lambda x: bool(x[0, 0]),
    "float": lambda x: float(x[1, 0]),
    "int": lambda x: int(x[1, 0]),
    "len": len,
    "in": lambda x: 0.5 in x,
    "not in": lambda x: 7.0 not in x,
    "number of rows iterated": lambda x: len(list(x)),
    "format": lambda x: f"{x[0, 0]:.3f}",
    "tolist": lambda x: x.tolist(),
    "item": lambda x: x[0, 1].item(),
    "max of Python": lambda x: float(max(x[0])),
    "sorted by Python": lambda x: [float(v) for v in sorted(x[0])],
}


@pytest.mark.parametrize("f", PYTHON.values(), ids=PYTHON)
def test_python_asks_a_tensor_as_an_array(f, x):
    assert f(x) == f(X) and type(f(x)) is type(f(X))


def test_several_elements_are_neither_true_nor_false(x):
    with pytest.raises(ValueError, match="ambiguous"):
        bool(x)


def test_an_integer_tensor_is_an_index():
    i = tg.Tensor(2)
    assert [5, 6, 7][i] == 7 and operator.index(i) == 2
    with pytest.raises(TypeError):
        operator.index(tg.Tensor(2.0))


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy], ids=["copy", "deepcopy"])
def test_copies_have_memory_of_their_own(copied, x):
    y = copied(x)
    assert y.requires_grad and y.node is None and y.name == "x"
    y.data[0, 0] = 9
    assert x.data[0, 0] == 0.5
    z = copied(x * 2)  # still a function of x
    z.data[0, 0] = 9
    z.sum().backward()
    np.testing.assert_array_equal(x.grad, np.full(X.shape, 2.0))
    assert y.grad is None
    parameter = tg.nn.Parameter([1.0])
    assert type(copied(parameter)) is tg.nn.Parameter


# -- refused, never a plain array unnoticed --------------------------------------------------------


def assign(target, value):
    def run(x):
        a = np.zeros((2, 3))
        a[target] = value(x)
        return a

    return run


def in_place(x):
    a = X.copy()
    a *= x
    return a


REFUSED = {
    "np.array of tensors": (lambda x: np.array([x, x]), NotDifferentiableError, "tg.array"),
    "np.array of elements": (lambda x: np.array([x[0, 0], 1]), NotDifferentiableError, "tg.array"),
    "an array of objects": (
        lambda x: np.array([x, x], dtype=object), NotDifferentiableError, "tg.array"),
    "np.asarray": (lambda x: np.asarray(x), NotDifferentiableError, ".detach()"),
    "np.full": (lambda x: np.full(3, x[0, 0]), NotDifferentiableError, "tg.array"),
    "assigning a row": (assign(0, lambda x: x[0]), NotDifferentiableError, "tg.array"),
    "out=": (lambda x: np.exp(x, out=np.zeros((2, 3))), InvalidArgumentError, "np.exp"),
    "out= a tensor": (lambda x: np.add(X, 1, out=x), InvalidArgumentError, "out="),
    "where=": (lambda x: np.exp(x, where=X > 0), InvalidArgumentError, "where="),
    "out= of a function": (
        lambda x: np.sum(x, out=np.zeros(())), InvalidArgumentError, "np.sum"),
    "where= of a function": (lambda x: np.var(x, where=X > 0), InvalidArgumentError, "np.var"),
    "in place": (in_place, InvalidArgumentError, "+="),
    "dtype= of a ufunc": (lambda x: np.exp(x, dtype="f4"), InvalidArgumentError, ".astype"),
    "at": (lambda x: np.add.at(x, [0], 1.0), InvalidArgumentError, "np.add.at"),
    "reduce without rule": (
        lambda x: np.hypot.reduce(x), InvalidArgumentError, "np.hypot.reduce"),
    "accumulate without rule": (
        lambda x: np.hypot.accumulate(x), InvalidArgumentError, "np.hypot.accumulate"),
    "a ufunc without rule": (lambda x: np.spacing(x), NotDifferentiableError, "np.spacing"),
    "a function without rule": (lambda x: np.unwrap(x), NotDifferentiableError, "np.unwrap"),
    "a function of a submodule": (lambda x: np.fft.fft(x), NotDifferentiableError, "np.fft.fft"),
    "a function that needs a rule": (lambda x: np.interp(x, [0, 1], [0, 1]),
                                     NotDifferentiableError, "@tg.op"),
    "assigning to an element": (
        lambda x: x.__setitem__((0, 0), 1.0), InvalidArgumentError, "tg.where"),
}


INTO_ITSELF = ("out= a tensor", "at", "assigning to an element")
"""Stores into the tensor itself: refused of a leaf. A differentiated or compiled function has a
copy."""


@pytest.mark.parametrize("row", REFUSED)
def test_what_would_lose_the_gradient_is_refused_with_the_remedy(row, x):
    f, kind, word = REFUSED[row]
    with pytest.raises(kind) as caught:
        f(x)
    assert word in str(caught.value)
    if row not in INTO_ITSELF:
        with pytest.raises(kind):
            tg.grad(lambda x: tg.sum(f(x)))(X)
        with pytest.raises((TinygradError, TypeError)):
            tg.compile(f)(X)
    np.testing.assert_array_equal(x.data, X)


def test_storing_an_element_in_an_array_is_refused(x):
    """NumPy asks for a float there, which alone would be a legitimate question."""
    a = np.zeros(3)
    with pytest.raises(ValueError) as caught:
        a[0] = x[0, 0]
    assert "tg.array" in str(caught.value.__cause__)
    a[0] = float(x[0, 0])
    a[1] = x.detach()[0, 1]
    np.testing.assert_array_equal(a, [0.5, -1.5, 0])


def test_no_function_of_numpy_gives_an_untracked_array_unnoticed(x):
    """Every public function with one array argument either keeps the history or says something.

    Except those whose result has no derivative, and those that describe the array.
    """
    describe = {"empty_like", "zeros_like", "ones_like"}
    for name, function in list(vars(np).items()):  # some are loaded when first used
        if not isinstance(function, (np.ufunc, type(np.sum))):
            continue  # it does not know of the protocols, and asks for an array
        try:
            found = function(x)
        except Exception:
            continue
        if isinstance(found, tg.Tensor):
            assert found.requires_grad, name
        elif isinstance(found, np.ndarray) and found.dtype.kind in "fcO":
            assert name in describe, f"np.{name} gave an array of {found.dtype}"


def test_a_missing_method_is_named(x):
    with pytest.raises(AttributeError, match="'byteswap'.*ndarray has"):
        x.byteswap()
    with pytest.raises(AttributeError, match="no attribute 'foo'"):
        x.foo  # noqa: B018


# -- tg.array --------------------------------------------------------------------------------------

NESTED = {
    "tensors": lambda array, x: array([x, x * 2]),
    "tensors and arrays": lambda array, x: array([x, X]),
    "elements and numbers": lambda array, x: array([[x[0, 0], 1.0], [2, x[1, 2]]]),
    "tuples": lambda array, x: array(((x[0, 0], x[0, 1]), (3.0, np.float64(4)))),
    "deep": lambda array, x: array([[[x[0, 0]], [1.0]], [[2.0], [x[1, 0] * x[0, 1]]]]),
    "a tensor": lambda array, x: array(x),
    "no tensor": lambda array, x: array([[1.0, 2.0], [3.0, 4.0]]) * x[0, 0],
    "lists and tensors side by side": lambda array, x: array([x[0], [1.0, 2.0, 3.0]]),
    "float32": lambda array, x: array([x[0, 0], 1.0], dtype=np.float32),
}


@pytest.mark.parametrize("f", NESTED.values(), ids=NESTED)
def test_array_joins_nested_lists_as_numpy_does(f, x):
    expected = f(np.array, X)
    out = f(tg.array, x)
    assert type(out) is tg.Tensor and out.requires_grad and out.dtype == expected.dtype
    np.testing.assert_array_equal(out.data, expected)
    weights = np.random.default_rng(0).normal(size=out.shape).astype(out.dtype)
    out.backward(weights)

    def loss(x):
        return tg.sum(weights * f(tg.array, x))

    np.testing.assert_allclose(tg.grad(loss)(X), x.grad)
    tg.verify.check_grad(loss, X, order=1, rtol=1e-4).assert_ok()
    np.testing.assert_allclose(tg.compile(tg.grad(loss))(X), x.grad)


def test_array_of_numbers_is_numpys():
    for data in ([], [1, 2], [[1.0], [2.0]], 3.5, np.arange(3), [np.float32(1), np.float32(2)]):
        found = tg.array(data)
        assert type(found) is np.ndarray and found.dtype == np.array(data).dtype
        np.testing.assert_array_equal(found, np.array(data))
    a = np.arange(3.0)
    assert not np.shares_memory(tg.array(a), a)


def test_array_of_different_shapes_is_refused(x):
    with pytest.raises(ShapeError, match=r"\(2, 3\)"):
        tg.array([x, x[0]])
