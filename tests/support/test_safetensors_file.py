"""What goes into a file and comes out of it: trees of values, checksums."""

from __future__ import annotations

import json
import math
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from tinygrad_mlp.errors import DataError, InvalidArgumentError
from tinygrad_mlp.support.safetensors_file import fingerprint, packed, read, unpacked, write

DTYPES = st.sampled_from(["f2", "f4", "f8", "i4", "i8", "u4", "u8", "?"])
ARRAYS = arrays(DTYPES, array_shapes(min_dims=0, max_dims=3, max_side=3)).flatmap(
    lambda a: st.sampled_from([a, a.T, np.asfortranarray(a), a[::-1] if a.ndim else a])
)
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), ARRAYS
)
NAMES = st.sampled_from(["$array", "$dict", "a.b", "a"])
KEYS = st.one_of(st.text(max_size=3), NAMES, st.integers())
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(KEYS, inner, max_size=3),
    ),
    max_leaves=8,
)


def same(one, other):
    if isinstance(one, np.ndarray):
        return (
            isinstance(other, np.ndarray)
            and (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())
            and (one.flags.c_contiguous or not one.flags.f_contiguous or other.flags.f_contiguous)
        )
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return repr(one) == repr(other)


@given(tree=TREES)
def test_nested_values_come_back_bit_for_bit_through_a_file(tree, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "tree.safetensors"
    held = {}
    facts = {"tree": packed(tree, "tree", held)}
    json.dumps(facts, allow_nan=False)
    write(path, held, facts, "test")
    found, facts = read(path)
    assert same(unpacked(facts["tree"], found), tree)


@pytest.mark.parametrize("value", [{1, 2}, object(), 1j, len, b"bytes"])
def test_other_values_are_refused_with_their_place(value):
    with pytest.raises(InvalidArgumentError, match=r"'mine.a.1' must consist of arrays"):
        packed({"a": [0, value]}, "mine", {})


def test_numbers_of_numpy_are_arrays():
    assert packed(np.float32(0.5), "x", held := {}) == {"$array": "x"}
    assert held["x"].dtype == np.float32 and held["x"].shape == ()


def test_a_huge_integer_of_a_generator_comes_back(tmp_path):
    state = np.random.default_rng(0).bit_generator.state
    write(tmp_path / "a", {}, {"state": state}, "test")
    assert read(tmp_path / "a")[1]["state"] == state
    assert state["state"]["state"] > sys.maxsize


@pytest.mark.parametrize("shape", [(), (3,), (5000, 2), (0, 4)])
def test_a_fingerprint_sees_every_bit_shape_and_dtype_and_nothing_else(shape):
    array = np.arange(math.prod(shape), dtype=np.float64).reshape(shape)
    known = fingerprint(array)
    assert fingerprint(array.copy("F")) == known
    assert fingerprint(array.astype(">f8")) == known
    others = [array.astype(np.float32), array[None]]
    for place in {0, array.size - 1} if array.size else ():
        other = array.copy()
        other.reshape(-1).view(np.uint64)[place] ^= 1
        others.append(other)
    assert known not in map(fingerprint, others)


def test_a_file_whose_facts_were_edited_is_refused(tmp_path):
    write(tmp_path / "a", {"w": np.ones(3)}, {"epochs": 3}, "test")
    content = (tmp_path / "a").read_bytes()
    (tmp_path / "a").write_bytes(content.replace(b'epochs\\": 3', b'epochs\\": 4'))
    with pytest.raises(DataError, match="expected the saved content. Got content"):
        read(tmp_path / "a")
