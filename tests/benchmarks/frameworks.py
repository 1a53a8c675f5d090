"""The classic network in each framework: one step a batch, as its users would write it.

Each function takes a `Setting` and returns a `Train`; all of them compute the same numbers.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

import tinygrad_mlp as tg
from tests.benchmarks import threads
from tests.benchmarks.setting import HIDDEN, IMAGES, INPUTS, LR, OUTPUTS, Setting, Train


def ours_of(given: Setting) -> Any:
    """tinygrad_mlp's model with the first weights."""
    model = tg.nn.Sequential(
        tg.nn.Linear(INPUTS, HIDDEN, bias=False, init=lambda *_: given.W1, dtype=given.W1.dtype),
        tg.nn.Tanh(),
        tg.nn.Linear(HIDDEN, OUTPUTS, bias=False, init=lambda *_: given.W2, dtype=given.W2.dtype),
        tg.nn.Sigmoid(),
    )
    for parameter, weight in zip(model.parameters(), given.weights, strict=True):
        parameter.data = weight
    return model


def tinygrad_mlp(given: Setting) -> Train:
    """This package: `fit`, each time with a new model, so that all it does is counted.

    More samples than there are images are several epochs.
    """

    def train(samples: int) -> list[Any]:
        model = ours_of(given)
        tg.fit(
            model, tg.nn.squared_error,
            tg.optim.SGD(model.parameters(), tg.optim.schedule.inverse_time()),
            given.X[:samples], given.Y[:samples], epochs=max(1, samples // IMAGES),
            batch_size=given.batch, shuffle=False,
        )
        return [parameter.data for parameter in model.parameters()]

    return train


def numpy_by_hand(given: Setting) -> Train:
    """NumPy, with the gradients derived on paper."""

    def train(samples: int) -> list[Any]:
        W1, W2 = given.weights
        for x, y in given.batches(samples):
            a2 = np.tanh(x @ W1.T)
            a3 = 1 / (1 + np.exp(-(a2 @ W2.T)))
            delta3 = (a3 - y) * a3 * (1 - a3)
            delta2 = (delta3 @ W2) * (1 - a2 * a2)
            lr = LR / len(x)
            W2 -= lr * (delta3.T @ a2)
            W1 -= lr * (delta2.T @ x)
        return [W1, W2]

    return train


def pytorch_of(given: Setting) -> Any:
    """PyTorch's model with the first weights."""
    torch = threads.pytorch()
    model = torch.nn.Sequential(
        torch.nn.Linear(INPUTS, HIDDEN, bias=False), torch.nn.Tanh(),
        torch.nn.Linear(HIDDEN, OUTPUTS, bias=False), torch.nn.Sigmoid(),
    )
    weights = (torch.tensor(weight) for weight in given.weights)
    for parameter, weight in zip(model.parameters(), weights, strict=True):
        parameter.data = weight
    return model


def pytorch(given: Setting) -> Train:
    """PyTorch, eager: its layers, its loss and its optimizer."""
    torch = threads.pytorch()
    model = pytorch_of(given)
    X, Y = torch.tensor(given.X), torch.tensor(given.Y)
    loss = torch.nn.MSELoss(reduction="sum")
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)

    def train(samples: int) -> list[Any]:
        with torch.no_grad():
            for parameter, weight in zip(model.parameters(), given.weights, strict=True):
                parameter.copy_(torch.from_numpy(weight))
        for start in range(0, samples, given.batch):
            rows = slice(start, min(start + given.batch, samples))
            x, y = X[rows], Y[rows]
            optimizer.zero_grad()
            (loss(model(x), y) * (0.5 / len(x))).backward()
            optimizer.step()
        return [parameter.detach().numpy().copy() for parameter in model.parameters()]

    return train


def jax_loss(weights: Any, x: Any, y: Any) -> Any:
    """The loss of one batch, in JAX's functions."""
    import jax
    import jax.numpy as jnp

    W1, W2 = weights
    error = jax.nn.sigmoid(jnp.tanh(x @ W1.T) @ W2.T) - y
    return 0.5 * jnp.sum(error * error) / len(x)


def jax_step(weights: Any, x: Any, y: Any) -> Any:
    """The weights after one step of plain SGD."""
    import jax

    gradients = jax.grad(jax_loss)(weights, x, y)
    return tuple(W - LR * gradient for W, gradient in zip(weights, gradients, strict=True))


