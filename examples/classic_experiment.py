"""The classic experiment on MNIST: squared error or cross entropy?

    python examples/classic_experiment.py [picture.png] [mnist | digits] [number of images]

To learn: why a loss whose gradient is (ŷ − y) x teaches faster than one whose gradient has the
slope of the sigmoid in it. Two equal networks see the same images in the same order, one at a time,
with the learning rate 1 / (100 + 10 k) in epoch k. MNIST is looked for where TINYGRAD_MLP_DATA
says, and else downloaded once (11 MB); all of its 60,000 images take a minute. `digits` are 1,797
images of 8x8 pixels that come with scikit-learn.
"""

import sys

import numpy as np

import tinygrad_mlp as tg


def main(picture: str = "classic_experiment.png", name: str = "mnist", size: str = "60000") -> None:
    images = tg.data.load(name)
    n = min(int(size), len(images.X))
    data = tg.data.preprocess(images.X[:n], images.labels[:n], rng=np.random.default_rng(0))
    print(data)

    histories = {}
    for loss in ("mean_square", "cross_entropy"):
        layers = [784, 256, 10] if name == "mnist" else [64, 32, 10]
        classifier = tg.NeuralNetwork(layers, loss, plot=False, seed=0)
        classifier.n_save = max(100, n // 6)  # 10,000 with all of MNIST, as in the tutorial
        print(f"\n{classifier}")
        classifier.train(
            data.X, data.Y, epochs=2 if n > 10_000 else 3,
            validation=data.X_validation, validation_label=data.Y_validation,
        )
        right = classifier.accuracy(data.Y_validation, classifier.predict(data.X_validation))
        print(f"The validation accuracy is {right:.4f}.")
        histories[loss] = classifier.history
    tg.plotting.plot_comparison(histories, picture)


if __name__ == "__main__":
    main(*sys.argv[1:4])
