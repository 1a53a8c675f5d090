"""`from_torch_state`, and the way back: weights travel between PyTorch and here by their names."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

import tinygrad_mlp as tg
from tests.nn.record_torch import over_time
from tinygrad_mlp import nn
from tinygrad_mlp.autograd.graph import Value
from tinygrad_mlp.errors import (
    DataError,
    DataNotFoundError,
    InvalidArgumentError,
    StateDictError,
)

RECORDED = Path(__file__).parents[1] / "data" / "torch_layers.npz"
"""PyTorch's numbers for its layers, written by ``nn/record_torch.py``."""

with np.load(RECORDED) as archive:
    ARRAYS = dict(archive)
LAYERS = json.loads(str(ARRAYS["layers"]))


class Bomb:
    """An object whose pickle, when it is loaded, ends the test with another error."""

    def __reduce__(self):
        return divmod, (1, 0)


def convolutional():
    """A network of every layer that has a state, and layers that have none."""
    rng = np.random.default_rng(0)
    return nn.Sequential(
        nn.Conv2d(1, 2, 3, rng=rng), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(18, 5, rng=rng), nn.BatchNorm1d(5), nn.Dropout(0.5), nn.LayerNorm(5), nn.GELU(),
        nn.Linear(5, 3, rng=rng, bias=False), nn.LogSoftmax(),
    )


def torch_state(front=""):
    """What PyTorch's state dict of that network looks like, as NumPy arrays of float32."""
    rng = np.random.default_rng(1)
    shapes = {
        "0.weight": (2, 1, 3, 3), "0.bias": (2,), "4.weight": (5, 18), "4.bias": (5,),
        "5.weight": (5,), "5.bias": (5,), "5.running_mean": (5,), "5.running_var": (5,),
        "7.weight": (5,), "7.bias": (5,), "9.weight": (3, 5),
    }
    state = {
        f"{front}{name}": rng.uniform(0.1, 1.0, shape).astype(np.float32)
        for name, shape in shapes.items()
    }
    state[f"{front}5.num_batches_tracked"] = np.array(7)
    return state


def holds(model, state, front=""):
    """Whether a model has exactly the arrays of a PyTorch state."""
    own = model.state_dict()
    names = {name for name in state if "num_batches" not in name}
    return {f"{front}{name}" for name in own} == names and all(
        np.array_equal(own[name.removeprefix(front)], state[name]) for name in names
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


# -- what is taken over ----------------------------------------------------------------------------


def with_state(i):
    return [key for key in ARRAYS if key.startswith(f"layer.{i}.start.")]


@pytest.mark.parametrize("i", [i for i in range(len(LAYERS)) if with_state(i)])
def test_a_layer_with_pytorchs_weights_gives_pytorchs_output(i, path):
    name, args, kwargs, _ = LAYERS[i]
    state = {key.removeprefix(f"layer.{i}.start."): ARRAYS[key] for key in with_state(i)}
    averages = {key.removeprefix(f"layer.{i}.after."): ARRAYS[key]
                for key in ARRAYS if key.startswith(f"layer.{i}.after.")}
    if averages:
        averages["num_batches_tracked"] = np.array(1)
    safetensors.numpy.save_file(state | averages, path)

    layer = tg.from_torch_state(getattr(nn, name)(*args, **kwargs), path)

    x = ARRAYS[f"layer.{i}.x"]
    out = over_time(layer, x, tg.stack) if name.endswith("Cell") else layer.eval()(x)
    out = out.data if isinstance(out, Value) else out
    np.testing.assert_allclose(out, ARRAYS[f"layer.{i}.evaluated"], rtol=1e-11, atol=1e-13)


def test_every_layer_that_has_a_state_is_among_them():
    tried = {LAYERS[i][0] for i in range(len(LAYERS)) if with_state(i)}
    assert tried == {
        "BatchNorm1d", "BatchNorm2d", "Conv1d", "Conv2d", "Embedding", "GRUCell", "LSTMCell",
        "LayerNorm", "Linear", "MultiheadAttention", "RNNCell"}


@pytest.mark.parametrize("front", ["", "layers.", "model.", "module.net.features."])
def test_a_file_fits_whatever_part_all_names_have_in_front(path, front):
    state = torch_state(front)
    safetensors.numpy.save_file(state, path)
    model = convolutional()
    assert tg.from_torch_state(model, path) is model
    assert holds(model, state, front)
    assert model[0].weight.dtype == np.float64  # in the precision it was in


def test_a_front_part_may_be_ours_as_well():
    class Net(nn.Module):
        def __init__(self):
            self.body = convolutional()

        def forward(self, x):
            return self.body(x)

    for front in ("", "body.", "module.body.", "other."):
        net = Net()
        state = torch_state(front)
        tg.from_torch_state(net, state)
        assert holds(net.body, state, front)


def test_a_list_of_layers_is_taken_as_they_follow_each_other():
    layers = list(convolutional())
    state = torch_state()
    assert tg.from_torch_state(layers, state) is layers
    assert holds(nn.Sequential(layers), state)


def test_a_neural_network_takes_over_its_layers():
    network = tg.NeuralNetwork([3, 4, 2], monitor=False, plot=False, bias=True)
    rng = np.random.default_rng(0)
    state = {"net.0.weight": rng.normal(size=(4, 3)), "net.0.bias": rng.normal(size=4),
             "net.2.weight": rng.normal(size=(2, 4)), "net.2.bias": rng.normal(size=2)}
    assert tg.from_torch_state(network, state) is network
    np.testing.assert_array_equal(network.weights[1], state["net.2.weight"])


def test_names_that_differ_are_given_by_name_or_by_their_front_part():
    model = nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 2))
    rng = np.random.default_rng(0)
    state = {"net.fc1.weight": rng.normal(size=(2, 3)), "net.fc1.bias": rng.normal(size=2),
             "net.fc2.weight": rng.normal(size=(2, 2)), "shift": rng.normal(size=2)}
    tg.from_torch_state(model, state, rename={"net.fc1": "0", "net.fc2": "2", "shift": "2.bias"})
    np.testing.assert_array_equal(model[0].bias.data, state["net.fc1.bias"])
    np.testing.assert_array_equal(model[2].weight.data, state["net.fc2.weight"])
    np.testing.assert_array_equal(model[2].bias.data, state["shift"])


