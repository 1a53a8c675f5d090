"""Names and orders of arguments from other frameworks get an error that names the right call."""

from __future__ import annotations

import re

import numpy as np
import pytest

import tinygrad_mlp as tg
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.support.familiar_names import FAMILIAR

PLACES = {"tg": tg, "tg.nn": tg.nn, "tg.optim": tg.optim, "Tensor": tg.Tensor([1.0])}
CASES = [(place, name) for place, names in FAMILIAR.items() for name in names]


@pytest.mark.parametrize(("place", "name"), CASES, ids=lambda part: part)
def test_a_name_from_elsewhere_is_refused_with_what_to_write(place, name):
    with pytest.raises(AttributeError) as caught:
        getattr(PLACES[place], name)
    assert str(caught.value).endswith(FAMILIAR[place][name])


@pytest.mark.parametrize(("place", "name"), CASES, ids=lambda part: part)
def test_what_the_advice_names_exists(place, name):
    for path in re.findall(r"\btg\.[\w.]*\w", FAMILIAR[place][name]):
        found = tg
        for part in path.split(".")[1:]:
            found = getattr(found, part)


@pytest.mark.parametrize(("place", "name", "meant"), [
    ("tg", "tahn", "tg.tanh"), ("tg", "no_grads", "tg.no_grad"),
    ("tg.nn", "linear", "tg.nn.Linear"),
    ("tg.optim", "sgd", "tg.optim.SGD"), ("Tensor", "reshap", "Tensor.reshape")])
def test_a_misspelt_name_is_refused_with_the_one_that_was_meant(place, name, meant):
    with pytest.raises(AttributeError, match=rf"Did you mean .*{re.escape(meant)}\b"):
        getattr(PLACES[place], name)


def test_a_method_that_only_arrays_have_is_refused_with_the_way_to_the_array():
    with pytest.raises(AttributeError, match=r"\.numpy\(\)\.tobytes"):
        tg.Tensor([1.0]).tobytes()


@pytest.mark.parametrize("call", [
    lambda model, path: tg.save(model, path),
    lambda model, path: tg.load(model, path),
    lambda model, path: tg.export_onnx(path, model),
    lambda model, path: tg.report(model, path, np.ones((2, 3)), np.ones((2, 2)))])
def test_a_model_in_the_place_of_a_path_is_refused_with_the_order(call, tmp_path):
    with pytest.raises(InvalidArgumentError, match=r"\((path, model|model, path)"):
        call(tg.nn.Linear(3, 2), str(tmp_path / "model.html"))
    assert not list(tmp_path.iterdir())


def test_a_model_in_the_place_of_its_parameters_is_refused_with_the_call():
    with pytest.raises(InvalidArgumentError, match=r"write SGD\(model\.parameters\(\)"):
        tg.optim.SGD(tg.nn.Linear(3, 2), lr=0.1)


def test_other_libraries_share_the_numbers_of_a_tensor_without_a_history():
    x = tg.Tensor([1.0, 2.0])
    assert np.shares_memory(np.from_dlpack(x), x.data)
    with pytest.raises(tg.errors.NotDifferentiableError, match="history would be lost"):
        np.from_dlpack(tg.Tensor([1.0], requires_grad=True))
