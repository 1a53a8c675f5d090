"""Intermediate quantities of a derivation (delta3, D2, z2, …), checked one by one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from tinygrad_mlp.autograd.graph import Array, Node
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.graph_view.names import layer_number
from tinygrad_mlp.verify.derivations.mutations import Segment, segments, slope
from tinygrad_mlp.verify.derivations.replay import RecordedLoss

RTOL = 1e-6
"""Terms are compared relative to their largest element; a mistake is far larger than this."""


class Term(NamedTuple):
    """An intermediate quantity that was given; `meaning` and `right` are those of its name."""

    name: str
    ok: bool
    meaning: str
    right: Array


def check_terms(recording: RecordedLoss, given: Mapping[str, Array], *,
                alone: bool) -> tuple[list[Term], list[str]]:
    """Check the quantities by their names, in the order of the backward pass.

    Return them, and the names that stand for nothing. If these quantities came `alone`, without a
    gradient, and none is known, that is an error.
    """
    if not given:
        return [], []
    known = _known_terms(recording)
    unknown = [name for name in given if name not in known]
    if alone and len(unknown) == len(given):
        raise InvalidArgumentError(
            f"check_derivation: the names in derived must be parameters or quantities of the loss "
            f"({', '.join(sorted(known))}). Got {unknown[0]!r}. Name the tensors in the loss "
            f"(z2, a2, …) to refer to them.")
    checked = [_checked(name, given[name], *known[name]) for name in known if name in given]
    return checked, unknown


def _known_terms(recording: RecordedLoss) -> dict[str, tuple[str, Array]]:
    """Return meaning and right numbers of all quantities by name, from the loss backwards."""
    names = recording.names
    _, cotangents = recording.replay()
    between: dict[Node, Segment] = {}
    for segment in segments(recording):
        if names.get(segment.start) and names.get(segment.end):
            between.setdefault(segment.end, segment)
    known: dict[str, tuple[str, Array]] = {}
    for node in reversed(recording.nodes):
        name = names.get(node)
        if name is None or node not in cotangents or node.op.outputs > 1:
            continue
        known[f"{name}_bar"] = (f"∂L/∂{name}", np.asarray(cotangents[node]))
        number = layer_number(name)
        if number is not None:
            known[f"delta{number}"] = known[f"{name}_bar"]
        if node in between:
            start, op = names[between[node].start], between[node].op
            number = layer_number(start) or layer_number(name, "a")
            label = f"D{number}" if number is not None else f"D_{name}"
            meaning = f"the derivative of {op} at {start}, on the diagonal"
            known[label] = (meaning, slope(recording, between[node]))
        known[name] = (f"the value of {name}", recording.value(node))
    return known


def _checked(name: str, person: Array, meaning: str, right: Array) -> Term:
    """Compare one quantity, which may be written as a vector, a column or a diagonal matrix."""
    flat = right
    if person.ndim == 2 and person.shape[0] == person.shape[1] == right.size and right.size > 1:
        flat = np.diag(right.ravel())  # D written out as a matrix
    elif person.size == right.size:
        person = person.reshape(right.shape)  # columns as vectors, and the reverse
    allowed = RTOL * (np.abs(flat).max(initial=0) or 1.0)
    ok = person.shape == flat.shape and bool(np.abs(person - flat).max(initial=0) <= allowed)
    return Term(name, ok, meaning, right)
