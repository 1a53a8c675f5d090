"""`History`: columns, printing, the table, the picture."""

from __future__ import annotations

import copy
import csv
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_mlp.errors import DataNotFoundError, InvalidArgumentError
from tinygrad_mlp.training.history import History, Record

NUMBERS = st.floats(allow_nan=False)
RECORDS = st.lists(
    st.builds(
        Record,
        iteration=st.integers(0, 2**60),
        epoch=st.integers(0, 1000),
        seconds=st.floats(0, 1e9),
        training_loss=NUMBERS,
        training_accuracy=st.none() | NUMBERS,
        validation_loss=st.none() | NUMBERS.map(np.float64),
        validation_accuracy=st.none() | NUMBERS,
    ),
    max_size=5,
)


def history_of(records):
    history = History()
    for record in records:
        history.append(record)
    return history


def table(path):
    with open(path, newline="") as file:
        return list(csv.reader(file))


@given(records=RECORDS)
def test_each_field_is_a_column_in_the_order_of_the_records(records):
    history = history_of(records)
    assert list(history) == records == history.records
    assert len(history) == len(records)
    for field in Record._fields:
        assert getattr(history, field) == [getattr(record, field) for record in records]


@given(records=RECORDS)
def test_the_table_gives_every_digit_back(records, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "history.csv"
    history_of(records).to_csv(path)
    header, *rows = table(path)
    assert header == list(Record._fields)
    read = [
        (int(row[0]), int(row[1]), *(float(text) if text else None for text in row[2:]))
        for row in rows
    ]
    assert read == [tuple(record) for record in records]


def test_a_table_replaces_the_old_one_whole_or_not_at_all(tmp_path):
    class Unprintable:
        def __str__(self):
            raise OSError("no more space")

    path = tmp_path / "history.csv"
    history = history_of([Record(0, 0, 0.1, 1.0, None, None, None)])
    history.to_csv(path)
    before = path.read_bytes()
    history.append(Record(1, 0, 0.2, Unprintable(), None, None, None))
    with pytest.raises(OSError, match="no more space"):
        history.to_csv(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(DataNotFoundError, match="there is no folder .*missing. Create it"):
        History().to_csv(tmp_path / "missing" / "history.csv")


def test_an_unknown_column_is_refused_with_the_known_ones():
    with pytest.raises(AttributeError, match="no 'val_loss'. Its columns are iteration, epoch"):
        _ = History().val_loss


FIRST = Record(0, 0, 0.1, 2.5, None, None, None)
LAST = Record(9, 1, 0.2, 1 / 3, 0.6, 0.5, None)


@pytest.mark.parametrize(
    ("records", "stopped", "shown"),
    [
        ([], None, "History(no records)"),
        ([], "too slow", "History(no records; stopped: too slow)"),
        ([FIRST], None, "History(1 record, 1 iterations: training loss 2.5)"),
        (
            [FIRST, LAST],
            "by hand",
            "History(2 records, 10 iterations: training loss 0.333333, training accuracy 0.6, "
            "validation loss 0.5; stopped: by hand)",
        ),
    ],
)
def test_the_repr_is_a_summary(records, stopped, shown):
    history = history_of(records)
    history.stopped = stopped
    assert repr(history) == shown


@pytest.mark.parametrize(
    "through", [copy.copy, copy.deepcopy, lambda history: pickle.loads(pickle.dumps(history))]
)
def test_a_history_can_be_copied_and_stored(through):
    history = history_of([FIRST, LAST])
    history.stopped = "by hand"
    other = through(history)
    assert other.records == history.records and other.stopped == "by hand"


def test_the_plot_is_a_figure_and_can_be_saved(tmp_path):
    from matplotlib.figure import Figure

    history = history_of([FIRST, LAST])
    assert isinstance(history.plot(), Figure)
    path = tmp_path / "curves.png"
    assert isinstance(history.plot(path), Figure)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_there_is_nothing_to_plot_without_records():
    with pytest.raises(InvalidArgumentError, match="plot_history"):
        History().plot()
