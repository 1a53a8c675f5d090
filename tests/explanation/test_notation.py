"""Writing: brackets where they are needed and nowhere else, plain text from LaTeX, names."""

import pytest

import tinygrad_mlp as tg
from tinygrad_mlp.explanation.expressions.expression import Application, Symbol
from tinygrad_mlp.explanation.expressions.notation import Notation
from tinygrad_mlp.explanation.expressions.template import fill
from tinygrad_mlp.graph_view.names import UniqueNames, adjoint, name

A, B, X, Y = (
    tg.Tensor(v, requires_grad=True, name=n)
    for n, v in (("A", [[1.0, 2.0], [3.0, 5.0]]), ("B", [[2.0, 0.0], [1.0, 4.0]]),
                 ("x", [0.5, 2.0]), ("y", [1.5, 3.0]))
)


def written_out(value):
    """What a value was computed from, without names for what is between."""
    def whole(e):
        while isinstance(e, Symbol) and e.definition is not None:
            e = e.definition
        if not isinstance(e, Application):
            return e
        args = [None if a is None else whole(a) for a in e.args]
        return Application(e.op, args, e.static, e.shape, e.dtype)

    return whole(tg.explain(tg.sum(value)).tape["L"].right.args[0])


WRITTEN = {
    "a sum in a product": (lambda: (X + Y) * X, r"(x + y) \odot x", "(x + y) ⊙ x"),
    "a product in a sum": (lambda: X + Y * X, r"x + y \odot x", "x + y ⊙ x"),
    "a difference subtracted": (lambda: X - (Y - X), "x - (y - x)", "x − (y − x)"),
    "a difference first": (lambda: (X - Y) - X, "x - y - x", "x − y − x"),
    "products in a row": (lambda: X * (Y * X), r"x \odot y \odot x", "x ⊙ y ⊙ x"),
    "a matrix product in an elementwise one": (
        lambda: (A @ B) * A, r"(A B) \odot A", "(A B) ⊙ A",
    ),
    "an elementwise product in a matrix product": (
        lambda: (A * B) @ A, r"(A \odot B) A", "(A ⊙ B) A",
    ),
    "matrix products in a row": (lambda: A @ (B @ A), "A B A", "A B A"),
    "a transposed product": (lambda: (A @ B).T, r"(A B)^{\top}", "(A B)ᵀ"),
    "a transposed factor": (lambda: A.T @ B, r"A^{\top} B", "Aᵀ B"),
    "a power of a sum": (lambda: (X + Y) ** 2, "(x + y)^{2}", "(x + y)²"),
    "a power of a function": (lambda: tg.tanh(X) ** 2, r"\tanh^{2}(x)", "tanh²(x)"),
    "a power of a power": (lambda: (X**2) ** 3.0, "(x^{2})^{3}", "(x²)³"),
    "an exponent": (lambda: X ** (Y + 2.7183), r"x^{y + 2.7183}", "x^(y + 2.7183)"),
    "an exponential": (lambda: tg.exp(-X / 2), r"e^{\frac{-x}{2}}", "e^((−x) / 2)"),
    "a fraction of sums": (
        lambda: (X + 1) / (Y - 4), r"\frac{x + 1}{y - 4}", "(x + 1) / (y − 4)",
    ),
    "a fraction in a product": (
        lambda: X / Y * X, r"\frac{x}{y} \odot x", "(x / y) ⊙ x",
    ),
    "a fraction between brackets": (
        lambda: tg.tanh(X / Y), r"\tanh\left(\frac{x}{y}\right)", "tanh(x / y)",
    ),
    "a number as a factor": (lambda: 2 * (X * Y), r"2 \, x \odot y", "2 x ⊙ y"),
    "a number times a number": (lambda: 2 * (3 * X), r"2 \cdot 3 \, x", "2 · 3 x"),
    "a negative factor": (lambda: X * -Y, r"x \odot (-y)", "x ⊙ (−y)"),
    "a negative term": (lambda: X + -Y, "x - y", "x − y"),
    "a root": (lambda: tg.sqrt(X + Y), r"\sqrt{x + y}", "√(x + y)"),
    "an absolute value": (lambda: tg.abs(X - Y), r"\left| x - y\right|", "|x − y|"),
    "a sum sign": (
        lambda: tg.sum(A * B, axis=0) + X, r"\sum_{\mathrm{axis\ 0}} A \odot B + x",
        "Σ_axis0 A ⊙ B + x",
    ),
    "a sum sign in a product": (
        lambda: X * tg.sum(A, axis=0), r"x \odot \left(\sum_{\mathrm{axis\ 0}} A\right)",
        "x ⊙ (Σ_axis0 A)",
    ),
    "an index": (lambda: (A + B)[0, 1:], r"(A + B)[\mathrm{0}, \mathrm{1:}]", "(A + B)[0, 1:]"),
    "known numbers": (lambda: X / 2**0.5 + 0.5, r"\frac{x}{\sqrt{2}} + \frac{1}{2}", "x / √2 + ½"),
    "a small number": (
        lambda: 1.5e-7 * X, r"(1.5 \cdot 10^{-7}) \, x", "1.5e-07 x",
    ),
}


