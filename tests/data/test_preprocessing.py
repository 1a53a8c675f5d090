from __future__ import annotations

import tracemalloc

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler, scale

from tinygrad_mlp.data import one_hot, preprocess, preprocessing, standardise
from tinygrad_mlp.data.preprocessing import _validation_count
from tinygrad_mlp.errors import DTypeError, InvalidArgumentError, ShapeError, TinygradError

# Grey levels: what the columns hold in practice, with many constant ones among them.
pixels = hnp.arrays(
    np.uint8,
    st.tuples(st.integers(2, 40), st.integers(1, 4), st.integers(1, 4)),
    elements=st.sampled_from([0, 0, 0, 1, 17, 255]),
)


def rng(seed=0):
    return np.random.default_rng(seed)


def labels_for(X):
    return np.arange(len(X)) % 3


@given(pixels, st.integers(0, 5))
def test_whole_set_is_the_document_s_preprocessing(X, seed):
    labels = labels_for(X)
    split = preprocess(X, labels, rng=rng(seed), whole_set=True)

    n = len(X)
    indices = rng(seed).permutation(n)
    expected = scale(X.reshape(n, -1)[indices].astype(float), axis=0)
    cut = 9 * n // 10
    np.testing.assert_allclose(split.X, expected[:cut], atol=1e-12)
    np.testing.assert_allclose(split.X_validation, expected[cut:], atol=1e-12)
    np.testing.assert_array_equal(split.Y.argmax(1), labels[indices][:cut])
    np.testing.assert_array_equal(split.Y_validation.argmax(1), labels[indices][cut:])


@given(pixels)
def test_the_training_part_alone_is_what_scale_makes_of_it(X):
    split = preprocess(X, labels_for(X), rng=rng())
    training = X.reshape(len(X), -1)[split.order[: len(split.X)]].astype(float)
    np.testing.assert_allclose(split.X, scale(training), atol=1e-12)


@given(pixels, st.integers(0, 255))
def test_validation_samples_do_not_touch_the_training_part(X, grey):
    split = preprocess(X, labels_for(X), rng=rng())
    changed = X.copy()
    changed[split.order[len(split.X) :]] = grey
    again = preprocess(changed, labels_for(X), rng=rng())
    np.testing.assert_array_equal(again.X, split.X)
    np.testing.assert_array_equal(again.mean, split.mean)
    np.testing.assert_array_equal(again.scale, split.scale)


@given(pixels, st.booleans(), st.sampled_from([np.float32, np.float64]))
def test_standardise_treats_new_images_as_the_split_did(X, whole_set, dtype):
    split = preprocess(X, labels_for(X), rng=rng(), whole_set=whole_set, dtype=dtype)
    both = np.concatenate([split.X, split.X_validation])
    again = standardise(X[split.order], split.mean, split.scale, dtype=dtype)
    np.testing.assert_array_equal(again, both)
    assert again.dtype == both.dtype == split.Y.dtype == dtype


@given(
    st.floats(-1e6, 1e6),
    st.integers(2, 50),
    st.sampled_from([np.float32, np.float64]),
)
def test_a_constant_column_becomes_exactly_zero(value, n, dtype):
    X = np.stack([np.full(n, value), np.arange(n)], axis=1)
    split = preprocess(X, labels_for(X), rng=rng(), validation=0.5, dtype=dtype)
    assert not split.X[:, 0].any()
    assert not split.X_validation[:, 0].any()
    assert split.scale[0] == 1


@given(st.integers(2, 100_000))
def test_ten_percent_leaves_the_training_part_of_the_classic_experiment(n):
    assert n - _validation_count(n, 0.1) == 9 * n // 10


@given(st.integers(1, 99), st.integers(1, 1000))
def test_a_whole_number_of_percent_of_hundreds_is_met_exactly(percent, hundreds):
    assert _validation_count(100 * hundreds, percent / 100) == percent * hundreds


@given(hnp.arrays(st.sampled_from(["f4", "f8"]), st.tuples(st.integers(2, 30), st.integers(1, 4)),
                  elements=st.one_of(st.sampled_from([0.0, 0.1, 1e8]), st.floats(
                      -1e3, 1e3, width=32))), st.integers(1, 12))
