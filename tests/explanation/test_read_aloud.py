"""What a lecturer would not write so: each of these was printed otherwise once."""

import re

import numpy as np
import pytest

import tinygrad_mlp as tg
from tests.explanation.test_written_once import closed_form


def drawn(*trained, **shapes):
    rng = np.random.default_rng(0)
    arrays = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    return {name: tg.Tensor(a, requires_grad=True) if name in trained else a
            for name, a in arrays.items()}


def logistic_of_one_sample(w, x, y):
    p = tg.sigmoid(w @ x)
    return -(y * tg.log(p) + (1 - y) * tg.log(1 - p))


def hinge(w, X, y):
    return tg.mean(tg.maximum(0, 1 - y * (X @ w)))


def normalised(x, a):
    return a @ (x / tg.sqrt(tg.sum(x**2)))


def a_stack_of_samples(W, X, Y):
    return tg.sum((tg.tanh(X @ W) - Y) ** 2) / 2


def with_a_small_number(Z, R):
    return tg.sum(Z / tg.sqrt(tg.mean(Z**2, axis=0) + 1e-5) * R)


def cross_entropy_of_one_label(W, x, y):
    z = W @ x
    return tg.logsumexp(z) - z[y]


def with_a_mask_of_its_own(w, X):
    M = np.array([2.0, 0.0, 2.0, 2.0])
    return tg.sum(tg.tanh(X @ w)) + tg.sum(M * w)


def cosines(Z, R):
    s = tg.sqrt(tg.sum(Z**2, axis=1, keepdims=True))
    C = (Z @ Z.T) / (s * s.T)
    return tg.sum((C - R) ** 2) / 2


def divided_by_a_row(W, X, R):
    s = tg.sqrt(tg.mean(X**2, axis=1, keepdims=True))
    return tg.sum(tg.tanh(X @ W @ X.T / s.T) * R)


def divided_by_a_column_as_a_row(Z, R, s):
    return tg.sum(tg.tanh(Z) / s.T * R)


def divided_by_a_vector(Z, R, s):
    return tg.sum(tg.tanh(Z) / s * R)


CASES = [
    (cosines, drawn("Z", Z=(6, 3), R=(6, 6)),
     ["s = √(Z² 1)", "C = Z Zᵀ / (s ⊙ sᵀ)",
      "e = ((Z Zᵀ) ⊙ (C − R)) (1 / s) + ((Z Zᵀ) ⊙ (C − R))ᵀ (1 / s)",
      "e1 = (C − R + (C − R)ᵀ) diag(1 / s) Z − Z ⊙ e / s²", "∂L/∂Z = e1 / s"]),
    (divided_by_a_row, drawn("W", W=(4, 4), X=(6, 4), R=(6, 6)),
     ["s = √(mean_1(X²))", "A = tanh(X W Xᵀ / sᵀ)",
      "∂L/∂W = Xᵀ (R ⊙ (1 − A²)) diag(1 / s) X"]),
    (divided_by_a_column_as_a_row, drawn("Z", Z=(4, 6), R=(4, 6), s=(6, 1)),
     ["∂L/∂Z = R ⊙ (1 − tanh²(Z)) / sᵀ"]),
    (divided_by_a_vector, drawn("Z", Z=(4, 6), R=(4, 6), s=(6,)),
     ["∂L/∂Z = R ⊙ (1 − tanh²(Z)) / s"]),
    (cross_entropy_of_one_label, drawn("W", W=(3, 4), x=(4,)) | {"y": 2},
     ["z = W x", "∂L/∂W = (softmax(z) − e) xᵀ"]),
    (with_a_mask_of_its_own, drawn("w", w=(4,), X=(6, 4)),
     ["a = tanh(X w)", "∂L/∂w = Xᵀ (1 − a²) + M"]),
    (logistic_of_one_sample, drawn("w", w=(4,), x=(4,)) | {"y": np.array(1.0)},
     ["p = σ(wᵀ x)", "∂L/∂w = (p − y) x"]),
    (hinge, drawn("w", w=(4,), X=(6, 4), y=(6,)),
     ["∂L/∂w = −(1 / n) Xᵀ (y ⊙ [1 − (X w) ⊙ y > 0])"]),
    (normalised, drawn("x", x=(4,), a=(4,)),
     ["∂L/∂x = (1 / ‖x‖) (a − (1 / ‖x‖²) (xᵀ a) x)"]),
    (a_stack_of_samples, drawn("W", W=(4, 3), X=(6, 5, 4), Y=(6, 5, 3)),
     ["A = tanh(X W)", "∂L/∂W = [Σ_kl X_kli (A − Y)_klj (1 − A²)_klj]_ij"]),
    (with_a_small_number, drawn("Z", Z=(6, 4), R=(6, 4)),
     ["e = mean_0(Z²) + 10⁻⁵", "∂L/∂Z = (R − mean_0(Z ⊙ R) ⊙ Z / e) / √e"]),
]


