"""Every layer against a naive reference, numerical derivatives, and inputs that do not fit.

`ROWS` is the complete table: a module that `nn` exports and that has no row fails a test.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from scipy.special import erf

import tinygrad_mlp as tg
from tinygrad_mlp import nn
from tinygrad_mlp.autograd.graph import Value
from tinygrad_mlp.errors import DTypeError, InvalidArgumentError, ShapeError


class Row(NamedTuple):
    """A layer in training.

    Attributes:
        make: the layer from a generator and a dtype.
        shape: of the inputs to try.
        reference: what it computes, naively, of the layer (for its arrays) and the input.
        refused: shapes of inputs that do not fit.
        in_evaluation: the same as `reference` in evaluation, where it is another function.
    """

    make: Callable[[Any, Any], nn.Module]
    shape: tuple[int, ...]
    reference: Callable[[Any, Any], Any]
    refused: tuple[tuple[int, ...], ...] = ()
    in_evaluation: Callable[[Any, Any], Any] | None = None


def each(function):
    """A reference that applies a function of one number to every element."""
    return lambda layer, x: np.array([function(v) for v in x.ravel()]).reshape(x.shape)


def rows_of(function):
    """A reference that applies a function of a vector along the last axis."""

    def reference(layer, x):
        flat = [function(layer, v) for v in x.reshape(-1, x.shape[-1])]
        return np.array(flat).reshape(*x.shape[:-1], -1)

    return reference


def affine(layer, v):
    z = np.array([sum(w * a for w, a in zip(row, v, strict=True)) for row in layer.weight.data])
    return z if layer.bias is None else z + layer.bias.data


def convolution(layer, x):
    weight, (sh, sw), (ph, pw) = layer.weight.data, layer.stride, layer.padding
    x = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    (n, _, height, width), (out, channels, kh, kw) = x.shape, weight.shape
    y = np.zeros((n, out, (height - kh) // sh + 1, (width - kw) // sw + 1))
    for at in np.ndindex(y.shape):
        sample, o, i, j = at
        y[at] = 0 if layer.bias is None else layer.bias.data[o]
        for c, p, q in np.ndindex(channels, kh, kw):
            y[at] += x[sample, c, sh * i + p, sw * j + q] * weight[o, c, p, q]
    return y


def pooling(of_window):
    def reference(layer, x):
        (kh, kw), (sh, sw) = layer.kernel_size, layer.stride
        height, width = x.shape[-2:]
        y = np.zeros((*x.shape[:-2], (height - kh) // sh + 1, (width - kw) // sw + 1))
        for i, j in np.ndindex(y.shape[-2:]):
            for at in np.ndindex(x.shape[:-2]):
                window = x[at][sh * i : sh * i + kh, sw * j : sw * j + kw]
                y[(*at, i, j)] = of_window([float(v) for v in window.ravel()])
        return y

    return reference


def layer_norm(layer, v):
    standardised = (v - np.mean(v)) / math.sqrt(np.var(v) + layer.eps)
    return layer.weight.data * standardised + layer.bias.data


def batch_norm(layer, x):
    return np.array([
        layer.weight.data[j] * (x[:, j] - np.mean(x[:, j])) / math.sqrt(np.var(x[:, j]) + layer.eps)
        + layer.bias.data[j]
        for j in range(x.shape[1])
    ]).T


def batch_norm_in_evaluation(layer, x):
    deviation = np.sqrt(layer.running_var.data + layer.eps)
    return layer.weight.data * (x - layer.running_mean.data) / deviation + layer.bias.data


def dropped(layer, x):
    # `built` gives every layer a generator in this state.
    kept = np.random.default_rng(0).random(x.shape) >= layer.p
    return np.where(kept, x / (1 - layer.p), 0)


def softmax(layer, v):
    return [math.exp(a) / sum(math.exp(b) for b in v) for a in v]


def log_softmax(layer, v):
    return [a - math.log(sum(math.exp(b) for b in v)) for a in v]


def batch_norm_of_images(layer, x):
    flat = np.moveaxis(x, 1, -1).reshape(-1, x.shape[1])
    return np.moveaxis(batch_norm(layer, flat).reshape(*np.moveaxis(x, 1, -1).shape), -1, 1)


def batch_norm_of_images_in_evaluation(layer, x):
    y = batch_norm_in_evaluation(layer, np.moveaxis(x, 1, -1))
    return np.moveaxis(y, -1, 1)


def convolution_in_time(layer, x):
    weight, (n, _, length) = layer.weight.data, x.shape
    x = np.pad(x, ((0, 0), (0, 0), (layer.padding, layer.padding)))
    steps = (length + 2 * layer.padding - layer.kernel_size) // layer.stride + 1
    y = np.zeros((n, len(weight), steps))
    for sample, o, t in np.ndindex(y.shape):
        window = x[sample, :, t * layer.stride : t * layer.stride + layer.kernel_size]
        y[sample, o, t] = np.sum(window * weight[o])
        y[sample, o, t] += 0 if layer.bias is None else layer.bias.data[o]
    return y


def gates(layer, x, number):
    """Return the inputs of a cell's gates that come from x, and from a state of zeros."""
    from_input = x @ layer.weight_ih.data.T + layer.bias_ih.data
    from_state = np.broadcast_to(layer.bias_hh.data, from_input.shape)
    return np.split(from_input, number, axis=-1), np.split(from_state, number, axis=-1)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def first_step_of_a_gru(layer, x):
    (a_r, a_z, a_n), (s_r, s_z, s_n) = gates(layer, x, 3)
    return (1 - sigmoid(a_z + s_z)) * np.tanh(a_n + sigmoid(a_r + s_r) * s_n)


