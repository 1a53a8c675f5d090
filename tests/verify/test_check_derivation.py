"""`check_derivation`: right derivations pass, and each mistake is called by its name."""

import itertools

import numpy as np
import pytest

import tinygrad_mlp as tg
from tests.campaigns import chosen
from tests.verify import planted
from tinygrad_mlp.verify import check_derivation

x = np.array([0.5, -1.0, 0.3])
y = np.array([0.0, 1.0])


@pytest.fixture
def weights(rng):
    return {"W1": rng.normal(size=(4, 3)), "W2": rng.normal(size=(2, 4))}


def loss(W1, W2):
    z2 = W1 @ x
    a2 = np.tanh(z2)
    z3 = W2 @ a2
    a3 = tg.sigmoid(z3)
    return tg.nn.squared_error(a3, y)


def quantities(W1, W2):
    """Return what one has at hand when writing the gradients down."""
    z2 = W1 @ x
    a2 = np.tanh(z2)
    z3 = W2 @ a2
    a3 = 1 / (1 + np.exp(-z3))
    D2, D3 = np.diag(1 - a2**2), np.diag(a3 * (1 - a3))
    return z2, a2, z3, a3, D2, D3


# -- the planted-mistake suite ------------------------------------------------------------------


PARTS = 24
"""Of a table of thousands of cases, so that no process is left with all of it at the end."""
SHARE = chosen(2, PARTS)
"""Of them tried: two, or all, as ``python -m tests.verify.planted`` does."""


@pytest.mark.usefixtures("unhurried")
@pytest.mark.parametrize("part", range(SHARE))
def test_every_planted_mistake_is_detected_and_nearly_all_are_named_rightly(part):
    cases = itertools.islice(planted.planted(range(1)), part, None, PARTS)
    outcomes = [planted.examine(*case) for case in cases]
    assert len(outcomes) > 2000 / PARTS
    assert all(outcome.detected for outcome in outcomes)
    right = [outcome.kind_right and outcome.op_right for outcome in outcomes]
    assert np.mean(right) >= 0.97


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("part", range(PARTS))
def test_right_derivations_over_all_scales_raise_no_alarm(part, dtype):
    assert planted.false_alarms(range(part, chosen(120, 1000), PARTS), dtype) == 0


# -- what is said ------------------------------------------------------------------------------


def wrong_W1(mistake):
    def derived(W1, W2):
        z2, a2, z3, a3, D2, D3 = quantities(W1, W2)
        return {"W1": mistake(W2, a2, a3, D2, D3), "W2": np.outer(D3 @ (a3 - y), a2)}

    return derived


SENTENCES = {
    "the factor D2 left out": (
        lambda W2, a2, a3, D2, D3: np.outer(W2.T @ D3 @ (a3 - y), x),
        "The gradient of W1 equals the right one without the factor D2 = diag(1 − tanh²(z2)).",
    ),
    "the factor D3 twice, and a sign": (
        lambda W2, a2, a3, D2, D3: -np.outer(D2 @ W2.T @ D3 @ D3 @ (a3 - y), x),
        "The gradient of W1 equals the right one with the factor D3 = diag(g(z3)(1 − g(z3))) "
        "applied twice, times −1.",
    ),
    "the derivative of tanh at a2": (
        lambda W2, a2, a3, D2, D3: np.outer(
            np.diag(1 - np.tanh(a2) ** 2) @ W2.T @ D3 @ (a3 - y), x
        ),
        "The gradient of W1 equals the right one with the derivative of tanh taken at a2 instead "
        "of z2.",
    ),
    "the sign": (
        lambda W2, a2, a3, D2, D3: np.outer(D2 @ W2.T @ D3 @ (y - a3), x),
        "The gradient of W1 has the wrong sign.",
    ),
    "half": (
        lambda W2, a2, a3, D2, D3: 0.5 * np.outer(D2 @ W2.T @ D3 @ (a3 - y), x),
        "The gradient of W1 is the right one times ½.",
    ),
    "transposed": (
        lambda W2, a2, a3, D2, D3: np.outer(x, D2 @ W2.T @ D3 @ (a3 - y)),
        "The gradient of W1 is the transpose of the right one.",
    ),
    "an outer product that is none": (
        lambda W2, a2, a3, D2, D3: D2 @ W2.T @ D3 @ (a3 - y),
        "The gradient of W1 has shape (4,); the right one has (4, 3).",
    ),
    "something else": (
        lambda W2, a2, a3, D2, D3: np.outer(D2 @ W2.T @ D3 @ np.sin(5 * a3 - y), x),
        "The gradient of W1 is wrong, but not by a mistake that is recognised. Its factors from "
        "matmul and tanh agree, but not with ∂L/∂z3.",
    ),
    "zero": (
        lambda W2, a2, a3, D2, D3: np.zeros((4, 3)),
        "The gradient of W1 is zero; the right one is not.",
    ),
    "not a number": (
        lambda W2, a2, a3, D2, D3: np.full((4, 3), np.nan),
        "The gradient of W1 is not finite, and the right one is",
    ),
}


