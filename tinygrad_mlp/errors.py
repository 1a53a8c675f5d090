"""The errors that this package raises on purpose.

The docstring of each class states the cause and the fix. All derive from `TinygradError`, so
``except tg.errors.TinygradError`` catches a user's mistake without catching a bug; each also
derives from the built-in class that a NumPy user would expect.

Every message has the same order: the function and its argument, what was expected, what it got,
what to do.

At the end: the refusals of what is no plain array of real numbers. `np.asarray` drops the mask of a
masked array, the unit of a quantity and the ``*`` of a matrix without a word; every way into the
package asks here first.
"""

from __future__ import annotations

from typing import Any

import numpy as np


class TinygradError(Exception):
    """The base of all errors of this package; never raised itself."""


class InvalidArgumentError(TinygradError, ValueError):
    """An argument with a value that is not allowed (an unknown name, a negative size, NaN in X).

    Fix: pass one of the values the message lists.
    """


class ShapeError(InvalidArgumentError):
    """Arrays whose shapes do not fit together.

    Fix: the message prints every shape as a tuple, and the expected one. The usual cause is a
    target of shape ``(n,)`` with a prediction of shape ``(n, 1)``.
    """


class TooLargeError(InvalidArgumentError, MemoryError):
    """Sizes that would take more memory than is available.

    It is raised before anything is made. Fix: the message has both sizes; choose smaller ones, or
    float32, or a machine with more memory.
    """


class IndexingError(InvalidArgumentError, IndexError):
    """An index out of bounds, or of a type that NumPy cannot index with.

    Fix: the message prints the array's shape and the index.
    """


class LinAlgError(InvalidArgumentError, np.linalg.LinAlgError):
    """A matrix without inverse or Cholesky factor, or one for which an algorithm diverges.

    This is NumPy's error of the same name, with the operation and the shapes added. Fix:
    add a small multiple of the identity, use `pinv` or `solve` with a regularised matrix, or find
    out why the matrix is singular.
    """


class DTypeError(TinygradError, TypeError):
    """An array of the wrong kind of dtype: integers to differentiate, text as data.

    Fix: ``array.astype(float)``. A derivative with respect to an integer is not defined.
    """


class GraphReleasedError(TinygradError, RuntimeError):
    """A call of ``backward()`` for a graph that an earlier call has released.

    The graph is released during the walk, so that training needs no more memory than one step.
    Fix: compute the output again, or pass ``retain_graph=True`` to the first call.
    """


class NotDifferentiableError(TinygradError, TypeError):
    """A request for a gradient that does not exist.

    Either the output does not depend on anything with ``requires_grad=True``, or it passes
    through an argument for which an operation has no gradient rule. Fix: mark the inputs, or
    give the operation a rule for that argument.
    """


class OpDefinitionError(TinygradError, TypeError):
    """An ``@op`` declaration that contradicts itself.

    It has a rule for a parameter that the function lacks, the name of another operation, or a
    rule whose result does not have the shape of its argument. Fix: the message names the operation
    and the rule.
    """


class TraceError(TinygradError, TypeError):
    """A function or a gradient rule that cannot be recorded as a list of operations.

    It converts a traced value to a number: ``if x > 0``, ``float(x)``, ``x.item()``. The recording
    would hold for that number only. Fix: ``tg.where(x > 0, a, b)``.
    """


class ExportError(TinygradError, ValueError):
    """A model that cannot be exported to a format.

    It uses an operation that the format lacks, draws random numbers, changes its own arrays, or
    computes something else for another batch size. Fix: the message names the operation, the layer
    and the remedy.
    """


class ProgramError(TinygradError, TypeError):
    """A program whose instructions do not fit together.

    A recorded program always fits; the cause is a pass, or instructions written by hand. Fix: the
    message names the instruction, its declared result and its actual one.
    """


class NonFiniteError(TinygradError, ArithmeticError):
    """A computation that produced NaN or infinity.

    The message names the operation that produced the first one; under `debug()` also the line of
    the program that called it. Fix: usually a smaller learning rate, standardised inputs, or a
    loss that works from pre-activations.
    """


class MutatedArrayError(TinygradError, RuntimeError):
    """An array of the backward pass that was changed in place, found by `debug()`.

    It was changed between forward and backward (``x.data += 1``, ``X[0] = 0``), or by an
    operation's forward function or gradient rule. The gradient would silently be wrong. Fix:
    change a copy, or assign a new array (``x.data = x.data + 1``).
    """


class StateDictError(TinygradError, ValueError):
    """Saved weights of another architecture.

    The message lists the missing and the unexpected entries, and those of another shape. Fix:
    build the model with the layers it was saved with.
    """


class DataError(TinygradError, ValueError):
    """A data or model file that is damaged, or has another format than its reader expects.

    The message names the file and its content. Fix: fetch or export the file again.
    """


class CheckpointError(TinygradError, ValueError):
    """A checkpoint of another training: another model, other settings, other data.

    The message lists the differences. Fix: name another file, use the model, settings and data
    of the checkpoint, or delete it to start from the beginning.
    """


class DataNotFoundError(TinygradError, FileNotFoundError):
    """A file that does not exist, or data that were neither found nor could be downloaded.

    Fix: the message lists the places, and an alternative that needs no download.
    """


class WriteError(TinygradError, OSError):
    """A file that cannot be written: a full disk, missing permissions, a name that is too long.

    The message names the file. A file that was there before is unchanged. Fix: free the disk, or
    name a file elsewhere; `errno` is the system's number of the reason.
    """


class MissingToolError(TinygradError, RuntimeError):
    """A required program or optional package that is missing, or does not work.

    Fix: the message says how to install it, and what works without it.
    """


