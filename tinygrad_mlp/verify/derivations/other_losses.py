"""Gradients of the loss without its safeguards: clips, and constants such as ε in log(p + ε)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.call_site import ALL_PACKAGES, CallSite, user_site
from tinygrad_mlp.autograd.graph import Node, Value
from tinygrad_mlp.autograd.mode import changed_mode
from tinygrad_mlp.autograd.op import Op
from tinygrad_mlp.verify.derivations.cases import Further, GradientCase
from tinygrad_mlp.verify.derivations.multiples import is_multiple
from tinygrad_mlp.verify.derivations.replay import RecordedLoss
from tinygrad_mlp.verify.derivations.wording import called

LARGEST_EPSILON = 1e-2
"""Constants that are added for safety are no larger than this."""

MOST_PLACES = 4
"""So many safeguards are left out one at a time, too."""

Sites = Collection[CallSite]


class LeavingOut:
    """A hook that takes the argument of the safeguards at some places for their result."""

    def __init__(self, sites: Sites) -> None:
        self.sites = sites

    def __call__(self, op: Op, args: tuple[Any, ...], static: dict[str, Any]) -> Any:
        """Apply the operation, or leave it out."""
        kept = guarded(op, args)
        if kept is not None and isinstance(args[kept], Value) and (
                user_site(ALL_PACKAGES) in self.sites):
            return args[kept]
        return op.unhooked(args, static)


def guarded(op: Op, args: tuple[Any, ...]) -> int | None:
    """Return which argument an operation keeps from being singular; None where it is no safeguard.

    Clips, max(p, ε), p + ε and p − ε are safeguards.
    """
    if op.name == "clip":
        return 0
    if op.name not in ("add", "subtract", "maximum", "minimum"):
        return None
    small = [i for i, arg in enumerate(args) if not isinstance(arg, (Value, Node))
             and np.ndim(arg) == 0 and 0 < abs(float(arg)) <= LARGEST_EPSILON]
    return None if len(small) != 1 or (op.name == "subtract" and small == [0]) else 1 - small[0]


def without_safeguards(first: GradientCase, further: Further,
                       rtol: float) -> tuple[str, str] | None:
    """Return which safeguards of the loss a gradient leaves out: the kind, and the words."""
    found: dict[str, dict[CallSite, Node]] = {"epsilon": {}, "clip": {}}
    for node in first.recording.nodes:
        arguments = zip(node, node.arrays or (), strict=True)
        if guarded(node.op, tuple(array if p is None else p for p, array in arguments)) is not None:
            kind = "epsilon" if node.op.name in ("add", "subtract") else "clip"
            found[kind].setdefault(first.recording.sites[node], node)
    for kind, nodes in found.items():
        for sites in _choices(nodes):
            cases = (first, *further())
            if all(_agrees(case, sites, rtol) is not False for case in cases):
                return kind, _words(kind, first, [nodes[site] for site in sites])
    return None


def _choices(nodes: dict[CallSite, Node]) -> Iterator[list[CallSite]]:
    """Yield the places to leave out: all, and one at a time."""
    if nodes:
        yield [*nodes]
    if 1 < len(nodes) <= MOST_PLACES:
        yield from ([site] for site in nodes)


def _agrees(case: GradientCase, sites: Sites, rtol: float) -> bool | None:
    """Return whether a gradient is that of the loss without some safeguards."""
    recording = case.recording
    with np.errstate(all="ignore"), changed_mode(hook=LeavingOut(sites)):
        parameters = {name: leaf.data for name, leaf in recording.leaves.items()}
        gradients, _ = RecordedLoss(recording.loss, parameters, exact=True).replay()
    other = gradients[case.name]
    return is_multiple(case.person, other, 1.0, rtol) if np.isfinite(other).all() else None


def _words(kind: str, case: GradientCase, nodes: list[Node]) -> str:
    where = " and ".join(called(case.recording, node, line=True) for node in nodes)
    if kind == "clip":
        return f"right for the loss without {where}, which is active at this point"
    constants = {float(array) for node in nodes
                 for parent, array in zip(node, node.arrays or (), strict=True) if parent is None}
    listed = " and ".join(f"{abs(c):.2g}" for c in constants)
    return f"right to {{error}}: the constant {listed} in {where} is left out"
