"""Numbers taken out of a Tensor by Python and NumPy: allowed, told under `debug`, or refused.

``float(x)`` has no history, so what is computed from it has no gradient. Python's own functions
(``math.exp(x)``) ask for such numbers, too. In a program's own lines that is welcome: a loss is
logged. In a function that the package differentiates it would be a wrong gradient without a word.

What is constant wherever it has a derivative (``int(x)``, ``x > 0``, ``round(x)``) is right as a
number, and is not refused; nor is text.
"""

from __future__ import annotations

import ast
import math
import re
import sys
import warnings
from types import FrameType
from typing import Any

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.call_site import CallSite, function_called, user_site
from tinygrad_mlp.autograd.mode import MODE
from tinygrad_mlp.autograd.stores.assign import into_a_plain_array
from tinygrad_mlp.autograd.tensor import Tensor
from tinygrad_mlp.errors import LostGradientWarning, NotDifferentiableError

STORES = ("STORE_SUBSCR", "STORE_SLICE")
FORMATTING = "BINARY_OP"
"""Instructions that ask for a float: ``a[0] = x``, and ``"%f" % x``, since all other operators of a
Tensor are its own."""

STORING = frozenset(["__setitem__", "setitem", "fill"])
"""Functions and methods that store a number into a plain array."""

COUNTERPARTS = {"fsum": "sum", "fmean": "mean", "dist": "linalg.norm", "stdev": "std",
                "variance": "var"}
"""Functions of Python's standard library that are called otherwise in `tg`."""

LONGEST = 50
"""Characters of a call that is repeated in a message; of longer ones, the function only."""

CONVERSIONS = ("float", "complex", "float64", "float32", "float16", "asarray", "array")


def leave_graph(tensor: Tensor, *, as_array: bool = False) -> None:
    """Raise an error, or warn, where a number is taken out of a tensor that gradients flow to.

    The caller's caller is the one who asked for it.
    """
    if as_array:
        stored = instruction(sys._getframe(2)) in STORES
        raise into_a_plain_array() if stored else cannot_become_an_array()
    reached = instruction(sys._getframe(2))
    if reached in STORES:
        raise into_a_plain_array()
    mode = MODE.get()
    if reached == FORMATTING or not mode.recording:
        return
    if not STORING.isdisjoint(sys._getframe(2).f_code.co_names) and not STORING.isdisjoint(
            re.findall(r"\w+", user_site().expression or "")):
        raise into_a_plain_array()
    if mode.differentiating:
        raise NotDifferentiableError(lost(f"{mode.differentiating}()", user_site()))
    if getattr(mode.hook, "tells_of_numbers", False):
        site = user_site()
        warnings.warn_explicit(
            lost("debug", site), LostGradientWarning, site.code.co_filename, site.line)


def instruction(frame: FrameType) -> str:
    """Return the name of the instruction that a caller has reached.

    This is the one place that reads byte code: ``float(x)`` and ``a[0] = x`` call the same method
    from the same frame, and differ only in it.
    """
    from dis import opname

    return opname[frame.f_code.co_code[frame.f_lasti]] if frame.f_lasti >= 0 else ""


def lost(who: str, site: CallSite) -> str:
    """Return a sentence on a number that was taken out of a tensor, and on what to do."""
    call, called = _call(site)
    name = called.rpartition(".")[2]
    counterpart = COUNTERPARTS.get(name, name)
    if name in CONVERSIONS:
        advice = "Use the tensor itself"
    elif hasattr(ops, counterpart) or counterpart != name:
        advice = f"Use tg.{counterpart}"
    else:
        advice = "Use functions of tg"
    return (
        f"{who}: a tensor that requires a gradient must stay a tensor. Got {call}, which makes a "
        f"plain number of it: what is computed from that number has no gradient. {advice}, or "
        f".item() to leave the graph on purpose.\n  at {site}")


def _call(site: CallSite) -> tuple[str, str]:
    """Return the call at a site and the function that it calls, as they are written there."""
    try:
        call = ast.parse(site.expression or "", mode="eval").body
    except SyntaxError:
        call = None
    if not isinstance(call, ast.Call):
        return "a call", ""
    written, called = ast.unparse(call), ast.unparse(call.func)
    return written if len(written) <= LONGEST else f"{called}(…)", called


def cannot_become_an_array() -> NotDifferentiableError:
    """Return the error for NumPy taking the numbers of a tensor whose history would be lost."""
    if function_called() is np.full:  # which knows of no protocol
        return NotDifferentiableError(
            f"np.full would take the numbers out of a tensor that requires a gradient, and lose "
            f"its history. Use tg.full; tg.array([...]) joins tensors.\n  at {user_site()}")
    site = user_site()
    left, dot, right = (site.expression or "").partition(".dot(")
    if dot and right.endswith(")"):
        factor = right[:-1] if right[:-1].isidentifier() else f"({right[:-1]})"
        return NotDifferentiableError(
            f"the method .dot of a plain array takes no tensor that requires a gradient. Write "
            f"{left} @ {factor}, or np.dot({left}, {right}.\n  at {site}")
    return NotDifferentiableError(
        f"a tensor that requires a gradient cannot become (a part of) a plain array unnoticed: its "
        f"history would be lost. Join tensors with tg.array([...]) instead of np.array([...]) "
        f"(or tg.stack, tg.concatenate), also instead of filling an array element by element; use "
        f".numpy() or .detach() if the history is to be lost.\n  at {site}")


def rounded(self: Tensor, decimals: int | None = None) -> Any:
    """Return what ``round(x)`` is: an integer, or a tensor of `decimals`."""
    return round(self.item()) if decimals is None else self.round(decimals)


def dlpack(self: Tensor, **options: Any) -> Any:
    """Share the numbers with another library: ``torch.as_tensor(x)``, ``np.from_dlpack(x)``."""
    if self.requires_grad:
        raise cannot_become_an_array()
    return self.data.__dlpack__(**options)


Tensor._leave_graph = leave_graph
Tensor.__dlpack__ = dlpack  # type: ignore[attr-defined]
Tensor.__dlpack_device__ = lambda self: self.data.__dlpack_device__()  # type: ignore[attr-defined]
# Python's functions of these names ask for them. Constant between jumps: plain numbers are right.
for _name, _function in {
        "__trunc__": lambda x: int(x.item()), "__floor__": lambda x: math.floor(x.item()),
        "__ceil__": lambda x: math.ceil(x.item()), "__round__": rounded}.items():
    setattr(Tensor, _name, _function)
