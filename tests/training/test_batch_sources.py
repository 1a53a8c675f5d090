"""Batches from iterables and generator functions give the bits of the same batches of arrays."""

from __future__ import annotations

import io
import itertools
import signal

import numpy as np
import pytest

import tinygrad_mlp as tg
from tinygrad_mlp import nn
from tinygrad_mlp.errors import DTypeError, InvalidArgumentError, ShapeError
from tinygrad_mlp.training.evaluation import evaluate, predict
from tinygrad_mlp.training.progress import NotebookBar, Progress

RNG = np.random.default_rng(0)
N, SIZE = 70, 8
X = RNG.integers(0, 256, (N, 6)).astype(np.uint8)
Y = np.eye(3)[RNG.integers(0, 3, N)]
WEIGHT = RNG.uniform(0.1, 2, N)
STARTS = range(0, N, SIZE)


def pieces(*arrays):
    arrays = arrays or (X, Y)
    for start in STARTS:
        yield tuple(a[start:start + SIZE] for a in arrays)


def shuffled(rng):
    """The batches in a random order, and the samples of each, too."""
    for start in rng.permutation(STARTS):
        rows = rng.permutation(np.arange(start, min(start + SIZE, N)))
        yield X[rows], Y[rows]


class Loader:
    """Like PyTorch's DataLoader: it has a length and can be run through again."""

    def __init__(self, has_length=True):
        self.has_length = has_length

    def __len__(self):
        if not self.has_length:
            raise TypeError("an iterable dataset has no length")
        return len(STARTS)

    def __iter__(self):
        return pieces()


SOURCES = {
    "a function": lambda: tg.data.batches(pieces),
    "a function of a known length": lambda: tg.data.batches(pieces, length=len(STARTS)),
    "a list": lambda: tg.data.batches(list(pieces())),
    "a loader": lambda: tg.data.batches(Loader()),
    "a loader of unknown length": lambda: tg.data.batches(Loader(has_length=False)),
    "an endless function": lambda: tg.data.batches(
        lambda: itertools.cycle(pieces()), length=len(STARTS))}
every_source = pytest.mark.parametrize("source", SOURCES)


def network(dtype=np.float32, dropout=0.0):
    rng = np.random.default_rng(1)
    return nn.Sequential(
        nn.Linear(6, 5, rng=rng, dtype=dtype), nn.Tanh(), nn.Dropout(dropout, rng=rng),
        nn.Linear(5, 3, rng=rng, dtype=dtype))


def trained(*data, dropout=0.0, **settings):
    model = network(dropout=dropout)
    # Eager steps, programs, and programs whose updates are deferred round differently, and where
    # the number of steps is not known, other ones may pay off.
    settings = {"epochs": 3, "rng": np.random.default_rng(2), "compiled": True, "block": 1,
                **settings}
    optimizer = tg.optim.SGD(model.parameters(), lr=1e-3, momentum=0.5)
    history = tg.fit(model, nn.softmax_cross_entropy, optimizer, *data, **settings)
    return [p.data for p in model.parameters()], history


def assert_same_bits(one, two):
    for a, b in zip(one[0], two[0], strict=True):
        np.testing.assert_array_equal(a, b)
    for field in ("iteration", "training_loss", "training_accuracy", "validation_loss",
                  "validation_accuracy"):
        assert getattr(one[1], field) == getattr(two[1], field), field


# -- the same bits -----------------------------------------------------------------------------


@every_source
@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("settings", [
    {}, {"accumulate": 3}, {"record_every": 4}, {"callbacks": [tg.callbacks.ClipGradients(0.1)]},
    {"dropout": 0.3}], ids=["plain", "accumulated", "recorded", "clipped", "with dropout"])
def test_batches_give_the_bits_of_arrays(source, compiled, settings):
    settings = {**settings, "compiled": compiled}
    expected = trained(X, Y, shuffle=False, batch_size=SIZE, **settings)
    assert_same_bits(trained(SOURCES[source](), **settings), expected)


@every_source
def test_validation_data_and_evaluations_may_come_in_batches(source):
    batches = SOURCES[source]()
    found = trained(batches, validation=batches, evaluate_training=True)
    expected = trained(X, Y, shuffle=False, batch_size=SIZE, validation=(X, Y),
                       evaluate_training=True)
    for a, b in zip(found[0], expected[0], strict=True):
        np.testing.assert_array_equal(a, b)
    for one, two in zip(found[1], expected[1], strict=True):
        np.testing.assert_allclose(one[3:], two[3:], rtol=1e-6)
    model = network(np.float64)
    np.testing.assert_allclose(
        evaluate(model, nn.softmax_cross_entropy, batches),
        evaluate(model, nn.softmax_cross_entropy, X, Y), rtol=1e-12)
    np.testing.assert_allclose(predict(model, batches), predict(model, X), rtol=1e-12)
    np.testing.assert_allclose(
        predict(model, tg.data.batches([X[:9], X[9:]])), predict(model, X), rtol=1e-12)