def first_step_of_an_lstm(layer, x):
    (a_i, _, a_g, a_o), (s_i, _, s_g, s_o) = gates(layer.cell, x, 4)
    return sigmoid(a_o + s_o) * np.tanh(sigmoid(a_i + s_i) * np.tanh(a_g + s_g))


class OfLSTM(nn.Module):
    """The first part of an LSTM's state, as the other layers return one array."""

    def __init__(self, *args, **kwargs):
        self.cell = nn.LSTMCell(*args, **kwargs)

    def forward(self, x):
        return self.cell(x)[0]


def attention(layer, x):
    d, y = layer.features // layer.heads, np.zeros(x.shape)
    projected = [rows_of(affine)(part, x) for part in (layer.query, layer.key, layer.value)]
    for sample, head in np.ndindex(len(x), layer.heads):
        q, k, v = (part[sample, :, head * d : (head + 1) * d] for part in projected)
        for t in range(x.shape[1]):
            seen = t + 1 if layer.causal else x.shape[1]
            weights = softmax(None, [q[t] @ k[s] / math.sqrt(d) for s in range(seen)])
            y[sample, t, head * d : (head + 1) * d] = sum(
                weight * v[s] for s, weight in enumerate(weights))
    return rows_of(affine)(layer.output, y)


def along_first(reference):
    return lambda layer, x: reference(layer, x.T).T


