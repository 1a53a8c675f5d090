"""A convolutional network, a small LeNet, on the 8x8 digits.

    python examples/lenet.py [picture.png]

Draws the first layer's kernels and what each of them sees in three digits.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

import tinygrad_mlp as tg


def main(picture: str = "lenet.png") -> None:
    rng = np.random.default_rng(0)
    digits = tg.data.load_digits()
    images, Y = np.float32(digits.X[:, None] / 16), tg.data.one_hot(digits.labels)
    order = rng.permutation(len(images))
    training, validation = order[:1600], order[1600:]
    float32 = {"rng": rng, "dtype": np.float32}
    model = tg.nn.Sequential(
        tg.nn.Conv2d(1, 6, 3, padding=1, **float32), tg.nn.ReLU(), tg.nn.MaxPool2d(2),
        tg.nn.Conv2d(6, 16, 3, padding=1, **float32), tg.nn.ReLU(), tg.nn.MaxPool2d(2),
        tg.nn.Flatten(), tg.nn.Linear(64, 10, **float32),
    )  # fmt: skip
    print(model)
    history = tg.fit(
        model, tg.nn.softmax_cross_entropy, tg.optim.Adam(model.parameters(), lr=0.005),
        images[training], Y[training], epochs=8, rng=rng, monitor=True,
        validation=(images[validation], Y[validation]),
    )  # fmt: skip
    print(f"{history.validation_accuracy[-1]:.1%} of the validation digits are right")

    kernels = model[0].weight.data[:, 0]
    shown = [3, 5, 8]  # a three, a five and an eight
    maps = tg.predict(tg.nn.Sequential(model[0], model[1]), images[shown])
    figure, rows = plt.subplots(4, 7, figsize=(9, 5.4), layout="constrained")
    limit = np.abs(kernels).max()
    for axes, kernel in zip(rows[0, 1:], kernels, strict=True):
        axes.imshow(kernel, cmap="RdBu_r", vmin=-limit, vmax=limit)
    for row, image, seen in zip(rows[1:], digits.X[shown], maps, strict=True):
        row[0].imshow(image, cmap="gray_r")
        for axes, one in zip(row[1:], seen, strict=True):
            axes.imshow(one, cmap="viridis", vmin=0, vmax=maps.max())
    for axes in rows.flat:
        axes.axis("off")
    figure.suptitle("Six kernels (top row) and what they answer to three digits (left column)")
    figure.savefig(picture, dpi=120)


if __name__ == "__main__":
    main(*sys.argv[1:2])
