"""Modules of users' own: whatever their forward pass consists of, for every batch size."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_mlp as tg
from tests.saving.onnx.runtime import TOLERANCE, difference, exported, kinds, onnx, run
from tinygrad_mlp import nn
from tinygrad_mlp.errors import ExportError, ShapeError, TraceError


def rng():
    return np.random.default_rng(5)


class Function(nn.Module):
    """A module that computes a function of x, with a weight to use."""

    def __init__(self, function, shape=(4, 4)):
        self.function = function
        self.weight = nn.Parameter(rng().normal(size=shape), name="W")
        self.table = tg.Tensor(rng().normal(size=(6, 4)))

    def forward(self, x):
        return self.function(self, x)


class Residual(nn.Module):
    """Nested modules in a list, a skip connection, a functional activation."""

    def __init__(self):
        self.blocks = [nn.Sequential(nn.Linear(4, 4, rng=rng()), nn.LayerNorm(4)) for _ in range(2)]
        self.head = nn.Linear(8, 2, rng=rng())

    def forward(self, x):
        for block in self.blocks:
            x = x + tg.relu(block(x))
        return tg.softmax(self.head(tg.concatenate([x, tg.tanh(x)], axis=1)))


class Attention(nn.Module):
    """Scaled dot products over a sequence, with a causal mask."""

    def __init__(self):
        self.query, self.key, self.value = (nn.Linear(4, 4, rng=rng()) for _ in range(3))

    def forward(self, x):
        q, k, v = self.query(x), self.key(x), self.value(x)
        scores = q @ k.swapaxes(-1, -2) / 4**0.5
        scores = tg.where(np.tril(np.ones((5, 5))) > 0, scores, -1e9)
        heads = tg.softmax(scores, axis=-1) @ v
        return heads.reshape(x.shape[0], -1)


class Recurrent(nn.Module):
    """A loop over the time steps."""

    def __init__(self):
        self.inside, self.across = nn.Linear(4, 3, rng=rng()), nn.Linear(3, 3, rng=rng())

    def forward(self, x):
        h = np.zeros((x.shape[0], 3))
        for t in range(x.shape[1]):
            h = tg.tanh(self.inside(x[:, t]) + self.across(h))
        return h


@tg.op(
    rules={"x": lambda g, y, x, beta: g * (beta * y + tg.sigmoid(beta * x) * (1 - beta * y))},
    register=False,
)
def swish(x, *, beta=1.0):
    return x / (1 + np.exp(-beta * x))


@tg.op(rules={}, register=False)
def by_values(x):
    return x if np.sum(x) > 0 else -x


MODULES = {
    "residual": (Residual(), (4,)),
    "attention": (Attention(), (5, 4)),
    "recurrent": (Recurrent(), (5, 4)),
    "numpy functions": (Function(lambda m, x: np.exp(-np.square(x) / 2) @ m.weight), (4,)),
    "an operation of one's own": (Function(lambda m, x: swish(x, beta=2.0)), (4,)),
    "a tensor that is no parameter": (Function(lambda m, x: x @ m.table.T), (4,)),
    "a mask and two conditions": (
        Function(lambda m, x: tg.where(~((x > 0.1) & (x < 0.9) | (x < -1)), x, 7.0)), (4,),
    ),
    "a condition that is multiplied": (Function(lambda m, x: x * (x > 0)), (4,)),
    "the mean over the batch": (Function(lambda m, x: x - tg.mean(x, axis=0)), (4,)),
    "a sum divided by the batch size": (
        Function(lambda m, x: x - tg.sum(x, axis=0) / x.shape[0]), (4,),
    ),
    "half the batch size": (Function(lambda m, x: x * (x.shape[0] / 2)), (4,)),
    "products of all samples with each other": (
        Function(lambda m, x: tg.mean((x @ x.T).reshape(x.shape[0], 1, -1), axis=1)), (4,),
    ),
    "samples in reverse order": (Function(lambda m, x: x[::-1]), (4,)),
    "all but the last sample": (
        Function(lambda m, x: x - tg.sum(x[: x.shape[0] - 1], axis=0)), (4,),
    ),
    "the last sample, by its number": (Function(lambda m, x: x - x[x.shape[0] - 1]), (4,)),
    "new axes and integers": (Function(lambda m, x: x[:, None, 1, ..., ::2]), (3, 5)),
    "several integers": (Function(lambda m, x: x[:, 1, -2]), (3, 5)),
    "chosen columns": (Function(lambda m, x: x[:, np.array([2, 0, 2])]), (4,)),
    "ones for each sample": (
        Function(lambda m, x: tg.concatenate([np.ones((x.shape[0], 1)), x], axis=1)), (4,),
    ),
    "rows broadcast to the batch": (
        Function(lambda m, x: x + tg.broadcast_to(m.weight[0], shape=(x.shape[0], 4))), (4,),
    ),
    "twice as many rows": (Function(lambda m, x: tg.concatenate([x, x])[::2]), (4,)),
    "einsum": (Function(lambda m, x: tg.einsum("ni,ij->nj", x, m.weight)), (4,)),
    "a parameter used twice": (Function(lambda m, x: x @ m.weight @ m.weight.T), (4,)),
    # ONNX has no inverse; that of a parameter is a constant of the model.
    "an inverse of a parameter": (Function(lambda m, x: x @ tg.inv(m.weight)), (4,)),
    "integers beside floats": (Function(lambda m, x: x * np.arange(4) + tg.argmax(x)), (4,)),
}


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_exported_with_everything_that_it_does(name, tmp_path):
    module, shape = MODULES[name]
    path = tmp_path / "module.onnx"
    assert exported(module, path, np.float64, shape, sizes=(2, 5, 8)) <= 1e-12
    assert exported(module, path, np.float32, shape, sizes=(2, 5, 8)) <= TOLERANCE


class Embedding(nn.Module):
    """Rows of a table by number, and what comes after them."""

    def __init__(self):
        self.table = nn.Parameter(rng().normal(size=(6, 4)))
        self.head = nn.Linear(12, 3, rng=rng())

    def forward(self, x):
        return self.head(self.table[x].reshape(x.shape[0], -1))


def test_a_module_that_takes_numbers_of_classes_is_exported_with_integers(tmp_path):
    path = tmp_path / "embedding.onnx"
    model = Embedding()
    tg.export_onnx(model, path, input_shape=(3,), input_dtype=np.int64)
    x = rng().integers(0, 6, size=(5, 3))
    assert difference(run(path, x), tg.predict(model, x)) <= 1e-12


@pytest.mark.parametrize("dtype", [np.uint8, np.bool_])
def test_a_network_takes_pixels_as_they_are(tmp_path, dtype):
    path = tmp_path / "pixels.onnx"
    model = nn.Sequential(nn.Linear(4, 3, rng=rng(), dtype=np.float32), nn.Tanh())
    tg.export_onnx(model, path, input_dtype=dtype)
    x = rng().integers(0, 2, size=(5, 4)).astype(dtype)
    found = run(path, x)
    assert found.dtype == np.float32
    assert difference(found, tg.predict(model, x)) <= TOLERANCE


def test_parameters_keep_their_names_and_nodes_have_those_of_their_layers(tmp_path):
    path = tmp_path / "residual.onnx"
    model = Residual()
    tg.export_onnx(model, path)
    graph = onnx.load(path).graph
    arrays = {a.name: onnx.numpy_helper.to_array(a) for a in graph.initializer}
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(arrays[name], array, strict=True)
    names = [node.name for node in graph.node]
    assert "blocks.0.0.Gemm" in names and "head.Gemm" in names and "Softmax" in names


def test_what_the_output_does_not_depend_on_is_not_written(tmp_path):
    def function(module, x):
        tg.erfinv(tg.tanh(x))  # looked at by nobody, and not in ONNX
        return x @ tg.inv(module.weight @ module.weight.T)

    path = tmp_path / "module.onnx"
    assert exported(Function(function), path, np.float64, (4,)) <= 1e-12
    assert kinds(path) == ["MatMul"]
    assert [array.name for array in onnx.load(path).graph.initializer] == ["constant"]


def test_an_output_that_does_not_depend_on_the_input_is_written(tmp_path):
    path = tmp_path / "module.onnx"
    module = Function(lambda m, x: m.weight)
    tg.export_onnx(module, path, input_shape=(4,))
    np.testing.assert_array_equal(run(path, np.ones((2, 4))), module.weight.data)
    tg.export_onnx(Function(lambda m, x: np.ones((x.shape[0], 2))), path, input_shape=(4,))
    np.testing.assert_array_equal(run(path, np.ones((3, 4))), np.ones((3, 2)))


def test_a_shared_layer_is_written_once(tmp_path):
    path = tmp_path / "shared.onnx"
    layer = nn.Linear(4, 4, rng=rng())
    assert exported(nn.Sequential(layer, nn.Tanh(), layer), path, np.float64, (4,)) <= 1e-12
    assert [a.name for a in onnx.load(path).graph.initializer] == ["0.weight", "0.bias"]


def test_layers_of_different_precision_keep_it(tmp_path):
    path = tmp_path / "mixed.onnx"
    model = nn.Sequential(
        nn.Linear(4, 3, rng=rng(), dtype=np.float32), nn.Tanh(), nn.Linear(3, 2, rng=rng())
    )
    tg.export_onnx(model, path)
    x = rng().normal(size=(3, 4)).astype(np.float32)
    assert kinds(path) == ["Gemm", "Tanh", "Cast", "Gemm"]
    found = run(path, x)
    assert found.dtype == np.float64
    assert difference(found, tg.predict(model, x)) <= TOLERANCE


def test_dropout_and_batch_norm_are_exported_as_in_evaluation_and_left_in_training(tmp_path):
    path = tmp_path / "model.onnx"
    model = nn.Sequential(nn.BatchNorm1d(4), nn.Dropout(0.5, rng=rng()), nn.Linear(4, 2, rng=rng()))
    model[1].eval()
    state, draws = model.state_dict(), model[1].rng.bit_generator.state
    tg.export_onnx(model, path)
    assert [layer.training for layer in (model, *model)] == [True, True, False, True]
    assert model[1].rng.bit_generator.state == draws
    assert all(np.array_equal(state[k], v) for k, v in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


# -- what is refused -------------------------------------------------------------------------------


class Noisy(nn.Module):
    def forward(self, x):
        return x + np.random.default_rng().normal(size=4)


class RandomInEvaluation(nn.Module):
    def __init__(self):
        self.inner = nn.Dropout(0.5, rng=rng())

    def forward(self, x):
        self.inner.train()
        return self.inner(x)


class Counting(nn.Module):
    def __init__(self):
        self.count = nn.Buffer(np.zeros(()))

    def forward(self, x):
        self.count.data = (self.count + 1).data
        return x


REFUSED = {
    "an operation that ONNX does not have": (
        nn.Sequential(nn.Linear(4, 4), Function(lambda m, x: tg.erfinv(x))), ExportError,
        r"operation 'erfinv', which layer '1', Function\(\), uses. Compute the same from other",
    ),
    "an operation of one's own that decides by values": (
        Function(lambda m, x: by_values(x)), ExportError, "operation 'by_values', which Function",
    ),
    "noise of NumPy's": (Noisy(), ExportError, "'add' in Noisy.. differs between batches"),
    "random numbers in evaluation": (
        RandomInEvaluation(), ExportError, "layer 'inner', Dropout.0.5., draws random numbers",
    ),
    "a buffer that changes in evaluation": (
        Counting(), ExportError, "changes an array of its own in evaluation mode",
    ),
    "several outputs": (
        Function(lambda m, x: (x, x)), ExportError, "must return one array. Got tuple",
    ),
    "a decision by values": (
        Function(lambda m, x: x if x[0, 0] > 0 else -x), TraceError, "cannot become a number",
    ),
    "a decision by the batch size": (
        Function(lambda m, x: x if x.shape[0] < 8 else -x), ExportError,
        "'negative' in Function.. differs",
    ),
    "other operations by the batch size": (
        Function(lambda m, x: tg.exp(x) if x.shape[0] < 8 else tg.sin(x)), ExportError,
        "'exp' in Function.. differs between batches of 5, 7, 11",
    ),
    "half of the samples": (
        Function(lambda m, x: x[: x.shape[0] // 2]), ExportError, "'getitem' in Function",
    ),
    "the batch size squared": (
        Function(lambda m, x: tg.reshape(x @ x.T, shape=(x.shape[0] ** 2, 1))), ExportError,
        "'reshape' in Function",
    ),
    "numbers of the samples": (
        Function(lambda m, x: x + np.arange(x.shape[0])[:, None]), ExportError, "'add' in Function",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_file_cannot_hold_is_refused_by_name(name, tmp_path):
    module, error, message = REFUSED[name]
    with pytest.raises(error, match=message):
        tg.export_onnx(module, tmp_path / "module.onnx", input_shape=(4,))
    assert list(tmp_path.iterdir()) == []


BY_BATCH = [
    "half of the samples", "the batch size squared", "a decision by the batch size",
    "numbers of the samples",
]


@pytest.mark.parametrize("name", BY_BATCH)
def test_what_depends_on_the_batch_size_is_exported_for_one(name, tmp_path):
    module = REFUSED[name][0]
    path = tmp_path / "module.onnx"
    options = {"sizes": (6,), "batch_size": 6}
    assert exported(module, path, np.float64, (4,), **options) <= 1e-12


def test_noise_is_found_for_a_single_batch_size_too(tmp_path):
    with pytest.raises(ExportError, match="'add' in Noisy.. differs from call to call"):
        tg.export_onnx(Noisy(), tmp_path / "m.onnx", input_shape=(4,), batch_size=3)


def test_a_module_for_one_batch_size_says_at_which_other_it_failed(tmp_path):
    module = Function(lambda m, x: tg.reshape(x, shape=(8, 2)))
    with pytest.raises(ShapeError) as caught:
        tg.export_onnx(module, tmp_path / "m.onnx", input_shape=(4,))
    assert "batch of 5" in caught.value.__notes__[0]
    assert exported(module, tmp_path / "m.onnx", np.float64, (4,), sizes=(4,), batch_size=4) == 0
