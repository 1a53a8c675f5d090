"""Of thousands of right derivations, none is called wrong; and wrong ones are found among them."""

import numpy as np
import pytest

from tests.campaigns import chosen
from tests.verify import right_derivations

PARTS = 6
"""So that no process is left with all of them at the end."""
STRIDE = 61
"""A prime: the default subset visits graphs and styles of all kinds."""


def numbers(part: int) -> range:
    in_full = range(part, 3000, PARTS)
    return in_full if chosen(0, 1) else in_full[::STRIDE]


@pytest.mark.parametrize("part", range(PARTS))
def test_no_right_derivation_is_called_wrong_and_planted_mistakes_are_found(part):
    result = right_derivations.campaign(numbers(part))
    assert not result.accused, "\n\n".join(result.accused)
    assert result.tried > 0.8 * (result.tried + result.skipped)
    assert result.undecided <= 0.15 * result.tried
    assert result.found >= 0.9 * result.planted


def test_the_campaign_has_graphs_and_styles_of_many_kinds():
    assert len(right_derivations.GRAPHS) >= 30 and len(right_derivations.STYLES) >= 30


@pytest.mark.parametrize("name", right_derivations.GRAPHS)
def test_the_derivations_of_a_graph_are_written_differently_and_agree(name):
    graph = right_derivations.GRAPHS[name](np.random.default_rng(0))
    first, *others = (derived(**graph.point) for derived in graph.derivations)
    for other in others:
        assert first.keys() == other.keys()
        for key, value in first.items():
            np.testing.assert_allclose(other[key], value, rtol=1e-9, atol=1e-9)
