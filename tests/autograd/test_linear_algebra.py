"""Matrices where derivatives are easy to get wrong: singular, degenerate, empty, refused."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_mlp as tg

SINGULAR = np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [0.0, 1.0, -1.0]])  # rank 2


def symmetric(rng, n=3):
    a = rng.normal(size=(n, n))
    return a + a.T + 2 * np.diag(np.arange(n))


# -- singular --------------------------------------------------------------------------------------


@pytest.mark.parametrize("a", [SINGULAR, np.zeros((3, 3)), np.zeros((1, 1)), np.ones((2, 2))])
def test_the_gradient_of_a_determinant_is_exact_where_it_is_zero(a, assert_derivative):
    assert_derivative(tg.grad(tg.det)(a), np.linalg.det, a)


def test_singular_matrices_raise_numpys_error_with_the_operation_and_shapes():
    for f in (tg.inv, tg.linalg.inv, np.linalg.inv):
        with pytest.raises(np.linalg.LinAlgError, match=r"inv\(\) cannot take a of shape \(3, 3\)"):
            f(tg.Tensor(np.zeros((3, 3))))
    with pytest.raises(tg.errors.LinAlgError, match="solve"):
        tg.solve(np.zeros((3, 3)), np.ones(3))
    with pytest.raises(tg.errors.LinAlgError, match="cholesky.*not positive definite"):
        tg.cholesky(-np.eye(2))
    with pytest.raises(tg.errors.LinAlgError, match="square"):
        tg.det(np.ones((2, 3)))


def test_where_a_rule_needs_the_inverse_of_a_singular_matrix_it_says_so():
    sign, logabsdet = tg.linalg.slogdet(np.ones((2, 2)))
    assert (sign, logabsdet) == (0, -np.inf)
    with pytest.raises(tg.errors.LinAlgError, match="inv"):
        tg.grad(lambda a: tg.slogdet(a).logabsdet)(np.ones((2, 2)))
    with pytest.raises(tg.errors.LinAlgError, match="inv"):
        tg.hessian(lambda a: tg.slogdet(a).logabsdet)(np.ones((2, 2)))
    with pytest.raises(tg.errors.LinAlgError, match="inv"):
        tg.jacobian(tg.hessian(tg.det))(np.zeros((2, 2)))


@pytest.mark.parametrize("n", range(1, 6))
def test_the_hessian_of_a_determinant_is_exact_at_every_rank(n, rng):
    """It is linear in each element, so that mixed differences are exact at any distance."""
    units = np.eye(n * n).reshape(n * n, n, n)
    for rank in range(n + 1):
        a = rng.normal(size=(n, rank)) @ rng.normal(size=(rank, n))

        def mixed(d, e, a=a):
            signs = ((1, 1), (1, -1), (-1, 1), (-1, -1))
            return sum(s * t * np.linalg.det(a + s * d + t * e) for s, t in signs) / 4

        expected = [[0 if i == j else mixed(d, e) for j, e in enumerate(units)]
                    for i, d in enumerate(units)]
        found = tg.hessian(tg.det)(a).reshape(n * n, n * n)
        np.testing.assert_allclose(found, expected, atol=1e-12)
        several = tg.hvp(lambda a: tg.sum(tg.det(a)), np.stack([a, a.T]), np.stack([units[0]] * 2))
        np.testing.assert_allclose(several[0].ravel(), np.array(expected)[0], atol=1e-12)


@pytest.mark.parametrize("zeros", [(), (1,), (0, 2), (0, 1, 2)])
def test_second_derivatives_of_products_are_right_with_zeros_in_them(zeros):
    a = np.array([2.0, -1.5, 0.5, 3.0])
    a[list(zeros)] = 0
    ones = [[np.prod([x for k, x in enumerate(a) if k not in (i, j)]) * (i != j) for j in range(4)]
            for i in range(4)]
    np.testing.assert_allclose(tg.hessian(tg.prod)(a), ones, atol=1e-15)
    running = tg.hessian(lambda a: tg.cumprod(a)[-1])(a)
    np.testing.assert_allclose(running, ones, atol=1e-15)


def test_a_pseudo_inverse_keeps_its_rank_where_it_is_not_full(assert_derivative):
    left, right = np.array([[1.0], [2.0], [0.5]]), np.array([[1.0, -1.0, 3.0]])
    weights = np.cos(np.arange(9.0)).reshape(3, 3)

    def f(np_, left):
        return np_.sum(weights * np_.linalg.pinv(left @ right))

    assert_derivative(tg.grad(lambda x: f(tg, x))(left), lambda x: f(np, x), left)


# -- equal eigenvalues and singular values ---------------------------------------------------------


def test_eigenvalues_alone_have_a_gradient_where_they_are_equal():
    for f, a, expected in (
        (lambda a: tg.sum(tg.linalg.eigvalsh(a)), np.eye(3), np.eye(3)),
        (lambda a: tg.norm(a, "nuc"), np.eye(3), np.eye(3)),
        (lambda a: tg.norm(a, 2), np.diag([2.0, 2.0, 5.0]), np.diag([0.0, 0.0, 1.0])),
    ):
        np.testing.assert_allclose(tg.grad(f)(a), expected, atol=1e-15)


def degenerate(rng, values):
    """A symmetric matrix with these eigenvalues, and another to weigh its elements with."""
    n = len(values)
    turned, _ = np.linalg.qr(rng.normal(size=(n, n)))
    weights = rng.normal(size=(n, n))
    return turned @ np.diag(values) @ turned.T, weights + weights.T


def symmetric_slope(f, a, step=1e-5):
    """The derivative of `f` along symmetric changes, by differences."""
    out = np.zeros(a.shape)
    for i, j in np.ndindex(a.shape):
        change = np.zeros(a.shape)
        change[i, j] += step / 2
        change[j, i] += step / 2
        out[i, j] = (f(a + change) - f(a - change)) / (2 * step)
    return out


@pytest.mark.parametrize("values", [(1, 1, 3), (1, 1, 1, 3), (-2, 0, 0, 5), (0, 0, 0, 1)])
def test_what_is_the_same_for_all_vectors_of_equal_values_has_its_gradient(values, rng):
    a, weights = degenerate(rng, np.array(values, float))
    equal = [i for i, value in enumerate(values) if values.count(value) > 1]
    single = [i for i in range(len(values)) if i not in equal]

    def projection(places):
        def f(a):
            vectors = tg.eigh((a + a.T) / 2)[1][:, places]
            return tg.sum(weights * (vectors @ vectors.T))

        return f

    functions = [projection(equal), projection(single), lambda a: tg.sum(tg.eigh(a)[0] ** 3),
                 lambda a: tg.eigh(a)[0][single[0]] ** 2]
    for f in functions:
        for compiled in (False, True):
            g = tg.grad(lambda a, f=f: f((a + a.T) / 2))
            g = tg.compile(g) if compiled else g
            for _ in range(3 if compiled else 1):
                np.testing.assert_allclose(g(a), symmetric_slope(f, a), atol=1e-8)


@pytest.mark.parametrize("shape", [(3, 3), (4, 3), (3, 5)])
def test_the_polar_factor_and_the_values_of_equal_singular_values_have_gradients(shape, rng):
    k = min(shape)
    u, v = (np.linalg.qr(rng.normal(size=(n, k)))[0] for n in shape)
    weights = rng.normal(size=shape)
    for s in ([2.0, 2.0, 1.0], [1.0, 1.0, 1.0], [3.0, 2.0, 2.0]):
        a = (u * s) @ v.T

        def polar(a):
            u, _, vh = tg.svd(a, full_matrices=False)
            return tg.sum(weights * (u @ vh))

        expected = [(polar(a + d) - polar(a - d)) / 2e-6
                    for d in 1e-6 * np.eye(a.size).reshape(-1, *shape)]
        np.testing.assert_allclose(tg.grad(polar)(a).ravel(), expected, atol=1e-8)
        for full in (False, True):
            squares = tg.grad(lambda a, full=full: tg.sum(tg.svd(a, full)[1] ** 2))
            np.testing.assert_allclose(squares(a), 2 * a, atol=1e-13)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_a_gradient_of_equal_values_cannot_tell_is_nan_and_never_a_wrong_number(rng):
    def function_of_a_matrix(a, f):
        values, vectors = tg.eigh((a + a.T) / 2)
        return tg.sum(weights * ((vectors * f(values)) @ vectors.T))

    a, weights = degenerate(rng, np.array([1.0, 1.0, 3.0]))
    for f in (tg.log, tg.exp, lambda x: x - 1):  # ln 1 = 0 makes the vectors look unused
        for at in (a, np.eye(3)):
            assert np.isnan(tg.grad(lambda a, f=f: function_of_a_matrix(a, f))(at)).any()
    assert np.isnan(tg.hessian(lambda a: tg.sum(tg.eigvalsh(a) ** 2))(np.eye(2))).any()
    assert np.isnan(tg.hessian(lambda a: tg.sum(tg.svdvals(a) ** 4))(np.eye(2))).any()


@pytest.mark.parametrize("f", [lambda a: tg.eigh(a)[1][0, 0], lambda a: tg.svd(a)[0][0, 0]])
def test_vectors_of_equal_values_have_none_and_numpy_warns(f):
    with pytest.warns(RuntimeWarning, match="divide by zero|invalid value"):
        assert not np.isfinite(tg.grad(f)(np.eye(3))).all()


def test_what_does_not_depend_on_the_signs_of_vectors_has_the_right_gradient(rng):
    """The exponential of a matrix by its eigenvectors, and by its series."""
    a = symmetric(rng) / 4

    def by_vectors(a):
        values, vectors = tg.eigh(a)
        return (vectors * tg.exp(values)) @ vectors.T

    def by_series(a):
        total = term = np.eye(3)
        for n in range(1, 25):
            term = term @ a / n
            total = total + term
        return total

    both = [tg.grad(lambda b, f=f: tg.sum(tg.sin(f(b + b.T))))(a / 2)
            for f in (by_vectors, by_series)]
    np.testing.assert_allclose(both[0], both[1], rtol=1e-10, atol=1e-12)


def test_only_the_triangle_that_is_read_has_a_gradient(rng):
    a = symmetric(rng) + 5 * np.eye(3)
    for f, upper in ((lambda a: tg.sum(tg.cholesky(a)), False),
                     (lambda a: tg.sum(tg.linalg.cholesky(a, upper=True)), True),
                     (lambda a: tg.eigh(a).eigenvalues[0], False),
                     (lambda a: tg.eigh(a, UPLO="U").eigenvalues[0], True)):
        g = tg.grad(f)(a)
        np.testing.assert_array_equal(np.tril(g, -1) if upper else np.triu(g, 1), 0)
        assert np.any(g)


# -- identities ------------------------------------------------------------------------------------


def test_factors_multiply_to_the_matrix_and_so_do_their_gradients(rng):
    a = np.diag([1.0, 3.0, 6.0]) + 0.2 * rng.normal(size=(3, 3))
    wide = a[:2]
    weights = rng.normal(size=(3, 3))

    def product(f):
        return lambda a: tg.sum(weights[: a.shape[0], : a.shape[1]] * f(a) ** 2)

    def of_svd(a):
        u, s, vh = tg.svd(a, full_matrices=False)
        return u * s @ vh

    def of_qr(a):
        q, r = tg.qr(a)
        return q @ r

    for x, f in ((a, of_svd), (wide, of_svd), (wide.T, of_svd), (a, of_qr), (wide, of_qr),
                 (wide.T, of_qr), (a, lambda a: tg.inv(tg.inv(a))),
                 (wide, lambda a: tg.pinv(tg.pinv(a)))):
        expected = tg.grad(product(lambda a: a))(x)
        np.testing.assert_allclose(tg.grad(product(f))(x), expected, rtol=1e-8, atol=1e-10)

    def of_cholesky(b):
        lower = tg.cholesky(b @ b.T)
        return lower @ lower.T

    expected = tg.grad(product(lambda b: b @ b.T))(a)
    np.testing.assert_allclose(tg.grad(product(of_cholesky))(a), expected, rtol=1e-9, atol=1e-10)


def test_third_derivatives_of_determinant_and_inverse():
    def f(t):
        a = tg.reshape(tg.stack([1 + t, t, t * t, 2 + t]), (2, 2))  # det = 2 + 3t + t² − t³
        return tg.det(a)

    third = tg.grad(tg.grad(tg.grad(f)))
    np.testing.assert_allclose(third(0.3), -6.0, rtol=1e-9)

    def g(t):
        return tg.inv(tg.reshape(t, (1, 1)))[0, 0]

    np.testing.assert_allclose(tg.grad(tg.grad(tg.grad(g)))(2.0), -6 / 2.0**4, rtol=1e-12)


# -- norms -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [None, 1, 2, 3, np.inf])
def test_the_gradient_of_a_norm_at_zero_is_zero(p):
    np.testing.assert_array_equal(tg.grad(lambda x: tg.norm(x, p))(np.zeros(3)), 0)


def test_the_largest_elements_share_the_gradient_of_the_maximum_norm():
    g = tg.grad(lambda x: tg.norm(x, np.inf))(np.array([3.0, -3.0, 1.0]))
    np.testing.assert_array_equal(g, [0.5, -0.5, 0])


REFUSED = {
    "order 0": (lambda: tg.norm(np.ones(3), 0), "counts elements"),
    "a norm of matrices for a vector": (lambda: tg.norm(np.ones(3), "fro"), "for matrices"),
    "an unknown norm": (lambda: tg.norm(np.ones((3, 3)), 3), "'nuc'"),
    "three axes": (lambda: tg.norm(np.ones((2, 2, 2)), 2), "vector or a matrix"),
    "full_matrices": (lambda: tg.grad(lambda a: tg.svd(a)[0][0, 0])(np.ones((3, 2))),
                      "full_matrices"),
    "complete": (lambda: tg.grad(lambda a: tg.qr(a, "complete")[1][0, 0])(np.ones((3, 2))),
                 "mode='reduced'"),
    "raw": (lambda: tg.qr(np.eye(2), "raw"), "complete"),
    "a power that is no integer": (lambda: tg.matrix_power(np.eye(2), 0.5), "integer"),
    "a power of a rectangle": (lambda: tg.matrix_power(np.ones((2, 3)), 2), "square"),
    "planes in cross": (lambda: tg.cross(np.ones(2), np.ones(2)), "three elements"),
    "lengths in tensordot": (lambda: tg.tensordot(np.ones((2, 3)), np.ones((2, 3)), 1), "same len"),
    "too many axes in tensordot": (lambda: tg.tensordot(np.ones(3), np.ones(3), 2), "between 0 a"),
    "one array in multi_dot": (lambda: tg.multi_dot([np.eye(2)]), "at least two"),
    "a vector inside of multi_dot": (lambda: tg.multi_dot([np.eye(2), np.ones(2), np.eye(2)]),
                                     "array 1"),
    "terms of einsum": (lambda: tg.einsum("ij,jk", np.eye(2)), "each term"),
    "indices of einsum": (lambda: tg.einsum("ijk->i", np.eye(2)), "each axis"),
    "an ellipsis that is lost": (lambda: tg.einsum("...i->i", np.eye(2)), "in the output"),
    "parts of unequal length": (lambda: tg.split(np.ones(5), 2), "array_split"),
    "no parts": (lambda: tg.array_split(np.ones(5), 0), "at least one"),
    "rows of a vector": (lambda: tg.vsplit(np.ones(5), 1), "at least 2 axes"),
    "columns of a vector": (lambda: tg.fliplr(np.ones(5)), "at least 2 axes"),
    "a mode of take": (lambda: tg.take(np.ones(5), 0, mode="mirror"), "wrap"),
    "an axis of take_along_axis": (lambda: tg.take_along_axis(np.eye(2), np.ones(2, int), 1),
                                   "as many axes"),
    "conditions and choices": (lambda: tg.select([True], []), "as many choices"),
    "a stack for diag": (lambda: tg.diag(np.ones((2, 2, 2))), "axis1=-2"),
    "shapes to broadcast": (lambda: tg.broadcast_arrays(np.ones(2), np.ones(3)), "fit together"),
    "sources and destinations": (lambda: tg.moveaxis(np.eye(2), (0, 1), 0), "as many"),
    "an axis to move": (lambda: tg.moveaxis(np.eye(2), 5, 0), "between -2 and 1"),
    "a place to roll to": (lambda: tg.rollaxis(np.eye(2), 0, 3), "start between"),
    "a grid's order": (lambda: tg.meshgrid(np.ones(2), indexing="yx"), "'ij'"),
    "a grid of matrices": (lambda: tg.meshgrid(np.eye(2)), "vectors"),
}


@pytest.mark.parametrize("mistake", REFUSED)
def test_what_cannot_work_is_refused_with_advice(mistake):
    call, message = REFUSED[mistake]
    with pytest.raises(tg.errors.TinygradError, match=message):
        call()


# -- nothing, numbers, methods ---------------------------------------------------------------------


EMPTY = [
    lambda a: tg.roll(a, 1, 0), lambda a: tg.flip(a), lambda a: tg.tile(a, 2),
    lambda a: tg.repeat(a, 2), lambda a: tg.triu(a), lambda a: tg.trace(a),
    lambda a: tg.diagonal(a), lambda a: tg.diagflat(a), lambda a: tg.concatenate([a, a], 1),
    lambda a: tg.vstack([a, a]),
    lambda a: tg.dot(a.T, a), lambda a: tg.tensordot(a, a, 2), lambda a: tg.kron(a, a),
    lambda a: tg.einsum("ij,kj", a, a), lambda a: tg.outer(a, a), lambda a: tg.cross(a, a),
    lambda a: tg.norm(a), lambda a: tg.norm(a, axis=1), lambda a: tg.take(a, [0], 1),
    lambda a: tg.inv(a[:, :0]), lambda a: tg.svd(a, False)[1], lambda a: tg.array_split(a, 2)[0],
    lambda a: tg.moveaxis(a, 0, 1), lambda a: tg.pad(a, ((0, 0), (1, 0))),
]


@pytest.mark.parametrize("f", EMPTY)
def test_a_batch_of_nothing_has_a_gradient_of_nothing(f):
    x = tg.Tensor(np.zeros((0, 3)), requires_grad=True)
    f(x).sum().backward()
    assert x.grad.shape == (0, 3)


METHODS = {
    "ravel": lambda a: a.ravel(), "flatten": lambda a: a.flatten(),
    "transpose": lambda a: a.transpose(2, 0, 1), "swapaxes": lambda a: a.swapaxes(0, 2),
    "squeeze": lambda a: a[:1].squeeze(), "dot": lambda a: a.dot(np.arange(4.0)),
    "repeat": lambda a: a.repeat(2, axis=1), "take": lambda a: a.take([0, 3, 0], axis=2),
    "diagonal": lambda a: a.diagonal(1, 1, 2), "trace": lambda a: a.trace(0, 2, 1),
    "T": lambda a: a.T, "mT": lambda a: a.mT, "reshape": lambda a: a.reshape(4, -1),
}


@pytest.mark.parametrize("name", METHODS)
def test_methods_are_those_of_arrays(name):
    a = np.arange(24.0).reshape(2, 3, 4)
    found = METHODS[name](tg.Tensor(a, requires_grad=True))
    np.testing.assert_array_equal(found.data, METHODS[name](a), strict=True)
    assert found.requires_grad


def test_values_are_filled_in_with_their_history():
    x = tg.Tensor(3.0, requires_grad=True)
    filled = tg.full((2, 3), x) + tg.full_like(np.ones((2, 3), np.float32), x)
    assert filled.dtype == np.float64 and tg.full(2, x, np.float32).dtype == np.float32
    filled.sum().backward()
    assert x.grad == 12
    np.testing.assert_array_equal(tg.full(3, 2.0), [2.0, 2.0, 2.0])


def test_results_have_the_names_that_numpys_have():
    x = tg.Tensor(np.diag([1.0, 2.0]), requires_grad=True)
    for name in ("eigh", "svd", "qr", "slogdet"):
        found, expected = (getattr(m, name)(x) for m in (tg.linalg, np.linalg))
        fields = type(getattr(np.linalg, name)(x.data))._fields
        assert found._fields == expected._fields == fields


def test_the_namespace_has_every_function_of_numpys_that_there_is():
    for name in tg.linalg.__all__:
        assert callable(getattr(tg.linalg, name)) and hasattr(np.linalg, name)
