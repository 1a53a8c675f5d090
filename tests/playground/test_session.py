"""The playground without a browser: what commands do, and that bad ones do nothing."""

import json
import struct
import time
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_mlp as tg
from tinygrad_mlp.errors import InvalidArgumentError, TinygradError
from tinygrad_mlp.playground import examples, play
from tinygrad_mlp.playground.commands import COMMANDS, LARGEST, command
from tinygrad_mlp.playground.experiment import PlayExperiment
from tinygrad_mlp.playground.frames import Parts
from tinygrad_mlp.playground.session import INTERVAL, MOST_COMMANDS, Session
from tinygrad_mlp.playground.settings import (
    ACTIVATIONS,
    INITIALISERS,
    LOSSES,
    OPTIMIZERS,
    PRESETS,
    WRONG_RULES,
    PlaySettings,
)
from tinygrad_mlp.playground.trainer import activation_op, built


class Seen:
    """A view that keeps its messages: headers and payloads."""

    def __init__(self):
        self.messages = []

    def offer(self, message):
        (length,) = struct.unpack("<I", message[:4])
        self.messages.append((json.loads(message[4:4 + length]), message[4 + length:]))

    def kinds(self):
        return [header["type"] for header, _ in self.messages]

    def last(self, kind):
        return [message for message in self.messages if message[0]["type"] == kind][-1]


def experiment(data="spirals", **settings):
    return PlayExperiment(None, data, None, PlaySettings(**settings))


@pytest.fixture
def session():
    """A session without a thread, and a view of it."""
    made = Session(experiment())
    view = Seen()
    made.add(view)
    made._take_commands()
    return made, view


def tell(session, view, **message):
    session._guarded(view, lambda: session.handle(view, json.dumps(message)))


