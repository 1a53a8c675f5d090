"""Slopes of activations as diagonal matrices, for a single sample: ``δ2 = D2 W2ᵀ δ3``."""

from __future__ import annotations

import re

from tinygrad_mlp.explanation.algebra.monomial import OPEN, Base, Factor
from tinygrad_mlp.explanation.algebra.polynomial import term
from tinygrad_mlp.explanation.differentiation.reverse import Reverse


def name_slopes(reverse: Reverse) -> None:
    """Write the δ of layers whose z is a column as products with diagonal matrices D."""
    if not reverse.graph.layers:
        return  # the numbers of δ are none of layers
    names = reverse.naming.names
    for delta, z in list(reverse.deltas.items()):
        number = re.fullmatch(r"δ(\d+)", delta.name.text) if delta.name is not None else None
        column = len(z.shape) in (1, 2) and z.shape[1:] in ((), (1,)) and z.shape[0] > 1
        if number is None or not column or f"D{number[1]}" in names.given:
            continue
        made = reverse.simplifier.shown(delta.polynomial)
        monomial, c = next(iter(made.terms.items()))
        slope = [f for f in monomial if f.indices[:1] == (0,) and is_slope(f.base, z)]
        rest = [f for f in monomial if f not in slope]
        if len(made.terms) > 1 or not slope or not any(0 in f.indices for f in rest):
            continue
        unit = reverse.t.unit_matrix(z.shape[0]).bases().pop()
        shape = z.shape[0], z.shape[0]
        matrix = reverse.t.base(shape, term(shape, [Factor(unit, (0, 1), 1), *slope]))
        matrix.number = delta.number - 0.5  # it is written before δ
        matrix.name = names.unique(f"D{number[1]}")
        moved = [f._replace(indices=tuple(i or OPEN for i in f.indices)) for f in rest]
        delta.polynomial = term(made.shape, [Factor(matrix, (0, OPEN), 1), *moved], c)
    reverse.simplifier.forget()


def is_slope(base: Base, z: Base) -> bool:
    """Whether a base is computed from z alone."""
    inside = base.parts()
    return base is z or bool(inside) and all(is_slope(part, z) for part in inside)