IMAGES = ((2, 3, 4), (2, 4, 5, 5), (2, 3, 1, 5))
ROWS = {
    "Linear": Row(
        lambda rng, dtype: nn.Linear(4, 3, rng=rng, dtype=dtype),
        (5, 4), rows_of(affine), ((5, 3), (4, 5), (), (4, 0)),
    ),
    "Linear without bias": Row(
        lambda rng, dtype: nn.Linear(2, 2, bias=False, rng=rng, dtype=dtype),
        (3, 2), rows_of(affine),
    ),
    "Linear of a single sample": Row(
        lambda rng, dtype: nn.Linear(4, 3, rng=rng, dtype=dtype), (4,), rows_of(affine), ((3,),)
    ),
    "Linear of a batch of sequences": Row(
        lambda rng, dtype: nn.Linear(4, 3, rng=rng, dtype=dtype), (2, 3, 4), rows_of(affine)
    ),
    "Conv2d": Row(
        lambda rng, dtype: nn.Conv2d(3, 2, 2, rng=rng, dtype=dtype),
        (2, 3, 4, 5), convolution, (*IMAGES, (3, 4, 5), (0, 3, 4, 5)),
    ),
    "Conv2d with stride and padding": Row(
        lambda rng, dtype: nn.Conv2d(2, 3, (2, 3), (2, 1), (1, 2), rng=rng, dtype=dtype),
        (2, 2, 5, 4), convolution,
    ),
    "Conv2d without bias": Row(
        lambda rng, dtype: nn.Conv2d(1, 2, 3, 3, 1, False, rng=rng, dtype=dtype),
        (1, 1, 6, 6), convolution,
    ),
    "MaxPool2d": Row(
        lambda rng, dtype: nn.MaxPool2d(2),
        (2, 3, 4, 5), pooling(max), ((), (4,), (1, 4), (0, 4, 4)),
    ),
    "MaxPool2d overlapping": Row(
        lambda rng, dtype: nn.MaxPool2d((3, 2), stride=(1, 2)), (5, 6), pooling(max), ((2, 6),)
    ),
    "AvgPool2d": Row(
        lambda rng, dtype: nn.AvgPool2d(2), (2, 3, 4, 5), pooling(np.mean), ((), (4,), (4, 1))
    ),
    "AvgPool2d overlapping": Row(
        lambda rng, dtype: nn.AvgPool2d((3, 2), stride=(1, 2)), (5, 6), pooling(np.mean)
    ),
    "Flatten": Row(
        lambda rng, dtype: nn.Flatten(),
        (2, 3, 2, 2), lambda layer, x: np.array([image.ravel() for image in x]), ((),),
    ),
    "LayerNorm": Row(
        lambda rng, dtype: nn.LayerNorm(4, dtype=dtype),
        (2, 3, 4), rows_of(layer_norm), ((), (3,), (4, 3)),
    ),
    "BatchNorm1d": Row(
        lambda rng, dtype: nn.BatchNorm1d(3, dtype=dtype),
        (5, 3), batch_norm, ((), (3,), (5, 4), (2, 5, 3), (1, 3)), batch_norm_in_evaluation,
    ),
    "BatchNorm2d": Row(
        lambda rng, dtype: nn.BatchNorm2d(3, dtype=dtype),
        (4, 3, 2, 2), batch_norm_of_images, ((), (3,), (5, 3), (2, 4, 2, 2), (1, 3, 1, 1)),
        batch_norm_of_images_in_evaluation,
    ),
    "Conv1d": Row(
        lambda rng, dtype: nn.Conv1d(3, 2, 4, rng=rng, dtype=dtype),
        (2, 3, 6), convolution_in_time, ((3, 6), (2, 2, 6), (2, 3, 3), (0, 3, 6)),
    ),
    "Conv1d with stride and padding": Row(
        lambda rng, dtype: nn.Conv1d(2, 3, 3, 2, 1, False, rng=rng, dtype=dtype),
        (2, 2, 5), convolution_in_time,
    ),
    "RNNCell": Row(
        lambda rng, dtype: nn.RNNCell(3, 2, rng=rng, dtype=dtype),
        (4, 3), lambda layer, x: np.tanh(np.add(*(a[0] for a in gates(layer, x, 1)))),
        ((), (4,), (3, 4)),
    ),
    "GRUCell": Row(
        lambda rng, dtype: nn.GRUCell(3, 2, rng=rng, dtype=dtype),
        (4, 3), first_step_of_a_gru, ((), (4,), (3, 4)),
    ),
    "LSTMCell": Row(
        lambda rng, dtype: OfLSTM(3, 2, rng=rng, dtype=dtype), (4, 3), first_step_of_an_lstm
    ),
    "MultiheadAttention": Row(
        lambda rng, dtype: nn.MultiheadAttention(6, 2, rng=rng, dtype=dtype),
        (2, 3, 6), attention, ((6,), (3, 6), (2, 3, 5), (2, 0, 6)),
    ),
    "MultiheadAttention that is causal": Row(
        lambda rng, dtype: nn.MultiheadAttention(4, 1, causal=True, rng=rng, dtype=dtype),
        (2, 4, 4), attention,
    ),
    "SiLU": Row(lambda rng, dtype: nn.SiLU(), (4, 3), each(lambda v: v / (1 + math.exp(-v)))),
    "ELU": Row(
        lambda rng, dtype: nn.ELU(0.3), (4, 3),
        each(lambda v: v if v > 0 else 0.3 * (math.exp(v) - 1)),
    ),
    "Dropout": Row(
        lambda rng, dtype: nn.Dropout(0.4, rng=rng), (6, 5), dropped, (), lambda layer, x: x
    ),
    "Dropout of nothing": Row(
        lambda rng, dtype: nn.Dropout(0, rng=rng), (6, 5), lambda layer, x: x
    ),
    "Sequential": Row(
        lambda rng, dtype: nn.Sequential(
            nn.Linear(3, 4, rng=rng, dtype=dtype), nn.Tanh(), nn.Linear(4, 2, rng=rng, dtype=dtype)
        ),
        (5, 3),
        lambda layer, x: rows_of(affine)(layer[2], np.tanh(rows_of(affine)(layer[0], x))),
    ),
    "Tanh": Row(lambda rng, dtype: nn.Tanh(), (4, 3), each(math.tanh)),
    "Sigmoid": Row(lambda rng, dtype: nn.Sigmoid(), (4, 3), each(lambda v: 1 / (1 + math.exp(-v)))),
    "ReLU": Row(lambda rng, dtype: nn.ReLU(), (4, 3), each(lambda v: v if v > 0 else 0.0)),
    "LeakyReLU": Row(
        lambda rng, dtype: nn.LeakyReLU(), (4, 3), each(lambda v: v if v > 0 else 0.01 * v)
    ),
    "LeakyReLU of another slope": Row(
        lambda rng, dtype: nn.LeakyReLU(0.3), (4, 3), each(lambda v: v if v > 0 else 0.3 * v)
    ),
    "Softplus": Row(
        lambda rng, dtype: nn.Softplus(), (4, 3), each(lambda v: math.log(1 + math.exp(v)))
    ),
    "GELU": Row(
        lambda rng, dtype: nn.GELU(), (4, 3), each(lambda v: v * (1 + erf(v / math.sqrt(2))) / 2)
    ),
    "Identity": Row(lambda rng, dtype: nn.Identity(), (4, 3), each(float)),
    "Softmax": Row(lambda rng, dtype: nn.Softmax(), (4, 3), rows_of(softmax)),
    "Softmax of columns": Row(
        lambda rng, dtype: nn.Softmax(axis=0), (4, 3), along_first(rows_of(softmax))
    ),
    "LogSoftmax": Row(lambda rng, dtype: nn.LogSoftmax(), (4, 3), rows_of(log_softmax)),
    "LogSoftmax of columns": Row(
        lambda rng, dtype: nn.LogSoftmax(0), (4, 3), along_first(rows_of(log_softmax))
    ),
}