def test_mean_and_scale_are_those_of_scikit_learn_bit_for_bit(X, block):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(preprocessing, "BLOCK", block)
        split = preprocess(X, labels_for(X), rng=rng(), validation=0, dtype=X.dtype)
    scaler, shuffled = StandardScaler(), X[split.order]
    for start in range(0, len(X), block):
        scaler.partial_fit(shuffled[start : start + block])
    varied = X.min(axis=0) != X.max(axis=0)
    np.testing.assert_array_equal(split.mean[varied], scaler.mean_[varied])
    np.testing.assert_array_equal(split.scale[varied], scaler.scale_[varied])


def test_a_constant_whose_mean_is_rounded_still_becomes_zero():
    X = np.full((30, 1), 0.1)
    assert X.mean() != 0.1
    assert not preprocess(X, labels_for(X), rng=rng(), validation=0).X.any()


@pytest.mark.parametrize("validation", [0, 0.0, 0.25, np.float32(0.5), 0.9])
def test_the_parts_are_disjoint_and_complete(validation):
    X = np.arange(20.0).reshape(20, 1)
    split = preprocess(X, np.zeros(20, int), rng=rng(), validation=validation)
    assert len(split.X_validation) == round(20 * validation)
    assert sorted(split.order) == list(range(20))
    both = np.concatenate([split.X, split.X_validation])
    np.testing.assert_allclose(both * split.scale + split.mean, X[split.order], atol=1e-12)


def test_the_same_seed_gives_the_same_bits_and_another_seed_another_order():
    X, labels = rng(1).normal(size=(30, 4)), labels_for(range(30))
    one, two, other = (preprocess(X, labels, rng=rng(seed)) for seed in (5, 5, 6))
    for a, b in zip(one, two, strict=True):
        assert a.tobytes() == b.tobytes()
    assert one.order.tolist() != other.order.tolist()


def test_the_arguments_are_left_as_they_were():
    X, labels = rng(1).normal(size=(30, 4)), labels_for(range(30))
    kept = X.copy(), labels.copy()
    preprocess(X, labels, rng=rng())
    standardise(X, np.ones(4), np.ones(4))
    np.testing.assert_array_equal(X, kept[0])
    np.testing.assert_array_equal(labels, kept[1])


def test_memory_stays_near_one_copy_of_the_result():
    X = rng().integers(0, 256, (20_000, 100), dtype=np.uint8)
    preprocess(X[:10], labels_for(X[:10]), rng=rng())  # imports are not to be counted
    tracemalloc.start()
    try:
        split = preprocess(X, labels_for(X), rng=rng())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    one_copy = 20_000 * 100 * 8
    assert split.X.base is split.X_validation.base
    assert peak < 2 * one_copy


GOOD = np.arange(12.0).reshape(6, 2)
LABELS = np.arange(6) % 2


def with_value(value):
    X = GOOD.copy()
    X[4, 1] = value
    return X


REFUSED = [
    (dict(X=with_value(np.nan)), InvalidArgumentError, "X[4, 1] = nan"),
    (dict(X=with_value(-np.inf)), InvalidArgumentError, "X[4, 1] = -inf"),
    (dict(X=with_value(1e200)), InvalidArgumentError, "X[4, 1] = 1e+200"),
    (dict(X=with_value(1e39), dtype="f4"), InvalidArgumentError, "for float32. Got X[4, 1]"),
    (dict(X=with_value(np.inf).astype("f2")), InvalidArgumentError, "X[4, 1] = inf"),
    (dict(X=np.zeros((0, 2)), labels=[]), InvalidArgumentError, "Got shape (0, 2)"),
    (dict(X=np.zeros((6, 0))), InvalidArgumentError, "Got shape (6, 0)"),
    (dict(X=np.zeros(6)), ShapeError, "Got (6,)"),
    (dict(X=GOOD.astype(str)), DTypeError, "X must be real numbers"),
    (dict(X=GOOD + 1j), DTypeError, "array of complex128"),
    (dict(labels=LABELS[:5]), ShapeError, "X of shape (6, 2) and labels of shape (5,)"),
    (dict(labels=LABELS[:, None]), ShapeError, "Got shape (6, 1)"),
    (dict(labels=LABELS - 1), InvalidArgumentError, "labels[0] = -1"),
    (dict(labels=LABELS, n_classes=1), InvalidArgumentError, "labels[1] = 1"),
    (dict(validation=1), InvalidArgumentError, "validation must be a number in [0, 1). Got 1"),
    (dict(validation=-0.1), InvalidArgumentError, "Got -0.1"),
    (dict(validation=np.nan), InvalidArgumentError, "Got nan"),
    (dict(validation="0.1"), InvalidArgumentError, "Got '0.1'"),
    (dict(validation=0.99), InvalidArgumentError, "of 6 samples leaves none for training"),
    (dict(X=GOOD[:1], labels=[0]), InvalidArgumentError, "of 1 samples leaves none"),
    (dict(dtype=int), DTypeError, "dtype must be a floating type"),
    (dict(rng=0), InvalidArgumentError, "rng must be a numpy.random.Generator. Got 0"),
]


