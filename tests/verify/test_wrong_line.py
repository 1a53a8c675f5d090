"""The wrong line of a derivation: shown, explained and repaired; or silence."""

import ast
import inspect
import sys

import numpy as np
import pytest

import tinygrad_mlp as tg
from tests.campaigns import chosen
from tests.verify.corpus_table import told
from tests.verify.derivation_corpus import files
from tests.verify.derivation_corpus import wrong as wrong_ones
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.verify import check_derivation
from tinygrad_mlp.verify.wrong_line import search as search_module
from tinygrad_mlp.verify.wrong_line.recording.recorder import FunctionRecorder
from tinygrad_mlp.verify.wrong_line.running.budget import Budget, BudgetSpentError
from tinygrad_mlp.verify.wrong_line.running.experiment import Task

rng = np.random.default_rng(0)
X = rng.normal(size=(6, 4))
Y = np.eye(3)[rng.integers(0, 3, size=6)]
n = len(X)
POINT = {"W": rng.normal(size=(4, 3)), "b": rng.normal(size=3)}


def softmax(Z):
    E = np.exp(Z - Z.max(axis=1, keepdims=True))
    return E / E.sum(axis=1, keepdims=True)


def loss(W, b):
    Z = X @ W + b
    E = np.exp(Z - Z.max(axis=1, keepdims=True))
    P = E / E.sum(axis=1, keepdims=True)
    return -np.sum(Y * np.log(P)) / n


def right(W, b):
    dZ = (softmax(X @ W + b) - Y) / n
    return {"W": X.T @ dZ, "b": dZ.sum(axis=0)}


def wrong(W, b):
    P = softmax(X @ W + b)
    dZ = P * (P - Y) / n  # a factor that cancels
    dW = X.T @ dZ
    return {"W": dW, "b": dZ.sum(axis=0)}


def culprit_of(derived, **options):
    return check_derivation(loss, derived, POINT, budget=60, **options).culprit


def line_of(function, text):
    """Return the number of the line of a function that holds a text."""
    lines, first = inspect.getsourcelines(function)
    return first + next(i for i, line in enumerate(lines) if text in line)


def test_the_line_the_quantity_and_the_repair_are_told():
    found = culprit_of(wrong)
    assert found.line == line_of(wrong, "a factor that cancels")
    assert found.text == "P * (P - Y)" and found.source[found.column:].startswith(found.text)
    assert found.expected == "∂L/∂Z"
    assert found.repair == "dZ = (P - Y) / n"
    assert found.gradients == ("W", "b")


def test_the_report_shows_the_line_with_a_mark_in_80_columns():
    text = str(check_derivation(loss, wrong, POINT, budget=60)).partition("\n\n")[2]
    number = line_of(wrong, "a factor that cancels")
    assert text == (
        f"    dZ = P * (P - Y) / n  # a factor that cancels{f'line {number}':>31}\n"
        "         ^^^^^^^^^^^\n"
        "This line should give ∂L/∂Z, and does not.\n"
        "This change makes all gradients right:\n"
        "    dZ = (P - Y) / n")


@pytest.mark.parametrize(
    ("hint", "expected", "repaired"), [(1, False, False), (2, True, False), (3, True, True)])
def test_a_hint_tells_the_place_the_quantity_or_the_repair(hint, expected, repaired):
    found = culprit_of(wrong, hint=hint)
    assert found.line == line_of(wrong, "a factor that cancels")
    assert (found.expected is not None, found.repair is not None) == (expected, repaired)


def test_the_first_hint_prints_the_place_and_no_name_of_the_mistake():
    report = check_derivation(loss, wrong, POINT, hint=1)
    named = report.diagnoses.values()
    assert named and not report.messages
    for text in (str(report), report._repr_html_()):
        assert str(report.culprit.line) in text
        assert not any(found.message in text for found in named)


@pytest.mark.parametrize("hint", [0, 4, "1"])
def test_other_hints_are_refused(hint):
    with pytest.raises(InvalidArgumentError, match="hint must be 1, 2 or 3"):
        check_derivation(loss, wrong, POINT, hint=hint)


def test_the_trace_tells_what_each_line_is():
    trace = {step.text: step.match for step in
             check_derivation(loss, wrong, POINT, budget=60).trace}
    assert trace["softmax(X @ W + b)"] == "P"
    assert trace["P * (P - Y) / n"] is None and trace["X.T @ dZ"] is None


def test_a_right_derivation_starts_no_search(monkeypatch):
    monkeypatch.setattr(search_module.Search, "__init__", None)
    report = check_derivation(loss, right, POINT)
    assert report.culprit is None and report.trace == () and "line" not in str(report)


def test_the_same_answer_comes_twice():
    first, second = (culprit_of(wrong) for _ in range(2))
    assert first._replace(values=None) == second._replace(values=None)
    assert np.array_equal(first.values, second.values)


