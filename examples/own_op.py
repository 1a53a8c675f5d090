"""An operation of your own, with two gradient rules and a static parameter, in a trained layer.

    python examples/own_op.py [picture.png]

Gaussian bumps around centres that are learnt: y_ij = exp(-|x_i - c_j|² / (2 width²)).
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

import tinygrad_mlp as tg


def pull(g, y, x, centres, width):
    """x̄_i = Σ_j g_ij y_ij (c_j - x_i) / width², in operations that can be differentiated again."""
    gy = g * y
    return (gy @ centres - tg.sum(gy, axis=1, keepdims=True) * x) / width**2


# For the centres, the roles are exchanged. Unregistered: not listed with the package's own ops.
@tg.op(rules={"x": pull, "centres": lambda g, y, x, c, width: pull(g.T, y.T, c, x, width)},
       register=False)  # fmt: skip
def bumps(x, centres, *, width=1.0):
    return np.exp(-((x[:, None, :] - centres) ** 2).sum(axis=-1) / (2 * width**2))


class Bumps(tg.nn.Module):
    def __init__(self, n, rng):
        self.centres = tg.nn.Parameter(rng.uniform(-1, 1, size=(n, 2)))

    def forward(self, x):
        return bumps(x, self.centres, width=0.2)


def main(picture: str = "own_op.png") -> None:
    rng = np.random.default_rng(0)
    t = 0.25 + 2.2 * np.pi * np.sqrt(rng.uniform(size=200))  # two spirals, half a turn apart
    arm = np.stack([t * np.cos(t), t * np.sin(t)], axis=1) / 7 + rng.normal(0, 0.02, (200, 2))
    X, Y = np.concatenate([arm, -arm]), np.repeat([[0.0], [1.0]], 200, axis=0)
    model = tg.nn.Sequential(Bumps(20, rng), tg.nn.Linear(20, 1, rng=rng), tg.nn.Sigmoid())
    start = model[0].centres.data.copy()
    adam = tg.optim.Adam(model.parameters(), lr=0.02)
    tg.fit(model, tg.nn.binary_cross_entropy, adam, X, Y, epochs=60, rng=rng)
    print(f"{((tg.predict(model, X) > 0.5) == Y).mean():.1%} of the points are on the right side")

    u, v = np.meshgrid(np.linspace(-1.2, 1.2, 150), np.linspace(-1.2, 1.2, 150))
    surface = tg.predict(model, np.stack([u.ravel(), v.ravel()], axis=1)).reshape(u.shape)
    plt.figure(figsize=(6.4, 6), layout="constrained")
    plt.contourf(u, v, surface, levels=10, cmap="RdBu_r", alpha=0.5)
    plt.scatter(*X.T, c=Y[:, 0], cmap="RdBu_r", s=8)
    plt.quiver(*start.T, *(model[0].centres.data - start).T, angles="xy", scale_units="xy", scale=1)
    plt.title("Where the centres moved, and what they learnt")
    plt.savefig(picture, dpi=120)


if __name__ == "__main__":
    main(*sys.argv[1:2])