@pytest.mark.parametrize("loss", [name for name in LOSSES if name != "regression"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_steps_are_those_of_fit_bit_for_bit(loss, optimizer):
    settings = PlaySettings(loss=loss, optimizer=optimizer, hidden=(5,), seed=3, batch=16)
    played = experiment(**vars(settings))
    for _ in range(15 * 2):
        assert played.step("batch")
    data = examples("spirals", noise=settings.noise, seed=3)
    model = built(settings, 2, 3)
    made = OPTIMIZERS[optimizer](model.parameters(), lr=settings.lr)
    tg.fit(model, LOSSES[loss], made, data.X, data.Y, epochs=2, batch_size=16,
           rng=np.random.default_rng(3), compiled=False)
    for ours, theirs in zip(played.trainers[0].model.parameters(), model.parameters(), strict=True):
        np.testing.assert_array_equal(ours.data, theirs.data)


def test_an_exported_program_trains_the_same_network(session, capsys):
    made, view = session
    for message in ({"do": "set", "name": "hidden", "value": [4]},
                    {"do": "set", "name": "loss", "value": "squared error"},
                    {"do": "step", "unit": "epoch"}, {"do": "step", "unit": "epoch"},
                    {"do": "export", "what": "program"}):
        tell(made, view, **message)
    header, program = view.last("file")
    assert header["name"] == "train.py"
    names = {}
    exec(program.decode(), names)
    trained = made.experiment.trainers[0].model.parameters()
    for ours, theirs in zip(trained, names["model"].parameters(), strict=True):
        np.testing.assert_array_equal(ours.data, theirs.data)
    assert "accuracy" in capsys.readouterr().out


@pytest.mark.parametrize(("unit", "samples"), [("sample", 1), ("batch", 10), ("epoch", 240)])
def test_a_step_takes_a_sample_a_batch_or_an_epoch(session, unit, samples):
    made, view = session
    tell(made, view, do="step", unit=unit)
    trainer = made.experiment.trainers[0]
    assert trainer.epochs * 240 == pytest.approx(samples)
    assert trainer.runner.order.samples == samples


@pytest.mark.parametrize(("name", "value"), [
    *(("activation", name) for name in ACTIVATIONS), *(("optimizer", name) for name in OPTIMIZERS),
    *(("init", name) for name in INITIALISERS), ("hidden", [3, 2]), ("hidden", []), ("lr", 0.5),
    ("batch", 7), ("rate", 20), ("noise", 0.2), ("seed", 5), ("loss", "squared error")])
def test_a_setting_is_taken_and_told_and_training_goes_on(session, name, value):
    made, view = session
    tell(made, view, do="step", unit="batch")
    tell(made, view, do="set", name=name, value=value)
    told = view.last("hello")[0]["settings"][name]
    assert told == value and "error" not in view.kinds()
    tell(made, view, do="step", unit="epoch")
    assert "error" not in view.kinds()
    trainer = made.experiment.trainers[0]
    if name == "lr":
        assert trainer.run.optimizer.lr == 0.5 and trainer.run.iteration > 5
    if name == "loss":
        assert trainer.runner.loss is LOSSES[value]


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_train_and_lower_the_loss(preset):
    session, view = Session(experiment()), Seen()
    session.views[view] = 0
    tell(session, view, do="preset", name=preset)
    trainer = session.experiment.trainers[0]
    before = trainer.evaluated()[0]
    for _ in range(3):
        tell(session, view, do="step", unit="epoch")
    assert trainer.evaluated()[0] < before and "error" not in view.kinds()


def test_a_rival_starts_from_the_same_weights_and_its_gradients_vanish():
    session, view = Session(experiment()), Seen()
    tell(session, view, do="preset", name="vanishing gradient")
    first, rival = session.experiment.trainers
    for a, b in zip(first.model.parameters(), rival.model.parameters(), strict=True):
        np.testing.assert_array_equal(a.data, b.data)
    tell(session, view, do="step", unit="batch")
    assert max(rival.norms()) < max(first.norms())


@pytest.mark.parametrize(("activation", "rule"), [
    (activation, rule) for activation, rules in WRONG_RULES.items() for rule in rules])
def test_a_wrong_rule_fails_the_check_that_names_operation_and_argument(activation, rule):
    session, view = Session(experiment(activation=activation)), Seen()
    session.views[view] = 0
    tell(session, view, do="check")
    assert view.last("check")[0]["ok"]
    tell(session, view, do="plant", rule=rule)
    told = view.last("check")[0]
    assert not told["ok"] and activation in told["text"] and "'x'" in told["text"]
    tell(session, view, do="step", unit="batch")
    tell(session, view, do="plant", rule="")
    assert view.last("check")[0]["ok"] and activation_op(session.experiment.settings).rules == (
        ACTIVATIONS[activation].rules)


def test_a_frame_has_the_weights_and_gradients_of_the_step(session):
    made, view = session
    tell(made, view, do="step", unit="batch")
    made._send_frames()
    header, payload = view.last("frame")
    parts, place = {}, 0
    for part in header["parts"]:
        n = int(np.prod(part["shape"]))
        values = np.frombuffer(payload, np.int8, n, place) * part["scale"]
        parts[part["name"]], place = values.reshape(part["shape"]), place + n
    assert place == len(payload) < 65_536
    trainer = made.experiment.trainers[0]
    for number, layer in enumerate(trainer.layers()):
        for name, right in (("weights", layer.weight.data), ("gradients", layer.weight.grad)):
            bound = np.abs(right).max() / 127
            np.testing.assert_allclose(parts[f"{name}{number}"], right, rtol=0, atol=bound)
    assert parts["boundary"].shape == (48, 48, 3)
    assert header["trainings"][0]["norms"] == pytest.approx(
        [np.linalg.norm(layer.weight.grad) for layer in trainer.layers()])


def test_a_second_frame_waits_until_the_first_is_drawn(session):
    made, view = session
    tell(made, view, do="step", unit="batch")
    made._send_frames()
    count = view.kinds().count("frame")
    tell(made, view, do="step", unit="batch")
    made._last_frame = 0
    made._send_frames()
    assert view.kinds().count("frame") == count
    tell(made, view, do="ack")
    made._send_frames()
    assert view.kinds().count("frame") == count + 1


def test_a_view_that_draws_nothing_slows_no_other(session):
    made, view = session
    slow = Seen()
    made.add(slow)
    made._take_commands()
    for _ in range(5):
        tell(made, view, do="step")
        made._last_frame = 0
        made._send_frames()
        tell(made, view, do="ack")
    assert view.kinds().count("frame") == 5
    assert slow.kinds().count("frame") == 1


@pytest.mark.parametrize(("message", "name", "value"), [
    ({"do": "step"}, "step", 1), ({"do": "step", "unit": "epoch"}, "step", 24),
    ({"do": "run", "on": True}, "running", True), ({"do": "reset", "seed": 1}, "epoch", 0.0),
])
def test_the_first_frame_after_a_command_shows_its_effect(session, message, name, value):
    made, view = session
    tell(made, view, **message)
    made._last_frame = 0
    made._send_frames()
    assert view.last("frame")[0][name] == value


def test_a_frame_of_a_wide_network_has_the_bytes_of_one_of_twelve_neurons():
    wide, narrow = (experiment(hidden=(n, n)).frame(False) for n in (300, 12))
    assert len(wide) / len(narrow) < 1.1
    assert len(narrow) < 32_000


def test_images_are_shown_as_they_were_before_standardisation():
    digits = tg.data.load("digits").X
    for image in examples("digits").images[:5]:
        assert abs(digits - image).max(axis=(1, 2)).min() < 1e-9


def test_the_steps_of_a_sample_are_those_of_its_loss(session):
    made, view = session
    tell(made, view, do="sample", number=4)
    html = view.last("steps")[0]["html"]
    data, trainer = made.experiment.data, made.experiment.trainers[0]
    loss = trainer.runner.loss(trainer.model(data.X_test[4:5]), data.Y_test[4:5])
    assert f"L = {loss.item():.3g}, step by step" in html and ' style="' not in html


@pytest.mark.parametrize("source", [None, 1])
def test_a_weight_that_is_picked_is_followed_through_the_steps(session, source):
    made, view = session
    tell(made, view, do="pick", layer=1, neuron=1, source=source)
    html = view.last("steps")[0]["html"]
    data, trainer = made.experiment.data, made.experiment.trainers[0]
    weight = trainer.layers()[0].weight.data[1]
    entry = np.argmax(abs(weight * data.X_test[0])) if source is None else source
    assert f"∂L/∂W1[1, {entry}]" in html
    tell(made, view, do="sample", number=2)
    assert "∂L/∂W1[1, " in view.last("steps")[0]["html"]  # also for another sample
    tell(made, view, do="set", name="hidden", value=[1])
    assert made.experiment.picked is None


def test_a_drawing_is_classified_as_the_data_are():
    session, view = Session(experiment("digits", hidden=(16,), batch=32)), Seen()
    for _ in range(5):
        session.experiment.step("epoch")
    data = session.experiment.data
    right = 0
    for x, y in zip(data.X_test[:40], data.Y_test[:40], strict=True):
        image = (x * data.scale + data.mean).reshape(8, 8) / 16
        drawing = np.clip(np.kron(image, np.ones((3, 3))), 0, 1)
        pixels = np.pad(drawing, 2).ravel().round(3).tolist()
        tell(session, view, do="classify", pixels=pixels)
        header, payload = view.last("class")
        answer = np.frombuffer(payload, np.int8)[-10:]
        right += answer.argmax() == y.argmax()
    assert right >= 30


@pytest.mark.parametrize("what", ["weights", "report"])
def test_files_are_made_in_memory(session, what, tmp_path):
    made, view = session
    tell(made, view, do="step", unit="epoch")
    tell(made, view, do="export", what=what)
    header, content = view.last("file")
    (tmp_path / header["name"]).write_bytes(content)
    if what == "weights":
        model = built(PlaySettings(seed=9), 2, 3)
        tg.load(tmp_path / header["name"], model)
        ours = made.experiment.trainers[0].model.parameters()
        for a, b in zip(ours, model.parameters(), strict=True):
            np.testing.assert_array_equal(a.data, b.data)
    else:
        assert b"<!DOCTYPE html>" in content


# -- bad messages --------------------------------------------------------------------------------

values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 1000) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner,
                                                               max_size=3), max_leaves=6)