def test_the_arrays_are_copies():
    state = {"weight": np.ones((2, 3)), "bias": np.ones(2)}
    layer = tg.from_torch_state(nn.Linear(3, 2), state)
    state["weight"][:] = 5
    assert (layer.weight.data == 1).all()


# -- what is refused -------------------------------------------------------------------------------


def changed(**entries):
    """The state with other entries; None takes one out."""
    state = torch_state() | {name.replace("_", ".", 1): entry for name, entry in entries.items()}
    return {name: entry for name, entry in state.items() if entry is not None}


WRONG = {
    "a missing bias": (changed(**{"4_bias": None}), [r"missing: '4.bias' \(5,\)"]),
    "a bias too many": (changed(**{"9_bias": np.zeros(3)}), [r"unexpected: '9.bias' \(3,\)"]),
    "another shape": (
        changed(**{"4_weight": np.zeros((5, 20))}),
        [r"wrong shape: '4.weight' is \(5, 20\), expected \(5, 18\)"],
    ),
    "a transposed weight": (
        changed(**{"4_weight": np.zeros((18, 5))}), [r"is \(18, 5\), expected \(5, 18\)"],
    ),
    "a batch norm that keeps no averages": (
        changed(**{"5_running_mean": None, "5_running_var": None}),
        ["missing: '5.running_mean'", "missing: '5.running_var'"],
    ),
    "quantised weights": (
        changed(**{"4_weight": np.zeros((5, 18), np.int8)}),
        ["wrong dtype: '4.weight' is int8, expected float64"],
    ),
    "text": (changed(**{"4_bias": "weights"}), ["no array of numbers: '4.bias'"]),
    "another layer at a place": (
        {name.replace("9.", "8."): entry for name, entry in torch_state().items()},
        [r"missing: '9.weight' \(3, 5\)", r"unexpected: '8.weight' \(3, 5\)"],
    ),
    "a front part of some names only": (
        {("x." if "4" in name else "") + name: entry for name, entry in torch_state().items()},
        ["missing: '4.weight'", "unexpected: 'x.4.weight'"],
    ),
    "another front part and another shape": (
        {f"model.{name}": entry for name, entry in changed(**{"4_bias": np.ones(6)}).items()},
        [r"with 'model.' in their names read as ''", r"'4.bias' is \(6,\), expected \(5,\)"],
    ),
    "nothing": ({}, ["missing: '0.weight'"]),
}


@pytest.mark.parametrize("name", WRONG)
def test_weights_that_do_not_fit_are_refused_and_nothing_is_changed(name):
    state, messages = WRONG[name]
    model = convolutional()
    before = {key: tensor.data for key, tensor in model.named_state()}
    with pytest.raises(StateDictError, match="rename=.*Nothing was changed") as caught:
        tg.from_torch_state(model, state)
    for message in messages:
        assert caught.match(message)
    assert all(tensor.data is before[key] for key, tensor in model.named_state())


