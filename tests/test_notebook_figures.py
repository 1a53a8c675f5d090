"""Figures show themselves in a notebook, without pyplot and without its state."""

from __future__ import annotations

import copy
import inspect
import pickle
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest

import tinygrad_mlp as tg
from tests import child
from tinygrad_mlp import plotting
from tinygrad_mlp.training.history import History, Record

PNG = b"\x89PNG\r\n\x1a\n"
HISTORY = History()
for i in range(3):
    HISTORY.append(Record(10 * i, i, 0.1, 2.0 / (i + 1), 0.5, None, None))
CORNERS = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
LAYERS = SimpleNamespace(epochs=[0], activations={"0": [np.ones(5)]}, with_parameters={"0"},
                         gradients={"0": [np.arange(1.0, 6.0)]})
FIGURES = {
    "heat_map": lambda: plotting.heat_map(np.eye(3), "identity"),
    "plot_comparison": lambda: plotting.plot_comparison({"mean_square": HISTORY}),
    "plot_confusion": lambda: plotting.plot_confusion([0, 1, 1], [0, 1, 0]),
    "plot_decision_boundary":
        lambda: plotting.plot_decision_boundary(lambda x: x[:, :1], CORNERS, [0, 1, 1, 0]),
    "plot_distributions": lambda: plotting.plot_distributions(LAYERS),
    "plot_gradient_errors":
        lambda: plotting.plot_gradient_errors([np.full((2, 2), 1e-9)], ["W"], 1e-6),
    "plot_history": HISTORY.plot,
    "plot_learning_rate":
        lambda: plotting.plot_learning_rate(tg.optim.schedule.inverse_time(), 5),
    "plot_mistakes": lambda: plotting.plot_mistakes(np.eye(4), [0, 1, 0, 1], 1 - np.eye(4)[:, :2]),
    "plot_runs": lambda: plotting.plot_runs({"a": HISTORY}),
    "plot_weights": lambda: plotting.plot_weights(np.ones((2, 4))),
}


def test_the_table_has_every_function_that_returns_a_figure():
    functions = {name: getattr(plotting, name) for name in plotting.__all__}
    returning = {
        name for name, function in functions.items()
        if inspect.signature(function).return_annotation == "Figure"}
    assert returning == FIGURES.keys()


@pytest.mark.parametrize("make", FIGURES.values(), ids=FIGURES)
def test_a_figure_is_a_picture_in_a_notebook(make):
    figure = make()
    picture = figure._repr_png_()
    assert picture.startswith(PNG) and len(picture) > 2000
    assert figure._repr_html_() is None  # or a notebook would show both
    assert plt.get_fignums() == []  # or it would be shown again at the end of the cell


def test_showing_a_figure_needs_no_pyplot():
    program = """
import sys
from tinygrad_mlp.training.history import History, Record
history = History()
history.append(Record(0, 0, 0.1, 2.5, 0.1, None, None))
assert history.plot()._repr_png_()[1:4] == b"PNG"
assert "matplotlib.pyplot" not in sys.modules
"""
    child.python("-c", program, check=True)


def test_a_shown_figure_is_copied_as_any_other():
    figure = HISTORY.plot()
    for again in (pickle.loads(pickle.dumps(figure)), copy.deepcopy(figure)):
        assert len(again.axes) == 2 and again._repr_png_().startswith(PNG)