fields = st.sampled_from(["do", "on", "unit", "name", "value", "seed", "number", "pixels", "rule",
                          "what", "layer", "neuron", "source", "x"])
messages = st.builds(
    lambda do, rest: {**rest, "do": do}, st.sampled_from([*COMMANDS, "nothing"]) | values,
    st.dictionaries(fields, values, max_size=3))


@given(messages)
def test_any_message_is_a_checked_command_or_is_refused(message):
    text = json.dumps(message)
    try:
        found = command(text)
    except InvalidArgumentError:
        return
    assert type(found) in COMMANDS.values()


SESSION = Session(experiment(hidden=(2,)))


@given(messages)
def test_no_message_stops_a_session(message):
    view = Seen()
    SESSION._guarded(view, lambda: SESSION.handle(view, json.dumps(message)))
    SESSION._guarded(view, lambda: SESSION.handle(view, '{"do": "step"}'))
    assert SESSION.experiment.trainers


@pytest.mark.parametrize("text", [
    "", "{", "[]", "3", '{"do": "run", "on": NaN}', '{"do": "set", "name": "lr", "value": 1e999}',
    "[" * 5000, " " * (LARGEST + 1), '{"do": "step", "unit": "year"}', '{"do": "fly"}',
    '{"do": ["step"]}', '{"do": "step", "more": 1}', b"\xff\xfe",
    '{"do": "set", "name": "lr", "value": -1}', '{"do": "set", "name": "__class__", "value": 1}',
    '{"do": "set", "name": "hidden", "value": [1000000]}', '{"do": "sample", "number": 100000}',
    '{"do": "pick", "layer": 9, "neuron": 0}', '{"do": "pick", "layer": 1, "neuron": 99}',
    '{"do": "pick", "layer": 1, "neuron": 0, "source": 99}', '{"do": "pick", "layer": 0}',
    '{"do": "pick", "layer": 1, "neuron": 0, "source": -1}',
    '{"do": "set", "name": "activation", "value": "os.system"}', '{"do": "preset", "name": "x"}',
    '{"do": "plant", "rule": "g * 0"}', '{"do": "classify", "pixels": []}',
    '{"do": "export", "what": "/etc/passwd"}'])
