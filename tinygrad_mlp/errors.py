"""Every error this package raises on purpose.

Each class says in its docstring what causes it and what to do. All derive from
`TinygradError`, so ``except tg.errors.TinygradError`` catches a user's mistake without
catching a bug; each also derives from the built-in class a NumPy user would expect.

A message always has the same order: who complains, what was expected, what came, what to do.
"""

from __future__ import annotations

import numpy as np


class TinygradError(Exception):
    """Base of all errors below; never raised itself."""


class InvalidArgumentError(TinygradError, ValueError):
    """An argument has a value that cannot work (an unknown name, a negative size, NaN in X).

    Fix: pass one of the values the message lists.
    """


class ShapeError(InvalidArgumentError):
    """Arrays whose shapes do not fit together.

    Fix: the message prints every shape as a tuple and the one that was expected. A target of
    shape ``(n,)`` against a prediction of shape ``(n, 1)`` is the usual cause.
    """


class IndexingError(InvalidArgumentError, IndexError):
    """An index outside of the array, or of a kind that NumPy cannot index with.

    Fix: the message prints the array's shape and the index.
    """


class LinAlgError(InvalidArgumentError, np.linalg.LinAlgError):
    """A matrix for which there is no inverse, no Cholesky factor, no convergence.

    NumPy's error of the same name, with the operation and the shapes that it was raised for. Fix:
    add a small multiple of the identity, use `pinv` or `solve` with a regularised matrix, or find
    out why the matrix is singular.
    """


class DTypeError(TinygradError, TypeError):
    """An array of the wrong kind: integers where a derivative is asked for, text as data.

    Fix: ``array.astype(float)``. A derivative with respect to an integer has no meaning.
    """


class GraphReleasedError(TinygradError, RuntimeError):
    """``backward()`` through a graph that an earlier ``backward()`` has already used up.

    The graph is released as it is walked, so that training needs no more memory than one step.
    Fix: compute the output again, or pass ``retain_graph=True`` to the first call.
    """


class NotDifferentiableError(TinygradError, TypeError):
    """A gradient was asked for that does not exist.

    Either the output does not depend on anything with ``requires_grad=True``, or it passes
    through an argument for which an operation has no gradient rule. Fix: mark the inputs, or
    give the operation a rule for that argument.
    """


class OpDefinitionError(TinygradError, TypeError):
    """An ``@op`` declaration that contradicts itself.

    A rule for a parameter the function does not have, two operations of one name, or a rule
    whose result does not have the shape of its argument. Fix: the message names the operation
    and the rule.
    """


class TraceError(TinygradError, TypeError):
    """A function, or a gradient rule, that cannot be written down as a list of operations.

    It turned a traced value into a number: ``if x > 0``, ``float(x)``, ``x.item()``. What is
    written down would hold for that one number only. Fix: ``tg.where(x > 0, a, b)``.
    """


class ExportError(TinygradError, ValueError):
    """A model that cannot be written in the format asked for.

    It uses an operation that the format does not have, or does something that a file cannot: draw
    random numbers, change its own arrays, do one thing for one batch size and another for the next.
    Fix: the message names the operation and the layer, and the way out.
    """


class ProgramError(TinygradError, TypeError):
    """A program whose instructions do not fit together.

    A program that was recorded always fits; this comes from a pass, or from instructions put
    together by hand. Fix: the message names the instruction, what it says and what it gives.
    """


class NonFiniteError(TinygradError, ArithmeticError):
    """A computation produced NaN or infinity.

    The message names the operation that produced the first one; under `debug()` also the line of
    the program that called it. Fix: usually a smaller learning rate, standardised inputs, or a
    loss that works from pre-activations.
    """


class MutatedArrayError(TinygradError, RuntimeError):
    """An array that the backward pass needs was changed in place (found by `debug()` only).

    Between forward and backward by the program (``x.data += 1``, ``X[0] = 0``), or by an
    operation's forward function or gradient rule. The gradient would silently be that of
    something else. Fix: change a copy, or assign a new array (``x.data = x.data + 1``).
    """


class StateDictError(TinygradError, ValueError):
    """Saved weights do not belong to this architecture.

    The message lists the missing, the unexpected and the wrongly shaped entries. Fix: build the
    model with the layers it was saved with.
    """


class DataError(TinygradError, ValueError):
    """A data or model file is damaged, or not of the format its reader expects.

    The message names the file and what was found in it. Fix: fetch or export the file again.
    """


class CheckpointError(TinygradError, ValueError):
    """A checkpoint belongs to another training: another model, other settings, other data.

    The message lists what differs. Fix: name another file, go on with what the checkpoint was
    written with, or delete it to begin anew.
    """


class DataNotFoundError(TinygradError, FileNotFoundError):
    """Data was found in none of the places searched, and could not be downloaded.

    Fix: the message lists the places and the alternative that needs no download.
    """


class MissingToolError(TinygradError, RuntimeError):
    """A program, or an optional package, that is needed is not installed or does not work.

    Fix: the message says how to install it, and what can be had without it.
    """


class RawNumbersWarning(UserWarning):
    """A gradient rule computes with numbers that the graph does not know of.

    Warned of when an operation of yours is first differentiated: the first derivative is right,
    higher ones would not be, and raise `OpDefinitionError`. Fix: write the rule with operators and
    functions of ``tg``, without ``.data``, ``.numpy()``, ``np.asarray()`` and ``float()``.
    """
