"""Compiled functions: the same numbers as eager, for every operation, layer and optimizer."""

import copy
import gc
import itertools
import linecache
import warnings
import weakref

import numpy as np
import pytest

import tinygrad_mlp as tg
from tests.campaigns import chosen
from tests.every_sample import naming
from tinygrad_mlp.autograd.mode import require_finite
from tinygrad_mlp.autograd.ops.samples import samples_of
from tinygrad_mlp.program.codegen.source import NumPySource
from tinygrad_mlp.program.kernel import kernel_of, literal


def close(one, other):
    for a, b in zip(one, other, strict=True):
        a, b = np.asarray(a), np.asarray(b)
        assert a.dtype == b.dtype and a.shape == b.shape
        tolerance = 1e-12 if a.dtype != np.float32 else 1e-5
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def draws(op):
    """Two draws of the numbers of each sample of an operation."""
    drawn = [samples_of(op, np.random.default_rng(seed)) for seed in (1, 2)]
    for number, (first, second) in enumerate(zip(*drawn, strict=True)):
        masked = op.name in ("getitem", "scatter_add", "store") and any(
            a.dtype == bool for a in first.args[1:]
        )
        if not masked:  # a shape that depends on values: see the test of what is refused
            yield number, first, second


def replays(op, first, second):
    def values(*args):
        out = op(*args, **first.static)
        return out if op.outputs > 1 else (out,)

    compiled = tg.compile(values)
    for sample in (first, second, first):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            expected = values(*sample.args)
            found = compiled(*sample.args)
        close([np.asarray(a) for a in found], [np.asarray(a) for a in expected])
    if compiled.programs:
        compiled.program.check()


@pytest.mark.parametrize("name", tg.OPS)
def test_every_operation_replays_on_other_numbers(name):
    for number, first, second in draws(tg.OPS[name]):
        pairs = zip(first.args, second.args, strict=True)
        if all(np.shape(a) == np.shape(b) for a, b in pairs):
            with naming(f"sample {number}"):
                replays(tg.OPS[name], first, second)


def gradients_replay(op, sample):
    places = [
        i for i, a in enumerate(sample.args)
        if op.rule(i) is not None
        and a is not None and np.asarray(a).dtype.kind == "f"
    ]
    if not places:
        return

    def loss(*args):
        out = op(*args, **sample.static)
        return sum(tg.sum(tg.sin(part)) for part in (out if op.outputs > 1 else (out,)))

    arguments = [np.asarray(a) if a is not None else None for a in sample.args]
    gradient = tg.grad(loss, argnums=tuple(places))
    compiled = tg.compile(lambda *args: gradient(*args))
    try:
        expected = gradient(*arguments)
    except tg.errors.NotDifferentiableError:
        return
    for _ in range(2):
        close(compiled(*arguments), expected)


@pytest.mark.parametrize("name", [op.name for op in tg.OPS.values() if not op.nondifferentiable])
def test_so_do_its_gradients(name):
    for number, sample, _ in itertools.islice(draws(tg.OPS[name]), chosen(3, None)):
        with naming(f"sample {number}"):
            gradients_replay(tg.OPS[name], sample)


def network(seed=0, dtype=np.float64, extra=()):
    rng = np.random.default_rng(seed)
    return tg.nn.Sequential(
        tg.nn.Linear(5, 7, rng=rng, dtype=dtype), tg.nn.Tanh(), *extra,
        tg.nn.Linear(7, 3, rng=rng, dtype=dtype), tg.nn.Sigmoid(),
    )


def step_of(model, optimizer, loss=tg.nn.squared_error):
    def step(x, y):
        value = loss(model(x), y)
        value.backward()
        optimizer.step()
        optimizer.zero_grad()
        return value

    return step


def trained(make, optimizer, compiled, dtype=np.float64, loss=tg.nn.squared_error, sizes=(4,)):
    model = make()
    step = step_of(model, optimizer(model.parameters()), loss)
    step = tg.compile(step) if compiled else step
    rng = np.random.default_rng(5)
    losses = []
    for number in range(12):
        n = sizes[number % len(sizes)]
        x, y = rng.normal(size=(n, 5)).astype(dtype), rng.uniform(size=(n, 3)).astype(dtype)
        losses.append(step(x, y).data)
    return [*losses, *model.state_dict().values()], step


