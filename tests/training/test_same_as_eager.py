"""Whatever is changed while it trains, `fit` comes to the numbers of eager training.

The cases are a product: what is changed, when, and on which path. Each path trains by programs and
eagerly, and says how the steps were taken.
"""

import contextlib
import functools
import itertools
import random
import warnings

import numpy as np
import pytest

import tinygrad_mlp as tg
from tests.campaigns import thorough
from tests.training.changes import CHANGES
from tinygrad_mlp import nn, optim
from tinygrad_mlp.estimators import MLPClassifier, fitting
from tinygrad_mlp.training.fit import fit

N, BATCH = 48, 4
DATA = np.random.default_rng(7)
X, LABELS = DATA.normal(size=(N, 6)), np.arange(N) % 3
Y = np.eye(3)[LABELS]


class At(tg.callbacks.Callback):
    """Applies a change at events of one kind, to another value each time."""

    def __init__(self, change):
        self.change, self.times, self.run = change, 0, None

    def on_start(self, run):
        self.run = run

    def do(self, *_):
        if self.times == 3:
            return ""
        self.times += 1
        self.change.apply(self.times, self.run.model, self.run.optimizer)
        return ""


class OnStep(At):
    def on_step(self, run):
        if run.iteration in (4, 17, 30):
            self.do()


class OnEpoch(At):
    on_epoch = At.do


class OnRecord(At):
    on_record = At.do


class InMonitor(At):
    """Changes something in the function that makes the line of a record."""


class Between(At):
    """Changes something between two trainings."""


WHEN = {kind.__name__: kind for kind in (OnStep, OnEpoch, OnRecord, InMonitor, Between)}


def sgd(parameters):
    return optim.SGD(parameters, 0.1, momentum=0.25)


def network(change):
    rng = np.random.default_rng(0)
    return nn.Sequential(
        nn.Linear(6, 5, rng=rng), change.extra(), nn.Tanh(), nn.Linear(5, 3, rng=rng))


def settings_of(hook, **chosen):
    every = 14 if isinstance(hook, OnRecord | InMonitor) else None
    line = hook.do if isinstance(hook, InMonitor) else False
    return dict(batch_size=BATCH, callbacks=[hook], record_every=every, monitor=line,
                rng=np.random.default_rng(3), **chosen)


def by_fit(change, hook, tmp_path, eager, *, epochs=3, compiled=True, block=1):
    model = network(change)
    optimizer, loss = sgd(model.parameters()), change.loss()
    ways = dict(compiled=False) if eager else dict(compiled=compiled, block=block)
    for _ in range(1 + isinstance(hook, Between)):
        chosen = settings_of(hook, epochs=epochs, **ways)
        history = fit(model, loss, optimizer, X, Y, **chosen)
        if isinstance(hook, Between):
            hook.do()
    return model, history.execution


class Classic(tg.NeuralNetwork):
    """The network of the classic experiment with another loss and another layer."""

    def __init__(self, change):
        super().__init__([6, 5, 3], monitor=False, plot=False, seed=0, sigma=0.5, bias=True,
                         learning_rate=0.1, batch_size=BATCH)
        self.own = change.loss()
        self.model.layers.insert(1, change.extra())

    @property
    def criterion(self):
        own = self.own
        return lambda prediction, target, reduction="mean": own(prediction, target)


def by_network(change, hook, tmp_path, eager):
    network = Classic(change)
    if isinstance(hook, OnRecord | InMonitor):
        network.monitor = hook.do if isinstance(hook, InMonitor) else lambda record: ""
    network.n_save = 14
    for _ in range(1 + isinstance(hook, Between)):
        network.train(X, Y, 3, callbacks=[hook], compiled=not eager, block=1)
        if isinstance(hook, Between):
            hook.do()
    return network.model, network.history.execution


class Inserting(tg.callbacks.Callback):
    """Puts the layer of a change into an estimator's network."""

    def __init__(self, change):
        self.extra = change.extra()

    def on_start(self, run):
        if self.extra not in run.model.layers:
            run.model.layers.insert(1, self.extra)


def by_estimator(change, hook, tmp_path, eager, calls=1):
    estimator = MLPClassifier(
        (5,), "tanh", loss=change.loss(), solver="sgd", momentum=0.25, learning_rate_init=0.1,
        batch_size=BATCH, max_iter=3, tol=0.0, n_iter_no_change=99, random_state=0, warm_start=True,
        callbacks=[Inserting(change), hook])
    histories = []

    def recorded(*args, **settings):
        made = fit(*args, **settings | {"compiled": not eager, "block": 1})
        histories.append(made)
        return made

    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setattr(fitting, "fit", recorded)
        for _ in range(calls + isinstance(hook, Between)):
            if calls > 1:
                estimator.partial_fit(X, LABELS, classes=np.arange(3))
            else:
                estimator.fit(X, LABELS)
            if isinstance(hook, Between):
                hook.do()
    return hook.run.model, histories[-1].execution


class Cut(BaseException):
    """A training is cut off."""


