"""Equations in records: those of the package hold, and a mistake in one is reported as such."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import tinygrad_mlp as tg
from tinygrad_mlp.autograd.op import Op
from tinygrad_mlp.autograd.ops.samples import samples_of
from tinygrad_mlp.verify import check_op
from tinygrad_mlp.verify.operations.cases import OpCase
from tinygrad_mlp.verify.operations.equation import WrittenEquation, python_source, read_relation
from tinygrad_mlp.verify.operations.equation_values import check_equation


def with_equation(op, equation):
    return Op(dataclasses.replace(op.record, equation=equation))


MISTAKES = [
    ("tanh", "1 − y²", "1 + y²"),
    ("tanh", "1 − y²", "1 − y³"),
    ("exp", "x̄ = g y", "x̄ = 2 g y"),
    ("log2", "ln 2", "ln 10"),
    ("divide", "−g y / x2", "g y / x2"),
    ("divide", "g / x2", "g x2"),
    ("sigmoid", "(1 − y)", "(1 + y)"),
    ("maximum", "½ g [x1 = x2],  x̄2", "g [x1 = x2],  x̄2"),
    ("clip", "a < a_min", "a > a_min"),
    ("leaky_relu", "slope g", "slope"),
    ("matmul", "g @ x2ᵀ", "g @ x2"),
    ("linear", "W̄ = gᵀ @ x", "W̄ = xᵀ @ g"),
    ("inv", "ā = −yᵀ", "ā = −y"),
    ("pinv", "+ yᵀ @ y", "− yᵀ @ y"),
    ("det", "g c[i, j]", "c[i, j]"),
    ("slogdet", "ln |det(a)|", "|det(a)|"),
    ("eigh", "λ[j] − λ[i]", "λ[i] − λ[j]"),
    ("svd", "diag(s̄) +", "diag(s̄) −"),
    ("qr", "tril(M, −1)", "tril(M, 1)"),
    ("cholesky", "(tril(D) + tril(D, −1)) / 2", "tril(D)"),
    ("mean", "g / n", "g n"),
    ("max", "/ Σ [a = y]", ""),
    ("var", "n − ddof),  ā", "n + ddof),  ā"),
    ("median", "½ g", "g"),
    ("softmax", "g − Σ g y", "g − g y"),
    ("logsumexp", "a − y", "y − a"),
    ("cumsum", "j ≤ i", "j < i"),
    ("recurrence", "a[i + 1]", "a[i]"),
    ("diff", "C(n, j − i)", "C(n, j + i)"),
    ("trapezoid", "d[i] + d[i + 1]", "d[i] − d[i + 1]"),
    ("sort", "/ Σ [y[j] = a[i]]", ""),
    ("tril", "m[i, j] [j ≤ i + k]", "m[i, j] [j ≥ i + k]"),
    ("trace", "g [j = i + offset]", "g [i = j + offset]"),
    ("roll", "roll(ā, shift", "roll(ā, 0"),
    ("windows", "k − s[0] i", "k − i"),
    ("conv2d", "k + r[0]", "k − r[0]"),
    ("max_pool2d", "/ t[i, j]", ""),
    ("squared_error", "½ Σ", "Σ"),
    ("binary_cross_entropy", "ln(1 − p) − ln p", "ln p − ln(1 − p)"),
    ("softmax_cross_entropy", "Σ t[j] − t[i]", "Σ t[j] + t[i]"),
    ("argsort", "(a, y, axis)", "(y, a, axis)"),
    ("logical_xor", "and not", "or not"),
    ("isclose", "≤ atol", "≥ atol"),
]


def failures(op):
    """The failures of the equation alone, which are found much faster than all others."""
    cases = [OpCase(op, sample) for sample in samples_of(op, np.random.default_rng(0))]
    return check_equation(WrittenEquation(op), cases)[1]


def test_a_mistake_in_an_equation_is_found():
    missed = []
    for name, written, mistake in MISTAKES:
        equation = tg.OPS[name].record.equation
        assert written in equation, f"{name}: {written}"
        assert not failures(tg.OPS[name])
        if not failures(with_equation(tg.OPS[name], equation.replace(written, mistake, 1))):
            missed.append((name, mistake))
    assert not missed


def test_check_op_reports_a_wrong_equation_as_a_failure_of_its_own_kind():
    report = check_op(with_equation(tg.tanh, "y = tanh x,  x̄ = g (1 + y³)"))
    assert [(f.rule, f.cause) for f in report.failures] == [("equation", "equation")]
    assert report.passed["equation"] is False and report.passed["first order"] is True
    assert "equation: equation" in str(report) and "'x̄ = g (1 + y³)' does not hold" in str(report)


def test_an_equation_that_no_array_fits_is_reported_as_well():
    (failure,) = failures(with_equation(tg.matmul, "y = x1 @ x2,  x̄1 = g @ x2,  x̄2 = x1ᵀ @ g"))
    assert "cannot be evaluated" in failure.message
    (failure,) = failures(with_equation(tg.tanh, "y = tanh x,  x̄ = c g,  c = d y,  d = c"))
    assert "cannot be evaluated" in failure.message


@pytest.mark.parametrize("equation", [
    "y = the hyperbolic tangent of x,  x̄ = what follows from it",
    "y = tanh x,  x̄ = g sech(x)",
    "y = tanh x,  x̄ = g (1 − y² ?",
    "y = tanh x,  x̄ = gradient x",
])
def test_words_and_unknown_names_are_a_note_and_no_failure(equation):
    report = check_op(with_equation(tg.tanh, equation))
    assert report.ok
    assert any("in words" in note for note in report.notes)


def test_a_rule_that_the_equation_does_not_mention_is_a_note():
    report = check_op(with_equation(tg.multiply, "y = x1 x2,  x̄1 = g x2"))
    assert report.ok and any("an equation for 'x2'" in note for note in report.notes)


def test_reductions_run_over_the_axis_of_the_operation():
    assert not failures(with_equation(tg.mean, "y = mean a,  ā = g / n"))
    assert failures(with_equation(tg.mean, "y = max a,  ā = g / n"))


def test_an_operation_does_not_explain_itself():
    own = with_equation(tg.OPS["cofactor"], "y = cofactor(a),  ā = g cofactor(a)")
    assert WrittenEquation(own).words == ["y = cofactor(a)"]


@pytest.mark.parametrize(("text", "value"), [
    ("2 + 3 · 4", 14), ("8 / 2 · 4", 16), ("−2^2", -4), ("2^−1", 0.5), ("2^3^2", 512),
    ("e^−x", np.exp(-3.0)), ("2 x²", 18), ("|1 − x| |−x|", 6), ("½ x (x + 1)", 6),
    ("√x²", 3), ("ln e x", 3), ("[x > 2] + [x = 3] + [not x < 3]", 3), ("[1 < x ≤ 3]", 1),
    ("⌊x / 2⌋ + ⌈x / 2⌉", 3), ("max(x, 5) − min(x, 5)", 2), ("1 where x = 0 else x", 3),
    ("σ(0)", 0.5), ("[x = 3 and (x < 0 or x > 2)]", 1),
])
def test_expressions_mean_what_they_mean_in_mathematics(text, value):
    @tg.op(register=False, equation=f"y = {text}", nondifferentiable=True,
           samples=lambda rng: [tg.Sample(np.array(3.0))])
    def constant(x):
        return np.asarray(value, float)

    assert not WrittenEquation(constant).words
    assert not failures(constant)
    assert failures(with_equation(constant, f"y = ({text}) + 0.001"))


@pytest.mark.parametrize(("text", "source"), [
    ("2 sin x y", "2*sin(x)*y"), ("Σ a b / c", "Σ(a*b)/c"), ("ln Σ e^a b", "ln(Σ(e**a*b))"),
    ("Σ ln p − t", "Σ(ln(p))-t"), ("x (1 − y²)", "x*(1-y**2)"), ("sin(x)² xᵀ", "sin(x)**2*x.T"),
    ("½ [a[i] ≤ |b|] g", "0.5*holds[a[i]<=abs(b)]*g"), ("√π/2 x^−y", "sqrt(π)/2*x**-y"),
])
def test_the_notation_of_mathematics_becomes_that_of_python(text, source):
    functions = {"sin": np.sin, "ln": np.log, "sqrt": np.sqrt, "abs": np.abs}
    assert python_source(text, functions).replace(" ", "") == source


@pytest.mark.parametrize(
    "text", ["y = ", "y = (x", "y = x)", "y = |x", "y = a[1", "y # x", "y = x +"]
)
def test_what_is_not_in_the_syntax_is_refused(text):
    assert read_relation(text, {"sin": np.sin}) is None
