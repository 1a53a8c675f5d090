"""The ratios with a target as a picture: bars of how many times as fast we are, and the targets."""

from __future__ import annotations

import os
from typing import Any

from tests.benchmarks.ratios import rows
from tests.benchmarks.report import number, threads_of

# Okabe and Ito's blue and orange; they differ in lightness, too.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7")


def draw(results: dict[str, Any], path: str | os.PathLike[str]) -> None:
    """Save a picture of the ratios with a target in which others do the same work."""
    from matplotlib.figure import Figure

    shown = [row for row in rows(results["runs"])
             if row.kind in ("speed", "cost") and row.values and row.target]
    threads = threads_of(results)
    places = range(len(shown))
    labels = [f"{row.case}: {row.other}" for row in shown]
    figure = Figure(figsize=(7.4, 1.2 + 0.21 * len(shown)), layout="constrained")
    axes = figure.subplots()
    height = 0.8 / len(threads)
    for number_of_bar, n in enumerate(threads):
        at = [y + height * (number_of_bar - (len(threads) - 1) / 2)
              for y, row in zip(places, shown, strict=True) if n in row.values]
        speeds = [row.speed(row.values[n]) for row in shown if n in row.values]
        # Bars begin at 1, as fast as the other: to the right we win, to the left we lose.
        axes.barh(at, [s - 1 for s in speeds], height, left=1, color=COLOURS[number_of_bar % 4],
                  label=f"{n} thread{'s' if n > 1 else ''}")
        for y, speed in zip(at, speeds, strict=True):
            # In a column of their own, where no bar and no mark of a target is.
            axes.text(1.01, y, number(speed), transform=axes.get_yaxis_transform(),
                      va="center", fontsize=6.5)
    label: str | None = "target"
    for y, row in zip(places, shown, strict=True):
        if row.target is not None:
            bound = row.target.at_least if row.target.at_least is not None else row.target.at_most
            assert bound is not None
            wanted = bound if row.target.at_least is not None else row.speed(bound)
            axes.plot([wanted] * 2, [y - 0.45, y + 0.45], color="black", linewidth=2, label=label)
            label = None
    axes.axvline(1, color="#767676", linewidth=1)
    axes.set_xscale("log")
    axes.margins(x=0.08, y=0.01)
    axes.invert_yaxis()
    axes.set_yticks(places, labels, fontsize=7.5)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("times as fast as the other: right of 1, this package is faster (logarithmic)",
                    fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelsize=8)
    figure.legend(loc="outside upper right", ncols=len(threads) + 1, frameon=False, fontsize=8)
    figure.savefig(path, dpi=150)