class Cutting(tg.callbacks.Callback):
    """Cuts training off, once."""

    def __init__(self, at):
        self.at = at

    def on_step(self, run):
        if run.iteration == self.at:
            raise Cut


def by_resuming(change, hook, tmp_path, eager):
    ways = dict(compiled=False) if eager else dict(compiled=True, block=1)
    path = tmp_path / f"run{eager}"
    for at in (20, None):  # by new objects, as in a new process
        change = type(change)()
        hook = type(hook)(change)
        model = network(change)
        optimizer, loss = sgd(model.parameters()), change.loss()
        chosen = settings_of(hook, epochs=3, checkpoint=tg.Checkpoint(path, 5, "step"), **ways)
        chosen["callbacks"].append(Cutting(at))
        if isinstance(hook, Between):
            change.apply(1, model, optimizer)
        with contextlib.suppress(Cut):
            history = fit(model, loss, optimizer, X, Y, **chosen)
    return model, history.execution


class StandIn:
    """What a callback is told of a training that is written out."""

    def __init__(self, model, optimizer):
        self.model, self.optimizer, self.iteration = model, optimizer, -1


def by_compile(change, hook, tmp_path, eager):
    model = network(change)
    optimizer, criterion = sgd(model.parameters()), change.loss()

    def step(x, y):
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    taken = step if eager else tg.compile(step)
    hook.on_start(StandIn(model, optimizer))
    for k in range(40):
        rows = slice(k % 12 * BATCH, k % 12 * BATCH + BATCH)
        taken(X[rows], Y[rows])
        if k in (4, 17, 30):
            hook.do()
    return model, "eager" if eager else f"a program: {taken.executable.confirmed}"


PATHS = {
    "many samples": functools.partial(by_fit, compiled="auto", epochs=12),
    "few samples": functools.partial(by_fit, compiled="auto", epochs=2),
    "compiled": by_fit,
    "blocks": functools.partial(by_fit, block=3),
    "NeuralNetwork": by_network,
    "warm start": by_estimator,
    "partial_fit": functools.partial(by_estimator, calls=3),
    "resumed": by_resuming,
    "compile": by_compile,
}
EAGER = {"few samples"}
EVERY = list(itertools.product(CHANGES, WHEN, PATHS))


def outcome(what, when, path, tmp_path, eager):
    """The weights that a training comes to, or the kind of the error that it raises."""
    change = CHANGES[what]()
    hook = WHEN[when](change)
    with warnings.catch_warnings():
        if path == "compile":
            warnings.filterwarnings("ignore", "step: .* has changed since", UserWarning)
        try:
            model, execution = PATHS[path](change, hook, tmp_path, eager)
        except tg.errors.TinygradError as error:
            return type(error)
    expected = "eager" if eager or path in EAGER else "a program"
    assert execution.startswith(expected), execution
    return model.state_dict()


@pytest.mark.parametrize(("what", "when", "path"), EVERY if thorough() else EVERY[::61])
def test_what_is_changed_from_outside_counts_from_the_next_step(what, when, path, tmp_path):
    expected, found = (outcome(what, when, path, tmp_path, eager) for eager in (True, False))
    if isinstance(expected, type):
        assert found is expected
        return
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-7, atol=1e-9, err_msg=name)


class Counting(nn.Module):
    """A layer that counts its calls, and computes with the count."""

    def __init__(self):
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return x * (1 + 0.01 * self.calls)


class Remembering(nn.Module):
    """A layer that keeps what it computed last."""

    def forward(self, x):
        self.last = tg.tanh(x)
        return self.last


class Listing(nn.Module):
    """A layer that appends to a list and reads its length."""

    def __init__(self):
        self.seen = []

    def forward(self, x):
        self.seen.append(1.0)
        return x / (1 + 0.01 * len(self.seen))


class Averaging(nn.Module):
    """A layer that writes to an array in place, and computes with it."""

    def __init__(self):
        self.mean = np.full(3, 0.1)

    def forward(self, x):
        self.mean *= 0.9
        return x * (1 + float(self.mean.sum()))


class Drawing(nn.Module):
    """A layer that draws from a generator by itself."""

    def __init__(self):
        self.rng = np.random.default_rng(4)

    def forward(self, x):
        return x * self.rng.uniform()


class DrawingOfAll(nn.Module):
    """A layer that draws from the generator of Python's own module, which all share."""

    def __init__(self):
        random.seed(4)

    def forward(self, x):
        return x * random.random()


class Iterating(nn.Module):
    """A layer that advances an iterator, which nobody can look into or put back."""

    def __init__(self):
        self.numbers = itertools.count()

    def forward(self, x):
        return x * (1 + 0.01 * next(self.numbers))


class Deciding(nn.Module):
    """A layer that counts its calls and then cannot be recorded."""

    def __init__(self):
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return x / (1 + 0.01 * self.calls) if tg.sum(x).item() > 0 else x


SELF_CHANGING = (
    Counting, Remembering, Listing, Averaging, Drawing, DrawingOfAll, Iterating, Deciding)


