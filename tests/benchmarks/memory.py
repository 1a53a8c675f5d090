"""The memory of a process that trains on as many numbers as MNIST has, over several epochs."""

from __future__ import annotations

import json
import sys

import numpy as np

import tinygrad_mlp as tg
from tests import child
from tests.benchmarks import targets
from tests.benchmarks.case import Case
from tests.benchmarks.setting import HIDDEN, INPUTS, OUTPUTS

IMAGES = 54_000
MB = 1e6

TARGETS = targets.MEMORIES


def most_resident() -> float:
    """The most memory this process has held so far, in MB."""
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / MB if sys.platform == "darwin" else most * 1024 / MB


def peaks(batch: int, images: int = IMAGES) -> list[float]:
    """MB held at most: with data and model; then at the end of each of four epochs of training."""
    rng = np.random.default_rng(0)
    X, Y = (np.empty((images, n), np.float32) for n in (INPUTS, OUTPUTS))
    for start in range(0, images, 1_000):  # in pieces, to hold no more than the data
        rows = X[start : start + 1_000]
        rng.standard_normal(out=rows, dtype=np.float32)
    Y[:] = np.eye(OUTPUTS, dtype=np.float32)[0]
    model = tg.nn.Sequential(
        tg.nn.Linear(INPUTS, HIDDEN, bias=False, rng=rng, dtype=np.float32), tg.nn.Tanh(),
        tg.nn.Linear(HIDDEN, OUTPUTS, bias=False, rng=rng, dtype=np.float32), tg.nn.Sigmoid(),
    )
    optimizer = tg.optim.SGD(model.parameters(), lr=0.01)
    found = [most_resident()]

    class Watch(tg.callbacks.Callback):
        """Looks at the memory after each epoch."""

        def on_epoch(self, run: tg.callbacks.Run) -> None:
            found.append(most_resident())

    tg.fit(model, tg.nn.squared_error, optimizer, X, Y, epochs=4, batch_size=batch, rng=rng,
           callbacks=[Watch()])
    return found


def peaks_alone(batch: int, images: int) -> list[float]:
    """The same in a fresh interpreter, which has held nothing else before."""
    code = "import json; from tests.benchmarks.memory import peaks"
    code += f"; print(json.dumps(peaks({batch}, {images})))"
    done = child.python("-c", code, check=True, timeout=600)
    found: list[float] = json.loads(done.stdout)
    return found


def measure(quick: bool) -> list[Case]:
    """MB beyond the data for a batch of one and of 128, in single precision."""
    images = 1_000 if quick else IMAGES
    found = {}
    for batch in (1, 128):
        ready, *after = peaks_alone(batch, images)
        data = images * (INPUTS + OUTPUTS) * 4 / MB
        found[f"batch of {batch}: MB of Python, libraries"] = ready - data
        for epochs in (1, 4):
            plural = "s" if epochs > 1 else ""
            found[f"batch of {batch}: MB beyond data, {epochs} epoch{plural}"] = (
                after[epochs - 1] - ready
            )
        found[f"batch of {batch}: MB gained in epochs 2 to 4"] = after[-1] - after[0]
    return [Case(targets.MEMORY, found, "MB")]