@pytest.mark.parametrize("case", SENTENCES)
def test_the_message_is_a_sentence_with_the_names_of_the_loss(case, weights):
    mistake, sentence = SENTENCES[case]
    report = check_derivation(loss, wrong_W1(mistake), **weights)
    assert list(report.diagnoses) == ["W1"]
    assert report.diagnoses["W1"].message.startswith(sentence)


def test_the_scale_of_a_structural_mistake_carries_the_factor(weights):
    def mistake(W2, a2, a3, D2, D3):
        return 2 * np.outer(W2.T @ D3 @ (a3 - y), x)

    diagnosis = check_derivation(loss, wrong_W1(mistake), **weights).diagnoses["W1"]
    assert (diagnosis.kind, diagnosis.op, diagnosis.node) == ("missing-factor", "tanh", "a2")
    assert diagnosis.scale == 2.0


def test_a_wrong_derivation_raises_with_the_report_as_its_message(weights):
    report = check_derivation(loss, wrong_W1(lambda W2, a2, a3, D2, D3: np.ones((4, 3))), **weights)
    with pytest.raises(tg.verify.WrongDerivationError, match="W1 +WRONG"):
        report.assert_ok()
    assert not report.ok and report.rows["W2"].ok


def test_the_heat_map_shows_the_wrong_gradient(weights):
    report = check_derivation(loss, wrong_W1(lambda W2, a2, a3, D2, D3: np.ones((4, 3))), **weights)
    assert report.plot().axes


# -- looks different, is right -------------------------------------------------------------------


EQUAL = {
    "the factors of a tanh written with cosh": lambda W1, W2: np.outer(
        (W2.T @ (quantities(W1, W2)[5] @ (quantities(W1, W2)[3] - y))) / np.cosh(W1 @ x) ** 2, x
    ),
    "multiplied elementwise instead of by a diagonal matrix": lambda W1, W2: np.outer(
        np.diag(quantities(W1, W2)[4])
        * (W2.T @ (np.diag(quantities(W1, W2)[5]) * (quantities(W1, W2)[3] - y))),
        x,
    ),
}


@pytest.mark.parametrize("case", EQUAL)
def test_an_expression_that_looks_different_but_is_equal_is_right(case, weights):
    report = check_derivation(loss, lambda **p: {"W1": EQUAL[case](**p)}, **weights)
    assert report.ok
    assert report.diagnoses == {} and report.not_given == ["W2"]


def test_a_relu_mask_taken_from_the_activation_is_right(rng):
    W1, W2 = rng.normal(size=(5, 3)), rng.normal(size=(2, 5))

    def rectified(W1, W2):
        return tg.nn.softmax_cross_entropy(W2 @ tg.relu(W1 @ x), y)

    def derived(W1, W2):
        a2 = np.maximum(W1 @ x, 0)
        e = np.exp(W2 @ a2)
        delta3 = e / e.sum() - y
        return {"W1": np.outer((a2 > 0) * (W2.T @ delta3), x), "W2": np.outer(delta3, a2)}

    check_derivation(rectified, derived, W1=W1, W2=W2).assert_ok()


def test_the_simplified_cross_entropy_is_as_right_as_the_one_with_d3(weights):
    def cross_entropy(W1, W2):
        return tg.nn.binary_cross_entropy(tg.sigmoid(W2 @ np.tanh(W1 @ x)), y)

    def simplified(W1, W2):
        z2, a2, z3, a3, D2, D3 = quantities(W1, W2)
        return {"W2": np.outer(a3 - y, a2)}

    def written_out(W1, W2):
        z2, a2, z3, a3, D2, D3 = quantities(W1, W2)
        return {"W2": np.outer(D3 @ ((1 - y) / (1 - a3) - y / a3), a2)}

    check_derivation(cross_entropy, simplified, **weights).assert_ok()
    check_derivation(cross_entropy, written_out, **weights).assert_ok()


# -- any graph -----------------------------------------------------------------------------------


def test_a_sigmoid_written_in_numpy_is_recognised(rng):
    def by_numpy(w):
        a = 1 / (1 + np.exp(-(w * x)))
        return np.sum((a - 0.5) ** 2)

    def derived(w):
        a = 1 / (1 + np.exp(-(w * x)))
        return {"w": 2 * (a - 0.5) * x}

    diagnosis = check_derivation(by_numpy, derived, w=rng.normal(size=3)).diagnoses["w"]
    assert (diagnosis.kind, diagnosis.op, diagnosis.node) == ("missing-factor", "sigmoid", "a")


def test_a_forgotten_inner_derivative_is_found_in_any_expression(rng):
    report = check_derivation(
        lambda t: tg.sum(tg.sin(t**2)), lambda t: {"t": np.cos(t**2)}, t=rng.normal(size=5)
    )
    diagnosis = report.diagnoses["t"]
    assert (diagnosis.kind, diagnosis.op) == ("missing-factor", "power")


