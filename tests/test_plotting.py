"""Pictures of training: what they show, and that they leave nothing behind."""

import os
import sys
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_mlp as tg
from tests import child
from tests.campaigns import thorough
from tinygrad_mlp import plotting
from tinygrad_mlp.errors import DataNotFoundError, InvalidArgumentError
from tinygrad_mlp.training.history import History, Record

PNG = b"\x89PNG\r\n\x1a\n"


def history(*, n=3, validation=True, accuracy=True, loss=2.0):
    made = History()
    for i in range(n):
        made.append(
            Record(
                10 * i, i, 0.1 * i, loss / (i + 1), 0.5 + 0.1 * i if accuracy else None,
                1.1 * loss / (i + 1) if validation else None,
                0.4 + 0.1 * i if validation and accuracy else None,
            )
        )
    return made


def curves(axes):
    """The data of an axes by the labels of its lines."""
    return {
        line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in axes.lines
    }


@pytest.fixture(autouse=True)
def no_figure_left():
    """Fails a test after which pyplot still holds a figure."""
    yield
    left = plt.get_fignums()
    plt.close("all")
    assert not left


@given(st.floats(-20, 20))
def test_pulls_on_the_pre_activation_are_those_of_the_two_losses(z):
    pulls = plotting.pull_on_pre_activation(np.array([z]))
    a = 1 / (1 + np.exp(-z))
    np.testing.assert_allclose(pulls["cross_entropy"], 1 - a, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(pulls["mean_square"], (1 - a) * a * (1 - a), rtol=1e-6, atol=1e-12)


def test_a_history_is_drawn_against_its_iterations():
    records = history()
    loss, accuracy = plotting.plot_history(records).axes
    assert curves(loss) == {
        "training": (records.iteration, records.training_loss),
        "validation": (records.iteration, records.validation_loss),
    }
    assert curves(accuracy) == {
        "training": (records.iteration, records.training_accuracy),
        "validation": (records.iteration, records.validation_accuracy),
    }


@pytest.mark.parametrize(
    ("given_history", "panels"),
    [
        (history(validation=False), {"Loss per sample": ["training"], "Accuracy": ["training"]}),
        (history(accuracy=False), {"Loss per sample": ["training", "validation"]}),
        (history(n=1, validation=False, accuracy=False), {"Loss per sample": ["training"]}),
    ],
)
def test_what_was_not_recorded_is_not_drawn(given_history, panels):
    figure = plotting.plot_history(given_history)
    assert {axes.get_ylabel(): list(curves(axes)) for axes in figure.axes} == panels


def test_every_axis_of_every_picture_has_a_label():
    records = history()
    figures = [
        plotting.plot_history(records),
        plotting.plot_comparison({"mean_square": records, "cross_entropy": records}),
    ]
    for axes in (axes for figure in figures for axes in figure.axes):
        assert axes.get_xlabel() and axes.get_ylabel() and axes.get_title()
    for figure in figures:
        assert figure.legends or all(axes.get_legend() for axes in figure.axes)


def test_losses_have_a_logarithmic_axis_with_plain_numbers():
    loss, accuracy = plotting.plot_history(history(n=9, loss=6.0)).axes
    assert (loss.get_yscale(), accuracy.get_yscale()) == ("log", "linear")
    loss.figure.canvas.draw()
    written = [label.get_text() for label in loss.get_yticklabels()]
    assert {"1", "2", "5"} <= set(written)
    assert plotting.plot_history(history(loss=0.0)).axes[0].get_yscale() == "linear"


@pytest.mark.parametrize(("n", "lowest"), [(3, 0.4), (9, 0.5)])
def test_the_first_guess_does_not_squeeze_a_curve_of_many_accuracies(n, lowest):
    accuracy = plotting.plot_history(history(n=n)).axes[1]
    assert lowest - 0.1 < accuracy.get_ylim()[0] < lowest


@pytest.mark.parametrize("ending", ["png", "pdf", "svg", "JPG"])
def test_a_picture_is_saved_in_the_format_of_its_ending(tmp_path, ending):
    path = tmp_path / f"curves.{ending}"
    history().plot(path)
    magic = {"png": PNG, "pdf": b"%PDF", "svg": b"<?xml", "JPG": b"\xff\xd8"}[ending]
    assert path.read_bytes().startswith(magic)
    assert list(tmp_path.iterdir()) == [path]


def test_curves_that_leave_the_range_of_numbers_can_be_drawn(tmp_path):
    records = history()
    records.append(Record(30, 3, 0.4, np.inf, 0.1, np.nan, 0.1))
    plotting.plot_history(records, tmp_path / "curves.png")
    plotting.plot_comparison({"mean_square": records}, tmp_path / "comparison.png")


@pytest.mark.parametrize(
    ("draw", "error", "message"),
    [
        (lambda: plotting.plot_history(History()), InvalidArgumentError, "at least one record"),
        (lambda: plotting.plot_comparison({"mean_square": History()}), InvalidArgumentError,
         "at least one record"),
        (lambda: plotting.plot_comparison({"hinge": history()}), InvalidArgumentError,
         "mean_square or cross_entropy. Got 'hinge'"),
        (lambda: plotting.heat_map(np.zeros((0, 3)), "no"), InvalidArgumentError, r"\(0, 3\)"),
        (lambda: plotting.plot_history(history(), "curves.xyz"), InvalidArgumentError,
         r"\.png.*Got curves\.xyz"),
        (lambda: plotting.plot_history(history(), "curves"), InvalidArgumentError, "Got curves"),
        (lambda: plotting.plot_history(history(), "no/such/folder.png"), DataNotFoundError,
         "there is no folder"),
    ],
)
def test_a_picture_that_cannot_be_drawn_is_refused(draw, error, message):
    with pytest.raises(error, match=message):
        draw()


def test_the_comparison_shows_where_the_squared_error_stops_learning():
    figure = plotting.plot_comparison(
        {"mean_square": history(), "cross_entropy": history(loss=7.0)}
    )
    accuracies, errors, pull = figure.axes
    assert len(curves(accuracies)) == 4
    assert {values[0] for _, values in curves(errors).values()} == {1.0}
    (shaded,) = pull.patches
    left, right = shaded.get_x(), shaded.get_x() + shaded.get_width()
    z, slow = map(np.array, curves(pull)["mean square"])
    fast = np.array(curves(pull)["cross entropy"][1])
    inside = (z >= left) & (z <= right)
    assert right < 0 and inside.sum() > 100
    assert (fast[inside] > 0.8).all() and (slow[inside] < 0.1).all()


@given(
    hnp.arrays(
        float, hnp.array_shapes(min_dims=0, max_dims=3, max_side=4),
        elements=st.floats(-1e6, 1e6) | st.sampled_from([np.nan, np.inf]),
    )
)
def test_the_colours_of_a_heat_map_tell_the_sign(values):
    axes = plotting.heat_map(values, "difference").axes[0]
    (image,) = axes.images
    low, high = image.get_clim()
    assert -low == high > 0
    assert np.ma.filled(image.get_array(), np.nan).size == values.size


def test_without_a_display_the_plots_are_saved_and_their_path_printed(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    figure = plotting.show_training(history(), "mean_square", loss_factor=100.0)
    path = tmp_path / "training_mean_square.png"
    assert path.read_bytes().startswith(PNG)
    assert str(path) in capsys.readouterr().out
    error, accuracy = figure.axes
    assert error.get_title() == "Training Error vs Iterations (mean_square)"
    assert accuracy.get_title() == "Training Accuracy vs Iterations (mean_square)"
    assert (error.get_ylabel(), accuracy.get_ylabel()) == ("Error", "Accuracy")
    assert error.get_xlabel() == accuracy.get_xlabel() == "Iterations"
    assert curves(error)["training"][1] == [200.0, 100.0, pytest.approx(200 / 3)]


def test_a_folder_that_cannot_be_written_does_not_end_training_in_an_exception(
    tmp_path, monkeypatch, capsys
):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plotting.curves, "save_figure", full)
    plotting.show_training(history(), "cross_entropy")
    assert "No space left" in capsys.readouterr().out


@pytest.mark.parametrize("n", [0, 1])
def test_a_training_that_was_soon_interrupted_can_be_shown(tmp_path, monkeypatch, n):
    monkeypatch.chdir(tmp_path)
    assert (plotting.show_training(history(n=n), "mean_square") is None) == (n == 0)
    assert len(list(tmp_path.iterdir())) == n


@pytest.mark.parametrize(
    ("backend", "notebook", "display"),
    [
        ("agg", False, False),
        ("pdf", False, False),
        ("qtagg", False, True),
        ("tkagg", False, True),
        ("module://ipympl.backend_nbagg", True, True),
        ("module://matplotlib_inline.backend_inline", True, True),
        ("inline", True, True),
        # The setting of a notebook, in a program started from it.
        ("module://matplotlib_inline.backend_inline", False, False),
    ],
)
def test_figures_are_shown_only_where_they_can_be_seen(
    tmp_path, monkeypatch, backend, notebook, display
):
    shown = []
    # matplotlib asks the shell once, for the display hook: that must have happened before.
    plt.switch_backend("agg")
    shell = SimpleNamespace(get_ipython=lambda: "a shell" if notebook else None,
                            version_info=(9, 0))
    monkeypatch.setitem(sys.modules, "IPython", shell)
    monkeypatch.setattr(plt, "get_backend", lambda: backend)
    monkeypatch.setattr(plt, "show", lambda: shown.extend(plt.get_fignums()))
    monkeypatch.chdir(tmp_path)
    plotting.show_training(history(), "mean_square")
    plt.close("all")
    assert (len(shown) == 1) == display
    assert (list(tmp_path.iterdir()) == []) == display


def test_a_network_shows_its_curves_after_training(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    X, Y = np.eye(4), np.eye(2)[[0, 1, 0, 1]]
    tg.NeuralNetwork([4, 3, 2], "mean_square", monitor=False, seed=0).train(X, Y, epochs=1)
    assert (tmp_path / "training_mean_square.png").exists()
    assert "training_mean_square.png" in capsys.readouterr().out


BACKENDS = ["no_such_backend", "GTK4Agg", "module://nothing"]


@pytest.mark.parametrize("backend", BACKENDS if thorough() else BACKENDS[:1])
def test_a_training_does_not_end_in_an_error_of_the_display(tmp_path, backend):
    code = ("import numpy as np, tinygrad_mlp as tg; "
            "network = tg.NeuralNetwork([2, 3, 2], monitor=False, plot=True, seed=0); "
            "network.train(np.eye(2), np.eye(2), 3); print(len(network.history))")
    environment = {**os.environ, "MPLBACKEND": backend}
    environment.pop("DISPLAY", None)
    done = child.python("-c", code, env=environment, cwd=tmp_path, check=True)
    assert done.stderr == "" and done.stdout.splitlines()[-1].isdigit()
    assert "The curves of training could not be drawn" in done.stdout or any(tmp_path.iterdir())


BEGINNINGS = {"png": PNG, "PNG": PNG, "pdf": b"%PDF", "svg": b"<?xml", "ps": b"%!PS",
              "eps": b"%!PS", "jpg": b"\xff\xd8", "tif": b"II*", "svgz": b"\x1f\x8b"}


@pytest.mark.parametrize("ending", BEGINNINGS)
def test_a_picture_has_the_format_of_its_ending(tmp_path, ending):
    path = tmp_path / f"curves.{ending}"
    plotting.plot_history(history(), path)
    assert path.read_bytes().startswith(BEGINNINGS[ending])
