"""Deferred updates: the first weight is updated once a block, and the numbers stay the same."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_mlp as tg
from tinygrad_mlp import nn, optim
from tinygrad_mlp.program.deferred import block as blocks

RULES = {
    "sgd": lambda p: optim.SGD(p, 0.1),
    "momentum": lambda p: optim.SGD(p, 0.05, momentum=0.9),
    "nesterov": lambda p: optim.SGD(p, 0.05, momentum=0.8, nesterov=True),
    "decay": lambda p: optim.SGD(p, 0.1, weight_decay=0.1),
    "all": lambda p: optim.SGD(p, 0.05, momentum=0.7, nesterov=True, weight_decay=0.05),
    "by epoch": lambda p: optim.SGD(p, optim.schedule.inverse_time(10, 5)),
    "by step": lambda p: optim.SGD(p, optim.schedule.cosine(0.1, 0.0, 60, "step"), momentum=0.5),
}
LOSSES = [nn.squared_error, nn.binary_cross_entropy]


def training(rule, batch, bias=True, loss=nn.squared_error, n=200):
    """A compiled step that has been run once, its model and optimizer, and data."""
    rng = np.random.default_rng(1)
    model = nn.Sequential(
        nn.Linear(6, 5, bias, rng=rng), nn.Tanh(), nn.Linear(5, 3, bias, rng=rng), nn.Sigmoid()
    )
    optimizer = rule(model.parameters())

    @tg.compile
    def step(x, y):
        value = loss(model(x), y)
        value.backward()
        optimizer.step()
        optimizer.zero_grad()
        return value

    X, Y = rng.normal(size=(n, 6)), np.eye(3)[rng.integers(0, 3, n)]
    step(X[:batch], Y[:batch])
    return step, model, optimizer, X, Y


def numbers(model, optimizer):
    return {**model.state_dict(), **optimizer.state_dict()["arrays"], "steps": optimizer.steps}


def assert_blocks_equal_steps(rule, batch, block, n_blocks=3, threads=None, **chosen):
    n = batch * block * n_blocks
    step, model, optimizer, X, Y = training(rule, batch, n=n, **chosen)
    losses = [step(X[i : i + batch], Y[i : i + batch]).item() for i in range(0, n, batch)]
    expected = numbers(model, optimizer)

    step, model, optimizer, X, Y = training(rule, batch, n=n, **chosen)
    plan = blocks.plan(step.executable, optimizer, block)
    plan.threads = threads
    rows = batch * block
    for number, i in enumerate(range(0, n, rows), 1):
        loss = plan.run(X[i : i + rows], Y[i : i + rows]).last
        np.testing.assert_allclose(loss, losses[number * block - 1], rtol=1e-9)
    for name, value in numbers(model, optimizer).items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-9, atol=1e-9, err_msg=name)
    return plan


@pytest.mark.parametrize("threads", [None, 2])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", RULES)
def test_blocks_give_the_numbers_of_single_steps(name, bias, threads):
    plan = assert_blocks_equal_steps(RULES[name], 1, 7, bias=bias, threads=threads)
    assert (plan.pattern.bias is not None) is bias


@given(
    name=st.sampled_from(sorted(RULES)), batch=st.integers(1, 64), block=st.integers(2, 12),
    loss=st.sampled_from(LOSSES),
)
@settings(deadline=None, max_examples=40)
def test_so_they_do_for_batches_and_blocks_of_any_size(name, batch, block, loss):
    assert_blocks_equal_steps(RULES[name], batch, block, n_blocks=2, loss=loss)


def test_over_thousands_of_steps():
    assert_blocks_equal_steps(RULES["all"], 1, 40, n_blocks=75)


@pytest.mark.parametrize("name", RULES)
def test_a_shorter_block_has_done_the_steps_there_were(name):
    step, model, optimizer, X, Y = training(RULES[name], 2)
    for i in range(0, 6, 2):
        step(X[i : i + 2], Y[i : i + 2])
    expected = numbers(model, optimizer)

    step, model, optimizer, X, Y = training(RULES[name], 2)
    blocks.plan(step.executable, optimizer, 9).run(X[:6], Y[:6])
    for key, value in numbers(model, optimizer).items():
        np.testing.assert_allclose(value, expected[key], rtol=1e-9, atol=1e-9, err_msg=key)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_that_is_not_finite_changes_nothing(loss):
    step, model, optimizer, X, Y = training(RULES["momentum"], 1, loss=loss)
    before = numbers(model, optimizer)
    plan = blocks.plan(step.executable, optimizer, 5)
    X[3] = np.nan
    with pytest.raises(FloatingPointError):
        plan.run(X[:5], Y[:5])
    for key, value in numbers(model, optimizer).items():
        np.testing.assert_array_equal(value, before[key], err_msg=key)


@pytest.mark.parametrize("make", [optim.Adam, optim.AdamW, optim.RMSprop])
def test_rules_that_are_not_linear_are_left_alone(make):
    step, _, optimizer, _, _ = training(lambda p: make(p, 0.01), 1)
    assert blocks.plan(step.executable, optimizer, 5) is None


def test_a_weight_that_is_used_twice_is_left_alone():
    rng = np.random.default_rng(0)
    W, V = nn.Parameter(rng.normal(size=(3, 3)), name="W"), nn.Parameter(rng.normal(size=(2, 3)))
    optimizer = optim.SGD([W, V], 0.1)

    @tg.compile
    def step(x, y):
        loss = nn.squared_error(tg.tanh(x @ W.T) @ W.T @ V.T, y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    step(rng.normal(size=(2, 3)), rng.normal(size=(2, 2)))
    assert blocks.plan(step.executable, optimizer, 5) is None


def single_steps_and_blocks(make, loss, batch=2, block=5, shape=(6,), classes=3, n=60):
    """Weights and losses of a model trained by single steps, and by blocks."""
    results = []
    for by_blocks in (False, True):
        rng = np.random.default_rng(1)
        model, parameters = make(rng)
        optimizer = optim.SGD(parameters, 0.1, momentum=0.5)

        @tg.compile
        def step(x, y, model=model, optimizer=optimizer):
            value = loss(model(x), y)
            value.backward()
            optimizer.step()
            optimizer.zero_grad()
            return value

        X, Y = rng.normal(size=(n, *shape)), np.eye(classes)[rng.integers(0, classes, n)]
        for i in (0, batch):
            step(X[i : i + batch], Y[i : i + batch])
        if by_blocks:
            plan = blocks.plan(step.executable, optimizer, block)
            rows = batch * block
            for i in range(0, n, rows):
                value = plan.run(X[i : i + rows], Y[i : i + rows]).last
        else:
            for i in range(0, n, batch):
                value = step(X[i : i + batch], Y[i : i + batch]).item()
        results.append([value, *(p.data for p in parameters)])
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)
    return plan


def sequential(layers):
    def make(rng):
        model = nn.Sequential(*layers(rng))
        return model, list(model.parameters())

    return make


NETWORKS = {
    "one layer": lambda rng: [nn.Linear(6, 3, rng=rng)],
    "three layers": lambda rng: [
        nn.Linear(6, 5, rng=rng), nn.ReLU(), nn.Linear(5, 4, rng=rng), nn.GELU(),
        nn.Linear(4, 3, rng=rng),
    ],
    "dropout": lambda rng: [
        nn.Linear(6, 5, rng=rng), nn.Tanh(), nn.Dropout(0.4, rng=rng), nn.Linear(5, 3, rng=rng)
    ],
    "batch norm": lambda rng: [
        nn.Linear(6, 5, rng=rng), nn.BatchNorm1d(5), nn.Tanh(), nn.Linear(5, 3, rng=rng)
    ],
    "layer norm": lambda rng: [
        nn.Linear(6, 5, False, rng=rng), nn.LayerNorm(5), nn.Softplus(), nn.Linear(5, 3, rng=rng)
    ],
}


@pytest.mark.parametrize("name", NETWORKS)
def test_other_networks_can_be_trained_in_blocks(name):
    single_steps_and_blocks(sequential(NETWORKS[name]), nn.softmax_cross_entropy)


def test_large_products_of_the_other_layers_are_written_where_they_belong():
    def layers(rng):
        return [
            nn.Linear(6, 70, rng=rng), nn.Tanh(), nn.Linear(70, 60, rng=rng), nn.Tanh(),
            nn.Linear(60, 50, rng=rng),
        ]

    plan = single_steps_and_blocks(sequential(layers), nn.squared_error, batch=4, classes=50)
    assert plan.source.count("dgemm(1, ") == 4  # by the BLAS that adds products, forth and back


def test_a_loss_of_ones_own_is_computed_step_by_step():
    def loss(prediction, target):
        return tg.mean(tg.abs(prediction - target) ** 1.5)

    plan = single_steps_and_blocks(sequential(NETWORKS["three layers"]), loss)
    assert "losses.append" in plan.source


def test_images_that_are_flattened_first_are_samples_too():
    def layers(rng):
        return [nn.Flatten(), nn.Linear(6, 4, rng=rng), nn.Tanh(), nn.Linear(4, 3, rng=rng)]

    single_steps_and_blocks(sequential(layers), nn.squared_error, shape=(1, 2, 3))


def test_arrays_that_were_handed_out_are_not_written_to():
    step, model, optimizer, X, Y = training(RULES["all"], 1)
    plan = blocks.plan(step.executable, optimizer, 5)
    plan.run(X[:5], Y[:5])
    held = [p.data for p in model.parameters()]
    kept = [a.copy() for a in held]
    for i in range(5, 25, 5):
        plan.run(X[i : i + 5], Y[i : i + 5])
    for now, then in zip(held, kept, strict=True):
        np.testing.assert_array_equal(now, then)
    assert not any(p.data is a for p, a in zip(model.parameters(), held, strict=True))


def test_masks_are_drawn_again_where_a_block_was_not_done():
    rng = np.random.default_rng(0)
    dropout = nn.Dropout(0.5, rng=np.random.default_rng(5))
    model = nn.Sequential(nn.Linear(6, 5, rng=rng), dropout, nn.Linear(5, 3, rng=rng))
    optimizer = optim.SGD(model.parameters(), 0.1)

    @tg.compile
    def step(x, y):
        loss = nn.squared_error(model(x), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    X, Y = rng.normal(size=(10, 6)), np.eye(3)[rng.integers(0, 3, 10)]
    step(X[:1], Y[:1])
    X[4] = np.inf
    before = dropout.rng.bit_generator.state
    with pytest.raises(FloatingPointError), np.errstate(invalid="ignore"):
        blocks.plan(step.executable, optimizer, 5).run(X[:5], Y[:5])
    assert dropout.rng.bit_generator.state == before


def test_the_source_of_a_block_is_a_loop_over_steps():
    step, _, optimizer, _, _ = training(RULES["sgd"], 1, bias=False)
    source = blocks.plan(step.executable, optimizer, 5).source
    assert "for weights, before, d, p," in source
    assert "W1" not in source  # it is read before the loop, and written after it
    assert "W2_T = W2.T" in source.partition("for ")[0]


def test_arguments_may_have_the_names_of_the_loop():
    expected, _, _, X, Y = training(RULES["sgd"], 1)
    same, _, optimizer, _, _ = training(RULES["sgd"], 1)
    step = tg.compile(lambda weights, p: same.function(weights, p))
    for i in range(1, 6):
        loss = expected(X[i : i + 1], Y[i : i + 1]).item()
    step.prepare(X[:1], Y[:1], confirmed=True)
    plan = blocks.plan(step.executable, optimizer, 5)
    np.testing.assert_allclose(plan.run(X[1:6], Y[1:6]).last, loss, rtol=1e-9)


def test_small_weights_are_deferred_only_on_request():
    step, _, optimizer, _, _ = training(RULES["sgd"], 1)
    assert blocks.plan(step.executable, optimizer) is None
    assert blocks.plan(step.executable, optimizer, 5).steps == 5