@pytest.mark.parametrize("case", CASES, ids=[f.__name__ for f, _, _ in CASES])
def test_the_closed_form_is_what_one_writes(case):
    function, values, lines = case
    assert closed_form(function, values).text.splitlines() == lines


def test_the_steps_name_no_transposed_matrix():
    def loss(U, V):
        S = U @ V.T
        return tg.sum(S**2) / 2

    steps = tg.explain(loss, drawn("U", "V", U=(3, 2), V=(3, 2))).steps
    assert [str(e) for e in steps.equations] == [
        "S = U Vᵀ", "L = ½ ‖S‖²", "∂L/∂U = S V", "∂L/∂V = Sᵀ U"]


def test_rows_whose_derivatives_are_all_there_are_written_beside_each_other():
    def loss(W, X):
        return tg.sum(tg.tanh(X @ W[0])) + tg.sum(tg.sigmoid(X @ W[1]))

    steps = tg.explain(loss, drawn("W", W=(2, 4, 3), X=(5, 4))).steps
    assert str(steps["∂L/∂W"]) == "∂L/∂W = [δ_u, δ_u1]"


def test_an_array_of_a_rule_has_its_values_in_the_glossary():
    values = drawn("W", W=(3, 4), x=(4,)) | {"y": 2}
    glossary = tg.explain(cross_entropy_of_one_label, values).closed.glossary
    assert "e: 3, which is (0, 0, 1)" in glossary


def test_a_small_number_is_a_power_of_ten():
    values = drawn("Z", Z=(6, 4), R=(6, 4))
    assert "10^{-5}" in tg.explain(with_a_small_number, values).closed.latex


def normalised_rows(X):
    D = X - tg.mean(X, axis=1, keepdims=True)
    return D / tg.sqrt(tg.mean(D**2, axis=1, keepdims=True) + 1e-5)


def residual_network(W1, V1, W2, V2, W3, V3, W4, V4, X, Y):
    H = X
    for W, V in ((W1, V1), (W2, V2), (W3, V3), (W4, V4)):
        H = H + tg.tanh(normalised_rows(H) @ W) @ V
    return tg.sum((H - Y) ** 2) / (2 * len(X))


def encoder_and_decoder(W, U, D, V, x, y, h0):
    h, loss = h0, 0
    for t in range(len(x)):
        h = tg.tanh(W @ x[t] + U @ h)
    s = h
    for t in range(len(y)):
        s = tg.tanh(D @ s)
        loss = loss + tg.sum((V @ s - y[t]) ** 2) / 2
    return loss


LAYERS = ["W1", "V1", "W2", "V2", "W3", "V3", "W4", "V4"]
IN_PARTS = [
    (residual_network, drawn(*LAYERS, **dict.fromkeys(LAYERS, (4, 4)), X=(6, 4), Y=(6, 4))),
    (encoder_and_decoder, drawn(*"WUDV", W=(3, 2), U=(3, 3), D=(3, 3), V=(2, 3),
                                x=(5, 2), y=(4, 2), h0=(3,))),
]


@pytest.mark.parametrize("case", IN_PARTS, ids=[f.__name__ for f, _ in IN_PARTS])
@pytest.mark.parametrize("level", ["closed", "steps"])
def test_what_is_no_line_of_a_loop_is_defined_before_it_is_written(case, level):
    lines = getattr(tg.explain(*case), level).equations
    of_loop = re.compile(r".*_[tl]$")
    for i, line in enumerate(lines):
        later = {e.name for e in lines[i + 1 :]}
        later = {text for text in later if not (of_loop.match(text) and of_loop.match(line.name))}
        words = re.findall(r"\w+", line.text.split("=", 1)[1])
        assert later.isdisjoint(words), line.text


@pytest.mark.parametrize(("masked", "written"), [(-1e9, "10⁹"), (-np.inf, "∞")])
def test_a_mask_before_the_softmax_is_written_as_one(masked, written):
    def loss(Q, K, R):
        S = Q @ K.T
        M = np.tril(np.ones(S.shape, bool))
        A = tg.softmax(tg.where(M, S, masked))
        return tg.sum((A - R) ** 2) / 2

    values = drawn("Q", "K", Q=(5, 3), K=(5, 3), R=(5, 5))
    assert tg.explain(loss, values).closed.text.splitlines() == [
        "S = Q Kᵀ",
        f"A = softmax(M ⊙ S + (1 − M) ⊙ (−{written}))",
        "δ_S = M ⊙ A ⊙ (A − (A ⊙ (A − R)) 1 1ᵀ − R)",
        "∂L/∂Q = δ_S K",
        "∂L/∂K = δ_Sᵀ Q",
    ]
