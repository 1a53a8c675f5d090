"""Conventions: gradients of another loss, or in another form; each has a kind and its own words."""

import re
from pathlib import Path

import numpy as np
import pytest

import tinygrad_mlp as tg
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.verify import check_derivation, check_layer, check_step
from tinygrad_mlp.verify.derivations.conventions import CONVENTIONS

RNG = np.random.default_rng(3)
X, Y = RNG.normal(size=(6, 3)), RNG.normal(size=6)
UP = (Y > 0) * 1.0
POINT = {"w": RNG.normal(size=3), "b": np.array(0.3)}
W = POINT["w"]
TRIANGLE = np.tril(RNG.normal(size=(3, 3)))
STEPS = RNG.normal(size=(7, 2))
RECURRENT = {"U": RNG.normal(size=(3, 2)), "R": RNG.normal(size=(3, 3)) / 2}


def error(w, b):
    return X @ w + b - Y


def times(c, d=None):
    """Return gradients of the mean square, multiplied by c, or that of b by d."""
    def gradients(w, b):
        e = 2 * error(w, b) / len(X)
        return {"w": c * X.T @ e, "b": (c if d is None else d) * e.sum()}

    return gradients


def mean_square(w, b):
    return np.mean(error(w, b) ** 2)


def sum_of_squares(w, b):
    return np.sum(error(w, b) ** 2)


def recurrent(U, R):
    h, loss = np.zeros(3), 0.0
    for x in STEPS:
        h = np.tanh(U @ x + R @ h)
        loss = loss + 0.5 * np.sum(h**2)
    return loss


def stopping_after(back):
    """Return back-propagation through time that takes so many steps back from each output."""
    def gradients(U, R):
        hs = [np.zeros(3)]
        for x in STEPS:
            hs.append(np.tanh(U @ x + R @ hs[-1]))
        dU, dR = 0 * U, 0 * R
        for t in range(1, len(hs)):
            dz = hs[t] * (1 - hs[t] ** 2)
            for s in range(t, max(0, t - 1 - back), -1):
                dU += np.outer(dz, STEPS[s - 1])
                dR += np.outer(dz, hs[s - 1])
                dz = R.T @ dz * (1 - hs[s - 1] ** 2)
        return {"U": dU, "R": dR}

    return gradients


def cross_entropy(w, b, *, epsilon=0.0, bounds=None):
    p = 1 / (1 + np.exp(-(X @ w + b)))
    p = p if bounds is None else np.clip(p, *bounds)
    return -np.mean(UP * np.log(p + epsilon) + (1 - UP) * np.log(1 - p + epsilon))


def short(w, b):
    """The gradient p − y, whatever is done for safety."""
    e = (1 / (1 + np.exp(-(X @ w + b))) - UP) / len(X)
    return {"w": X.T @ e, "b": e.sum()}


def norm_below(limit, together):
    def gradients(w, b):
        found = times(1)(w, b)
        norms = {name: np.sqrt(np.sum(np.square(g))) for name, g in found.items()}
        if together:
            norms = dict.fromkeys(norms, np.sqrt(sum(n * n for n in norms.values())))
        return {name: g * min(1.0, limit / norms[name]) for name, g in found.items()}

    return gradients


CASES = {
    "summed": (mean_square, times(6), POINT, "The gradients of w and b are right up to the factor "
               "6: summed, not averaged."),
    "summed and halved": (mean_square, times(3), POINT, "right up to the factor ½ · 6: summed, not "
                          "averaged, and halved."),
    "averaged": (sum_of_squares, times(1), POINT, "The gradients of w and b are right up to the "
                 "factor 1/6: averaged, not summed."),
    "averaged over 2n": (sum_of_squares, times(0.5), POINT, "right up to the factor ½ · 1/6: "
                         "averaged, not summed, and halved."),
    "half": (mean_square, times(0.5), POINT, "The gradients of w and b are right up to the factor "
             "½: as of half the loss."),
    "half, doubled": (mean_square, times(2), POINT, "right up to the factor 2: as of twice the "
                      "loss."),
    "ascent": (mean_square, times(-1), POINT, "The gradients of w and b are right up to the sign, "
               "as where the loss is maximised."),
    "decay": (mean_square, lambda w, b: times(1)(w, b) | {"w": times(1)(w, b)["w"] + 0.01 * w},
              POINT, "The gradient of w is the right one plus 0.01 · w: a weight decay that the "
              "loss does not have."),
    "decay left out": (lambda w, b: mean_square(w, b) + 0.3 * np.sum(w * w), times(1), POINT,
                       "The gradient of w is right but for the weight decay 0.6 · w, which the "
                       "loss has and the gradient has not."),
    "epsilon": (lambda w, b: cross_entropy(w, b, epsilon=1e-4), short, POINT,
                "are right to 7e-04: the constant 0.0001 in `p + epsilon` (line"),
    "clip": (lambda w, b: cross_entropy(w, b, bounds=(0.4, 0.6)), short, POINT,
             "The gradients of w and b are right for the loss without `np.clip(p, *bounds)`"),
    "clipped-gradient": (
        mean_square, lambda w, b: {n: np.clip(g, -1.5, 1.5) for n, g in times(1)(w, b).items()},
        POINT, "up to clipping: every element is kept within ±1.5."),
    "clipped-gradient by the norm of all": (
        mean_square, norm_below(0.5, True), POINT,
        "The gradients of w and b are right up to clipping: the norm is kept below 0.5."),
    "truncated": (recurrent, stopping_after(2), RECURRENT, "The gradients of U and R are right up "
                  "to truncation: back-propagation through time stops after 2 steps."),
    "truncated, one step": (recurrent, stopping_after(1), RECURRENT, "stops after 1 step."),
}
"""By the kind and what is special: loss, gradients, point, and what is said."""


