"""Checkpoints that do not belong to a training, or are none, are refused."""

import functools

import numpy as np
import pytest
import safetensors.numpy

import tinygrad_mlp as tg
from tests.training.resuming.trainings import (
    FEATURES,
    X_OTHER,
    Y_OTHER,
    Training,
    X,
    Y,
    assert_same_bits,
    cut_and_resumed,
    of_other_functions,
    plain,
    waiting,
)
from tinygrad_mlp import nn, optim
from tinygrad_mlp.errors import (
    CheckpointError,
    DataError,
    DataNotFoundError,
    InvalidArgumentError,
    StateDictError,
)
from tinygrad_mlp.support import safetensors_file as storage
from tinygrad_mlp.training import callbacks
from tinygrad_mlp.training.history import History

# -- what is refused -------------------------------------------------------------------------------


def other_data(of):
    changed = of.copy()
    changed[-1, -1] = np.nextafter(changed[-1, -1], 2)
    return changed


def narrower(rng):
    return nn.Sequential(nn.Linear(FEATURES, 19, rng=rng), nn.Tanh(), nn.Linear(19, 3, rng=rng))



def single(rng):
    return nn.Sequential(
        nn.Linear(FEATURES, 20, rng=rng, dtype=np.float32), nn.Tanh(),
        nn.Linear(20, 3, rng=rng, dtype=np.float32),
    )


def dropping(p=0.5, seed=None):
    def make(rng):
        own = rng if seed is None else np.random.default_rng(seed)
        return nn.Sequential(nn.Dropout(p, rng=own), *plain(rng))

    return make


def sgd(**settings):
    return lambda p: optim.SGD(p, **{"lr": 0.1, "momentum": 0.9, **settings})


