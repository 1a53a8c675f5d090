"""Code that knows of NumPy only: differentiated as it stands, and handed to SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import check_grad, minimize, rosen, rosen_der, rosen_hess

import tinygrad_mlp as tg
from tinygrad_mlp.verify import formulas


class StudentsNetwork:
    """A network as a student writes it after the tutorial: no word of this package in it."""

    def __init__(self, layers, loss, rng):
        self.losses = {"mean_square": self.mean_square, "cross_entropy": self.cross_entropy}
        self.loss = self.losses[loss]
        self.hidden, self.output = self.tanh, self.logistic
        self.weights = [
            rng.normal(0, 0.5, (after, before))
            for before, after in zip(layers[:-1], layers[1:], strict=True)
        ]

    def tanh(self, x):
        return np.tanh(x)

    def logistic(self, x):
        return 1 / (1 + np.exp(-x))

    def mean_square(self, Y, Yhat):
        return 0.5 * np.sum((Y - Yhat) ** 2)

    def cross_entropy(self, Y, Yhat):
        return -np.sum(np.multiply(Y, np.log(Yhat)) + np.multiply((1 - Y), np.log(1 - Yhat)))

    def predict(self, weights, X):
        predictions = []
        for i in range(X.shape[0]):
            a = X[[i], :].T
            for W in weights[:-1]:
                a = self.hidden(np.dot(W, a))
            a = self.output(np.dot(weights[-1], a))
            predictions.append(a.flatten())
        return predictions

    def cost(self, weights, X, Y):
        return sum(self.loss(y, yhat) for y, yhat in zip(Y, self.predict(weights, X), strict=True))


@pytest.mark.parametrize("loss", ["mean_square", "cross_entropy"])
@pytest.mark.parametrize("carry", ["eager", "compiled"])
def test_a_students_network_agrees_with_the_document(loss, carry, rng):
    network = StudentsNetwork([5, 4, 3], loss, rng)
    X, Y = rng.normal(size=(6, 5)), np.eye(3)[rng.integers(3, size=6)]
    gradient = tg.grad(network.cost)
    found = (tg.compile(gradient) if carry == "compiled" else gradient)(network.weights, X, Y)
    by_hand = getattr(formulas, loss)
    for name, g in zip(("W1", "W2"), found, strict=True):
        expected = sum(
            by_hand(*network.weights, x, y)[name] for x, y in zip(X, Y, strict=True)
        )
        assert type(g) is np.ndarray
        np.testing.assert_allclose(g, expected, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("loss", ["mean_square", "cross_entropy"])
def test_the_students_network_of_any_depth_agrees_with_numbers(loss, rng):
    network = StudentsNetwork([3, 4, 4, 2], loss, rng)
    X, Y = rng.normal(size=(2, 3)), np.eye(2)
    tg.verify.check_grad(lambda *ws: network.cost(list(ws), X, Y), *network.weights).assert_ok()


def test_the_class_need_not_give_predictions_as_a_list(rng):
    """``np.array(predictions)`` cannot be differentiated; it says what can."""
    network = StudentsNetwork([3, 4, 2], "mean_square", rng)
    X, Y = rng.normal(size=(2, 3)), np.eye(2)

    def cost(array):
        return lambda ws: network.loss(Y, array(network.predict(ws, X)))

    with pytest.raises(tg.errors.NotDifferentiableError, match="tg.array"):
        tg.grad(cost(np.array))(network.weights)
    expected = tg.grad(network.cost)(network.weights, X, Y)
    for g, true in zip(tg.grad(cost(tg.array))(network.weights), expected, strict=True):
        np.testing.assert_allclose(g, true, rtol=1e-12, atol=1e-15)


# -- SciPy -----------------------------------------------------------------------------------------


def rosenbrock(x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2.0) ** 2.0 + (1 - x[:-1]) ** 2.0)


@pytest.mark.parametrize("n", [2, 5, 10])
@pytest.mark.parametrize("method", ["BFGS", "L-BFGS-B", "CG"])
def test_scipy_minimises_rosenbrocks_function_with_our_gradient(method, n):
    x0 = np.linspace(-1.2, 0.9, n)
    value, gradient = tg.value_and_grad(rosenbrock)(x0)
    np.testing.assert_allclose(value, rosen(x0))
    np.testing.assert_allclose(gradient, rosen_der(x0), rtol=1e-12)
    np.testing.assert_allclose(tg.hessian(rosenbrock)(x0), rosen_hess(x0), rtol=1e-12, atol=1e-12)

    options = {"maxiter": 5000, "gtol": 1e-8}
    found = minimize(tg.value_and_grad(rosenbrock), x0, jac=True, method=method, options=options)
    by_hand = minimize(rosen, x0, jac=rosen_der, method=method, options=options)
    np.testing.assert_allclose(found.x, by_hand.x, rtol=1e-4, atol=1e-4)
    assert found.fun == pytest.approx(by_hand.fun, abs=1e-8)


def test_scipy_takes_hessians_and_compiled_functions(rng):
    x0 = np.array([-1.2, 1.0])
    both = tg.compile(tg.value_and_grad(rosenbrock))
    hessp = lambda x, p: tg.hvp(rosenbrock, x, p)  # noqa: E731
    for derivatives in ({"hess": tg.hessian(rosenbrock)}, {"hessp": hessp}):
        found = minimize(both, x0, jac=True, method="Newton-CG", **derivatives)
        np.testing.assert_allclose(found.x, 1, rtol=1e-4)
    assert check_grad(rosen, tg.grad(rosenbrock), x0) < 1e-4


def test_scipy_fits_a_logistic_regression_as_scikit_learn_does(rng):
    from sklearn.linear_model import LogisticRegression

    X = rng.normal(size=(120, 3))
    y = (X @ [1.5, -2.0, 0.5] + 0.3 + rng.logistic(size=120) > 0).astype(float)

    def loss(w):  # (negative log likelihood) + |w|² / 2, the constant term not penalised
        z = X @ w[:3] + w[3]
        return np.sum(np.log1p(np.exp(-z)) + (1 - y) * z) + 0.5 * np.sum(w[:3] ** 2)

    found = minimize(tg.value_and_grad(loss), np.zeros(4), jac=True, options={"gtol": 1e-7})
    known = LogisticRegression(tol=1e-10, max_iter=1000).fit(X, y)
    np.testing.assert_allclose(found.x, [*known.coef_[0], known.intercept_[0]], rtol=1e-4)
