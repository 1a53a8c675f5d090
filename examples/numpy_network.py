"""A network written in plain NumPy, which knows of no gradients, differentiated as it stands.

    python examples/numpy_network.py [picture.png]

To learn: code that was written without a thought of gradients has them. Its gradients are held
against the derivation by hand; then SciPy minimises its loss.
"""

import sys

import numpy as np
from scipy.optimize import minimize

import tinygrad_mlp as tg


class Classifier:
    def forward(self, weights, a):  # one sample a column
        for W in weights[:-1]:
            a = np.tanh(np.dot(W, a))
        return 1 / (1 + np.exp(-np.dot(weights[-1], a)))

    def cross_entropy(self, weights, x, y):
        yhat = self.forward(weights, x)
        return -np.sum(np.multiply(y, np.log(yhat)) + np.multiply(1 - y, np.log(1 - yhat)))


def main(picture: str = "numpy_network.png") -> None:
    rng = np.random.default_rng(0)
    network, shapes = Classifier(), [(8, 3), (1, 8)]
    weights = [rng.normal(size=shape) for shape in shapes]
    x, y = rng.normal(size=3), np.array([1.0])
    found = tg.grad(network.cross_entropy)(weights, x, y)
    by_hand = tg.verify.formulas.cross_entropy(*weights, x, y)
    error = max(np.abs(found[i] - by_hand[f"W{i + 1}"]).max() for i in range(2))
    print(f"largest difference from the derivation by hand: {error:.0e}")

    points = rng.uniform(-1, 1, size=(2, 300))  # is a point inside of the ring?
    X = np.concatenate([points, np.ones((1, 300))])
    Y = np.abs(np.hypot(*points) - 0.6) < 0.25

    def split(flat):  # SciPy wants one vector
        return [flat[:24].reshape(8, 3), flat[24:].reshape(1, 8)]

    def loss(flat):
        return network.cross_entropy(split(flat), X, Y) / 300 + 1e-4 * np.sum(flat**2)

    def answer(flat):
        return lambda at: network.forward(split(flat), np.vstack([at.T, np.ones(len(at))])).T

    start = np.concatenate([W.ravel() for W in weights])
    best = minimize(tg.value_and_grad(loss), start, jac=True, options={"maxiter": 400})
    print(f"the loss went from {loss(start):.3f} to {best.fun:.3f} in {best.nit} steps of BFGS")
    answers = {"start": answer(start), f"{best.nit} steps of BFGS": answer(best.x)}
    tg.plotting.plot_decision_boundary(answers, points.T, Y.astype(int), picture)


if __name__ == "__main__":
    main(*sys.argv[1:2])