@pytest.mark.parametrize(("changes", "error", "message"), REFUSED, ids=[row[2] for row in REFUSED])
def test_what_cannot_work_is_refused_before_anything_is_drawn(changes, error, message):
    generator = rng()
    before = generator.bit_generator.state
    arguments = dict(X=GOOD, labels=LABELS, rng=generator) | changes
    with pytest.raises(error, match="^preprocess: ") as caught:
        preprocess(arguments.pop("X"), arguments.pop("labels"), **arguments)
    assert message in str(caught.value)
    assert generator.bit_generator.state == before


@pytest.mark.parametrize(
    ("X", "mean", "scale_", "error", "message"),
    [
        (np.zeros((2, 8, 8)), np.zeros(784), np.ones(784), ShapeError, "has 64 values per image"),
        (np.zeros((2, 3)), np.zeros(3), np.ones(1), ShapeError, "scale of shape (1,)"),
        (np.zeros(3), np.zeros(3), np.ones(3), ShapeError, "image[None]"),
        ([[np.nan]], [0], [1], InvalidArgumentError, "X[0, 0] = nan"),
    ],
)
def test_images_that_do_not_suit_the_statistics_are_refused(X, mean, scale_, error, message):
    with pytest.raises(error, match="^standardise: ") as caught:
        standardise(X, mean, scale_)
    assert message in str(caught.value)


@given(hnp.arrays(np.intp, st.integers(1, 30), elements=st.integers(0, 9)), st.booleans())
def test_one_hot_is_undone_by_argmax(labels, as_float):
    Y = one_hot(labels.astype(float) if as_float else labels, 10)
    assert Y.shape == (len(labels), 10)
    assert Y.dtype == np.float64
    np.testing.assert_array_equal(Y.argmax(axis=1), labels)
    np.testing.assert_array_equal(np.sort(Y, axis=1)[:, :-1], 0)
    np.testing.assert_array_equal(Y.sum(axis=1), 1)


@pytest.mark.parametrize("kind", ["?", "u1", "i1", "u8", "i8", "f2", "f4", "f8", "g"])
def test_one_hot_takes_labels_of_any_number_type_and_gives_any(kind):
    Y = one_hot(np.array([0, 1], kind), dtype=kind)
    assert Y.dtype == np.dtype(kind)
    np.testing.assert_array_equal(Y.astype(int), np.eye(2, dtype=int))


def test_one_hot_of_nothing_has_no_rows():
    assert one_hot([], 10).shape == (0, 10)


@pytest.mark.parametrize(
    ("labels", "n_classes", "message"),
    [
        ([0, -1], None, "labels[1] = -1"),
        ([0, 1.5], None, "labels[1] = 1.5"),
        ([0, np.nan], None, "labels[1] = nan"),
        ([0, np.inf], None, "labels[1] = inf"),
        (np.array([0, np.inf], "f2"), None, "labels[1] = inf"),
        (np.array([0, 2**64 - 1], "u8"), None, "labels[1] = 18446744073709551615"),
        ([0, 10], 10, "below n_classes = 10. Got labels[1] = 10. Pass n_classes >= 11"),
        ([0], 0, "n_classes must be an integer >= 1. Got 0"),
        ([0], 2.0, "n_classes must be an integer >= 1. Got 2.0"),
        ([], None, "n_classes must be given"),
        ([[0, 1]], None, "Got shape (1, 2)"),
        (0, None, "Got shape ()"),
        (["zero"], None, "array of <U4"),
        ([0j], None, "array of complex128"),
    ],
)
def test_one_hot_refuses_what_is_no_class_number(labels, n_classes, message):
    with pytest.raises(TinygradError, match="^one_hot: ") as caught:
        one_hot(labels, n_classes)
    assert message in str(caught.value)


def test_one_hot_refuses_a_type_without_one_and_zero():
    with pytest.raises(DTypeError, match="dtype must be a real number type"):
        one_hot([0], dtype=str)
