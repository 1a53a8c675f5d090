"""Second derivatives at work: four ways down Rosenbrock's valley.

    python examples/higher_order.py [picture.png]

To learn: exact second derivatives turn two thousand steps into six. f(x, y) = (1 - x)² + 100 (y -
x²)² has its minimum at (1, 1), at the end of a narrow bent valley.
"""

import sys
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
from scipy import optimize

import tinygrad_mlp as tg

START = np.array([-1.2, 1.0])

def rosenbrock(p):
    return (1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2


def walk(step, n):
    """n times p := p - step(p)."""
    path = [START]
    for _ in range(n):
        path.append(path[-1] - step(path[-1]))
    return path


def main(picture: str = "higher_order.png") -> None:
    slope, curvature = tg.grad(rosenbrock), tg.hessian(rosenbrock)
    # SciPy's minimisers take value and gradient from one function, and H v from another.
    minimise = partial(optimize.minimize, tg.value_and_grad(rosenbrock), START, jac=True,
                       options={"return_all": True})
    paths = {
        "gradient descent": walk(lambda p: 0.002 * slope(p), 2000),
        "Newton (tg.hessian)": walk(lambda p: np.linalg.solve(curvature(p), slope(p)), 6),
        "BFGS": minimise(method="BFGS").allvecs,
        "trust region (tg.hvp)": minimise(
            method="trust-ncg", hessp=lambda p, v: tg.hvp(rosenbrock, p, v)
        ).allvecs,
    }
    looks = [("#0072B2", "."), ("#D55E00", "o"), ("#009E73", "s"), ("#CC79A7", "D")]
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
    x, y = np.meshgrid(np.linspace(-1.6, 1.6, 300), np.linspace(-0.8, 1.6, 300))
    left.contourf(x, y, np.log10(rosenbrock((x, y))), levels=20, cmap="Greys", alpha=0.6)
    for (name, path), (colour, marker) in zip(paths.items(), looks, strict=True):
        print(f"{name:22} {len(path) - 1:5} steps to {path[-1].round(5)}")
        look = {"color": colour, "marker": marker, "markersize": 4}
        left.plot(*np.transpose(path), **look)
        right.loglog(rosenbrock(np.transpose(path)), label=name, **look)
    left.plot(1, 1, "k*", markersize=14)
    left.set(title="Paths to the minimum", xlabel="x", ylabel="y", ylim=(-0.8, 1.6))
    right.set(title="Height above the minimum", xlabel="step", ylabel="f", ylim=(1e-16, 1e4))
    right.legend()
    figure.savefig(picture, dpi=120)


if __name__ == "__main__":
    main(*sys.argv[1:2])
