"""Tracing: what is written down, and what a traced value refuses."""

import numpy as np
import pytest

import tinygrad_mlp as tg
from tinygrad_mlp.program import Trace, Variable


def traced(function, *arrays):
    trace = Trace()
    inputs = [trace.input(a) for a in arrays]
    with trace.recording():
        out = function(*inputs)
    return trace, inputs, out


def replayed(trace, inputs, out, arrays):
    """The instructions run again, on other arrays."""
    known = {tracer.variable: a for tracer, a in zip(inputs, arrays, strict=True)}
    for step in trace.instructions:
        operands = [known[o] if isinstance(o, Variable) else o for o in step.operands]
        results = step.op.forward(*operands, **step.static)
        for variable, result in zip(
            step.results, results if step.op.outputs > 1 else [results], strict=True
        ):
            known[variable] = result
    return known[out.variable]


def test_every_operation_is_written_down_in_order(rng):
    trace, _, out = traced(lambda x, W: tg.sum(tg.tanh(W @ x) * 2), rng.normal(size=3), np.eye(3))
    assert [step.op.name for step in trace.instructions] == ["matmul", "tanh", "multiply", "sum"]
    assert trace.instructions[-1].results == (out.variable,)
    assert trace.instructions[2].operands[1] == 2  # a Python number stays one
    assert out.shape == () and out.dtype == np.float64


def test_the_instructions_hold_for_other_numbers(rng):
    def f(x):
        inside = True & (x > -0.5) & (x < 0.5) | (x > 1)
        inside = False | inside
        return tg.where(inside, tg.exp(x), x**2)[1:].sum()

    x, other = rng.normal(size=(2, 6))
    trace, inputs, out = traced(f, x)
    np.testing.assert_array_equal(out.variable.data, f(x))
    np.testing.assert_array_equal(replayed(trace, inputs, out, [other]), f(other))


def test_an_operation_with_several_outputs_is_one_instruction(rng):
    @tg.op(register=False, outputs=2)
    def both_ways(a):
        return a + 1, a * 2

    trace, _, out = traced(lambda x: both_ways(x)[1] * both_ways(x)[0], rng.normal(size=3))
    assert [len(step.results) for step in trace.instructions] == [2, 2, 1]
    assert [o.index for o in trace.instructions[-1].operands] == [1, 0]
    assert out.shape == (3,)


def test_what_depends_on_no_input_is_computed_at_once():
    trace, _, out = traced(lambda x: x * tg.exp(np.ones(2)), np.zeros(2))
    assert [step.op.name for step in trace.instructions] == ["multiply"]
    np.testing.assert_array_equal(trace.instructions[0].operands[1], np.exp(np.ones(2)))


def test_a_tensor_from_outside_is_a_constant():
    w = tg.Tensor([2.0, 3.0], requires_grad=True)
    trace, _, _ = traced(lambda x: x * w, np.ones(2))
    assert trace.instructions[0].operands[1] is w.data


def test_nothing_is_written_down_outside_of_the_context():
    trace, (x,), _ = traced(lambda x: x, np.ones(2))
    with pytest.raises(tg.errors.TraceError, match="has left the function"):
        x + 1
    assert trace.instructions == []


@pytest.mark.parametrize("use", [bool, float, int, lambda x: x.item(), lambda x: x.numpy()])
def test_a_traced_value_does_not_become_a_number(use):
    with pytest.raises(tg.errors.TraceError, match=r"shape \(\).*tg\.where"):
        traced(use, np.array(1.0))


def test_a_mistake_in_an_operation_is_explained_as_ever():
    with pytest.raises(tg.errors.ShapeError, match="matmul"):
        traced(lambda x: x @ np.ones((2, 2)), np.ones(3))


def test_a_recorded_gradient_that_is_new_is_not_copied():
    w = tg.Tensor([1.0, 2.0], requires_grad=True)

    @tg.compile
    def gradients(x):
        tg.sum(w * x).backward()
        g = w.grad
        w.grad = None
        assert g.layout is g.variable.data
        return g

    np.testing.assert_array_equal(gradients(np.array([3.0, 4.0])), [3.0, 4.0])
