"""The size of the long campaigns: a fixed subset by default, all with ``pytest --thorough``."""

from __future__ import annotations

from hypothesis import settings

QUICK, THOROUGH = "quick", "thorough"
QUICK_EXAMPLES, THOROUGH_EXAMPLES = 20, 300
"""Examples that Hypothesis draws for a property which sets no number of its own.

Random programs and the checks' false alarms are tried by the thousand.
"""


def thorough() -> bool:
    """Return whether the campaigns are run in full."""
    return settings.get_current_profile_name() == THOROUGH


def chosen(quick: int, in_full: int | None) -> int | None:
    """Return how many of something are tried: a few by default, or all of them."""
    return in_full if thorough() else quick
