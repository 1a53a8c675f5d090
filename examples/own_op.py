"""An operation of your own: checked, explained, used in a layer, trained, and compiled.

    python examples/own_op.py [picture.png]

To learn: an operation is a NumPy function and one rule an argument; `check_op` says whether the
rules are right before anything is built on them. Gaussian bumps around centres that are learnt:
y_ij = exp(-|x_i - c_j|² / (2 width²)).
"""

import sys

import numpy as np

import tinygrad_mlp as tg


def pull(g, y, x, centres, width):  # x̄_i = Σ_j g_ij y_ij (c_j - x_i) / width²
    gy = g * y
    return (gy @ centres - tg.sum(gy, axis=1, keepdims=True) * x) / width**2


# For the centres, the roles are exchanged. Unregistered: not listed with the package's own ops.
@tg.op(rules={"x": pull, "centres": lambda g, y, x, c, width: pull(g.T, y.T, c, x, width)},
       latex=r"\mathrm{{bumps}}({x}, {centres})", register=False)
def bumps(x, centres, *, width=1.0):
    return np.exp(-((x[:, None, :] - centres) ** 2).sum(axis=-1) / (2 * width**2))


class Bumps(tg.nn.Module):
    def __init__(self, n, rng):
        self.centres = tg.nn.Parameter(rng.uniform(-1, 1, size=(n, 2)), name="C")

    def forward(self, x):
        return bumps(x, self.centres, width=0.2)


def main(picture: str = "own_op.png") -> None:
    rng = np.random.default_rng(0)
    sample = tg.Sample(rng.normal(size=(3, 2)), rng.normal(size=(4, 2)), width=1.5)
    print(tg.verify.check_op(bumps, [sample]))

    t = 0.25 + 2.2 * np.pi * np.sqrt(rng.uniform(size=200))  # two spirals, half a turn apart
    arm = np.stack([t * np.cos(t), t * np.sin(t)], axis=1) / 7 + rng.normal(0, 0.02, (200, 2))
    X, Y = np.concatenate([arm, -arm]), np.repeat([[0.0], [1.0]], 200, axis=0)
    model = tg.nn.Sequential(Bumps(20, rng), tg.nn.Linear(20, 1, rng=rng), tg.nn.Sigmoid())
    print(tg.explain(tg.nn.squared_error(model(X[:2]), Y[:2]), model[0].centres).text)
    adam = tg.optim.Adam(model.parameters(), lr=0.02)
    tg.fit(model, tg.nn.binary_cross_entropy, adam, X, Y, epochs=60, rng=rng)
    fast = tg.compile(model)
    print(f"{((fast(X) > 0.5) == Y).mean():.1%} of the points are right; compiled to:")
    print(fast.source)

    tg.plotting.plot_decision_boundary(fast, X, Y, picture)


if __name__ == "__main__":
    main(*sys.argv[1:2])
