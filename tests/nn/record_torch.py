"""Record PyTorch's numbers for layers and losses; the tests only read them.

Run ``python tests/nn/record_torch.py`` where PyTorch is installed, to write
``tests/data/torch_layers.npz`` again. It holds

- ``version``: of the PyTorch that computed the numbers;
- ``layers``: name, arguments, keyword arguments and input shape of each layer, as JSON;
- ``losses``: name and reduction of each loss, as JSON;
- ``layer.<i>.<what>``: the arrays of layer i: input ``x``, cotangent ``g``, ``start.<name>`` of
  parameters and buffers, the output ``y``, gradients ``grad.<name>`` (``grad.x`` of the input) and
  buffers ``after.<name>`` of a step in training, and then the output ``evaluated``;
- ``loss.<i>.<what>``: ``prediction``, ``target``, ``value`` and ``grad`` (of the prediction).
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np

FILE = Path(__file__).parent.parent / "data" / "torch_layers.npz"

IMAGES = (2, 3, 7, 6)
LAYERS = [
    ("Linear", (4, 3), {}, (5, 4)),
    ("Linear", (4, 3), {"bias": False}, (2, 3, 4)),
    ("Conv2d", (3, 2, 3), {}, IMAGES),
    ("Conv2d", (3, 2, 2, 2), {}, IMAGES),
    ("Conv2d", (3, 4, 3, 1, 1), {}, IMAGES),
    ("Conv2d", (3, 2, [3, 2], [2, 3], [1, 2]), {}, IMAGES),
    ("Conv2d", (3, 2, 5, 1, 2), {"bias": False}, IMAGES),
    ("MaxPool2d", (2,), {}, IMAGES),
    ("MaxPool2d", (3, 1), {}, IMAGES),
    ("MaxPool2d", ([2, 3], [1, 2]), {}, IMAGES),
    ("AvgPool2d", (2,), {}, IMAGES),
    ("AvgPool2d", (3, 1), {}, IMAGES),
    ("AvgPool2d", ([2, 3], [1, 2]), {}, IMAGES),
    ("Flatten", (), {}, IMAGES),
    ("LayerNorm", (4,), {}, (2, 5, 4)),
    ("LayerNorm", (4, 0.1), {}, (3, 4)),
    ("BatchNorm1d", (4,), {}, (6, 4)),
    ("BatchNorm1d", (4, 0.1, 0.5), {}, (3, 4)),
    ("Identity", (), {}, (5, 4)),
    ("Tanh", (), {}, (5, 4)),
    ("Sigmoid", (), {}, (5, 4)),
    ("ReLU", (), {}, (5, 4)),
    ("LeakyReLU", (), {}, (5, 4)),
    ("LeakyReLU", (0.3,), {}, (5, 4)),
    ("Softplus", (), {}, (5, 4)),
    ("GELU", (), {}, (5, 4)),
    ("Softmax", (-1,), {}, (5, 4)),
    ("Softmax", (0,), {}, (5, 4)),
    ("LogSoftmax", (-1,), {}, (5, 4)),
    ("LogSoftmax", (1,), {}, (5, 4, 2)),
    ("SiLU", (), {}, (5, 4)),
    ("ELU", (), {}, (5, 4)),
    ("ELU", (0.3,), {}, (5, 4)),
    ("BatchNorm2d", (3,), {}, IMAGES),
    ("BatchNorm2d", (3, 0.1, 0.5), {}, (1, 3, 2, 1)),
    ("Conv1d", (3, 2, 4), {}, (2, 3, 7)),
    ("Conv1d", (3, 2, 3, 2, 1), {"bias": False}, (2, 3, 8)),
    ("Embedding", (5, 3), {}, (2, 4)),
    ("RNNCell", (3, 2), {}, (4, 5, 3)),
    ("GRUCell", (3, 2), {}, (4, 5, 3)),
    ("LSTMCell", (3, 2), {}, (4, 5, 3)),
    ("MultiheadAttention", (6, 2), {}, (2, 5, 6)),
    ("MultiheadAttention", (6, 3), {"causal": True}, (2, 5, 6)),
]

LOSSES = [
    (name, reduction)
    for name in (
        "squared_error",
        "binary_cross_entropy",
        "sigmoid_cross_entropy",
        "categorical_cross_entropy",
        "softmax_cross_entropy",
        "absolute_error",
        "huber",
        "hinge",
        "kl_divergence",
    )
    for reduction in ("mean", "sum")
]


def over_time(cell, x, stack):
    """The states h of a cell after each step of the second axis of x."""
    state, found = None, []
    for t in range(x.shape[1]):
        state = cell(x[:, t], state)
        found.append(state[0] if isinstance(state, tuple) else state)
    return stack(found, 1)


def attention(torch, features, heads, causal=False):
    """PyTorch's attention with linear layers of its own for queries, keys and values."""

    class Attention(torch.nn.Module):
        def __init__(self):
            super().__init__()
            for name in ("query", "key", "value", "output"):
                setattr(self, name, torch.nn.Linear(features, features))

        def forward(self, x):
            def by_head(z):
                return z.view(*x.shape[:2], heads, features // heads).transpose(1, 2)

            y = torch.nn.functional.scaled_dot_product_attention(
                by_head(self.query(x)), by_head(self.key(x)), by_head(self.value(x)),
                is_causal=causal)
            return self.output(y.transpose(1, 2).reshape(x.shape))

    return Attention()


def layer_in_torch(torch, name, args, kwargs, arrays):
    if name == "MultiheadAttention":
        layer = attention(torch, *args, **kwargs).double()
    else:
        layer = getattr(torch.nn, name)(*args, **kwargs).double()
    members = {**dict(layer.named_parameters()), **dict(layer.named_buffers())}
    members.pop("num_batches_tracked", None)
    rng = np.random.default_rng(21)
    for key, member in members.items():
        arrays[f"start.{key}"] = rng.uniform(0.5, 1.5, tuple(member.shape))
        member.data = torch.tensor(arrays[f"start.{key}"])
    x = torch.tensor(arrays["x"], requires_grad=name != "Embedding")

    def called():
        return over_time(layer, x, torch.stack) if name.endswith("Cell") else layer(x)

    y = called()
    arrays["g"] = rng.normal(size=tuple(y.shape))
    y.backward(torch.tensor(arrays["g"]))
    arrays["y"] = y
    if x.requires_grad:
        arrays["grad.x"] = x.grad
    for key, parameter in layer.named_parameters():
        arrays[f"grad.{key}"] = parameter.grad
    for key in members.keys() - dict(layer.named_parameters()).keys():
        arrays[f"after.{key}"] = dict(layer.named_buffers())[key]
    layer.eval()
    arrays["evaluated"] = called()


def loss_in_torch(torch, name, reduction, arrays):
    F = torch.nn.functional
    prediction = torch.tensor(arrays["prediction"], requires_grad=True)
    target = torch.tensor(arrays["target"])
    total = {
        "squared_error": lambda: F.mse_loss(prediction, target, reduction="sum") / 2,
        "binary_cross_entropy": lambda: F.binary_cross_entropy(
            prediction, target, reduction="sum"
        ),
        "sigmoid_cross_entropy": lambda: F.binary_cross_entropy_with_logits(
            prediction, target, reduction="sum"
        ),
        "categorical_cross_entropy": lambda: -(target * prediction.log()).sum(),
        "softmax_cross_entropy": lambda: F.cross_entropy(prediction, target, reduction="sum"),
        "absolute_error": lambda: F.l1_loss(prediction, target, reduction="sum"),
        "huber": lambda: F.huber_loss(prediction, target, reduction="sum"),
        "hinge": lambda: torch.clamp(1 - target * prediction, min=0).sum(),
        "kl_divergence": lambda: F.kl_div(prediction.log(), target, reduction="sum"),
    }[name]()
    value = total / len(prediction) if reduction == "mean" else total
    value.backward()
    arrays["value"], arrays["grad"] = value, prediction.grad


def main():
    import torch

    rng = np.random.default_rng(20)
    recorded = {
        "version": torch.__version__,
        "layers": json.dumps(LAYERS),
        "losses": json.dumps(LOSSES),
    }

    def keep(prefix, arrays):
        for key, value in arrays.items():
            array = value.detach().numpy() if isinstance(value, torch.Tensor) else value
            recorded[f"{prefix}.{key}"] = array.copy()

    for i, (name, args, kwargs, shape) in enumerate(LAYERS):
        symbols = name == "Embedding"
        arrays = {"x": rng.integers(0, args[0], shape) if symbols else rng.normal(size=shape)}
        # Lists stand for pairs, since JSON has no tuples.
        pairs = [tuple(arg) if isinstance(arg, list) else arg for arg in args]
        layer_in_torch(torch, name, pairs, kwargs, arrays)
        keep(f"layer.{i}", arrays)
    for i, (name, reduction) in enumerate(LOSSES):
        probabilities = name in (
            "binary_cross_entropy", "categorical_cross_entropy", "kl_divergence")
        prediction = rng.uniform(0.05, 0.95, (5, 4)) if probabilities else rng.normal(0, 3, (5, 4))
        target = rng.dirichlet(np.ones(4), 5)
        arrays = {"prediction": prediction,
                  "target": np.where(target > 0.2, 1.0, -1.0) if name == "hinge" else target}
        loss_in_torch(torch, name, reduction, arrays)
        keep(f"loss.{i}", arrays)
    unfinished = FILE.with_suffix(".part.npz")
    np.savez_compressed(unfinished, **recorded)
    os.replace(unfinished, FILE)


if __name__ == "__main__":
    main()
