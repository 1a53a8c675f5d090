"""Pictures of runs, of answers, of weights and of layers: what they show, and what they refuse."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

import tinygrad_mlp as tg
from tinygrad_mlp import plotting
from tinygrad_mlp.errors import InvalidArgumentError, ShapeError
from tinygrad_mlp.optim import schedule
from tinygrad_mlp.training.history import History, Record

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(autouse=True)
def no_figure_left():
    """Fails a test after which pyplot still holds a figure."""
    yield
    left = plt.get_fignums()
    plt.close("all")
    assert not left


def history(loss=2.0, validation=True, accuracy=True):
    made = History()
    for i in range(3):
        made.append(
            Record(
                10 * i + 9, i, 0.1 * i, loss / (i + 1), 0.5 if accuracy else None,
                1.1 * loss / (i + 1) if validation else None,
                0.4 if validation and accuracy else None,
            )
        )
    return made


def curves(axes):
    return {line.get_label(): list(line.get_ydata()) for line in axes.lines}


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


# -- runs and learning rates -----------------------------------------------------------------------


def test_runs_are_compared_by_validation_with_training_dotted():
    runs = {"SGD": history(), "Adam": history(loss=1.0)}
    figure = plotting.plot_runs(runs)
    loss, accuracy = figure.axes
    assert curves(loss)["SGD"] == runs["SGD"].validation_loss
    assert curves(loss)["Adam"] == runs["Adam"].validation_loss
    dotted = [list(line.get_ydata()) for line in loss.lines if line.get_linestyle() == ":"]
    assert dotted == [runs["SGD"].training_loss, runs["Adam"].training_loss]
    assert legend(figure) == ["SGD", "Adam", "dotted: training"]
    assert (loss.get_ylabel(), loss.get_xlabel()) == ("Loss per sample", "Iterations")
    assert accuracy.get_ylabel() == "Share of right answers"


@pytest.mark.parametrize(
    ("against", "label", "x"),
    [("iteration", "Iterations", [9, 19, 29]), ("epoch", "Epoch", [0, 1, 2]),
     ("seconds", "Time in s", [0, 0.1, 0.2])],
)
def test_runs_can_be_drawn_against_time(against, label, x):
    axes = plotting.plot_runs({"a": history()}, against).axes[0]
    assert axes.get_xlabel() == label
    assert list(axes.lines[0].get_xdata()) == pytest.approx(x)


def test_runs_without_validation_are_compared_in_training():
    runs = {"a": history(validation=False, accuracy=False)}
    (axes,) = plotting.plot_runs(runs).axes
    assert curves(axes) == {"a": runs["a"].training_loss}


def test_many_runs_look_different_in_colour_and_in_print():
    figure = plotting.plot_runs({str(i): history() for i in range(7)})
    solid = [line for line in figure.axes[0].lines if not line.get_label().startswith("_")]
    assert len({line.get_color() for line in solid}) == 7
    assert len({line.get_marker() for line in solid}) == 7


def test_learning_rates_are_drawn_over_epochs():
    rates = {"classic": schedule.inverse_time(), "constant": 0.005}
    figure = plotting.plot_learning_rate(rates, 20)
    (axes,) = figure.axes
    assert axes.get_xlabel() == "Epoch"
    assert curves(axes)["classic"] == [1 / (100 + 10 * k) for k in range(20)]
    assert curves(axes)["constant"] == [0.005] * 20
    assert legend(figure) == ["classic", "constant"]


def test_the_learning_rate_of_an_optimizer_is_drawn():
    w = tg.Tensor([1.0], requires_grad=True)
    cosine = schedule.cosine(0.1, 0.0, 50, per="step")
    figure = plotting.plot_learning_rate(tg.optim.SGD([w], lr=cosine), 50)
    assert figure.axes[0].get_xlabel() == "Step"
    assert list(figure.axes[0].lines[0].get_ydata()) == [cosine(k) for k in range(50)]


# -- classes and images ----------------------------------------------------------------------------


def test_a_confusion_matrix_counts_answers_by_true_class(rng):
    true, answers = rng.integers(0, 4, 60), rng.integers(0, 4, 60)
    figure = plotting.plot_confusion(np.eye(4)[true], answers)
    axes = figure.axes[0]
    written = {(int(t.get_position()[1]), int(t.get_position()[0])): int(t.get_text())
               for t in axes.texts}
    for i in range(4):
        for j in range(4):
            assert written.get((i, j), 0) == ((true == i) & (answers == j)).sum()
    assert f"{(true == answers).sum()} of 60 right" in axes.get_title()
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("True class", "Answer")
    shares = np.ma.filled(axes.images[0].get_array(), np.nan)
    assert np.isnan(np.diag(shares)).all()  # the right answers do not outshine the mistakes


def test_a_confusion_matrix_has_the_colour_of_the_page_where_nothing_was_mistaken():
    with plt.rc_context({"text.color": "#fefefe"}):
        axes = plotting.plot_confusion([0, 1, 1, 1, 1], [0, 1, 0, 1, 1]).axes[0]
    (image,) = axes.images
    assert image.to_rgba(np.zeros((1, 1)))[0, 0, 3] == 0
    assert {text.get_color() for text in axes.texts if text.get_text() == "3"} == {"#fefefe"}


def test_classes_of_a_confusion_matrix_can_be_named():
    axes = plotting.plot_confusion([0, 1, 1], [0, 1, 0], classes=["cat", "albatross"]).axes[0]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["cat", "albatross"]


def test_mistakes_are_shown_surest_first_with_both_outputs():
    Y_hat = np.array([[0.9, 0.1, 0.0], [0.2, 0.7, 0.1], [0.05, 0.0, 0.95], [0.3, 0.4, 0.3]])
    X = np.arange(4 * 6.0).reshape(4, 6)
    figure = plotting.plot_mistakes(X, [0, 0, 1, 2], Y_hat, shape=(2, 3))
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["2: 0.95\nis 1: 0.00", "1: 0.70\nis 0: 0.20", "1: 0.40\nis 2: 0.30"]
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), X[2].reshape(2, 3))
    assert "3 of 4 wrong" in figure.get_suptitle()
    assert len(plotting.plot_mistakes(X, [0, 0, 1, 2], Y_hat, n=2, shape=(2, 3)).axes) == 2


@pytest.mark.parametrize("n", [1, 2, 5, 7])
def test_titles_of_mistakes_are_not_cut_off(n):
    figure = plotting.plot_mistakes(np.zeros((n, 64)), [0] * n, np.eye(2)[[1] * n])
    figure.canvas.draw()
    for text in (figure._suptitle, *(axes.title for axes in figure.axes)):
        box = text.get_window_extent()
        assert 0 <= box.x0 and box.x1 <= figure.bbox.width


def test_a_classifier_without_mistakes_is_praised():
    figure = plotting.plot_mistakes(np.zeros((2, 4)), [0, 1], np.eye(2))
    assert [text.get_text() for text in figure.axes[0].texts] == ["All 2 answers are right."]


def test_weights_are_images_in_the_order_of_the_units(rng):
    weights = rng.normal(size=(5, 6))
    axes = plotting.plot_weights(weights, shape=(2, 3)).axes[0]
    mosaic = np.ma.filled(axes.images[0].get_array(), np.nan)
    np.testing.assert_array_equal(mosaic[1:3, :3], weights[0].reshape(2, 3))
    np.testing.assert_array_equal(mosaic[1:3, 4:7], weights[1].reshape(2, 3))
    assert np.isfinite(mosaic).sum() == weights.size
    assert [text.get_text() for text in axes.texts] == list("01234")  # each above its image
    low, high = axes.images[0].get_clim()
    assert -low == high == np.abs(weights).max()


def test_a_few_huge_weights_do_not_make_the_others_white(rng):
    weights = rng.normal(size=(10, 100))
    weights[0, 0] = 1e6
    axes, _ = plotting.plot_weights(weights).axes
    _, high = axes.images[0].get_clim()
    assert high == np.sort(np.abs(weights), axis=None)[-10] < 4
    weights[:] = 0
    weights[0, 0] = 2.0
    assert plotting.plot_weights(weights).axes[0].images[0].get_clim() == (-2, 2)


def test_weights_are_taken_from_modules_and_networks(rng):
    model = tg.nn.Sequential(tg.nn.Linear(16, 3, rng=rng), tg.nn.Linear(3, 2, rng=rng))
    network = tg.NeuralNetwork([16, 3, 2], monitor=False, plot=False)
    kernels = tg.nn.Conv2d(1, 3, 4, rng=rng)
    for given in (model, network, kernels):
        title = plotting.plot_weights(given).axes[0].get_title()
        assert title == "Weights of 3 units, 4 × 4 pixels each"
    assert "2 of 3 units" in plotting.plot_weights(model, n=2).axes[0].get_title()


# -- distributions ---------------------------------------------------------------------------------


def network(rng):
    return tg.nn.Sequential(
        tg.nn.Linear(3, 5, rng=rng), tg.nn.Tanh(), tg.nn.Dropout(0.5, rng=rng),
        tg.nn.Linear(5, 2, rng=rng), tg.nn.Sigmoid(),
    )


def trained(callbacks, loss=tg.nn.squared_error):
    rng = np.random.default_rng(0)
    model, X, Y = network(rng), rng.normal(size=(12, 3)), np.eye(2)[rng.integers(0, 2, 12)]
    optimizer = tg.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
    tg.fit(model, loss, optimizer, X, Y, epochs=3, batch_size=4, rng=rng, callbacks=callbacks)
    return model, X, Y


def test_looking_at_the_layers_does_not_change_training():
    _, X, Y = trained([])
    plain = trained([])[0].state_dict()
    watched = trained([tg.callbacks.Distributions(tg.nn.squared_error, X, Y)])[0].state_dict()
    assert all((plain[name] == watched[name]).all() for name in plain)


@pytest.mark.parametrize("loss", [tg.nn.squared_error, tg.nn.binary_cross_entropy])
def test_what_is_kept_are_outputs_and_their_gradients(loss):
    rng = np.random.default_rng(1)
    X, Y = rng.normal(size=(6, 3)), np.eye(2)[rng.integers(0, 2, 6)]
    seen = tg.callbacks.Distributions(loss, X, Y)
    model, _, _ = trained([seen], loss)
    assert seen.epochs == [0, 1, 2, 3]
    assert seen.with_parameters == {"0 Linear", "3 Linear"}
    # Dropout hands its input on in evaluation, and is not listed again.
    assert list(seen.activations) == ["0 Linear", "1 Tanh", "3 Linear", "4 Sigmoid"]

    first, _, _, last, _ = model
    W1, W2 = first.weight.data, last.weight.data
    z2 = X @ W1.T + first.bias.data
    a2 = np.tanh(z2)
    a3 = 1 / (1 + np.exp(-(a2 @ W2.T + last.bias.data)))
    d3 = (a3 - Y) * (a3 * (1 - a3) if loss is tg.nn.squared_error else 1) / len(X)
    d2 = d3 @ W2 * (1 - a2**2)
    np.testing.assert_allclose(seen.activations["1 Tanh"][-1], a2.ravel(), rtol=1e-12)
    np.testing.assert_allclose(seen.activations["4 Sigmoid"][-1], a3.ravel(), rtol=1e-12)
    np.testing.assert_allclose(seen.gradients["3 Linear"][-1], d3.ravel(), rtol=1e-9)
    np.testing.assert_allclose(seen.gradients["0 Linear"][-1], d2.ravel(), rtol=1e-9)
    # The cross entropy is computed from the sigmoid's input: nothing flows through its output.
    assert ("4 Sigmoid" in seen.gradients) == (loss is tg.nn.squared_error)


def test_looking_leaves_the_model_as_it_was():
    rng = np.random.default_rng(0)
    model, X, Y = network(rng), rng.normal(size=(4, 3)), np.eye(2)[[0, 1, 0, 1]]
    model.layers[2].train(False)

    def state():
        modules = [module for _, module in model.named_modules()]
        return [({**vars(module), "_training": None}, module.training) for module in modules]

    before = state()
    tg.callbacks.Distributions(tg.nn.squared_error, X, Y).look(model, 0)
    assert state() == before
    assert all(parameter.grad is None for parameter in model.parameters())

    def fails(prediction, target):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        tg.callbacks.Distributions(fails, X, Y).look(model, 0)
    assert state() == before


def test_no_more_numbers_are_kept_than_asked_for():
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(50, 3)), np.eye(2)[rng.integers(0, 2, 50)]
    seen = tg.callbacks.Distributions(tg.nn.squared_error, X, Y, values=20)
    seen.look(network(rng), 0)
    assert {array.size for (array,) in seen.activations.values()} == {20}


def test_distributions_have_a_panel_for_each_layer_and_run(tmp_path):
    _, X, Y = trained([])
    seen = tg.callbacks.Distributions(tg.nn.squared_error, X, Y)
    trained([seen])
    figure = plotting.plot_distributions({"a": seen, "b": seen}, path=tmp_path / "seen.png")
    panels = [axes for axes in figure.axes if axes.get_title()]
    assert [axes.get_title() for axes in panels] == [
        "a: 0 Linear", "a: 3 Linear", "b: 0 Linear", "b: 3 Linear",
    ]
    assert {axes.get_ylabel() for axes in panels} == {"log₁₀ |∂L/∂v|"}
    assert {axes.get_xlabel() for axes in panels} == {"Epochs trained"}
    (median,) = [line for line in panels[0].lines if len(line.get_xdata()) == 4]
    expected = [np.median(np.log10(np.abs(g))) for g in seen.gradients["0 Linear"]]
    np.testing.assert_allclose(median.get_ydata(), expected)
    assert (tmp_path / "seen.png").read_bytes().startswith(PNG)

    figure = plotting.plot_distributions(seen, "activations")
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == ["1 Tanh", "4 Sigmoid"]


def test_each_column_of_a_distribution_holds_all_numbers():
    _, X, Y = trained([])
    seen = tg.callbacks.Distributions(tg.nn.squared_error, X, Y)
    trained([seen])
    seen.gradients["0 Linear"][1][:7] = 0.0
    axes = plotting.plot_distributions(seen, layers=["0 Linear"]).axes[0]
    shares = axes.collections[0].get_array()
    np.testing.assert_allclose(shares.sum(axis=0), 1)
    size = seen.gradients["0 Linear"][1].size
    np.testing.assert_allclose(shares[0], [0, 7 / size, 0, 0])  # the row for those that are 0


def test_gradients_that_vanish_are_seen_to_slip_down():
    rng = np.random.default_rng(0)
    modules = []
    for _ in range(6):
        modules += [tg.nn.Linear(8, 8, rng=rng), tg.nn.Sigmoid()]
    X, Y = rng.normal(size=(9, 8)), np.zeros((9, 8))
    seen = tg.callbacks.Distributions(tg.nn.squared_error, X, Y)
    seen.look(tg.nn.Sequential(*modules), 0)
    figure = plotting.plot_distributions(seen)
    medians = [axes.lines[-1].get_ydata()[0] for axes in figure.axes if axes.get_title()]
    assert len(medians) == 6 and medians == sorted(medians) and medians[-1] - medians[0] > 2
    limits = {axes.get_ylim() for axes in figure.axes if axes.get_title()}
    assert len(limits) == 1  # one scale for all layers


# -- refusals --------------------------------------------------------------------------------------

EMPTY = tg.callbacks.Distributions(tg.nn.squared_error, np.ones((1, 2)), np.ones((1, 2)))
STEP = schedule.constant(0.1, per="step")


@pytest.mark.parametrize(
    ("draw", "error", "message"),
    [
        (lambda: plotting.plot_runs({}), InvalidArgumentError, "at least one"),
        (lambda: plotting.plot_runs({"a": History()}), InvalidArgumentError, "one record"),
        (lambda: plotting.plot_runs({"a": history()}, "time"), InvalidArgumentError, "'seconds'"),
        (lambda: plotting.plot_learning_rate(-1.0, 5), InvalidArgumentError, "rates"),
        (lambda: plotting.plot_learning_rate(0.1, 0), InvalidArgumentError, "n must be"),
        (lambda: plotting.plot_learning_rate({}, 5), InvalidArgumentError, "Got none"),
        (lambda: plotting.plot_learning_rate({"a": 0.1, "b": STEP}, 5), InvalidArgumentError,
         "a: epoch, b: step"),
        (lambda: plotting.plot_confusion([0, 1], [0]), ShapeError, "2 and 1"),
        (lambda: plotting.plot_confusion([], []), ShapeError, r"\(0,\)"),
        (lambda: plotting.plot_confusion([0.5], [1]), InvalidArgumentError, "class numbers"),
        (lambda: plotting.plot_confusion([-1], [1]), InvalidArgumentError, "class numbers"),
        (lambda: plotting.plot_confusion(["a"], [1]), InvalidArgumentError, "class numbers"),
        (lambda: plotting.plot_confusion([0, 2], [0, 1], ["a", "b"]), InvalidArgumentError,
         "all 3 classes. Got 2"),
        (lambda: plotting.plot_mistakes(np.ones((2, 4)), [0, 1], [0, 1]), ShapeError, r"\(n, k\)"),
        (lambda: plotting.plot_mistakes(np.ones((3, 4)), [0, 1], np.eye(2)), ShapeError, "3 and 2"),
        (lambda: plotting.plot_mistakes(np.ones((2, 5)), [0, 1], np.eye(2)), ShapeError,
         r"shape=\(height, width\)"),
        (lambda: plotting.plot_weights(np.ones(3)), ShapeError, r"\(3,\)"),
        (lambda: plotting.plot_weights(np.ones((0, 4))), InvalidArgumentError, r"\(0, 4\)"),
        (lambda: plotting.plot_weights(tg.nn.Tanh()), InvalidArgumentError, "Tanh has no"),
        (lambda: plotting.plot_distributions(EMPTY), InvalidArgumentError, "collected gradients"),
        (lambda: plotting.plot_distributions({}), InvalidArgumentError, "collected gradients"),
        (lambda: plotting.plot_distributions(EMPTY, "weights"), InvalidArgumentError,
         "'gradients'. Got"),
        (lambda: tg.callbacks.Distributions(3, [1], [1]), InvalidArgumentError, "loss must be"),
        (lambda: tg.callbacks.Distributions(abs, [1], [1], 0), InvalidArgumentError, "values"),
    ],
)
def test_what_cannot_be_drawn_is_refused(draw, error, message):
    with pytest.raises(error, match=message):
        draw()


def test_an_unknown_layer_is_refused():
    _, X, Y = trained([])
    seen = tg.callbacks.Distributions(tg.nn.squared_error, X, Y)
    trained([seen])
    with pytest.raises(InvalidArgumentError, match="'3 Linear'.*Got '1 Linear'"):
        plotting.plot_distributions(seen, layers=["1 Linear"])


def test_every_panel_has_a_title_and_names_of_its_axes(rng):
    outputs = rng.random((9, 3))
    figures = [
        plotting.plot_runs({"a": history()}),
        plotting.plot_learning_rate(0.1, 5),
        plotting.plot_confusion(rng.integers(0, 3, 9), outputs),
    ]
    for axes in (axes for figure in figures for axes in figure.axes):
        if axes.get_label() != "<colorbar>":
            assert axes.get_title() and axes.get_xlabel() and axes.get_ylabel()
        else:
            assert axes.get_ylabel()


SQUARE = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])


def left_or_right(points):
    return 1 / (1 + np.exp(-20 * (points[:, :1] - 0.5)))


def quarters(points):
    """Outputs for four classes, the corners of the square."""
    return -np.linalg.norm(points[:, None] - SQUARE, axis=2)


def lines_of(axes):
    """The points of the black lines, the boundaries."""
    return [
        segment
        for contours in axes.collections
        if type(contours).__name__ == "QuadContourSet" and not contours.filled
        for path in contours.get_paths()
        for segment in path.vertices
    ]


def test_the_line_of_a_decision_boundary_is_where_the_answer_changes():
    axes = plotting.plot_decision_boundary(left_or_right, SQUARE, [0, 0, 1, 0]).axes[0]

    np.testing.assert_allclose(np.array(lines_of(axes))[:, 0], 0.5, atol=1e-3)
    assert axes.get_title() == "3 of 4 samples are right"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("x₁", "x₂")


def test_decision_boundaries_of_several_classes_are_lines_between_any_two():
    axes = plotting.plot_decision_boundary(quarters, SQUARE, np.eye(4)).axes[0]

    lines = np.array(lines_of(axes))
    assert (np.abs(lines - 0.5).min(axis=1) < 0.01).all()
    assert axes.get_title() == "4 of 4 samples are right"
    assert axes.images  # the regions


@pytest.mark.parametrize("Y", [[[0], [0], [1], [1]], [0, 0, 1, 1], np.eye(2)[[0, 0, 1, 1]]])
def test_classes_at_a_decision_boundary_may_be_given_in_three_ways(Y):
    answers = {"one output": left_or_right, "tensor": lambda x: tg.Tensor(left_or_right(x))}
    figure = plotting.plot_decision_boundary(answers, SQUARE, Y)

    titles = [axes.get_title() for axes in figure.axes[:2]]
    assert titles == [f"{name}: 4 of 4 samples are right" for name in answers]


def test_an_answer_that_never_changes_has_no_boundary():
    for constant in (np.ones((1, 1)), np.array([[1.0, 0.0]])):
        always = lambda x, constant=constant: np.repeat(constant, len(x), axis=0)  # noqa: E731
        axes = plotting.plot_decision_boundary(always, SQUARE, [0, 1, 1, 0]).axes[0]
        assert lines_of(axes) == []


@pytest.mark.parametrize(
    ("answers", "X", "Y", "error", "message"),
    [
        ({}, SQUARE, [0, 1, 1, 0], InvalidArgumentError, "at least one function. Got none"),
        (left_or_right, np.ones((4, 3)), [0, 1, 1, 0], ShapeError, r"\(n, 2\). Got \(4, 3\)"),
        (left_or_right, SQUARE, [0, 1], ShapeError, "4 and 2|2 and 4"),
        (lambda x: x[:, 0], SQUARE, [0, 1, 1, 0], ShapeError, r"\(4, k\).*Got \(4,\)"),
        (lambda x: x[:2], SQUARE, [0, 1, 1, 0], ShapeError, r"\(4, k\).*Got \(2, 2\)"),
        (quarters, SQUARE, [0, 1, 2, 9], InvalidArgumentError, "7 classes. Got 10"),
    ],
)
def test_a_decision_boundary_that_cannot_be_drawn_is_refused(answers, X, Y, error, message):
    with pytest.raises(error, match=message):
        plotting.plot_decision_boundary(answers, X, Y)