def jax_jit(given: Setting) -> Train:
    """JAX, one compiled step called for each batch; it may reuse the memory of the weights."""
    jax = threads.jax()
    step = jax.jit(jax_step, donate_argnums=0)

    def train(samples: int) -> list[Any]:
        weights = tuple(map(jax.numpy.array, given.weights))
        for x, y in given.batches(samples):
            weights = step(weights, x, y)
        return [np.asarray(W) for W in jax.block_until_ready(weights)]

    return train


def jax_scan(given: Setting) -> Train:
    """JAX, the whole epoch as one compiled loop (`lax.scan`)."""
    jax = threads.jax()

    def body(weights: Any, batch: Any) -> Any:
        return jax_step(weights, *batch), None

    epoch = jax.jit(lambda weights, X, Y: jax.lax.scan(body, weights, (X, Y))[0])
    inputs: dict[int, Any] = {}

    def train(samples: int) -> list[Any]:
        if samples not in inputs:
            shape = (samples // given.batch, given.batch, -1)
            inputs[samples] = [jax.numpy.array(a[:samples].reshape(shape))
                               for a in (given.X, given.Y)]
        weights = epoch(tuple(given.weights), *inputs[samples])
        return [np.asarray(W) for W in jax.block_until_ready(weights)]

    return train


def hips_autograd(given: Setting) -> Train:
    """HIPS autograd: `value_and_grad` of the loss."""
    import autograd
    import autograd.numpy as anp

    def loss(weights: Any, x: Any, y: Any) -> Any:
        W1, W2 = weights
        a3 = 1 / (1 + anp.exp(-anp.dot(anp.tanh(anp.dot(x, W1.T)), W2.T)))
        error = a3 - y
        return 0.5 * anp.sum(error * error) / len(x)

    value_and_grad = autograd.value_and_grad(loss)

    def train(samples: int) -> list[Any]:
        weights = given.weights
        for x, y in given.batches(samples):
            _, gradients = value_and_grad(weights, x, y)
            for W, gradient in zip(weights, gradients, strict=True):
                W -= LR * gradient
        return weights

    return train


def my_grad(given: Setting) -> Train:
    """MyGrad: tensors and `backward`."""
    import mygrad

    sigmoid = mygrad.nnet.activations.sigmoid

    def train(samples: int) -> list[Any]:
        weights = [mygrad.tensor(W) for W in given.weights]
        W1, W2 = weights
        for x, y in given.batches(samples):
            error = sigmoid(mygrad.tanh(x @ W1.T) @ W2.T) - y
            (0.5 * mygrad.sum(error * error) / len(x)).backward()
            for W in weights:
                W.data -= LR * W.grad
                W.null_grad()
        return [W.data for W in weights]

    return train


def scikit_learn(given: Setting) -> Train:
    """scikit-learn's MLPClassifier: softmax and cross entropy, and biases, for it has no others.

    `numpy_softmax` computes the same by hand.
    """
    from sklearn.neural_network import MLPClassifier

    labels = given.Y.argmax(axis=1)
    classifier = MLPClassifier(
        (HIDDEN,), activation="tanh", solver="sgd", momentum=0.0, nesterovs_momentum=False,
        alpha=0.0, learning_rate_init=LR, batch_size=given.batch, shuffle=False, random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a batch larger than the data
        classifier.partial_fit(given.X[:1], labels[:1], classes=np.arange(OUTPUTS))

    def train(samples: int) -> list[Any]:
        for old, new in zip(classifier.coefs_, given.weights, strict=True):
            old[...] = new.T
        for bias in classifier.intercepts_:
            bias[...] = 0
        classifier.partial_fit(given.X[:samples], labels[:samples])
        return [W.T for W in classifier.coefs_]

    return train


def numpy_softmax(given: Setting) -> Train:
    """What scikit-learn computes, by hand: only to check that it does."""

    def train(samples: int) -> list[Any]:
        W1, W2 = given.weights
        b1, b2 = np.zeros(HIDDEN, W1.dtype), np.zeros(OUTPUTS, W2.dtype)
        for x, y in given.batches(samples):
            a2 = np.tanh(x @ W1.T + b1)
            e = np.exp(a2 @ W2.T + b2)
            delta3 = (e / e.sum(axis=1, keepdims=True) - y) / len(x)
            delta2 = (delta3 @ W2) * (1 - a2 * a2)
            for parameter, gradient in (
                (W1, delta2.T @ x), (b1, delta2.sum(axis=0)),
                (W2, delta3.T @ a2), (b2, delta3.sum(axis=0)),
            ):
                parameter -= LR * gradient
        return [W1, W2]

    return train
