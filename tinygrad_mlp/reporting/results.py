"""What came out of training, as the data that a report's template lays out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from markupsafe import Markup

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.plotting import plot_confusion, plot_history
from tinygrad_mlp.plotting.classes import surest_mistakes
from tinygrad_mlp.plotting.figures import all_known
from tinygrad_mlp.reporting.inline import inline_figure, png
from tinygrad_mlp.reporting.subject import Subject
from tinygrad_mlp.training.history import SHOWN, History, Record

MOST_MISTAKES = 24
"""Samples with wrong answers that are shown."""

CONFUSION_CLASSES = 30
"""Up to this many classes the confusion matrix is drawn."""


class Table(NamedTuple):
    """Headings and rows; columns of numbers, but for the first `names`, are set to the right."""

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    names: int = 0

    @property
    def numeric(self) -> list[bool]:
        """For each column, whether its cells begin with a digit or a sign."""
        columns = [[row[i] for row in self.rows] for i in range(len(self.headings))]
        return [
            i >= self.names and all(cell[:1] in "+-−0123456789…" for cell in column)
            for i, column in enumerate(columns)
        ]


class Mistake(NamedTuple):
    """A sample that was taken for something else.

    Attributes:
        number: of the sample, from 0.
        image: its picture as an address; None where it has none.
        bars: name, number and width in percent of what is shown of the outputs.
    """

    number: int
    image: str | None
    bars: Sequence[tuple[str, str, float]]


def figures(number: float) -> str:
    """A number in four digits.

    >>> figures(0.123456), figures(3.0), figures(1e-13)
    ('0.1235', '3', '1e-13')
    """
    return f"{number:.4g}"


def counted(n: int, word: str) -> str:
    """A number of things.

    >>> counted(1, "epoch"), counted(54000, "step")
    ('1 epoch', '54,000 steps')
    """
    return f"{n:,} {word}{'s' * (n != 1)}"


def duration(seconds: float) -> str:
    """A time as people say it.

    >>> duration(0.4213), duration(75), duration(7380)
    ('0.42 s', '1 min 15 s', '2 h 3 min')
    """
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


# -- training ---------------------------------------------------------------------------------


def curves(history: History) -> list[Markup]:
    """Loss and accuracy, a figure each, so that they stand side by side or below each other."""
    recorded = [q for q in ("loss", "accuracy") if all_known(getattr(history, f"training_{q}"))]
    if not len(history):
        return []
    return [
        inline_figure(
            lambda q=quantity: plot_history(history, quantities=[q]),  # type: ignore[misc]
            f"curve-{quantity}", f"{quantity} against iterations",
        )
        for quantity in recorded
    ]  # fmt: skip


def evaluations(history: History) -> Table:
    """What was recorded; of many records the first and the last."""
    kept = [f for f in Record._fields if any(getattr(r, f) is not None for r in history)]
    rows = [[_cell(field, getattr(record, field)) for field in kept] for record in history]
    if len(rows) > 2 * SHOWN:
        rows = [*rows[:SHOWN], ["…"] * len(kept), *rows[-SHOWN:]]
    return Table([field.replace("_", " ") for field in kept], rows)


def _cell(field: str, value: Any) -> str:
    if value is None:
        return ""
    if field in ("iteration", "epoch"):
        return f"{value:,}"
    if field == "seconds":
        return f"{value:.2f}"
    return f"{value:.4f}" if value < 1e4 else f"{value:.2e}"


def timings(subject: Subject) -> list[tuple[str, str]]:
    """How long training took, and how its steps were taken."""
    history = subject.history
    if not len(history):
        return []
    seconds, iterations = history.seconds[-1], history.iteration[-1] + 1
    rows = [
        ("wall time", f"{duration(seconds)} until the last evaluation, evaluations included"),
        ("iterations until then",
         f"{iterations:,} of {counted(subject.batch_size, 'sample')} each"),
    ]  # fmt: skip
    if seconds > 0:
        rows.append(("time per iteration", f"{1e6 * seconds / iterations:,.1f} µs on average"))
    rows += [
        ("evaluations", f"{len(history)}, of all training data"
         + (" and all validation data" if all_known(history.validation_loss) else "")),
        ("steps taken by", history.execution),
        ("ended", history.stopped or "after the last epoch"),
    ]  # fmt: skip
    return rows


# -- answers ----------------------------------------------------------------------------------


def confusion(subject: Subject) -> Markup | None:
    """The confusion matrix; None where there are no classes, or too many to be seen."""
    k = subject.Y.shape[-1]
    if not subject.classifies or k > CONFUSION_CLASSES:
        return None
    side = max(3.6, 2.4 + 0.26 * k)
    return inline_figure(
        lambda: plot_confusion(subject.Y, subject.outputs), "confusion",
        "confusion matrix: true classes in rows, answers in columns", (side + 0.9, side),
    )  # fmt: skip


def mistakes(subject: Subject) -> tuple[int, list[Mistake]]:
    """How many answers are wrong, and those that the model was surest of."""
    true = subject.Y.argmax(axis=1)
    shown = subject.outputs if subject.probabilities is None else subject.probabilities
    wrong = surest_mistakes(true, shown)
    first = [_mistake(subject, shown, int(i), int(true[i])) for i in wrong[:MOST_MISTAKES]]
    return len(wrong), first


def _mistake(subject: Subject, shown: Array, i: int, true: int) -> Mistake:
    outputs = shown[i]
    # Probabilities are shares of 1; of other outputs, the largest is the measure.
    whole = 1.0 if subject.probabilities is not None else float(outputs.max())
    bars = []
    for word, k in (("taken for", int(outputs.argmax())), ("is", true)):
        share = min(max(float(outputs[k]), 0.0) / whole, 1.0) if whole > 0 else 0.0
        bars.append((f"{word} {k}", f"{outputs[k]:.2f}", 100 * share))
    image = None if subject.images is None else png(subject.images[i])
    return Mistake(i, image, bars)
