"""Every optimizer, in every combination of its hyper-parameters, gives PyTorch's numbers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tinygrad_mlp import Tensor, optim

FILE = Path(__file__).parent.parent / "data" / "torch_optimizers.npz"

with np.load(FILE) as archive:
    RECORDED = dict(archive)
CASES = json.loads(str(RECORDED["cases"]))


def ids(case):
    name, settings = CASES[case]
    return "-".join([name, *(f"{key}={value}" for key, value in settings.items())])


@pytest.mark.parametrize("case", range(len(CASES)), ids=ids)
def test_the_parameters_after_each_step_are_those_of_pytorch(case):
    name, settings = CASES[case]
    parameters = [Tensor(RECORDED[f"start.{i}"], requires_grad=True) for i in range(2)]
    optimizer = getattr(optim, name)(parameters, lr=1.0, **settings)
    for step, lr in enumerate(RECORDED["lr"]):
        optimizer.lr = lr
        for i, parameter in enumerate(parameters):
            present = RECORDED["present"][step, i]
            parameter.grad = RECORDED[f"gradients.{i}"][step] if present else None
        optimizer.step()
        for i, parameter in enumerate(parameters):
            expected = RECORDED[f"{case}.{i}"][step]
            np.testing.assert_allclose(parameter.data, expected, rtol=1e-12, atol=1e-14)


def test_the_table_has_every_optimizer_with_every_hyperparameter_at_two_values_or_more():
    exported = {
        name: value
        for name, value in vars(optim).items()
        if isinstance(value, type) and issubclass(value, optim.Optimizer)
    }
    del exported["Optimizer"]  # the base
    assert {name for name, _ in CASES} == set(exported)
    for name, optimizer in exported.items():
        for hyperparameter in optimizer.checks:
            values = {settings[hyperparameter] for case, settings in CASES if case == name}
            assert len(values) >= 2, (name, hyperparameter)


def test_the_defaults_are_those_of_pytorch():
    w = [Tensor([1.0], requires_grad=True)]
    adam = {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8}
    defaults = {
        optim.SGD(w, 0.1): {"momentum": 0, "nesterov": False, "weight_decay": 0},
        optim.Adam(w): {**adam, "weight_decay": 0},
        optim.AdamW(w): {**adam, "weight_decay": 0.01},
        optim.RMSprop(w): {
            "alpha": 0.99, "eps": 1e-8, "momentum": 0, "centered": False, "weight_decay": 0,
        },
    }
    for optimizer, expected in defaults.items():
        assert optimizer.hyperparameters == expected
    assert [optimizer.lr for optimizer in defaults] == [0.1, 0.001, 0.001, 0.01]