def test_a_bad_message_gets_an_error_and_changes_nothing(session, text):
    made, view = session
    before = vars(made.experiment.settings).copy()
    made._guarded(view, lambda: made.handle(view, text))
    assert view.kinds()[-1] == "error" and vars(made.experiment.settings) == before
    tell(made, view, do="step")
    assert made.experiment.trainers[0].run.iteration == 0


def test_a_loss_that_is_not_finite_pauses_and_is_told(session):
    made, view = session
    for message in ({"name": "activation", "value": "relu"},
                    {"name": "optimizer", "value": "sgd"}, {"name": "lr", "value": 1e300}):
        tell(made, view, do="set", **message)
    tell(made, view, do="run", on=True)
    with pytest.warns(RuntimeWarning), np.errstate(all="ignore"):
        for _ in range(20):
            made.step("batch")
    assert not made.running and made.experiment.trainers[0].run.stopped
    made._last_frame = 0
    made._send_frames()
    assert view.last("frame")[0]["trainings"][0]["stopped"]
    tell(made, view, do="reset", seed=1)
    assert made.experiment.trainers[0].run.stopped is None


def test_too_many_commands_are_dropped_and_told():
    session, view = Session(experiment()), Seen()
    for _ in range(MOST_COMMANDS + 3):
        session.submit(view, "{}")
    assert view.kinds() == ["error"] * 3


