"""Tests that loop over samples go through all of them, and name the one that fails."""

from __future__ import annotations

import inspect

import pytest

from tests.every_sample import every_sample


def test_every_sample_is_tried_with_the_other_fixtures():
    seen = []

    @every_sample
    def check(case, rng):
        seen.append((case, rng))

    check(case_samples=["a", "b"], rng=1)
    assert seen == [("a", 1), ("b", 1)]
    assert list(inspect.signature(check).parameters) == ["case_samples", "rng"]


def test_the_sample_that_fails_is_named():
    @every_sample
    def check(case):
        assert case != "b"

    with pytest.raises(AssertionError) as caught:
        check(case_samples=["a", "b", "c"])
    assert caught.value.__notes__ == ["This is with sample 1: b."]
