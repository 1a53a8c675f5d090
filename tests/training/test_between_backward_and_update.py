"""Gradients are accumulated over batches, and callbacks see them before the update."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_mlp as tg
from tinygrad_mlp import nn
from tinygrad_mlp.errors import CheckpointError, InvalidArgumentError

WAYS = pytest.mark.parametrize("compiled", [True, False], ids=["program", "eager"])
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(70, 5)), np.eye(3)[RNG.integers(0, 3, 70)]


def trained(optimizer=tg.optim.Adam, n=70, **settings):
    rng = np.random.default_rng(1)
    model = nn.Sequential(nn.Linear(5, 6, rng=rng), nn.Tanh(), nn.Linear(6, 3, rng=rng))
    chosen = {"epochs": 3, "rng": rng, **settings}
    history = tg.fit(model, nn.softmax_cross_entropy, optimizer(model.parameters(), lr=0.05),
                     X[:n], Y[:n], **chosen)
    return model, history


def weights(model):
    return np.concatenate([p.data.ravel() for p in model.parameters()])


@WAYS
@pytest.mark.parametrize("n", [64, 70, 33])
@pytest.mark.parametrize("optimizer", [tg.optim.SGD, tg.optim.Adam])
def test_accumulated_batches_are_one_batch_so_many_times_as_large(compiled, n, optimizer):
    large, expected = trained(optimizer, n, batch_size=32, compiled=compiled)
    parts, history = trained(optimizer, n, batch_size=8, accumulate=4, compiled=compiled)
    np.testing.assert_allclose(weights(parts), weights(large), rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(history.training_loss, expected.training_loss, rtol=1e-12)
    assert history.training_accuracy == expected.training_accuracy
    assert list(history.iteration) == list(expected.iteration)


class Gradients(tg.callbacks.Callback):
    """Keeps what it sees before each update, and may change it."""

    def __init__(self, factor=None):
        self.seen, self.factor = [], factor

    def on_gradients(self, run):
        gradients = np.concatenate([p.grad.ravel() for p in run.optimizer.parameters])
        self.seen.append((run.iteration, gradients, weights(run.model)))
        if self.factor is not None:
            for p in run.optimizer.parameters:
                p.grad = p.grad * self.factor


@WAYS
@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_callback_sees_the_gradients_of_the_coming_update(compiled, accumulate):
    lr, watch = 0.05, Gradients()
    model, _ = trained(
        tg.optim.SGD, batch_size=16, accumulate=accumulate, callbacks=[watch], compiled=compiled)
    before = [entry[2] for entry in watch.seen]
    for (_, gradient, start), end in zip(watch.seen, [*before[1:], weights(model)], strict=True):
        np.testing.assert_allclose(end, start - lr * gradient, rtol=1e-13, atol=1e-15)
    assert [entry[0] for entry in watch.seen] == list(range(-1, len(watch.seen) - 1))


@WAYS
def test_gradients_that_a_callback_replaces_take_effect(compiled):
    halved, _ = trained(tg.optim.SGD, callbacks=[Gradients(0.5)], compiled=compiled)
    alone, _ = trained(lambda p, lr: tg.optim.SGD(p, lr=lr / 2), compiled=compiled)
    np.testing.assert_allclose(weights(halved), weights(alone), rtol=1e-11)


@WAYS
def test_a_callback_that_only_looks_changes_no_bit(compiled):
    watched, _ = trained(callbacks=[Gradients()], compiled=compiled, block=1)
    alone, _ = trained(compiled=compiled, block=1)
    tolerance = 1e-12 if compiled else 0  # the update is eager, where a program fuses it
    np.testing.assert_allclose(weights(watched), weights(alone), rtol=tolerance)


@WAYS
def test_clipped_gradients_are_those_of_a_loop_that_clips(compiled):
    clip = tg.callbacks.ClipGradients(0.05)
    model, _ = trained(tg.optim.SGD, shuffle=False, callbacks=[clip], compiled=compiled)
    rng = np.random.default_rng(1)
    other = nn.Sequential(nn.Linear(5, 6, rng=rng), nn.Tanh(), nn.Linear(6, 3, rng=rng))
    optimizer = tg.optim.SGD(other.parameters(), lr=0.05)
    for _ in range(3):
        for start in range(0, 70, 32):
            optimizer.zero_grad()
            rows = slice(start, start + 32)
            nn.softmax_cross_entropy(other(X[rows]), Y[rows]).backward()
            norm = tg.optim.clip_by_norm(other.parameters(), 0.05)
            optimizer.step()
    np.testing.assert_allclose(weights(model), weights(other), rtol=1e-11)
    np.testing.assert_allclose(clip.norm, norm, rtol=1e-10)
    assert norm > 0.05


def test_a_checkpoint_of_another_number_of_batches_is_refused(tmp_path):
    path = tmp_path / "run.safetensors"
    trained(accumulate=3, checkpoint=path)
    with pytest.raises(CheckpointError, match="accumulate"):
        trained(accumulate=2, checkpoint=path)


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "two"])
def test_an_impossible_number_of_batches_is_refused(wrong):
    with pytest.raises(InvalidArgumentError, match="accumulate"):
        trained(accumulate=wrong)
