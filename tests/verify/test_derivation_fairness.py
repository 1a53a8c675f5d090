"""Right derivations are not called wrong: at kinks, in sets of points, and where numbers round."""

import numpy as np
import pytest

import tinygrad_mlp as tg
from tests.campaigns import chosen
from tinygrad_mlp.verify import check_derivation

S = np.array([[2.0, 0.3, -0.1], [0.3, 1.5, 0.4], [-0.1, 0.4, 1.0]])

# -- rounding ----------------------------------------------------------------------------------


def softmax_loss(X, T):
    def loss(W):
        Z = X @ W
        E = np.exp(Z - np.max(Z, axis=1, keepdims=True))
        return -np.mean(np.sum(T * np.log(E / np.sum(E, axis=1, keepdims=True)), axis=1))

    return loss


def softmax_gradient(X, T):
    def derived(W):
        E = np.exp((Z := X @ W) - Z.max(axis=1, keepdims=True))
        return {"W": X.T @ (E / E.sum(axis=1, keepdims=True) - T) / len(X)}

    return derived


@pytest.mark.parametrize("part", range(10))
def test_a_stable_softmax_is_right_at_every_point(part):
    for seed in range(part, chosen(60, 600), 10):
        rng = np.random.default_rng(seed)
        n, d, k = (int(i) for i in rng.integers(2, 6, 3))
        X, T = rng.normal(size=(n, d)), np.eye(k)[rng.integers(k, size=n)]
        W = rng.normal(size=(d, k)) * 10 ** rng.uniform(-2, 2)
        check_derivation(softmax_loss(X, T), softmax_gradient(X, T), W=W).assert_ok()


def test_a_wrong_softmax_is_found_beside_the_maximum():
    rng = np.random.default_rng(0)
    X, T = rng.normal(size=(5, 3)), np.eye(4)[rng.integers(4, size=5)]
    right = softmax_gradient(X, T)
    report = check_derivation(
        softmax_loss(X, T), lambda W: {"W": right(W)["W"] * (1 + 1e-9)}, W=rng.normal(size=(3, 4)))
    assert report.diagnoses["W"].kind == "precision"


def test_a_variance_by_squares_rounds_as_its_formula_does():
    x = np.random.default_rng(0).normal(100, 1, 50)

    def derived(w):
        z = w * x
        variance = np.mean(z**2) - np.mean(z) ** 2
        return {"w": (np.mean(z * x) - np.mean(z) * np.mean(x)) / np.sqrt(variance)}

    check_derivation(lambda w: np.std(w * x), derived, w=1.3).assert_ok()


@pytest.mark.parametrize("h", [1e-4, 1e-5, 1e-6, 1e-7])
def test_numerical_differences_are_told_as_such(h):
    def loss(w):
        return np.sum(np.sin(w) * np.exp(w))

    def differences(w):
        return {"w": [(loss(w + h * e) - loss(w - h * e)) / (2 * h) for e in np.eye(3)]}

    report = check_derivation(loss, differences, w=np.array([0.3, 1.4, -0.8]))
    assert not report.conclusive
    assert "differences?" in str(report) or "or of losses?" in str(report)


CLOSE = {
    "a rounded constant": lambda w: np.exp(2 * w) * (2 + 1e-10),
    "a constant to 7 digits": lambda w: np.exp(2 * w) * 2.0000002,
    "a wide central difference": lambda w: (np.exp(2 * w + 2e-3) - np.exp(2 * w - 2e-3)) / 2e-3,
}


@pytest.mark.parametrize("case", CLOSE)
def test_a_gradient_that_is_nearly_right_is_told_so_and_no_scale_of_1_is_printed(case):
    report = check_derivation(lambda w: np.sum(np.exp(2 * w)), lambda w: {"w": CLOSE[case](w)},
                              w=np.array([0.3, 0.4]))
    assert report.diagnoses["w"].kind == "precision"
    assert "rounded constants, a small ε, or numerical differences?" in str(report)
    assert "times 1" not in str(report)


def test_what_rounding_hides_is_undecided():
    def loss(w):  # all digits cancel
        return np.sum(((w + 1e16) - 1e16) ** 2)

    report = check_derivation(loss, lambda w: {"w": 2 * w}, w=np.array([0.7, 1.3]))
    assert report.ok and not report.conclusive
    assert report.rows["w"].verdict == "undecided"


# -- kinks -------------------------------------------------------------------------------------

