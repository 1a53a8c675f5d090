"""Mistakes: each is refused with an error that says who, what was expected, what came, what to do.

A row is a call on `x`, a tracked tensor of shape (2, 3), the error's class, and words that its
message must contain. Nothing may have changed afterwards.
"""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_mlp as tg
from tinygrad_mlp.errors import (
    DTypeError,
    GraphReleasedError,
    IndexingError,
    InvalidArgumentError,
    NotDifferentiableError,
    ShapeError,
    TinygradError,
)

image, kernel = np.ones((1, 2, 5, 5)), np.ones((3, 2, 2, 2))
y = np.ones((2, 3))


def released(x):
    out = (x * x).sum()
    out.backward()
    x.grad = None
    return out


def assign(x):
    x[0] = 1.0


def add_in_place(x):
    array = np.ones((2, 3))
    array += x


def switch(x, wanted):
    x.requires_grad = wanted


CONSTRUCTION = {
    "text": (lambda x: tg.Tensor("text"), DTypeError, ["Tensor()", "numbers", "U4"]),
    "objects": (lambda x: tg.Tensor(np.array([1, None])), DTypeError, ["Tensor()", "object"]),
    "nothing": (lambda x: tg.Tensor(None), DTypeError, ["Tensor()", "object"]),
    "complex": (lambda x: tg.Tensor([1j]), DTypeError, ["Tensor()", "real", "complex128"]),
    "dates": (lambda x: tg.Tensor(np.array(["2020-01-01"], "M8[D]")), DTypeError, ["datetime64"]),
    "ragged": (lambda x: tg.Tensor([[1, 2], [3]]), DTypeError, ["Tensor()", "rectangular"]),
    "a list of tracked tensors": (
        lambda x: tg.Tensor([x, x]), NotDifferentiableError, ["tg.stack", ".detach()"]),
    "gradients of integers": (
        lambda x: tg.Tensor([1, 2], requires_grad=True), DTypeError,
        ["requires_grad=True", "int64", "astype"]),
    "gradients of booleans": (
        lambda x: tg.Tensor([True], requires_grad=True), DTypeError, ["bool"]),
    "gradients of integers, later": (
        lambda x: switch(tg.Tensor([1]), True), DTypeError, ["int64"]),
    "gradients of a result switched off": (
        lambda x: switch(x * 2, False), InvalidArgumentError, ["leaves", ".detach()"]),
}

OPERATORS = {
    "add": (lambda x: x + np.ones((3, 2)), ShapeError, ["add()", "(2, 3)", "(3, 2)"]),
    "subtract": (lambda x: np.ones(2) - x, ShapeError, ["subtract()", "(2, 3)", "(2,)"]),
    "multiply": (lambda x: x * np.ones(2), ShapeError, ["multiply()", "(2, 3)", "(2,)"]),
    "divide": (lambda x: x / np.ones(2), ShapeError, ["divide()", "(2, 3)", "(2,)"]),
    "power": (lambda x: x ** np.ones(2), ShapeError, ["power()", "(2, 3)", "(2,)"]),
    "compare": (lambda x: x < np.ones(2), ShapeError, ["less()", "(2, 3)", "(2,)"]),
    "matmul": (lambda x: x @ np.ones((2, 4)), ShapeError, ["matmul()", "(2, 3)", "(2, 4)"]),
    "matmul by a number": (lambda x: x @ 2.0, ShapeError, ["matmul()", "(2, 3)", "()"]),
    "add text": (lambda x: x + "a", DTypeError, ["add()", "(2, 3)"]),
    "add nothing": (lambda x: x + None, DTypeError, ["add()", "(2, 3)"]),
    "add a dict": (lambda x: x * {}, DTypeError, ["multiply()", "(2, 3)"]),
    "assign an element": (assign, InvalidArgumentError, ["tg.where", ".data"]),
    "an array += a tensor": (add_in_place, InvalidArgumentError, ["np.add", "out="]),
    "index too large": (lambda x: x[5], IndexingError, ["getitem()", "(2, 3)", "5"]),
    "too many indices": (lambda x: x[0, 0, 0], IndexingError, ["getitem()", "(2, 3)"]),
    "index by a float": (lambda x: x[0.5], IndexingError, ["getitem()", "0.5"]),
    "mask of another shape": (lambda x: x[np.ones(7, bool)], IndexingError, ["(2, 3)", "(7,)"]),
    "float of several": (lambda x: float(x), ShapeError, [".item()", "(2, 3)"]),
    "item of several": (lambda x: x.item(), ShapeError, [".item()", "one element", "(2, 3)"]),
    "matrix transpose of a vector": (lambda x: x[0].mT, ShapeError, [".mT", "(3,)"]),
    "an array of it": (lambda x: np.asarray(x), NotDifferentiableError, [".numpy()", ".detach()"]),
}

