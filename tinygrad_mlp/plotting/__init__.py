"""Pictures: curves of training, the comparison of the document's two losses, arrays.

Every function returns its figure and can save it. The figures are made without pyplot, which would
keep each of them alive, and do not depend on its settings; only `show_training` opens it, where
there is a display.
"""

from tinygrad_mlp.plotting.arrays import heat_map, plot_gradient_errors
from tinygrad_mlp.plotting.curves import (
    plot_comparison,
    plot_history,
    pull_on_pre_activation,
    show_training,
)
from tinygrad_mlp.plotting.figures import check_picture_format

__all__ = [
    "check_picture_format", "heat_map", "plot_comparison", "plot_gradient_errors", "plot_history",
    "pull_on_pre_activation", "show_training",
]  # fmt: skip