BASE = dict(optimizer=sgd(), model=dropping(), hooks=[waiting], block=3)
REFUSED = {
    "batch size": (dict(batch_size=5), "batch_size: 4 in the file, 5 here"),
    "shuffle": (dict(shuffle=False), "shuffle: True in the file, False here"),
    "compiled": (dict(compiled=True), "compiled: False in the file, True here"),
    "block": (dict(block=2), "block: 3 in the file, 2 here"),
    "record_every": (dict(record_every=6), "record_every: 5 in the file, 6 here"),
    "threads": (dict(threads=2), "threads: None in the file, 2 here"),
    "loss": (
        dict(loss=nn.squared_error),
        "loss: softmax_cross_entropy in the file, squared_error here",
    ),
    "optimizer": (
        dict(optimizer=lambda p: optim.Adam(p)),
        "optimizer: .*'SGD'.* in the file, .*'Adam'.* here",
    ),
    "learning rate": (dict(optimizer=sgd(lr=0.2)), "optimizer: .*0.1.* in the file, .*0.2.* here"),
    "schedule": (
        dict(optimizer=sgd(lr=optim.schedule.inverse_time())), "in .*, .*'inverse_time'.* here"
    ),
    "momentum": (dict(optimizer=sgd(momentum=0.8)), "0.9.* in the file, .*0.8.* here"),
    "inputs": (dict(data=(other_data(X), Y)), r"X: float64 \(42, 30\) \w+ in the file, float64"),
    "inputs in another order": (dict(data=(X[::-1], Y)), "X: "),
    "targets": (dict(data=(X, 1 - Y)), "Y: "),
    "fewer samples": (dict(data=(X[1:], Y[1:])), r"X: .*\(42, 30\) .* in the file, .*\(41, 30\)"),
    "validation data": (dict(validation=(X_OTHER + 1, Y_OTHER)), "validation X: "),
    "no validation": (
        dict(validation=None, hooks=[lambda: callbacks.EarlyStopping(99, monitor="training_loss")]),
        "validation X: float64 .* in the file, nothing here",
    ),
    "fewer epochs": (dict(epochs=2), "epochs: 3 are done in the file, 2 are requested here"),
    "width": (
        dict(model=narrower), r"'0': the file has Dropout.*, this model Linear.*out_features=19"
    ),
    "activation": (dict(model=of_other_functions), r"this model ReLU\(\)"),
    "dropout": (
        dict(model=dropping(0.4)), r"'0': the file has Dropout\(p=0.5\), this model Dropout\(p=0.4"
    ),
    "precision": (dict(model=single), "X: float64 .* in the file, float32 .* here"),
    "generators": (
        dict(model=dropping(seed=1)),
        r"generators: \[\['order', '0.rng', 'PCG64'\]\] in .*, \[\['order', 'PCG64'\], \['0.rng'",
    ),
    "kind of generator": (
        dict(rng=np.random.Generator(np.random.MT19937(0))), "generators: .*'MT19937'"
    ),
    "no callback": (dict(hooks=[]), r"callbacks: \['EarlyStopping'\] in the file, \[\] here"),
    "another callback": (
        dict(hooks=[callbacks.BestWeights]), r"'EarlyStopping'\] in .*, \['BestWeights'\] here"
    ),
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    path = tmp_path_factory.mktemp("finished") / "run"
    Training(**BASE).run(path)
    return path


@pytest.mark.parametrize("what", REFUSED)
def test_a_checkpoint_of_another_training_is_refused_before_anything_changes(finished, what):
    change, message = REFUSED[what]
    made = Training(**{**BASE, **change})
    made.history = History()
    content, before = finished.read_bytes(), made.everything()
    with pytest.raises(CheckpointError, match=f"(?s)to another training.*{message}") as caught:
        made.run(finished)
    assert str(finished) in str(caught.value)
    assert "Nothing has been changed" in str(caught.value)
    assert_same_bits(made.everything(), before)
    assert finished.read_bytes() == content


def test_the_same_training_is_not_refused(finished):
    Training(**BASE).run(finished)
    Training(**{**BASE, "monitor": lambda record: ""}).run(finished, extra=[lambda run: None])


class Sized(nn.Module):
    """Modules that say the same of themselves, with arrays of other sizes."""

    def __init__(self, n):
        self.weights = [nn.Parameter(np.ones((FEATURES, n))), nn.Parameter(np.ones((n, 3)))]

    def forward(self, x):
        return x @ self.weights[0] @ self.weights[1]


def test_arrays_that_do_not_fit_are_refused(tmp_path):
    Training(model=lambda rng: Sized(4)).run(tmp_path / "run")
    with pytest.raises(CheckpointError, match=r"weights.0: float64 \(30, 4\) in .*, .*\(30, 5\)"):
        Training(model=lambda rng: Sized(5)).run(tmp_path / "run")


def test_a_callback_that_was_made_otherwise_refuses_and_nothing_else_has_changed(finished):
    made = Training(**{**BASE, "hooks": [lambda: callbacks.EarlyStopping(patience=98)]})
    before = made.model.state_dict(), made.optimizer.state_dict(), made.rng.bit_generator.state
    with pytest.raises(StateDictError, match="patience must be 99, .*Got 98. Make the callback"):
        made.run(finished)
    after = made.model.state_dict(), made.optimizer.state_dict(), made.rng.bit_generator.state
    assert_same_bits(after, before)


class Remembering:
    """A callback of a user's own, which takes over anything."""

    def __init__(self):
        self.kept = "mine"

    def on_record(self, run):
        pass

    def state_dict(self):
        return {"kept": self.kept}

    def load_state_dict(self, stored):
        self.kept = stored["kept"]


@pytest.mark.parametrize("second", [
    {}, None, {"best": "x"}, {"weights": {"0.weight": np.ones(3)}}, {"waited": -1}])
def test_where_a_callback_refuses_those_before_it_have_their_own_state_again(tmp_path, second):
    settings = {**BASE, "hooks": [Remembering, waiting]}
    path = tmp_path / "run"
    Training(**settings).run(path)
    arrays, facts = storage.read(path)
    first, own = facts["checkpoint"]["state"]["callbacks"]
    first["kept"] = "the file's"
    changed = storage.packed({**own, **second} if second else second, "changed", arrays)
    facts["checkpoint"]["state"]["callbacks"] = [first, changed]
    storage.write(path, arrays, facts, "")
    made = Training(**settings)
    made.history = History()
    before = made.everything()
    with pytest.raises((DataError, StateDictError, InvalidArgumentError), match=f"{path}: "):
        made.run(path)
    assert made.hooks[0].kept == "mine"
    assert_same_bits(made.everything(), before)


WRONG = {
    "run": {"iteration": [-2, 0.5, None, True, "1"], "epoch": [-1, None], "loss": ["1", None],
            "seconds": [None, "1"], "stopped": [1, []]},
    "steps": {"epochs": [-1, None], "samples": [3, -4, 10**9, 0.0], "drawn_from": [1, {}, {"a": 1}],
              "programs": [None, [[4, True]], [[4]]], "blocks": [0, None], "eager_reason": [1]},
    "history": {"execution": [None], "stopped": [3], "records": [None, []], "present": [None, []]},
    "modes": {"": [1, None], "other": [True]},
    "model": {"1.weight": [None, {"$number": "nan"}]},
}


@pytest.mark.parametrize("part", WRONG)
def test_an_entry_of_the_wrong_kind_is_refused_before_anything_changes(tmp_path, finished, part):
    arrays, facts = storage.read(finished)
    state = facts["checkpoint"]["state"]
    for key, values in WRONG[part].items():
        for value in values:
            edited = {**facts["checkpoint"], "state": {**state, part: {**state[part], key: value}}}
            storage.write(tmp_path / "run", arrays, {**facts, "checkpoint": edited}, "")
            made = Training(**BASE)
            made.history = History()
            before = made.everything()
            with pytest.raises((DataError, CheckpointError), match="run: "):
                made.run(tmp_path / "run")
            assert_same_bits(made.everything(), before)


FOREIGN = {
    "a saved model": (lambda path: tg.save(path, plain(np.random.default_rng(0))), CheckpointError),
    "another program's weights": (
        lambda path: safetensors.numpy.save_file({"w": np.ones(3)}, path), CheckpointError
    ),
    "text": (lambda path: path.write_text("epoch,loss\n"), DataError),
    "pickle": (lambda path: path.write_bytes(b"\x80\x04\x95" + bytes(50)), DataError),
    "nothing": (lambda path: path.write_bytes(b""), DataError),
    "a checkpoint without its parts": (
        lambda path: storage.write(path, {}, {"architecture": {}, "checkpoint": {}}, ""), DataError
    ),
    "a checkpoint that is a list": (
        lambda path: storage.write(path, {}, {"checkpoint": [1, 2]}, ""), DataError
    ),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_that_is_no_checkpoint_is_refused_and_stays(tmp_path, name):
    write, error = FOREIGN[name]
    path = tmp_path / "run"
    write(path)
    content, made = path.read_bytes(), Training()
    before = made.model.state_dict()
    with pytest.raises(error, match="run: "):
        made.run(path)
    assert path.read_bytes() == content
    assert_same_bits(made.model.state_dict(), before)


@pytest.mark.parametrize("place", [-1, -1000, 60, 600])
def test_a_damaged_checkpoint_is_refused(tmp_path, finished, place):
    content = bytearray(finished.read_bytes())
    content[place] ^= 4
    (tmp_path / "run").write_bytes(content)
    made = Training(**BASE)
    before = made.model.state_dict()
    with pytest.raises(DataError):
        made.run(tmp_path / "run")
    assert_same_bits(made.model.state_dict(), before)


@pytest.mark.parametrize(
    ("part", "value"),
    [("model", None), ("steps", {}), ("optimizer", []), ("generators", [{}]), ("history", {})],
)
def test_a_checkpoint_with_a_part_that_is_none_is_refused(tmp_path, finished, part, value):
    arrays, facts = storage.read(finished)
    facts["checkpoint"]["state"][part] = value
    storage.write(tmp_path / "run", arrays, facts, "")
    with pytest.raises((DataError, CheckpointError), match="run: "):
        Training(**BASE).run(tmp_path / "run")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((3,), "path must be the path of a file. Got int"),
        ((None,), "path must be the path of a file. Got NoneType"),
        (("run", 0), "every must be an integer >= 1. Got 0"),
        (("run", 1.5), "every must be an integer"),
        (("run", 1, "hour"), "unit must be one of 'epoch', 'step', 'second'. Got 'hour'"),
    ],
)
def test_impossible_checkpoints_are_refused(arguments, message):
    with pytest.raises(InvalidArgumentError, match=message):
        tg.Checkpoint(*arguments)