FUNCTIONS = {
    "unknown keyword": (
        lambda x: tg.sum(x, axes=0), InvalidArgumentError, ["sum()", "'axes'", "axis"]),
    "missing argument": (lambda x: tg.where(x > 0), InvalidArgumentError, ["where()", "'x'"]),
    "too many arguments": (lambda x: tg.tanh(x, x), InvalidArgumentError, ["tanh()", "2"]),
    "no such axis": (lambda x: x.sum(axis=2), ShapeError, ["sum()", "(2, 3)", "axis=2"]),
    "mean over no such axis": (lambda x: x.mean(axis=-3), ShapeError, ["mean()", "(2, 3)"]),
    "softmax over no such axis": (lambda x: tg.softmax(x, axis=2), ShapeError, ["softmax()"]),
    "axis as text": (lambda x: tg.sum(x, axis="rows"), DTypeError, ["sum()", "'rows'"]),
    "largest of nothing": (lambda x: tg.max(x[:0]), ShapeError, ["max()", "(0, 3)"]),
    "reshape": (lambda x: x.reshape(4), ShapeError, ["reshape()", "(2, 3)", "4"]),
    "broadcast": (
        lambda x: tg.broadcast_to(x, shape=(2,)), ShapeError, ["broadcast_to()", "(2, 3)"]),
    "transpose": (lambda x: x.transpose(0, 0), ShapeError, ["transpose()", "(2, 3)", "(0, 0)"]),
    "swapaxes": (lambda x: x.swapaxes(0, 5), ShapeError, ["swapaxes()", "5"]),
    "squeeze a long axis": (lambda x: x.squeeze(1), ShapeError, ["squeeze()", "(2, 3)", "axis=1"]),
    "squeeze no such axis": (lambda x: x.squeeze(4), ShapeError, ["squeeze()", "4"]),
    "expand at no such axis": (lambda x: tg.expand_dims(x, 4), ShapeError, ["expand_dims()", "4"]),
    "concatenate nothing": (lambda x: tg.concatenate([]), ShapeError, ["concatenate()"]),
    "concatenate": (
        lambda x: tg.concatenate([x, np.ones((2, 2))]), ShapeError,
        ["concatenate()", "(2, 3)", "(2, 2)"]),
    "stack": (
        lambda x: tg.stack([x, x[0]]), ShapeError, ["stack()", "(2, 3)", "(3,)"]),
    "pad mode": (
        lambda x: tg.pad(x, pad_width=1, mode="mirror"), InvalidArgumentError,
        ["pad()", "'mirror'", "reflect"]),
    "pad width": (lambda x: tg.pad(x, pad_width=-1), ShapeError, ["pad()", "(2, 3)", "-1"]),
    "cast to integers": (lambda x: tg.astype(x, dtype=int), DTypeError, ["astype()", "int64"]),
    "linear": (
        lambda x: tg.linear(x, np.ones((4, 2))), ShapeError, ["linear()", "(2, 3)", "(4, 2)"]),
}

CONVOLUTIONS = {
    "channels": (
        lambda x: tg.conv2d(image, np.ones((3, 1, 2, 2))), ShapeError,
        ["conv2d()", "(1, 2, 5, 5)", "(3, 1, 2, 2)", "channels"]),
    "dimensions": (lambda x: tg.conv2d(x, kernel), ShapeError, ["conv2d()", "(2, 3)"]),
    "bias": (
        lambda x: tg.conv2d(image, kernel, np.ones(2)), ShapeError, ["conv2d()", "(3,)", "(2,)"]),
    "bias for every row": (
        lambda x: tg.conv2d(image, kernel, np.ones((16, 3))), ShapeError, ["(3,)", "(16, 3)"]),
    "kernel": (lambda x: tg.conv2d(image[..., :1], kernel), ShapeError, ["(2, 2)", "(5, 1)"]),
    "stride": (
        lambda x: tg.conv2d(image, kernel, stride=0), InvalidArgumentError,
        ["conv2d() stride", "0"]),
    "padding": (
        lambda x: tg.conv2d(image, kernel, padding=(0, -1)), InvalidArgumentError,
        ["conv2d() padding", "(0, -1)"]),
    "three strides": (
        lambda x: tg.conv2d(image, kernel, stride=(1, 1, 1)), InvalidArgumentError, ["pair"]),
    "pool size": (lambda x: tg.max_pool2d(image, 0), InvalidArgumentError, ["max_pool2d() size"]),
    "pool stride": (
        lambda x: tg.avg_pool2d(image, 2, 0.5), InvalidArgumentError, ["avg_pool2d() stride"]),
    "window": (lambda x: tg.max_pool2d(image, 6), ShapeError, ["(6, 6)", "(5, 5)"]),
}