def test_a_spent_budget_is_said():
    report = check_derivation(loss, wrong, POINT, budget=1e-6)
    assert report.culprit is None and "cut off by its time limit" in str(report)


def test_a_loss_may_have_comments_within_its_expressions():
    x = rng.normal(size=(5, 3))

    def commented(w):
        scale = np.exp(0.1 +  # the first share
                       0.2)
        return 0.5 * scale * np.sum((x @ w - 1)**2)

    def derived(w):
        r = x @ w + 1
        return {"w": np.exp(0.3) * (x.T @ r)}

    found = check_derivation(commented, derived, {"w": np.ones(3)}, budget=60).culprit
    assert found.repair == "r = x @ w - 1"


def test_an_evaluation_that_never_ends_is_ended_soon_after_the_time():
    budget = Budget(seconds=0.1)
    with pytest.raises(BudgetSpentError), budget.enforced():
        for _ in iter(int, 1):
            pass
    assert budget.spent
    with Budget(seconds=600).enforced():
        pass
    before = sys.getprofile()
    sys.setprofile(lambda *event: None)  # which would stand still if an error were left over
    try:
        inspect.cleandoc("")
    finally:
        sys.setprofile(before)


def test_the_comparison_with_known_mistakes_is_within_the_budget():
    report = check_derivation(loss, wrong, POINT, budget=1e-6)
    assert "known mistakes was cut off by its time limit" in report.diagnoses["W"].message
    assert {found.kind for found in report.diagnoses.values()} == {"unknown"}


def test_no_budget_is_no_search():
    report = check_derivation(loss, wrong, POINT, budget=0)
    assert report.culprit is None and report.wrong_line == ""


def test_gradients_without_a_function_or_a_source_have_no_line():
    assert check_derivation(loss, wrong(**POINT), POINT).culprit is None
    space = {"np": np}
    exec("def derived(W, b): return {'W': W, 'b': b}", space)
    assert check_derivation(loss, space["derived"], POINT).culprit is None


class Model:
    def __init__(self, decay):
        self.decay = decay

    def loss(self, w):
        p = 1 / (1 + np.exp(-(X @ w)))
        return np.mean((p - Y[:, 0]) ** 2) + self.decay * np.sum(w * w)

    def gradient(self, w):
        p = 1 / (1 + np.exp(-(X @ w)))
        dz = 2 * (p - Y[:, 0]) * p * (1 - p) / n
        return {"w": X.T @ dz + self.decay * w}


def test_a_method_keeps_its_object():
    model = Model(0.3)
    found = check_derivation(model.loss, model.gradient, w=rng.normal(size=4), budget=60).culprit
    assert found.line == line_of(Model.gradient, "return")
    assert "2 * self.decay * w" in found.repair or "2 * (self.decay * w)" in found.repair


def test_a_closure_and_a_lambda_have_lines():
    scale = 3.0
    found = check_derivation(
        lambda w: scale * np.sum(w**3), lambda w: {"w": scale * 2 * w**2}, w=np.array([1.0, 2.0]),
        budget=60).culprit
    assert found.text in ("2", "scale * 2", "scale * 2 * w**2")
    assert "3 * w**2" in found.repair


def sloppy_softmax(Z):
    E = np.exp(Z - Z.max(axis=1, keepdims=True))
    return E / E.sum()


def by_helper(W, b):
    dZ = (sloppy_softmax(X @ W + b) - Y) / n
    return {"W": X.T @ dZ, "b": dZ.sum(axis=0)}


def test_the_line_may_be_in_a_function_that_is_called():
    found = culprit_of(by_helper)
    assert found.line == line_of(sloppy_softmax, "E.sum()")
    assert found.repair == "return E / E.sum(axis=1, keepdims=True)"


def test_a_repair_is_python_and_makes_all_gradients_right():
    found = culprit_of(wrong)
    source = "\n".join(inspect.getsource(wrong).splitlines())
    space = dict(globals())
    exec(source.replace(found.source.strip(), found.repair), space)
    assert ast.parse(found.repair)
    assert check_derivation(loss, space["wrong"], POINT, budget=0).ok


def test_what_a_derivation_prints_is_not_repeated(capsys):
    def derived(W, b):
        print("here")
        dZ = (softmax(X @ W + b) + Y) / n
        return {"W": X.T @ dZ, "b": dZ.sum(axis=0)}

    report = check_derivation(loss, derived, POINT, budget=60)
    capsys.readouterr()
    assert report.culprit.repair == "dZ = (softmax(X @ W + b) - Y) / n"
    assert capsys.readouterr().out == ""


def recurrent_loss(U, w):
    h = np.zeros(3)
    total = 0.0
    for t in range(4):
        h = np.tanh(U @ h + w * t)
        total = total + 0.5 * np.sum((h - 1) ** 2)
    return total


