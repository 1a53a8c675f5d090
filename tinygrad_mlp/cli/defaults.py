"""Names and numbers that the help shows, apart from the modules that would take long to load.

The names are those of `neural_network`, which a test holds. Importing them from there would double
the time that the help and the completion of a word take.
"""

from __future__ import annotations

LOSSES = ("mean_square", "cross_entropy")
ACTIVATIONS = (
    "tanh", "sigmoid", "relu", "leaky_relu", "softplus", "gelu", "softmax", "identity",
)  # fmt: skip
OPTIMIZERS = ("sgd", "adam", "adamw", "rmsprop")

DATASETS = ("digits", "mnist")
"""Data sets that have a name; others are files."""

# Two passes, as in the document, suit a data set of the size of MNIST. The digits are 33 times
# fewer, and so are the updates of a pass.
EPOCHS, EPOCHS_OF = 2, {"digits": 30}

# The document's learning rates are for plain gradient descent; the other optimizers divide by the
# size of the gradient, which makes the rate about the size of a step.
RATE_OF_ADAPTIVE = 0.001
