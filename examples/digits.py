"""A network of your own, built from layers, on handwritten digits.

    python examples/digits.py [picture.png]

To learn: layers, a loss, an optimizer and `tg.fit` are all there is to it. Trains with Adam until
the validation loss stops falling, keeps the best weights, and draws the curves and the digits that
the network finds hardest.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

import tinygrad_mlp as tg


def main(picture: str = "digits.png") -> None:
    rng = np.random.default_rng(0)
    digits = tg.data.load_digits()
    data = tg.data.preprocess(digits.X, digits.labels, validation=0.2, rng=rng)
    model = tg.nn.Sequential(
        tg.nn.Linear(64, 64, init=tg.nn.init.he_normal(), rng=rng),
        tg.nn.ReLU(),
        tg.nn.Dropout(0.2, rng=rng),
        tg.nn.Linear(64, 10, rng=rng),
    )
    print(data, model, sep="\n")
    history = tg.fit(
        model, tg.nn.softmax_cross_entropy, tg.optim.Adam(model.parameters(), lr=0.002),
        data.X, data.Y, epochs=80, batch_size=32, rng=rng,
        validation=(data.X_validation, data.Y_validation),
        callbacks=[tg.callbacks.EarlyStopping(patience=8)],
    )
    print(history)

    probabilities = tg.softmax(tg.predict(model, data.X_validation))
    guesses, labels = probabilities.argmax(axis=1), data.Y_validation.argmax(axis=1)
    print(f"With the best weights, {(guesses == labels).mean():.1%} of the guesses are right.")
    belief = probabilities[np.arange(len(labels)), labels]  # in the right answer

    figure = plt.figure(figsize=(11, 4), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1.1))
    axes = left.subplots()
    axes.semilogy(history.training_loss, color="#0072B2", label="training")
    axes.semilogy(history.validation_loss, color="#D55E00", linestyle="--", label="validation")
    axes.set(title="Training", xlabel="epoch", ylabel="cross entropy per sample (nats)")
    axes.legend()
    right.suptitle("The hardest validation digits: label, guess, belief in the label")
    images = digits.X[data.order[len(data.X) :]]
    for axes, i in zip(right.subplots(2, 5).flat, belief.argsort(), strict=False):
        axes.imshow(images[i], cmap="gray_r")
        axes.axis("off")
        axes.set_title(f"{labels[i]}, {guesses[i]}: {belief[i]:.0%}", fontsize=10)
    figure.savefig(picture, dpi=120)


if __name__ == "__main__":
    main(*sys.argv[1:2])