def recurrent(U, w):
    hs = [np.zeros(3)]
    for t in range(4):
        hs.append(np.tanh(U @ hs[t] + w * t))
    dU, dw, dnext = np.zeros_like(U), np.zeros_like(w), np.zeros(3)
    for t in reversed(range(4)):
        dz = (hs[t + 1] - 1 + dnext) * (1 - hs[t + 1] ** 2)
        dU += np.outer(dz, hs[t])
        dw += dz * t
        dnext = U @ dz  # not transposed
    return {"U": dU, "w": dw}


def test_a_line_of_a_loop_is_wrong_in_every_step():
    point = {"U": rng.normal(size=(3, 3)), "w": rng.normal(size=3)}
    report = check_derivation(recurrent_loss, recurrent, point, budget=60)
    assert report.culprit.line == line_of(recurrent, "not transposed")
    assert report.culprit.in_loop
    assert report.culprit.repair in ("dnext = dz @ U", "dnext = U.T @ dz")
    assert "In every step" in str(report)


def test_two_mistakes_are_told_one_by_one():
    def derived(W, b):
        dZ = (softmax(X @ W + b) - Y) / n
        return {"W": X.T @ dZ + W, "b": dZ.mean(axis=0)}

    report = check_derivation(loss, derived, POINT, budget=60)
    found = report.culprit
    assert len(found.gradients) == 1 and len(found.others) == 1
    assert "wrong for another reason" in str(report)


def test_tensors_of_the_package_are_fine_in_the_loss():
    def fused(W, b):
        return tg.nn.softmax_cross_entropy(X @ W + b, Y)

    found = check_derivation(fused, wrong, POINT, budget=60).culprit
    assert found.line == line_of(wrong, "a factor that cancels")


def search_of(derived, evaluations):
    """Run a search that may evaluate the derivation so many times."""
    names = list(POINT)
    points = [{k: v + shift * np.cos(v) for k, v in POINT.items()} for shift in (0, 0.1, 0.2, 0.3)]
    budget = Budget(seconds=600, evaluations=evaluations)
    task = Task(loss, derived, points, lambda f, leaves: f(**leaves), lambda f, p: f(**p), names,
                1e-6)
    found = search_module.Search(task, budget)
    found.run()
    return found, budget


def test_a_change_after_which_a_gradient_is_missing_is_no_repair():
    def without_w(W, b):
        given = wrong(W, b)
        return given if np.any(given["W"]) else {"b": given["b"]}

    trials = search_of(without_w, None)[0].experiment
    (site,) = (each for each in trials.sites if each.text == "X.T @ dZ")
    made = trials.trial(0, {site.number: lambda k, value, frame: 0 * value}, "a test")
    assert made.fixed == frozenset() and "W" in trials.wrong


def test_a_budget_counts_evaluations_and_keeps_the_best_answer_so_far():
    whole, used = search_of(wrong, None)
    assert not used.spent and whole.best is not None
    part, spent = search_of(wrong, 10)
    assert spent.spent and spent.used == 10 and part.best is None
    again, exact = search_of(wrong, used.used)
    assert exact.used == used.used and again.best.repair.text() == whole.best.repair.text()


def test_a_recorded_function_returns_what_the_function_returns():
    def stores(x):
        total = np.zeros(3)
        parts = []
        for t in range(3):
            total[t] += x[t] * 2
            parts.append([v for v in x if v > 0][:1] or [0.0])
        total *= 2
        return {"x": total, "n": sum(p[0] for p in parts), "s": (lambda a: a + 1)(x)}

    x = np.array([1.0, -2.0, 3.0])
    recorder = FunctionRecorder(stores)
    with recorder.recording() as values:
        found = recorder.function(x)
    assert all(np.array_equal(found[k], v) for k, v in stores(x).items())
    texts = {site.text: values.get(site.number) for site in recorder.sites if not site.after}
    assert [float(v) for v in texts["x[t] * 2"]] == [2.0, -4.0, 6.0]
    after = next(s for s in recorder.sites if s.after and s.text == "total")
    assert len(values[after.number]) == 3 and values[after.number][0][0] == 2.0


def test_an_override_changes_one_expression_and_the_function_itself_stays():
    recorder = FunctionRecorder(wrong)
    with recorder.recording():
        recorder.function(**POINT)
    site = next(s for s in recorder.sites if s.text == "P * (P - Y) / n")
    with recorder.changed({site.number: lambda k, value, frame: 0 * value}) as changed:
        assert not changed(**POINT)["W"].any()
    assert wrong(**POINT)["W"].any()


SHARE = chosen(80, 1)
"""One of so many wrong derivations of the half to tune on is tried."""


def test_most_lines_of_the_corpus_are_found():
    cases = [case for path in files("tune") for case in wrong_ones(path)][::SHARE]
    found = [told(case, 60) for case in cases]
    assert np.mean([one.placed for one in found]) >= 0.75
    assert np.mean([one.useful for one in found]) >= 0.85
    assert not any(one.cryptic for one in found)
