"""A regression that knows what it does not know: dropout at prediction time.

    python examples/uncertainty.py [picture.png]

To learn: dropout left on in prediction makes a different network of every pass. Where the data pin
the curve down the networks agree; in the gap and beyond the edge they do not, and their spread,
with the noise of the data added, is the uncertainty. (Far away it is still too small: a network
cannot know how wrong it may be where it has seen nothing.) Source: Gal and Ghahramani, "Dropout as
a Bayesian approximation", ICML 2016.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

import tinygrad_mlp as tg

NOISE, PASSES = 0.1, 200  # standard deviation of y around the truth; networks

def truth(x):
    return np.sin(3 * x) + 0.3 * x



def main(picture: str = "uncertainty.png") -> None:
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(-2, -0.6, 80), rng.uniform(0.6, 2, 80)])[:, None]
    y = truth(x) + rng.normal(0, NOISE, x.shape)
    model = tg.nn.Sequential(
        tg.nn.Linear(1, 100, init=tg.nn.init.normal(2.0), rng=rng), tg.nn.ReLU(),
        tg.nn.Dropout(0.1, rng=rng), tg.nn.Linear(100, 100, rng=rng), tg.nn.ReLU(),
        tg.nn.Dropout(0.1, rng=rng), tg.nn.Linear(100, 1, rng=rng),
    )
    model[0].bias.data[:] = rng.uniform(-4, 4, 100)  # kinks all along x, not only at 0
    adam = tg.optim.Adam(model.parameters(), lr=0.003)
    tg.fit(model, tg.nn.squared_error, adam, x, y, epochs=300, rng=rng)

    grid = np.linspace(-2.6, 2.6, 301)[:, None]
    model.train()  # dropout stays on
    with tg.no_grad():
        passes = np.stack([model(grid).numpy()[:, 0] for _ in range(PASSES)])
    mean, spread = passes.mean(axis=0), passes.std(axis=0)
    deviation = np.hypot(spread, NOISE)
    size, within = np.abs(grid[:, 0]), np.abs(truth(grid[:, 0]) - mean) < 2 * deviation
    parts = {"on the data": (0.6 <= size) & (size <= 2), "in the gap": size < 0.4,
             "beyond the edge": size > 2.2}
    for name, part in parts.items():
        print(f"{name:15}: spread of the networks {spread[part].mean():.3f}, "
              f"{within[part].mean():.0%} of the truth within two standard deviations")

    line, figure = grid[:, 0], plt.figure(figsize=(9, 4.6), layout="constrained")
    axes = figure.subplots()
    for k, alpha in ((2, 0.25), (1, 0.45)):
        axes.fill_between(line, mean - k * deviation, mean + k * deviation, linewidth=0,
                          color="#56B4E9", alpha=alpha, label=f"± {k} deviations")
    axes.plot(line, mean, color="#0072B2", label="mean of the networks")
    axes.plot(line, truth(line), "k--", label="truth")
    axes.scatter(x, y, s=9, color="#D55E00", zorder=3, label="data")
    axes.set(title=f"{PASSES} networks agree where there are data", xlabel="x", ylabel="y")
    axes.set_ylim(-2.6, 2.6)
    axes.legend(fontsize="small", loc="upper center", ncols=5)
    figure.savefig(picture, dpi=120)


if __name__ == "__main__":
    main(*sys.argv[1:2])