class LostGradientWarning(UserWarning):
    """A plain number that was made of a tensor which requires a gradient (told by `debug()` only).

    ``float(x)``, ``math.exp(x)``, ``np.float64(x)``: what is computed from the number has no
    gradient. (In a function that is differentiated, traced, checked or trained with, it is a
    `NotDifferentiableError`.) Fix: a function of ``tg``, or ``x.item()`` where it is meant.
    """


class MutatedArrayWarning(UserWarning):
    """An array of the backward pass that was changed in place, noticed by a spot check.

    The result of an operation is not that of its arguments any more, so the gradient is a mixture
    of old and new numbers. (A compiled step writes into the arrays of parameters, too.) Fix: as for
    `MutatedArrayError`, which `debug()` raises at every such array, with the line that called the
    operation. Where a change of a result is meant, assign a new array to ``y.data``.
    """


class RawNumbersWarning(UserWarning):
    """A gradient rule that computes with raw numbers, which the graph does not record.

    The warning is given when an operation of yours is first differentiated: the first derivative
    is right, but higher ones would be wrong and raise `OpDefinitionError`. Fix: write the rule with
    operators and functions of ``tg``, without ``.data``, ``.numpy()``, ``np.asarray()`` and
    ``float()``.
    """


def refuse_more_than_numbers(data: Any, who: str) -> None:
    """Refuse an array with a mask, a unit or functions of its own, and a sparse matrix.

    Args:
        data: what a user passed; a list is looked through.
        who: the function, as the message begins.

    Raises:
        DTypeError: it is one of these.

    >>> refuse_more_than_numbers(np.ma.array([1.0, 2.0], mask=[0, 1]), "mean()")
    Traceback (most recent call last):
    tinygrad_mlp.errors.DTypeError: mean() expects a plain array. Got numpy.ma.MaskedArray. Its \
mask would be ignored: use .filled(value), or .compressed() for what it shows.
    """
    kind = type(data)
    if kind is np.ndarray:
        return
    if kind in (list, tuple):
        for part in data:
            if type(part) not in (float, int):
                refuse_more_than_numbers(part, who)
        return
    if isinstance(data, np.ndarray):
        remedy = _remedy_for_subclass(data)
    elif kind.__module__.startswith("scipy.sparse"):
        remedy = "Use .toarray() for an array with its zeros"
    elif hasattr(kind, "magnitude") and hasattr(kind, "units"):
        remedy = "Use .magnitude for the numbers in a unit of your choice"
    else:
        return
    if remedy:
        raise DTypeError(f"{who} expects a plain array. Got {kind.__module__}.{kind.__name__}. "
                         f"{remedy}.")


def _remedy_for_subclass(data: Any) -> str:
    """Return how to make a plain array of a subclass of ndarray; empty where it is one already."""
    if isinstance(data, np.ma.MaskedArray):
        return "Its mask would be ignored: use .filled(value), or .compressed() for what it shows"
    if isinstance(data, np.matrix):
        return "Its * is a matrix product: use np.asarray(...), and @ for the product"
    if type(data).__array_ufunc__ is not np.ndarray.__array_ufunc__:
        return "It computes in its own way (as with units): pass its numbers, np.asarray(...)"
    return ""


def refuse_assigned(array: object, attribute: str, kinds: str = "fiubc") -> None:
    """Refuse what was assigned to a tensor's `.data` or `.grad` and is no plain array of numbers.

    Args:
        array: what the attribute holds.
        attribute: "data" or "grad".
        kinds: the kinds of dtypes that it may have.

    Raises:
        DTypeError: it has a mask, a unit or functions of its own, is of other numbers, or no array.

    >>> refuse_assigned([1.0, 2.0], "data")
    Traceback (most recent call last):
    tinygrad_mlp.errors.DTypeError: a tensor's .data must be an array of floating-point numbers. \
Got list. Use np.array(..., float).
    """
    refuse_more_than_numbers(array, f"a tensor's .{attribute}")
    dtype = getattr(array, "dtype", None)
    if dtype is None or dtype.kind not in kinds:
        raise DTypeError(f"a tensor's .{attribute} must be an array of floating-point numbers. "
                         f"Got {dtype or type(array).__name__}. Use np.array(..., float).")


def refuse_unreal(array: Any, who: str) -> None:
    """Refuse an array of anything but real numbers.

    Args:
        array: the array.
        who: the function, as the message begins.

    Raises:
        DTypeError: it holds complex numbers, dates, records, text or objects.

    >>> refuse_unreal(np.array(["a"]), "mean()")
    Traceback (most recent call last):
    tinygrad_mlp.errors.DTypeError: mean() expects real numbers. Got data of dtype <U1. Convert \
it with .astype(float) first.
    """
    kind = array.dtype.kind
    if kind not in "fiub":
        raise DTypeError(f"{who} expects real numbers. Got data of dtype {array.dtype}. "
                         f"{_REMEDIES.get(kind, 'Convert it with .astype(float) first')}.")


_REMEDIES = {
    "c": "Compute with real and imaginary parts, .real and .imag, as two arrays",
    "M": "Subtract a date and divide by np.timedelta64(1, 'D') for days as numbers",
    "m": "Divide by np.timedelta64(1, 's') for seconds as numbers",
    "V": "Pass its fields as arrays, or use np.lib.recfunctions.structured_to_unstructured",
    "O": "Convert it with .astype(float) first; missing values become numbers with "
         ".to_numpy(float, na_value=np.nan) in pandas"}
"""What to do with data of a dtype's kind, where ``.astype(float)`` is not the answer."""
