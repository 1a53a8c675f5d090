"""Programs that store, alias and view give NumPy's values and the right gradients."""

from __future__ import annotations

import numpy
import pytest

import tinygrad_mlp as tg
import tinygrad_mlp.numpy as recording
from tests.autograd.stores.random_stores import expected, run, total, written
from tests.campaigns import chosen
from tinygrad_mlp.autograd import in_place
from tinygrad_mlp.autograd.stores import assign, views


def difference(seed):
    """What is wrong with a program; None if nothing is."""
    lines, x, creating = written(seed)
    value, gradient = expected(lines, x)
    if creating:
        found, slope = tg.value_and_grad(lambda x: total(run(lines, recording, x), numpy))(x)
    else:  # in a program's own lines, with NumPy itself
        leaf = tg.Tensor(x, requires_grad=True)
        made = total(run(lines, numpy, leaf), numpy)
        if made.requires_grad:
            made.backward()
        found, slope = made.data, numpy.zeros(3) if leaf.grad is None else leaf.grad
    scale = 1 + abs(value) + numpy.abs(gradient).max()
    if abs(found - value) > 1e-9 * scale:
        return f"the value is {found}, of NumPy {value}\n" + "\n".join(lines)
    if numpy.abs(slope - gradient).max() > 1e-9 * scale:
        return f"the gradient is {slope}, of NumPy {gradient}\n" + "\n".join(lines)
    return None


BLOCKS = 10


@pytest.mark.parametrize("block", range(BLOCKS))
def test_random_programs_with_stores_are_differentiated_as_numpy_runs_them(block):
    count = chosen(500, 10_000) // BLOCKS
    for seed in range(block * 100_000, block * 100_000 + count):
        wrong = difference(seed)
        assert wrong is None, f"seed {seed}: {wrong}"


def failing(count=60):
    """The number of programs that go wrong."""
    found = 0
    for seed in range(count):
        try:
            found += difference(seed) is not None
        except Exception:
            found += 1
    return found


def test_views_that_are_not_linked_are_found(monkeypatch):
    monkeypatch.setattr(views, "_note", lambda *_: None)
    assert failing() >= 3


def test_operators_that_bind_a_new_tensor_are_found(monkeypatch):
    monkeypatch.setattr(in_place, "overwrite", lambda tensor, made, what: made)
    assert failing() >= 3


def test_stores_that_forget_what_was_there_are_found(monkeypatch):
    monkeypatch.setattr(assign, "family", lambda tensor: [tensor])
    assert failing() >= 2


def compiled_difference(seed):
    """Return the faults of a program that is compiled, with and without gradient."""
    lines, x, _ = written(seed)
    other = x[::-1] * 0.9

    def program(x):
        return total(run(lines, recording, x), recording)

    try:
        both = tg.compile(tg.value_and_grad(program)), tg.compile(program)
        for at in (x, other, x):
            value, gradient = expected(lines, at)
            (found, slope), alone = both[0](at), both[1](at)
            scale = 1 + abs(value) + numpy.abs(gradient).max()
            if max(abs(found - value), abs(alone - value)) > 1e-9 * scale or (
                    numpy.abs(slope - gradient).max() > 1e-9 * scale):
                return f"{found}, {alone}, NumPy {value}; {slope}, {gradient}\n" + "\n".join(lines)
    except tg.errors.TinygradError as error:
        return f"{error}\n" + "\n".join(lines)
    return None


@pytest.mark.parametrize("block", range(BLOCKS))
def test_compiled_programs_with_stores_do_what_numpy_does(block):
    count = chosen(50, 1000) // BLOCKS
    for seed in range(block * 100_000, block * 100_000 + count):
        wrong = compiled_difference(seed)
        assert wrong is None, f"seed {seed}: {wrong}"
