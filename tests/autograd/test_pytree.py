"""Nested arguments taken apart and put together again."""

from __future__ import annotations

from collections import namedtuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_mlp.autograd.pytree import leaves, leaves_like, map_leaves, rebuild
from tinygrad_mlp.errors import InvalidArgumentError

Pair = namedtuple("Pair", "first second")

trees = st.recursive(
    st.integers(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=2), inner, max_size=3)
        | st.builds(Pair, inner, inner)
    ),
    max_leaves=8,
)


@given(trees)
def test_taking_apart_and_putting_together_changes_nothing(tree):
    assert rebuild(tree, leaves(tree)) == tree
    assert repr(rebuild(tree, leaves(tree))) == repr(tree)
    assert leaves_like(tree, tree) == leaves(tree)


@given(trees)
def test_mapping_maps_every_leaf_in_place(tree):
    doubled = map_leaves(lambda a: 2 * a, tree)
    assert leaves(doubled) == [2 * a for a in leaves(tree)]
    assert leaves(map_leaves(lambda a, b: b - a, tree, doubled)) == leaves(tree)


def backwards(tree):
    """The same tree, with every dict in the opposite order."""
    if isinstance(tree, dict):
        return {key: backwards(branch) for key, branch in reversed(tree.items())}
    if isinstance(tree, Pair):
        return Pair(*map(backwards, tree))
    if isinstance(tree, (list, tuple)):
        return type(tree)(map(backwards, tree))
    return tree


@given(trees)
def test_the_order_of_a_dict_does_not_matter_for_matching(tree):
    assert leaves_like(tree, backwards(tree)) == leaves(tree)


@pytest.mark.parametrize(
    ("model", "tree", "words"),
    [
        ({"a": 1}, {"b": 1}, ["'a'", "'b'"]),
        ({"a": 1}, {"a": 1, "b": 1}, ["'a'", "'b'"]),
        ({"a": 1}, [1], ["'a'", "list of 1"]),
        ([1, 2], [1], ["list of 2", "list of 1"]),
        ([1, 2], 1, ["list of 2", "single int"]),
        ([1, (2, 3)], [1, {"a": 1}], ["tuple of 2", "'a'"]),
    ],
)
def test_structures_that_differ_are_described(model, tree, words):
    with pytest.raises(InvalidArgumentError) as caught:
        leaves_like(model, tree)
    for word in words:
        assert word in str(caught.value)
