"""A derivation through each operation: what is printed, evaluated, is what autograd computes."""

import functools
import re

import numpy as np
import pytest

import tinygrad_mlp as tg
from tests.every_sample import every_sample
from tinygrad_mlp.explanation.writing import width


@every_sample
def test_the_printed_gradients_evaluate_to_those_of_autograd(case, assert_gradients):
    leaves, output, derivation = case.explained
    assert assert_gradients(derivation, output, leaves) >= len(leaves)


@every_sample
def test_so_do_the_printed_second_derivatives(case, assert_gradients):
    if case.explained_twice is None:
        # Nothing else has a constant gradient here.
        assert case.op.name in ("sign", "floor", "ceil", "trunc", "rint", "round")
        return
    leaves, output, derivation = case.explained_twice
    assert assert_gradients(derivation, output, leaves) >= 1


@every_sample
def test_the_equations_hold_for_other_numbers_too(case, programs, assert_gradients):
    # Nothing of the recorded numbers may have got into the equations.
    recorded, _, derivation = case.explained
    others = [
        tg.Tensor(leaf.data * 1.01, requires_grad=True, name=leaf.name) for leaf in recorded
    ]
    values = {leaf.name: leaf for leaf in others}
    assert_gradients(derivation, programs.first(case, others), others, values)


@every_sample
def test_the_printed_forward_equations_evaluate_to_what_was_recorded(case):
    _, output, derivation = case.explained
    np.testing.assert_allclose(derivation["L"].evaluate(), output.data, rtol=1e-12, strict=True)
    middle = output.node[0].out if output.node[0].op is tg.sin else output.data
    before = derivation.of_kind("forward")[-2]
    if before.shape == middle.shape:
        np.testing.assert_allclose(before.evaluate(), middle, rtol=1e-12, strict=True)


@every_sample
def test_every_equation_has_the_shape_it_says(case):
    _, _, derivation = case.explained
    for equation in derivation.equations:
        assert equation.evaluate().shape == equation.shape == equation.right.shape


@pytest.fixture(scope="module")
def mathtext():
    """A function that compiles a formula, each but once: many derivations begin and end alike."""
    from matplotlib.mathtext import MathTextParser

    parser = MathTextParser("path")
    return functools.cache(lambda latex: parser.parse(f"${latex}$"))


def test_the_latex_compiles(a_share, mathtext):
    _, _, derivation = a_share.explained
    for equation in derivation.equations:
        mathtext(equation.latex)


@every_sample
def test_the_text_is_plain_and_fits_a_terminal(case):
    for explained in (case.explained, case.explained_twice):
        if explained is not None:
            text = explained[-1].text
            assert not re.search(r"[\\{}$&]", text)
            assert max(map(width, text.splitlines())) <= 100
