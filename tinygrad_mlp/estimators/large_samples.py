"""Samples that scikit-learn's checks would copy: large ones stay in place, and are read by rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import is_regressor
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import _check_y, validate_data

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.data import rows as data_rows
from tinygrad_mlp.data.rows import Rows, stays_in_place
from tinygrad_mlp.errors import TinygradError
from tinygrad_mlp.training.checked_data import checked_source

FLOATS = (np.float64, np.float32)
"""The dtypes that inputs keep."""


def checked_samples(estimator: object, X: Any, y: Any,
                    reset: bool) -> tuple[Array | Rows, Array]:
    """Return inputs and targets as scikit-learn checks them; the inputs are no sparse matrix."""
    rows = _large(X)
    if rows is None:
        X, y = validate_data(
            estimator, X, y, accept_sparse="csr", multi_output=True, dtype=FLOATS,
            y_numeric=is_regressor(estimator), reset=reset)
        return X if isinstance(X, np.ndarray) else X.toarray(), y
    y = _check_y(y, multi_output=True, y_numeric=is_regressor(estimator), estimator=estimator)
    check_consistent_length(X, y)
    return _checked_rows(estimator, X, rows, reset), y


def checked_inputs(estimator: object, X: object) -> Any:
    """Return inputs to predict for: an array, rows, or a sparse matrix."""
    rows = _large(X)
    if rows is None:
        return validate_data(estimator, X, accept_sparse="csr", dtype=FLOATS, reset=False)
    return _checked_rows(estimator, X, rows, reset=False)


def _large(X: object) -> Rows | None:
    """Return the rows of a large table of numbers that would have to be converted, or None."""
    if isinstance(X, np.ndarray):
        if X.dtype in FLOATS or X.dtype.kind not in "iubf":
            return None
    elif not stays_in_place(X):
        return None
    try:
        rows = Rows(X)
    except (TinygradError, ValueError, TypeError, LookupError):
        return None  # scikit-learn says what is wrong
    if rows.ndim != 2 or rows.dtype.kind not in "iubf" or 8 * rows.size <= data_rows.PIECE:
        return None
    return rows.astype(rows.dtype if rows.dtype in FLOATS else np.float64)


def _checked_rows(estimator: object, X: Any, rows: Rows, reset: bool) -> Array | Rows:
    """Check the features by a part of the samples, and that all numbers are finite."""
    two = slice(0, 2)
    table = X.iloc[two] if hasattr(X, "iloc") else X[two] if hasattr(X, "columns") else rows[two]
    validate_data(estimator, table, dtype=FLOATS, reset=reset)
    return checked_source(rows, f"{type(estimator).__name__}: X", rows.dtype)
