"""A convolutional network, LeNet, on MNIST.

    python examples/lenet.py [picture.png] [mnist | digits] [number of images]

To learn: a convolution looks for the same small pattern everywhere, and pooling keeps where it was
strongest; with far fewer weights than a fully connected layer the network sees more. The layers are
those of LeCun et al., "Gradient-based learning applied to document recognition", 1998, with ReLU
and maxima. 10,000 images take half a minute. `digits` is a smaller network on 8x8 pixels. The
picture shows the first layer's kernels and what each of them answers to three digits.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

import tinygrad_mlp as tg

f32 = np.float32


def lenet(rng):
    given = {"rng": rng, "dtype": f32}
    return tg.nn.Sequential(
        tg.nn.Conv2d(1, 6, 5, padding=2, **given), tg.nn.ReLU(), tg.nn.MaxPool2d(2),
        tg.nn.Conv2d(6, 16, 5, **given), tg.nn.ReLU(), tg.nn.MaxPool2d(2), tg.nn.Flatten(),
        tg.nn.Linear(400, 120, **given), tg.nn.ReLU(), tg.nn.Linear(120, 84, **given),
        tg.nn.ReLU(), tg.nn.Linear(84, 10, **given),
    )


def small_lenet(rng):
    given = {"rng": rng, "dtype": f32}
    return tg.nn.Sequential(
        tg.nn.Conv2d(1, 6, 3, padding=1, **given), tg.nn.ReLU(), tg.nn.MaxPool2d(2),
        tg.nn.Conv2d(6, 16, 3, padding=1, **given), tg.nn.ReLU(), tg.nn.MaxPool2d(2),
        tg.nn.Flatten(), tg.nn.Linear(64, 10, **given),
    )


def main(picture: str = "lenet.png", name: str = "mnist", size: str = "10000") -> None:
    rng, data = np.random.default_rng(0), tg.data.load(name)
    order = rng.permutation(len(data.X))[: int(size)]
    images, labels = f32(data.X[order, None] / data.X.max()), data.labels[order]
    X, Y, n = images, tg.data.one_hot(labels, 10), 9 * len(order) // 10
    model = lenet(rng) if name == "mnist" else small_lenet(rng)
    print(model)
    history = tg.fit(
        model, tg.nn.softmax_cross_entropy, tg.optim.Adam(model.parameters(), lr=0.003),
        X[:n], Y[:n], epochs=2 if name == "mnist" else 12, rng=rng, monitor=True,
        validation=(X[n:], Y[n:]),
    )
    print(f"{history.validation_accuracy[-1]:.1%} of the validation digits are right")

    kernels = model[0].weight.data[:, 0]
    shown = [np.flatnonzero(labels == k)[0] for k in (3, 5, 8)]
    maps = tg.predict(tg.nn.Sequential(model[0], model[1]), images[shown])
    figure, rows = plt.subplots(4, 7, figsize=(9, 5.6), layout="constrained")
    limit = np.abs(kernels).max()
    for axes, kernel in zip(rows[0, 1:], kernels, strict=True):
        weights = axes.imshow(kernel, cmap="PuOr_r", vmin=-limit, vmax=limit)
    for row, image, seen in zip(rows[1:], images[shown], maps, strict=True):
        row[0].imshow(image[0], cmap="gray_r")
        for axes, one in zip(row[1:], seen, strict=True):
            answers = axes.imshow(one, cmap="viridis", vmin=0, vmax=maps.max())
    for axes in rows.flat:
        axes.axis("off")
    figure.colorbar(weights, ax=rows[0], label="weight", aspect=8)
    figure.colorbar(answers, ax=rows[1:], label="answer after ReLU", aspect=24)
    figure.suptitle("Six kernels (top row) and what they answer to three digits (left column)")
    figure.savefig(picture, dpi=120)


if __name__ == "__main__":
    main(*sys.argv[1:4])
