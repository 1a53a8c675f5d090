"""The results of training as data for the template: curves, answers, mistakes, times."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from markupsafe import Markup

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.plotting import plot_confusion, plot_history
from tinygrad_mlp.plotting.classes import surest_mistakes
from tinygrad_mlp.plotting.figures import all_known
from tinygrad_mlp.reporting.inline_pictures import inline_figure, png
from tinygrad_mlp.reporting.reported_model import ReportedModel
from tinygrad_mlp.training.history import SHOWN, History, Record

MOST_MISTAKES = 24  # the largest number of wrong answers that are shown
CONFUSION_CLASSES = 30  # the largest number of classes for which the confusion matrix is drawn


class ReportTable(NamedTuple):
    """Headings and rows; and the columns of numbers, which are right-aligned."""

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    numeric: range


class Mistake(NamedTuple):
    """A sample with a wrong answer: its number, and its picture as an address, if it has one.

    The bars are names, numbers and widths in percent of the outputs that are shown.
    """

    number: int
    image: str | None
    bars: Sequence[tuple[str, str, float]]


def counted(n: int, word: str) -> str:
    """Return a number with a noun in singular or plural.

    >>> counted(1, "epoch"), counted(54000, "step")
    ('1 epoch', '54,000 steps')
    """
    return f"{n:,} {word}{'s' * (n != 1)}"


def duration(seconds: float) -> str:
    """Return a time in hours, minutes and seconds.

    >>> duration(0.4213), duration(75), duration(7380)
    ('0.42 s', '1 min 15 s', '2 h 3 min')
    """
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def curves(history: History) -> list[Markup]:
    """Draw loss and accuracy in a figure each, so that the page can place them."""
    return [
        inline_figure(partial(plot_history, history, quantities=[quantity]), f"curve-{quantity}",
                      f"{quantity} against iterations")
        for quantity in ("loss", "accuracy")
        if len(history) and all_known(getattr(history, f"training_{quantity}"))]


def evaluations(history: History) -> ReportTable:
    """Tabulate the records of a history; of many, the first and the last."""
    kept = [f for f in Record._fields if any(getattr(r, f) is not None for r in history)]
    rows = [[_cell(field, getattr(record, field)) for field in kept] for record in history]
    if len(rows) > 2 * SHOWN:
        rows = [*rows[:SHOWN], ["…"] * len(kept), *rows[-SHOWN:]]
    return ReportTable([field.replace("_", " ") for field in kept], rows, range(len(kept)))


def _cell(field: str, value: float | None) -> str:
    if value is None:
        return ""
    if field in ("iteration", "epoch"):
        return f"{value:,}"
    if field == "seconds":
        return f"{value:.2f}"
    return f"{value:.4f}" if value < 1e4 else f"{value:.2e}"


def timings(subject: ReportedModel) -> list[tuple[str, str]]:
    """List the time that training took, and the way in which steps were taken."""
    history = subject.history
    if not len(history):
        return []
    seconds, iterations = history.seconds[-1], history.iteration[-1] + 1
    of_each = f"{iterations:,} of {counted(subject.batch_size, 'sample')} each"
    rows = [("wall time", f"{duration(seconds)} until the last evaluation, evaluations included"),
            ("iterations until then", of_each)]
    if seconds > 0:
        rows.append(("time per iteration", f"{1e6 * seconds / iterations:,.1f} µs on average"))
    validated = " and all validation data" if all_known(history.validation_loss) else ""
    rows += [
        ("evaluations", f"{len(history)}, of all training data{validated}"),
        ("steps taken by", history.execution),
        ("ended", history.stopped or "after the last epoch")]
    return rows


def confusion(subject: ReportedModel) -> Markup | None:
    """Draw the confusion matrix; return None without classes, or with too many."""
    k = subject.Y.shape[-1]
    if not subject.classifies or k > CONFUSION_CLASSES:
        return None
    side = max(3.6, 2.4 + 0.26 * k)
    return inline_figure(
        partial(plot_confusion, subject.Y, subject.outputs), "confusion",
        "confusion matrix: true classes in rows, answers in columns", (side + 0.9, side))


def mistakes(subject: ReportedModel) -> tuple[int, list[Mistake]]:
    """Return the number of wrong answers, and those of which the model was surest."""
    if not subject.classifies:
        return 0, []
    true = subject.Y.argmax(axis=1)
    shown = subject.outputs if subject.probabilities is None else subject.probabilities
    wrong = surest_mistakes(true, shown)
    first = [_mistake(subject, shown, int(i), int(true[i])) for i in wrong[:MOST_MISTAKES]]
    return len(wrong), first


def _mistake(subject: ReportedModel, shown: Array, i: int, true: int) -> Mistake:
    outputs = shown[i]
    # Probabilities are shares of 1; other outputs are compared with the largest one.
    whole = 1.0 if subject.probabilities is not None else float(outputs.max())
    bars = []
    for word, k in (("taken for", int(outputs.argmax())), ("is", true)):
        share = min(max(float(outputs[k]), 0.0) / whole, 1.0) if whole > 0 else 0.0
        bars.append((f"{word} {k}", f"{outputs[k]:.2f}", 100 * share))
    image = None if subject.images is None else png(subject.images[i])
    return Mistake(i, image, bars)
