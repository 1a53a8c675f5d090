"""Programs for ``mpiexec -n N python -m tests.parallel.programs NAME FOLDER``.

Each rank writes what it has found to FOLDER/RANK.json.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import sys
import zlib
from pathlib import Path

import numpy as np

import tinygrad_mlp as tg
from tinygrad_mlp import nn, optim
from tinygrad_mlp.training.callbacks import Callback, ClipGradients, EarlyStopping

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(37, 1, 6, 6))
X, Y = IMAGES.reshape(37, 36), np.eye(3)[RNG.integers(0, 3, 37)]
"""37 samples: 5 steps of 8 samples an epoch, the last of 5."""


def mlp(dtype=np.float64):
    rng = np.random.default_rng(1)
    return nn.Sequential(nn.Linear(36, 12, rng=rng, dtype=dtype), nn.Tanh(),
                         nn.Linear(12, 3, rng=rng, dtype=dtype), nn.Softmax())


def layer_norm():
    rng = np.random.default_rng(1)
    return nn.Sequential(nn.Linear(36, 12, rng=rng), nn.LayerNorm(12), nn.ReLU(),
                         nn.Linear(12, 3, rng=rng), nn.Softmax())


def convolution():
    rng = np.random.default_rng(1)
    return nn.Sequential(nn.Conv2d(1, 3, 3, rng=rng), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                         nn.Linear(12, 3, rng=rng), nn.Softmax())


MODELS = {"MLP": mlp, "LayerNorm": layer_norm, "convolution": convolution}
OPTIMIZERS = {"SGD": lambda p: optim.SGD(p, 0.1), "momentum": lambda p: optim.SGD(
    p, 0.1, momentum=0.9), "Adam": lambda p: optim.Adam(p, 0.01)}


def trained(ranks, make=mlp, optimizer="SGD", loss=nn.categorical_cross_entropy, inputs=None,
            seed=0, **options):
    """Train for four epochs, 20 steps; return the history and the model."""
    model = make()
    options = {"epochs": 4, "batch_size": 8, "rng": np.random.default_rng(seed), **options}
    inputs = IMAGES if make is convolution else X if inputs is None else inputs
    history = tg.fit(model, loss, OPTIMIZERS[optimizer](model.parameters()), inputs, Y,
                     ranks=ranks, **options)
    return history, model


def difference(ranks, **options):
    """Return by how much training by ranks differs from training by one process."""
    # Callbacks, which remember, are made anew.
    made = options.pop("make_callbacks", list)
    alone, one = trained(None, callbacks=made(), **options)
    together, other = trained(ranks, callbacks=made(), **options)
    weights = max(np.abs(a - b).max() for a, b in zip(
        one.state_dict().values(), other.state_dict().values(), strict=True))
    figures = [name for name in alone.records[0]._fields if name != "seconds"]
    records = max(abs((getattr(a, name) or 0) - (getattr(b, name) or 0))
                  for a, b in zip(alone, together, strict=True) for name in figures)
    return {"weights": float(weights), "records": float(records), "bits": bits(other),
            "stopped": [alone.stopped, together.stopped], "execution": together.execution}


def bits(model):
    """Return a checksum of a model, by which ranks are compared."""
    return zlib.crc32(b"".join(a.tobytes() for a in model.state_dict().values()))


# -- the programs --------------------------------------------------------------------------------


def parity(ranks, folder):
    return {f"{optimizer}, {model}, {'program' if compiled else 'eager'}": difference(
        ranks, make=MODELS[model], optimizer=optimizer, compiled=compiled)
        for optimizer in OPTIMIZERS for model in MODELS for compiled in (False, True)}


class HalveRate(Callback):
    """Changes the optimizer after each epoch, and the model once."""

    def on_epoch(self, run):
        run.optimizer.lr /= 2
        if run.epoch == 1:
            run.model[0].bias.data = run.model[0].bias.data + 0.25


class StopAt(Callback):
    def __init__(self, iteration):
        self.iteration = iteration

    def on_step(self, run):
        if run.iteration == self.iteration:
            run.stop("far enough")


class NegativeGradients(Callback):
    """Changes gradients by what it reads and draws."""

    def __init__(self):
        self.rng = np.random.default_rng(3)

    def on_gradients(self, run):
        for p in run.optimizer.parameters:
            p.grad = p.grad + self.rng.normal(size=p.shape) * 0.01


def options(ranks, folder):
    """Everything that `fit` does besides plain steps."""
    cases = {
        "validation": {"validation": (X[:5], Y[:5]), "record_every": 3, "record_epochs": True},
        "few samples in validation": {"validation": (X[:1], Y[:1]), "evaluate_training": True},
        "without shuffling": {"shuffle": False}, "by chunks": {"shuffle": "chunks"},
        "accumulated": {"accumulate": 2},
        "fewer samples than ranks": {"batch_size": 1, "epochs": 1},
        "float32": {"make": lambda: mlp(np.float32)},
        "weighted": {"sample_weight": np.arange(37) % 3, "class_weight": "balanced",
                     "validation": (X[:5], Y[:5], [1, 0, 2, 3, 1])},
        "clipped": {"make_callbacks": lambda: [ClipGradients(0.1)]},
        "noise on gradients": {"make_callbacks": lambda: [NegativeGradients()]},
        "other settings in between": {"make_callbacks": lambda: [HalveRate()]},
        "stopped by a callback": {"make_callbacks": lambda: [StopAt(7)]},
        "stopped at the end of an epoch": {"make_callbacks": lambda: [StopAt(9)]},
        "stopped early": {"epochs": 30, "optimizer": "momentum", "validation": (X[:9], -Y[:9] + 1),
                          "make_callbacks": lambda: [EarlyStopping(2)]}}
    return {f"{name}, {'program' if compiled else 'eager'}": difference(
        ranks, compiled=compiled, **case) for name, case in cases.items()
        for compiled in (False, True)}


def after(steps, act):
    """Return a loss that does something at its first evaluation after so many."""
    calls = []

    def loss(prediction, target):
        calls.append(1)
        if len(calls) == steps:
            act()
        return nn.categorical_cross_entropy(prediction, target)

    return loss


def threads(ranks, folder):
    """Return the threads that ranks are to use, and those in use while they train."""
    from tinygrad_mlp.parallel.ranks import _cores as cores
    from tinygrad_mlp.support.blas_threads import threads_now

    used = []
    trained(ranks, loss=after(12, lambda: used.append(threads_now())), compiled=False, threads=2)
    rng = np.random.default_rng(0)
    wide = nn.Linear(2000, 2000, rng=rng)
    loss = after(3, lambda: used.append(threads_now()))
    tg.fit(wide, lambda p, t: loss(tg.exp(p[:, :3] * 0), t), optim.SGD(wide.parameters(), 0.1),
           rng.normal(size=(26, 2000)), Y[:26], epochs=1, batch_size=13, compiled=False,
           ranks=ranks, record_every=0)
    return [ranks.threads, *used, len(cores())]


def killed(ranks, folder):
    def end():
        os.kill(os.getpid(), signal.SIGKILL)

    loss = after(12, end) if ranks.rank == 1 else after(0, end)
    trained(ranks, loss=loss, compiled=False, checkpoint=folder / "run.safetensors")
    return "not killed"


def error(ranks, folder):
    def fail():
        raise OSError("the disk of rank 1 is gone")

    trained(ranks, loss=after(12, fail) if ranks.rank == 1 else after(0, fail), compiled=False)
    return "no error"


def interrupted(ranks, folder):
    def interrupt():
        os.kill(os.getpid(), signal.SIGINT)

    loss = after(12, interrupt) if ranks.rank == 1 else after(0, interrupt)
    history, model = trained(ranks, loss=loss, compiled=False)
    return [history.stopped, len(history), bits(model)]


def interrupted_on_hearing(ranks, folder):
    """One rank gets Ctrl-C at once after it has heard from the others, for the n-th time."""
    found = {}
    for way in ("sum", "share", "all"):
        hear = getattr(ranks, way)
        for n in range(1, 9):
            times = itertools.count(1)

            def heard(value, hear=hear, n=n, times=times):
                values = hear(value)
                if training() and next(times) == n and ranks.rank == 1:
                    os.kill(os.getpid(), signal.SIGINT)
                return values

            setattr(ranks, way, heard)
            history, model = trained(ranks, epochs=12, callbacks=[lambda run: None])
            found[f"{way} {n}"] = [history.stopped, bits(model)]
        delattr(ranks, way)
    return found


def training():
    """Return whether Ctrl-C is left to `fit`."""
    return signal.getsignal(signal.SIGINT) is not signal.default_int_handler


def endless(ranks, folder):
    """Train until a signal comes from outside, and tell when it may come."""
    history, model = trained(ranks, epochs=10**6, callbacks=[lambda run: (
        print("running", flush=True) if run.epoch == 9 else None)])
    return [history.stopped, bits(model)]


def nan(ranks, folder):
    """The last sample of the first epoch has a loss that is NaN."""
    inputs = X.copy()
    inputs[36, 0] = -1e3

    class Root(nn.Module):
        def forward(self, x):
            return tg.sqrt(x[:, :1] + 100.0)

    def make():
        return nn.Sequential(Root(), nn.Linear(1, 3, rng=np.random.default_rng(1)), nn.Softmax())

    found = {}
    for compiled in (False, True):
        with np.errstate(all="ignore"):
            history, model = trained(ranks, make=make, inputs=inputs, shuffle=False,
                                     compiled=compiled)
        found[str(compiled)] = [history.stopped, bits(model)]
    return found


def refused(ranks, folder):
    """Return the message of each mistake."""
    def rank_seeded():
        return nn.Sequential(nn.Linear(36, 3, rng=np.random.default_rng(ranks.rank)))

    def normalised():
        return nn.Sequential(nn.Linear(36, 3), nn.BatchNorm1d(3))

    def dropping():
        return nn.Sequential(nn.Linear(36, 3), nn.Dropout(0.5))

    cases = {
        "other weights": {"make": rank_seeded},
        "other settings": {"epochs": 1 + ranks.rank},
        "other data": {"validation": (X[:5 + ranks.rank], Y[:5 + ranks.rank])},
        "drawn data": {"inputs": np.random.default_rng(ranks.rank).normal(size=X.shape)},
        "a mistake of one": {"inputs": X if ranks.rank == 0 else X[1:]},
        "a callback that refuses": {"callbacks": [EarlyStopping(2)]},
        "batch normalisation": {"make": normalised}, "dropout": {"make": dropping}}
    found = {}
    for name, case in cases.items():
        try:
            trained(ranks, **case)
        except tg.errors.TinygradError as mistake:
            found[name] = str(mistake)
    return found


def resumed(ranks, folder):
    """Train until so many epochs are done, from the checkpoint if there is one."""
    history, model = trained(ranks, optimizer="Adam", epochs=int(os.environ["EPOCHS"]),
                             checkpoint=folder / "run.safetensors")
    return [history.stopped, len(history), bits(model),
            {name: a.tolist() for name, a in model.state_dict().items()}]


def main():
    name, folder = sys.argv[1], Path(sys.argv[2])
    ranks = tg.parallel.mpi()
    found = globals()[name](ranks, folder)
    (folder / f"{ranks.rank}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()
