"""Attention with several heads."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.tensor import Tensor
from tinygrad_mlp.errors import InvalidArgumentError, ShapeError
from tinygrad_mlp.nn.layers import Linear, as_input
from tinygrad_mlp.nn.module import Module
from tinygrad_mlp.support.checks import integer_at_least, rng_or_fresh


class MultiheadAttention(Module):
    """Attention with several heads: each position of x takes a weighted mean of the memory's.

    For each head, with d its number of features::

        Q = x W_qᵀ + b_q,  K = m W_kᵀ + b_k,  V = m W_vᵀ + b_v,  y = softmax(Q Kᵀ / √d) V

    The y of all heads side by side pass through ``output``, another linear layer.

    Args:
        features: length of the vectors x, m and y.
        heads: the number of heads, which divides `features`.
        causal: whether position t sees positions 0, …, t only.
        rng: generator of the draws.
        dtype: precision of the parameters, float64 by default.

    Shapes: x ``(n, steps, features)``, m ``(n, others, features)``, y like x.

    Raises:
        InvalidArgumentError: `heads` does not divide `features`.
        ShapeError: when called, if x or m does not fit.

    Source: Vaswani et al., "Attention is all you need", 2017, section 3.2.

    >>> layer = MultiheadAttention(8, 2, rng=np.random.default_rng(0))
    >>> layer(np.ones((5, 3, 8))).shape
    (5, 3, 8)
    """

    def __init__(self, features: int, heads: int, *, causal: bool = False,
                 rng: np.random.Generator | None = None, dtype: DTypeLike | None = None) -> None:
        self.features = integer_at_least(1, features, "MultiheadAttention: features")
        self.heads = integer_at_least(1, heads, "MultiheadAttention: heads")
        if self.features % self.heads:
            raise InvalidArgumentError(
                f"MultiheadAttention() expects heads to divide features. Got {features} features "
                f"and {heads} heads.")
        self.causal = bool(causal)
        rng = rng_or_fresh(rng, "MultiheadAttention")
        self.query, self.key, self.value, self.output = (
            Linear(self.features, self.features, rng=rng, dtype=dtype) for _ in range(4))

    def forward(self, x: Array | Tensor, memory: Array | Tensor | None = None) -> Array | Tensor:
        """Return the weighted means for x; the memory is x itself if it is None."""
        x = self._checked(x)
        memory = x if memory is None else self._checked(memory)
        scores = self._by_head(self.query(x)) @ self._by_head(self.key(memory)).mT
        scores = scores / math.sqrt(self.features // self.heads)
        if self.causal:
            scores = ops.where(np.tri(*scores.shape[-2:], dtype=np.bool_), scores, -np.inf)
        heads = ops.softmax(scores) @ self._by_head(self.value(memory))
        side_by_side = ops.reshape(ops.swapaxes(heads, 1, 2), shape=x.shape)
        return self.output(side_by_side)

    def _checked(self, x: Array | Tensor) -> Array | Tensor:
        x = as_input(x)
        if x.ndim != 3 or x.shape[-1] != self.features or x.shape[1] == 0:
            raise ShapeError(
                f"MultiheadAttention({self.describe()}) expects inputs of shape "
                f"(n, steps, {self.features}). Got {x.shape}.")
        return x

    def _by_head(self, x: Tensor) -> Tensor:
        """Return (n, heads, steps, features of a head) for (n, steps, features)."""
        n, steps, features = x.shape
        split = ops.reshape(x, shape=(n, steps, self.heads, features // self.heads))
        return ops.swapaxes(split, 1, 2)

    def describe(self) -> str:
        """Return the sizes."""
        return f"{self.features}, {self.heads}" + (", causal=True" if self.causal else "")
