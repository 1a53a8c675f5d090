"""Two layers with gradients under W1_grad …; biases are (H,), their gradients (1, H)."""

import numpy as np

X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
T = np.array([[0.0], [1.0], [1.0], [0.0]])


def init_weights(n_hidden, rng):
    return {"W1": rng.normal(size=(2, n_hidden)), "b1": rng.normal(size=n_hidden),
            "W2": rng.normal(size=(n_hidden, 1)), "b2": rng.normal(size=1)}


def forward(weights):
    hidden = np.tanh(np.matmul(X, weights["W1"]) + weights["b1"])
    out = np.empty((len(X), 1))
    for i in range(len(X)):
        out[i] = 1 / (1 + np.exp(-(hidden[i] @ weights["W2"] + weights["b2"])))
    return hidden, out


def error(weights):
    _, out = forward(weights)
    return np.mean(np.square(out - T))


def compute_gradients(weights):
    hidden, out = forward(weights)
    d_out = 2 * (out - T) / len(X) * out * (1 - out)
    d_hidden = np.matmul(d_out, weights["W2"].T) * (1 - hidden ** 2)
    return {
        "error": np.mean(np.square(out - T)),
        "W1_grad": np.matmul(X.T, d_hidden),
        "b1_grad": d_hidden.sum(axis=0, keepdims=True),
        "W2_grad": np.matmul(hidden.T, d_out),
        "b2_grad": d_out.sum(axis=0, keepdims=True),
    }


weights = init_weights(3, np.random.default_rng(55))


def plain():
    grads = compute_gradients(weights)
    return lambda: error(weights), weights, {k: grads[k + "_grad"] for k in weights}


TABLE = {
    "style": "two functions",
    "glue": "tg.verify.check_derivation(error, compute_gradients, point=weights)",
    "verdict": "right",
    "stores": "out[i] = ...",
    "says": "keys W1_grad …; the extra key error is the loss; (1, H) is read as (H,)",
    "mistakes": [
        ("* out * (1 - out)", "", "the sigmoid's derivative is left out"),
        ("(1 - hidden ** 2)", "hidden * (1 - hidden)", "the sigmoid's derivative for tanh"),
        ("d_out = 2 * (out - T)", "d_out = (out - T)", "the factor 2 of the square"),
    ],
}