def test_the_thread_trains_and_pauses_when_the_last_view_goes():
    playground = play(hidden=(3,))
    session, view = playground.session, Seen()
    session.add(view)
    session.submit(view, '{"do": "run", "on": true}')
    end = time.monotonic() + 20
    while "frame" not in view.kinds() or session.experiment.trainers[0].run.iteration < 5:
        assert time.monotonic() < end
        session.submit(view, '{"do": "ack"}')
        time.sleep(0.01)
    session.remove(view)
    while session.running:
        assert time.monotonic() < end
        time.sleep(0.01)
    playground.close()


@pytest.mark.parametrize("rate", [2, 50, 1000])
def test_the_rate_is_that_of_the_clock_however_often_steps_are_due(monkeypatch, rate):
    session = Session(experiment(rate=rate))
    taken, clock = [], SimpleNamespace(perf_counter=lambda: clock.now, now=100.0)
    monkeypatch.setattr("tinygrad_mlp.playground.session.time", clock)
    monkeypatch.setattr(session, "step", lambda unit: taken.append(clock.now) or True)
    session._train()  # what is due at the beginning
    taken.clear()
    for pause in [0.05, 0.01, 0.03, 0.002, 0.05, 0.058] * 20:  # 4 seconds
        clock.now += pause
        session._train()
    assert len(taken) == pytest.approx(4 * rate, rel=0.05, abs=1)


def test_a_frame_that_is_due_is_waited_for_no_longer_than_that(session):
    made, view = session
    tell(made, view, do="run", on=True)
    made.experiment.settings = made.experiment.settings.changed("rate", 2)
    made.turn()
    assert made._until_due() <= INTERVAL  # the frame is under way: until the next step
    tell(made, view, do="ack")
    made._last_frame = 0
    assert made._until_due() == 0.001
    count = view.kinds().count("frame")
    made.turn()
    assert view.kinds().count("frame") == count + 1


def test_held_it_neither_trains_nor_ends_what_runs(session):
    made, view = session
    tell(made, view, do="run", on=True)
    made.turn()
    before = made.experiment.trainers[0].run.iteration
    made.hold(True)
    for _ in range(3):
        tell(made, view, do="ack")
        made._last_frame = 0
        made.turn()
    assert made.running and made.experiment.trainers[0].run.iteration == before
    made.hold(False)
    made._last_steps = 0
    made.turn()
    assert made.experiment.trainers[0].run.iteration > before
    assert held_frames(view) == [False, True, False]  # one frame tells it: nothing changes


def held_frames(view):
    return [header["held"] for header, _ in view.messages if header["type"] == "frame"]


def test_who_pauses_while_a_cell_runs_is_not_said_to_wait_for_it(session):
    made, view = session
    tell(made, view, do="run", on=True)
    made.hold(True)
    made.turn()
    joined = Seen()
    made.add(joined)
    made._take_commands()
    made._last_frame = 0
    made.turn()
    assert held_frames(joined) == [True]
    tell(made, view, do="run", on=False)
    made.hold(False)
    tell(made, view, do="ack")
    made._last_frame = 0
    made.turn()
    assert held_frames(view) == [True, False]


def test_who_does_not_train_is_told_of_no_cell(session):
    made, view = session
    made.turn()
    tell(made, view, do="ack")
    made._stale = False
    for on in (True, False):
        made.hold(on)
        made._last_frame = 0
        made.turn()
    assert held_frames(view) == [False]


# -- data and own models -------------------------------------------------------------------------


