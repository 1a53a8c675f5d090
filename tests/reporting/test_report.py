"""The report as a file: complete, alone, well-formed, and safe against what is written into it."""

import re
import shutil
from importlib.resources import files

import numpy as np
import pytest

import tinygrad_mlp as tg
from tinygrad_mlp import nn
from tinygrad_mlp.drawing import graphviz
from tinygrad_mlp.errors import DataNotFoundError, InvalidArgumentError, ShapeError
from tinygrad_mlp.training.history import History, Record

SECTIONS = ["settings", "training", "answers", "mistakes", "network", "derivation", "pass",
            "step", "gradients", "timings"]
HOSTILE = "<script>alert('1')</script>&\"<img src=x onerror=y>"

needs_graphviz = pytest.mark.skipif(not shutil.which("dot"), reason="Graphviz is not installed")


def small(rng, n=40):
    """A network of layers for two classes, and data for it."""
    X = rng.normal(size=(n, 3))
    Y = np.eye(2)[(X[:, 0] > 0).astype(int)]
    model = nn.Sequential(nn.Linear(3, 4, rng=rng), nn.Tanh(), nn.Linear(4, 2, rng=rng))
    return model, X, Y


# -- a page that stands alone -----------------------------------------------------------------


def test_it_has_all_sections_and_leads_to_each(page):
    assert [section.attributes["id"] for section in page.all("section")] == SECTIONS
    links = [a.attributes["href"] for a in page.one("nav").all("a")]
    assert links == [f"#{name}" for name in SECTIONS]


def test_it_needs_nothing_from_anywhere(page, made, addresses):
    for address in addresses(page):
        own = ("#", "data:image/png;base64,", "data:image/svg+xml;base64,")
        assert address.startswith(own) or address == "data:,", address
    assert not re.search("https?:", made.read_text(encoding="utf-8"))


def test_it_runs_no_script(page):
    assert not page.all("script")
    for element in page.all():
        assert not [name for name in element.attributes if name.startswith("on")]
    policy = page.one("meta", **{"http-equiv": "Content-Security-Policy"}).attributes["content"]
    assert policy.startswith("default-src 'none'; img-src data:;")


def test_names_in_it_are_unique_and_links_lead_to_them(page, addresses):
    names = [e.attributes["id"] for e in page.all() if "id" in e.attributes]
    assert len(names) == len(set(names))
    for address in addresses(page):
        assert not address.startswith("#") or address[1:] in names


def test_it_is_small(made):
    assert 20_000 < made.stat().st_size < 200_000


def test_pictures_say_what_they_show(page):
    for svg in page.all("svg"):
        assert svg.attributes["role"] == "img" and svg.attributes["aria-label"]
    for image in page.all("img"):
        assert image.attributes["alt"]


def test_equal_arguments_give_equal_files(trained, made, tmp_path):
    again = tmp_path / "again.html"
    tg.report(
        again, trained.network, trained.X, trained.Y, images=trained.images,
        title="Digits & <network>", settings={"seed": 0, "note": "<b>bold</b>"},
    )
    assert again.read_bytes() == made.read_bytes()


def test_template_and_style_come_with_the_package():
    for name in ("page.html", "page.css"):
        assert (files("tinygrad_mlp.reporting") / name).is_file()


@pytest.mark.parametrize("text", ["<p><b></p></b>", "<p>", "<a id='1' id='2'></a>"])
def test_the_reader_of_these_tests_refuses_what_is_not_well_formed(text, read_page, tmp_path):
    (tmp_path / "bad.html").write_text(text)
    with pytest.raises(AssertionError):
        read_page(tmp_path / "bad.html")


# -- what it says -----------------------------------------------------------------------------


def test_the_first_numbers_are_those_of_the_network(page, trained):
    items = page.one(**{"class": "tiles"}).all("li")
    tiles = {li.one("span").words: li.one("strong").words for li in items}
    outputs = trained.network.predict(trained.X)
    assert tiles["accuracy"] == f"{100 * trained.network.accuracy(trained.Y, outputs):.1f} %"
    assert float(tiles["loss"]) == pytest.approx(
        trained.network.loss(trained.Y, outputs) / len(trained.Y), rel=1e-3
    )
    assert tiles["parameters"] == "1,184"
    assert tiles["gradients"] == "right"


def test_settings_are_those_of_the_network_and_those_given(page):
    facts = page.one(id="settings").facts()
    assert facts["layers"] == "64-16-10"
    assert facts["optimizer"] == "sgd, learning rate 1 / (100 + 10 k)"
    assert facts["seed"] == "0"
    assert facts["note"] == "<b>bold</b>"


