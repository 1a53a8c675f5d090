"""The experiment of the document: squared error or cross entropy?

    python examples/document.py [mnist] [picture.png]

Two equal networks see the same digits in the same order, one at a time, with the learning rate
1 / (100 + 10 k) in epoch k. With `mnist`, and TINYGRAD_MLP_DATA naming a folder that has the
files, it is the full experiment (60,000 images, some minutes); else 1,797 digits of 8x8 pixels.
"""

import os
import sys

import numpy as np

import tinygrad_mlp as tg


def main(*arguments: str) -> None:
    full = "mnist" in arguments and "TINYGRAD_MLP_DATA" in os.environ
    if "mnist" in arguments and not full:
        print("TINYGRAD_MLP_DATA is not set: using the 8x8 digits.")
    picture = next((a for a in arguments if a != "mnist"), "document.png")
    images = tg.data.load("mnist" if full else "digits")
    data = tg.data.preprocess(images.X, images.labels, rng=np.random.default_rng(0))
    print(data)

    histories = {}
    for loss in ("mean_square", "cross_entropy"):
        layers = [784, 256, 10] if full else [64, 32, 10]
        classifier = tg.NeuralNetwork(layers, loss, plot=False, seed=0)
        classifier.n_save = 10_000 if full else 500
        print(f"\n{classifier}")
        classifier.train(
            data.X, data.Y, epochs=2 if full else 3,
            validation=data.X_validation, validation_label=data.Y_validation,
        )  # fmt: skip
        right = classifier.accuracy(data.Y_validation, classifier.predict(data.X_validation))
        print(f"The validation accuracy is {right:.4f}.")
        histories[loss] = classifier.history
    tg.plotting.plot_comparison(histories, picture)


if __name__ == "__main__":
    main(*sys.argv[1:])
