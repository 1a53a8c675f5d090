"""Random forward passes, exported: the file gives what NumPy gives, for every batch size.

The twin is the module itself on plain arrays, where operations are their forward functions.
"""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_mlp as tg
from tests.saving.onnx.runtime import difference, run
from tinygrad_mlp import nn

SIZES = (1, 3, 8)

STEPS = {
    "tanh": lambda x, W: tg.tanh(x),
    "relu": lambda x, W: tg.relu(x - 0.1),
    "softmax": lambda x, W: tg.softmax(x),
    "softmax over the batch": lambda x, W: tg.softmax(x, axis=0),
    "log softmax": lambda x, W: tg.log_softmax(x, axis=1),
    "bell": lambda x, W: np.exp(-np.square(x) / 2),
    "centre": lambda x, W: x - tg.mean(x, axis=1, keepdims=True),
    "centre the batch": lambda x, W: x - tg.sum(x, axis=0) / x.shape[0],
    "spread": lambda x, W: x / (1 + tg.std(x, axis=0)),
    "product": lambda x, W: x @ W[: x.shape[1]],
    "linear": lambda x, W: tg.linear(x, W[: x.shape[1]].T, W[0]),
    "reverse": lambda x, W: x[:, ::-1],
    "reverse the batch": lambda x, W: x[::-1],
    "choose": lambda x, W: x[:, np.array([0, -1, 0])],
    "join the largest": lambda x, W: tg.concatenate([x, x.max(axis=1, keepdims=True)], axis=1),
    "join ones": lambda x, W: tg.concatenate([np.ones((x.shape[0], 1)), x], axis=1),
    # At bounds that no sum of round numbers meets: there, a rounding would decide.
    "select": lambda x, W: tg.where((x > 0.1234) & (x < 0.8771), x, -0.5),
    "cut off": lambda x, W: x * (x > 0.3719),
    "compare the samples": lambda x, W: tg.tanh(x @ x.T) @ x / x.shape[0],
    "running sum": lambda x, W: tg.cumsum(x, axis=1),
    "fold and unfold": lambda x, W: tg.sum(
        (x[:, :, None] * W[0]).reshape(x.shape[0], -1, 2), axis=2
    )[:, :5],
    "transpose and back": lambda x, W: tg.clip(x.T, -1.0, 0.5).T,
}


class Chain(nn.Module):
    """Steps one after the other, with weights to use."""

    def __init__(self, names):
        self.names = names
        self.weight = nn.Parameter(np.random.default_rng(7).normal(size=(12, 4)))

    def forward(self, x):
        for name in self.names:
            x = STEPS[name](x[:, :8], self.weight)
        return x


@given(st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=6), st.integers(0, 99))
@settings(max_examples=60)
def test_a_random_chain_of_steps_is_exported(tmp_path_factory, names, seed):
    path = tmp_path_factory.getbasetemp() / "chain.onnx"
    chain, rng = Chain(names), np.random.default_rng(seed)
    tg.export_onnx(chain, path, input_shape=(3,))
    for n in SIZES:
        x = rng.normal(size=(n, 3))
        assert difference(run(path, x), tg.predict(chain, x)) <= 1e-10
