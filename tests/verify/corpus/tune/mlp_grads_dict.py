"""MLP for classification: a list of layers, one loop each way, gradients in a dict."""

import numpy as np

rng = np.random.default_rng(41)
X_train = rng.normal(size=(7, 6))
y_train = np.array([0, 3, 1, 1, 2, 0, 3])
Y_onehot = np.eye(4)[y_train]


def point(rng):
    layer_dims = [6, 4, 4, 4]
    params = {}
    for i in range(1, len(layer_dims)):
        params[f"W{i}"] = rng.normal(size=(layer_dims[i - 1], layer_dims[i]))
        params[f"b{i}"] = 0.3 * rng.normal(size=layer_dims[i])
    return params


def softmax(z):
    e = np.exp(z - np.max(z, axis=1, keepdims=True))
    return e / np.sum(e, axis=1, keepdims=True)


def forward(x, layers):
    activations = [x]
    for i, (W, b) in enumerate(layers):
        z = activations[-1] @ W + b
        is_last = i == len(layers) - 1
        activations.append(softmax(z) if is_last else np.tanh(z))
    return activations


def loss(W1, b1, W2, b2, W3, b3):
    probs = forward(X_train, [(W1, b1), (W2, b2), (W3, b3)])[-1]
    return -np.mean(np.sum(Y_onehot * np.log(probs), axis=1))


def derived(W1, b1, W2, b2, W3, b3):
    layers = [(W1, b1), (W2, b2), (W3, b3)]
    activations = forward(X_train, layers)
    m = X_train.shape[0]
    grads = {}

    # softmax + cross-entropy
    delta = (activations[-1] - Y_onehot) / m

    for i in reversed(range(len(layers))):
        W, b = layers[i]
        grads[f"W{i + 1}"] = activations[i].T @ delta
        grads[f"b{i + 1}"] = np.sum(delta, axis=0)
        if i > 0:
            da = delta @ W.T
            delta = da * (1 - activations[i] ** 2)

    return grads


MISTAKES = [
    ("delta = (activations[-1] - Y_onehot) / m", "delta = activations[-1] - Y_onehot",
     "the mean's 1/m is left out"),
    ("da = delta @ W.T", "da = delta @ W", "the weights are not transposed on the way back"),
    ("delta = da * (1 - activations[i] ** 2)", "delta = da * (1 - activations[i])",
     "the square in tanh's derivative is left out"),
    ("delta = da * (1 - activations[i] ** 2)", "delta = da * (1 - activations[i + 1] ** 2)",
     "tanh's derivative at the next layer's activation"),
    ("delta = da * (1 - activations[i] ** 2)",
     "delta = da * activations[i] * (1 - activations[i])",
     "the sigmoid's derivative where the activation is tanh"),
    ("np.sum(delta, axis=0)", "np.mean(delta, axis=0)", "a mean: the samples are averaged twice"),
    ("        if i > 0:", "        if i > 1:", "the loop stops going back one layer too early"),
]
