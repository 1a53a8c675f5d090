"""The checks of an operation's forward function and of its LaTeX template."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.debug import fingerprint
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.graph_view.templates import template_of
from tinygrad_mlp.verify.operations.cases import OpCase
from tinygrad_mlp.verify.operations.report import Failure


def read_only(a: Array) -> Array:
    """Return a copy that cannot be written to."""
    a = a.copy()
    a.setflags(write=False)
    return a


LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "read-only": read_only,
    "Fortran-ordered": lambda a: np.array(a, order="F"),
    "non-contiguous": lambda a: np.stack([a, a], axis=-1)[..., 0],
    "reversed": lambda a: np.flip(np.flip(a).copy())}
"""The layouts of the same numbers in memory."""


def check_forward(case: OpCase) -> Iterator[Failure]:
    """Check the numbers, that the arguments are unchanged, layouts and precision."""

    def failure(cause: str, message: str) -> Failure:
        return Failure("forward", cause, message, case.sample)

    args = case.copies()
    before = [fingerprint(a) for a in args if a is not None]
    outs = case.forward(args)
    if [fingerprint(a) for a in args if a is not None] != before:
        yield failure("forward in place", "An argument was changed.")
        return  # the other checks would only repeat it
    outs = [o.copy() for o in outs]
    for out, true in zip(outs, case.reference() or outs, strict=True):
        if out.shape != true.shape:
            yield failure("forward wrong", f"Shape {out.shape}, reference {true.shape}.")
        elif not close(out, true, 1e-10):
            worst = float(np.max(np.abs(np.subtract(out, true, dtype=float))))
            yield failure("forward wrong", f"Largest difference {worst:.3g}.")
    for layout, change in LAYOUTS.items():
        try:
            again = case.forward(case.copies(change))
        except Exception as error:
            cause = "forward in place" if "read-only" in str(error) else "memory layout"
            yield failure(cause, f"Fails for a {layout} argument: {error}.")
            return
        if not all(close(a, b, 1e-12) for a, b in zip(again, outs, strict=True)):
            yield failure("memory layout", f"Another result for a {layout} argument.")
            return
    yield from _precision(case, outs, failure)


def _precision(case: OpCase, outs: list[Array], failure: Any) -> Iterator[Failure]:
    """Check that float32 stays float32, unless NumPy's function of that name promotes it too."""
    if not case.floats or any(isinstance(v, (type, np.dtype)) for v in case.static.values()):
        return  # a static dtype decides
    args = case.copies(np.float32)
    known = [f for f in case.op.record.numpy if isinstance(f, np.ufunc)]
    expected = {np.dtype(np.float32), *(f(*args).dtype for f in known)}
    for out, wide in zip(case.forward(args), outs, strict=True):
        if wide.dtype.kind == "f" and out.dtype not in expected:
            yield failure("dtype promoted", f"float32 arguments gave {out.dtype}.")


def check_latex(case: OpCase) -> Iterator[Failure]:
    """Check that the template shows every argument, with braces in pairs."""
    try:
        shown = template_of(case.op, case.args, case.static)
    except Exception as error:
        yield Failure("latex", "LaTeX", f"It raises {type(error).__name__}: {error}.", case.sample)
        return
    given = {str(i) for i, a in enumerate(case.args) if a is not None}
    if shown.count("{") != shown.count("}") or set(re.findall("⟪(.+?)⟫", shown)) != given:
        yield Failure("latex", "LaTeX", f"It gives {shown!r}.", case.sample)


def close(a: object, b: object, rtol: float) -> bool:
    """Return whether arrays are equal up to rounding, relative to the largest element."""
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape:
        return False
    if a.dtype.kind not in "fc" and b.dtype.kind not in "fc":
        return bool(np.array_equal(a, b))
    size = float(np.max(np.abs(b), initial=0, where=np.isfinite(b)))
    return bool(np.allclose(a, b, rtol=rtol, atol=rtol * size, equal_nan=True))
