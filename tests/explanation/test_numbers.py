"""Numbers have the names of variables that they are, not those of what is of the same size."""

import itertools
import random
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_mlp as tg
from tests.explanation.test_closed_programs import assert_right
from tinygrad_mlp.explanation.algebra.numbers import Meanings


def attention(Wq, Wk, Wv, X, R):
    Q, K, V = X @ Wq, X @ Wk, X @ Wv
    n, d = len(X), K.shape[1]
    A = tg.softmax(Q @ K.T / np.sqrt(d))
    return tg.sum((A @ V - R) ** 2) / n


def drawn(*trained, **shapes):
    rng = np.random.default_rng(0)
    arrays = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    return {name: tg.Tensor(a, requires_grad=True) if name in trained else a
            for name, a in arrays.items()}


@given(n=st.integers(2, 17), features=st.integers(2, 17), d=st.integers(2, 17))
def test_the_formula_is_the_same_for_all_sizes(n, features, d):
    values = drawn("Wq", "Wk", "Wv", Wq=(features, d), Wk=(features, d), Wv=(features, 3),
                   X=(n, features), R=(n, 3))
    closed = tg.explain(attention, values).closed

    assert closed.text.splitlines() == [
        "Q = X Wq",
        "K = X Wk",
        "V = X Wv",
        "A = softmax((1 / √d) Q Kᵀ)",
        "δ = (2 / n) (A V − R)",
        "δ1 = A ⊙ (δ Vᵀ − ((A V) ⊙ δ) 1 1ᵀ)",
        "∂L/∂Wq = (1 / √d) Xᵀ δ1 K",
        "∂L/∂Wk = (1 / √d) Xᵀ δ1ᵀ Q",
        "∂L/∂Wv = Xᵀ Aᵀ δ",
    ]
    assert {f"n = {n}", f"d = {d}"} < {*closed.glossary}


@given(n=st.integers(3, 12), same=st.booleans())
def test_a_parameter_that_is_1_over_n_is_no_1_over_n(n, same):
    λ = 1 / n if same else 0.037

    def loss(w, X, y):
        return tg.sum((X @ w - y) ** 2) / len(X) + λ * tg.sum(w)

    closed = tg.explain(loss, drawn("w", w=(3,), X=(n, 3), y=(n,))).closed
    assert closed.text == "∂L/∂w = (2 / n) Xᵀ (X w − y) + λ"


@pytest.mark.parametrize(("names", "factor"), [
    ({"n": 4}, "(1 / n) "), ({"d": 16}, "(1 / √d) "), ({"n": 4, "d": 16}, "¼ "),
    ({"n": 4, "λ": 0.25}, "¼ ")])
def test_a_number_that_two_names_fit_is_written_as_a_number(names, factor):
    w = tg.Tensor([1.0, 2.0], requires_grad=True, name="w")
    closed = tg.explain(tg.sum(tg.tanh(w)) / 4, w, names=names).closed
    assert closed.text == f"∂L/∂w = {factor}(1 − tanh²(w))"


@pytest.mark.parametrize("of_n", [lambda n: 1 / np.sqrt(n), lambda n: 1 / n, lambda n: 2 / n])
def test_a_number_made_of_another_one_has_its_own_name(of_n):
    def loss(w, X, y):
        n = len(X)
        λ = of_n(n)
        return tg.sum((X @ w - y) ** 2) / (2 * n) + λ * tg.sum(w**2) / 2

    closed = tg.explain(loss, drawn("w", w=(4,), X=(6, 4), y=(6,))).closed
    assert closed.text == "∂L/∂w = (1 / n) Xᵀ (X w − y) + λ w"


def test_a_step_of_time_is_called_so_where_it_is_1_over_the_number_of_steps():
    def loss(A, a_0, y):
        a, n = a_0, 8
        dt = 1 / n
        for _ in range(n):
            a = a + dt * tg.tanh(A @ a)
        return tg.sum((a - y) ** 2) / 2

    lines = tg.explain(loss, drawn("A", A=(3, 3), a_0=(3,), y=(3,))).closed.text.splitlines()
    assert lines[1] == "a_t = a_{t−1} + dt a1_t" and "δ_t = dt δa_t ⊙ (1 − a1_t²)" in lines


@given(rows=st.lists(st.integers(3, 9), min_size=2, max_size=4))
def test_of_names_that_fit_a_number_in_all_calls_it_has_the_simplest(rows):
    n = tuple(map(float, rows))
    meanings = Meanings({"λ": tuple(1 / v for v in n), "n": n})

    certain = len({*n}) > 1
    assert meanings.fitting(n) == [("n", 1, 1)]
    assert meanings.fitting(tuple(2 * v for v in n))[0] == (
        ("n", 2, 1) if certain else ("λ", 2, -1))
    assert len(meanings.fitting(tuple(2 * v for v in n))) == 1 + (not certain)


def with_whole_numbers(w, k, m):
    return tg.sum(tg.tanh(w)) / k + tg.sum(w) / m


