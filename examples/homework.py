"""Break the textbook's gradients one at a time, and let the checker say what is wrong.

    python examples/homework.py [picture.png]

To learn: a wrong gradient has a pattern, and `check_derivation` knows the common ones by name.
"""

import sys
import textwrap

import matplotlib.pyplot as plt
import numpy as np

import tinygrad_mlp as tg

rng = np.random.default_rng(0)
x, y = rng.normal(size=6), np.eye(3)[1]
POINT = {"W1": rng.normal(size=(4, 6)), "W2": rng.normal(size=(3, 4))}


def loss(W1, W2):
    """The network of the derivation, with the cross entropy."""
    z2 = W1 @ x
    a2 = np.tanh(z2)
    z3 = W2 @ a2
    a3 = tg.sigmoid(z3)
    return tg.nn.binary_cross_entropy(a3, y)


def homework(gradient):
    """What a student hands in: the textbook's formulas, with `gradient` for W1."""

    def derived(W1, W2):
        z2 = W1 @ x
        a2 = np.tanh(z2)
        a3 = 1 / (1 + np.exp(-(W2 @ a2)))
        D2, D3 = np.diag(1 - a2**2), np.diag(a3 * (1 - a3))
        slope = (1 - y) / (1 - a3) - y / a3
        return {"W1": gradient(W2, D2, D3, slope, a2), "W2": np.outer(D3 @ slope, a2)}

    return derived


HANDED_IN = {
    "Ada": lambda W2, D2, D3, slope, a2: np.outer(D2 @ W2.T @ D3 @ slope, x),
    "Ben": lambda W2, D2, D3, slope, a2: np.outer(W2.T @ D3 @ slope, x),
    "Cem": lambda W2, D2, D3, slope, a2: -np.outer(D2 @ W2.T @ slope, x),
    "Dua": lambda W2, D2, D3, slope, a2: np.outer((1 - np.tanh(a2) ** 2) * (W2.T @ D3 @ slope), x),
    "Eva": lambda W2, D2, D3, slope, a2: np.outer(x, D2 @ W2.T @ D3 @ slope),
    "Fay": lambda W2, D2, D3, slope, a2: np.outer(D2 @ W2.T @ D3 @ np.abs(slope), x),
}


def main(picture: str = "homework.png") -> None:
    right = tg.grad(loss)(POINT["W1"], POINT["W2"])
    figure, panels = plt.subplots(2, 3, figsize=(12, 6.4), layout="constrained")
    for (name, gradient), axes in zip(HANDED_IN.items(), panels.flat, strict=True):
        report = tg.verify.check_derivation(loss, homework(gradient), **POINT)
        said = "all right" if report.ok else report.diagnoses["W1"].message
        print(f"{name}: {said}")
        given = homework(gradient)(**POINT)["W1"]
        shown = axes.imshow(given, cmap="PuOr_r", vmin=-abs(right).max(), vmax=abs(right).max())
        axes.set_title(f"{name}: {textwrap.fill(said, 42)}", fontsize="x-small")
        axes.set(xlabel="input", ylabel="hidden neuron")
    figure.colorbar(shown, ax=panels, label="∂L/∂W1 as handed in")
    figure.savefig(picture, dpi=120)


if __name__ == "__main__":
    main(*sys.argv[1:2])
