"""What is said of mistakes that people make: terms, steps of loops, plain words."""

import numpy as np
import pytest

import tinygrad_mlp as tg
from tests.verify.test_derivation_fairness import softmax_gradient, softmax_loss
from tinygrad_mlp.verify import check_derivation

RNG = np.random.default_rng(3)
X, Y = RNG.normal(size=(6, 3)), RNG.normal(size=6)
W = RNG.normal(size=3)


def found(loss, gradient, name="w", **point):
    report = check_derivation(loss, lambda **p: {name: gradient(**p)}, **point)
    assert not report.ok
    return report.diagnoses[name]


# -- terms of sums -----------------------------------------------------------------------------


def ridge(w):
    residual = X @ w - Y
    return np.sum(residual**2) + 0.3 * np.sum(w * w)


TERMS = {
    "the decay without its 2": (lambda w: 2 * X.T @ (X @ w - Y) + 0.3 * w, "scaled-term", 0.5),
    "the decay with the wrong sign": (
        lambda w: 2 * X.T @ (X @ w - Y) - 0.6 * w, "scaled-term", -1.0),
    "the decay without its factor 0.3": (
        lambda w: 2 * X.T @ (X @ w - Y) + 2 * w, "missing-factor", 1.0),
    "the data term without its 2": (lambda w: X.T @ (X @ w - Y) + 0.6 * w, "scaled-term", 0.5),
    "the data term left out": (lambda w: 0.6 * w, "missing-term", 1.0),
}


@pytest.mark.parametrize("case", TERMS)
def test_a_term_that_is_scaled_lost_or_of_wrong_sign_is_named(case):
    gradient, kind, scale = TERMS[case]
    diagnosis = found(ridge, gradient, w=W)
    assert diagnosis.kind == kind, diagnosis
    assert diagnosis.scale == pytest.approx(scale)
    assert "np.sum(" in diagnosis.message and "the result of" not in diagnosis.message


def test_the_path_through_a_variance_is_a_term():
    x = RNG.normal(size=5)

    def loss(w):
        z = w * x
        return np.sum(Y[:5] * (z - np.mean(z)) / np.sqrt(np.var(z) + 0.1))

    def without_the_variance(w):
        z = w * x
        s = np.sqrt(np.var(z) + 0.1)
        return (Y[:5] - Y[:5].mean()) / s * x

    diagnosis = found(loss, without_the_variance, w=RNG.normal(size=5))
    assert diagnosis.kind == "missing-term"


# -- the maximum that is subtracted ------------------------------------------------------------


def test_a_mistake_beside_a_subtracted_maximum_has_the_same_name_as_without():
    T = np.eye(4)[RNG.integers(4, size=6)]

    def without_targets(W):
        return softmax_gradient(X, 0 * T)(W)["W"]

    A = RNG.normal(size=(3, 4))

    def plain(W):
        E = np.exp(X @ W)
        return -np.mean(np.sum(T * np.log(E / np.sum(E, axis=1, keepdims=True)), axis=1))

    names = [found(f, without_targets, "W", W=A).kind for f in (plain, softmax_loss(X, T))]
    assert names[0] == names[1] == "missing-term"


# -- the same mistake at all steps -------------------------------------------------------------

STEPS = RNG.normal(size=(4, 2))
U, R = RNG.normal(size=(3, 2)), RNG.normal(size=(3, 3)) / 2


def recurrent(U, R):
    h = np.zeros(3)
    for x in STEPS:
        z = U @ x + R @ h
        h = np.tanh(z)
    return 0.5 * np.sum(h**2)


def backwards(U, R, *, slope=lambda h: 1 - h**2, matrix=lambda R: R.T, before=0):
    hs = [np.zeros(3)]
    for x in STEPS:
        hs.append(np.tanh(U @ x + R @ hs[-1]))
    dh, dU, dR = hs[-1], 0 * U, 0 * R
    for t in reversed(range(len(STEPS))):
        dz = dh * slope(hs[t + 1])
        dU = dU + np.outer(dz, STEPS[t])
        dR = dR + np.outer(dz, hs[t + before])
        dh = matrix(R) @ dz
    return {"U": dU, "R": dR}


STEP_MISTAKES = {
    "no slope of tanh": (dict(slope=lambda h: 1.0), "U", "missing-factor", "tanh"),
    "W for its transpose": (dict(matrix=lambda R: R), "U", "transpose", "matmul"),
    "h of the same step": (dict(before=1), "R", "wrong-point", "matmul"),
}


def test_the_recurrent_derivation_is_right():
    assert check_derivation(recurrent, lambda U, R: backwards(U, R), U=U, R=R).conclusive


@pytest.mark.parametrize("case", STEP_MISTAKES)
def test_a_mistake_that_every_step_makes_is_named_once(case):
    how, name, kind, op = STEP_MISTAKES[case]
    report = check_derivation(recurrent, lambda U, R: backwards(U, R, **how), U=U, R=R)
    diagnosis = report.diagnoses[name]
    assert (diagnosis.kind, diagnosis.op) == (kind, op), diagnosis
    assert "in each of" in diagnosis.message


# -- words -------------------------------------------------------------------------------------


def test_factors_are_shown_as_ratios():
    diagnosis = found(
        lambda w: np.sum(np.exp(w) ** 3), lambda w: np.exp(3 * w) / 9, w=np.array([0.3, 0.2]))
    assert diagnosis.message.endswith("times 1/27.")


def test_a_length_is_called_what_it_is_where_the_loss_is_the_persons_own():
    def loss(U, R):
        h, total = np.zeros(3), []
        for x in STEPS:
            h = np.tanh(U @ x + R @ h)
            total.append(np.sum(h))
        return np.prod(tg.stack(total) ** 2 + 1)

    report = check_derivation(
        loss, lambda U, R: {"U": 4 * tg.grad(lambda u: loss(u, R))(U)}, U=U, R=R)
    message = report.diagnoses["U"].message
    assert "outputs" not in message and "samples" not in message


def test_nameless_values_are_called_by_the_text_of_the_loss():
    diagnosis = found(
        lambda w: np.sum(np.sin(w * w * 2)), lambda w: np.cos(w * w * 2) * 2, w=W)
    assert "the result of" not in diagnosis.message and "its argument" not in diagnosis.message
    assert "w * w" in diagnosis.message


def test_a_value_of_another_matrix_of_the_same_shape_is_named():
    A, B = RNG.normal(size=(2, 3, 3))

    def loss(A, B):
        return 0.5 * np.sum((A @ (B @ W)) ** 2)

    def derived(A, B):
        delta = A @ (B @ W)
        return {"B": np.outer(B.T @ delta, W)}  # A.T was meant

    report = check_derivation(loss, derived, A=A, B=B)
    assert report.diagnoses["B"].kind == "wrong-point"
    assert "with B in the place of A" in report.diagnoses["B"].message
