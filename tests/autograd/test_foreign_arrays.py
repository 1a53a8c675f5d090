"""Arrays that mean more than their numbers are refused at every door, with the remedy.

`np.asarray` drops a mask, a unit and the operators of a matrix without a word.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import tinygrad_mlp as tg
from tinygrad_mlp.errors import DTypeError, TinygradError

scipy_sparse = pytest.importorskip("scipy.sparse")


class Metres(np.ndarray):
    """As the quantities of astropy and unyt: a subclass whose functions keep track of a unit."""

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        return NotImplemented


class Quantity:
    """As pint's: a number and a unit."""

    magnitude, units = np.ones(3), "m"

    def __array__(self, dtype=None, copy=None):
        return self.magnitude


NUMBERS = np.array([1.0, 2.0, 3.0])
MASKED = np.ma.array(NUMBERS, mask=[False, True, False])
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    MATRIX = np.matrix(NUMBERS)
RECORDS = np.array([(1.0, 2.0)] * 3, dtype=[("a", float), ("b", float)])
REFUSED = {  # what it is, and what the message advises
    "masked": (MASKED, "filled"),
    "masked, nothing hidden": (np.ma.array(NUMBERS), "filled"),
    "a list of masked": ([MASKED, MASKED], "filled"),
    "matrix": (MATRIX, "np.asarray"),
    "quantity": (NUMBERS.view(Metres), "np.asarray"),
    "quantity of pint": (Quantity(), ".magnitude"),
    "sparse array": (scipy_sparse.csr_array(NUMBERS[None]), ".toarray()"),
    "sparse matrix": (scipy_sparse.csc_matrix(NUMBERS[None]), ".toarray()"),
    "records": (RECORDS, "fields"),
    "recarray": (RECORDS.view(np.recarray), "fields"),
    "objects": (np.array([1.0, None, 2.0], object), "astype(float)"),
    "text": (np.array(["a", "b", "c"]), "astype(float)"),
    "dates": (np.array(["2020-01-01"] * 3, "M8[D]"), "timedelta64"),
    "durations": (np.array([1, 2, 3], "m8[s]"), "timedelta64"),
}
OF_ODD_DTYPES = ("records", "recarray", "objects", "text", "dates", "durations")
MEANS_MORE = [kind for kind in REFUSED if kind not in OF_ODD_DTYPES]


def tracked():
    return tg.Tensor(NUMBERS, requires_grad=True)


def fit(X, Y):
    return tg.fit(MODEL, tg.nn.squared_error, tg.optim.SGD(MODEL.parameters(), 0.1), X, Y, epochs=1)


MODEL = tg.nn.Sequential(tg.nn.Linear(3, 1, rng=np.random.default_rng(0)))


def leaf_with(attribute, array):
    leaf = tracked()
    setattr(leaf, attribute, array)
    return leaf


def constant_with(array):
    constant = tg.Tensor(NUMBERS)
    constant.data = array
    return constant


def of_a_user(array, outputs=1):
    """An operation whose forward function returns an array, once for each output."""
    whole = array if outputs == 1 else (array,) * outputs
    return tg.op(rules={"x": lambda g, y, x: x}, register=False, outputs=outputs)(lambda x: whole)


def derived(**answer):
    return tg.verify.check_derivation(lambda W: tg.sum(W * W), lambda W: answer, W=NUMBERS)


DOORS = {
    ".data, an operation": lambda a: (leaf_with("data", a) * 2).sum().backward(),
    ".data, a reduction": lambda a: tg.sum(leaf_with("data", a)).backward(),
    ".data, a product": lambda a: tg.matmul(leaf_with("data", a), NUMBERS).backward(),
    ".data, a constant": lambda a: tg.sum(constant_with(a)),
    ".data, a constant beside a leaf": lambda a: tg.sum(constant_with(a) * tracked()),
    ".data, grad": lambda a: tg.grad(lambda x: tg.sum(x * x))(leaf_with("data", a)),
    ".data, compile": lambda a: tg.compile(lambda x: x * leaf_with("data", a))(NUMBERS),
    ".grad, backward": lambda a: tg.sum(leaf_with("grad", a)).backward(),
    ".grad, a step": lambda a: tg.optim.SGD([leaf_with("grad", a)], 0.1).step(),
    ".grad, clipping": lambda a: tg.optim.clip_by_norm([leaf_with("grad", a)], 1.0),
    "a user's operation": lambda a: of_a_user(a)(tracked()),
    "a user's operation of two outputs": lambda a: of_a_user(a, 2)(tracked()),
    "a user's operation, compiled": lambda a: tg.compile(of_a_user(a))(NUMBERS),
    "derived": lambda a: derived(W=a), "derived, another quantity": lambda a: derived(other=a),
    "Tensor": tg.Tensor,
    "operator": lambda a: tracked() * a,
    "operator, reflected": lambda a: a * tracked(),
    "operation": lambda a: tg.add(tracked(), a),
    "operation without a Tensor": lambda a: tg.exp(a),
    "activation": lambda a: tg.softmax(a),
    "loss": lambda a: tg.squared_error(tracked(), a),
    "np.multiply": lambda a: np.multiply(tracked(), a),
    "np.concatenate": lambda a: np.concatenate([tracked(), a]),
    "tg.array": lambda a: tg.array([tracked(), a]), "tg.array alone": tg.array,
    "tg.full": lambda a: tg.full((3,), a), "backward": lambda a: (tracked() * 2).backward(a),
    "np.take": lambda a: np.take(tracked(), a), "np.repeat": lambda a: np.repeat(tracked(), a),
    "np.take_along_axis": lambda a: np.take_along_axis(tracked(), a, 0),
    "index": lambda a: tracked()[a],
    "grad": tg.grad(lambda x: tg.sum(x * x)),
    "jvp": lambda a: tg.jvp(lambda x: x * x, (NUMBERS,), (a,)),
    "vjp": lambda a: tg.vjp(lambda x: x * x, NUMBERS)[1](a),
    "compile": lambda a: tg.compile(lambda x: tg.sum(tg.square(x)))(a),
    "check_grad": lambda a: tg.verify.check_grad(lambda x: x * x, a),
    "check_derivation": lambda a: tg.verify.check_derivation(
        lambda W: tg.sum(W * W), lambda W: {"W": 2 * W}, W=a),
    "fit, inputs": lambda a: fit([a, a], np.ones((2, 1))),
    "fit, targets": lambda a: fit(np.ones((1, 3)), [a]),
    "model": lambda a: MODEL(a),
    "preprocess": lambda a: tg.data.preprocess(
        [a] if isinstance(a, np.ndarray) and a.ndim < 2 else a, np.arange(1),
        rng=np.random.default_rng(0)),
    "one_hot": lambda a: tg.data.one_hot(a),
}


