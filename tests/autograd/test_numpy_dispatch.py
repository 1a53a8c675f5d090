"""NumPy's functions and operators on Tensors, and Tensors next to arrays."""

from __future__ import annotations

import operator

import numpy as np
import pytest
import scipy.special

import tinygrad_mlp as tg
from tinygrad_mlp.autograd.ops.samples import samples_of

# NumPy names their parameters otherwise, or takes them by position only.
BY_POSITION = (np.reshape, np.broadcast_to, np.astype)

FUNCTIONS = [
    (function, op) for op in tg.OPS.values() for function in dict.fromkeys(op.record.numpy)
]


def tracked(array):
    return tg.Tensor(np.array(array), requires_grad=np.asarray(array).dtype.kind == "f")


@pytest.mark.parametrize(
    ("function", "op"), FUNCTIONS, ids=[f"{op.name}: np.{f.__name__}" for f, op in FUNCTIONS]
)
@pytest.mark.filterwarnings("ignore:numpy.fix is deprecated:DeprecationWarning")
def test_the_numpy_function_is_the_operation(function, op):
    for sample in samples_of(op, np.random.default_rng(0)):
        plain = [np.array(a) for a in sample.args]
        tensors = [tracked(a) for a in plain]
        if function in BY_POSITION:
            static, named = list(sample.static.values()), {}
        else:
            static, named = [], sample.static
        found = function(*tensors, *static, **named)
        expected = function(*plain, *static, **named)
        numbers = found if op.nondifferentiable else found.data
        np.testing.assert_allclose(numbers, expected, rtol=1e-14)
        if not op.nondifferentiable:
            assert type(found) is tg.Tensor and found.requires_grad
            assert found.node.op is op


SPECIAL = [op for op in tg.OPS.values() if op.record.scipy]


@pytest.mark.parametrize("op", SPECIAL, ids=[op.name for op in SPECIAL])
def test_so_is_the_function_of_scipy(op):
    function = getattr(scipy.special, op.record.scipy)
    for sample in samples_of(op, np.random.default_rng(0)):
        found = function(*map(tracked, sample.args))
        assert found.node.op is op
        np.testing.assert_allclose(found.data, function(*sample.args), rtol=1e-15)


def test_a_function_of_scipy_without_a_rule_is_refused_by_name():
    with pytest.raises(tg.errors.NotDifferentiableError, match="struve"):
        scipy.special.struve(0, tracked([1.0]))


def test_an_operation_that_is_redefined_stands_for_its_function_at_once(monkeypatch):
    x = tracked([1.0, 2.0])
    assert np.tanh(x).node.op is tg.OPS["tanh"]
    other = tg.op(rules={"x": lambda g, y, x: g}, register=False, name="tanh", numpy=np.tanh)(
        lambda x: x + 0
    )
    monkeypatch.setitem(tg.OPS, "tanh", other)
    assert np.tanh(x).node.op is other
    monkeypatch.undo()
    assert np.tanh(x).node.op is tg.OPS["tanh"]


PUBLIC = {name: f for name, f in vars(np).items() if callable(f) and not name.startswith("_")}


@pytest.mark.parametrize("op", tg.OPS.values(), ids=list(tg.OPS))
def test_every_name_that_numpy_has_for_a_function_is_one_of_the_package(op):
    for name, function in PUBLIC.items():
        if any(function is known for known in op.record.numpy):
            assert getattr(tg, name) is getattr(tg, op.name), f"{op.name} is not {name}, too"


JOINING = {
    "concatenate": lambda np_, a, b: np_.concatenate([a, b], axis=1),
    "concatenate all": lambda np_, a, b: np_.concatenate((a, b), axis=None),
    "stack": lambda np_, a, b: np_.stack([a, b], axis=-1),
    "ravel": lambda np_, a, b: np_.ravel(a),
    "squeeze": lambda np_, a, b: np_.squeeze(a[:1]),
    "squeeze an axis": lambda np_, a, b: np_.squeeze(a[:1], axis=0),
    "expand_dims": lambda np_, a, b: np_.expand_dims(a, 1),
    "expand_dims twice": lambda np_, a, b: np_.expand_dims(a, (0, -1)),
    "expand_dims by list": lambda np_, a, b: np_.expand_dims(a, [0, 2]),
}


@pytest.mark.parametrize("name", JOINING)
def test_functions_that_join_and_rearrange(name):
    f = JOINING[name]
    a, b = np.arange(6.0).reshape(2, 3), np.arange(6.0, 12.0).reshape(2, 3)
    x = tracked(a)
    for found in (f(np, x, b), f(tg, x, b)):
        np.testing.assert_array_equal(found.data, f(np, a, b))
        x.grad = None
        found.sum().backward()
        np.testing.assert_array_equal(x.grad != 0, np.isin(a, f(np, a, b)))
    np.testing.assert_array_equal(f(tg, a, b), f(np, a, b))


COMPOSED = {
    "diff": lambda np_, a: np_.diff(a, 2),
    "diff with more before": lambda np_, a: np_.diff(a, axis=0, prepend=-1.0),
    "diff with more behind": lambda np_, a: np_.diff(a, append=np.array([[7.0], [8.0]])),
    "average": lambda np_, a: np_.average(a, 0),
    "average with weights": lambda np_, a: np_.average(a, axis=1, weights=[1.0, 2.0, 3.0]),
    "rounded to decimals": lambda np_, a: np_.round(a, 1) * a,
}


