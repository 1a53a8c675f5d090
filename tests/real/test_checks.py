"""The checks say of each piece what its table says: right, wrong, or of a convention.

``python -m tests.real.table`` prints more: names and lines of the mistakes.
"""

import pytest

from tests.campaigns import chosen
from tests.real.real_code import as_it_stands, files
from tests.real.table import KINDS, report_on, told, variants

EACH = pytest.mark.parametrize("path", files(), ids=lambda path: path.stem)


@EACH
def test_each_piece_is_told_to_be_what_its_table_says(path):
    for piece, verdict in [*variants(path)][:chosen(1, None)]:
        said = told(piece, verdict, search=False)
        assert said.as_expected, said
        if verdict == "wrong":
            assert said.wrong


@pytest.mark.parametrize("path", [path for path in files() if as_it_stands(
    path).table["verdict"] == "convention"], ids=lambda p: p.stem)
def test_the_convention_of_a_piece_is_accepted_by_its_name(path):
    piece = as_it_stands(path)
    kinds = KINDS[piece.table["convention"]]
    assert report_on(piece, kinds).conclusive
    others = {kind for each in KINDS.values() for kind in each} - set(kinds)
    assert not report_on(as_it_stands(path), sorted(others)).ok
