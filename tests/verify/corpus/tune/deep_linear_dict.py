"""A deep network with caches in a dictionary, as in a course; columns are samples."""

import numpy as np

generator = np.random.default_rng(4)
A0 = generator.normal(size=(3, 5))
Y = (generator.random((1, 5)) > 0.5) * 1.0
m = Y.shape[1]


def point(rng):
    return {"W1": rng.normal(size=(4, 3)), "b1": rng.normal(size=(4, 1)), "W2": rng.normal(size=(3, 4)),
            "b2": rng.normal(size=(3, 1)), "W3": rng.normal(size=(1, 3)), "b3": rng.normal(size=(1, 1))}


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def loss(W1, b1, W2, b2, W3, b3):
    A1 = np.maximum(0, W1 @ A0 + b1)
    A2 = np.tanh(W2 @ A1 + b2)
    A3 = sigmoid(W3 @ A2 + b3)
    return -np.sum(Y * np.log(A3) + (1 - Y) * np.log(1 - A3)) / m


def derived(W1, b1, W2, b2, W3, b3):
    cache = {}
    cache["Z1"] = np.dot(W1, A0) + b1
    cache["A1"] = np.maximum(0, cache["Z1"])
    cache["Z2"] = np.dot(W2, cache["A1"]) + b2
    cache["A2"] = np.tanh(cache["Z2"])
    cache["A3"] = sigmoid(np.dot(W3, cache["A2"]) + b3)
    grads = {}
    dA3 = -(np.divide(Y, cache["A3"]) - np.divide(1 - Y, 1 - cache["A3"]))
    dZ3 = dA3 * cache["A3"] * (1 - cache["A3"])
    grads["W3"] = 1 / m * np.dot(dZ3, cache["A2"].T)
    grads["b3"] = 1 / m * np.sum(dZ3, axis=1, keepdims=True)
    dA2 = np.dot(W3.T, dZ3)
    dZ2 = dA2 * (1 - np.power(cache["A2"], 2))
    grads["W2"] = 1 / m * np.dot(dZ2, cache["A1"].T)
    grads["b2"] = 1 / m * np.sum(dZ2, axis=1, keepdims=True)
    dA1 = np.dot(W2.T, dZ2)
    dZ1 = np.multiply(dA1, np.int64(cache["A1"] > 0))
    grads["W1"] = 1 / m * np.dot(dZ1, A0.T)
    grads["b1"] = 1 / m * np.sum(dZ1, axis=1, keepdims=True)
    return grads


MISTAKES = [
    ('dZ2 = dA2 * (1 - np.power(cache["A2"], 2))', 'dZ2 = dA2 * (1 - np.power(cache["Z2"], 2))', "Z for A"),
    ('dZ2 = dA2 * (1 - np.power(cache["A2"], 2))', 'dZ2 = dA2 * cache["A2"] * (1 - cache["A2"])', "sigmoid's for tanh's"),
    ('dA1 = np.dot(W2.T, dZ2)', 'dA1 = np.dot(W2.T, dA2)', "dA for dZ"),
    ('grads["b2"] = 1 / m * np.sum(dZ2, axis=1, keepdims=True)', 'grads["b2"] = np.sum(dZ2, axis=1, keepdims=True)', "1/m is left out"),
    ('dA3 = -(np.divide(Y, cache["A3"]) - np.divide(1 - Y, 1 - cache["A3"]))', 'dA3 = -(np.divide(Y, cache["A3"]) + np.divide(1 - Y, 1 - cache["A3"]))', "the sign between the two terms"),
    ('dZ1 = np.multiply(dA1, np.int64(cache["A1"] > 0))', 'dZ1 = np.array(dA1)', "the ReLU is left out"),
    ('grads["W1"] = 1 / m * np.dot(dZ1, A0.T)', 'grads["W1"] = 1 / m * np.dot(dZ1, cache["A1"].T)[:, :3]', "the layer's own output"),
    ('dZ3 = dA3 * cache["A3"] * (1 - cache["A3"])', 'dZ3 = cache["A3"] - Y * dA3', "two formulas are mixed"),
]
