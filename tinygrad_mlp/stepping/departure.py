"""Where a derivation by hand departs from the right gradient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.stepping.chain_rule import Entry
from tinygrad_mlp.stepping.step import Departure
from tinygrad_mlp.verify import DerivationReport

Key = Any


def departure(report: DerivationReport, names: Mapping[Key, str],
              gradients: Mapping[Key, Array]) -> tuple[Key, Departure, Entry | None] | None:
    """Return the value at whose gradient a derivation departs; and the entry that differs most.

    That is the gradient that the wrong line should compute: the one of that name, or else the first
    that is equal to it. Where no line is known, it is the first gradient that is wrong. `names` and
    `gradients` are those of all values, in the order of the backward pass.
    """
    culprit = report.culprit
    if culprit is not None and culprit.values is not None:
        theirs, right = map(np.asarray, culprit.values)
        equal = [key for key, g in gradients.items() if _is_same(g, right)]
        equal.sort(key=lambda key: culprit.expected != f"∂L/∂{names[key]}")
        if equal:
            shape = gradients[equal[0]].shape
            value = np.reshape(theirs, shape) if theirs.size == right.size else None
            said = Departure(culprit.source.strip(), culprit.line, value, report.wrong_line)
            return equal[0], said, None
    for key, name in names.items():
        row = report.rows.get(name)
        if row is not None and not row.ok:
            told = f"At {row.worst} it is {row.person:.6g} and should be {row.right:.6g}."
            return key, Departure("", None, None, told), row.worst
    return None


def _is_same(a: Array, b: Array) -> bool:
    """Return whether two arrays have the same numbers, but for axes of length 1."""
    scale = np.abs(b).max(initial=0)
    return np.squeeze(a).shape == np.squeeze(b).shape and bool(
        np.allclose(np.squeeze(a), np.squeeze(b), rtol=0, atol=1e-8 * scale))
