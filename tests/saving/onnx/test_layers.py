"""Every layer of `tg.nn`, exported: onnxruntime computes what the layer computes."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_mlp as tg
from tests.saving.onnx.runtime import TOLERANCE, difference, exported, kinds, run, tolerance
from tinygrad_mlp import nn

IMAGE, VECTOR, SEQUENCE = (3, 7, 6), (4,), (5, 4)

LAYERS = [
    ("Linear", (4, 3), {}, VECTOR, ["Gemm"]),
    ("Linear", (4, 3), {"bias": False}, VECTOR, ["Gemm"]),
    ("Linear", (4, 3), {}, SEQUENCE, ["Transpose", "MatMul", "Add"]),
    ("Linear", (4, 3), {"bias": False}, SEQUENCE, ["Transpose", "MatMul"]),
    ("Conv2d", (3, 2, 3), {}, IMAGE, ["Conv"]),
    ("Conv2d", (3, 2, [3, 2], [2, 3], [1, 2]), {}, IMAGE, ["Conv"]),
    ("Conv2d", (3, 2, 5, 1, 2), {"bias": False}, IMAGE, ["Conv"]),
    ("MaxPool2d", (2,), {}, IMAGE, ["MaxPool"]),
    ("MaxPool2d", ([2, 3], [1, 2]), {}, IMAGE, ["MaxPool"]),
    ("MaxPool2d", (2,), {}, (7, 6), ["Reshape", "MaxPool", "Reshape"]),
    ("AvgPool2d", (2,), {}, IMAGE, ["AveragePool"]),
    ("AvgPool2d", (3, 1), {}, IMAGE, ["AveragePool"]),
    ("AvgPool2d", (2,), {}, (2, 3, 4, 4), ["Reshape", "AveragePool", "Reshape"]),
    ("Flatten", (), {}, IMAGE, ["Reshape"]),
    ("Dropout", (0.5,), {}, VECTOR, ["Identity"]),
    ("LayerNorm", (4,), {}, VECTOR, None),
    ("LayerNorm", (4, 0.1), {}, SEQUENCE, None),
    ("BatchNorm1d", (4,), {}, VECTOR, None),
    ("BatchNorm1d", (4, 0.1), {}, VECTOR, None),
    ("Identity", (), {}, SEQUENCE, ["Identity"]),
    ("Tanh", (), {}, SEQUENCE, ["Tanh"]),
    ("Sigmoid", (), {}, SEQUENCE, ["Sigmoid"]),
    ("ReLU", (), {}, SEQUENCE, ["Relu"]),
    ("LeakyReLU", (), {}, SEQUENCE, None),
    ("LeakyReLU", (1.7,), {}, SEQUENCE, None),
    ("Softplus", (), {}, SEQUENCE, None),
    ("GELU", (), {}, SEQUENCE, None),
    ("Softmax", (), {}, VECTOR, ["Softmax"]),
    ("Softmax", (1,), {}, SEQUENCE, ["Softmax"]),
    ("Softmax", (0,), {}, VECTOR, ["Softmax"]),  # over the batch, whatever its size
    ("LogSoftmax", (), {}, VECTOR, ["LogSoftmax"]),
    ("LogSoftmax", (1,), {}, SEQUENCE, ["LogSoftmax"]),
    ("SiLU", (), {}, SEQUENCE, ["Sigmoid", "Mul"]),
    ("ELU", (0.3,), {}, SEQUENCE, None),
    ("BatchNorm2d", (3,), {}, IMAGE, None),
    ("Conv1d", (5, 2, 3), {}, SEQUENCE, None),
    ("RNNCell", (4, 3), {}, VECTOR, None),
    ("GRUCell", (4, 3), {}, VECTOR, None),
    ("MultiheadAttention", (4, 2), {}, SEQUENCE, None),
    ("MultiheadAttention", (4, 2), {"causal": True}, SEQUENCE, None),
]
"""Name, arguments, shape of a sample, and the operators expected, where they are worth fixing."""

DTYPES = (np.float32, np.float64)


def layer_id(i):
    name, args, kwargs, shape, _ = LAYERS[i]
    settings = [*map(str, args), *(f"{key}={value}" for key, value in kwargs.items())]
    return f"{name}({', '.join(settings)}) of {shape}"


def layer_of(i, dtype):
    """The layer, with parameters and running averages that are all different."""
    name, args, kwargs, _, _ = LAYERS[i]
    layer = getattr(nn, name)(*args, **kwargs)
    rng = np.random.default_rng(i)
    for key, tensor in layer.named_state():
        low = 0.5 if "var" in key else -1.0
        tensor.data = rng.uniform(low, 1.5, tensor.shape).astype(dtype)
    return layer


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: d.__name__)
@pytest.mark.parametrize("i", range(len(LAYERS)), ids=layer_id)
def test_an_exported_layer_computes_what_the_layer_computes(i, dtype, tmp_path):
    _, _, _, shape, operators = LAYERS[i]
    path = tmp_path / "layer.onnx"

    worst = exported(layer_of(i, dtype), path, dtype, shape)

    assert worst <= tolerance(path, dtype)
    assert operators is None or kinds(path) == operators


def test_normalisation_layers_are_a_node_each(tmp_path):
    path, one = tmp_path / "model.onnx", np.float32
    norm, batch = nn.LayerNorm(4, dtype=one), nn.BatchNorm1d(4, dtype=one)

    class Twice(nn.Module):
        def __init__(self):
            self.norm, self.batch = norm, batch

        def forward(self, x):
            return self.norm(3 * self.norm(x)) + self.batch(self.batch(x))

    assert exported(Twice(), path, one, VECTOR) <= TOLERANCE
    assert kinds(path).count("LayerNormalization") == kinds(path).count("BatchNormalization") == 2
    assert exported(nn.BatchNorm2d(3), path, np.float64, IMAGE) <= 1e-14
    assert kinds(path) == ["Add", "BatchNormalization"]  # ε of a node would be a float32
    exported(nn.LayerNorm(4), path, np.float64, VECTOR)
    assert "LayerNormalization" not in kinds(path)


def test_a_layer_derived_from_a_normalisation_is_written_as_what_it_does(tmp_path):
    class Shifted(nn.LayerNorm):
        def forward(self, x):
            return super().forward(x) + 1

    path = tmp_path / "model.onnx"
    assert exported(Shifted(4, dtype=np.float32), path, np.float32, VECTOR) <= TOLERANCE
    assert "LayerNormalization" not in kinds(path)


def test_every_layer_is_exported():
    layers = {name for name in nn.__all__ if name[0].isupper()}
    structure = {"Buffer", "Module", "Parameter", "Sequential"}
    structure |= {"Embedding", "LSTMCell"}  # of whole numbers; of two outputs: see below

    assert {name for name, *_ in LAYERS} == layers - structure


def test_the_comparison_sees_a_slightly_different_layer(tmp_path):
    layer, path = nn.LayerNorm(4), tmp_path / "layer.onnx"
    x = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    assert exported(layer, path, np.float32, VECTOR) <= TOLERANCE

    layer.eps = 3e-5

    assert difference(run(path, x), tg.predict(layer, x)) > TOLERANCE
