"""Reports: everything about a trained network in one HTML file.

The package is not called `report`, because importing a module of that name would replace the
function ``tg.report``.
"""

from tinygrad_mlp.reporting.page import check_ending, report

__all__ = ["check_ending", "report"]
