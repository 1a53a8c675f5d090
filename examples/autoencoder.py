"""An autoencoder: 64 pixels through two numbers, and back.

    python examples/autoencoder.py [picture.png]

To learn: a network can teach itself what matters in its inputs, without labels. The target is the
input; the narrow layer in the middle is the code. With only linear layers it could not do better
than the first two principal components, which are the measure here. The picture shows the plane of
codes, coloured by labels that the network has never seen, and what comes back from it.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

import tinygrad_mlp as tg


def layers(*sizes, rng):
    """Linear layers of these sizes with tanh between them."""
    pairs = zip(sizes[:-1], sizes[1:], strict=True)
    made = [layer for n, m in pairs for layer in (tg.nn.Linear(n, m, rng=rng), tg.nn.Tanh())]
    return tg.nn.Sequential(*made[:-1])


def main(picture: str = "autoencoder.png") -> None:
    rng = np.random.default_rng(0)
    digits = tg.data.load_digits()
    X = digits.X.reshape(-1, 64) / 16
    order = rng.permutation(len(X))
    training, validation = order[:1500], order[1500:]
    encoder, decoder = layers(64, 64, 2, rng=rng), layers(2, 64, 64, rng=rng)
    model = tg.nn.Sequential(encoder, decoder)
    tg.fit(
        model, tg.nn.squared_error, tg.optim.Adam(model.parameters(), lr=0.003),
        X[training], X[training], epochs=100, rng=rng,
    )
    back, mean = tg.predict(model, X), X[training].mean(axis=0)
    _, _, axes = np.linalg.svd(X[training] - mean, full_matrices=False)
    linear = mean + (X - mean) @ axes[:2].T @ axes[:2]  # the two principal components
    for name, result in {"two principal components": linear, "the autoencoder": back}.items():
        left = np.sum((X - result)[validation] ** 2) / np.sum((X - mean)[validation] ** 2)
        print(f"{name:24}: {1 - left:.1%} of the variance of new digits comes back")

    codes, labels = tg.predict(encoder, X), digits.labels
    figure, (plane, right) = plt.subplots(1, 2, figsize=(9, 6), width_ratios=(3, 1),
                                          layout="constrained")
    for k in range(10):  # the digits are their own markers
        plane.scatter(*codes[labels == k].T, marker=f"${k}$", s=30, linewidths=0.3,
                      color=plt.cm.tab10(k))
    plane.set(title="All digits by their code", xlabel="first number", ylabel="second number")
    shown = [validation[np.flatnonzero(labels[validation] == k)[0]] for k in range(10)]
    rows = np.stack([result[shown].reshape(10, 8, 8) for result in (X, linear, back)], axis=1)
    framed = np.pad(rows, [(0, 0), (0, 0), (1, 1), (1, 0)])  # a border around each image
    right.imshow(framed.swapaxes(1, 2).reshape(100, 27), cmap="gray_r", vmin=0, vmax=1)
    right.set_xticks([4, 13, 22], ["digit", "linear", "network"], rotation=90)
    right.set(title="What comes back", yticks=[])
    figure.savefig(picture, dpi=120)


if __name__ == "__main__":
    main(*sys.argv[1:2])