BAD = {
    "another kind of model": (lambda: (3, {}), "must be a Module, a NeuralNetwork, or a list"),
    "a list of something else": (lambda: ([1], {}), "must be a Module.*Got list"),
    "another kind of state": (lambda: (nn.Tanh(), 3), "must be a path .* Got int"),
    "numbers for names": (lambda: (nn.Tanh(), {1: 2}), "names in a state dict must be strings"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_arguments_are_refused(name):
    make, message = BAD[name]
    with pytest.raises(InvalidArgumentError, match=message):
        tg.from_torch_state(*make())


RENAMES = {
    "a name that is not there": ({"fc9": "0"}, "names 'fc9', which is in none of the names"),
    "two of one name": ({"0.weight": "0.bias"}, "two arrays the name '0.bias'"),
    "no dict": (["fc1"], "rename must be a dict"),
    "numbers": ({"0": 1}, "rename must be a dict"),
}


@pytest.mark.parametrize("name", RENAMES)
def test_a_rename_that_cannot_be_meant_is_refused(name):
    rename, message = RENAMES[name]
    with pytest.raises(InvalidArgumentError, match=message):
        tg.from_torch_state(convolutional(), torch_state(), rename=rename)


def test_files_of_another_kind_are_refused(tmp_path, path):
    with pytest.raises(DataNotFoundError, match="no such file"):
        tg.from_torch_state(nn.Tanh(), path)
    path.write_bytes(b"not a model")
    with pytest.raises(DataError, match="expected a file in the safetensors format"):
        tg.from_torch_state(nn.Tanh(), path)


def test_a_pickle_is_refused_without_being_run(path):
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(DataError, match=r"a pickle, as torch.save.*safetensors.torch.save_file"):
        tg.from_torch_state(nn.Tanh(), path)


# -- against PyTorch itself ------------------------------------------------------------------------


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def in_torch(torch):
    """The same network in PyTorch."""
    t = torch.nn
    return t.Sequential(
        t.Conv2d(1, 2, 3), t.ReLU(), t.MaxPool2d(2), t.Flatten(), t.Linear(18, 5),
        t.BatchNorm1d(5), t.Dropout(0.5), t.LayerNorm(5), t.GELU(), t.Linear(5, 3, bias=False),
        t.LogSoftmax(-1),
    )


def images():
    return np.random.default_rng(4).normal(size=(6, 1, 8, 8))


def test_a_network_of_pytorchs_gives_the_same_here(torch, path):
    from safetensors.torch import save_file

    theirs = in_torch(torch).double()
    theirs(torch.tensor(images()))  # a step in training: running averages that are not the first
    save_file(theirs.state_dict(), path)
    expected = theirs.eval()(torch.tensor(images())).detach().numpy()
    for source in (path, theirs.state_dict(), dict(theirs.named_parameters())
                   | dict(theirs.named_buffers())):
        ours = tg.from_torch_state(convolutional(), source)
        np.testing.assert_allclose(tg.predict(ours, images()), expected, rtol=1e-11, atol=1e-13)


def test_bfloat16_is_read_without_loss(torch, path):
    from safetensors.torch import save_file

    theirs = in_torch(torch).bfloat16()
    save_file(theirs.state_dict(), path)
    ml_dtypes = pytest.importorskip("ml_dtypes")
    arrays = {name: value.float().numpy() for name, value in theirs.state_dict().items()}
    numpys = {name: array.astype(ml_dtypes.bfloat16) for name, array in arrays.items()}
    for source in (path, theirs.state_dict(), numpys):
        ours = tg.from_torch_state(convolutional(), source).state_dict()
        for name, array in ours.items():
            np.testing.assert_array_equal(array, arrays[name])


@pytest.mark.parametrize("kind", ["BatchNorm1d", "BatchNorm2d"])
def test_a_batch_norm_without_affine_parameters_is_one_with_weight_1_and_bias_0(torch, kind):
    shape = (6, 4) if kind == "BatchNorm1d" else (6, 4, 3, 3)
    x = np.random.default_rng(0).normal(2.0, 3.0, size=shape)
    theirs = torch.nn.Sequential(getattr(torch.nn, kind)(4, affine=False)).double()
    theirs(torch.tensor(x))
    ours = tg.from_torch_state([getattr(nn, kind)(4)], theirs.state_dict())
    expected = theirs.eval()(torch.tensor(x)).numpy()
    np.testing.assert_allclose(tg.predict(nn.Sequential(*ours), x), expected, rtol=1e-12)


def test_a_batch_norm_with_one_of_the_two_is_still_refused():
    layer = nn.BatchNorm1d(2)
    state = {name: array for name, array in layer.state_dict().items() if name != "bias"}
    with pytest.raises(StateDictError, match="missing: 'bias'"):
        tg.from_torch_state(layer, state)


def test_a_saved_network_gives_the_same_in_pytorch(torch, path):
    from safetensors.torch import load_file

    ours = tg.from_torch_state(convolutional(), torch_state())
    tg.save(path, ours)
    theirs = in_torch(torch).double()
    theirs.load_state_dict(load_file(path))  # strictly: all names and shapes
    found = theirs.eval()(torch.tensor(images())).detach().numpy()
    np.testing.assert_allclose(found, tg.predict(ours, images()), rtol=1e-11, atol=1e-13)


def test_the_names_of_a_saved_network_are_pytorchs(path):
    tg.save(path, convolutional())
    names = set(safetensors.numpy.load_file(path))
    assert names == {name for name in torch_state() if "num_batches" not in name}