@pytest.mark.parametrize("zeros", [False, True])
def test_batches_may_hold_weights(zeros):
    weight = np.where(np.arange(N) % 3 == 0, 0, WEIGHT) if zeros else WEIGHT
    if zeros:
        weight[SIZE:2 * SIZE] = 0  # a whole batch
    found = trained(tg.data.batches(lambda: pieces(X, Y, weight)),
                    validation=tg.data.batches(lambda: pieces(X, Y, weight)))
    if not zeros:
        assert_same_bits(found, trained(
            X, Y, shuffle=False, batch_size=SIZE, sample_weight=weight,
            validation=tg.data.batches(lambda: pieces(X, Y, weight))))
        return
    kept = [rows[weight[rows] > 0] for rows in (np.arange(s, min(s + SIZE, N)) for s in STARTS)]
    expected = trained(
        tg.data.batches([(X[r], Y[r], weight[r]) for r in kept if len(r)]),
        validation=tg.data.batches(lambda: pieces(X, Y, weight)))
    assert_same_bits(found, expected)


def test_integers_stay_integers_for_a_model_that_indexes():
    def model():
        rng = np.random.default_rng(0)
        return nn.Sequential(
            nn.Embedding(256, 2, rng=rng), nn.Flatten(), nn.Linear(12, 3, rng=rng))

    found = []
    for data, settings in (((tg.data.batches(pieces),), {}),
                           ((X, Y), {"batch_size": SIZE, "shuffle": False})):
        net = model()
        tg.fit(net, nn.softmax_cross_entropy, tg.optim.SGD(net.parameters(), lr=0.1), *data,
               epochs=2, compiled=False, **settings)
        found.append(net[0].weight.data)
    np.testing.assert_array_equal(*found)


def test_batches_of_pytorch_are_arrays():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    data = torch.utils.data.TensorDataset(torch.from_numpy(X.copy()), torch.from_numpy(Y.copy()))
    loader = torch.utils.data.DataLoader(data, batch_size=SIZE)
    source = tg.data.batches(loader)
    assert source.length == len(loader)
    expected = trained(X, Y, shuffle=False, batch_size=SIZE, block=1)
    assert_same_bits(trained(source, validation=None), expected)


# -- order, and resuming -------------------------------------------------------------------------


def test_a_function_of_a_generator_shuffles_each_epoch_and_repeats_with_the_seed():
    orders = []

    def watched(rng):
        orders.append([])
        for x, y in shuffled(rng):
            orders[-1].append(x.tobytes())
            yield x, y

    first = trained(tg.data.batches(watched))
    epochs = [order for order in orders if len(order) == len(STARTS)]
    assert len(epochs) == 3 and len({tuple(order) for order in epochs}) == 3
    assert_same_bits(trained(tg.data.batches(shuffled)), first)
    other = trained(tg.data.batches(shuffled), rng=np.random.default_rng(3))
    assert not np.array_equal(other[0][0], first[0][0])


class Interruption(tg.callbacks.Callback):
    def __init__(self, after):
        self.after = after

    def on_step(self, run):
        if run.iteration == self.after:
            signal.raise_signal(signal.SIGINT)


class Watching(tg.callbacks.Callback):
    def on_step(self, run):
        pass


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("after", [0, 4, 8, 9, 20])
@pytest.mark.parametrize("source", ["shuffled", *SOURCES])
def test_a_training_that_was_cut_off_resumes_with_the_same_bits(source, after, compiled, tmp_path):
    def batches():
        return tg.data.batches(shuffled) if source == "shuffled" else SOURCES[source]()

    settings = {"compiled": compiled, "dropout": 0.2, "validation": (X, Y)}
    expected = trained(batches(), callbacks=[Watching()], **settings)
    path = tmp_path / "run"
    _, history = trained(batches(), checkpoint=path, callbacks=[Interruption(after)], **settings)
    assert "interrupted" in history.stopped and path.exists()
    found = trained(batches(), checkpoint=path, callbacks=[Watching()], **settings)
    assert_same_bits(found, expected)


@pytest.mark.usefixtures("ctrl_c")
def test_a_source_that_gives_other_batches_when_it_resumes_is_told(tmp_path):
    rng = np.random.default_rng(9)
    path = tmp_path / "run"
    trained(tg.data.batches(lambda: shuffled(rng)), checkpoint=path, callbacks=[Interruption(4)])
    with pytest.warns(UserWarning, match="not those of the training that is resumed"):
        trained(tg.data.batches(lambda: shuffled(rng)), checkpoint=path, callbacks=[Watching()])


# -- progress ------------------------------------------------------------------------------------


