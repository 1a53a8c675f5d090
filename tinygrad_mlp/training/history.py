"""The history of a training: one record for each evaluation."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.support.files import write_file

SHOWN = 10
"""Number of records at either end of a history that a notebook shows."""


class Record(NamedTuple):
    """The figures of a training after one of its updates.

    Attributes:
        iteration: the number of the update, from 0.
        epoch: the number of the epoch of that update, from 0.
        seconds: time since training began, without the pauses of a training that was resumed.
        training_loss: mean loss per sample over the steps since the last record; with
            ``evaluate_training=True`` that on all of the training data.
        training_accuracy: share of correct classes there; None where targets are not classes.
        validation_loss: loss per sample on the validation data; None without validation data.
        validation_accuracy: share of correct classes there; None without validation data.
    """

    iteration: int
    epoch: int
    seconds: float
    training_loss: float
    training_accuracy: float | None
    validation_loss: float | None
    validation_accuracy: float | None

    def figures(self) -> dict[str, float]:
        """Return the losses and accuracies that were recorded, by what a reader calls them."""
        pairs = zip(self._fields[3:], self[3:], strict=True)
        return {name.replace("_", " "): value for name, value in pairs if value is not None}


class History:
    """The records of a training run, in order; each field is also a list.

    Attributes:
        records: the records.
        stopped: the reason why training ended before its last epoch, or None.
        execution: the kind of the steps: "eager", "a program", or "a program, in blocks of …".
        settings: the arguments of `fit` as JSON can hold them: loss, optimizer, epochs, and so on.

    >>> history = History()
    >>> history.append(Record(0, 0, 0.1, 2.5, 0.1, None, None))
    >>> history.append(Record(9, 1, 0.2, 1.5, 0.6, None, None))
    >>> history.training_loss
    [2.5, 1.5]
    >>> history
    History(2 records, 10 iterations: training loss 1.5, training accuracy 0.6)
    """

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.stopped: str | None = None
        self.execution = "eager"
        self.settings: dict[str, Any] = {}

    def append(self, record: Record) -> None:
        """Add a record."""
        self.records.append(record)

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    def __getattr__(self, name: str) -> list[Any]:
        if name not in Record._fields:
            raise AttributeError(
                f"History has no '{name}'. Its columns are {', '.join(Record._fields)}.")
        return [getattr(record, name) for record in self.records]

    def __repr__(self) -> str:
        stopped = f"; stopped: {self.stopped})" if self.stopped else ")"
        if not self.records:
            return f"History(no records{stopped}"
        n, last = len(self.records), self.records[-1]
        shown = ", ".join(f"{name} {value:.6g}" for name, value in last.figures().items())
        records, iterations = f"{n} record{'s' * (n != 1)}", f"{last.iteration + 1} iterations"
        return f"History({records}, {iterations}: {shown}{stopped}"

    def _repr_html_(self) -> str:
        """Return the recorded columns as a table; of many records the first and the last ten."""
        from tinygrad_mlp.support.html import table

        kept = [field for field in Record._fields if set(getattr(self, field)) - {None}]
        rows = [[getattr(record, field) for field in kept] for record in self.records]
        if len(rows) > 2 * SHOWN:
            rows = [*rows[:SHOWN], ["…"] * len(kept), *rows[-SHOWN:]]
        stopped = f"stopped: {self.stopped}" if self.stopped else ""
        return table([field.replace("_", " ") for field in kept], rows, stopped or f"{self!r}")

    def state_dict(self) -> dict[str, Any]:
        """Return everything but `settings`; the records as values and whether there is one."""
        shape = len(self.records), len(Record._fields)
        values = [[math.nan if v is None else v for v in record] for record in self.records]
        present = [[v is not None for v in record] for record in self.records]
        return {"records": np.array(values, np.float64).reshape(shape),
                "present": np.array(present, bool).reshape(shape), "execution": self.execution,
                "stopped": self.stopped}

    def load_state_dict(self, stored: Mapping[str, Any]) -> None:
        """Take over a state that `state_dict` has returned."""
        rows = zip(stored["records"].tolist(), stored["present"].tolist(), strict=True)
        records = []
        for values, present in rows:
            pairs = zip(values, present, strict=True)
            row: list[Any] = [value if p else None for value, p in pairs]
            records.append(Record(int(row[0]), int(row[1]), *row[2:]))
        self.records = records
        self.execution, self.stopped = stored["execution"], stored["stopped"]

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the records as a table with a column for each field, empty without a value.

        Raises:
            DataNotFoundError: the folder does not exist.
            WriteError: the file cannot be written, as on a full disk; an old one remains.
        """
        import csv
        import io

        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(Record._fields)
        writer.writerows(self.records)  # with every digit of a float; None as an empty field
        write_file(path, text.getvalue())

    def plot(self, path: str | os.PathLike[str] | None = None) -> Any:
        """Draw the curves of loss and accuracy against iterations.

        Args:
            path: also save the picture there.

        Returns:
            The matplotlib figure.
        """
        from tinygrad_mlp.plotting import plot_history

        return plot_history(self, path=path)
