"""The words in which a mistake is reported: the changed factor, and well-known multiples."""

from __future__ import annotations

import math
import re
from typing import Any

from tinygrad_mlp.autograd.graph import Node
from tinygrad_mlp.graph_view.names import layer_number
from tinygrad_mlp.verify.derivations.mutations import Candidate
from tinygrad_mlp.verify.derivations.replay import RecordedLoss

DERIVATIVES = {"tanh": "1 − tanh²({z})", "sigmoid": "g({z})(1 − g({z}))", "relu": "[{z} > 0]"}
"""The derivatives of activations as text, for an argument of a given name."""

LONGEST_TEXT = 50
"""Longer expressions of the loss are told by their line."""


def called(recording: RecordedLoss, vertex: Any) -> str:
    """Return what the person calls a vertex: its name, or the text of the call in the loss."""
    name = recording.names.get(vertex)
    if name is not None:
        return name
    site = recording.sites.get(vertex)
    text = site.expression if site is not None else None
    if text and len(text) <= LONGEST_TEXT:
        return f"({text})" if re.search(r"[^\w.(]", text.split("(")[0]) else text
    if site is not None and text:
        return f"the {vertex.op.name} in line {site.line}"
    return f"the result of {vertex.op.name}" if isinstance(vertex, Node) else "its argument"


def description(parameter: str, recording: RecordedLoss,
                candidate: Candidate) -> tuple[str | None, str]:
    """Return the name of the tensor that a change is about, and the change in words."""
    names = recording.names
    node, op = candidate.change.node, candidate.op
    name, source = names.get(node), names.get(candidate.source)
    computed = name or f"the result of {op}"
    if candidate.kind == "missing-factor":
        change = f"without the factor {_factor(recording, candidate)}"
    elif candidate.kind == "extra-factor":
        change = f"with the factor {_factor(recording, candidate)} applied twice"
    elif candidate.kind == "transpose":
        matrix = names.get(candidate.other) or "a matrix"
        change = f"with {matrix} in the place of its transpose, in the product that computes "
        change += computed
    elif candidate.kind == "missing-term":
        path = f"the path from {computed} to {source or 'one of its arguments'}"
        change = f"without {path}: the sum over all paths lacks a term"
    else:
        change = _wrong_point(names, candidate)
    return name, f"The gradient of {parameter} equals the right one {change}"


def _factor(recording: RecordedLoss, candidate: Candidate) -> str:
    """Return the local derivative that is left out or applied twice."""
    node, op = candidate.change.node, candidate.op
    z, a = recording.names.get(candidate.source), recording.names.get(node)
    where = z or "its argument"
    if candidate.change.target is None:
        return f"the derivative of {op} with respect to {where}"
    text = DERIVATIVES.get(op, f"{op}′({{z}})").format(z=where)
    shape = recording.value(node).shape
    if not (len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)):
        return text
    # The derivative at a column vector is a diagonal matrix.
    number = layer_number(z)
    if number is None:
        number = layer_number(a, "a")
    return f"D{number} = diag({text})" if number is not None else f"diag({text})"


def _wrong_point(names: dict[Any, str], candidate: Candidate) -> str:
    """Describe a derivative that is taken at another point than the right one."""
    node, op = candidate.change.node, candidate.op
    z, a = names.get(candidate.source, "its argument"), names.get(node, "its result")
    if candidate.other is candidate.source:
        return f"with the derivative of {op} in terms of its result, taken at {z} instead of {a}"
    if candidate.change.target is not None:
        return f"with the derivative of {op} taken at {a} instead of {z}"
    other = names.get(candidate.other) or "another value"
    rest = (p for p in node if p is not None and p is not candidate.source)
    replaced = names.get(next(rest, None)) or "the right one"
    computed = names.get(node, f"the result of {op}")
    where = f"in the derivative of {op} (which computes {computed})"
    return f"with {other} in the place of {replaced} {where}"


def well_known(c: float, recording: RecordedLoss, rtol: float) -> tuple[float, str]:
    """Return a factor and its name, without its rounding errors if it is a well-known one."""
    for factor, name in [(1.0, "1"), *_common_factors(recording).items()]:
        for sign, mark in ((1, ""), (-1, "−")):
            if math.isclose(c, sign * factor, rel_tol=max(rtol, 1e-9)):
                return sign * factor, f"{mark}{name}"
    return c, f"{c:.6g}"


def _common_factors(recording: RecordedLoss) -> dict[float, str]:
    """Return the factors that mistakes commonly bring in, with their names.

    Besides 2 they are the lengths of the axes at the end of the graph: the numbers of samples and
    of outputs, and the products of these.
    """
    names: dict[float, str] = {2.0: "2"}
    parents = (p for node in reversed(recording.nodes) for p in node if p is not None)
    shapes = (recording.value(p).shape for p in parents)
    shape: tuple[int, ...] = next((s for s in shapes if s), ())
    if len(shape) == 1:
        names[float(shape[0])] = f"the number of outputs, {shape[0]}"
    elif len(shape) == 2:
        n, k = shape
        if n > 1 and k > 1:
            names[float(n * k)] = f"the number of samples times that of outputs, {n} · {k}"
        names[float(k)] = f"the number of outputs, {k}"
        names[float(n)] = f"the number of samples, {n}"
    names.pop(1.0, None)
    names.update({1 / c: f"1 over {name}" for c, name in list(names.items())})
    names[0.5] = "½"
    return names