every_layer = pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)


def built(row, dtype=np.float64):
    """The layer of a row, with numbers in its arrays that are not those it begins with."""
    layer = row.make(np.random.default_rng(0), dtype)
    rng = np.random.default_rng(1)
    for _, member in layer.named_state():
        member.data = rng.uniform(0.5, 1.5, member.shape).astype(dtype)
    return layer


def an_input(row, dtype=np.float64):
    return np.random.default_rng(2).normal(size=row.shape).astype(dtype)


def test_every_module_has_a_row():
    exported = {
        name
        for name in nn.__all__
        if isinstance(getattr(nn, name), type) and issubclass(getattr(nn, name), nn.Module)
    }
    # (An embedding takes whole numbers: see below.)
    assert exported - {"Module", "Embedding"} == {name.split()[0] for name in ROWS}


@every_layer
def test_the_output_in_training_is_the_naive_one(row):
    layer, x = built(row), an_input(row)
    y = layer(tg.Tensor(x))
    np.testing.assert_allclose(y.data, row.reference(layer, x), rtol=1e-12, atol=1e-14)


@every_layer
def test_the_output_in_evaluation_is_the_naive_one_and_leaves_the_state_alone(row):
    layer, x = built(row).eval(), an_input(row)
    before = layer.state_dict()
    first, second = layer(x), layer(x)
    data = first.data if isinstance(first, Value) else first
    expected = (row.in_evaluation or row.reference)(layer, x)
    np.testing.assert_allclose(data, expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(data, second.data if isinstance(second, Value) else second)
    after = layer.state_dict()
    assert all(np.array_equal(before[name], after[name]) for name in before)


@every_layer
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
def test_the_gradients_of_input_and_parameters_are_the_numerical_ones(
    row, training, assert_derivative
):
    x = an_input(row)
    layer, point = built(row).train(training), tg.Tensor(x, requires_grad=True)
    y = layer(point)
    weights = np.random.default_rng(3).normal(size=y.shape)
    tg.sum(y * weights).backward()

    def value_at(name, values):
        # Built anew each time: a layer may draw numbers, or remember its last batch.
        again = built(row).train(training)
        arrays = {"input": x, **{key: p.data for key, p in again.named_parameters()}, name: values}
        for key, parameter in again.named_parameters():
            parameter.data = arrays[key]
        return np.sum(again(tg.Tensor(arrays["input"])).data * weights)

    tensors = {"input": point, **dict(layer.named_parameters())}
    for name, tensor in tensors.items():

        def f(values, name=name):
            return value_at(name, values)

        assert_derivative(tensor.grad, f, tensor.data, where=name)


@every_layer
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
def test_float32_stays_float32_and_is_near_float64(row, training):
    layer, x = built(row, np.float32).train(training), an_input(row, np.float32)
    point = tg.Tensor(x, requires_grad=True)
    y = layer(point)
    tg.sum(y * y).backward()
    arrays = [y.data, point.grad, *(p.grad for p in layer.parameters())]
    assert {a.dtype for a in arrays} == {np.dtype(np.float32)}
    assert {a.dtype for a in layer.state_dict().values()} <= {np.dtype(np.float32)}
    fresh = built(row, np.float32).train(training)
    reference = row.reference if training else row.in_evaluation or row.reference
    expected = reference(fresh, x.astype(np.float64))
    np.testing.assert_allclose(y.data, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("row", "shape"),
    [(row, shape) for row in ROWS.values() for shape in row.refused],
    ids=[f"{name}-{shape}" for name, row in ROWS.items() for shape in row.refused],
)
def test_an_input_of_a_wrong_shape_is_refused_by_the_layer_itself(row, shape):
    layer = built(row)
    before = layer.state_dict()
    with pytest.raises(ShapeError) as caught:
        layer(tg.Tensor(np.ones(shape)))
    message = str(caught.value)
    assert message.startswith(type(layer).__name__)
    assert str(shape) in message or "batch of 1" in message
    after = layer.state_dict()
    assert all(np.array_equal(before[name], after[name]) for name in before)


@every_layer
def test_a_plain_array_and_nested_lists_are_taken_like_a_tensor(row):
    x = an_input(row)
    expected = built(row)(tg.Tensor(x)).data
    for given in (x, x.tolist()):
        y = built(row)(given)
        np.testing.assert_array_equal(y.data if isinstance(y, Value) else np.asarray(y), expected)


# -- particular layers -----------------------------------------------------------------------------


@pytest.mark.parametrize("layer", [nn.Softmax(2), nn.LogSoftmax(2)], ids=repr)
def test_a_softmax_over_an_axis_that_is_not_there_is_refused(layer):
    with pytest.raises(ShapeError, match=r"softmax\(\) .* \(2, 2\).*axis=2"):
        layer(np.ones((2, 2)))


def test_max_pooling_shares_the_gradient_among_ties():
    x = tg.Tensor(np.ones((1, 1, 2, 2)), requires_grad=True)
    tg.sum(nn.MaxPool2d(2)(x)).backward()
    np.testing.assert_array_equal(x.grad, np.full((1, 1, 2, 2), 0.25))


def test_flatten_takes_an_empty_batch():
    assert nn.Flatten()(np.zeros((0, 3, 2))).shape == (0, 6)


def test_layer_norm_of_equal_features_gives_the_bias_and_a_finite_gradient():
    x = tg.Tensor(np.full((2, 3), 7.0), requires_grad=True)
    y = nn.LayerNorm(3)(x)
    y.backward(np.array([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]]))
    np.testing.assert_array_equal(y.data, np.zeros((2, 3)))
    assert np.isfinite(x.grad).all()


