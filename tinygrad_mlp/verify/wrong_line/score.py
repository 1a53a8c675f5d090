"""How much of a derivation is explained by quantities of the graph."""

from __future__ import annotations

from tinygrad_mlp.verify.wrong_line.matching import Match

Matches = dict[int, Match]
"""The quantities that roots are equal to, by the numbers of the roots."""

WEIGHTS = {
    "cotangent": 1.0, "value": 1.0, "constant": 0.5, "share": 0.6, "multiple": 0.9, "slope": 0.6,
    "partial": 0.4}
"""How much it tells that a line holds a quantity of a kind."""


def told(matches: Matches) -> float:
    """Return how much is explained: different quantities above all, and lines of the right sign."""
    different = {(match.quantity.kind, match.quantity.family) for match in matches.values()}
    return (sum(WEIGHTS[kind] for kind, _ in different)
            + 0.3 * sum(match.sign > 0 for match in matches.values()))