def test_whole_numbers_of_the_caller_are_told_from_each_other():
    closed = tg.explain(with_whole_numbers, drawn("w", w=(2,)) | {"k": 3, "m": 3}).closed
    assert closed.text == "∂L/∂w = 1 / k + 1 / m − (1 / k) tanh²(w)"


def test_two_numbers_of_the_code_that_cannot_be_told_apart_are_numbers():
    a = b = 3.0
    closed = tg.explain(lambda w: tg.sum(tg.tanh(w)) * a + tg.sum(w) * b, drawn("w", w=(2,))).closed
    assert closed.text == "∂L/∂w = 6 − 3 tanh²(w)"


@pytest.mark.parametrize(("shape", "written"), [
    ((4, 6), "∂L/∂X = (2 / (n N)) (mean_0(X) + mean_1(X))"),
    ((5, 5), "∂L/∂X = (2/5³) (X 1 1ᵀ + 1 1ᵀ X)")])
def test_means_over_different_axes_have_no_number_in_common(shape, written):
    def loss(X):
        return tg.mean(tg.mean(X, axis=0) ** 2) + tg.mean(tg.mean(X, axis=1) ** 2)

    values = drawn("X", X=shape)
    closed = tg.explain(loss, values).closed
    assert closed.text == written
    assert_right(closed, {"∂L/∂X": np.asarray(tg.grad(loss)(values["X"].data))})


def of_labels(W, X, labels):
    return -tg.mean(tg.log_softmax(X @ W)[np.arange(len(X)), labels]) + tg.sum(W) / W.shape[1]


def test_the_number_of_labels_is_that_of_samples():
    values = drawn("W", W=(4, 3), X=(3, 4)) | {"labels": np.array([0, 2, 1])}
    lines = tg.explain(of_labels, values).closed.text.splitlines()
    assert lines == ["P = softmax(X W)", "∂L/∂W = ⅓ + (1 / n) Xᵀ (P − Y)"]


def test_a_function_that_takes_no_other_sizes_is_called_with_none():
    calls, only = itertools.count(), (3, 2)

    def loss(w, X):
        next(calls)
        if X.shape != only:
            raise ValueError("three samples of two features")
        return tg.sum(tg.tanh(X @ w)) / len(X)

    closed = tg.explain(loss, drawn("w", w=(2,), X=(3, 2))).closed
    assert closed["∂L/∂w"].right.text() == "(1 / n) Xᵀ (1 − a²)" and next(calls) > 1


def with_dropout(rng):
    return tg.nn.Dropout(0.5, rng=rng)


def with_statistics(rng):
    return tg.nn.BatchNorm1d(2)


def of_the_caller(rng):
    return lambda X: X + rng.normal(size=X.shape)


def of_numpy(rng):
    return lambda X: X + np.random.normal(size=X.shape)


def of_python(rng):
    return lambda X: X + random.random()


@pytest.mark.parametrize(
    "make", [with_dropout, with_statistics, of_the_caller, of_numpy, of_python])
def test_a_function_that_changes_what_it_reads_is_called_once(make):
    called = itertools.count()
    layer = make(np.random.default_rng(0))

    def loss(w, X):
        next(called)
        return tg.sum(tg.tanh(layer(X) @ w)) / len(X) + tg.sum(w) / 3

    before = np.random.get_state(), random.getstate()
    try:
        tg.explain(loss, drawn("w", w=(2,), X=(3, 2)))
    finally:
        np.random.set_state(before[0])
        random.setstate(before[1])
    assert next(called) == 1


def test_a_network_is_told_from_its_steps_by_others():
    def loss(W, U, x, y, h_0):
        h, T, d = h_0, len(x), len(h_0)
        for t in range(T):
            h = tg.tanh(W @ x[t] + U @ h)
        return tg.sum((h - y) ** 2) / d + tg.sum(U**2) / T

    values = drawn("W", "U", W=(5, 2), U=(5, 5), x=(5, 2), y=(5,), h_0=(5,))
    closed = tg.explain(loss, values).closed
    assert "δ_5 = (2 / d) (h_5 − y) ⊙ (1 − h_5²)" in closed.text.splitlines()
    assert "(2 / T) U" in closed.text


def test_what_a_function_says_it_says_once(capsys, recwarn):
    def loss(w, X):
        print("one call")
        warnings.warn(f"{len(X)} samples", stacklevel=1)
        return tg.sum(tg.tanh(X @ w)) / len(X)

    tg.explain(loss, drawn("w", w=(2,), X=(5, 2)))
    assert capsys.readouterr().out == "one call\n" and len(recwarn) == 1


def test_a_graph_whose_axes_are_not_found_has_plain_numbers(monkeypatch):
    def fails(*arguments):
        raise NotImplementedError

    monkeypatch.setattr("tinygrad_mlp.explanation.retracing.AxesAlike.__init__", fails)
    values = drawn("Wq", "Wk", "Wv", Wq=(5, 16), Wk=(5, 16), Wv=(5, 3), X=(4, 5), R=(4, 3))
    text = tg.explain(attention, values).closed.text

    assert "A = softmax(¼ Q Kᵀ)" in text and "δ = ½ (A V − R)" in text
