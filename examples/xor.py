"""The smallest problem that one layer cannot solve: exclusive or.

    python examples/xor.py [picture.png]

Trains a network with three hidden neurons in a plain loop, and draws what it answers everywhere.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

import tinygrad_mlp as tg

X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
Y = np.array([[0.0], [1.0], [1.0], [0.0]])


def main(picture: str = "xor.png") -> None:
    rng = np.random.default_rng(1)
    model = tg.nn.Sequential(
        tg.nn.Linear(2, 3, rng=rng), tg.nn.Tanh(), tg.nn.Linear(3, 1, rng=rng), tg.nn.Sigmoid()
    )
    print(model)
    optimizer = tg.optim.Adam(model.parameters(), lr=0.05)
    losses = []
    for _ in range(400):
        optimizer.zero_grad()
        loss = tg.nn.binary_cross_entropy(model(X), Y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    answers = tg.predict(model, X)
    for x, answer in zip(X.astype(int), answers[:, 0], strict=True):
        print(f"{x[0]} xor {x[1]}: {answer:.3f}")
    assert ((answers > 0.5) == Y).all()

    grid = np.linspace(-0.5, 1.5, 120)
    points = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
    surface = tg.predict(model, points).reshape(120, 120)
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
    shades = left.contourf(grid, grid, surface, levels=np.linspace(0, 1, 21), cmap="RdBu_r")
    figure.colorbar(shades, ax=left, label="answer of the network", ticks=[0, 0.5, 1])
    left.contour(grid, grid, surface, levels=[0.5], colors="black")
    left.scatter(*X.T, c=Y[:, 0], cmap="RdBu_r", s=140, edgecolors="white", linewidths=2)
    left.set(title="XOR: two lines are needed, one layer has one", xlabel="x1", ylabel="x2")
    left.set(xticks=[0, 1], yticks=[0, 1])
    right.semilogy(losses)
    right.set(title="Cross entropy per sample", xlabel="step")
    right.grid(alpha=0.25)
    figure.savefig(picture, dpi=120)


if __name__ == "__main__":
    main(*sys.argv[1:2])
