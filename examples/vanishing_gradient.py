"""Where the gradient vanishes: squared error against cross entropy, layer by layer.

    python examples/vanishing_gradient.py [picture.png]

To learn: to look at what reaches each layer when a network does not learn. Two equal networks learn
the same digits. They begin with large weights, so that many outputs are saturated on the wrong
side. There the slope of the sigmoid takes the squared error's gradient away; in the gradient of the
cross entropy it cancels (section 9 of the tutorial). The picture shows the gradients that reach
each layer, from epoch to epoch.
"""

import sys

import numpy as np

import tinygrad_mlp as tg


def main(picture: str = "vanishing_gradient.png") -> None:
    digits = tg.data.load_digits()
    data = tg.data.preprocess(digits.X, digits.labels, rng=np.random.default_rng(0))
    losses = {
        "squared error": tg.nn.squared_error,
        "cross entropy": tg.nn.binary_cross_entropy,
    }
    seen = {}
    for name, loss in losses.items():
        rng = np.random.default_rng(1)
        large = tg.nn.init.normal(1.0)
        model = tg.nn.Sequential(
            tg.nn.Linear(64, 32, init=large, rng=rng), tg.nn.Tanh(),
            tg.nn.Linear(32, 10, init=large, rng=rng), tg.nn.Sigmoid(),
        )
        seen[name] = tg.callbacks.Distributions(loss, data.X[:300], data.Y[:300])
        history = tg.fit(
            model, loss, tg.optim.SGD(model.parameters(), lr=0.1), data.X, data.Y,
            epochs=10, rng=rng, validation=(data.X_validation, data.Y_validation),
            callbacks=[seen[name]],
        )
        right = history.validation_accuracy[-1]
        print(f"{name}: {right:.1%} of the validation digits are right after 10 epochs.")
        for layer in ("0 Linear", "2 Linear"):
            sizes = [np.median(np.abs(g)) for g in seen[name].gradients[layer]]
            print(f"    median |∂L/∂z| of {layer}: {sizes[0]:.1e} before, {sizes[-1]:.1e} after")
    tg.plotting.plot_distributions(seen, path=picture)


if __name__ == "__main__":
    main(*sys.argv[1:2])