def kind_of(case):
    return re.match(r"[a-z-]+", case.removesuffix(" left out")).group()


@pytest.mark.parametrize("case", CASES)
def test_a_convention_has_a_kind_and_words_of_its_own_and_is_not_ok(case):
    loss, gradients, point, said = CASES[case]
    report = check_derivation(loss, gradients, point, budget=0)
    assert not report.ok
    assert {found.kind for found in report.diagnoses.values()} == {kind_of(case)}, report
    assert {report.rows[name].verdict for name in report.diagnoses} == {"convention"}
    assert said in str(report) and str(report).count("up to") <= 1


@pytest.mark.parametrize("case", CASES)
def test_a_convention_is_accepted_by_its_name_and_by_no_other(case):
    loss, gradients, point, said = CASES[case]
    kind = kind_of(case)
    accepted = check_derivation(loss, gradients, point, budget=0, ignoring=[kind])
    assert accepted.conclusive and not accepted.diagnoses
    assert said in str(accepted) and "This is ignored." in str(accepted)
    others = CONVENTIONS.keys() - {kind}
    assert not check_derivation(loss, gradients, point, budget=0, ignoring=others).ok


def test_a_name_that_is_that_of_no_convention_raises_with_the_list():
    for check in (lambda **o: check_derivation(mean_square, times(1), POINT, **o),
                  lambda **o: check_layer(lambda x: x**2, lambda d, x: 2 * x * d, X, **o),
                  lambda **o: check_step(lambda w: w, W, 0.1, **o)):
        with pytest.raises(InvalidArgumentError, match=f"{', '.join(CONVENTIONS)}.*'sum'"):
            check(ignoring=["summed", "sum"])
    assert check_derivation(mean_square, times(6), POINT, ignoring="summed").ok


def test_the_page_lists_the_names():
    page = (Path(__file__).parents[2] / "docs" / "check_your_derivation.md").read_text("utf-8")
    for name in CONVENTIONS:
        assert f"\n| `{name}` |" in page


# -- what is no convention ---------------------------------------------------------------------


def test_a_factor_of_one_gradient_is_no_convention_while_others_agree():
    everything = list(CONVENTIONS)
    report = check_derivation(mean_square, times(6, 1), POINT, ignoring=everything)
    assert report.diagnoses["w"].kind == "scale" and report.rows["w"].verdict == "WRONG"
    report = check_derivation(mean_square, times(6, 2), POINT, ignoring=everything)
    assert {d.kind for d in report.diagnoses.values()} == {"scale"} and not report.ok
    report = check_derivation(mean_square, times(-1, 1), POINT, ignoring=everything)
    assert report.diagnoses["w"].kind == "sign" and not report.ok


def test_a_two_of_a_single_gradient_is_a_mistake_unless_it_is_to_be_ignored():
    def loss(w):
        return 0.5 * np.sum(w**2)

    for factor, kind, name in ((2, "scale", "half"), (-1, "sign", "ascent")):
        report = check_derivation(loss, lambda w, c=factor: c * w, w=W, budget=0)
        assert report.diagnoses["w"].kind == kind and report.rows["w"].verdict == "WRONG"
        assert check_derivation(loss, lambda w, c=factor: c * w, w=W, ignoring=name).conclusive


@pytest.mark.parametrize("half", ["with half its strength", "with the wrong sign"])
def test_a_decay_that_is_not_what_the_loss_has_is_a_mistake(half):
    c = 0.3 if half == "with half its strength" else -0.6
    report = check_derivation(
        lambda w, b: mean_square(w, b) + 0.3 * np.sum(w * w),
        lambda w, b: times(1)(w, b) | {"w": times(1)(w, b)["w"] + c * w}, POINT, budget=0,
        ignoring=list(CONVENTIONS))
    assert report.diagnoses["w"].kind == "scaled-term"


def test_a_decay_is_subtracted_by_mistake():
    report = check_derivation(
        mean_square, lambda w, b: times(1)(w, b) | {"w": times(1)(w, b)["w"] - 0.01 * w}, POINT,
        budget=0, ignoring=list(CONVENTIONS))
    assert report.diagnoses["w"].kind == "scaled-term"
    assert "the right one minus 0.01 · w, as where a weight decay" in str(report)


