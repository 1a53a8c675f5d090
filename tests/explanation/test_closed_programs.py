"""Closed forms of random programs and of second derivatives: right, or said not to be found."""

from itertools import cycle

import numpy as np
from hypothesis import given, reject, settings
from hypothesis import strategies as st

import tinygrad_mlp as tg
from tests.autograd.test_programs import floats, pour, steps
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

    @settings(max_examples=chosen(1000, 10_000))
    @given(st.lists(steps, min_size=1, max_size=chosen(3, 5)))
    def each(program):
        leaves, output = built(program)
        try:
            wrt = [leaf for leaf in leaves if depends(output, leaf)]
        except tg.errors.NotDifferentiableError:  # by an operation with respect to one argument
            reject()
        derivation = tg.explain(output, wrt)
        fallen.append(bool(derivation.closed.note or derivation.steps.note))
        for level in (derivation.closed, derivation.steps, derivation.tape):
            assert_right(level, gradients(output, leaves))

    each()
    assert sum(fallen) <= MOST_FALL_BACK * len(fallen)


def built(program):
    """The leaves of a program, and its result: an argument is a leaf, or an earlier result."""
    leaves, results = [], []
    for (op, sample), sources in program:
        args = list(sample.args)
        for i, source in zip(floats(sample), cycle(sources), strict=False):
            if results and source % 2:
                args[i] = pour(results[source // 2 % len(results)], args[i])
            else:
                args[i] = tg.Tensor(args[i], requires_grad=True, name=f"p{len(leaves)}")
                leaves.append(args[i])
        results.append(op(*args, **sample.static))
    return leaves, sum(tg.sum(tg.sin(result)) for result in results)


def depends(output, leaf):
    leaf.grad = None
    output.backward(retain_graph=True)
    return leaf.grad is not None