def test_curves_and_evaluations_are_those_of_the_history(page, trained):
    training = page.one(id="training")
    assert [svg.attributes["aria-label"] for svg in training.all("svg")] == [
        "loss against iterations", "accuracy against iterations",
    ]
    rows = training.one("table").cells()
    assert [int(row[0].replace(",", "")) for row in rows] == trained.network.history.iteration
    assert float(rows[-1][3]) == pytest.approx(trained.network.history.training_loss[-1], abs=1e-4)


def test_mistakes_are_those_the_network_makes_surest_first(page, trained):
    outputs = trained.network.predict(trained.X)
    true, answers = trained.Y.argmax(axis=1), outputs.argmax(axis=1)
    wrong = np.flatnonzero(true != answers)
    section = page.one(id="mistakes")
    assert f"{len(wrong)} of {len(true)} samples" in section.words
    shown = section.all("li")
    assert len(shown) == min(len(wrong), 24)
    sureness = []
    for li in shown:
        number = int(li.one("img").attributes["alt"].removeprefix("sample "))
        taken, right = (bar.words for bar in li.all("p"))
        assert taken == f"taken for {answers[number]} {outputs[number].max():.2f}"
        assert right == f"is {true[number]} {outputs[number, true[number]]:.2f}"
        sureness.append(outputs[number].max())
    assert sureness == sorted(sureness, reverse=True)


def test_the_confusion_matrix_counts_the_answers(page, trained):
    right = int((trained.network.predict(trained.X).argmax(1) == trained.Y.argmax(1)).sum())
    assert f"{right} of 180 right" in page.one(id="answers").one("svg").text


def test_every_equation_of_the_derivation_stands_there_as_mathematics(page, trained):
    x, y = (tg.Tensor(a[0], name=name) for a, name in ((trained.X, "x"), (trained.Y, "y")))
    derivation = tg.explain(trained.network.criterion(trained.network.model(x), y))
    section = page.one(id="derivation")
    headings = ["In closed form", *(name for name, _ in derivation.sections())]
    assert [h.words for h in section.all("h3")] == headings
    rows = [row for table in section.all("table") for row in table.all("tr")]
    assert len(rows) == len(derivation.closed.equations) + len(derivation.equations)
    for row in rows:
        *_, right = row.all("math")
        assert right.text


def test_the_training_step_is_the_program_of_the_network(page, trained):
    model, optimizer = trained.network.model, trained.network.new_optimizer()
    before = model.state_dict()

    @tg.compile
    def step(x, y):
        loss = trained.network.criterion(model(x), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    step(trained.X[:1], trained.Y[:1])
    model.load_state_dict(before)
    readable, source, passes = (pre.text.strip() for pre in page.one(id="step").all("pre"))
    assert readable == step.readable.strip()
    assert source == step.source.strip()
    assert passes == step.program.explain_passes().strip()


def test_every_parameter_has_its_line_in_the_gradient_check(page):
    rows = page.one(id="gradients").one("table").cells()
    assert [row[0] for row in rows] == ["W1", "W2"]
    for row in rows:
        assert row[-1] == "ok" and float(row[4]) < 1e-10


def test_timings_are_those_of_the_history(page, trained):
    facts = page.one(id="timings").facts()
    assert facts["steps taken by"] == trained.network.history.execution
    assert facts["iterations until then"] == "1,201 of 1 sample each"
    assert facts["ended"] == "after the last epoch"


@needs_graphviz
def test_the_graph_is_drawn_with_its_names(page):
    (graph,) = page.one(id="network").all("svg", **{"aria-label": "the graph of the loss: "
                                                    "operations, parameters and data"})
    for name in ("W1", "z2", "tanh(z2)", "L"):
        assert name in graph.text


def test_without_graphviz_it_says_so_and_has_the_picture_as_text(report_on, rng, monkeypatch):
    monkeypatch.setattr(graphviz.shutil, "which", lambda name: None)
    model, X, Y = small(rng)
    section = report_on(model, X, Y, loss=nn.softmax_cross_entropy).one(id="network")
    assert "Install it" in section.words and not section.all("svg")
    assert section.one("pre").text.startswith("digraph {")


# -- models of other kinds --------------------------------------------------------------------


def test_logits_are_shown_as_probabilities(report_on, rng):
    model, X, Y = small(rng)
    section = report_on(model, X, Y, loss=nn.softmax_cross_entropy).one(id="mistakes")
    assert "the probabilities" in section.words
    numbers = [float(b.words) for li in section.all("li") for b in li.all("b")]
    assert numbers and all(0 <= number <= 1 for number in numbers)
    for li in section.all("li"):  # of two classes
        assert sum(float(b.words) for b in li.all("b")) == pytest.approx(1, abs=0.011)


def test_samples_that_are_no_images_are_named_by_their_number(report_on, rng):
    model, X, Y = small(rng)
    section = report_on(model, X, Y, loss=nn.softmax_cross_entropy).one(id="mistakes")
    assert not section.all("img")
    assert section.all("li")[0].one(**{"class": "number"}).words.startswith("sample ")


def test_outputs_that_are_no_probabilities_are_called_outputs(report_on, rng):
    model, X, Y = small(rng)
    section = report_on(model, 3 * X, Y, loss=nn.squared_error).one(id="mistakes")
    assert "the outputs of its answer" in section.words


def test_a_regression_has_no_answers_and_no_mistakes(report_on, rng):
    model = nn.Sequential(nn.Linear(3, 1, rng=rng))
    page = report_on(model, rng.normal(size=(20, 3)), rng.normal(size=(20, 1)),
                     loss=nn.squared_error)
    names = [section.attributes["id"] for section in page.all("section")]
    assert names == [name for name in SECTIONS if name not in ("answers", "mistakes")]
    assert [a.attributes["href"][1:] for a in page.one("nav").all("a")] == names


def test_a_network_without_mistakes_is_said_to_have_none(report_on):
    network = tg.NeuralNetwork([2, 2], monitor=False, plot=False, seed=0)
    network.weights = [5 * np.eye(2)]
    page = report_on(network, np.eye(2), np.eye(2))
    assert "The answers to all 2 samples are right." in page.one(id="mistakes").words


def test_without_a_history_there_are_neither_curves_nor_times(report_on, rng):
    model, X, Y = small(rng)
    page = report_on(model, X, Y, loss=nn.softmax_cross_entropy)
    assert "No evaluation was recorded." in page.one(id="training").words
    assert "No evaluation was recorded" in page.one(id="timings").words


def test_a_convolutional_network_with_dropout_and_adam_is_reported(report_on, rng):
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3, rng=rng), nn.ReLU(), nn.Flatten(), nn.Dropout(0.5, rng=rng),
        nn.Linear(32, 3, rng=rng),
    )
    X, Y = rng.normal(size=(12, 1, 6, 6)), np.eye(3)[rng.integers(0, 3, 12)]
    optimizer = tg.optim.Adam(model.parameters(), lr=0.01)
    history = tg.fit(model, nn.softmax_cross_entropy, optimizer, X, Y, epochs=1, rng=rng)
    page = report_on(model, X, Y, loss=nn.softmax_cross_entropy, optimizer=optimizer,
                     history=history, batch_size=4)
    assert "keep_mask" in page.one(id="step").text  # the step is that of training …
    rows = page.one(id="gradients").one("table").cells()  # … and the gradients are checked without
    assert [row[0] for row in rows] == ["0.weight", "0.bias", "4.weight", "4.bias"]
    assert {row[-1] for row in rows} == {"ok"}
    assert page.one(id="mistakes").all("img")


