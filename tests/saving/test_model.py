"""`save` and `load`: every bit comes back, and what cannot be read says why and changes nothing."""

from __future__ import annotations

import json
import platform
import struct

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import tinygrad_mlp as tg
from tests.failing_disk import disk
from tinygrad_mlp import nn
from tinygrad_mlp.errors import (
    DataError,
    DataNotFoundError,
    DTypeError,
    InvalidArgumentError,
    StateDictError,
    WriteError,
)
from tinygrad_mlp.saving.model import load_network, read
from tinygrad_mlp.support import safetensors_file

DTYPES = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?", ">f4", ">i8"]


class Holder(nn.Module):
    """A module of a single array."""

    def __init__(self, array):
        self.array = nn.Buffer(array)


class Everything(nn.Module):
    """Parameters and buffers in nested modules, of two precisions."""

    def __init__(self, seed):
        rng = np.random.default_rng(seed)
        self.scale = nn.Parameter(rng.normal())  # of shape ()
        self.layers = [nn.Conv2d(1, 2, 3, rng=rng, dtype=np.float32), nn.BatchNorm1d(2)]
        self.layers[1].running_mean.data = rng.normal(size=2)
        self.empty = nn.Buffer(np.zeros((0, 3)))


def same_bits(first, second):
    return (
        first.dtype == second.dtype
        and first.shape == second.shape
        and first.tobytes() == second.tobytes()
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def a_network(**settings):
    settings = {"seed": 0, "sigma": 1.0, "monitor": False, "plot": False, **settings}
    return tg.NeuralNetwork([3, 4, 2], **settings)


# -- what comes back -------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data())
@settings(max_examples=20)
def test_arrays_of_every_dtype_come_back_bit_for_bit(dtype, data, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "array.safetensors"
    array = data.draw(arrays(np.dtype(dtype), array_shapes(min_dims=0, max_dims=3, max_side=3)))
    tg.save(path, Holder(array))
    other = Holder(np.zeros_like(array))
    assert tg.load(path, other) is other
    assert same_bits(other.array.data, array)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12.0).reshape(3, 4).T,
        np.asfortranarray(np.arange(12.0).reshape(3, 4)),
        np.arange(24.0).reshape(4, 6)[::-2, 1::2],
        np.broadcast_to(np.arange(3.0), (2, 3)),
    ],
    ids=["transposed", "Fortran order", "reversed steps", "broadcast"],
)
def test_arrays_that_are_not_contiguous_come_back_in_their_order(path, array):
    tg.save(path, Holder(array))
    np.testing.assert_array_equal(
        tg.load(path, Holder(np.zeros(array.shape))).array.data, array
    )
    network = tg.NeuralNetwork([array.size, 2], monitor=False, plot=False)
    network.preprocessing = (array.ravel()[::-1], np.repeat(array.ravel(), 2)[::2])
    tg.save(path, network)
    mean, scale = load_network(path).preprocessing
    np.testing.assert_array_equal(mean, array.ravel()[::-1])
    np.testing.assert_array_equal(scale, array.ravel())


@pytest.mark.parametrize("kind", [str, lambda path: path], ids=["text", "path object"])
def test_a_module_with_everything_comes_back_bit_for_bit(path, kind):
    first, second = Everything(0), Everything(1)
    tg.save(kind(path), first)
    tg.load(kind(path), second)
    expected, found = first.state_dict(), second.state_dict()
    assert expected.keys() == found.keys()
    assert all(same_bits(expected[name], found[name]) for name in expected)


def test_a_module_without_parameters_can_be_saved(path):
    tg.save(path, nn.Tanh())
    assert isinstance(tg.load(path, nn.Tanh()), nn.Tanh)


def test_a_shared_parameter_stays_shared(path):
    def model(seed):
        layer = nn.Linear(2, 2, rng=np.random.default_rng(seed))
        return nn.Sequential(layer, nn.Tanh(), layer)

    first, second = model(0), model(1)
    tg.save(path, first)
    tg.load(path, second)
    assert second[0] is second[2]
    np.testing.assert_array_equal(second[0].weight.data, first[0].weight.data)


def test_a_modules_own_array_may_be_called_preprocessing(path):
    class Standardised(nn.Module):
        def __init__(self, value):
            self.preprocessing = nn.Module()
            self.preprocessing.mean = nn.Buffer([value])
            self.preprocessing.scale = nn.Buffer([value])

    tg.save(path, Standardised(3.0))
    assert tg.load(path, Standardised(0.0)).preprocessing.mean.data == 3