OPTIMIZERS = {
    "sgd": lambda p: tg.optim.SGD(p, lr=0.1),
    "momentum": lambda p: tg.optim.SGD(p, lr=0.1, momentum=0.9),
    "nesterov": lambda p: tg.optim.SGD(p, 0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "schedule": lambda p: tg.optim.SGD(p, lr=tg.optim.schedule.inverse_time(1, 0.1, per="step")),
    "adam": lambda p: tg.optim.Adam(p, lr=0.01, weight_decay=0.1),
    "adamw": lambda p: tg.optim.AdamW(p, lr=0.01),
    "rmsprop": lambda p: tg.optim.RMSprop(p, lr=0.01),
    "centered": lambda p: tg.optim.RMSprop(p, lr=0.01, momentum=0.5, centered=True),
}


def test_the_table_of_optimizers_is_complete():
    kinds = {type(make([tg.nn.Parameter([1.0])])).__name__ for make in OPTIMIZERS.values()}
    assert kinds == {"SGD", "Adam", "AdamW", "RMSprop"}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_trains_as_it_does_eagerly(name, dtype):
    def make():
        return network(dtype=dtype)

    eager, _ = trained(make, OPTIMIZERS[name], False, dtype, sizes=(4, 1))
    found, step = trained(make, OPTIMIZERS[name], True, dtype, sizes=(4, 1))
    close(found, eager)
    assert len(step.programs) == 2
    step.program.check()


LAYERS = {
    "linear": lambda: [tg.nn.Linear(7, 7, rng=np.random.default_rng(3))],
    "dropout": lambda: [tg.nn.Dropout(0.4, rng=np.random.default_rng(3))],
    "layer norm": lambda: [tg.nn.LayerNorm(7)],
    "batch norm": lambda: [tg.nn.BatchNorm1d(7)],
    "relu": lambda: [tg.nn.ReLU()],
    "leaky relu": lambda: [tg.nn.LeakyReLU()],
    "gelu": lambda: [tg.nn.GELU()],
    "silu": lambda: [tg.nn.SiLU()],
    "elu": lambda: [tg.nn.ELU()],
    "recurrent cell": lambda: [tg.nn.RNNCell(7, 7, rng=np.random.default_rng(3))],
    "gated cell": lambda: [tg.nn.GRUCell(7, 7, rng=np.random.default_rng(3))],
    "softplus": lambda: [tg.nn.Softplus()],
    "softmax": lambda: [tg.nn.Softmax()],
    "log softmax": lambda: [tg.nn.LogSoftmax()],
    "tanh": lambda: [tg.nn.Tanh()],
    "sigmoid": lambda: [tg.nn.Sigmoid()],
    "sequential": lambda: [tg.nn.Sequential(tg.nn.Flatten(), tg.nn.ReLU())],
    "identity": lambda: [tg.nn.Identity()],
}


IMAGE_LAYERS = {"BatchNorm2d", "Conv2d", "MaxPool2d", "AvgPool2d", "Flatten"}
"""The layers of the test of convolutions."""


class Reader(tg.nn.Module):
    """A network that reads sequences of symbols, with all layers of sequences."""

    def __init__(self):
        rng = np.random.default_rng(3)
        self.embedding = tg.nn.Embedding(5, 6, rng=rng)
        self.attention = tg.nn.MultiheadAttention(6, 2, causal=True, rng=rng)
        self.convolution = tg.nn.Conv1d(6, 4, 3, padding=1, rng=rng)
        self.cell = tg.nn.LSTMCell(4, 3, rng=rng)

    def forward(self, symbols):
        x = self.attention(self.embedding(symbols))
        x, state = self.convolution(tg.swapaxes(x, 1, 2)), None
        for t in range(symbols.shape[1]):
            state = self.cell(x[:, :, t], state)
        return state[0]


SEQUENCE_LAYERS = {"Embedding", "MultiheadAttention", "Conv1d", "LSTMCell"}


def test_the_table_of_layers_is_complete():
    layers = {
        name for name in tg.nn.__all__
        if isinstance(found := getattr(tg.nn, name), type) and issubclass(found, tg.nn.Module)
    }
    tried = {type(module).__name__ for make in LAYERS.values() for module in make()}
    assert layers - {"Module"} == tried | IMAGE_LAYERS | SEQUENCE_LAYERS


@pytest.mark.parametrize("name", LAYERS)
def test_layers_train_as_they_do_eagerly(name):
    def make():
        return network(extra=LAYERS[name]())

    eager, _ = trained(make, OPTIMIZERS["momentum"], False)
    found, _ = trained(make, OPTIMIZERS["momentum"], True)
    close(found, eager)


def test_layers_of_sequences_do_too():
    def run(compiled):
        rng, model = np.random.default_rng(4), Reader()
        X, Y = rng.integers(0, 5, (24, 7)), np.eye(3)[rng.integers(0, 3, 24)]
        # (With Adam, the rounding errors of a bias of the keys, which has no effect, would count.)
        optimizer = tg.optim.SGD(model.parameters(), lr=0.1)
        tg.fit(model, tg.nn.softmax_cross_entropy, optimizer, X, Y, epochs=3, batch_size=8,
               rng=rng, compiled=compiled)
        return [p.data for p in model.parameters()]

    close(run(True), run(False))


def test_convolutions_and_pooling_do_too():
    def run(compiled):
        rng = np.random.default_rng(0)
        model = tg.nn.Sequential(
            tg.nn.Conv2d(1, 2, 3, padding=1, rng=rng), tg.nn.BatchNorm2d(2), tg.nn.ReLU(),
            tg.nn.MaxPool2d(2),
            tg.nn.Conv2d(2, 3, 2, rng=rng), tg.nn.AvgPool2d(2), tg.nn.Flatten(),
            tg.nn.Linear(3, 2, rng=rng),
        )
        step = step_of(model, tg.optim.Adam(model.parameters()), tg.nn.softmax_cross_entropy)
        step = tg.compile(step) if compiled else step
        losses = [
            step(rng.normal(size=(3, 1, 6, 6)), np.eye(2)[[0, 1, 1]]).item() for _ in range(4)
        ]
        return [*losses, *model.state_dict().values()]

    close(run(True), run(False))


LOSSES = {
    name: getattr(tg.nn, name)
    for name in tg.nn.__all__ if name.islower() and callable(getattr(tg.nn, name))
}
LOSSES["hinge"] = lambda p, t: tg.nn.hinge(p, np.sign(t - 0.5))
LOSSES["of ones own"] = lambda p, t: tg.sum(tg.abs(p - t))


def test_the_table_of_losses_is_complete():
    of_ops = {name for name, op in tg.OPS.items() if "target" in op.arrays}
    assert of_ops < set(LOSSES)


@pytest.mark.parametrize("name", LOSSES)
def test_losses_do_too(name):
    eager, _ = trained(network, OPTIMIZERS["sgd"], False, loss=LOSSES[name])
    found, _ = trained(network, OPTIMIZERS["sgd"], True, loss=LOSSES[name])
    close(found, eager)


def test_gradients_that_stay_are_left_in_the_parameters():
    def run(compiled):
        model = network()

        def step(x, y):
            tg.nn.squared_error(model(x), y).backward()

        step = tg.compile(step) if compiled else step
        rng = np.random.default_rng(5)
        for _ in range(3):  # they accumulate
            step(rng.normal(size=(4, 5)), rng.uniform(size=(4, 3)))
        return [p.grad for p in model.parameters()]

    close(run(True), run(False))


def test_zero_grad_first_is_as_good_as_last():
    def run(compiled):
        model = network()
        optimizer = tg.optim.SGD(model.parameters(), lr=0.1)

        def step(x, y):
            optimizer.zero_grad()
            tg.nn.squared_error(model(x), y).backward()
            optimizer.step()

        step = tg.compile(step) if compiled else step
        rng = np.random.default_rng(5)
        for _ in range(4):
            step(rng.normal(size=(4, 5)), rng.uniform(size=(4, 3)))
        if compiled:
            assert sum(map(len, step.programs.values())) == 1
        return [p.data for p in model.parameters()] + [p.grad for p in model.parameters()]

    close(run(True), run(False))


def test_an_update_by_hand_is_recorded():
    w = tg.nn.Parameter(np.array([1.0, 2.0]))

    @tg.compile
    def step(x):
        loss = tg.sum((w * x) ** 2)
        loss.backward()
        w.data = w.data - 0.1 * w.grad
        w.grad = None
        return loss

    losses = [step(np.ones(2)).item() for _ in range(3)]
    np.testing.assert_allclose(losses, [5.0, 5 * 0.64, 5 * 0.64**2])


def test_the_arrays_a_user_holds_are_not_written_to():
    model = network()
    before = [p.data for p in model.parameters()]
    kept = copy.deepcopy(before)
    step = tg.compile(step_of(model, tg.optim.SGD(model.parameters(), lr=0.1)))
    x, y = np.ones((4, 5)), np.ones((4, 3))
    for _ in range(3):
        step(x, y)
    close(before, kept)
    close([x, y], [np.ones((4, 5)), np.ones((4, 3))])


def test_weights_put_in_between_are_used():
    model = network()
    step = tg.compile(lambda x: model(x))
    x = np.ones((2, 5))
    step(x)
    other = network(seed=9)
    model.load_state_dict(other.state_dict())
    close([step(x).data], [other(x).data])


def test_the_learning_rate_and_the_mode_are_those_of_the_moment():
    model = network(extra=[tg.nn.Dropout(0.5, rng=np.random.default_rng(0))])
    optimizer = tg.optim.SGD(model.parameters(), lr=0.1)
    step = tg.compile(step_of(model, optimizer))
    x, y = np.ones((4, 5)), np.ones((4, 3))
    step(x, y)
    optimizer.lr = 0.0
    before = model.state_dict()
    assert step(x, y).item() != step(x, y).item()  # other masks
    close(before.values(), model.state_dict().values())
    model.eval()
    np.testing.assert_allclose(step(x, y).item(), step(x, y).item(), rtol=1e-12)


def test_a_program_keeps_nothing_of_its_first_inputs():
    step = tg.compile(lambda x: tg.sum(tg.tanh(x)))
    x = np.ones((50, 50))
    gone = weakref.ref(x)
    step(x)
    del x
    gc.collect()
    assert gone() is None


def test_results_are_not_overwritten_by_the_next_run():
    double = tg.compile(lambda x: tg.tanh(x) * 2 + 1)
    double(np.zeros(3))
    first = double(np.zeros(3))
    double(np.full(3, 5.0))
    close([first], [np.ones(3)])


def test_nestings_and_names_are_taken_and_given_back():
    @tg.compile
    def f(both, *, scale):
        return {"sum": both["a"] + both["b"], "scaled": [both["a"] * scale, 3]}

    for scale in (2.0, 3.0):
        out = f({"a": np.ones(2), "b": np.zeros(2)}, scale=scale)
        close([out["sum"], out["scaled"][0]], [np.ones(2), np.full(2, scale)])
        assert out["scaled"][1] == 3
    assert len(f.programs) == 1


def test_an_argument_that_keeps_changing_is_named_in_a_warning():
    f = tg.compile(lambda x: x * 2.0)
    with pytest.warns(RuntimeWarning, match=r"more than 16 programs.*'x'"):
        for n in range(1, 19):
            f(np.ones(n))
    assert len(f.programs) <= 17


UNRECORDABLE = {
    "a branch": lambda x: x if tg.sum(x) > 0 else -x,
    "item": lambda x: x * tg.sum(x).item(),
    "float": lambda x: x * float(tg.sum(x)),
    "an array": lambda x: x * np.asarray(tg.sum(x)),
    "a mask": lambda x: x[x > 0],
    "a parameter": lambda x: tg.sum(x, axis=tg.sum(x)),
}


@pytest.mark.parametrize("name", UNRECORDABLE)
def test_what_cannot_be_recorded_is_refused_with_the_line(name):
    with pytest.raises(tg.errors.TraceError, match=r"test_compile\.py:\d+"):
        tg.compile(UNRECORDABLE[name])(np.ones(3))


def test_nothing_has_happened_where_recording_fails():
    model = network(extra=[tg.nn.Dropout(0.5, rng=np.random.default_rng(0))])
    optimizer = tg.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    before, state = model.state_dict(), model.layers[2].rng.bit_generator.state

    @tg.compile
    def step(x):
        loss = tg.sum(model(x))
        loss.backward()
        optimizer.step()
        if loss > 0:
            return loss

    with pytest.raises(tg.errors.TraceError):
        step(np.ones((2, 5)))
    close(before.values(), model.state_dict().values())
    assert model.layers[2].rng.bit_generator.state == state
    assert optimizer.steps == 0
    assert all(p.grad is None for p in model.parameters())


def test_a_tensor_from_an_outside_graph_is_refused():
    w = tg.Tensor([1.0], requires_grad=True)
    outside = w * 2
    with pytest.raises(tg.errors.TraceError, match="computed outside"):
        tg.compile(lambda x: x * outside)(np.ones(1))


def classic_step():
    model = tg.NeuralNetwork([6, 4, 3], "mean_square", False, False, seed=0).model
    optimizer = tg.optim.SGD(model.parameters(), lr=0.1)
    return tg.compile(step_of(model, optimizer, tg.nn.squared_error)), model


def test_the_source_reads_like_backpropagation_by_hand():
    step, _ = classic_step()
    step(np.ones((2, 6)), np.ones((2, 3)))
    text = step.readable
    lines = [line.split("#")[0].strip() for line in text.splitlines()]
    for expected in ("z2 = x @ W1.T", "a2 = np.tanh(z2)", "z3 = a2 @ W2.T",
                     "a3 = special.expit(z3)"):
        assert expected in lines
    assert any(line.startswith("delta3 = ") for line in lines)
    assert any(line.startswith("delta2 = ") for line in lines)
    assert max(map(len, text.splitlines())) <= 100


def test_the_source_runs_on_its_own():
    step, model = classic_step()
    x, y = np.ones((2, 6)), np.full((2, 3), 0.25)
    step(x, y)
    for text in (step.source, step.readable):
        scope = {}
        exec(text, scope)
        W1, W2 = (w.data.copy() for w in model.parameters())
        out = scope["step"](x, y, W1, W2, 0.1)
        expected = tg.nn.squared_error(model(x), y)
        close([out[0]], [expected.data])


def test_every_pass_leaves_the_numbers_alone(rng):
    step, model = classic_step()
    x, y = rng.normal(size=(2, 6)), rng.uniform(size=(2, 3))
    step(x, y)
    executable = step.executable
    recorded, program = executable.recorded, executable.program
    weights = [w.data.copy() for w in model.parameters()]

    def values(of):
        given = {"x": x, "y": y, "W1": weights[0], "W2": weights[1], "lr": 0.1}
        results, updates = of.run([np.copy(given[v.name]) if v.name != "lr" else 0.1
                                   for v in of.inputs if v.name in given])
        return [*results, *updates]

    close(values(executable.simplified), values(program))
    assert len(program.instructions) < len(recorded.instructions) + 8
    assert "in place: 2" in program.explain_passes()
    assert "learning rate once" in program.explain_passes()
    assert "W1" in str(program) and "(4, 6)" in str(program)


def test_a_program_put_together_wrongly_does_not_pass_the_check():
    step, _ = classic_step()
    step(np.ones((2, 6)), np.ones((2, 3)))
    from dataclasses import replace

    program = step.executable.simplified
    backwards = replace(program, instructions=program.instructions[::-1])
    with pytest.raises(tg.errors.ProgramError, match="before it is computed"):
        backwards.check()
    doubled = replace(program, instructions=(*program.instructions, program.instructions[0]))
    with pytest.raises(tg.errors.ProgramError, match="a second time"):
        doubled.check()
    everything = {"axis": None, "keepdims": False}
    wrong = program.instructions[0].changed(op=tg.OPS["sum"], static=everything)
    with pytest.raises(tg.errors.ProgramError, match="written down as"):
        replace(program, instructions=(wrong,)).check()


def test_source_holds_generators_and_large_constants_as_given():
    rng = np.random.default_rng(0)
    large = np.arange(20.0)
    layer = tg.nn.Dropout(0.5, rng=rng)
    f = tg.compile(lambda x: layer(x * large))
    f(np.ones(20))
    source = NumPySource(f.program)
    assert "given: rng1, a Generator" in source.text
    assert any(value is large for value in source.given.values())


def test_a_number_required_to_be_finite_stops_a_run_before_anything_is_changed():
    w = tg.nn.Parameter(np.array([1.0, 2.0]), name="w")
    optimizer = tg.optim.SGD([w], lr=0.1, momentum=0.5)

    @tg.compile
    def step(x):
        loss = tg.sum((w * x) ** 2)
        require_finite(loss)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    for first in (np.nan, 1.0, np.nan):  # while it is recorded, and as the program runs
        before, steps = w.data.copy(), optimizer.steps
        if np.isnan(first):
            with pytest.raises(FloatingPointError):
                step(np.array([first, 1.0]))
            np.testing.assert_array_equal(w.data, before)
            assert optimizer.steps == steps
        else:
            step(np.array([first, 1.0]))
            assert optimizer.steps == steps + 1


def test_an_axis_exchanged_with_itself_is_not_written_as_a_transpose():
    a = np.arange(6.0).reshape(2, 3)
    for axis in (-1, -2):
        f = tg.compile(lambda x, axis=axis: tg.swapaxes(x * 2, axis1=axis, axis2=axis) + 0)
        for x in (a, a + 1):
            np.testing.assert_array_equal(f(x), 2 * x)
        assert ".T" not in NumPySource(f.program).text


@pytest.mark.parametrize("fill", [np.inf, -np.inf, np.nan, np.float32(np.inf)])
def test_a_parameter_that_is_not_finite_is_no_bare_name_in_the_source(fill):
    @tg.op(register=False, rules={"x": lambda g, y, x, fill: tg.where(x > 0, g, 0)})
    def masked(x, *, fill):
        return np.where(x > 0, x, fill)

    f = tg.compile(lambda x: masked(x * 2, fill=fill))
    for x in (np.arange(3.0) - 1, np.arange(3.0)):
        np.testing.assert_array_equal(f(x), masked(x * 2, fill=fill))
    with pytest.raises(LookupError):
        literal(fill)


def test_a_function_may_have_the_name_of_one_that_it_calls():
    def tanh(x):
        return tg.tanh(x)

    def softmax(rng1, c1):
        return tg.softmax(rng1) * np.arange(9.0) + c1

    x = np.linspace(0, 1, 9)
    for function in (tanh, softmax):
        f = tg.compile(function)
        arguments = [x] if function is tanh else [x, x]
        for _ in range(3):
            np.testing.assert_array_equal(f(*arguments), function(*arguments))


FACTOR = 0.5


@tg.op(register=False, rules={"x": lambda g, y, x: g * FACTOR})
def halved(x):
    return x * FACTOR


@tg.op(register=False, rules={"x": lambda g, y, x, limit: g})
def capped(x, *, limit):
    return np.minimum(x, limit)


@pytest.mark.parametrize("update", [halved, lambda x: capped(x, limit=np.inf)])
def test_what_cannot_be_written_in_place_is_handed_over(update):
    w = tg.nn.Parameter(np.ones(3), name="w")

    @tg.compile
    def step(x):
        w.data = update(w + x).data
        return tg.sum(w)

    expected = np.ones(3)
    for _ in range(5):
        step(np.ones(3))
        expected = update(expected + 1)
        np.testing.assert_allclose(w.data, expected)


def test_a_view_that_einsum_makes_is_known_to_be_one():
    """The memory of what it views must not be written over while the view is in use."""
    a = np.arange(6.0).reshape(2, 3)
    assert np.shares_memory(np.einsum("ij->ji", a), a)

    @tg.op(register=False, rules={"a": lambda g, y, a: g.T})
    def turned(a):
        return np.einsum("ij->ji", a)

    assert kernel_of(turned).may_alias


def test_the_fast_path_sees_everything_that_is_no_longer_as_it_was(rng):
    """The same step beside an eager one, while this and that is changed from outside."""
    rngs = [np.random.default_rng(1) for _ in range(2)]
    models = [
        tg.nn.Sequential(tg.nn.Linear(4, 5, rng=r), tg.nn.Tanh(), tg.nn.Linear(5, 2, rng=r))
        for r in rngs
    ]
    optimizers = [tg.optim.SGD(model.parameters(), lr=0.1) for model in models]

    def step_of(model, optimizer):
        def step(x, y):
            loss = tg.nn.squared_error(model(x), y)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            return loss

        return step

    eager, recorded = map(step_of, models, optimizers)
    compiled = tg.compile(recorded)

    def same(rows=3, dtype=float):
        x, y = rng.normal(size=(rows, 4)).astype(dtype), rng.normal(size=(rows, 2)).astype(dtype)
        close([eager(x, y).data], [compiled(x, y).data])
        for p, q in zip(models[0].parameters(), models[1].parameters(), strict=True):
            close([p.data], [q.data])
            assert q.grad is None

    def everywhere(change):
        for model, optimizer in zip(models, optimizers, strict=True):
            change(model, optimizer)

    changes = [
        lambda model, optimizer: None,
        lambda model, optimizer: setattr(optimizer, "lr", 0.05),
        lambda model, optimizer: setattr(optimizer, "lr", lambda k: 0.01),
        lambda model, optimizer: optimizer.hyperparameters.update(weight_decay=0.1),
        lambda model, optimizer: setattr(model[0].weight, "data", np.ones((5, 4))),
        lambda model, optimizer: setattr(model[0].bias, "grad", np.ones(5)),
        lambda model, optimizer: setattr(model[2].weight, "data",
                                         np.asfortranarray(model[2].weight.data)),
    ]
    for change in changes:
        for _ in range(4):
            same()
        everywhere(change)
        for _ in range(4):
            same()
    assert compiled.executable.fast_path is not None
    same(rows=2)
    same(rows=3)
    assert (optimizers[0].steps, optimizers[1].steps) == (58, 58)
    with pytest.raises(TypeError):
        compiled(np.ones((3, 4)))


def test_operations_of_one_name_or_of_none_stay_apart(rng):
    def opaque(scale):
        def forward(x):
            y = scale * x
            return y

        return tg.op(rules={"x": lambda g, y, x: scale * g}, register=False, name="tanh")(forward)

    twice, thrice = opaque(2.0), opaque(3.0)
    nameless = tg.op(rules={"x": lambda g, y, x: g}, register=False)(lambda x: x + 1.0)
    f = tg.compile(lambda x: nameless(twice(x)) + thrice(x))
    x = rng.normal(size=3)
    for _ in range(3):
        close([f(x)], [5 * x + 1])


def test_tensors_among_the_arguments_are_data():
    compiled = tg.compile(lambda w, x: tg.sum(tg.tanh(w) * x))
    for scale in (1.0, 2.0, 3.0):
        w = tg.Tensor(np.arange(3.0), name="w") * scale
        result = compiled(w, np.ones(3))
        assert isinstance(result, tg.Tensor)
        assert result.item() == np.sum(np.tanh(np.arange(3.0) * scale))
    assert len(compiled.programs) == 1


def test_several_results_come_by_the_fast_path_and_in_their_order():
    W = tg.Tensor(np.eye(2), requires_grad=True)

    @tg.compile
    def step(x):
        y = x @ W
        return tg.sum(y * y), y.data

    x = np.array([[1.0, 2.0]])
    for factor in (1.0, 2.0, 3.0):
        loss, y = step(factor * x)
        assert isinstance(loss, tg.Tensor) and type(y) is np.ndarray
        assert loss.item() == 5 * factor**2
        np.testing.assert_array_equal(y, factor * x)
    assert step.executable.fast_path is not None


@pytest.mark.parametrize("also_used", [True, False])
def test_a_parameter_that_is_returned_has_its_present_numbers(also_used):
    w = tg.Tensor([1.0, 2.0], requires_grad=True)
    compiled = tg.compile(lambda x: (w, tg.sum(w * x) if also_used else x))
    for number in range(4):
        found, _ = compiled(np.ones(2))
        np.testing.assert_array_equal(found.numpy(), w.data)
        with tg.no_grad():
            w += number


def test_lines_of_programs_that_are_gone_are_removed_with_the_next_program():
    # Not when garbage is collected, which may be in the middle of `linecache.checkcache`.
    f = tg.compile(lambda x: np.tanh(x) * 2)
    f(np.ones(3))
    source = NumPySource(f.program)

    def files():
        return {name for name in linecache.cache if name.startswith("<program")}

    gc.collect()
    kept = source.compiled()
    before = files()
    source.compiled()
    gc.collect()
    assert len(files()) == len(before) + 1
    again = source.compiled()
    assert len(files()) == len(before) + 1
    assert kept is not again
