"""`export_onnx` itself: what it accepts, what it writes beside the nodes, and what it refuses."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

import tinygrad_mlp as tg
from tests.failing_disk import disk
from tests.saving.onnx.runtime import TOLERANCE, difference, onnx, onnxruntime, run
from tinygrad_mlp import nn
from tinygrad_mlp.errors import (
    DataNotFoundError,
    InvalidArgumentError,
    MissingToolError,
    ShapeError,
    WriteError,
)

NEWEST_OF_ONNXRUNTIME = 25
"""The newest operator set that the onnxruntime of the tests runs."""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.onnx"


def small(dtype=np.float64):
    rng = np.random.default_rng(0)
    return nn.Sequential(
        nn.Linear(4, 3, rng=rng, dtype=dtype), nn.Tanh(), nn.Linear(3, 2, rng=rng, dtype=dtype)
    )


def a_network(**settings):
    settings = {"seed": 0, "sigma": 1.0, "monitor": False, "plot": False, **settings}
    return tg.NeuralNetwork([3, 4, 2], **settings)


# -- what is written -------------------------------------------------------------------------------


def test_the_file_says_what_it_is(path):
    tg.export_onnx(small(), path, metadata={"trained on": "digits", "accuracy": [0.5, 1]})
    model = onnx.load(path)
    assert (model.producer_name, model.producer_version) == ("tinygrad_mlp", tg.__version__)
    assert (model.opset_import[0].version, model.ir_version) == (18, 8)
    facts = {entry.key: entry.value for entry in model.metadata_props}
    assert facts["tinygrad_mlp"] == tg.__version__ and facts["model"] == "Sequential"
    assert facts["trained on"] == "digits" and json.loads(facts["accuracy"]) == [0.5, 1]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_input_and_output_have_names_shapes_and_the_models_precision(path, dtype):
    tg.export_onnx(small(dtype), path, input_name="pixels", output_name="scores")
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    [given], [out] = session.get_inputs(), session.get_outputs()
    assert (given.name, given.shape) == ("pixels", ["batch", 4])
    assert (out.name, out.shape) == ("scores", ["batch", 2])
    assert session.run(None, {"pixels": np.ones((3, 4), dtype)})[0].dtype == dtype


@pytest.mark.parametrize("opset", range(18, onnx.defs.onnx_opset_version() + 1))
def test_a_file_is_written_for_later_operator_sets_too(path, opset):
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Conv2d(1, 2, 3, rng=rng), nn.BatchNorm2d(2), nn.Softplus(),
                          nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 3, rng=rng), nn.Softmax())
    tg.export_onnx(model, path, input_shape=(1, 6, 6), dtype=np.float32, opset=opset)
    assert onnx.load(path).opset_import[0].version == opset
    if opset <= NEWEST_OF_ONNXRUNTIME:
        x = rng.normal(size=(3, 1, 6, 6)).astype(np.float32)
        assert difference(run(path, x), tg.predict(model, x)) < TOLERANCE


def test_viewers_are_told_the_shapes_of_all_that_is_between(path):
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                          nn.Linear(8, 3))
    tg.export_onnx(model, path, input_shape=(1, 6, 6), dtype=np.float32)
    graph = onnx.load(path).graph
    shapes = {value.name: [axis.dim_param or axis.dim_value
                           for axis in value.type.tensor_type.shape.dim]
              for value in graph.value_info}
    made = {name for node in graph.node for name in node.output} - {"output"}
    assert shapes.keys() == made
    assert shapes["0.Conv"] == ["batch", 2, 4, 4] and shapes["3.Reshape"] == ["batch", 8]


def test_a_file_for_one_batch_size_says_it(path):
    tg.export_onnx(small(), path, batch_size=3)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].shape == [3, 4]
    assert session.get_outputs()[0].shape == [3, 2]


def test_names_that_the_model_has_too_do_not_collide(path):
    model = nn.Linear(2, 2, rng=np.random.default_rng(0))
    tg.export_onnx(model, path, input_name="Gemm", output_name="constant")
    x = np.ones((3, 2))
    np.testing.assert_allclose(run(path, x), tg.predict(model, x), rtol=1e-12)
    tg.export_onnx(nn.Sequential(model), path, input_name="x", output_name="0.Gemm")
    np.testing.assert_allclose(run(path, x), tg.predict(model, x), rtol=1e-12)


def test_the_same_model_makes_the_same_file(path, tmp_path):
    tg.export_onnx(small(), path)
    tg.export_onnx(small(), tmp_path / "other.onnx")
    assert path.read_bytes() == (tmp_path / "other.onnx").read_bytes()


def test_a_model_keeps_its_precision_unless_another_is_asked_for(path):
    x = np.random.default_rng(1).normal(size=(5, 4))
    model = small()
    tg.export_onnx(model, path, dtype="float32")
    found = run(path, x.astype(np.float32))
    assert found.dtype == np.float32 and difference(found, tg.predict(model, x)) <= TOLERANCE
    tg.export_onnx(small(np.float32), path, dtype=np.float64)
    assert run(path, x).dtype == np.float64


def test_float64_that_onnxruntime_does_not_have_must_be_asked_for(path):
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Conv2d(1, 2, 3, rng=rng), nn.AvgPool2d(2), nn.Flatten())
    with pytest.raises(
        InvalidArgumentError,
        match=r"no float64 for AveragePool \(layer '1'\), Conv \(layer '0'\). Give dtype=np.float3",
    ):
        tg.export_onnx(model, path, input_shape=(1, 6, 6))
    assert not path.exists()
    tg.export_onnx(model, path, input_shape=(1, 6, 6), dtype=np.float64)
    assert path.exists()


# -- what can be exported --------------------------------------------------------------------------


FIRST_LAYERS = {
    "Linear": (lambda: small(), (4,)),
    "BatchNorm1d": (lambda: nn.Sequential(nn.BatchNorm1d(3), nn.ReLU()), (3,)),
    "LayerNorm": (lambda: nn.LayerNorm(3), (3,)),
    "behind an activation": (lambda: nn.Sequential(nn.Tanh(), nn.Dropout(), nn.Linear(2, 1)), (2,)),
    "nested": (lambda: nn.Sequential(nn.Sequential(nn.Sequential(nn.Linear(5, 1)))), (5,)),
}


@pytest.mark.parametrize("name", FIRST_LAYERS)
def test_the_shape_of_a_sample_is_read_off_the_first_layer(name, path):
    make, shape = FIRST_LAYERS[name]
    tg.export_onnx(make(), path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].shape == ["batch", *shape]


UNKNOWN = [
    lambda: nn.Conv2d(1, 2, 3),
    lambda: nn.Sequential(nn.Flatten(), nn.Linear(4, 2)),
    lambda: nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4, 2)),
    lambda: nn.Tanh(),
    lambda: nn.Sequential(),
]


@pytest.mark.parametrize("make", UNKNOWN)
def test_a_shape_that_the_first_layer_does_not_say_is_asked_for(make, path):
    with pytest.raises(InvalidArgumentError, match=r"not determine .* input_shape=\(1, 28, 28\)"):
        tg.export_onnx(make(), path)


def test_a_shape_that_was_read_off_the_wrong_layer_is_asked_for(path):
    class Backwards(nn.Module):
        def __init__(self):
            self.second, self.first = nn.Linear(3, 2), nn.Linear(4, 3)

        def forward(self, x):
            return self.second(self.first(x))

    with pytest.raises(InvalidArgumentError, match=r"Give the shape .* \(Tried \(3,\): Linear"):
        tg.export_onnx(Backwards(), path)
    tg.export_onnx(Backwards(), path, input_shape=4)
    with pytest.raises(ShapeError, match="Linear"):
        tg.export_onnx(Backwards(), path, input_shape=(7,))


OUTPUTS = ["sigmoid", "softmax", "identity"]


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_neural_network_gives_what_predict_gives(path, output, dtype):
    network = a_network(
        output_activation=output, loss="mean_square", dtype=dtype, bias=True,
        hidden_activation="leaky_relu",
    )
    tg.export_onnx(network, path)
    X = np.random.default_rng(1).normal(size=(6, 3)).astype(dtype)
    found = run(path, X)
    assert found.dtype == dtype
    assert difference(found, network.predict(X)) <= (1e-12 if dtype == np.float64 else TOLERANCE)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_preprocessing_of_a_neural_network_is_part_of_the_file(path, dtype):
    network = a_network(dtype=dtype)
    mean, scale = np.array([100.0, 0.0, 7.0]), np.array([50.0, 1.0, 0.25])
    network.preprocessing = (mean, scale)
    tg.export_onnx(network, path)
    X = np.random.default_rng(1).uniform(0, 255, size=(6, 3)).astype(dtype)
    found = run(path, X)
    assert found.dtype == dtype
    expected = network.predict(tg.data.standardise(X, mean, scale))
    assert difference(found, expected) <= (1e-12 if dtype == np.float64 else TOLERANCE)
    names = [array.name for array in onnx.load(path).graph.initializer]
    assert {"preprocessing.mean", "preprocessing.scale", "0.weight", "2.weight"} <= set(names)


def test_a_preprocessing_that_does_not_fit_is_named(path):
    network = a_network()
    network.preprocessing = (np.zeros(5), np.ones(5))
    with pytest.raises(ShapeError, match=r"subtract\(\) cannot take x1 of shape \(5, 3\)"):
        tg.export_onnx(network, path)


def test_anything_with_the_method_is_exported(path):
    class Estimator:
        def __onnx__(self):
            return small(), (4,)

    tg.export_onnx(Estimator(), path)
    x = np.ones((2, 4))
    np.testing.assert_allclose(run(path, x), tg.predict(small(), x), rtol=1e-12)


# -- what is refused -------------------------------------------------------------------------------


class NoModule:
    def __onnx__(self):
        return "a model", (4,)


BAD = {
    "another kind of model": ({"model": {"weight": 1}}, "model must be a Module.*Got dict"),
    "a class": ({"model": tg.NeuralNetwork}, "model must be a Module.*Got type"),
    "a method that gives something else": ({"model": NoModule()}, "model must be .*Got NoModule"),
    "a shape with a batch": ({"input_shape": (None, 4)}, "input_shape must be .*Got .None, 4."),
    "an empty shape": ({"input_shape": (0,)}, "input_shape must be"),
    "text for a shape": ({"input_shape": "large"}, "input_shape must be"),
    "another dtype": ({"dtype": np.float16}, "dtype must be one of 'float32', 'float64'"),
    "an unknown dtype": ({"dtype": "float33"}, "dtype must be one of .*. Got 'float33'"),
    "text for an input": ({"input_dtype": str}, "input_dtype must be a dtype of real numbers"),
    "an unknown type of input": ({"input_dtype": "int33"}, "input_dtype must be.*Got 'int33'"),
    "complex input": ({"input_dtype": complex}, "input_dtype must be a dtype of real numbers"),
    "an operator set that is too old": ({"opset": 17}, "integer from 18 to .* Got 17"),
    "one that onnx does not know": ({"opset": 999}, "Got 999"),
    "no batch": ({"batch_size": 0}, "batch_size must be an integer >= 1"),
    "one name for both": ({"input_name": "x", "output_name": "x"}, "must be different names"),
    "an empty name": ({"input_name": ""}, "must be different names"),
    "metadata that is no dict": ({"metadata": ["x"]}, "metadata must be a dict"),
    "metadata of a reserved name": ({"metadata": {"tinygrad_mlp": "2"}}, "metadata must be a dict"),
    "metadata that is no JSON": ({"metadata": {"x": {1, 2}}}, "expressible in JSON"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_arguments_are_refused_and_nothing_is_written(name, path):
    arguments, message = BAD[name]
    with pytest.raises(InvalidArgumentError, match=message):
        tg.export_onnx(**{"model": small(), "path": path, **arguments})
    assert list(path.parent.iterdir()) == []


def test_a_missing_package_is_named_with_its_remedy(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingToolError, match=r"pip install 'tinygrad_mlp\[onnx\]'"):
        tg.export_onnx(small(), path)


def test_a_failure_while_writing_leaves_the_old_file(path):
    tg.export_onnx(small(), path)
    before = path.read_bytes()
    with disk(failing=2), pytest.raises(WriteError, match=f"cannot write {path}: No space left"):
        tg.export_onnx(small(np.float32), path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DataNotFoundError, match="there is no folder .*runs"):
        tg.export_onnx(small(), tmp_path / "runs" / "model.onnx")
