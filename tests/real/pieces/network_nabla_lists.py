"""Network class with sizes; backprop returns a tuple of lists, summed over the minibatch."""

import numpy as np


class Network(object):

    def __init__(self, sizes, seed=36):
        rng = np.random.default_rng(seed)
        self.num_layers = len(sizes)
        self.sizes = sizes
        self.biases = [rng.standard_normal((y, 1)) for y in sizes[1:]]
        self.weights = [rng.standard_normal((y, x)) for x, y in zip(sizes[:-1], sizes[1:])]

    def feedforward(self, a):
        for b, w in zip(self.biases, self.weights):
            a = sigmoid(np.dot(w, a) + b)
        return a

    def cost(self, batch):
        return sum(0.5 * np.sum((self.feedforward(x) - y) ** 2) for x, y in batch) / len(batch)

    def batch_gradient(self, batch):
        nabla_b = [np.zeros(b.shape) for b in self.biases]
        nabla_w = [np.zeros(w.shape) for w in self.weights]
        for x, y in batch:
            delta_nabla_b, delta_nabla_w = self.backprop(x, y)
            nabla_b = [nb + dnb for nb, dnb in zip(nabla_b, delta_nabla_b)]
            nabla_w = [nw + dnw for nw, dnw in zip(nabla_w, delta_nabla_w)]
        return (nabla_b, nabla_w)

    def backprop(self, x, y):
        nabla_b = [np.zeros(b.shape) for b in self.biases]
        nabla_w = [np.zeros(w.shape) for w in self.weights]
        activation = x
        activations = [x]
        zs = []
        for b, w in zip(self.biases, self.weights):
            z = np.dot(w, activation) + b
            zs.append(z)
            activation = sigmoid(z)
            activations.append(activation)
        delta = (activations[-1] - y) * sigmoid_prime(zs[-1])
        nabla_b[-1] = delta
        nabla_w[-1] = np.dot(delta, activations[-2].transpose())
        for l in range(2, self.num_layers):
            z = zs[-l]
            sp = sigmoid_prime(z)
            delta = np.dot(self.weights[-l + 1].transpose(), delta) * sp
            nabla_b[-l] = delta
            nabla_w[-l] = np.dot(delta, activations[-l - 1].transpose())
        return (nabla_b, nabla_w)


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def sigmoid_prime(z):
    return sigmoid(z) * (1 - sigmoid(z))


rng = np.random.default_rng(37)
batch = [(rng.standard_normal((3, 1)), rng.random((2, 1))) for _ in range(4)]
net = Network([3, 4, 3, 2])


def cost(biases, weights):
    net.biases, net.weights = biases, weights
    return net.cost(batch)


def nablas(biases, weights):
    net.biases, net.weights = biases, weights
    return net.batch_gradient(batch)


def plain():
    nabla_b, nabla_w = net.batch_gradient(batch)
    names = range(1, net.num_layers)
    return (lambda: net.cost(batch),
            {**{f"b{l}": b for l, b in zip(names, net.biases)},
             **{f"w{l}": w for l, w in zip(names, net.weights)}},
            {**{f"b{l}": b for l, b in zip(names, nabla_b)},
             **{f"w{l}": w for l, w in zip(names, nabla_w)}})


TABLE = {
    "style": "two functions",
    "glue": "tg.verify.check_derivation(cost, nablas, biases=net.biases, weights=net.weights)",
    "verdict": "convention",
    "convention": "scale",
    "size": 4,
    "wrong": ["b1", "b2", "b3", "w1", "w2", "w3"],
    "stores": "",
    "says": "right up to the factor 4: summed over the minibatch, the cost is averaged; "
            "lists of weights, a tuple of lists of gradients",
    "change": ("            nabla_w = [nw + dnw for nw, dnw in zip(nabla_w, delta_nabla_w)]\n"
               "        return (nabla_b, nabla_w)",
               "            nabla_w = [nw + dnw for nw, dnw in zip(nabla_w, delta_nabla_w)]\n"
               "        n = len(batch)\n"
               "        return ([nb / n for nb in nabla_b], [nw / n for nw in nabla_w])"),
    "also": ["nabla_b = [nb + dnb", "nabla_w = [nw + dnw"],
}