def test_places_where_no_file_can_be_are_refused_before_training(tmp_path):
    made = Training()
    before = made.model.state_dict()
    with pytest.raises(DataNotFoundError, match="there is no folder .*runs"):
        made.run(tmp_path / "runs" / "run")
    with pytest.raises(InvalidArgumentError, match="it is a folder"):
        made.run(tmp_path)
    with pytest.raises(InvalidArgumentError, match="path of a file. Got bool"):
        made.run(True)
    assert_same_bits(made.model.state_dict(), before)


class OwnOptimizer:
    """Plain gradient descent, by hand, of which nothing can be stored."""

    def __init__(self, parameters):
        self.parameters = list(parameters)

    def step(self):
        for p in self.parameters:
            p.data = p.data - 0.1 * p.grad

    def zero_grad(self):
        for p in self.parameters:
            p.grad = None


def test_an_optimizer_whose_state_cannot_be_asked_for_is_refused(tmp_path):
    with pytest.raises(InvalidArgumentError, match="Got OwnOptimizer, which has no state_dict"):
        Training(optimizer=OwnOptimizer).run(tmp_path / "run")


class Storable(OwnOptimizer):
    """The same with a velocity, kept in its own way."""

    def __init__(self, parameters):
        super().__init__(parameters)
        self.velocity = {i: np.zeros(p.shape) for i, p in enumerate(self.parameters)}

    def step(self):
        for i, p in enumerate(self.parameters):
            self.velocity[i] = 0.5 * self.velocity[i] + p.grad
            p.data = p.data - 0.1 * self.velocity[i]

    def state_dict(self):
        return {"velocity": dict(self.velocity), "kind": (1, None, float("inf"))}

    def load_state_dict(self, stored):
        assert stored["kind"] == (1, None, float("inf"))
        self.velocity = stored["velocity"]


def test_an_optimizer_of_ones_own_goes_on(tmp_path):
    make = functools.partial(Training, optimizer=Storable)
    expected = make().run().everything()
    assert_same_bits(cut_and_resumed(tmp_path / "cut", [15], make), expected)