@pytest.mark.parametrize("name", COMPOSED)
def test_options_mean_what_they_mean_in_numpy(name, assert_derivative):
    f, a = COMPOSED[name], np.array([[0.31, -1.22, 2.03], [1.14, 0.52, -0.77]])
    for module in (np, tg):
        np.testing.assert_array_equal(f(module, tracked(a)).data, f(np, a))
        found = tg.grad(lambda a, module=module: tg.sum(tg.sin(f(module, a))))(a)
        assert_derivative(found, lambda a: np.sum(np.sin(f(np, a))), a)
    np.testing.assert_array_equal(f(tg, a), f(np, a))


def test_shapes_and_places_can_be_asked_for():
    x = tracked([[1.0, 5.0], [7.0, 3.0]])
    assert np.shape(x) == (2, 2) and np.ndim(x) == 2 and np.size(x) == 4
    np.testing.assert_array_equal(np.argmax(x, axis=1), [1, 0])
    assert np.argmin(x) == 0
    np.testing.assert_array_equal(np.argsort(x), [[0, 1], [1, 0]])
    assert np.any(x > 6) and not np.all(x > 6) and np.count_nonzero(x - 1) == 3


REFUSED = {
    "nan_to_num in place": (lambda x: np.nan_to_num(x, copy=False), "copy=True"),
    "weights of no fitting shape": (
        lambda x: tg.average(x, (0, 1), np.ones(2)), "weights of the shape of a"
    ),
    "a recurrence of two shapes": (lambda x: tg.recurrence(x, x[0]), r"one shape.*\(2, 2\)"),
    "an option without a rule": (lambda x: np.median(x, overwrite_input=True), "'overwrite_input'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_done_is_refused_with_the_reason(name):
    f, message = REFUSED[name]
    with pytest.raises(tg.errors.TinygradError, match=message):
        f(tracked([[1.0, 2.0], [3.0, 4.0]]))


OPERATORS = [
    operator.add, operator.sub, operator.mul, operator.truediv, operator.pow, operator.matmul,
]
OTHERS = {
    "array": np.array([2.0, 3.0]),
    "list": [2.0, 3.0],
    "Tensor": tg.Tensor([2.0, 3.0]),
    "float": 2.0,
    "int": 2,
    "np.float64": np.float64(2),
    "np.float32": np.float32(2),
    "0-d array": np.array(2.0),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("f", OPERATORS, ids=[f.__name__ for f in OPERATORS])
def test_operators_work_from_both_sides(f, other):
    x = tracked([0.5, 1.5])
    plain = np.asarray(other.data if isinstance(other, tg.Tensor) else other)
    if f is operator.matmul and plain.ndim == 0:
        return  # NumPy, too, refuses a number there
    for found, expected in ((f(x, other), f(x.data, plain)), (f(other, x), f(plain, x.data))):
        assert type(found) is tg.Tensor and found.requires_grad
        np.testing.assert_array_equal(found.data, expected)
        assert found.dtype == np.float64


COMPARISONS = [operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge]


@pytest.mark.parametrize("f", COMPARISONS, ids=[f.__name__ for f in COMPARISONS])
def test_comparisons_give_plain_arrays(f):
    x, a = tracked([1.0, 2.0, 3.0]), np.array([3.0, 2.0, 1.0])
    pairs = ((f(x, a), f(x.data, a)), (f(a, x), f(a, x.data)), (f(x, 2), f(x.data, 2)))
    for found, expected in pairs:
        assert type(found) is np.ndarray and found.dtype == bool
        np.testing.assert_array_equal(found, expected)


def test_unary_operators():
    x = tracked([-1.0, 2.0])
    for f in (operator.neg, operator.pos, abs):
        np.testing.assert_array_equal(f(x).data, f(x.data))
        assert f(x).requires_grad


def test_a_users_own_numpy_function_can_be_differentiated(assert_derivative):
    def softplus_norm(x, A):
        z = A @ np.tanh(x) + np.sum(x, axis=0)
        return np.sqrt(np.mean(np.where(z > 0, z, 0.1 * z) ** 2)) + np.max(np.exp(-x))

    A = np.array([[1.0, -2.0], [0.5, 3.0]])
    for x in (np.array([0.3, -0.8]), np.array([1.0, 2.0])):
        assert_derivative(tg.grad(softplus_norm)(x, A), lambda x: softplus_norm(x, A), x)


def test_an_untracked_tensor_is_as_good_as_an_array():
    x = tg.Tensor([1.0, 2.0])
    np.testing.assert_array_equal(np.asarray(x), [1.0, 2.0])
    np.testing.assert_array_equal(np.array([x, x]), [[1.0, 2.0], [1.0, 2.0]])
    assert np.asarray(x, dtype=np.float32).dtype == np.float32
    assert not np.shares_memory(np.array(x), x.data)


def test_integer_tensors_compute_and_index():
    i = tg.Tensor([2, 0])
    np.testing.assert_array_equal((i + 1).data, [3, 1])
    assert (i + 1).dtype == np.int64 and not (i + 1).requires_grad
    x = tracked([1.0, 2.0, 3.0])
    x[i].sum().backward()
    np.testing.assert_array_equal(x.grad, [1.0, 0.0, 1.0])
