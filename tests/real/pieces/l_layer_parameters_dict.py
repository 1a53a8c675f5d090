"""L-layer network with a parameters dict and caches; columns are samples; keys dW1, db1."""

import numpy as np


def initialize_parameters_deep(layer_dims):
    np.random.seed(53)
    parameters = {}
    for l in range(1, len(layer_dims)):
        parameters["W" + str(l)] = np.random.randn(layer_dims[l], layer_dims[l - 1])
        parameters["b" + str(l)] = 0.1 * np.random.randn(layer_dims[l], 1)
    return parameters


def linear_activation_forward(A_prev, W, b, activation):
    Z = np.dot(W, A_prev) + b
    A = 1 / (1 + np.exp(-Z)) if activation == "sigmoid" else np.maximum(0, Z)
    cache = ((A_prev, W, b), Z)
    return A, cache


def L_model_forward(X, parameters):
    caches = []
    A = X
    L = len(parameters) // 2
    for l in range(1, L):
        A, cache = linear_activation_forward(A, parameters["W" + str(l)], parameters["b" + str(l)], "relu")
        caches.append(cache)
    AL, cache = linear_activation_forward(A, parameters["W" + str(L)], parameters["b" + str(L)], "sigmoid")
    caches.append(cache)
    return AL, caches


def compute_cost(AL, Y):
    m = Y.shape[1]
    cost = -np.sum(np.multiply(np.log(AL), Y) + np.multiply(1 - Y, np.log(1 - AL))) / m
    return np.squeeze(cost)


def linear_backward(dZ, cache):
    A_prev, W, b = cache
    m = A_prev.shape[1]
    dW = np.dot(dZ, A_prev.T) / m
    db = np.sum(dZ, axis=1, keepdims=True) / m
    dA_prev = np.dot(W.T, dZ)
    return dA_prev, dW, db


def linear_activation_backward(dA, cache, activation):
    linear_cache, Z = cache
    if activation == "relu":
        dZ = np.array(dA, copy=True)
        dZ[Z <= 0] = 0
    else:
        s = 1 / (1 + np.exp(-Z))
        dZ = dA * s * (1 - s)
    return linear_backward(dZ, linear_cache)


def L_model_backward(AL, Y, caches):
    grads = {}
    L = len(caches)
    dA = -(np.divide(Y, AL) - np.divide(1 - Y, 1 - AL))
    for l in reversed(range(L)):
        activation = "sigmoid" if l == L - 1 else "relu"
        dA, grads["dW" + str(l + 1)], grads["db" + str(l + 1)] = \
            linear_activation_backward(dA, caches[l], activation)
        grads["dA" + str(l)] = dA
    return grads


def cost(parameters):
    return compute_cost(L_model_forward(X, parameters)[0], Y)


def gradients(parameters):
    AL, caches = L_model_forward(X, parameters)
    return L_model_backward(AL, Y, caches)


parameters = initialize_parameters_deep([3, 4, 3, 1])
X = np.random.default_rng(54).normal(size=(3, 6))
Y = np.array([[0, 1, 1, 0, 1, 0]])


def plain():
    grads = gradients(parameters)
    return lambda: cost(parameters), parameters, {k: grads["d" + k] for k in parameters}


TABLE = {
    "style": "two functions",
    "glue": "tg.verify.check_derivation(cost, gradients, point=parameters)",
    "verdict": "right",
    "stores": "dZ[Z <= 0] = 0, in the gradients only",
    "says": "dA0, dA1 … are keys of intermediate gradients, m times those of the cost: read as extra keys",
    "mistakes": [
        ("dW = np.dot(dZ, A_prev.T) / m", "dW = np.dot(dZ, A_prev.T)", "the weights are summed, the biases averaged"),
        ("dZ = dA * s * (1 - s)", "dZ = dA * s", "half of the sigmoid's derivative"),
        ("-(np.divide(Y, AL) - np.divide", "-(np.divide(Y, AL) + np.divide", "the sign of the second term"),
        ("dA_prev = np.dot(W.T, dZ)", "dA_prev = np.dot(W.T, dZ) / m", "1/m comes in once a layer"),
    ],
}
