"""Pictures of training, of the answers, mistakes and layers of a network, and of arrays.

Each function returns its figure and can save it. The functions draw what they are given: columns of
a history, arrays, functions. They know nothing of the training loop.
"""

from tinygrad_mlp.plotting.arrays import heat_map, plot_gradient_errors
from tinygrad_mlp.plotting.boundary import plot_decision_boundary
from tinygrad_mlp.plotting.classes import plot_confusion
from tinygrad_mlp.plotting.curves import (
    plot_comparison,
    plot_history,
    pull_on_pre_activation,
    show_training,
)
from tinygrad_mlp.plotting.distributions import plot_distributions
from tinygrad_mlp.plotting.figures import check_picture_format
from tinygrad_mlp.plotting.images import plot_mistakes, plot_weights
from tinygrad_mlp.plotting.runs import plot_learning_rate, plot_runs

__all__ = ["check_picture_format", "heat_map", "plot_comparison", "plot_confusion",
           "plot_decision_boundary", "plot_distributions", "plot_gradient_errors", "plot_history",
           "plot_learning_rate", "plot_mistakes", "plot_runs", "plot_weights",
           "pull_on_pre_activation", "show_training"]
