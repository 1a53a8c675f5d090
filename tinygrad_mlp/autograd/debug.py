"""`debug`: find the first NaN or infinity, and arrays that were changed behind the graph's back.

Under `debug` a `Watch` observes every operation and every backward pass. It is in the two places
of the mode that are meant for this: the hook of `Op.__call__`, and the walk of `propagate`. Outside
of `debug` both are empty, and nothing here runs.

What a watch must know about a node in the backward pass (the user's line, the contents of the
arrays) is a `Note` in a slot of the node. Kept there and not in a table of the watch, it lives
exactly as long as it is needed: for one training step of ten thousand, or until another `debug()`
walks the graph.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.backward import unbroadcast
from tinygrad_mlp.autograd.call_site import CallSite, user_site
from tinygrad_mlp.autograd.changed_arrays import MUTATION_FIX
from tinygrad_mlp.autograd.describe import called, finite, label, listed, origin_of, trouble
from tinygrad_mlp.autograd.graph import Node, Value
from tinygrad_mlp.autograd.mode import MODE, Mode, changed_mode
from tinygrad_mlp.autograd.op import Op
from tinygrad_mlp.errors import MutatedArrayError, NonFiniteError

FORWARD_FIX = (
    "Keep its arguments where it is defined and its result can be represented: scale or clip "
    "them, or use one operation for several steps (logsumexp, log1p, softmax_cross_entropy).")
BACKWARD_FIX = (
    "Keep its arguments away from where the derivative is infinite or undefined: add a small "
    "constant, clip them, or choose elements with where() before the operation, not after it.")
ORIGIN_FIX = (
    "Look at where that comes from: the data, an assignment to .data, or an update with too large "
    "a learning rate.")
COPY_FIX = "Let it work on a copy, and return that."

QUIET = partial(np.errstate, divide="ignore", over="ignore", invalid="ignore")
"""A context without NumPy's warnings, for what is reported better here."""


def debug() -> changed_mode:
    """Check every operation and every gradient rule: slow, for finding a mistake.

    As a context manager or a decorator; per thread and per asynchronous task. Inside of it,

    - the first operation with a result that is not finite raises an error, which names the
      operation, the shapes and ranges of its arguments, and the program's line that called it;
    - so does the first gradient rule, with the line that called the operation in the forward pass;
    - so does an array that was changed in place between forward and backward pass, or by an
      operation or its rule;
    - a number that is taken out of a tensor which requires a gradient, by ``float(x)`` or
      ``math.exp(x)``, is told of in a warning.

    Only results are checked, and an infinity given as a constant (``where(mask, x, -inf)``) is
    taken as meant, as long as it makes infinities only and not NaN. NumPy's own warnings of
    overflow and the like are silent inside of operations.

    Raises:
        NonFiniteError: by the operation or the backward pass that makes the first NaN or infinity.
        MutatedArrayError: by the operation or the backward pass that finds a changed array.

    Warns:
        LostGradientWarning: where a plain number is made of a tensor that requires a gradient.

    >>> import tinygrad_mlp as tg
    >>> p = tg.Tensor([0.5, 0.0], requires_grad=True, name="p")
    >>> with tg.debug():
    ...     tg.log(p)
    Traceback (most recent call last):
    tinygrad_mlp.errors.NonFiniteError: debug: log() must return finite numbers. ...
    """
    return _Debugging()


class _Debugging(changed_mode):
    """The mode in which a watch observes; a second one inside of it changes nothing."""

    def changed(self, mode: Mode) -> Mode:
        """Return the mode with a watch in front of the hook that there is."""
        if isinstance(mode.hook, Watch):
            return mode._replace(outer=mode)
        watch = Watch(mode.hook)
        return mode._replace(hook=watch, walk=watch.walk, outer=mode)


Fingerprint = tuple[tuple[int, ...], int] | None