def test_a_table_is_standardised_and_split(tmp_path, rng):
    X = rng.normal(5, 3, size=(50, 3))
    rows = ["a,b,c,kind", *(f"{x[0]},{x[1]},{x[2]},{'yes' if x[0] > 5 else 'no'}" for x in X)]
    path = tmp_path / "table.csv"
    path.write_text("\n".join(rows))
    data = examples(path)
    assert data.X.shape == (40, 3) and data.X_test.shape == (10, 3)
    assert data.classes == ("no", "yes") and data.features == ("a", "b", "c")
    np.testing.assert_allclose(data.X.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(data.X.std(axis=0), 1)


def test_many_numbers_are_a_regression(tmp_path, rng):
    path = tmp_path / "table.csv"
    rows = rng.normal(size=(60, 2))
    path.write_text("x,y\n" + "\n".join(f"{x},{y}" for x, y in rows))
    made = PlayExperiment(None, path, None, PlaySettings())
    assert made.data.classes == () and made.settings.loss == "regression"
    assert made.step("epoch") and made.frame(False)


@pytest.mark.parametrize("text", [
    "", "a,b\n1,2", "a,b\n1,x\n2,3,4\n1,2\n1,2\n1,2\n", "a,b\nx,1\n2,1\n2,1\n2,1\n2,1\n",
    "a\n1\n2\n3\n4\n5\n6\n", "a,b\nnan,1\n2,1\n2,1\n2,1\n2,1\n"])
def test_what_is_no_table_is_refused_with_its_line(tmp_path, text):
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(TinygradError, match="table.csv"):
        examples(path)


def test_other_data_are_refused(rng):
    for data in ("nothing", 3, (np.ones(3), np.ones(3)), (np.ones((3, 2)), np.ones(3))):
        with pytest.raises(TinygradError, match="examples"):
            examples(data)
    with pytest.raises(TinygradError, match="such file"):
        examples("nowhere.csv")


def test_an_own_model_is_trained_on_own_arrays_and_stays_as_it_was(rng):
    X = rng.normal(size=(40, 2))
    model = tg.nn.Sequential(tg.nn.Linear(2, 4, rng=rng), tg.nn.GELU(), tg.nn.Linear(4, 1, rng=rng))
    before = model[0].weight.data.copy()
    playground = play(model, (X, X[:, 0] ** 2), lr=0.05)
    made = playground.session.experiment
    playground.close()
    first = made.trainers[0].evaluated()[0]
    for _ in range(20):
        made.step("epoch")
    assert made.trainers[0].evaluated()[0] < first
    np.testing.assert_array_equal(model[0].weight.data, before)
    assert made.frame(False) and made.hello() and "step by step" in made.steps()
    for message in ({"do": "plant", "rule": "g (1 − y)"}, {"do": "export", "what": "program"},
                    {"do": "set", "name": "hidden", "value": [2]}):
        with pytest.raises(InvalidArgumentError):
            made.do(command(message))


class Residual(tg.nn.Module):
    def __init__(self, rng):
        self.first = tg.nn.Linear(2, 2, rng=rng)
        self.last = tg.nn.Linear(2, 2, rng=rng)

    def forward(self, x):
        return self.last(x + tg.tanh(self.first(x)))


@pytest.mark.parametrize(("own", "names"), [
    (None, ["W1", "W2"]),
    (lambda rng: tg.nn.Sequential(tg.nn.Linear(2, 4, rng=rng), tg.nn.GELU(),
                                  tg.nn.Linear(4, 2, rng=rng)), ["W1", "W2"]),
    (Residual, ["first_weight", "last_weight"])])
def test_gradient_norms_are_told_with_the_names_of_the_weights(rng, own, names):
    data = rng.normal(size=(40, 2)), np.arange(40) % 2
    made = PlayExperiment(own and own(rng), data, None, PlaySettings(hidden=(3,)))
    view = Seen()
    view.offer(made.hello())
    view.offer(made.frame(False))
    assert view.last("hello")[0]["weights"] == names
    assert len(view.last("frame")[0]["trainings"][0]["norms"]) == len(names)


def test_mistakes_in_the_call_are_told():
    for arguments in ({"model": 3}, {"loss": 3}, {"width": 3}, {"lr": -1}, {"hidden": [0]},
                      {"data": "nothing"}):
        with pytest.raises(InvalidArgumentError):
            play(**arguments)


def test_parts_are_bytes_with_a_scale():
    parts = Parts()
    parts.add("a", np.array([[1.0, -2.0], [np.nan, 0.5]]))
    scale = parts.listed[0]["scale"]
    values = np.frombuffer(parts.payload, np.int8) * scale
    np.testing.assert_allclose(values, [1, -2, 0, 0.5], atol=scale / 2)
