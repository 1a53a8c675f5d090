"""Trainings to cut off and resume: models, optimizers, ways to run, and what is compared."""


import numpy as np
import pytest

import tinygrad_mlp as tg
from tinygrad_mlp import nn, optim
from tinygrad_mlp.training import callbacks

FEATURES, N = 30, 42
DATA = np.random.default_rng(7)
X, Y = DATA.normal(size=(N, FEATURES)), np.eye(3)[DATA.integers(0, 3, N)]
X_OTHER, Y_OTHER = DATA.normal(size=(11, FEATURES)), np.eye(3)[DATA.integers(0, 3, 11)]

WAYS = {
    "eager": dict(compiled=False),
    "program": dict(compiled=True, block=1),
    "blocks": dict(compiled=True, block=5),
}
OPTIMIZERS = {
    "SGD": lambda p: optim.SGD(p, optim.schedule.inverse_time(10, 5)),
    "momentum": lambda p: optim.SGD(
        p, optim.schedule.cosine(0.1, 0.01, 60, per="step"), momentum=0.9, nesterov=True,
        weight_decay=1e-3,
    ),
    "Adam": lambda p: optim.Adam(p, optim.schedule.linear_warmup(20, 0.01)),
    "AdamW": lambda p: optim.AdamW(p, 0.01),
    "RMSprop": lambda p: optim.RMSprop(p, 0.01, momentum=0.5, centered=True),
}


def plain(rng):
    return nn.Sequential(nn.Linear(FEATURES, 20, rng=rng), nn.Tanh(), nn.Linear(20, 3, rng=rng))


def random_and_normalised(rng):
    return nn.Sequential(
        nn.Linear(FEATURES, 20, rng=rng), nn.BatchNorm1d(20), nn.ReLU(), nn.Dropout(0.3, rng=rng),
        nn.Linear(20, 3, rng=rng),
    )


class Projected(nn.Module):
    """A network after a fixed projection, whose array lies column by column in memory."""

    def __init__(self, rng):
        self.projection = nn.Buffer(np.asfortranarray(rng.normal(size=(FEATURES, FEATURES)) / 5))
        self.network = plain(rng)

    def forward(self, x):
        return self.network(tg.matmul(x, self.projection))


class Images(nn.Module):
    """The samples as images, and a convolution."""

    def __init__(self, rng):
        self.layers = [nn.Conv2d(1, 2, 3, rng=rng), nn.Linear(24, 3, rng=rng)]

    def forward(self, x):
        z = self.layers[0](tg.reshape(x, shape=(x.shape[0], 1, 5, 6)))
        return self.layers[1](nn.Flatten()(tg.tanh(z)))


MODELS = {
    "plain": plain, "random": random_and_normalised, "projected": Projected, "images": Images
}

# (way, model, optimizer, batch size). Of single samples programs and steps round differently, and
# the order in memory matters; batches of 4 leave a smaller one over. Only SGD is done in blocks.
CASES = [
    (way, model, optimizer, batch_size)
    for model, optimizer, batch_size in [
        *[("random", optimizer, 4) for optimizer in OPTIMIZERS],
        ("plain", "momentum", 1),
        ("projected", "SGD", 1),
        ("images", "Adam", 4),
    ]
    for way in WAYS
    if way != "blocks" or optimizer in ("SGD", "momentum")
]


class Cut(BaseException):
    """Training is cut off, in the process."""


class Training:
    """A training made from nothing but its settings, as a program makes it each time it starts."""

    def __init__(self, way="eager", optimizer="SGD", model="random", hooks=(), **chosen):
        self.rng = np.random.default_rng(3)
        made = MODELS.get(model, model)(self.rng)
        self.model = made
        self.optimizer = OPTIMIZERS.get(optimizer, optimizer)(made.parameters())
        self.hooks = [make() for make in hooks]
        self.settings = {
            "epochs": 3, "batch_size": 4, "rng": self.rng, "loss": nn.softmax_cross_entropy,
            "data": (X, Y), "validation": (X_OTHER, Y_OTHER), "record_every": 5, **WAYS[way],
            **chosen,
        }

    def run(self, checkpoint=None, extra=()):
        chosen = dict(self.settings)
        X, Y = chosen.pop("data")
        self.history = tg.fit(
            self.model, chosen.pop("loss"), self.optimizer, X, Y, checkpoint=checkpoint,
            callbacks=[*self.hooks, *extra], **chosen,
        )
        return self

    def everything(self):
        """All that a training leaves behind, but for times."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.rng.bit_generator.state,
            "records": [tuple(record._replace(seconds=0)) for record in self.history],
            "history": (self.history.stopped, self.history.execution, self.history.settings),
            "callbacks": [hook.state_dict() for hook in self.hooks if hasattr(hook, "state_dict")],
        }


def assert_same_bits(one, other, where=""):
    """That two nested values are the same to the last bit, and lie in memory in the same way."""
    assert type(one) is type(other), where
    if isinstance(one, dict):
        assert list(one) == list(other), where
        for key in one:
            assert_same_bits(one[key], other[key], f"{where}.{key}")
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other), where
        for i, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_same_bits(a, b, f"{where}.{i}")
    elif isinstance(one, np.ndarray):
        for what in ("dtype", "shape", "strides"):
            assert getattr(one, what) == getattr(other, what), f"{where}: {what}"
        assert one.tobytes() == other.tobytes(), where
    else:
        assert repr(one) == repr(other), where


def cutting_at(iteration):
    """A callback that cuts training off at a record, at that iteration or later."""

    def cut(run):
        if run.iteration >= iteration:
            raise Cut

    return cut


def cut_and_resumed(path, cuts, make, every=3, unit="step"):
    """A training that is cut off at each of some iterations, and then goes on to its end."""
    for iteration in cuts:
        with pytest.raises(Cut):
            make().run(tg.Checkpoint(path, every, unit), extra=[cutting_at(iteration)])
    return make().run(tg.Checkpoint(path, every, unit)).everything()


def waiting():
    """A callback with much to remember that never stops training."""
    return callbacks.EarlyStopping(patience=99)


class Averaging:
    """An object of a user's own, not derived from `Callback`, that remembers something."""

    def __init__(self):
        self.mean, self.seen = None, []

    def on_record(self, run):
        weight = run.model.layers[0].weight.data
        self.mean = weight if self.mean is None else 0.9 * self.mean + 0.1 * weight
        self.seen.append(run.iteration)

    def state_dict(self):
        return {"mean": self.mean, "seen": self.seen}

    def load_state_dict(self, stored):
        self.mean, self.seen = stored["mean"], stored["seen"]


def freezing(run):
    """Uses the running averages from some time on."""
    run.model.layers[1].train(run.iteration < 15)


def of_other_functions(rng):
    return nn.Sequential(nn.Linear(FEATURES, 20, rng=rng), nn.ReLU(), nn.Linear(20, 3, rng=rng))
