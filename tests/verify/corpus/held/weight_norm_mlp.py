"""Regression by two layers with weight normalisation: every column of a weight matrix is a direction times a length."""

import numpy as np

generator = np.random.default_rng(301)
number_of_samples = 7
inputs = generator.normal(size=(number_of_samples, 4))
targets = generator.normal(size=(number_of_samples, 2))


def point(rng):
    return {
        "v1": rng.normal(size=(4, 5)),
        "g1": rng.uniform(0.6, 1.8, size=5),
        "b1": 0.3 * rng.normal(size=5),
        "v2": rng.normal(size=(5, 2)),
        "g2": rng.uniform(0.6, 1.8, size=2),
        "b2": 0.3 * rng.normal(size=2),
    }


def loss(v1, g1, b1, v2, g2, b2):
    w1 = g1 * v1 / np.linalg.norm(v1, axis=0)
    w2 = g2 * v2 / np.linalg.norm(v2, axis=0)
    prediction = np.tanh(inputs @ w1 + b1) @ w2 + b2
    return 0.5 * np.mean(np.sum((prediction - targets) ** 2, axis=1))


def derived(v1, g1, b1, v2, g2, b2):
    # forward
    length_1 = np.sqrt(np.sum(v1 ** 2, axis=0, keepdims=True))
    direction_1 = v1 / length_1
    weight_1 = g1 * direction_1
    hidden = np.tanh(inputs @ weight_1 + b1)
    length_2 = np.sqrt(np.sum(v2 ** 2, axis=0, keepdims=True))
    direction_2 = v2 / length_2
    weight_2 = g2 * direction_2
    output = hidden @ weight_2 + b2

    # second layer
    grad_output = (output - targets) / number_of_samples
    grad_b2 = np.sum(grad_output, axis=0)
    grad_weight_2 = hidden.T @ grad_output
    grad_g2 = np.sum(grad_weight_2 * direction_2, axis=0)
    grad_direction_2 = grad_weight_2 * g2
    radial_2 = np.sum(grad_direction_2 * direction_2, axis=0, keepdims=True)
    grad_v2 = (grad_direction_2 - radial_2 * direction_2) / length_2

    # first layer
    grad_hidden = grad_output @ weight_2.T
    grad_preactivation = grad_hidden * (1.0 - hidden ** 2)
    grad_b1 = np.sum(grad_preactivation, axis=0)
    grad_weight_1 = inputs.T @ grad_preactivation
    grad_g1 = np.sum(grad_weight_1 * direction_1, axis=0)
    grad_direction_1 = grad_weight_1 * g1
    radial_1 = np.sum(grad_direction_1 * direction_1, axis=0, keepdims=True)
    grad_v1 = (grad_direction_1 - radial_1 * direction_1) / length_1
    return {"v1": grad_v1, "g1": grad_g1, "b1": grad_b1, "v2": grad_v2, "g2": grad_g2, "b2": grad_b2}


MISTAKES = [
    ("grad_hidden = grad_output @ weight_2.T", "grad_hidden = grad_output @ v2.T", "goes back through v2 where the layer uses the normalised weight"),
    ("grad_v2 = (grad_direction_2 - radial_2 * direction_2) / length_2", "grad_v2 = (grad_direction_2 - radial_2 * v2) / length_2", "the projection is onto the unit direction, not onto v"),
    ("grad_g1 = np.sum(grad_weight_1 * direction_1, axis=0)", "grad_g1 = np.sum(grad_weight_1 * v1, axis=0)", "the weight is g times the direction, not g times v"),
    ("grad_preactivation = grad_hidden * (1.0 - hidden ** 2)", "grad_preactivation = grad_hidden * (1.0 - np.tanh(hidden) ** 2)", "tanh is applied twice in its derivative"),
    ("radial_1 = np.sum(grad_direction_1 * direction_1, axis=0, keepdims=True)", "radial_1 = np.sum(grad_direction_1 * direction_1, axis=1, keepdims=True)", "the projection is summed along the rows, but the norm is of columns"),
    ("grad_direction_2 = grad_weight_2 * g2", "grad_direction_2 = grad_weight_2", "the length g is left out of the product rule"),
]
