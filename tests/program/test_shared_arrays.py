"""A program writes into arrays of parameters and states, unless somebody else holds them."""

import itertools

import numpy as np
import pytest

import tinygrad_mlp as tg
from tinygrad_mlp import nn, optim
from tinygrad_mlp.program.deferred import block as blocks
from tinygrad_mlp.program.fast_path import OUTDATED

X, Y = np.random.default_rng(1).normal(size=(40, 6)), np.random.default_rng(2).uniform(size=(40, 3))
OPTIMIZERS = {
    "SGD": lambda p: optim.SGD(p, 0.1), "momentum": lambda p: optim.SGD(p, 0.1, momentum=0.5),
    "Adam": lambda p: optim.Adam(p, 0.01)}


def training(optimizer="SGD", layers=()):
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Linear(6, 5, rng=rng), *layers, nn.Tanh(), nn.Linear(5, 3, rng=rng))
    made = OPTIMIZERS[optimizer](model.parameters())

    @tg.compile
    def step(x, y):
        loss = nn.squared_error(model(x), y)
        loss.backward()
        made.step()
        made.zero_grad()
        return loss

    return model, made, step


def by_calls(step, optimizer):
    """Take the next steps by a program, single ones."""
    return lambda: [step(X[i : i + 2], Y[i : i + 2]) for i in (0, 2)]


def by_general_path(step, optimizer):
    """Take steps by a program that has to look at its settings again."""
    def run():
        optimizer.lr = optimizer.lr * 0.9
        for i in (0, 2):
            step(x=X[i : i + 2], y=Y[i : i + 2])

    return run


def by_blocks(step, optimizer):
    """Take steps in blocks, with the update of the first weight deferred."""
    plan = blocks.plan(step.executable, optimizer, 5)
    return lambda: plan.run(X[:10], Y[:10])


WAYS = {"calls": by_calls, "general path": by_general_path, "blocks": by_blocks}
CASES = [(way, kind) for way, kind in itertools.product(WAYS, OPTIMIZERS)
         if (way, kind) != ("blocks", "Adam")]


@pytest.mark.parametrize(("way", "kind"), CASES)
def test_a_graph_recorded_before_a_step_keeps_its_gradient(way, kind):
    model, optimizer, step = training(kind)
    for _ in range(3):
        step(X[:2], Y[:2])
    run = WAYS[way](step, optimizer)
    run()
    run()

    def recorded():
        return nn.squared_error(tg.sigmoid(model(X)), Y)

    recorded().backward()
    expected = [p.grad for p in model.parameters()]
    optimizer.zero_grad()
    loss, before = recorded(), [p.data.copy() for p in model.parameters()]
    run()
    run()
    loss.backward()
    for p, g, old in zip(model.parameters(), expected, before, strict=True):
        np.testing.assert_array_equal(p.grad, g)
        assert not np.array_equal(p.data, old)


HOLDERS = {
    "the array": lambda a: a, "its transpose": lambda a: a.T, "a slice": lambda a: a[..., :2],
    "a view of a view": lambda a: a[None][..., 1:].ravel(), "its bytes": memoryview,
    "a tensor": tg.Tensor, "a detached tensor": lambda a: tg.Tensor(a).detach().T}


@pytest.mark.parametrize(("way", "holder"), list(itertools.product(WAYS, HOLDERS)))
def test_what_somebody_holds_is_not_written_to(way, holder):
    model, optimizer, step = training("momentum")
    for _ in range(3):
        step(X[:2], Y[:2])
    run = WAYS[way](step, optimizer)
    run()
    held = [HOLDERS[holder](p.data) for p in model.parameters()]
    before = [np.array(getattr(a, "data", a) if isinstance(a, tg.Tensor) else a) for a in held]
    run()
    run()
    for now, then in zip(held, before, strict=True):
        np.testing.assert_array_equal(now.data if isinstance(now, tg.Tensor) else now, then)


def test_an_argument_that_is_a_parameter_s_array_is_not_written_to():
    w = tg.Tensor(np.ones(4), requires_grad=True)
    optimizer = optim.SGD([w], 0.1)

    @tg.compile
    def step(x):
        loss = tg.sum(w * w * x)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    for _ in range(4):
        x = w.data
        before = x.copy()
        step(x)
        np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_the_usual_step_copies_nothing(kind):
    model, optimizer, step = training(kind, [nn.BatchNorm1d(5)])
    run = by_calls(step, optimizer)
    run()
    run()

    before = [id(p.data) for p in model.parameters()]
    for _ in range(5):
        run()
        assert step._fast_path((X[:2], Y[:2])) is not OUTDATED
    assert [id(p.data) for p in model.parameters()] == before


def test_a_loss_that_a_callback_recorded_during_training_keeps_its_gradient():
    model, optimizer, _ = training()

    class Recording:
        losses: list = []

        def on_epoch(self, run):
            loss = nn.squared_error(run.model(X), Y)
            nn.squared_error(run.model(X), Y).backward()
            self.losses.append((loss, [p.grad for p in run.model.parameters()]))
            optimizer.zero_grad()

    seen = Recording()
    tg.fit(model, nn.squared_error, optimizer, X, Y, epochs=4, compiled=True, callbacks=[seen])
    for loss, expected in seen.losses:
        loss.backward()
        for p, g in zip(model.parameters(), expected, strict=True):
            np.testing.assert_array_equal(p.grad, g)
        optimizer.zero_grad()