def test_of_very_many_parameters_the_first_and_the_last_are_checked(report_on, rng):
    layers = [nn.Linear(2, 2, rng=rng) for _ in range(12)]
    page = report_on(nn.Sequential(*layers), np.ones((4, 2)), np.ones((4, 2)),
                     loss=nn.squared_error)
    rows = page.one(id="gradients").one("table").cells()
    assert [row[0] for row in rows] == [
        f"{layer}.{name}" for layer in (*range(5), *range(7, 12)) for name in ("weight", "bias")
    ]
    assert "the first and the last 10 of 24 parameters" in page.one(id="gradients").words


def test_a_derivation_that_is_too_long_ends_and_says_how_much_is_missing(report_on, rng):
    layers = [nn.Linear(2, 2, rng=rng) for _ in range(30)]
    page = report_on(nn.Sequential(*layers), np.ones((4, 2)), np.ones((4, 2)),
                     loss=nn.squared_error)
    section = page.one(id="derivation")
    assert sum(len(table.all("tr")) for table in section.all("table")) == 100
    assert "more equations." in section.words


def test_a_training_that_diverged_is_reported_with_its_reason(report_on):
    network = tg.NeuralNetwork([2, 3, 2], monitor=False, plot=False, seed=0)
    network.weights = [np.full((3, 2), 1e200), np.full((2, 3), np.inf)]
    network.history.append(Record(0, 0, 0.5, np.inf, 0.5, None, None))
    network.history.stopped = "the loss of iteration 1 is inf"
    page = report_on(network, np.eye(2), np.eye(2))
    assert page.one(id="timings").facts()["ended"] == "the loss of iteration 1 is inf"


def test_a_step_that_cannot_be_recorded_is_said_to_be_none(report_on, rng):
    class Chooses(nn.Module):
        def __init__(self):
            self.inner = nn.Linear(3, 2, rng=rng)

        def forward(self, x):
            z = self.inner(x)
            return z if tg.sum(z) > 0 else -z

    _, X, Y = small(rng)
    section = report_on(Chooses(), X, Y, loss=nn.squared_error).one(id="step")
    assert "cannot be recorded" in section.words and "tg.where" in section.words


