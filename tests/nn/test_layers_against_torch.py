"""Layers and losses give PyTorch's numbers, forward and backward (see ``record_torch.py``)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import tinygrad_mlp as tg
from tests.nn.record_torch import over_time
from tinygrad_mlp import nn
from tinygrad_mlp.autograd.graph import Value

FILE = Path(__file__).parent.parent / "data" / "torch_layers.npz"

with np.load(FILE) as archive:
    RECORDED = dict(archive)
LAYERS = json.loads(str(RECORDED["layers"]))
LOSSES = json.loads(str(RECORDED["losses"]))


def recorded(prefix):
    """The arrays of one case."""
    return {
        key.removeprefix(f"{prefix}."): array
        for key, array in RECORDED.items()
        if key.startswith(f"{prefix}.")
    }


def close(found, expected, what):
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-13, err_msg=what, strict=True)


def layer_id(i):
    name, args, kwargs, _ = LAYERS[i]
    settings = [*map(str, args), *(f"{key}={value}" for key, value in kwargs.items())]
    return f"{name}({', '.join(settings)})"


@pytest.mark.parametrize("i", range(len(LAYERS)), ids=layer_id)
def test_a_layer_gives_pytorchs_output_gradients_and_running_averages(i):
    name, args, kwargs, _ = LAYERS[i]
    expected = recorded(f"layer.{i}")
    layer = getattr(nn, name)(*args, **kwargs)
    layer.load_state_dict(
        {key.removeprefix("start."): a for key, a in expected.items() if key.startswith("start.")}
    )
    symbols = expected["x"].dtype.kind == "i"
    x = expected["x"] if symbols else tg.Tensor(expected["x"], requires_grad=True)

    def called(x):
        return over_time(layer, x, tg.stack) if name.endswith("Cell") else layer(x)

    y = called(x)
    y.backward(expected["g"])
    close(y.data, expected["y"], "y")
    state = layer.state_dict()
    found = {f"grad.{key}": p.grad for key, p in layer.named_parameters()}
    found |= {} if symbols else {"grad.x": x.grad}
    found |= {key: state[key.removeprefix("after.")] for key in expected if "after." in key}
    assert {key for key in expected if key.startswith(("grad.", "after."))} == set(found)
    for key, array in found.items():
        close(array, expected[key], key)
    layer.eval()
    evaluated = called(expected["x"])
    evaluated = evaluated.data if isinstance(evaluated, Value) else evaluated
    close(evaluated, expected["evaluated"], "evaluated")


def test_every_layer_that_is_not_random_is_compared():
    exported = {name for name in nn.__all__ if name[0].isupper()}
    structure = {"Buffer", "Dropout", "Module", "Parameter", "Sequential"}
    assert {name for name, *_ in LAYERS} == exported - structure


@pytest.mark.parametrize("i", range(len(LOSSES)), ids=lambda i: "-".join(LOSSES[i]))
def test_a_loss_gives_pytorchs_value_and_gradient(i):
    name, reduction = LOSSES[i]
    expected = recorded(f"loss.{i}")
    prediction = tg.Tensor(expected["prediction"], requires_grad=True)
    value = getattr(nn, name)(prediction, expected["target"], reduction)
    value.backward()
    close(value.data, expected["value"], "value")
    close(prediction.grad, expected["grad"], "gradient")
