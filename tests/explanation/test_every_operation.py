"""A derivation through each operation: what is printed, evaluated, is what autograd computes."""

import functools
import re

import numpy as np
import pytest

import tinygrad_mlp as tg
from tests.every_sample import every_sample
from tinygrad_mlp.explanation.expressions.equation import width


def levels(derivation):
    return derivation.closed, derivation.steps, derivation.tape


@every_sample
def test_the_record_evaluates_to_what_autograd_computes(case, assert_gradients):
    leaves, output, derivation = case.explained
    assert assert_gradients(derivation.tape, output, leaves) >= len(leaves)


def test_so_does_that_of_second_derivatives(one_each, assert_gradients):
    if one_each.explained_twice is None:
        # Nothing else has a constant gradient here.
        assert one_each.op.name in (
            "sign", "gammasgn", "floor", "ceil", "trunc", "rint", "round")
        return
    leaves, output, derivation = one_each.explained_twice
    assert assert_gradients(derivation.tape, output, leaves) >= 1


@every_sample
def test_so_do_the_steps_and_the_closed_form(case, assert_gradients):
    leaves, output, derivation = case.explained
    for level in (derivation.steps, derivation.closed):
        assert not level.note
        assert_gradients(level, output, leaves, exactness=1e-9)


@every_sample
def test_the_equations_hold_for_other_numbers_too(case, programs, assert_gradients):
    # Nothing of the recorded numbers may have got into the equations.
    recorded, _, derivation = case.explained
    others = [
        tg.Tensor(leaf.data * 1.01, requires_grad=True, name=leaf.name) for leaf in recorded
    ]
    values = {leaf.name: leaf for leaf in others}
    output = programs.first(case, others)
    for level in levels(derivation):
        assert_gradients(level, output, others, values, exactness=1e-8)


@every_sample
def test_the_forward_equations_of_the_record_evaluate_to_what_was_recorded(case):
    _, output, derivation = case.explained
    tape = derivation.tape
    np.testing.assert_allclose(tape["L"].evaluate(), output.data, rtol=1e-12, strict=True)
    middle = output.node[0].out if output.node[0].op is tg.sin else output.data
    before = tape.of_kind("forward")[-2]
    if before.shape == middle.shape:
        np.testing.assert_allclose(before.evaluate(), middle, rtol=1e-12, strict=True)


@every_sample
def test_every_equation_has_the_shape_it_says(case):
    for level in levels(case.explained[-1]):
        for equation in level.equations:
            assert equation.evaluate().shape == equation.shape == equation.right.shape


@pytest.fixture(scope="module")
def mathtext():
    """A function that compiles a formula, each but once: many derivations begin and end alike."""
    from matplotlib.mathtext import MathTextParser

    parser = MathTextParser("path")
    return functools.cache(lambda latex: parser.parse(f"${latex}$"))


def test_the_latex_compiles(a_share, mathtext):
    for level in levels(a_share.explained[-1]):
        for equation in level.equations:
            mathtext(equation.latex)


def assert_fits_a_terminal(text):
    assert not re.search(r"[\\{}$&]", re.sub(r"_\{[^{}]*[+−][^{}]*\}", "", text))
    for line in text.splitlines():  # what has no blanks is not broken
        assert width(line) <= 80 or " " not in line.partition(" = ")[2].strip()


@every_sample
def test_the_text_is_plain_and_fits_a_terminal(case):
    for level in levels(case.explained[-1]):
        assert_fits_a_terminal(level.text)


def test_so_does_that_of_derivatives_of_derivatives(one_each):
    if one_each.explained_twice is not None:
        for level in levels(one_each.explained_twice[-1]):
            assert_fits_a_terminal(level.text)