@pytest.mark.parametrize("what", WRITTEN)
def test_brackets_stand_where_they_are_needed(what):
    value, latex, text = WRITTEN[what]
    e = written_out(value())
    assert e.latex() == latex
    assert e.text() == text


def test_an_operation_without_a_template_is_written_by_its_name():
    @tg.op(rules={"x": lambda g, y, x, beta, n_times: g * beta}, register=False)
    def my_scale(x, *, beta=1.0, n_times=3):
        return x * beta

    e = written_out(my_scale(X + Y, beta=2.5))
    assert e.text() == "my_scale(x + y; beta = 2.5)"
    assert e.latex() == r"\mathrm{my\_scale}(x + y; \mathrm{beta} = \mathrm{2.5})"


@pytest.mark.parametrize(
    "template",
    ["(a", "a)", r"\frac{a}", "{a", "^2", "a^", r"\left( a ]", "", r"\mathrm a", r"\mathrm{a"],
)
def test_a_template_that_cannot_be_read_is_refused(template):
    with pytest.raises(tg.errors.OpDefinitionError, match="LaTeX .* cannot be read"):
        fill(template, None, Notation(latex=True))


def test_a_template_of_letters_is_written_as_it_is():
    template = r"\alpha + \frac 1 {2} x^{23} + f() x^23"
    latex, text = (fill(template, None, Notation(latex)).string for latex in (True, False))
    assert latex == r"\alpha + \frac{1}{2} x^{23} + f() x^{2} 3"
    assert text == "α + ½ x²³ + f() x² 3"


NAMES = {
    "W1": r"W^{(1)}", "b12": "b^{(12)}", "z3": "z^{(3)}", "x1": "x_{1}", "x_1": "x_{1}", "x": "x",
    "L": r"\mathcal{L}", "y_hat": r"\hat{y}", "w_ih": r"w_{\mathrm{ih}}", "theta": r"\theta",
    "θ": r"\theta", "β2": r"\beta_{2}", "weight": r"\mathrm{weight}", "a.b c": r"\mathrm{a.b c}",
    "100%": r"\mathrm{100\%}", "a_b_c": r"a_{\mathrm{b\_c}}", "_": r"\mathrm{\_}",
    "{$^}": r"\mathrm{\ \$\ \ }",
}


@pytest.mark.parametrize("text", NAMES)
def test_names_are_written_as_one_would_by_hand(text):
    from matplotlib.mathtext import MathTextParser

    assert name(text).latex == NAMES[text]
    MathTextParser("path").parse(f"${name(text).latex}$")


@pytest.mark.parametrize(
    ("of", "text", "latex"),
    [
        ("z2", "δ2", r"\delta^{(2)}"),
        ("a2", "ā2", r"\bar{a}^{(2)}"),
        ("v10", "v̄10", r"\bar{v}_{10}"),
        ("y_hat", "bar(y_hat)", r"\bar{\hat{y}}"),
        ("loss", "bar(loss)", r"\overline{\mathrm{loss}}"),
        ("L", "L̄", r"\bar{\mathcal{L}}"),
    ],
)
def test_adjoints_are_named_after_what_they_belong_to(of, text, latex):
    import unicodedata

    made = adjoint(name(of))
    assert made.text == unicodedata.normalize("NFC", text)
    assert made.latex == latex


def test_names_are_given_once():
    names = UniqueNames()
    assert [names.unique("W").text for _ in range(3)] == ["W", "W_2", "W_3"]
    names.unique("v2")
    assert [names.numbered("v").text for _ in range(3)] == ["v1", "v3", "v4"]
    names.unique("δ2")
    assert names.adjoint(name("z2")).text == "u1"
