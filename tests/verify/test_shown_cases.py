"""The ten cases of the page about derivations are what the check prints."""

from pathlib import Path

import pytest

from tests.campaigns import chosen
from tests.verify.shown_cases import CASES, shown

PAGE = Path(__file__).parents[2] / "docs" / "check_your_derivation.md"


@pytest.mark.parametrize("name", list(CASES)[:chosen(5, None)])
def test_the_page_shows_what_the_check_prints(name):
    assert shown(name) in PAGE.read_text(encoding="utf-8")