def test_a_sum_over_samples_of_which_some_are_left_out_is_no_truncation():
    def loss(w):
        total = 0.0
        for x, y in zip(X, Y, strict=True):
            total = total + np.exp(x @ w - y)
        return total

    def of_the_last(w):
        return {"w": sum(np.exp(x @ w - y) * x for x, y in zip(X[-2:], Y[-2:], strict=True))}

    report = check_derivation(loss, of_the_last, w=W, budget=0, ignoring=list(CONVENTIONS))
    assert not report.ok and report.diagnoses["w"].kind == "missing-term"


def test_nothing_that_flows_back_is_a_mistake_and_no_truncation():
    report = check_derivation(recurrent, stopping_after(0), RECURRENT, budget=0,
                              ignoring=list(CONVENTIONS))
    assert report.diagnoses["U"].kind == "missing-term"


def test_a_loop_that_stops_early_is_no_truncation():
    def last_steps_only(U, R):
        gradients = tg.grad(lambda u: recurrent(u, R))(U)
        return {"U": 0.9 * gradients + 0.01 * np.sin(U)}

    report = check_derivation(recurrent, last_steps_only, RECURRENT, budget=0,
                              ignoring=list(CONVENTIONS))
    assert report.diagnoses["U"].kind == "unknown"


def test_one_number_within_a_bound_is_not_taken_for_a_clipped_one():
    report = check_derivation(
        lambda w: np.exp(w), {"w": np.array(0.5)}, {"w": np.array(1.0)},
        ignoring=list(CONVENTIONS))
    assert not report.ok


def test_a_safeguard_that_is_active_at_further_points_only_is_no_mistake():
    small = {"w": W / 10, "b": np.array(0.03)}
    report = check_derivation(lambda w, b: cross_entropy(w, b, bounds=(0.3, 0.7)), short, small)
    assert report.conclusive and "At further point" in str(report)


# -- symmetric matrices, and safeguards in the gradient ----------------------------------------

TRIANGLES = {
    "the lower triangle": lambda G: np.tril(G + G.T) - np.diag(np.diag(G)),
    "the symmetric part": lambda G: (G + G.T) / 2,
    "pairs as one variable": lambda G: G + G.T - np.diag(np.diag(G)),
}


@pytest.mark.parametrize("case", TRIANGLES)
@pytest.mark.parametrize("f", [
    lambda S: np.sum(np.linalg.cholesky(S) * TRIANGLE),
    lambda S: np.trace(S @ TRIANGLE @ S @ S) + np.sum(S * TRIANGLE)])
def test_a_convention_for_symmetric_matrices_is_told_as_one(case, f):
    def derived(S):
        return {"S": TRIANGLES[case](tg.grad(f)(S))}

    S = np.array([[2.0, 0.3, 0.1], [0.3, 1.5, 0.4], [0.1, 0.4, 1.0]])
    report = check_derivation(f, derived, S=S)
    assert report.ok or report.diagnoses["S"].kind == "symmetric", report
    assert report.ok or "a symmetric matrix" in report.diagnoses["S"].message
    assert check_derivation(f, derived, S=S, ignoring="symmetric").ok


@pytest.mark.parametrize("epsilon", [1e-3, 1e-5])
def test_an_epsilon_in_a_logarithm_is_told_as_a_convention(epsilon):
    def loss(w):
        p = tg.sigmoid(X @ w)
        return -np.sum(UP * np.log(p) + (1 - UP) * np.log(1 - p))

    def derived(w):
        p = 1 / (1 + np.exp(-X @ w))
        slope = -UP / (p + epsilon) + (1 - UP) / (1 - p)
        return X.T @ (slope * p * (1 - p))

    diagnosis = check_derivation(loss, derived, w=W).diagnoses["w"]
    assert diagnosis.kind == "epsilon"
    assert f"ε = {epsilon:.0e} added in `np.log(p)`" in diagnosis.message


def test_clipped_probabilities_are_told_as_a_convention():
    x = np.linspace(-9, 9, 7)

    def loss(w):
        return -np.sum(np.log(tg.sigmoid(w * x)))

    def derived(w):
        p = 1 / (1 + np.exp(-w * x))
        return -x * p * (1 - p) / np.clip(p, 1e-3, 1 - 1e-3)

    diagnosis = check_derivation(loss, derived, w=np.full(7, 0.9)).diagnoses["w"]
    assert diagnosis.kind == "clip"
    assert "kept 1e-03 away from 0 and 1 in `np.log(" in diagnosis.message


def test_an_epsilon_too_small_to_place_is_told_as_close():
    def loss(w):
        return -np.sum(np.log(tg.sigmoid(X @ w)))

    def derived(w):
        p = 1 / (1 + np.exp(-X @ w))
        return {"w": X.T @ (-p * (1 - p) / (p + 1e-10))}

    report = check_derivation(loss, derived, w=W)
    assert report.rows["w"].verdict == "close"
    assert "a small ε" in str(report)
