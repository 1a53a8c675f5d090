"""Copies of compiled functions, and of models that hold one."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import tinygrad_mlp as tg


class Compiled(tg.nn.Module):
    """A model that holds a compiled function of its own parameters."""

    def __init__(self):
        self.layer = tg.nn.Linear(3, 2, rng=np.random.default_rng(0))
        self.fast = tg.compile(self.inner)

    def inner(self, x):
        return tg.tanh(self.layer(x))

    def forward(self, x):
        return self.fast(x)


@tg.compile
def doubled(x):
    return 2 * x


def pickled(a):
    return pickle.loads(pickle.dumps(a))


X = np.random.default_rng(1).normal(size=(4, 3))


@pytest.mark.parametrize("calls", [0, 1, 3], ids=["unused", "recorded", "running"])
@pytest.mark.parametrize("again", [copy.deepcopy, pickled])
def test_a_copied_model_computes_with_its_own_parameters(again, calls):
    model = Compiled()
    for _ in range(calls):
        model(X)
    twin = again(model)
    assert len(twin.fast.programs) == 0 and len(model.fast.programs) == min(calls, 1)
    assert twin.fast.name == "inner" and twin.fast.function.__self__ is twin
    twin.layer.weight.data = np.zeros((2, 3))
    for _ in range(4):
        np.testing.assert_array_equal(twin(X).data, np.tanh(np.tile(twin.layer.bias.data, (4, 1))))
        np.testing.assert_array_equal(model(X).data, model.inner(X).data)
    assert twin.fast.executable.confirmed


def test_a_shallow_copy_of_a_model_shares_what_it_holds_as_always():
    model = Compiled()
    model(X)
    twin = copy.copy(model)
    assert twin.fast is model.fast and twin.layer is model.layer


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy])
def test_a_copy_records_its_own_programs(again):
    compiled = tg.compile(lambda x: x + 1)
    compiled(X)
    twin = again(compiled)
    assert (len(twin.programs), len(compiled.programs)) == (0, 1)
    for _ in range(3):
        np.testing.assert_array_equal(twin(X), X + 1)
    assert len(compiled.programs) == 1


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, pickled])
def test_a_function_of_a_module_stays_the_same_object_as_functions_do(again):
    assert again(doubled) is doubled


def test_a_function_without_a_name_to_be_found_by_cannot_be_pickled():
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        pickle.dumps(tg.compile(lambda x: x))
