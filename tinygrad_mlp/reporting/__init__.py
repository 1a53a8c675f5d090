"""Reports: everything about a trained network in one file that any browser shows.

The package is not called `report`, because that is the name of its function: importing a module
`tinygrad_mlp.report` would put the module in the place of ``tg.report``.
"""

from tinygrad_mlp.reporting.page import check_ending, report

__all__ = ["check_ending", "report"]