TIED = np.array([2.0, 2.0, 1.0, 2.0])
KINKS = {
    "relu with z >= 0": (
        lambda z: np.sum(tg.relu(z) * [1.0, 2.0, 3.0]), np.array([0.0, -1.0, 0.5]),
        lambda z: (z >= 0) * [1.0, 2.0, 3.0]),
    "half of relu": (
        lambda z: np.sum(tg.relu(z)), np.array([0.0, -1.0]), lambda z: (np.sign(z) + 1) / 2),
    "maximum with 0": (
        lambda z: np.sum(np.maximum(z, 0)), np.zeros(3), lambda z: (z >= 0) * 1.0),
    "abs at 0": (lambda z: np.sum(np.abs(z)), np.zeros(3), lambda z: np.where(z < 0, -1.0, 1.0)),
    "a norm at 0": (
        lambda z: np.linalg.norm(z), np.zeros(3),
        lambda z: z / np.linalg.norm(z) if z.any() else np.array([0.6, -0.8, 0.0])),
    "the first of tied maxima": (
        lambda z: np.max(z) * 3.0, TIED, lambda z: 3.0 * np.eye(4)[np.argmax(z)]),
    "the last of tied maxima": (
        lambda z: np.max(z), TIED, lambda z: np.eye(4)[3 - np.argmax(z[::-1])]),
    "tied minima": (lambda z: np.min(z), -TIED, lambda z: np.eye(4)[np.argmin(z)]),
    "a hinge": (
        lambda z: np.sum(np.maximum(0, 1 - z)), np.array([1.0, 0.5, 3.0]),
        lambda z: -1.0 * (z <= 1)),
    "clip at its bounds": (
        lambda z: np.sum(np.clip(z, -1, 1) ** 2), np.array([1.0, -1.0, 0.5]),
        lambda z: 2 * z * (np.abs(z) < 1)),
}


@pytest.mark.parametrize("case", KINKS)
def test_a_subgradient_at_a_kink_is_right(case):
    loss, z, slope = KINKS[case]
    report = check_derivation(loss, lambda z: {"z": slope(z)}, z=z)
    report.assert_ok()
    assert report.rows["z"].verdict in ("right", "kink")


def test_a_kink_is_told_as_one():
    loss, z, slope = KINKS["relu with z >= 0"]
    report = check_derivation(loss, lambda z: {"z": slope(z)}, z=z)
    assert report.rows["z"].verdict == "kink" and "subgradient" in str(report)


WRONG_AT_KINKS = {
    "more than both slopes": ("relu with z >= 0", lambda z: (z >= 0) * [1.1, 2.0, 3.0]),
    "wrong beside the kink": ("relu with z >= 0", lambda z: (z >= 0) * [1.0, 2.0, 2.0]),
    "the whole for each of tied maxima": (
        "the last of tied maxima", lambda z: 1.0 * (z == z.max())),
    "the slope of the wrong side": ("abs at 0", lambda z: np.full(3, 1.5)),
    "twice the maximum": ("the first of tied maxima", lambda z: 6 * np.eye(4)[np.argmax(z)]),
    "the smallest for the largest": (
        "the first of tied maxima", lambda z: 3 * np.eye(4)[np.argmin(z)]),
}


@pytest.mark.parametrize("case", WRONG_AT_KINKS)
def test_a_wrong_gradient_at_a_kink_is_found(case):
    of, slope = WRONG_AT_KINKS[case]
    loss, z, _ = KINKS[of]
    assert not check_derivation(loss, lambda z: {"z": slope(z)}, z=z).ok
    assert not check_derivation(loss, {"z": slope(z)}, z=z).ok


def test_exact_ties_inside_of_the_graph_let_no_wrong_gradient_pass():
    X = np.array([[1.0, 2.0], [2.0, 1.0]])

    def loss(w):  # both rows give 3 at w = (1, 1)
        return np.max(X @ w)

    w = np.ones(2)
    check_derivation(loss, {"w": X[0]}, w=w).assert_ok()
    assert not check_derivation(loss, {"w": 2 * X[0]}, w=w).ok
    assert not check_derivation(loss, {"w": X[0] - 0.1}, w=w).ok


def test_ties_of_sorted_numbers_round_as_others_do():
    report = check_derivation(
        lambda w: np.sum(np.sort(w) * [0.0, 1, 2, 3]), {"w": np.array([1.0, 2, 0, 3])},
        w=np.array([1.0, 1, 0, 3]))
    assert report.rows["w"].verdict == "kink"


EIGEN = {
    "the largest eigenvalue": (
        lambda S: tg.linalg.eigvalsh(S)[-1],
        lambda S: np.outer(np.linalg.eigh(S)[1][:, -1], np.linalg.eigh(S)[1][:, -1])),
    "a log-determinant by cholesky": (
        lambda S: 2 * np.sum(np.log(np.diagonal(np.linalg.cholesky(S)))), np.linalg.inv),
}


@pytest.mark.parametrize("case", EIGEN)
def test_a_symmetric_gradient_is_right_where_the_graph_fills_a_triangle(case):
    loss, gradient = EIGEN[case]
    report = check_derivation(loss, lambda S: {"S": gradient(S)}, S=S)
    assert report.conclusive and report.rows["S"].verdict == "convention"
    assert not check_derivation(loss, lambda S: {"S": 1.1 * gradient(S)}, S=S).ok


