"""Derivations as MathML: nothing is lost on the way from LaTeX, for any operation."""

import re
from collections import Counter
from xml.etree import ElementTree

import pytest

import tinygrad_mlp as tg
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.support.mathematics import mathml

ELEMENTS = {"math", "mrow", "mi", "mn", "mo", "mtext", "mspace", "msub", "msup", "msubsup",
            "munder", "mover", "munderover", "mfrac", "msqrt", "mroot"}
ATTRIBUTES = {"displaystyle", "stretchy", "fence", "form", "mathvariant", "width", "separator"}

WORDS = {"tanh", "sinh", "cosh", "sin", "cos", "tan", "ln", "log", "max", "min", "arcsin",
         "arccos", "arctan"}
SIGNS = {"odot": "⊙", "sum": "∑", "times": "×", "top": "⊤", "nabla": "∇", "pi": "π",
         "infty": "∞", "delta": "δ", "lambda": "λ", "sigma": "σ", "psi": "ψ", "Gamma": "Γ",
         "Delta": "Δ"}


def letters(text):
    """How often each letter, digit and sign of interest occurs; bold digits are digits."""
    plain = "".join(str((ord(c) - 0x1D7CE) % 10) if "\U0001d7ce" <= c <= "\U0001d7ff" else c
                    for c in text)
    return Counter(re.findall(rf"[A-Za-z0-9ℒ{''.join(SIGNS.values())}]", plain))


def letters_of_latex(latex):
    """The same for what LaTeX would print."""
    latex = latex.replace(r"\mathcal{L}", "ℒ")

    def printed(match):
        word = match[1]
        return word if word in WORDS else SIGNS.get(word, "")

    return letters(re.sub(r"\\([A-Za-z]+)", printed, latex))


def test_every_formula_arrives_whole_and_in_elements_that_browsers_know(one_each, programs):
    derivation = tg.explain(programs.first(one_each, programs.leaves(one_each)))
    for equation in (*derivation.closed.equations, *derivation.tape.equations):
        for side in equation.sides:
            root = ElementTree.fromstring(mathml(side))
            assert {element.tag for element in root.iter()} <= ELEMENTS
            assert {name for element in root.iter() for name in element.attrib} <= ATTRIBUTES
            text = "".join(root.itertext())
            assert "\\" not in text
            assert letters(text) == letters_of_latex(side), side


def tree(latex):
    return ElementTree.fromstring(mathml(latex))


def test_a_name_of_several_letters_is_one_name():
    assert [mi.text for mi in tree(r"\mathrm{diag}(x)").iter("mi")] == ["diag", "x"]


def test_bold_digits_are_written_by_their_characters():
    (digit,) = tree(r"\mathbf{1}").iter("mn")
    assert digit.text == "𝟏" and not digit.attrib


def test_the_sign_of_a_transposition_is_no_operator():
    assert [mo.text for mo in tree(r"W^{\top}").iter("mo")] == []


def test_factors_with_shapes_have_a_gap_between_them():
    assert len(list(tree(r"\underset{3}{a} \underset{3}{b}").iter("mspace"))) == 1
    assert not list(tree(r"\underset{3}{a} + \underset{3}{b}").iter("mspace"))


@pytest.mark.parametrize(("formula", "gaps"), [
    (r"x \mathrm{weight}^{\top} + \mathrm{bias}", 1), (r"\mathrm{weight} x", 1), (r"y \ln p", 2),
    (r"\delta \tanh(z)", 1), (r"\mathrm{diag}(x)", 0), (r"\exp\left(x\right)", 0), ("12 x y", 0),
    (r"\nabla_{\mathrm{weight}}\mathcal{L}", 0), (r"\mathrm{weight}^{\top}", 0)])
def test_names_of_several_letters_have_a_gap_from_other_factors(formula, gaps):
    assert len(list(tree(formula).iter("mspace"))) == gaps


@pytest.mark.parametrize("text", ["<b>x</b>", "a & b", "&lt;script&gt;", r"\text{<i>&amp;}", "]]>"])
def test_signs_of_markup_are_signs(text):
    root = tree(text)
    assert {element.tag for element in root.iter()} <= ELEMENTS


@pytest.mark.parametrize("text", [r"\left(", "{", "a^"])
def test_what_is_no_formula_is_refused(text):
    with pytest.raises(InvalidArgumentError, match="expects a formula"):
        mathml(text)
