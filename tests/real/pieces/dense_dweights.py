"""Dense layer, ReLU, and softmax with cross-entropy as objects; dweights, dbiases, dinputs."""

import numpy as np


class Layer_Dense:

    def __init__(self, n_inputs, n_neurons, weight_regularizer_l2=0):
        self.weights = 0.5 * np.random.randn(n_inputs, n_neurons)
        self.biases = np.zeros((1, n_neurons))
        self.weight_regularizer_l2 = weight_regularizer_l2

    def forward(self, inputs):
        self.inputs = inputs
        self.output = np.dot(inputs, self.weights) + self.biases

    def backward(self, dvalues):
        self.dweights = np.dot(self.inputs.T, dvalues)
        self.dbiases = np.sum(dvalues, axis=0, keepdims=True)
        if self.weight_regularizer_l2 > 0:
            self.dweights += 2 * self.weight_regularizer_l2 * self.weights
        self.dinputs = np.dot(dvalues, self.weights.T)


class Activation_ReLU:

    def forward(self, inputs):
        self.inputs = inputs
        self.output = np.maximum(0, inputs)

    def backward(self, dvalues):
        self.dinputs = dvalues.copy()
        self.dinputs[self.inputs <= 0] = 0


class Activation_Softmax_Loss_CategoricalCrossentropy:

    def forward(self, inputs, y_true):
        exp_values = np.exp(inputs - np.max(inputs, axis=1, keepdims=True))
        self.output = exp_values / np.sum(exp_values, axis=1, keepdims=True)
        correct = self.output[range(len(inputs)), y_true]
        return np.mean(-np.log(correct))

    def backward(self, dvalues, y_true):
        samples = len(dvalues)
        self.dinputs = dvalues.copy()
        self.dinputs[range(samples), y_true] -= 1
        self.dinputs = self.dinputs / samples


class Model:

    def __init__(self):
        self.dense1 = Layer_Dense(3, 5)
        self.relu = Activation_ReLU()
        self.dense2 = Layer_Dense(5, 3)
        self.loss_activation = Activation_Softmax_Loss_CategoricalCrossentropy()

    def forward(self, X, y):
        self.dense1.forward(X)
        self.relu.forward(self.dense1.output)
        self.dense2.forward(self.relu.output)
        return self.loss_activation.forward(self.dense2.output, y)

    def backward(self, y):
        self.loss_activation.backward(self.loss_activation.output, y)
        self.dense2.backward(self.loss_activation.dinputs)
        self.relu.backward(self.dense2.dinputs)
        self.dense1.backward(self.relu.dinputs)


np.random.seed(11)
X = np.random.randn(6, 3)
y = np.array([0, 2, 1, 1, 0, 2])
model = Model()
# so that the biases are not all at zero
model.dense1.biases += 0.1 * np.random.randn(1, 5)


def run(W1, b1, W2, b2):
    """One pass with given weights: the loss, and the gradients that the layers hold."""
    model.dense1.weights, model.dense1.biases = W1, b1
    model.dense2.weights, model.dense2.biases = W2, b2
    loss = model.forward(X, y)
    model.backward(y)
    d1, d2 = model.dense1, model.dense2
    return loss, {"dW1": d1.dweights, "db1": d1.dbiases, "dW2": d2.dweights, "db2": d2.dbiases}


W1, b1, W2, b2 = model.dense1.weights, model.dense1.biases, model.dense2.weights, model.dense2.biases


def plain():
    _, grads = run(W1, b1, W2, b2)
    return (lambda: run(W1, b1, W2, b2)[0], {"W1": W1, "b1": b1, "W2": W2, "b2": b2},
            {name[1:]: g for name, g in grads.items()})


TABLE = {
    "style": "loss and gradients",
    "glue": "tg.verify.check_derivation(run, W1=W1, b1=b1, W2=W2, b2=b2)",
    "verdict": "right",
    "stores": "self.dinputs[self.inputs <= 0] = 0, in the gradients only",
    "says": "keys dW1, db1 … for W1, b1 …",
    "mistakes": [
        ("        self.dinputs = self.dinputs / samples\n", "", "summed over the samples, not averaged"),
        ("self.dinputs[self.inputs <= 0] = 0", "self.dinputs[self.output > 0] = 0", "the mask is inverted"),
        ("self.dweights = np.dot(self.inputs.T, dvalues)", "self.dweights = np.dot(self.inputs.T, dvalues) / 2",
         "half the gradient in both layers"),
    ],
}
