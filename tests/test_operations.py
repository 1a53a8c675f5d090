"""The page of operations is what the registry says, and nothing of NumPy is forgotten in it."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_mlp as tg
from tests import operations


@pytest.fixture
def text():
    """The page as it is."""
    found = operations.PAGE.read_text(encoding="utf-8")
    if operations.VERSIONS not in found:
        pytest.skip("made with other versions of NumPy and SciPy, which have other functions")
    return found


def test_rows_of_the_page_are_up_to_date(text):
    for op in list(tg.OPS.values())[::6]:
        assert operations.row(op) in text, "write the page anew: python -m tests.operations"


@pytest.mark.thorough
def test_the_whole_page_is_up_to_date(text):
    assert text == operations.page(), "write it anew: python -m tests.operations"


def test_the_page_has_every_operation_with_its_equation():
    text = operations.PAGE.read_text(encoding="utf-8").replace("\\", "")
    for op in tg.OPS.values():
        assert f"| `{op.name}` | {op.record.equation} |" in text


def test_every_function_of_numpy_is_there_or_left_out_for_a_reason():
    assert not operations.left_out().get("Not there yet.")


def test_no_function_is_left_out_for_two_reasons():
    names = [name for names in operations.LEFT_OUT.values() for name in names.split()]
    assert len(names) == len(set(names))


def wrong_at(order):
    """The exponential, with a rule whose derivative of that order is wrong."""

    @tg.op(rules={"x": lambda g, y, x: g * y * 1.001}, register=False,
           samples=lambda rng: [tg.Sample(rng.normal(size=3))])
    def first(x):
        return np.exp(x)

    @tg.op(rules={"x": lambda g, y, x: g * first(x)}, register=False,
           samples=lambda rng: [tg.Sample(rng.normal(size=3))])
    def second(x):
        return np.exp(x)

    @tg.op(rules={"x": lambda g, y, x: g * second(x)}, register=False,
           samples=lambda rng: [tg.Sample(rng.normal(size=3))])
    def third(x):
        return np.exp(x)

    return {1: first, 2: second, 3: third}[order]


@pytest.mark.parametrize("order", [1, 2, 3])
def test_a_wrong_derivative_ends_the_orders(order):
    assert operations.orders_of(wrong_at(order)) == order - 1


def test_what_does_not_hold_is_not_said():
    assert operations.orders_of(tg.exp) == operations.ORDERS
    assert operations.takes_complex_step(tg.exp) and not operations.takes_complex_step(tg.abs)
    assert not operations.takes_complex_step(wrong_at(1))
    assert operations.takes_stacks(tg.matmul) and not operations.takes_stacks(tg.squared_error)

    seen = []

    @tg.op(
        register=False,
        nondifferentiable=True,
        samples=lambda rng: [tg.Sample(rng.normal(size=3))],
    )
    def counts_its_calls(x):
        seen.append(x)
        return x + len(seen)

    assert not operations.is_compiled(counts_its_calls)