def trained(layer, *, loss=nn.squared_error, hooks=(), model=None, epochs=12, **chosen):
    rng = np.random.default_rng(0)
    model = model or nn.Sequential(nn.Linear(6, 5, rng=rng), layer, nn.Linear(5, 3, rng=rng))
    settings = dict(epochs=epochs, batch_size=BATCH, rng=np.random.default_rng(3), **chosen)
    history = fit(
        model, loss, sgd(model.parameters()), X, Y, callbacks=list(hooks), **settings)
    return model, history


@pytest.mark.parametrize("layer", SELF_CHANGING)
def test_a_step_that_changes_what_it_reads_is_taken_eagerly_and_says_so_once(layer):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        expected, _ = trained(layer(), compiled=False)
    with pytest.warns(UserWarning, match="goes on without a program") as caught:
        model, history = trained(layer())
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert history.execution.startswith("eager: ")
    for name, value in expected.state_dict().items():
        np.testing.assert_allclose(model.state_dict()[name], value, rtol=1e-12)
    for name in ("calls", "seen"):
        assert getattr(model[1], name, None) == getattr(expected[1], name, None)
    with pytest.raises(tg.errors.TraceError):
        trained(layer(), compiled=True)


@pytest.mark.parametrize("layer", SELF_CHANGING)
def test_a_step_that_a_program_is_required_for_and_refused_is_not_taken(layer):
    """The error says which iteration was not begun, and the weights are those before it."""
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Linear(6, 5, rng=rng), layer(), nn.Linear(5, 3, rng=rng))
    before = model.state_dict()
    seen = []

    class Noting:
        def on_step(self, run):
            seen.append(run.model.state_dict())

    with pytest.raises(tg.errors.TraceError) as caught:
        trained(None, model=model, compiled=True, hooks=[Noting()])
    last = seen[-1] if seen else before
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, last[name])
    if layer is not Deciding:  # that is an error of the recording itself
        assert f"The weights are those before iteration {len(seen)}." in str(caught.value)
        assert caught.value.__suppress_context__


class Preparing(nn.Module):
    """A layer that makes what it needs at its first call."""

    def __init__(self):
        self.scale = None

    def forward(self, x):
        if self.scale is None:
            self.scale = np.full(x.shape[1], 0.5)
        return x * self.scale


def test_a_layer_may_make_what_it_needs_at_its_first_call():
    expected, _ = trained(Preparing(), compiled=False)
    model, history = trained(Preparing())
    assert history.execution == "a program"
    for name, value in expected.state_dict().items():
        np.testing.assert_allclose(model.state_dict()[name], value, rtol=1e-9)


def test_a_number_that_changes_at_every_step_ends_in_eager_steps_with_one_notice():
    found = []
    for compiled in (False, "auto"):
        change = CHANGES["Number"]()

        class EachStep:
            def on_step(self, run, change=change):
                change.put(1 + 0.001 * run.iteration)

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model, history = trained(
                nn.Tanh(), loss=change.loss(), hooks=[EachStep()], compiled=compiled)
        assert len(caught) == (compiled == "auto")
        found.append(model.state_dict())
    assert "changed so often" in history.execution
    for name, value in found[0].items():
        np.testing.assert_allclose(found[1][name], value, rtol=1e-9)


def test_a_step_is_compared_again_after_many_steps(monkeypatch):
    """A file, say, that nobody can watch: what has changed is found at the next comparison."""
    monkeypatch.setattr("tinygrad_mlp.training.steps.RECHECK", 20)
    hidden = {"factor": 1.0}

    class Unseen(nn.Module):
        def __init__(self):
            self.read = iter(lambda: hidden["factor"], None).__next__

        def forward(self, x):
            return x * self.read()

    class AtTheEnd:
        def on_epoch(self, run):
            hidden["factor"] = 2.0 if run.epoch >= 7 else 1.0

    found = []
    for compiled in (False, True):
        hidden["factor"] = 1.0
        model, history = trained(Unseen(), hooks=[AtTheEnd()], compiled=compiled)
        found.append(model.state_dict())
    assert history.execution == "a program"
    for name, value in found[0].items():
        np.testing.assert_allclose(found[1][name], value, rtol=1e-9)


def test_a_compiled_function_says_that_something_has_changed_and_what():
    factors = [1.0]
    layer = nn.Linear(3, 2, rng=np.random.default_rng(0))
    f = tg.compile(lambda x: layer(x) * factors[0])
    x = np.ones((2, 3))
    for _ in range(3):
        f(x)
    factors[0] = 2.0
    with pytest.warns(UserWarning, match="'factors' of <lambda> has changed since"):
        np.testing.assert_allclose(f(x).data, layer(x).data * 2)
    factors[0] = 1.0  # no further notice, and the first program
    n = f.recordings
    np.testing.assert_allclose(f(x).data, layer(x).data)
    assert f.recordings == n
    layer.weight = nn.Parameter(np.ones((2, 3)))
    np.testing.assert_allclose(f(x).data, layer(x).data)
