"""``tinygrad-mlp explain``: the derivation of a network's gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_mlp.autograd import Tensor, ops
from tinygrad_mlp.cli.outputs import SUCCESS
from tinygrad_mlp.cli.running import Outcome
from tinygrad_mlp.explanation import explain as derive
from tinygrad_mlp.neural_network import NeuralNetwork


def explain(layers: Sequence[int], loss: str, *, hidden: str, output: str, bias: bool,
            latex: bool) -> Outcome:
    """Derive the gradients for one sample, a column vector."""
    # The network raises the errors: for one layer, for the cross entropy of a tanh.
    NeuralNetwork(layers, loss, hidden_activation=hidden, output_activation=output, monitor=False,
                  plot=False, sigma=0)
    parameters: list[Any] = []

    def parameter(name: str, *shape: int) -> Any:
        # The equations depend on shapes and not on values.
        parameters.append(Tensor(np.zeros(shape), requires_grad=True, name=name))
        return parameters[-1]

    a: Any = Tensor(np.zeros(layers[0]), name="x")
    y = Tensor(np.zeros(layers[-1]), name="y")
    for i, (n_in, n_out) in enumerate(zip(layers, layers[1:], strict=False), start=1):
        z = parameter(f"W{i}", n_out, n_in) @ a
        if bias:
            z = z + parameter(f"b{i}", n_out)
        activation = output if i == len(layers) - 1 else hidden
        a = getattr(ops, activation)(z)
    if loss == "mean_square":
        value = ops.squared_error(a, y)
    elif output == "softmax":
        value = ops.categorical_cross_entropy(a, y)
    else:
        value = ops.binary_cross_entropy(a, y)
    derivation = derive(value, parameters)
    document = {
        "layers": layers, "loss": loss, "hidden_activation": hidden, "output_activation": output,
        "bias": bias,
        "equations": [
            {"name": e.name, "kind": e.kind, "text": str(e), "latex": e.latex, "shape": e.shape}
            for e in derivation.equations],
        "latex": derivation.latex, "text": derivation.text}
    return Outcome(SUCCESS, document, derivation.latex if latex else derivation.text)