def test_one_of_two_uses_of_a_parameter_left_out_is_a_missing_term(rng):
    A = rng.normal(size=(3, 3))
    report = check_derivation(
        lambda v: v @ (A @ v), lambda v: {"v": A @ v}, v=rng.normal(size=3)
    )  # the right one is (A + Aᵀ) v
    assert report.diagnoses["v"].kind == "missing-term"


def test_samples_in_rows_make_the_number_of_samples_a_known_factor(rng):
    X, Y = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))

    def mean_loss(W):
        return tg.nn.squared_error(X @ W.T, Y)

    report = check_derivation(
        mean_loss, lambda W: {"W": (X @ W.T - Y).T @ X}, W=rng.normal(size=(2, 3))
    )
    diagnosis = report.diagnoses["W"]
    assert (diagnosis.kind, diagnosis.scale) == ("summed", 5.0)
    assert "up to the factor 5: summed, not averaged" in diagnosis.message


def test_a_bias_not_summed_over_the_samples_is_told_so(rng):
    X, Y = rng.normal(size=(5, 3)), rng.normal(size=(5, 3))
    report = check_derivation(
        lambda b: tg.nn.squared_error(X + b, Y, reduction="sum"), lambda b: {"b": X + b - Y},
        b=rng.normal(size=3),
    )
    assert report.diagnoses["b"].kind == "shape"
    assert "not been summed over the samples" in report.diagnoses["b"].message


def test_changes_that_agree_at_one_point_are_told_apart_at_others():
    """At w = 1 every power of w is the same; as a function they differ."""

    def f(w):
        return tg.exp(w**2)

    def derived(w):  # without the inner derivative 2w, which is 2 at this point
        return {"w": np.exp(w**2)}

    with_function = check_derivation(f, derived, w=1.0).diagnoses["w"]
    assert (with_function.kind, with_function.op) == ("missing-factor", "power")
    with_numbers = check_derivation(f, derived(1.0), w=1.0).diagnoses["w"]
    assert (with_numbers.kind, with_numbers.scale) == ("scale", 0.5)


# -- intermediate quantities -----------------------------------------------------------------------


def test_the_first_wrong_term_of_the_backward_pass_is_named(weights):
    def derived(W1, W2):
        z2, a2, z3, a3, D2, D3 = quantities(W1, W2)
        delta3 = D3 @ (a3 - y)
        wrong_D2 = np.diag(1 - z2**2)
        delta2 = wrong_D2 @ W2.T @ delta3
        return {
            "delta2": delta2, "D2": wrong_D2, "delta3": delta3, "D3": D3, "a3": a3,
            "W1": np.outer(delta2, x), "W2": np.outer(delta3, a2),
        }

    report = check_derivation(loss, derived, **weights)
    assert [term.name for term in report.terms] == ["D3", "a3", "delta3", "D2", "delta2"]
    assert [term.ok for term in report.terms] == [True, True, True, False, False]
    assert report.first_wrong == "D2"
    assert "the first wrong term is D2" in str(report)
    assert report.diagnoses["W1"].kind == "wrong-point"


def test_a_wrong_term_alone_makes_the_derivation_wrong(weights):
    report = check_derivation(loss, lambda **p: {"delta3": np.zeros(2)}, **weights)
    assert not report.ok


# -- bad input -----------------------------------------------------------------------------------

def test_a_wrong_sign_is_told_as_a_sign_and_not_as_a_negative_length():
    def loss(w):
        return np.sum(np.exp(w)) + 0.5 * w @ w

    report = check_derivation(loss, lambda w: {"w": np.exp(w) - w}, w=np.array([0.3, -1.0, 0.7]))
    message, others = next(iter(report.messages.items()))
    assert "wrong sign" in message and others == []


REFUSED = {
    "no parameters": (lambda: check_derivation(loss, {}), "keyword arguments"),
    "an unknown name": (
        lambda: check_derivation(tg.sum, {"V": np.ones(2)}, a=np.ones(2)),
        r"must be parameters or quantities of the loss.*Got 'V'",
    ),
    "no dict": (
        lambda: check_derivation(
            lambda a, b: tg.sum(a * b), lambda a, b: b, a=np.ones(2), b=np.ones(2)),
        "must give a dict of gradients by parameter name",
    ),
    "text for a gradient": (
        lambda: check_derivation(tg.sum, {"a": np.array(["1"])}, a=np.ones(1)),
        r"derived\['a'\] must be an array of numbers",
    ),
    "integers for a parameter": (
        lambda: check_derivation(tg.sum, {"a": np.ones(2)}, a=np.array([1, 2])),
        "a must be of floating-point numbers. Got int64",
    ),
    "a loss of several numbers": (
        lambda: check_derivation(tg.exp, {"x": np.ones(2)}, x=np.ones(2)),
        r"loss must return one number. Got shape \(2,\)",
    ),
    "a loss without a history": (
        lambda: check_derivation(lambda a: 3.0, {"a": np.ones(2)}, a=np.ones(2)),
        "must be computed from its arguments",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_checked_is_refused(case):
    call, words = REFUSED[case]
    with pytest.raises(tg.errors.TinygradError, match=words):
        call()
