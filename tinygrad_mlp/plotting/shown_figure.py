"""A figure that shows itself in notebooks. Importing this module imports matplotlib."""

from __future__ import annotations

from io import BytesIO

from matplotlib.figure import Figure


class ShownFigure(Figure):
    """A figure of matplotlib that a notebook shows without pyplot.

    Notebooks learn how to show a figure when pyplot is imported. Until then, they would print
    ``<Figure size …>`` for one. Where pyplot is there, a notebook shows this one as any other.
    """

    def _repr_png_(self) -> bytes:
        """Return the figure as a PNG picture, as notebooks ask for it."""
        file = BytesIO()
        self.savefig(file, format="png")
        return file.getvalue()
