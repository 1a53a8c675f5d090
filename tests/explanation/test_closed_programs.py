"""Closed forms of random programs and of every operation: right, or said not to have been found."""

import numpy as np
from hypothesis import given, reject, settings

import tinygrad_mlp as tg
from tests.autograd.test_programs import inputs, programs, run
from tests.campaigns import chosen
from tests.every_sample import every_sample

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


@every_sample
def test_the_closed_form_of_every_operation_evaluates_to_the_gradients(case):
    leaves, output, derivation = case.explained
    assert not derivation.closed.note, derivation.closed.note
    assert_right(derivation.closed, gradients(output, leaves))


def test_so_does_that_of_the_second_derivatives(a_share):
    if a_share.explained_twice is not None:
        leaves, output, derivation = a_share.explained_twice
        assert_right(derivation.closed, gradients(output, leaves))


def test_so_do_the_steps_of_the_chain_rule(a_share):
    leaves, output, derivation = a_share.explained
    assert not derivation.steps.note
    assert_right(derivation.steps, gradients(output, leaves))


def test_so_does_that_of_random_programs_and_few_have_none():
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
        closed = tg.explain(output, wrt).closed
        fallen.append(bool(closed.note))
        assert_right(closed, gradients(output, leaves))

    each()
    assert sum(fallen) <= max(1, MOST_FALL_BACK * len(fallen))


def depends(output, leaf):
    leaf.grad = None
    output.backward(retain_graph=True)
    return leaf.grad is not None