def test_the_metadata_come_back(path):
    facts = {"epochs": 3, "note": "ünïcode \n\"quoted\"", "curve": [0.1, None, True], "nested": {}}
    tg.save(path, nn.Tanh(), metadata=facts)
    _, found = read(path)
    written = {"format", "versions", "architecture"}
    assert {key: found[key] for key in found.keys() - written} == facts


def test_the_metadata_say_what_wrote_the_file_and_what_the_model_is(path):
    tg.save(path, Everything(0))
    facts = read(path)[1]
    assert facts["versions"] == {
        "tinygrad_mlp": tg.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
    assert facts["architecture"] == {
        "": "Everything()",
        "layers.0": "Conv2d(kernel_size=(3, 3), stride=(1, 1), padding=(0, 0))",
        "layers.1": "BatchNorm1d(eps=1e-05, momentum=0.1)",
    }


def test_the_metadata_say_how_the_model_was_trained(path, rng):
    layer = nn.Linear(3, 2, rng=rng)
    optimizer = tg.optim.SGD(layer.parameters(), 0.1, momentum=0.5)
    X, Y = np.eye(3), np.ones((3, 2))
    history = tg.fit(layer, nn.squared_error, optimizer, X, Y, epochs=2, batch_size=2)
    tg.save(path, layer, history=history)
    training = read(path)[1]["training"]
    assert training["settings"]["optimizer"]["hyperparameters"]["momentum"] == 0.5
    assert training["settings"]["epochs"] == 2 and training["iterations"] == 4
    assert training["training_loss"] == history.training_loss[-1]
    assert training["stopped"] is None


def test_a_network_knows_how_it_was_trained(path):
    network = a_network()
    network.n_save = 1
    network.monitor = lambda record: ""
    network.train(np.eye(3), np.eye(2)[[0, 1, 0]], epochs=2)
    tg.save(path, network)
    training = read(path)[1]["training"]
    assert training["settings"]["loss"] == "binary_cross_entropy"
    assert training["training_accuracy"] == network.training_accuracy[-1]


def test_pytorch_reads_the_same_bits(path):
    torch = pytest.importorskip("safetensors.torch")
    model = Everything(0)
    tg.save(path, model)
    loaded = torch.load_file(path)
    state = model.state_dict()
    assert loaded.keys() == state.keys()
    assert all(same_bits(loaded[name].numpy(), state[name]) for name in state)


def test_the_file_is_a_safetensors_file_for_other_programs(path):
    model = Everything(0)
    tg.save(path, model, metadata={"epochs": 3})
    loaded = safetensors.numpy.load_file(path)
    state = model.state_dict()
    assert loaded.keys() == state.keys()
    assert all(same_bits(loaded[name], state[name]) for name in state)
    with safetensors.safe_open(path, framework="numpy") as file:
        assert json.loads(file.metadata()["tinygrad_mlp"])["epochs"] == 3


def test_equal_models_make_equal_files(tmp_path):
    layer = nn.Linear(3, 2, rng=np.random.default_rng(0))
    contents = set()
    for name in ("a", "b", "c", "d"):
        tg.save(tmp_path / name, layer, metadata={"epochs": 3, "data": "digits", "seed": 1})
        contents.add((tmp_path / name).read_bytes())
    assert len(contents) == 1


def test_files_of_other_programs_can_be_loaded(path):
    weights = {"weight": np.ones((2, 3)), "bias": np.zeros(2)}
    safetensors.numpy.save_file(weights, path, {"format": "pt"})
    layer = tg.load(path, nn.Linear(3, 2))
    assert (layer.weight.data == 1).all()
    assert read(path)[1] == {"format": "pt"}


def test_training_goes_on_with_loaded_weights(path):
    first, second = (nn.Linear(3, 2, rng=np.random.default_rng(i)) for i in range(2))
    optimizer = tg.optim.SGD(second.parameters(), 0.1)
    tg.save(path, first)
    tg.load(path, second)
    X, Y = np.eye(3), np.ones((3, 2))
    tg.fit(second, nn.squared_error, optimizer, X, Y, epochs=1)
    assert (second.weight.data != first.weight.data).all()


# -- NeuralNetwork ---------------------------------------------------------------------------------

NETWORKS = {
    "as in the classic experiment": {},
    "other everything": dict(
        loss="mean_square", hidden_activation="relu", output_activation="softplus", bias=True,
        sigma=0.5, dtype=np.float32, batch_size=3, optimizer="adam", learning_rate=0.01,
    ),
    "softmax": dict(output_activation="softmax", bias=True),
}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("standardised", [False, True], ids=["raw", "with preprocessing"])
def test_a_network_is_built_again_and_predicts_the_same_bits(path, name, standardised, rng):
    network = a_network(**NETWORKS[name])
    X = rng.normal(size=(6, 3))
    network.train(X, np.eye(2)[rng.integers(0, 2, 6)], epochs=2)
    if standardised:
        network.preprocessing = (X.mean(axis=0), X.std(axis=0))
    tg.save(path, network)
    again = load_network(path)
    assert same_bits(again.predict(X), network.predict(X))
    assert again.settings() == network.settings()
    assert not again.monitor and not again.plot
    if standardised:
        pairs = zip(again.preprocessing, network.preprocessing, strict=True)
        assert all(same_bits(a, b) for a, b in pairs)
    else:
        assert again.preprocessing is None


def test_a_network_can_be_loaded_into_one_of_the_same_architecture(path, rng):
    first, second = a_network(), a_network(seed=1)
    first.preprocessing = (np.zeros(3), np.ones(3))
    tg.save(path, first)
    X = rng.normal(size=(4, 3))
    assert tg.load(path, second) is second
    assert same_bits(first.predict(X), second.predict(X))
    np.testing.assert_array_equal(second.preprocessing[1], np.ones(3))


def test_the_weights_of_a_network_can_be_loaded_into_its_layers_alone(path):
    network = a_network()
    network.preprocessing = (np.zeros(3), np.ones(3))
    tg.save(path, network)
    model = a_network(seed=1).model
    tg.load(path, model)
    np.testing.assert_array_equal(model[0].weight.data, network.weights[0])


def test_further_facts_about_a_network_are_kept_beside_its_settings(path):
    tg.save(path, a_network(), metadata={"accuracy": 0.9})
    assert read(path)[1]["accuracy"] == 0.9
    assert isinstance(load_network(path), tg.NeuralNetwork)


# -- what cannot be read ---------------------------------------------------------------------------


def a_file(header, body=b""):
    """The bytes of a safetensors file, by its specification."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def entry(dtype, n_bytes):
    return {"a": {"dtype": dtype, "shape": [1], "data_offsets": [0, n_bytes]}}


UNREADABLE = {
    "empty": b"",
    "text": b"iteration,loss\n0,2.5\n",
    "zip": b"PK\x03\x04" + bytes(100),
    "pickle": b"\x80\x04\x95" + bytes(50),
    "header cut": a_file({})[:-1],
    "header no JSON": a_file(b"{]"),
    "header a list": a_file([]),
    "arrays cut": a_file(entry("F64", 8), bytes(7)),
    "too much": a_file(entry("F64", 8), bytes(9)),
    "unknown dtype": a_file(entry("X9", 1), bytes(1)),
    "dtype of 8 bits": a_file(entry("F8_E4M3", 1), bytes(1)),
    "endless header": struct.pack("<Q", 2**60) + b"{}",
}


def unchanged_by(path, action, error):
    model = nn.Linear(3, 2, rng=np.random.default_rng(0))
    before = model.state_dict()
    with pytest.raises(error) as caught:
        action(path, model)
    after = model.state_dict()
    assert all(same_bits(before[name], after[name]) for name in before)
    return str(caught.value)


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_file_of_another_kind_or_damaged_is_refused_by_name(path, name):
    path.write_bytes(UNREADABLE[name])
    message = unchanged_by(path, tg.load, DataError)
    assert str(path) in message and "expected a file in the safetensors format" in message
    with pytest.raises(DataError, match="safetensors format"):
        load_network(path)


def test_types_that_another_package_adds_to_numpy_are_refused_as_well(path):
    pytest.importorskip("ml_dtypes")
    path.write_bytes(UNREADABLE["dtype of 8 bits"])
    assert "safetensors format" in unchanged_by(path, tg.load, DataError)


@given(data=st.data())
@settings(max_examples=60)
def test_a_cut_file_is_always_refused(data, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp()
    whole, cut = folder / "whole.safetensors", folder / "cut.safetensors"
    tg.save(whole, a_network())
    content = whole.read_bytes()
    cut.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(DataError, match="safetensors format"):
        load_network(cut)


@given(data=st.data())
@settings(max_examples=150)
def test_damaged_bytes_give_an_error_of_this_package_or_the_same_numbers(data, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp()
    whole, damaged = folder / "whole.safetensors", folder / "damaged.safetensors"
    network = a_network()
    tg.save(whole, network)
    content = bytearray(whole.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=3)):
        content[place] = data.draw(st.integers(0, 255))
    damaged.write_bytes(content)
    expected = network.model.state_dict()
    for attempt in (load_network, lambda path: tg.load(path, a_network(seed=1))):
        try:
            found = attempt(damaged).model.state_dict()
        except (DataError, StateDictError):
            continue
        assert all(same_bits(expected[name], found[name]) for name in expected)


@pytest.mark.parametrize("place", range(-8 * 20, 0, 8))
def test_a_flipped_bit_of_a_weight_is_noticed(path, place):
    tg.save(path, a_network())
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="another checksum. The file is damaged"):
        load_network(path)


@pytest.mark.parametrize("text", ["not JSON {", "[1, 2]", "[" * 100_000])
def test_damaged_metadata_are_refused(path, text):
    safetensors.numpy.save_file({"weight": np.ones((2, 3))}, path, {"tinygrad_mlp": text})
    message = unchanged_by(path, tg.load, DataError)
    assert str(path) in message and "the metadata are damaged" in message


@pytest.mark.parametrize("load", [tg.load, lambda path, model: load_network(path)])
def test_a_missing_file_and_a_folder_are_told_apart(tmp_path, load):
    missing = unchanged_by(tmp_path / "none.safetensors", load, DataNotFoundError)
    assert "none.safetensors: there is no such file" in missing
    assert "this is a folder" in unchanged_by(tmp_path, load, DataNotFoundError)


@pytest.mark.parametrize("change", [
    lambda arrays: arrays.pop("preprocessing.mean"),
    lambda arrays: arrays.pop("preprocessing.scale"),
    lambda arrays: arrays.update({"preprocessing.scale": np.ones(4)}),
    lambda arrays: arrays.update({"preprocessing.mean": np.ones((3, 1))}),
])
def test_half_a_preprocessing_or_one_of_another_size_is_refused_and_nothing_changes(path, change):
    network = a_network()
    network.preprocessing = (np.zeros(3), np.ones(3))
    tg.save(path, network)
    arrays, stored = read(path)
    change(arrays)
    safetensors_file.write(path, arrays, stored, "")
    other = a_network(seed=1)
    before = other.model.state_dict()
    for load in (load_network, lambda path: tg.load(path, other)):
        with pytest.raises(DataError, match=f"{path}: expected an array 'preprocessing"):
            load(path)
    assert other.preprocessing is None
    assert all(same_bits(before[name], array) for name, array in other.model.state_dict().items())


def test_weights_of_another_architecture_are_refused_with_what_does_not_fit(path):
    tg.save(path, nn.Sequential(nn.Linear(3, 2)))
    message = unchanged_by(path, tg.load, StateDictError)
    assert "missing: 'weight' (2, 3)" in message and "unexpected: '0.weight' (2, 3)" in message
    tg.save(path, nn.Linear(3, 5))
    message = unchanged_by(path, tg.load, StateDictError)
    assert "wrong shape: 'weight' is (5, 3), expected (2, 3)" in message
    assert (
        "Modules that differ:\n  '': the file has Linear(in_features=3, out_features=5), this "
        "model Linear(in_features=3, out_features=2)"
    ) in message


def test_an_architecture_that_differs_in_more_than_arrays_is_told_module_by_module(path):
    tg.save(path, nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.5), nn.Linear(2, 1)))
    with pytest.raises(StateDictError) as caught:
        tg.load(path, nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)))
    assert str(caught.value).endswith(
        "Modules that differ:\n"
        "  '1': the file has Dropout(p=0.5), this model BatchNorm1d(eps=1e-05, momentum=0.1)\n"
        "  '2': the file has Linear(in_features=2, out_features=1), this model nothing"
    )


def test_weights_that_fit_a_model_that_computes_something_else_are_loaded_with_a_warning(path):
    tg.save(path, nn.Sequential(nn.Linear(3, 2), nn.Tanh()))
    with pytest.warns(UserWarning, match=r"'1': the file has Tanh\(\), this model ReLU\(\)"):
        tg.load(path, nn.Sequential(nn.Linear(3, 2), nn.ReLU()))


def test_a_networks_weights_and_preprocessing_stay_where_loading_fails(path):
    other = tg.NeuralNetwork([3, 9, 2], seed=0)
    other.preprocessing = (np.zeros(3), np.ones(3))
    tg.save(path, other)
    network = a_network()
    before = network.model.state_dict()
    with pytest.raises(StateDictError, match="Sequential"):
        tg.load(path, network)
    after = network.model.state_dict()
    assert all(same_bits(before[name], after[name]) for name in before)
    assert network.preprocessing is None


def test_weights_without_settings_do_not_become_a_network(path):
    tg.save(path, a_network().model)
    with pytest.raises(DataError, match=r"without its settings. .*tg.load\(path, model\)"):
        load_network(path)


SETTINGS = {
    "no layers": ({}, "layers None do not fit"),
    "layers no list": ({"layers": 3}, "layers 3 do not fit"),
    "other layers": ({"layers": [3, 9, 2]}, "do not fit weights"),
    "endless layers": ({"layers": [10**9, 10**9]}, "do not fit weights"),
    "unknown setting": ({"layers": [3, 4, 2], "colour": "red"}, "colour"),
    "unknown activation": ({"layers": [3, 4, 2], "hidden_activation": "sin"}, "'sin'"),
    "unknown dtype": ({"layers": [3, 4, 2], "dtype": "f13"}, "f13"),
    "a list as loss": ({"layers": [3, 4, 2], "loss": ["mean_square"]}, "loss must be one of"),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_damaged_settings_of_a_network_are_refused_by_file_and_reason(path, name):
    given_settings, reason = SETTINGS[name]
    state = a_network().model.state_dict()
    facts = {"tinygrad_mlp": json.dumps({"neural_network": given_settings})}
    safetensors.numpy.save_file(state, path, facts)
    with pytest.raises(DataError, match="settings of the NeuralNetwork are damaged") as caught:
        load_network(path)
    assert str(path) in str(caught.value) and reason in str(caught.value)


@pytest.mark.parametrize("text", ["not JSON {", "[" * 100_000, "1" * 5000])
def test_metadata_that_is_no_json_stay_text(path, text):
    safetensors.numpy.save_file({"weight": np.ones((2, 3))}, path, {"note": text})
    assert read(path)[1] == {"note": text}


# -- what cannot be saved --------------------------------------------------------------------------

UNSAVABLE = {
    "an optimizer": (
        lambda path: tg.save(path, tg.optim.SGD(Everything(0).parameters(), 0.1)),
        InvalidArgumentError, "must be a Module or a NeuralNetwork. Got SGD",
    ),
    "a dictionary": (
        lambda path: tg.save(path, {"weight": np.ones(3)}), InvalidArgumentError, "Got dict"
    ),
    "an array of metadata": (
        lambda path: tg.save(path, nn.Tanh(), metadata={"mean": np.ones(2)}),
        InvalidArgumentError, "JSON.*ndarray",
    ),
    "endless metadata": (
        lambda path: tg.save(path, nn.Tanh(), metadata={"a": ENDLESS}),
        InvalidArgumentError, "JSON.*Circular",
    ),
    "metadata of numbers": (
        lambda path: tg.save(path, nn.Tanh(), metadata={1: "a"}),
        InvalidArgumentError, "metadata must be a dict whose keys are strings",
    ),
    "a list of metadata": (
        lambda path: tg.save(path, nn.Tanh(), metadata=["a"]), InvalidArgumentError, "a dict"
    ),
    "reserved metadata": (
        lambda path: tg.save(path, nn.Tanh(), metadata={"neural_network": 1}),
        InvalidArgumentError, "other than format, versions, architecture, neural_network",
    ),
    "weights as history": (
        lambda path: tg.save(path, nn.Tanh(), history={"loss": 1}),
        InvalidArgumentError, "history must be the History that tg.fit returns. Got dict",
    ),
}
ENDLESS = []
ENDLESS.append(ENDLESS)


@pytest.mark.parametrize("name", UNSAVABLE)
def test_what_cannot_be_saved_is_refused_and_the_old_file_stays(path, name):
    action, error, message = UNSAVABLE[name]
    path.write_text("the old one")
    with pytest.raises(error, match=message):
        action(path)
    assert path.read_text() == "the old one"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.skipif(np.dtype(np.longdouble).itemsize == 8, reason="long double is double here")
def test_precisions_that_the_format_does_not_have_are_refused(path):
    with pytest.raises(DTypeError, match="'array' has dtype .*Convert it to float64"):
        tg.save(path, Holder(np.zeros(2, np.longdouble)))
    assert not path.exists()


def test_a_failure_while_writing_leaves_the_old_file(path):
    tg.save(path, Everything(0))
    before = path.read_bytes()
    with disk(failing=2), pytest.raises(WriteError, match=f"cannot write {path}: No space left"):
        tg.save(path, Everything(1))
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DataNotFoundError, match="there is no folder .*runs"):
        tg.save(tmp_path / "runs" / "model.safetensors", nn.Tanh())


@pytest.mark.parametrize("model", [None, 3, "model", {"weight": 1}])
def test_loading_into_something_else_is_refused(path, model):
    tg.save(path, nn.Tanh())
    with pytest.raises(InvalidArgumentError, match="load: model must be a Module"):
        tg.load(path, model)