BACKWARD = {
    "not a scalar": (lambda x: (x * 2).backward(), ShapeError, ["backward()", "(2, 3)", ".sum()"]),
    "another shape": (
        lambda x: (x * 2).backward(np.ones(3)), ShapeError,
        ["backward(gradient)", "(2, 3)", "(3,)"]),
    "nothing tracked": (
        lambda x: x.detach().sum().backward(), NotDifferentiableError, ["requires_grad=True"]),
    "released": (lambda x: released(x).backward(), GraphReleasedError, ["retain_graph=True"]),
    "retain the gradient of a constant": (
        lambda x: x.detach().retain_grad(), NotDifferentiableError, ["retain_grad()"]),
    "retain the gradient of a released tensor": (
        lambda x: released(x).retain_grad(), GraphReleasedError, ["retain_grad()"]),
}

NUMPY = {
    "no rule for a ufunc": (
        lambda x: np.spacing(x), NotDifferentiableError, ["np.spacing", "@tg.op"]),
    "no rule for a function": (lambda x: np.unwrap(x), NotDifferentiableError, ["np.unwrap"]),
    "out": (lambda x: np.add(x, 1, out=np.ones((2, 3))), InvalidArgumentError, ["np.add", "out="]),
    "where": (lambda x: np.tanh(x, where=y > 0), InvalidArgumentError, ["np.tanh", "where="]),
    "dtype": (lambda x: np.exp(x, dtype=np.float32), InvalidArgumentError, ["np.exp", "dtype="]),
    "reduceat": (lambda x: np.add.reduceat(x, [0]), InvalidArgumentError, ["np.add.reduceat"]),
    "reduce": (lambda x: np.hypot.reduce(x), InvalidArgumentError, ["np.hypot.reduce"]),
    "unknown keyword": (
        lambda x: np.median(x, overwrite_input=True), InvalidArgumentError, ["'overwrite_input'"]),
    "shapes": (lambda x: np.add(x, np.ones(2)), ShapeError, ["add()", "(2, 3)", "(2,)"]),
}


LOSSES = ("squared_error", "binary_cross_entropy", "sigmoid_cross_entropy",
          "categorical_cross_entropy", "softmax_cross_entropy")


def of_loss(name):
    loss = getattr(tg, name)
    rows = {
        "(n,) against (n, 1)": (
            lambda x: loss(x[:, :1], np.ones(2)), ShapeError, ["(2, 1)", "(2,)"]),
        "class numbers": (lambda x: loss(x, np.array([0, 2])), ShapeError, ["(2,)", "one_hot"]),
        "unknown reduction": (
            lambda x: loss(x, y, reduction="none"), InvalidArgumentError, ["'none'", "mean, sum"]),
        "no samples": (lambda x: loss(x[:0], y[:0]), ShapeError, ["(0, 3)"]),
        "no outputs": (lambda x: loss(x[:, :0], y[:, :0]), ShapeError, ["(2, 0)"]),
    }
    return {row: (call, kind, [f"{name}()", *words]) for row, (call, kind, words) in rows.items()}


TABLES = {
    "construction": CONSTRUCTION,
    "operators": OPERATORS,
    "functions": FUNCTIONS,
    "convolutions": CONVOLUTIONS,
    **{name: of_loss(name) for name in LOSSES},
    "backward": BACKWARD,
    "numpy": NUMPY,
}
ROWS = {f"{table}: {row}": TABLES[table][row] for table in TABLES for row in TABLES[table]}


@pytest.mark.parametrize("row", ROWS)
def test_a_mistake_is_explained_and_changes_nothing(row):
    call, kind, words = ROWS[row]
    x = tg.Tensor(np.arange(6.0).reshape(2, 3), requires_grad=True, name="x")
    data = x.data.copy()
    with pytest.raises(TinygradError) as caught:
        call(x)
    assert type(caught.value) is kind, repr(caught.value)
    for word in words:
        assert word in str(caught.value), str(caught.value)
    np.testing.assert_array_equal(x.data, data)
    assert x.grad is None and x.node is None and x.requires_grad and x.name == "x"
    (x * x).sum().backward()
    np.testing.assert_array_equal(x.grad, 2 * data)


def test_a_loss_through_an_activation_complains_in_its_own_name():
    x = tg.Tensor(np.zeros((2, 3)), requires_grad=True)
    pairs = ((tg.binary_cross_entropy, tg.sigmoid), (tg.categorical_cross_entropy, tg.softmax))
    for loss, f in pairs:
        words = rf"{loss.__name__}\(\).*prediction of shape \(2, 3\)"
        with pytest.raises(ShapeError, match=words):
            loss(f(x), np.ones(2))


def test_errors_are_what_a_numpy_user_expects():
    assert issubclass(ShapeError, ValueError) and issubclass(InvalidArgumentError, ValueError)
    assert issubclass(IndexingError, IndexError) and issubclass(DTypeError, TypeError)
    assert issubclass(GraphReleasedError, RuntimeError)
