"""Layers in the styles of many people: forward and backward, right, with mistakes to plant."""

import numpy as np

RNG = np.random.default_rng(0)
X = RNG.normal(size=(5, 4))


# -- functions ---------------------------------------------------------------------------------


def affine_forward(x, w, b):
    return x.dot(w) + b, (x, w, b)


def affine_backward(dout, cache):
    x, w, b = cache
    dx = dout.dot(w.T)
    dw = x.T.dot(dout)
    db = np.sum(dout, axis=0)
    return dx, dw, db


def tanh_backward_by_output(dout, out):
    return dout * (1 - out**2)


def softplus_forward(x):
    return np.log(1 + np.exp(x))


def softplus_backward(dout, x):
    return dout / (1 + np.exp(-x))


def cell_forward(x, h, c, w):
    a = np.tanh(x + h @ w)
    next_c = 0.5 * c + a
    next_h = np.tanh(next_c)
    return next_h, next_c, {"x": x, "h": h, "w": w, "a": a, "next_h": next_h}


def cell_backward(dnext_h, dnext_c, cache):
    dc = dnext_c + dnext_h * (1 - cache["next_h"] ** 2)
    da = dc * (1 - cache["a"] ** 2)
    return da, da @ cache["w"].T, 0.5 * dc, cache["h"].T @ da


def two_layers_forward(x, params):
    h = np.tanh(x @ params["W1"] + params["b1"])
    return h @ params["W2"], (x, h, params)


def two_layers_backward(dout, cache):
    x, h, params = cache
    dh = dout @ params["W2"].T * (1 - h**2)
    return dh @ params["W1"].T, {
        "dW1": x.T @ dh, "db1": dh.sum(axis=0), "dW2": h.T @ dout, "extra": None}


def stack_forward(x, weights):
    kept = [x]
    for w in weights:
        kept.append(np.tanh(kept[-1] @ w))
    return kept[-1], (kept, weights)


def stack_backward(dout, cache):
    kept, weights = cache
    grads = []
    for i in reversed(range(len(weights))):
        dz = dout * (1 - kept[i + 1] ** 2)
        grads.insert(0, kept[i].T @ dz)
        dout = dz @ weights[i].T
    return dout, grads


def scaled_forward(x, gamma, setting):
    return gamma * x * setting["scale"], (x, gamma, setting)


def scaled_backward(dout, cache):
    x, gamma, setting = cache
    s = setting["scale"]
    return {"dx": dout * gamma * s, "dgamma": np.sum(dout * x * s, axis=0), "cache": cache}


def square(*shape):
    return RNG.normal(size=shape)


FUNCTIONS = {
    "a tuple in order": (affine_forward, affine_backward, (X, square(4, 3), square(3))),
    "backward takes the output": (lambda x: np.tanh(x), tanh_backward_by_output, (X,)),
    "backward takes the input": (softplus_forward, softplus_backward, (X,)),
    "two outputs": (cell_forward, cell_backward, (X, X[::-1], 2 * X, square(4, 4))),
    "a dict of weights": (two_layers_forward, two_layers_backward, (
        X, {"W1": square(4, 3), "b1": square(1, 3), "W2": square(3, 2)})),
    "a list of weights": (stack_forward, stack_backward, (X, [square(4, 3), square(3, 2)])),
    "a dict of gradients and settings": (scaled_forward, scaled_backward, (
        X, square(4), {"scale": 2.0})),
}


# -- objects -----------------------------------------------------------------------------------


class Dense:
    """Gradients in dW and db."""

    def __init__(self, n, m):
        self.W, self.b = square(n, m), np.zeros((1, m))
        self.dW = self.db = None

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.db = dout.sum(axis=0)
        return dout @ self.W.T


class DenseWords:
    """Gradients in dweights, dbiases and dinputs; nothing is returned."""

    def __init__(self, n, m):
        self.weights, self.biases = square(n, m), square(1, m)

    def forward(self, inputs):
        self.inputs = inputs
        self.output = np.dot(inputs, self.weights) + self.biases

        return self.output

    def backward(self, dvalues):
        self.dweights = np.dot(self.inputs.T, dvalues)
        self.dbiases = np.sum(dvalues, axis=0, keepdims=True)
        self.dinputs = np.dot(dvalues, self.weights.T)


class DenseLists:
    """Parameters and gradients in two lists, filled in place."""

    def __init__(self, n, m):
        W, b = square(n, m), square(m)
        self.params = [W, b]
        self.grads = [np.zeros_like(W), np.zeros_like(b)]

    def forward(self, x):
        W, b = self.params
        self.x = x
        return np.dot(x, W) + b

    def backward(self, dout):
        W, b = self.params
        self.grads[0][...] = np.dot(self.x.T, dout)
        self.grads[1][...] = np.sum(dout, axis=0)
        return np.dot(dout, W.T)


class DenseDicts(Dense):
    """Gradients in a dict by the name of the parameter."""

    def __init__(self, n, m):
        self.params = {"W": square(n, m), "b": square(m)}
        self.gradients = {}

    def forward(self, x):
        self.x = x
        return x @ self.params["W"] + self.params["b"]

    def backward(self, dout):
        self.gradients["W"] = self.x.T @ dout
        self.gradients["b"] = dout.sum(axis=0)
        return dout @ self.params["W"].T


class Parameter:
    """One parameter with its gradient."""

    def __init__(self, value):
        self.value, self.grad = value, np.zeros_like(value)


class DenseParameters:
    """Parameters that are objects, whose gradients are added up."""

    def __init__(self, n, m):
        self.W, self.b = Parameter(square(n, m)), Parameter(square(m))

    def forward(self, x):
        self.x = x
        return x @ self.W.value + self.b.value

    def backward(self, dout):
        self.W.grad += self.x.T @ dout
        self.b.grad += dout.sum(axis=0)
        return dout @ self.W.value.T


class DenseMethod(Dense):
    """Gradients given by a method, in the order of another one."""

    def backward(self, dout):
        self._kept = [self.x.T @ dout, dout.sum(axis=0)]
        return dout @ self.W.T

    def get_params(self):
        return [self.W, self.b]

    def get_grads(self):
        return self._kept


class DenseReturned(Dense):
    """All gradients returned."""

    def backward(self, dout):
        dx = dout @ self.W.T
        dW = self.x.T @ dout
        db = dout.sum(axis=0)
        return dx, dW, db


class Tanh:
    """No parameters."""

    def forward(self, x):
        self.out = np.tanh(x)
        return self.out

    def backward(self, dout):
        return dout * (1 - self.out**2)


class Network:
    """A whole model."""

    def __init__(self, *layers):
        self.layers = list(layers)

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, dout):
        for layer in reversed(self.layers):
            dout = layer.backward(dout)
        return dout


class SquaredError:
    """A loss with targets, whose backward pass takes nothing."""

    def forward(self, x, target):
        self.x, self.target = x, target
        return np.mean((x - target) ** 2)

    def backward(self):
        return 2 * (self.x - self.target) / self.x.size


OBJECTS = {
    "dW": lambda: Dense(4, 3),
    "dweights": lambda: DenseWords(4, 3),
    "grads[0]": lambda: DenseLists(4, 3),
    "gradients.W": lambda: DenseDicts(4, 3),
    "W.grad": lambda: DenseParameters(4, 3),
    "get_grads()[0]": lambda: DenseMethod(4, 3),
    "from dW": lambda: DenseReturned(4, 3),
    "x from the returned array": Tanh,
    "layers[2].dW": lambda: Network(Dense(4, 3), Tanh(), Dense(3, 2)),
}
"""By what the report says of them, among other things."""
