"""``tinygrad-mlp explain``: the derivation of a network's gradients.

The equations depend on which sizes are equal and which are 1, but not on how large the others are.
So the network that is derived has the smallest such sizes, and the true ones are put into the text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_mlp.autograd import Tensor, ops
from tinygrad_mlp.autograd.graph import Value
from tinygrad_mlp.cli.check import parameters_of
from tinygrad_mlp.cli.check_subjects import (
    loss_called,
    loss_in,
    namespace_of,
    registry_restored,
)
from tinygrad_mlp.cli.outputs import SUCCESS
from tinygrad_mlp.cli.running import Outcome
from tinygrad_mlp.errors import DataNotFoundError
from tinygrad_mlp.explanation import Derivation
from tinygrad_mlp.explanation import explain as derive
from tinygrad_mlp.explanation.expressions.expression import within
from tinygrad_mlp.graph_view.layer_view import Recorded
from tinygrad_mlp.graph_view.naming import in_graph
from tinygrad_mlp.neural_network import NeuralNetwork, checked_layers


def explain(layers: Sequence[int], loss: str, *, hidden: str, output: str, bias: bool,
            latex: bool) -> Outcome:
    """Derive the gradients for one sample, a column vector."""
    distinct = sorted({1, *checked_layers(layers)})
    sizes = {size: stand_in for stand_in, size in enumerate(distinct, start=1)}
    small = [sizes[size] for size in layers]
    # The network raises the errors, such as for the cross entropy of a tanh.
    NeuralNetwork(small, loss, hidden_activation=hidden, output_activation=output, monitor=False,
                  plot=False)
    derivation = derive(*_recorded(small, loss, hidden, output, bias), shapes=True)
    _resize(derivation, {stand_in: size for size, stand_in in sizes.items()})
    document = {
        "layers": layers, "loss": loss, "hidden_activation": hidden, "output_activation": output,
        "bias": bias, **_document(derivation)}
    return Outcome(SUCCESS, document, derivation.latex if latex else str(derivation))


def explain_file(path: Path, *, latex: bool) -> Outcome:
    """Derive the gradients of a file's loss, in the names that the file has."""
    if not path.is_file():
        raise DataNotFoundError(f"{path}: there is no such file. Check the path.")
    with registry_restored():
        derivation = _of_file(path, namespace_of(path))
    document = {"file": str(path), **_document(derivation)}
    shown = derivation.closed.latex if latex else str(derivation)
    return Outcome(SUCCESS, document, shown)


def _of_file(path: Path, names: Mapping[str, object]) -> Derivation:
    loss = loss_in(path, names)
    if isinstance(loss, Value):
        return derive(loss, names=in_graph(Recorded(loss), names))
    values = {name: Tensor(value, requires_grad=True, name=name)
              for name, value in parameters_of(path, names).items()}
    with loss_called(path):
        return derive(loss, values)


def _document(derivation: Derivation) -> dict[str, object]:
    """Return a derivation as JSON."""
    closed = derivation.closed
    return {
        "equations": [
            {"name": e.name, "kind": e.kind, "text": str(e), "latex": e.latex, "shape": e.shape}
            for e in derivation.equations],
        "latex": derivation.latex, "text": derivation.text,
        "closed": {
            "equations": [{"name": e.name, "kind": e.kind, "text": str(e)}
                          for e in closed.equations],
            "latex": closed.latex, "text": closed.text, "because": closed.because,
            "note": closed.note}}


def _recorded(layers: Sequence[int], loss: str, hidden: str, output: str,
              bias: bool) -> tuple[object, list[object]]:
    """Return the loss of one sample, recorded, and the parameters."""
    parameters: list[Any] = []

    def parameter(name: str, *shape: int) -> Any:
        # The equations depend on shapes and not on values.
        parameters.append(Tensor(np.zeros(shape), requires_grad=True, name=name))
        return parameters[-1]

    a: Any = Tensor(np.zeros(layers[0]), name="x")
    y = Tensor(np.eye(layers[-1])[0], name="y")  # as labels: their sum is 1
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
    return value, parameters


def _resize(derivation: Derivation, sizes: Mapping[int, int]) -> None:
    """Give every part of a derivation its true size in the place of a stand-in."""
    equations = [*derivation.closed.equations, *derivation.equations]
    for part in within(side for e in equations for side in (e.left, e.right)):
        part.shape = tuple(sizes[size] for size in part.shape)
