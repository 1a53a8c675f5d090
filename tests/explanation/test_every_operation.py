"""A derivation through each operation: what is printed, evaluated, is what autograd computes."""

import re

import numpy as np
import pytest

import tinygrad_mlp as tg
from tests.every_sample import every_sample
from tinygrad_mlp.explanation.writing import width


@every_sample
def test_the_printed_gradients_evaluate_to_those_of_autograd(case, programs, assert_gradients):
    leaves = programs.leaves(case)
    output = programs.first(case, leaves)
    derivation = tg.explain(output)
    assert assert_gradients(derivation, output, leaves) >= len(leaves)


@every_sample
def test_so_do_the_printed_second_derivatives(case, programs, assert_gradients):
    leaves = programs.leaves(case)
    output = programs.second(case, leaves)
    if output is None:
        # Nothing else has a constant gradient here.
        assert case.op.name in ("sign", "floor", "ceil", "trunc", "rint", "round")
        return
    derivation = tg.explain(output)
    assert assert_gradients(derivation, output, leaves) >= 1


@every_sample
def test_the_equations_hold_for_other_numbers_too(case, programs, assert_gradients):
    # Nothing of the recorded numbers may have got into the equations.
    recorded = programs.leaves(case)
    derivation = tg.explain(programs.first(case, recorded))
    others = [
        tg.Tensor(leaf.data * 1.01, requires_grad=True, name=leaf.name) for leaf in recorded
    ]
    values = {leaf.name: leaf for leaf in others}
    assert_gradients(derivation, programs.first(case, others), others, values)


@every_sample
def test_the_printed_forward_equations_evaluate_to_what_was_recorded(case, programs):
    leaves = programs.leaves(case)
    output = programs.first(case, leaves)
    derivation = tg.explain(output)
    np.testing.assert_allclose(derivation["L"].evaluate(), output.data, rtol=1e-12, strict=True)
    middle = output.node[0].out if output.node[0].op is tg.sin else output.data
    before = derivation.of_kind("forward")[-2]
    if before.shape == middle.shape:
        np.testing.assert_allclose(before.evaluate(), middle, rtol=1e-12, strict=True)


@every_sample
def test_every_equation_has_the_shape_it_says(case, programs):
    derivation = tg.explain(programs.first(case, programs.leaves(case)))
    for equation in derivation.equations:
        assert equation.evaluate().shape == equation.shape == equation.right.shape


@pytest.fixture(scope="module")
def mathtext():
    from matplotlib.mathtext import MathTextParser

    return MathTextParser("path")


def test_the_latex_compiles(one_each, programs, mathtext):
    derivation = tg.explain(programs.first(one_each, programs.leaves(one_each)))
    for equation in derivation.equations:
        mathtext.parse(f"${equation.latex}$")


@every_sample
def test_the_text_is_plain_and_fits_a_terminal(case, programs):
    leaves = programs.leaves(case)
    for output in (programs.first(case, leaves), programs.second(case, leaves)):
        if output is not None:
            text = tg.explain(output).text
            assert not re.search(r"[\\{}$&]", text)
            assert max(map(width, text.splitlines())) <= 100