def test_a_wrong_gradient_is_called_wrong(report_on, rng):
    @tg.op(rules={"x": lambda g, y, x: g * x}, register=False)
    def wrong(x):
        return x * x

    class Squares(nn.Module):
        def __init__(self):
            self.inner = nn.Linear(3, 2, rng=rng)

        def forward(self, x):
            return wrong(self.inner(x))

    _, X, Y = small(rng)
    page = report_on(Squares(), X, Y, loss=nn.squared_error)
    assert "derivatives: WRONG" in page.one(id="gradients").words
    assert "WRONG" in page.one(**{"class": "tiles"}).words
    assert {row[-1] for row in page.one(id="gradients").one("table").cells()} == {"WRONG"}


def test_the_model_is_left_as_it_was(trained, rng, tmp_path):
    model, X, Y = small(rng)
    model.train()
    mode, state = rng.bit_generator.state, model.state_dict()
    optimizer = tg.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    tg.report(tmp_path / "a.html", model, X, Y, loss=nn.squared_error, optimizer=optimizer)
    assert rng.bit_generator.state == mode
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, state[name])
    assert model.training and all(p.grad is None for p in model.parameters())


# -- what is written into it, and what is refused ---------------------------------------------


def test_no_name_becomes_markup(report_on, rng):
    class Named(nn.Module):
        def __init__(self):
            self.weight = nn.Parameter(rng.normal(size=(3, 2)), name=HOSTILE)
            self.__dict__[HOSTILE] = nn.Linear(2, 2, rng=rng)

        def describe(self):
            return HOSTILE

        def forward(self, x):
            return self.__dict__[HOSTILE](tg.matmul(x, self.weight))

    def loss(prediction, target):
        return nn.softmax_cross_entropy(prediction, target)

    loss.__name__ = HOSTILE
    history = History()
    history.append(Record(0, 0, 0.5, 1.0, None, None, None))
    history.stopped = history.execution = HOSTILE
    _, X, Y = small(rng)
    page = report_on(Named(), X, Y, loss=loss, history=history, title=HOSTILE,
                     settings={HOSTILE: HOSTILE})
    assert not page.all("script") and not page.all("img", src="x")
    assert page.one("title").text == page.one("h1").text == HOSTILE
    assert page.one(id="settings").facts()[HOSTILE] == HOSTILE
    assert page.one(id="settings").facts()["loss"] == HOSTILE
    assert page.one(id="timings").facts()["steps taken by"] == HOSTILE
    assert HOSTILE in page.one(id="network").one("table").text


NETWORK = tg.NeuralNetwork([2, 2], monitor=False, plot=False, seed=0)
REFUSED = {
    "another ending": (
        {"path": "report.pdf"}, InvalidArgumentError, "must end in .html. Got .*report.pdf"
    ),
    "no folder": ({"path": "none/report.html"}, DataNotFoundError, "no folder"),
    "no model": ({"model": np.eye(2)}, InvalidArgumentError, "NeuralNetwork or a Module. Got nd"),
    "no loss": ({"model": nn.Tanh()}, InvalidArgumentError, "loss must be the function"),
    "a loss twice": ({"loss": nn.squared_error}, InvalidArgumentError, "loss must be left out"),
    "a class for an optimizer": (
        {"model": nn.Tanh(), "loss": nn.squared_error, "optimizer": tg.optim.SGD},
        InvalidArgumentError, "optimizer must be the optimizer",
    ),
    "a list for a history": (
        {"model": nn.Tanh(), "loss": nn.squared_error, "history": [1.0]},
        InvalidArgumentError, "history must be the History that fit returned. Got list",
    ),
    "an empty batch": (
        {"model": nn.Tanh(), "loss": nn.squared_error, "batch_size": 0},
        InvalidArgumentError, "batch_size must be an integer >= 1",
    ),
    "too narrow": ({"X": np.ones((2, 5))}, ShapeError, r"\(\.\.\., 2\)"),
    "NaN": ({"X": np.full((2, 2), np.nan)}, InvalidArgumentError, "X must be finite"),
    "too few targets": ({"Y": np.eye(2)[:1]}, ShapeError, "X and Y must have the same number"),
    "too few images": ({"images": np.zeros((1, 2, 2))}, ShapeError, "one for each of the 2"),
    "settings that are a list": ({"settings": ["a"]}, InvalidArgumentError, "mapping"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_reported_is_refused_and_nothing_is_written(tmp_path, case):
    options, kind, message = REFUSED[case]
    given = {"path": "report.html", "model": NETWORK, "X": np.eye(2), "Y": np.eye(2), **options}
    path = tmp_path / given.pop("path")
    with pytest.raises(kind, match=message):
        tg.report(path, given.pop("model"), given.pop("X"), given.pop("Y"), **given)
    assert not list(tmp_path.iterdir())