@pytest.mark.parametrize("kind", MEANS_MORE)
@pytest.mark.parametrize("door", DOORS)
def test_what_means_more_than_its_numbers_is_refused_everywhere(kind, door):
    array, _ = REFUSED[kind]
    # What is no array at all may fail in the operation itself, which counts on arrays.
    no_array = ".data" in door and not isinstance(array, np.ndarray)
    with pytest.raises((TinygradError, AttributeError) if no_array else TinygradError):
        DOORS[door](array)


@pytest.mark.parametrize("kind", REFUSED)
def test_the_remedy_is_named(kind):
    array, remedy = REFUSED[kind]
    with pytest.raises(DTypeError) as caught:
        tg.Tensor(array)
    assert remedy in str(caught.value) and "Got " in str(caught.value)


@pytest.mark.parametrize("kind", OF_ODD_DTYPES)
def test_no_tensor_is_ever_anything_but_real_numbers(kind):
    array, _ = REFUSED[kind]
    for f in (tg.add, tg.multiply, tg.maximum, tg.squared_error, lambda a, b: tg.stack([a, b]),
              lambda a, b: tg.where(NUMBERS > 2, a, b)):
        with pytest.raises(TinygradError):
            f(tracked(), array)


@pytest.mark.filterwarnings("ignore:.*converged")
def test_estimators_refuse_masks_that_scikit_learn_ignores():
    sklearn = pytest.importorskip("sklearn")
    assert sklearn
    from tinygrad_mlp.estimators import MLPRegressor

    X, y = np.ones((4, 2)), np.ones(4)
    for given in ((np.ma.array(X), y), (X, np.ma.array(y))):
        with pytest.raises(DTypeError, match="filled"):
            MLPRegressor(max_iter=1).fit(*given)
    fitted = MLPRegressor(max_iter=1, hidden_layer_sizes=(2,)).fit(scipy_sparse.csr_array(X), y)
    with pytest.raises(DTypeError, match="filled"):
        fitted.predict(np.ma.array(X))


def test_other_arrays_are_taken_for_their_numbers(tmp_path):
    np.save(tmp_path / "a.npy", NUMBERS)
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    for a in (mapped, NUMBERS.view(np.recarray), np.float64(2), [1.0, 2], (1, 2), 3):
        assert type(tg.Tensor(a).data) is np.ndarray
        np.testing.assert_array_equal((tg.Tensor(a) * 2).data, np.asarray(a) * 2)


def test_pandas_columns_are_taken_and_missing_values_stay_visible():
    pandas = pytest.importorskip("pandas")
    x = tracked()
    for column in (pandas.Series(NUMBERS), pandas.Series([1, 2, 3], dtype="Int64")):
        np.testing.assert_array_equal((x * column).data, NUMBERS**2)
    missing = pandas.Series([1, None, 3], dtype="Int64")
    try:
        shown = tg.Tensor(missing)
    except DTypeError as error:  # pandas 2 makes objects of it
        assert "to_numpy" in str(error)
    else:
        assert np.isnan(shown.data[1])
    with pytest.raises(TinygradError):
        fit([missing, missing], np.ones((2, 1)))


@pytest.mark.parametrize("assigned", [np.arange(3), NUMBERS > 1, NUMBERS * 1j])
def test_a_gradient_is_never_cast_to_an_assigned_array_that_is_not_of_floats(assigned):
    leaf = leaf_with("data", assigned)
    with pytest.raises(DTypeError):
        tg.sum(leaf * NUMBERS).backward()
    assert leaf.grad is None


def test_a_program_refuses_a_masked_array_that_is_assigned_between_its_runs():
    leaf = tracked()
    f = tg.compile(lambda x: tg.sum(x * leaf))
    for _ in range(3):
        f(NUMBERS)
    leaf.data = MASKED
    with pytest.raises(DTypeError, match="filled"):
        f(NUMBERS)
