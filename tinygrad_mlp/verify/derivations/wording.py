"""The words in which a mistake is reported: the changed factor, and well-known multiples."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Node
from tinygrad_mlp.autograd.op import OPS
from tinygrad_mlp.graph_view.names import layer_number
from tinygrad_mlp.verify.derivations.edges import SUMS, Candidate
from tinygrad_mlp.verify.derivations.replay import RecordedLoss

DERIVATIVES = {"tanh": "1 − tanh²({z})", "sigmoid": "g({z})(1 − g({z}))", "relu": "[{z} > 0]"}
"""The derivatives of activations as text, for an argument of a given name."""

SCALED = {-1.0: "with the wrong sign"}
"""Factors of a term that have words of their own."""

LOSSES = frozenset(
    ["squared_error", "binary_cross_entropy", "sigmoid_cross_entropy",
     "categorical_cross_entropy", "softmax_cross_entropy"])
"""Operations whose arguments are samples in rows and outputs in columns."""

LARGEST_RATIO = 1_000
"""Numerators and denominators of factors are recognised up to this."""

LONGEST_TEXT = 50
"""Longer expressions of the loss are told by their line."""


def called(recording: RecordedLoss, vertex: Any, *, line: bool = False) -> str:
    """Return what the person calls a vertex: its name, or the text of the call in the loss."""
    name = recording.names.get(vertex)
    site = recording.sites.get(vertex)
    if name is None and site is not None:
        # In a loop, a variable holds the last value; those before have the same name.
        name = next((n for v, n in recording.names.items() if recording.sites.get(v) == site), None)
    if name is not None:
        return name
    if site is None:
        return f"the result of {vertex.op.name}" if isinstance(vertex, Node) else "its argument"
    text = site.expression
    where = f" (line {site.line})" if line else ""
    if text and len(text) <= LONGEST_TEXT:
        return f"`{text}`{where}"
    return f"the {vertex.op.name} in line {site.line}"


def description(parameter: str, recording: RecordedLoss,
                candidate: Candidate) -> tuple[str | None, str]:
    """Return the name of the tensor that a change is about, and the change in words."""
    node = candidate.change.node
    name, computed = recording.names.get(node), called(recording, node, line=True)
    source = called(recording, candidate.source, line=node.op.name in SUMS)
    if candidate.kind == "missing-factor":
        change = f"without the factor {_factor(recording, candidate)}"
    elif candidate.kind == "extra-factor":
        change = f"with the factor {_factor(recording, candidate)} applied twice"
    elif candidate.kind == "transpose":
        matrix = recording.names.get(candidate.other) or "a matrix"
        change = f"with {matrix} in the place of its transpose, in the product that computes "
        change += computed
    elif candidate.kind == "missing-term" and node.op.name in SUMS:
        change = f"without the term of {source}"
    elif candidate.kind == "missing-term":
        change = f"without the path from {computed} to {source}: the sum over all paths lacks a "
        change += "term"
    elif candidate.kind == "scaled-term":
        change = f"with the term of {source}" if node.op.name in SUMS else (
            f"with the path from {computed} to {source}")
    elif candidate.kind == "epsilon":
        change = f"with ε = {candidate.epsilon:.0e} added in {computed}"
    elif candidate.kind == "clip":
        change = f"with a number kept {candidate.epsilon:.0e} away from 0 and 1 in {computed}"
    else:
        change = _wrong_point(recording, candidate)
    if len(candidate.changes) > 1:
        change += f", in each of {len(candidate.changes)} steps"
    return name, f"The gradient of {parameter} equals the right one {change}"


def _factor(recording: RecordedLoss, candidate: Candidate) -> str:
    """Return the local derivative that is left out or applied twice."""
    node, op = candidate.change.node, candidate.op
    z, a = recording.names.get(candidate.source), recording.names.get(node)
    where = called(recording, candidate.source)
    constant = _constant_factor(candidate)
    if constant is not None:
        return f"{constant} of {called(recording, node, line=True)}"
    if candidate.change.target is None or (op not in DERIVATIVES and not _is_function(op)):
        of = op if a is None and node not in recording.sites else called(
            recording, node, line=True)
        return f"the derivative of {of} with respect to {where}"
    text = DERIVATIVES.get(op, f"{op}′({{z}})").format(z=_bare(where))
    shape = recording.value(node).shape
    if not (len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)):
        return text
    # The derivative at a column vector is a diagonal matrix.
    number = layer_number(z)
    if number is None:
        number = layer_number(a, "a")
    return f"D{number} = diag({text})" if number is not None else f"diag({text})"


def _constant_factor(candidate: Candidate) -> str | None:
    """Return the constant that an argument is multiplied with or divided by, as text."""
    node = candidate.change.node
    if node.op.name not in ("multiply", "divide"):
        return None
    position = int(node[0] is None)  # of the argument that is no constant
    other = (node.arrays or ())[1 - position]
    if node[position] is not candidate.source or node[1 - position] is not None or np.ndim(other):
        return None
    if node.op.name == "divide":
        return f"1/{float(other):.6g}" if position == 0 else None
    return f"{float(other):.6g}"


def _is_function(op: str) -> bool:
    """Return whether an operation is written as a function of one argument."""
    return op in OPS and len(OPS[op].arrays) == 1


def _bare(text: str) -> str:
    """Return a text without the marks around it."""
    return text.strip("`")


def _wrong_point(recording: RecordedLoss, candidate: Candidate) -> str:
    """Describe a derivative that is taken at another point than the right one."""
    node, op = candidate.change.node, candidate.op
    z, a = called(recording, candidate.source), called(recording, node)
    if candidate.other is candidate.source:
        return f"with the derivative of {op} in terms of its result, taken at {z} instead of {a}"
    if candidate.change.target is not None:
        return f"with the derivative of {op} taken at {a} instead of {z}"
    other = called(recording, candidate.other)
    rest = [p for p in node if p is not None and p is not candidate.source]
    replaced = called(recording, rest[0]) if rest else "the right one"
    where = f"in the derivative of {op} (which computes {a})"
    if len(candidate.changes) > 1 and other == replaced:
        return f"with {other} of the same step in the place of that of the step before, {where}"
    return f"with {other} in the place of {replaced} {where}"


def well_known(c: float, recording: RecordedLoss, rtol: float) -> tuple[float, str]:
    """Return a factor and its name, without its rounding errors if it is a well-known one."""
    tolerance = max(rtol, 1e-9)
    for factor, name in [(1.0, "1"), *_common_factors(recording).items()]:
        for sign, mark in ((1, ""), (-1, "−")):
            if math.isclose(c, sign * factor, rel_tol=tolerance):
                known = name if sign > 0 else name.partition(",")[0]  # no length is negative
                return sign * factor, f"{mark}{known}"
    ratio = Fraction(abs(c)).limit_denominator(LARGEST_RATIO)
    simple = 0 < ratio.numerator <= LARGEST_RATIO and math.isclose(
        abs(c), float(ratio), rel_tol=min(tolerance, 1e-7))
    return c, f"{'−' if c < 0 else ''}{ratio}" if simple else f"{c:.6g}"


def is_well_known(c: float, recording: RecordedLoss, rtol: float) -> bool:
    """Return whether a factor is a common one or a ratio, and not just any number."""
    factor, text = well_known(c, recording, rtol)
    if text in ("1", "−1") and factor == c and abs(c) != 1.0:
        return False  # nearly 1, which is no factor
    return factor != c or text != f"{c:.6g}" or c == round(c)


def _common_factors(recording: RecordedLoss) -> dict[float, str]:
    """Return the factors that mistakes commonly bring in, with their names.

    Besides 2 they are the lengths of the axes at the end of the graph. In a loss of this package
    these are the numbers of samples and of outputs, and the products of these.
    """
    names: dict[float, str] = {2.0: "2"}
    parents = (p for node in reversed(recording.nodes) for p in node if p is not None)
    vertex = next((p for p in parents if recording.value(p).shape), None)
    shape = () if vertex is None else recording.value(vertex).shape
    if any(node.op.name in LOSSES for node in recording.nodes):
        names.update(_of_samples(shape))
    else:
        for axis, n in reversed(list(enumerate(shape))):
            which = "the length" if len(shape) == 1 else f"the length of axis {axis}"
            names[float(n)] = f"{n}, {which} of {called(recording, vertex)}"
    for n in (*numbers_averaged(recording), *numbers_summed(recording)):
        names.setdefault(float(n), str(n))
    names.pop(1.0, None)
    names.update({
        1 / c: f"1/{int(c)}" if name == str(int(c)) else f"1 over {name}"
        for c, name in list(names.items())})
    names[0.5] = "½"
    return names


def _of_samples(shape: tuple[int, ...]) -> Iterator[tuple[float, str]]:
    """Yield the numbers of samples and outputs, and their product, with their names."""
    if len(shape) == 1:
        yield float(shape[0]), f"the number of outputs, {shape[0]}"
    elif len(shape) == 2:
        n, k = shape
        if n > 1 and k > 1:
            yield float(n * k), f"the number of samples times that of outputs, {n} · {k}"
        yield float(k), f"the number of outputs, {k}"
        yield float(n), f"the number of samples, {n}"


def numbers_averaged(recording: RecordedLoss) -> list[int]:
    """Return the numbers that sums in the graph are divided by, to average."""
    found = []
    for node in recording.nodes:
        arrays = node.arrays or ()
        if node.op.name in ("mean", "average") and node.out.size:
            found.append(np.size(arrays[0]) // node.out.size)
        elif node.op.name in LOSSES and node.static.get("reduction") == "mean":
            found.append(np.shape(arrays[0])[0] if np.ndim(arrays[0]) > 1 else 1)
        elif node.op.name in ("divide", "multiply") and not node.out.shape:
            constants = [a for a, p in zip(arrays, node, strict=True) if p is None]
            for c in (abs(float(a)) for a in constants if np.ndim(a) == 0 and a):
                found.append(round(c if node.op.name == "divide" else 1 / c))
    return [n for n in dict.fromkeys(found) if n > 2]


def numbers_summed(recording: RecordedLoss) -> list[int]:
    """Return the numbers of elements, or rows, that are added in the graph."""
    found = []
    for node in recording.nodes:
        shape = np.shape((node.arrays or ((),))[0])
        if node.op.name == "sum" and node.out.size:
            found += [math.prod(shape) // node.out.size, *shape[:1]]
        elif node.op.name in LOSSES and node.static.get("reduction") == "sum":
            found += shape[:1]
    return [int(n) for n in dict.fromkeys(found) if n > 2]


def has_square(recording: RecordedLoss) -> bool:
    """Return whether a number is squared in the graph: x², x · x, or in a loss of the package."""
    return any(
        node.op.name in ("square", "squared_error")
        or (node.op.name == "power" and node[1] is None and np.all((node.arrays or ())[1] == 2))
        or (len(node) == 2 and node[0] is not None and node[0] is node[1])
        for node in recording.nodes)
