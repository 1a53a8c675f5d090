"""Three spirals, and how the boundary between them takes shape in training.

    python examples/spirals.py [picture.png]

To learn: what hidden layers do. No straight line separates the arms. The network bends the plane
until three lines do, which is seen by keeping copies of it on the way: a callback makes them.
"""

import copy
import sys
from functools import partial

import numpy as np

import tinygrad_mlp as tg


def spirals(n, rng, noise=0.02):
    """n points of each of three arms, which begin in the middle, a third of a turn apart."""
    radius = np.sqrt(rng.uniform(0.01, 1, size=(3, n)))
    angle = 5 * radius + 2 * np.pi / 3 * np.arange(3)[:, None]
    arms = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)
    X = arms.reshape(-1, 2) + rng.normal(0, noise, size=(3 * n, 2))
    return X, tg.data.one_hot(np.repeat([0, 1, 2], n))


class Snapshots:
    """Copies of the model after some of the epochs."""

    def __init__(self, *epochs):
        self.epochs, self.models = epochs, {}

    def on_epoch(self, run):
        if run.epoch + 1 in self.epochs:
            self.models[f"epoch {run.epoch + 1}"] = copy.deepcopy(run.model)


def main(picture: str = "spirals.png") -> None:
    rng = np.random.default_rng(0)
    (X, Y), validation = spirals(200, rng), spirals(100, rng)
    model = tg.nn.Sequential(
        tg.nn.Linear(2, 32, rng=rng), tg.nn.Tanh(),
        tg.nn.Linear(32, 32, rng=rng), tg.nn.Tanh(),
        tg.nn.Linear(32, 3, rng=rng),
    )
    snapshots = Snapshots(1, 15, 100)
    history = tg.fit(
        model, tg.nn.softmax_cross_entropy, tg.optim.Adam(model.parameters(), lr=0.005),
        X, Y, epochs=100, rng=rng, validation=validation, callbacks=[snapshots],
    )
    for name, copied in snapshots.models.items():
        loss, accuracy = tg.evaluate(copied, tg.nn.softmax_cross_entropy, *validation)
        print(f"{name:9}: cross entropy {loss:.3f} nats, {accuracy:.1%} of new points are right")
    assert history.validation_accuracy[-1] > 0.9
    answers = {name: partial(answer, copied) for name, copied in snapshots.models.items()}
    tg.plotting.plot_decision_boundary(answers, *validation, path=picture)


def answer(model, points):
    return tg.softmax(tg.predict(model, points))


if __name__ == "__main__":
    main(*sys.argv[1:2])
