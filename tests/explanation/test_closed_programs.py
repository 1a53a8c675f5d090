"""Closed forms of random programs and of second derivatives: right, or said not to be found."""

import numpy as np
from hypothesis import given, reject, settings

import tinygrad_mlp as tg
from tests.autograd.test_programs import inputs, programs, run
from tests.campaigns import chosen

MOST_FALL_BACK = 0.01


def gradients(output, leaves):
    for leaf in leaves:
        leaf.grad = None
    output.backward(retain_graph=True)
    return {f"∂L/∂{leaf.name}": leaf.grad for leaf in leaves if leaf.grad is not None}


def assert_right(closed, expected):
    for name, gradient in expected.items():
        value = closed[name].evaluate()
        size = np.max(np.abs(gradient), initial=1)
        np.testing.assert_allclose(value, gradient, rtol=1e-9, atol=1e-10 * size, strict=True)


def test_the_closed_form_of_second_derivatives_evaluates_to_them(a_share):
    if a_share.explained_twice is not None:
        leaves, output, derivation = a_share.explained_twice
        assert_right(derivation.closed, gradients(output, leaves))


def test_so_do_all_levels_of_random_programs_and_few_have_no_closed_form():
    fallen = []

    @settings(max_examples=chosen(100, 10_000))
    @given(programs, inputs)
    def each(program, values):
        leaves = [tg.Tensor(v, requires_grad=True, name=f"p{i}") for i, v in enumerate(values)]
        output = run(program, leaves)
        try:
            wrt = [leaf for leaf in leaves if depends(output, leaf)]
        except tg.errors.NotDifferentiableError:  # by an operation with respect to one argument
            reject()
        derivation = tg.explain(output, wrt)
        fallen.append(bool(derivation.closed.note or derivation.steps.note))
        for level in (derivation.closed, derivation.steps, derivation.tape):
            assert_right(level, gradients(output, leaves))

    each()
    assert sum(fallen) <= max(1, MOST_FALL_BACK * len(fallen))


def depends(output, leaf):
    leaf.grad = None
    output.backward(retain_graph=True)
    return leaf.grad is not None