class Note(NamedTuple):
    """The notes of a watch about a node: the call's place, and the prints of what it holds."""

    site: CallSite | None
    prints: list[Fingerprint]


@dataclass(frozen=True, eq=False, slots=True)
class Watch:
    """Observes operations (as the mode's hook) and backward passes (as its walk).

    Attributes:
        outer: the hook that was there before, which continues with the operation.
        rule: in words, the gradient rule that is being run, if one is. Inside of it infinities
            are allowed; only its result is checked.
        site: where that rule's operation was called, if it is known.
    """

    outer: Callable[[Op, tuple[Any, ...], dict[str, Any]], Any] | None
    rule: str = ""
    site: CallSite | None = None

    tells_of_numbers: ClassVar[bool] = True  # see `conversions`

    # -- forward -----------------------------------------------------------------------------

    def __call__(self, op: Op, args: tuple[Any, ...], static: dict[str, Any]) -> Any:
        """Apply `op`, check its result, and leave a note in its node."""
        site = self.site if self.rule else user_site()
        given = arrays_of(args)
        before = list(map(fingerprint, given))
        with QUIET():
            result = self.outer(op, args, static) if self.outer else op.unhooked(args, static)
        values = op.as_tuple(result)
        node = values[0].node if isinstance(values[0], Value) else None
        if node is not None and node.op is op and node.arrays is not None:
            after = list(map(fingerprint, held_by(node)))
            node.note = Note(site, after)
        else:
            after = list(map(fingerprint, given))
        for position, (a, then, now) in enumerate(zip(given, before, after, strict=False)):
            if then is not None and then != now:
                raise MutatedArrayError(
                    f"debug: {op.name}() must leave its arguments as they are. It changed "
                    f"{label(op, position, args[position])} of shape {a.shape} in place.\n"
                    f"{called(op, site)}\n{COPY_FIX}")
        outs = arrays_of(values)
        if not self.rule and not all(map(finite, outs)):
            judge(op, args, static, outs, site)
        return result

    # -- backward ----------------------------------------------------------------------------

    def walk(self, starts: Sequence[tuple[Value, object]]) -> Callable[[Node, Any], Any]:
        """Check the gradients that a backward pass starts from, and return `vjp_of`."""
        for value, cotangent in starts:
            (g,) = arrays_of((cotangent,))
            if not finite(g):
                node = value.node
                what = "leaf" if node is None else f"result of {node.op.name}()"
                raise NonFiniteError(
                    f"debug: a backward pass must start from a finite gradient. The one given for "
                    f"the {what}, of shape {np.shape(g)}, held {trouble(g)}. Pass another one.")
        return self.vjp_of

    def vjp_of(self, node: Node, g: Any) -> Callable[..., Any]:
        """Return the `vjp` of a node's operation with checks; `g` is its result's gradient."""
        op = node.op
        note: Note | None = getattr(node, "note", None)
        arrays = held_by(node)
        prints = list(map(fingerprint, arrays))
        names = [label(op, position, parent) for position, parent in enumerate(node)]
        names += ["the result"] * op.outputs
        if note is not None:
            for name, a, before, now in zip(names, arrays, note.prints, prints, strict=True):
                if before != now:
                    raise MutatedArrayError(
                        f"debug: the arrays of {op.name}() must stay as they are until the "
                        f"backward pass, but {name} of shape {a.shape} was changed in place "
                        f"after the forward pass. The gradient would be wrong.\n"
                        f"{called(op, note.site)}\n{MUTATION_FIX}")
        site = note.site if note is not None else None
        cotangents = [a for a in arrays_of(op.as_tuple(g)) if a is not None]
        for a in cotangents:
            if not finite(a):  # although the start was finite, and each of the shares
                raise NonFiniteError(
                    f"debug: the gradient of the result of {op.name}() must be finite. Added up "
                    f"over everything the result was used for, it held {trouble(a)}.\n"
                    f"{called(op, site)}\n{BACKWARD_FIX}")
        names += ["the result's gradient"] * len(cotangents)
        arrays += cotangents
        prints += map(fingerprint, cotangents)
        held = list(zip(names, arrays, prints, strict=True))
        return partial(self._checked, op, held, site)

    def _checked(self, op: Op, held: Sequence[tuple[str, Any, Fingerprint]], site: CallSite | None,
                 position: int, *given: Any) -> Any:
        """Return the share of an argument: finite, and computed without changing an array."""
        if op.rule(position) is None:
            return None
        name, like, _ = held[position]
        title = f"the gradient rule of {op.name}() for {name}"
        hook = MODE.get().hook  # another one, where it was put in front of the watch
        outer = self.outer if isinstance(hook, Watch) else hook
        inside = Watch(outer, title, site and site._replace(inside=title))
        with QUIET(), changed_mode(hook=inside):
            share = unbroadcast(op.vjp(position, *given), like, op, position)
        for name, a, before in held:
            if fingerprint(a) != before:
                raise MutatedArrayError(
                    f"debug: {title} must leave all arrays as they are. It changed {name}, of "
                    f"shape {a.shape}, in place.\n{called(op, site)}\n{COPY_FIX}")
        (array,) = arrays_of((share,))
        if not finite(array):
            raise NonFiniteError(
                f"debug: {title} must return finite numbers. Got {trouble(array)}, from\n"
                f"{listed((name, a) for name, a, _ in held)}{called(op, site)}\n{BACKWARD_FIX}")
        return share