def test_batch_norm_keeps_running_averages_with_the_unbiased_variance():
    rng = np.random.default_rng(0)
    layer = nn.BatchNorm1d(2, momentum=0.3)
    mean, var = np.zeros(2), np.ones(2)
    for n in (4, 2, 7):
        x = rng.normal(3, 2, (n, 2))
        layer(x)
        mean = 0.7 * mean + 0.3 * x.mean(axis=0)
        var = 0.7 * var + 0.3 * x.var(axis=0, ddof=1)
    np.testing.assert_allclose(layer.running_mean.data, mean, rtol=1e-13)
    np.testing.assert_allclose(layer.running_var.data, var, rtol=1e-13)


def test_batch_norms_running_averages_keep_their_precision_and_have_no_history():
    layer = nn.BatchNorm1d(2, dtype=np.float32)
    layer(tg.Tensor(np.random.default_rng(0).normal(size=(4, 2)), requires_grad=True))
    for buffer in (layer.running_mean, layer.running_var):
        assert buffer.dtype == np.float32
        assert not buffer.requires_grad and buffer.node is None


def test_batch_norm_refuses_a_single_sample_in_training_only():
    layer = nn.BatchNorm1d(2)
    with pytest.raises(ShapeError, match="at least two samples.*larger batch"):
        layer(np.ones((1, 2)))
    assert layer.eval()(np.ones((1, 2))).shape == (1, 2)