@every_source
def test_the_number_of_steps_is_known_from_the_start_or_from_the_second_epoch(
        source, monkeypatch):
    seen = []

    def advance(self, iteration, loss):
        seen.append(self.iterations)

    monkeypatch.setattr(Progress, "advance", advance)
    monkeypatch.setattr(Progress, "__enter__", lambda self: setattr(self, "wanted", True) or self)
    batches = SOURCES[source]()
    trained(batches, monitor=True)
    steps = len(STARTS)
    assert seen == [3 * steps if batches.length else None] * steps + [3 * steps] * 2 * steps


def test_a_bar_without_a_known_end_is_drawn(monkeypatch):
    out = io.StringIO()
    out.isatty = lambda: True
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setenv("COLUMNS", "100")
    trained(tg.data.batches(pieces), monitor=True)
    assert "27/27" in out.getvalue()


def test_a_bar_of_a_notebook_without_a_known_end_counts_steps():
    bar = NotebookBar(12, 0, -1.0, "loss 2")
    assert str(bar) == "12 steps, loss 2" and "max" not in bar._repr_html_()


# -- mistakes ------------------------------------------------------------------------------------


def nothing():
    yield from ()


def too_short():
    return itertools.islice(pieces(), 5)


def weights_come_later():
    yield next(pieces())
    yield next(pieces(X, Y, WEIGHT))


def nan_comes_later():
    yield X[:4].astype(float), Y[:4]
    yield np.full((4, 6), np.nan), Y[:4]


REFUSED = {
    "a generator": (lambda: tg.data.batches(pieces()), {}, InvalidArgumentError, "only once"),
    "arrays": (lambda: tg.data.batches(X), {}, InvalidArgumentError, "as they are"),
    "a number": (lambda: tg.data.batches(3.5), {}, InvalidArgumentError, "number of samples"),
    "two arguments": (lambda: tg.data.batches(lambda a, b: pieces()), {}, InvalidArgumentError,
                      r"Got one of \(a, b\)"),
    "a length of 0": (lambda: tg.data.batches(pieces, length=0), {}, InvalidArgumentError,
                      "length must be an integer >= 1"),
    "no batches": (lambda: tg.data.batches(nothing), {}, InvalidArgumentError, "at least one"),
    "batches without targets": (lambda: tg.data.batches([X]), {}, InvalidArgumentError, "pair"),
    "four parts": (lambda: tg.data.batches([(X, Y, X, Y)]), {}, InvalidArgumentError, "tuple of 4"),
    "too few targets": (lambda: tg.data.batches([(X, Y[:3])]), {}, ShapeError, "batch 0: X and Y"),
    "text": (lambda: tg.data.batches([(np.array([["a"]]), Y[:1])]), {}, DTypeError, "numbers"),
    "a size": (lambda: tg.data.batches(pieces), {"batch_size": 3}, InvalidArgumentError,
               "batch_size must be left out"),
    "an order": (lambda: tg.data.batches(pieces), {"shuffle": True}, InvalidArgumentError,
                 "shuffle=True cannot be"),
    "no order": (lambda: tg.data.batches(shuffled), {"shuffle": False}, InvalidArgumentError,
                 "shuffle=False cannot be"),
    "targets beside": (lambda: tg.data.batches(pieces), {"Y": Y}, InvalidArgumentError,
                       "Y must be left out"),
    "weights beside": (lambda: tg.data.batches(pieces), {"sample_weight": WEIGHT},
                       InvalidArgumentError, "sample_weight must be left out"),
    "weights of classes": (lambda: tg.data.batches(pieces), {"class_weight": "balanced"},
                           InvalidArgumentError, "class_weight must be left out"),
    "only weights of 0": (lambda: tg.data.batches([(X, Y, 0 * WEIGHT)]), {}, InvalidArgumentError,
                          "above 0"),
    "arrays alone": (lambda: X, {}, InvalidArgumentError, "Y must be the targets"),
    "weights that come later": (lambda: tg.data.batches(weights_come_later), {},
                                InvalidArgumentError, "batch 1 has weights"),
    "NaN that comes later": (lambda: tg.data.batches(nan_comes_later), {}, InvalidArgumentError,
                             "batch 1: X must be finite")}


@pytest.mark.parametrize("mistake", REFUSED)
def test_what_cannot_be_is_refused(mistake):
    make, settings, error, message = REFUSED[mistake]
    with pytest.raises(error, match=message):
        trained(make(), **settings)


def test_loaders_and_functions_are_to_be_wrapped():
    for given in (Loader(), pieces):
        with pytest.raises(DTypeError, match=r"data.batches"):
            trained(given, Y)


def test_an_epoch_that_ends_early_is_told_once():
    with pytest.warns(UserWarning, match="5 batches, fewer than its length of 9") as told:
        found = trained(tg.data.batches(too_short, length=9))
    assert len(told) == 1
    assert_same_bits(found, trained(tg.data.batches(too_short)))


def test_an_error_of_the_source_reaches_the_caller():
    def failing():
        yield from itertools.islice(pieces(), 3)
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        trained(tg.data.batches(failing))
