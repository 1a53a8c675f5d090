"""What is printed is compared with the backward pass, at the recorded numbers and at others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.gradients import gradients, origin
from tinygrad_mlp.autograd.graph import Array, Value, make_value
from tinygrad_mlp.autograd.mode import changed_mode
from tinygrad_mlp.explanation.algebra.values import BaseValues, random_point
from tinygrad_mlp.explanation.differentiation.reverse import Reverse
from tinygrad_mlp.explanation.expressions.equation import GRADIENT, Equation
from tinygrad_mlp.explanation.expressions.expression import evaluate
from tinygrad_mlp.graph_view.layer_view import Recorded, arrays_of
from tinygrad_mlp.graph_view.naming import key_of

POINTS = 2
"""Other numbers that equations are tried on, beside the recorded ones."""
UNITS = 2**14
"""How many units of rounding two forms of a gradient may differ by."""
CANCELLED = 32
"""The same, in units of the largest quantity on the way, of which a gradient may be a rest."""
AS_RECORDED = changed_mode(recording=True, depth=0, hook=None, walk=None, recorder=None,
                           exact_losses=False)


def backward(output: Value, targets: Sequence[Value]) -> list[Array]:
    """The gradients of a backward pass that warns of nothing and leaves no traces."""
    with AS_RECORDED, np.errstate(all="ignore"):
        found = gradients([(output, np.ones_like(output.data))], targets)
    return [np.zeros_like(t.data) if g is None else np.asarray(g)
            for t, g in zip(targets, found, strict=True)]


def differing(reverse: Reverse, equations: Sequence[Equation], seed: Array | None = None) -> str:
    """The name of a gradient that differs from that of the backward pass somewhere; or nothing.

    With a `seed` v, the equations are those of the Jacobians of f, and the output is ``Σ v ⊙ f``.
    """
    names = [base.name.text for t in reverse.targets if (base := reverse.target(t)).name]
    for number in range(POINTS + 1):
        given: dict[str, Array] = {}
        output, targets = reverse.graph.output, list(reverse.targets)
        if number:
            point = random_point([b for b in reverse.leaves if b.value is not seed], number)
            given = {b.name.text: v for b, v in point.known.items() if b.name is not None}
            given |= {name: point.of(p) for name, p in reverse.related.items()}
            try:
                output, targets = replayed(reverse, point)
            except (np.linalg.LinAlgError, ArithmeticError):
                continue  # outside of the domain
            if not np.isfinite(output.data).all():
                continue
        right = backward(output, targets)
        values = [np.asarray(v) for v in evaluate([e.right for e in equations], given)]
        scale = max((np.max(np.abs(v[np.isfinite(v)]), initial=0.0) for v in values), default=0.0)
        ours = {e.name.partition("/∂")[2]: v for e, v in zip(equations, values, strict=True)
                if e.kind == GRADIENT}
        for name, b in zip(names, right, strict=True):
            a = ours[name] if seed is None else np.tensordot(seed, ours[name], seed.ndim)
            if number and not np.isfinite(b).all():
                continue  # outside of the domain
            if a.shape != b.shape or not agree(a, b, float(scale)):
                return name
    return ""


def replayed(reverse: Reverse, point: BaseValues) -> tuple[Value, list[Value]]:
    """The output and the targets, computed anew from other values of leaves and constants."""
    known: dict[Any, Any] = {}
    graph: Recorded = reverse.graph
    with AS_RECORDED, np.errstate(all="ignore"):
        for node in graph.nodes:
            args: list[Any] = []
            for place, (parent, array) in enumerate(zip(node, arrays_of(node), strict=True)):
                if parent is not None and origin(parent) is not None:
                    args.append(known[key_of(parent)])
                elif not isinstance(array, np.ndarray):
                    args.append(array)
                elif parent is not None and id(parent) in known:
                    args.append(known[id(parent)])
                else:
                    p = reverse.argument(node, place)
                    assert p is not None
                    new = np.array(np.broadcast_to(point.of(p), array.shape), array.dtype)
                    args.append(new)
                    if parent is not None:
                        args[-1] = known[id(parent)] = make_value(type(parent), new, None, True)
            out = node.op(*args, **node.static)
            known |= {node: out} if node.op.outputs == 1 else {
                (node, index): o for index, o in enumerate(out)}
    return known[key_of(graph.output)], [known[key_of(t)] for t in reverse.targets]


def agree(a: Array, b: Array, scale: float) -> bool:
    """Whether two forms of a gradient have the same values, but for rounding.

    `scale` is the size of the largest quantity on the way, whose digits may have cancelled.
    """
    kinds = [x.dtype for x in (a, b) if x.dtype.kind == "f"]
    unit = max((float(np.finfo(kind).eps) for kind in kinds), default=2.0**-52)
    size = np.max(np.abs(b[np.isfinite(b)]), initial=0.0)
    return bool(np.allclose(a, b, rtol=UNITS * unit, equal_nan=True,
                            atol=unit * max(UNITS * size, CANCELLED * scale)))