def test_dropout_drops_the_share_p_and_keeps_the_mean():
    layer = nn.Dropout(0.3, rng=np.random.default_rng(0))
    y = layer(np.ones(100_000))
    # Five standard deviations of a share of 100,000.
    assert abs(np.mean(y == 0) - 0.3) < 5 * math.sqrt(0.3 * 0.7 / 100_000)
    assert set(np.unique(y)) == {0.0, 1 / 0.7}


def test_dropout_draws_a_new_mask_each_time_and_the_same_ones_for_the_same_seed():
    x = np.ones(50)
    first, second = (nn.Dropout(0.5, rng=np.random.default_rng(7)) for _ in range(2))
    masks = [first(x), first(x)]
    assert not np.array_equal(*masks)
    np.testing.assert_array_equal([second(x), second(x)], masks)


def test_dropout_of_integers_gives_fractions():
    y = nn.Dropout(0.5, rng=np.random.default_rng(0))(np.array([3, 3, 3, 3], np.uint8))
    assert set(y.tolist()) <= {0.0, 6.0}


def test_layers_without_an_explicit_generator_differ():
    assert not np.array_equal(nn.Linear(3, 3).weight.data, nn.Linear(3, 3).weight.data)


def test_layers_draw_from_the_generator_they_are_given():
    first, second = (nn.Linear(3, 3, rng=np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first.weight.data, second.weight.data)
    assert not first.bias.data.any()


def test_the_initialiser_that_is_given_draws_the_weight():
    layer = nn.Linear(3, 2, init=nn.init.constant(0.5), dtype=np.float32)
    assert (layer.weight.data == 0.5).all() and layer.weight.dtype == np.float32
    kernel = nn.Conv2d(1, 2, 3, init=lambda shape, rng: np.arange(18.0).reshape(shape))
    assert kernel.weight.data[1, 0, 2, 2] == 17


BAD_SETTINGS = {
    "Linear in_features": (lambda: nn.Linear(0, 1), InvalidArgumentError),
    "Linear out_features": (lambda: nn.Linear(1, 1.5), InvalidArgumentError),
    "Linear rng": (lambda: nn.Linear(1, 1, rng=0), InvalidArgumentError),
    "Linear init": (lambda: nn.Linear(1, 1, init="he"), InvalidArgumentError),
    "Linear he_normal": (lambda: nn.Linear(1, 1, init=nn.init.he_normal), InvalidArgumentError),
    "Linear init (2, 3)": (lambda: nn.Linear(3, 2, init=lambda s, r: np.ones(2)), ShapeError),
    "float": (lambda: nn.Linear(1, 1, dtype=int), DTypeError),
    "Conv2d in_channels": (lambda: nn.Conv2d(-1, 1, 2), InvalidArgumentError),
    "Conv2d out_channels": (lambda: nn.Conv2d(1, True, 2), InvalidArgumentError),
    "Conv2d kernel_size": (lambda: nn.Conv2d(1, 1, (1, 2, 3)), InvalidArgumentError),
    "Conv2d stride": (lambda: nn.Conv2d(1, 1, 2, stride=0), InvalidArgumentError),
    "Conv2d padding": (lambda: nn.Conv2d(1, 1, 2, padding=-1), InvalidArgumentError),
    "Conv2d init": (lambda: nn.Conv2d(1, 1, 2, init=3), InvalidArgumentError),
    "MaxPool2d kernel_size": (lambda: nn.MaxPool2d(0), InvalidArgumentError),
    "AvgPool2d stride": (lambda: nn.AvgPool2d(2, 0.5), InvalidArgumentError),
    "LayerNorm features": (lambda: nn.LayerNorm(0), InvalidArgumentError),
    "LayerNorm eps": (lambda: nn.LayerNorm(1, eps=-1e-5), InvalidArgumentError),
    "BatchNorm1d features": (lambda: nn.BatchNorm1d("3"), InvalidArgumentError),
    "BatchNorm1d eps": (lambda: nn.BatchNorm1d(3, eps=math.nan), InvalidArgumentError),
    "BatchNorm1d momentum": (lambda: nn.BatchNorm1d(3, momentum=None), InvalidArgumentError),
    "Dropout p": (lambda: nn.Dropout(1), InvalidArgumentError),
    "Dropout p nan": (lambda: nn.Dropout(math.nan), InvalidArgumentError),
    "Dropout p '0.5'": (lambda: nn.Dropout("0.5"), InvalidArgumentError),
    "Dropout rng": (lambda: nn.Dropout(0.5, rng=1), InvalidArgumentError),
}


@pytest.mark.parametrize("words", BAD_SETTINGS)
def test_an_impossible_setting_is_refused_by_layer_and_name(words):
    make, kind = BAD_SETTINGS[words]
    with pytest.raises(kind) as caught:
        make()
    assert all(word in str(caught.value) for word in words.split())


@pytest.mark.parametrize("number", [np.float64, np.float32])
def test_numpy_numbers_as_settings_do_not_raise_the_precision(number):
    x = np.ones((3, 2), np.float32)
    for layer in (
        nn.LayerNorm(2, eps=number(1e-5), dtype=np.float32),
        nn.BatchNorm1d(2, eps=number(1e-5), momentum=number(0.1), dtype=np.float32),
        nn.Dropout(number(0.5)),
        nn.LeakyReLU(number(0.1)),
    ):
        y = layer(x)
        assert y.dtype == np.float32, layer
        assert all(a.dtype == np.float32 for a in layer.state_dict().values())


def test_an_embedding_gives_each_symbol_its_vector_and_adds_the_gradients_of_all_its_places():
    layer = nn.Embedding(5, 3, rng=np.random.default_rng(0))
    symbols = np.array([[0, 4, 0], [2, 2, 2]])
    y = layer(symbols)
    np.testing.assert_array_equal(y.data, layer.weight.data[symbols])
    g = np.random.default_rng(1).normal(size=y.shape)
    y.backward(g)
    expected = np.zeros((5, 3))
    np.add.at(expected, symbols, g)
    np.testing.assert_allclose(layer.weight.grad, expected, rtol=1e-14)


@pytest.mark.parametrize(("symbols", "error", "words"), [
    (np.array([0.0, 1.0]), DTypeError, "whole numbers. Got float64"),
    (np.array([0, 5]), InvalidArgumentError, "from 0 to 4. Got numbers from 0 to 5"),
    (np.array([-1, 3]), InvalidArgumentError, "from 0 to 4. Got numbers from -1 to 3")])
def test_an_embedding_refuses_what_is_no_symbol(symbols, error, words):
    with pytest.raises(error, match=words):
        nn.Embedding(5, 3, rng=np.random.default_rng(0))(symbols)


@pytest.mark.parametrize("cell", [nn.RNNCell, nn.GRUCell, nn.LSTMCell])
def test_a_cell_refuses_a_state_of_another_shape(cell):
    made = cell(3, 2, rng=np.random.default_rng(0))
    state = np.zeros((4, 3))
    with pytest.raises(ShapeError, match=r"state of shape \(5, 2\).*Got \(4, 3\)"):
        made(np.ones((5, 3)), (state, state) if cell is nn.LSTMCell else state)


def test_attention_takes_values_from_another_sequence():
    layer = nn.MultiheadAttention(4, 2, rng=np.random.default_rng(0))
    rng = np.random.default_rng(1)
    x, memory = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 5, 4))
    y = layer(x, memory)
    assert y.shape == x.shape
    shuffled = layer(x, memory[:, [4, 2, 0, 1, 3]])  # a mean does not see the order
    np.testing.assert_allclose(y.data, shuffled.data, rtol=1e-12)


def test_heads_must_divide_the_features():
    with pytest.raises(InvalidArgumentError, match="6 features and 4 heads"):
        nn.MultiheadAttention(6, 4)


def test_hubers_loss_is_the_square_near_zero_and_grows_linearly_far_away():
    error = np.array([[-3.0, -0.5, 0.0, 2.0]])
    prediction = tg.Tensor(error, requires_grad=True)
    value = nn.huber(prediction, np.zeros((1, 4)), delta=2.0)
    value.backward()
    assert value.item() == 2 * (3 - 1) + 0.125 + 0 + 2
    np.testing.assert_array_equal(prediction.grad, [[-2.0, -0.5, 0.0, 2.0]])
    with pytest.raises(InvalidArgumentError, match="delta"):
        nn.huber(prediction, error, delta=0)


def test_the_hinge_loss_refuses_targets_of_zero_and_one():
    with pytest.raises(InvalidArgumentError, match=r"2 \* y - 1"):
        nn.hinge(np.ones((2, 1)), np.array([[0.0], [1.0]]))
