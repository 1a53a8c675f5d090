"""What the nodes of a transform keep: of large arrays, only those that the gradient rules read.

Nobody looks at the graph of ``grad(f)``: it is walked once and dropped. Many rules read neither
the arguments nor the result (those of a sum pass g on), or only their shapes. So a chain of sums
needs no memory for its arrays, and runs faster in memory that is used again.
"""

from __future__ import annotations

import dis
import functools
import inspect
from types import CodeType, FunctionType
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.backward import LARGEST
from tinygrad_mlp.autograd.graph import Array, Node, Value
from tinygrad_mlp.autograd.mode import MODE
from tinygrad_mlp.autograd.op import Op, Rule, Static

STARRED = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS

ABOUT = {"shape", "ndim", "dtype", "size"}
"""The attributes of an array that stay known without its elements."""


class Dropped(NamedTuple):
    """What is kept in the place of an array that no rule reads."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    ndim: int
    size: int


def lean_node(parents: list[Node | Value | None], op: Op, arrays: tuple[object, ...],
              static: Static, out: Any) -> Node:
    """Return a node without the large arrays that the operation's rules do not read.

    A spot check looks at no node whose result is large, so it misses none of the arrays.
    """
    outer = MODE.get().outer
    if out.size > LARGEST and (outer is None or outer.hook is None):  # a hook may look at them
        needed = tuple(number for number, parent in enumerate(parents) if parent is not None)
        kept = [a if read else dropped(a)
                for a, read in zip((out, *arrays), read_by(op, needed), strict=False)]
        out, arrays = kept[0], (*kept[1:], *arrays[len(kept) - 1 :])  # a *args has more arrays
    return Node(parents, op, arrays, static, out)


def dropped(array: Array) -> Any:
    """Return what is kept of a large array; anything else as it is."""
    if type(array) is not np.ndarray or array.size <= LARGEST:
        return array
    return Dropped(array.shape, array.dtype, array.ndim, array.size)


@functools.cache
def read_by(op: Op, needed: tuple[int, ...]) -> list[bool]:
    """Return whether the result and each argument are read by the rules of the `needed` ones."""
    everything = [True] * (1 + op.arity)
    if type(op) is not Op or op.variadic or op.provenance or op.add_share is not None:
        return everything
    found = [reads(rule) for rule in (op.rule(n) for n in needed) if rule is not None]
    if not all(found):
        return everything
    return [any(read) for read in zip(*found, strict=True)][: 1 + op.arity]


def reads(rule: Rule) -> list[bool]:
    """Return whether a rule ``(g, y, *arrays)`` may read elements of its parameters behind g.

    It does not where a name is used for attributes such as ``x.shape`` only. The list is empty
    where nothing is known.
    """
    if not isinstance(rule, FunctionType) or rule.__code__.co_flags & STARRED:
        return []
    code = rule.__code__
    return [_reads(code, name) for name in code.co_varnames[1 : code.co_argcount]]


def _reads(code: CodeType, name: str) -> bool:
    if name in code.co_cellvars:  # an inner function reads it
        return True
    lines = list(dis.get_instructions(code))
    for line, after in zip(lines, [*lines[1:], None], strict=True):
        loaded = line.argval if isinstance(line.argval, tuple) else (line.argval,)
        if name not in loaded or line.opname.startswith(("STORE", "DELETE")):
            continue
        about = after is not None and after.opname == "LOAD_ATTR" and after.argval in ABOUT
        if loaded[-1] != name or loaded.count(name) > 1 or not about:
            return True
    return False
