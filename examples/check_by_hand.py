"""Gradients derived by hand, with the diagonal matrices written out, against the graph.

    python examples/check_by_hand.py [picture.png]

To learn: the derivation's matrix lines, one for one, are what the graph computes, to the last bits.
The classic network, with 64 inputs, 12 hidden neurons and 10 outputs, on one digit.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

import tinygrad_mlp as tg


def by_hand(W1, W2, x, y, loss):
    """The derivation's lines, one for one: x and y are columns."""
    a2 = np.tanh(W1 @ x)
    y_hat = 1 / (1 + np.exp(-W2 @ a2))
    D2, D3 = np.diag(1 - a2[:, 0] ** 2), np.diag(y_hat[:, 0] * (1 - y_hat[:, 0]))
    slope = -(y - y_hat) if loss == "mean_square" else (1 - y) / (1 - y_hat) - y / y_hat
    return D2 @ W2.T @ D3 @ slope @ x.T, D3 @ slope @ a2.T


def by_graph(W1, W2, x, y, loss):
    """The loss written down once; nothing is derived."""
    distance = tg.nn.squared_error if loss == "mean_square" else tg.nn.binary_cross_entropy

    def total(W1, W2):
        return distance(tg.sigmoid(W2 @ tg.tanh(W1 @ x)), y, reduction="sum")

    return tg.grad(total, argnums=(0, 1))(W1, W2)


def main(picture: str = "check_by_hand.png") -> None:
    rng = np.random.default_rng(0)
    digits = tg.data.load_digits()
    x, y = digits.X[0].reshape(-1, 1) / 16, np.eye(10)[:, [digits.labels[0]]]
    W1, W2 = 0.3 * rng.normal(size=(12, 64)), rng.normal(size=(10, 12))
    figure, rows = plt.subplots(2, 3, figsize=(12, 4), layout="constrained")
    for loss, axes in zip(("mean_square", "cross_entropy"), rows, strict=True):
        hand, graph = by_hand(W1, W2, x, y, loss), by_graph(W1, W2, x, y, loss)
        for name, a, b in zip(("W1", "W2"), hand, graph, strict=True):
            print(f"{loss:13} {name}: largest difference {np.abs(a - b).max():.1e}")
            assert np.allclose(a, b, rtol=1e-10, atol=1e-15)
        shown = {"by hand": hand[0], "by the graph": graph[0], "difference": hand[0] - graph[0]}
        for ax, (title, array) in zip(axes, shown.items(), strict=True):
            # The gradient of W1 is an outer product: each row is the digit, times a number.
            framed = np.pad(array.reshape(12, 8, 8), [(0, 0), (1, 1), (1, 1)])
            tiles = framed.reshape(2, 6, 10, 10).swapaxes(1, 2).reshape(20, 60)
            limit = np.abs(tiles).max() or 1.0
            image = ax.imshow(tiles, cmap="PuOr_r", vmin=-limit, vmax=limit)
            ax.set(title=f"∂L/∂W1: {title} ({loss.replace('_', ' ')})", xticks=[], yticks=[])
            figure.colorbar(image, ax=ax, shrink=0.8)
    figure.suptitle("The gradient of each of the 12 rows of W1, as an image of 8x8 pixels")
    figure.savefig(picture, dpi=120)


if __name__ == "__main__":
    main(*sys.argv[1:2])
