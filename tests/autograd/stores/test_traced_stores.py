"""In a compiled function, stores and in-place operators do what they do in NumPy, or are errors."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_mlp as tg
import tinygrad_mlp.numpy as recording
from tinygrad_mlp.errors import DTypeError, InvalidArgumentError

X = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.5]])
OTHER = np.array([[-0.5, 1.0, 1.0], [0.5, -2.0, 3.0]])
ROWS = np.array([1, 0, 1])


def alias(x):
    z = np.sin(x)
    y = z
    y *= 3
    return z


def alias_of_the_argument(x):
    y = x
    y += 1
    return x


def an_operand_used_before(x):
    y = np.sin(x)
    z = y * y
    y *= 2
    return z + y


def constant_element(x):
    h = np.tanh(x)
    h[0] = 0.0
    h[1, 1:] += 2
    return h


def computed_element(x):
    h = np.tanh(x)
    h[0] = np.sum(x, axis=0)
    h[:, 0] = h[:, 1]
    return h


def into_the_argument(x):
    x[0] = x[1] * 2
    return x


def mask(x):
    h = x * 2
    h[h < 0] = 0
    return h


def mask_of_rows(x):
    h = x * 2
    h[np.sum(h, axis=1) > 1] = np.array([1.0, 2.0, 3.0])
    return h


def mask_of_a_buffer(x):
    h = recording.zeros((2, 3))
    h[0] = x[1] ** 2
    h[h > 0.1] = x[0, 0]
    return h


def repeated_places(x):
    h = np.sin(x)
    h[ROWS] = np.outer(np.arange(1.0, 4.0), x[0])
    return h


def places_from_data(x):
    h = recording.ones(3)
    h[np.argmax(x[0])] = x[0, 1]
    return h * np.sin(x)


def whole(x):
    h = np.sin(x)
    h[...] = 3.0
    return h * x


def output(x):
    h = np.sin(x)
    np.multiply(h, x, out=h)
    np.add(np.ones((2, 3)), 1.0, out=h, where=np.arange(3) > 1)
    h.fill(2) if x.shape == (1, 1) else None
    return h


def view_changed(x):
    h = np.sin(x)
    y = h[1:].T
    y *= 2
    return h + np.sum(y)


def base_changed(x):
    h = np.sin(x)
    y = h.reshape(-1)[::2]
    h *= x
    y[1] = x[0, 0]
    return h * np.sum(y)


def view_of_the_argument(x):
    y = x[:, 1]
    y += 5
    x[0] *= y[1]
    return x


def row_from_row(x):
    h = np.sin(x)
    h[0] += h[1]
    h[0], h[1] = h[1].copy(), h[0].copy()
    y = h.copy()
    y *= 2
    h[::-1] = h
    return h + y * h


FUNCTIONS = [view_changed, base_changed, view_of_the_argument, row_from_row,
             alias, alias_of_the_argument, an_operand_used_before, constant_element,
             computed_element, into_the_argument, mask, mask_of_rows, mask_of_a_buffer,
             repeated_places, places_from_data, whole, output]
EACH = pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)


@EACH
def test_a_compiled_function_gives_numpys_values(f):
    compiled = tg.compile(f)
    for x in (X, OTHER, X, OTHER):
        np.testing.assert_allclose(compiled(x.copy()), f(x.copy()), rtol=1e-14)


@EACH
def test_a_compiled_gradient_is_the_eager_one(f):
    def loss(x):
        return np.sum(f(x) * np.arange(1.0, 7.0).reshape(2, 3))

    compiled = tg.compile(tg.grad(loss))
    for x in (X, OTHER, X, OTHER):
        np.testing.assert_allclose(compiled(x), tg.grad(loss)(x), rtol=1e-14)
    np.testing.assert_allclose(
        tg.grad(loss)(X),
        [[(loss(X + s) - loss(X - s)) / 2e-6 for s in row] for row in
         1e-6 * np.eye(6).reshape(2, 3, 2, 3)], rtol=1e-7, atol=1e-7)


def test_a_gradient_that_was_added_is_no_alias_of_another():
    a, b = tg.Tensor(X, requires_grad=True), tg.Tensor(X, requires_grad=True)

    @tg.compile
    def step():
        a.grad = b.grad = None
        tg.sum((a + b) ** 2).backward()
        a.grad *= 2
        return b.grad

    for _ in range(3):
        np.testing.assert_allclose(step(), 4 * X)
        np.testing.assert_allclose(a.grad, 8 * X)


def test_data_changed_in_place_is_updated():
    w = tg.Tensor(X.copy(), requires_grad=True)

    @tg.compile
    def step():
        loss = tg.sum(w * w)
        loss.backward()
        w.data -= 0.25 * w.grad
        w.grad = None
        return loss

    assert [float(step()) for _ in range(3)] == [np.sum(X**2) / 4**n for n in range(3)]


def data_and_tensor(w, x):
    h = x * 2
    h[0] = w
    return np.sum(h)


def data_times_tensor(w, x):
    h = x * 2
    h *= w
    return np.sum(h)


def data_at_places(w, x):
    h = x * 2
    h[0, np.argsort(x[0])] = w
    return np.sum(h * np.arange(3))


def rows_of_a_mask(x):
    h = np.sin(x)
    h[h > 0] = np.arange(float(np.sum(X > 0)))
    return h


def mask_and_place(x):
    h = np.sin(x)
    h[x[0] > 0, 1] = 1.0
    return h


def whole_numbers(x):
    h = np.argsort(x, axis=0)
    h[0] = x[0]
    return h


STATE = tg.Tensor(np.zeros(3))


def state(x):
    STATE[0] = x[0, 0]
    return STATE * x


@pytest.mark.parametrize(("f", "kind", "words"), [
    (tg.compile(state), InvalidArgumentError, r"(?s)\.data.*STATE\[0\] = x"),
    (tg.compile(rows_of_a_mask), InvalidArgumentError, r"(?s)tg\.where\(mask.*h\[h > 0\] ="),
    (tg.compile(mask_and_place), InvalidArgumentError, r"(?s)tg\.where\(mask.*h\[x"),
    (tg.compile(tg.grad(whole_numbers)), DTypeError, r"(?s)dtype=float.*h\[0\] = x")])
def test_what_a_program_cannot_record_is_refused_with_its_line(f, kind, words):
    with pytest.raises(kind, match=words):
        f(X)


@pytest.mark.parametrize(("f", "slopes"), [
    (data_and_tensor, np.ones_like), (data_times_tensor, lambda x: 2 * np.sum(x, axis=0)),
    (data_at_places, lambda x: np.argsort(x[0]))])
def test_an_array_of_data_takes_what_gradients_flow_to(f, slopes):
    compiled = tg.compile(tg.grad(f))
    for x in (X, OTHER, X, OTHER):
        expected = np.broadcast_to(slopes(x), (2, 3))[0]
        np.testing.assert_allclose(compiled(x[0], x), expected, rtol=1e-14)