def judge(op: Op, args: Sequence[Any], static: dict[str, Any], outs: Sequence[Any],
          site: CallSite | None) -> None:
    """Raise an error for a result that is not finite, unless it must be meant."""
    given = arrays_of(args)
    bad = next(out for out in outs if not finite(out))
    nan = bool(np.isnan(bad).any())
    for position, (arg, a) in enumerate(zip(args, given, strict=True)):
        # An infinite constant may be meant; NaN never is, and no parameter is ever infinite.
        is_parameter = isinstance(arg, Value) and arg.requires_grad and arg.node is None
        if not finite(a) and (np.isnan(a).any() if nan else is_parameter):
            raise NonFiniteError(
                f"debug: {op.name}() must be given finite numbers. Already before it, "
                f"{label(op, position, arg)}, {origin_of(arg)} of shape {np.shape(a)}, held "
                f"{trouble(a)}.\n{called(op, site)}\n{ORIGIN_FIX}")
    if not nan and not all(map(finite, given)):
        # Infinite constants among the arguments: are these all, or did the operation add its own?
        tame = [a if finite(a) else np.where(np.isfinite(a), a, 1) for a in given]
        with QUIET():
            again = op.forward(*tame, **static)
        if all(map(finite, op.as_tuple(again))):
            return
    raise NonFiniteError(
        f"debug: {op.name}() must return finite numbers. Got {trouble(bad)}, from\n"
        f"{listed((label(op, i, arg), given[i]) for i, arg in enumerate(args))}"
        f"{called(op, site)}\n{FORWARD_FIX}")


def fingerprint(a: object) -> Fingerprint:
    """Return what changes when an array is changed in place: its shape and a checksum.

    A checksum and not a copy, which would double the memory that a graph holds.
    """
    if not isinstance(a, np.ndarray):
        return None
    # Transposed, a column-major array is row-major, and need not be copied.
    whole = a.T if a.flags.f_contiguous else np.ascontiguousarray(a)
    return a.shape, zlib.crc32(whole.data)


def arrays_of(values: Any) -> list[Any]:
    """Return the arrays of values; other things as they are."""
    return [v.data if isinstance(v, Value) else v for v in values]


def held_by(node: Node) -> list[Any]:
    """Return the arrays that a node keeps for the backward pass: arguments, then outputs."""
    return [*(node.arrays or ()), *node.op.as_tuple(node.out)]
