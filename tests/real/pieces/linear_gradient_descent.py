"""Linear regression by gradient descent with loops over the samples; only the update is written."""

import numpy as np


def predict(row, coef):
    yhat = coef[0]
    for i in range(len(row)):
        yhat += coef[i + 1] * row[i]
    return yhat


def mean_squared_error(coef, X, y):
    total = 0.0
    for row, target in zip(X, y):
        total += (predict(row, coef) - target) ** 2
    return total / (2 * len(X))


def gradient_step(coef, X, y, lr):
    """Return the coefficients after one step."""
    sums = [0.0] * len(coef)
    for row, target in zip(X, y):
        error = predict(row, coef) - target
        sums[0] += error
        for i in range(len(row)):
            sums[i + 1] += error * row[i]
    new = np.zeros(len(coef))
    for k in range(len(coef)):
        new[k] = coef[k] - lr * sums[k] / len(X)
    return new


rng = np.random.default_rng(52)
X, y = rng.normal(size=(6, 3)), rng.normal(size=6)
coef = rng.normal(size=4)


def plain():
    return (lambda: mean_squared_error(coef, X, y), {"coef": coef},
            {"coef": (coef - gradient_step(coef, X, y, 0.1)) / 0.1})


TABLE = {
    "style": "step",
    "glue": "loss = lambda coef: mean_squared_error(coef, X, y)\n"
            "tg.verify.check_step(lambda coef: gradient_step(coef, X, y, 0.1), coef, 0.1, loss=loss)",
    "verdict": "right",
    "stores": "new[k] = ... in the step only",
    "says": "the step returns the new parameters and changes none",
    "mistakes": [
        ("sums[i + 1] += error * row[i]", "sums[i + 1] += error", "the feature is left out"),
        ("sums[0] += error", "sums[0] = error", "only the last sample's error for the intercept"),
        ("coef[k] - lr * sums[k]", "coef[k] + lr * sums[k]", "the step goes uphill"),
    ],
}