def test_a_gradient_that_does_not_depend_on_the_point_is_checked_like_others():
    x = np.array([0.5, -2.0])
    report = check_derivation(
        lambda w: np.sum(w * x), lambda w: {"w": x}, w=np.array([1.5, -0.3]))
    assert report.conclusive and not report.notes


# -- further points ----------------------------------------------------------------------------


def log_likelihood(S):
    return np.linalg.slogdet(S)[1] + np.trace(S)


def with_assertion(S):
    assert np.allclose(S, S.T) and np.linalg.eigvalsh(S).min() > 0
    return {"S": np.linalg.inv(S) + np.eye(len(S))}


def test_an_assertion_of_the_person_holds_at_further_points():
    report = check_derivation(log_likelihood, with_assertion, S=S)
    assert report.conclusive and not report.notes


def test_a_formula_for_symmetric_matrices_is_right_and_the_rest_is_told():
    a = np.array([1.0, -2.0, 0.5])
    report = check_derivation(
        lambda S: a @ np.linalg.solve(S, a), lambda S: {
            "S": -np.outer(np.linalg.solve(S, a), np.linalg.solve(S, a))}, S=S)  # no transpose
    assert report.ok and report.rows["S"].verdict == "undecided"
    assert "is right where S is symmetric and positive definite" in str(report)


def test_a_failure_at_a_further_point_is_told():
    def derived(w):
        assert w[0] == 1.5, "w must be the one of the exercise"
        return {"w": 2 * w}

    report = check_derivation(lambda w: np.sum(w**2), derived, w=np.array([1.5, -0.5]))
    assert report.ok
    assert len(report.notes) == 3
    assert report.notes[0].startswith("At further point 1, derived fails with AssertionError: w ")
    assert report.notes[0].endswith("It was not checked there.")


def test_a_constant_zero_is_found_where_the_gradient_happens_to_vanish():
    X = np.array([[1.0, 2.0], [0.5, -1.0]])
    report = check_derivation(
        lambda w: np.sum((X @ w) ** 2), lambda w: {"w": np.zeros(2)}, w=np.zeros(2))
    assert not report.ok and report.rows["w"].point > 0


def test_numbers_computed_before_are_checked_at_their_point_only():
    w = np.array([1.5, -0.5])
    numbers = 2 * w
    report = check_derivation(lambda w: np.sum(w**2), lambda w: {"w": numbers}, w=w)
    assert report.ok and "same numbers at another point" in report.notes[0]
    assert not report.conclusive
    assert check_derivation(lambda w: np.sum(w**2), {"w": numbers}, w=w).conclusive


def test_a_transpose_at_a_symmetric_point_is_called_one():
    x, y = np.array([0.5, -1.0, 0.3]), np.array([1.0, 0.5, -2.0])

    def transposed(W):
        return {"W": np.outer(x, (1 - np.tanh(W @ x) ** 2) * y)}

    report = check_derivation(lambda W: np.sum(np.tanh(W @ x) * y), transposed, W=np.eye(3))
    assert report.diagnoses["W"].kind == "transpose"


def test_a_gradient_that_is_not_finite_at_the_point_is_undecided():
    with np.errstate(divide="ignore"):
        report = check_derivation(
            lambda w: np.sum(np.sqrt(w)), {"w": np.array([0.0, 0.25])}, w=np.array([0.0, 4.0]))
    assert report.ok and report.rows["w"].verdict == "undecided"


# -- factors are said to agree only where that was shown ---------------------------------------


@pytest.mark.parametrize("slope", [lambda a: 1 - a, lambda a: 1 + a**2, lambda a: a * (1 - a)])
def test_a_wrong_slope_of_tanh_is_not_said_to_agree(slope):
    x = np.array([0.5, -1.0, 0.3])

    def derived(W):
        a = np.tanh(W @ x)
        return {"W": np.outer(slope(a) * (a - 0.5), x)}

    W = np.random.default_rng(0).normal(size=(4, 3))
    message = check_derivation(
        lambda W: 0.5 * np.sum((np.tanh(W @ x) - 0.5) ** 2), derived, W=W).diagnoses["W"].message
    assert "tanh agree" not in message and "and tanh" not in message


def test_random_numbers_agree_with_nothing():
    W = np.random.default_rng(0).normal(size=(2, 3))
    x = np.array([0.5, -1.0, 0.3])
    report = check_derivation(
        lambda W: np.sum(np.sin(np.exp(W) * 2) ** 2) + 0 * np.sum(x),
        {"W": np.random.default_rng(1).normal(size=(2, 3))}, W=W)
    assert "agree" not in report.diagnoses["W"].message
