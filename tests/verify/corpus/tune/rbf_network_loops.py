"""Radial basis functions: centres, widths, weights and offset are all learned. Loops, no broadcasting."""

import numpy as np

random_state = np.random.default_rng(2024)
N_SAMPLES = 8
N_DIMS = 2
N_UNITS = 3
points = random_state.normal(size=(N_SAMPLES, N_DIMS))
values = np.sin(points[:, 0]) + points[:, 1] ** 2


def point(rng):
    return {
        "centres": rng.normal(size=(N_UNITS, N_DIMS)),
        "widths": rng.uniform(0.7, 1.8, size=N_UNITS),
        "weights": rng.normal(size=N_UNITS),
        "offset": rng.normal(),
    }


def loss(centres, widths, weights, offset):
    sq = np.sum((points[:, None, :] - centres[None, :, :]) ** 2, axis=2)
    out = np.exp(-sq / (2 * widths ** 2)) @ weights + offset
    return np.mean((out - values) ** 2) / 2


def derived(centres, widths, weights, offset):
    activation = np.zeros((N_SAMPLES, N_UNITS))
    distance2 = np.zeros((N_SAMPLES, N_UNITS))
    prediction = np.zeros(N_SAMPLES)
    for i in range(N_SAMPLES):
        prediction[i] = offset
        for j in range(N_UNITS):
            difference = points[i] - centres[j]
            distance2[i, j] = difference @ difference
            activation[i, j] = np.exp(-distance2[i, j] / (2 * widths[j] ** 2))
            prediction[i] += weights[j] * activation[i, j]

    d_centres = np.zeros((N_UNITS, N_DIMS))
    d_widths = np.zeros(N_UNITS)
    d_weights = np.zeros(N_UNITS)
    d_offset = 0.0
    for i in range(N_SAMPLES):
        d_prediction = (prediction[i] - values[i]) / N_SAMPLES
        d_offset += d_prediction
        for j in range(N_UNITS):
            d_weights[j] += d_prediction * activation[i, j]
            d_activation = d_prediction * weights[j]
            d_exponent = d_activation * activation[i, j]
            d_distance2 = -d_exponent / (2 * widths[j] ** 2)
            d_widths[j] += d_exponent * distance2[i, j] / widths[j] ** 3
            d_difference = 2 * d_distance2 * (points[i] - centres[j])
            d_centres[j] -= d_difference
    return {"centres": d_centres, "widths": d_widths, "weights": d_weights, "offset": d_offset}


MISTAKES = [
    ("d_centres[j] -= d_difference", "d_centres[j] += d_difference", "the centre enters the difference with a minus"),
    ("d_widths[j] += d_exponent * distance2[i, j] / widths[j] ** 3", "d_widths[j] += d_exponent * distance2[i, j] / widths[j] ** 2", "the power of the width is not lowered"),
    ("d_exponent = d_activation * activation[i, j]", "d_exponent = d_activation", "the exponential's own derivative is forgotten"),
    ("d_activation = d_prediction * weights[j]", "d_activation = d_weights[j] * weights[j]", "the running sum for the weight is taken for this sample's gradient"),
    ("d_prediction = (prediction[i] - values[i]) / N_SAMPLES", "d_prediction = 2 * (prediction[i] - values[i]) / N_SAMPLES", "the half in the loss was forgotten"),
    ("d_difference = 2 * d_distance2 * (points[i] - centres[j])", "d_difference = d_distance2 * (points[i] - centres[j])", "the square's factor 2 is left out"),
]
