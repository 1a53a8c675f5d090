"""Recurrent cells: one step of a network that keeps a state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.errors import ShapeError
from tinygrad_mlp.nn import init as initialisers
from tinygrad_mlp.nn.init import Initialiser, drawn
from tinygrad_mlp.nn.layers import as_input
from tinygrad_mlp.nn.module import Module
from tinygrad_mlp.nn.parameter import Parameter
from tinygrad_mlp.support.checks import integer_at_least, rng_or_fresh

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from tinygrad_mlp.autograd.argument_types import Operand
    from tinygrad_mlp.autograd.graph import Array
    from tinygrad_mlp.autograd.tensor import Tensor

    Pair = tuple[Array | Tensor, Array | Tensor]


class _Cell(Module):
    """One step of a recurrent network: of the input x_t and the state before, the new state.

    The weights of several gates lie one below the other, with PyTorch's names and order.
    """

    gates: ClassVar[int]

    def __init__(self, in_features: int, hidden: int, *, init: Initialiser | None = None,
                 rng: np.random.Generator | None = None, dtype: DTypeLike | None = None) -> None:
        name = type(self).__name__
        self.in_features = integer_at_least(1, in_features, f"{name}: in_features")
        self.hidden = integer_at_least(1, hidden, f"{name}: hidden")
        init = initialisers.xavier_uniform() if init is None else init
        rng = rng_or_fresh(rng, name)
        for end, length in (("ih", self.in_features), ("hh", self.hidden)):
            blocks = [drawn(init, (self.hidden, length), rng, name) for _ in range(self.gates)]
            weight = Parameter(np.concatenate(blocks), dtype=dtype or np.float64,
                               name=f"weight_{end}")
            setattr(self, f"weight_{end}", weight)
        for end in ("ih", "hh"):
            zeros = np.zeros(self.gates * self.hidden, self.weight_ih.dtype)
            setattr(self, f"bias_{end}", Parameter(zeros, name=f"bias_{end}"))

    weight_ih: Parameter
    weight_hh: Parameter
    bias_ih: Parameter
    bias_hh: Parameter

    def _from_input(self, x: Array | Tensor) -> Tensor:
        """Return ``W_ih x + b_ih``."""
        if x.ndim == 0 or x.shape[-1] != self.in_features:
            raise ShapeError(
                f"{type(self).__name__}({self.describe()}) expects inputs of shape "
                f"(..., {self.in_features}). Got {x.shape}.")
        return ops.linear(x, self.weight_ih, self.bias_ih)

    def _from_state(self, h: Operand) -> Tensor:
        """Return ``W_hh h + b_hh``."""
        return ops.linear(h, self.weight_hh, self.bias_hh)

    def _state(self, h: Array | Tensor | None, x: Array | Tensor) -> Array | Tensor:
        """Return a state, which is 0 where there is none yet."""
        shape = (*x.shape[:-1], self.hidden)
        if h is None:
            return np.zeros(shape, self.weight_ih.dtype)
        h = as_input(h)
        if h.shape != shape:
            raise ShapeError(
                f"{type(self).__name__}({self.describe()}) expects a state of shape {shape} for "
                f"inputs of shape {x.shape}. Got {h.shape}.")
        return h

    def describe(self) -> str:
        """Return the sizes."""
        return f"{self.in_features}, {self.hidden}"


class RNNCell(_Cell):
    """One step of Elman's network: ``h = tanh(W_ih x + b_ih + W_hh h₋ + b_hh)``.

    Args:
        in_features: length of x.
        hidden: length of h.
        init: how each matrix is drawn; Xavier's uniform by default. The biases start at 0.
        rng: generator of the draw.
        dtype: precision of the parameters, float64 by default.

    Shapes: x ``(..., in_features)``; h₋, the state before, and h ``(..., hidden)``.

    Raises:
        ShapeError: when called, if x or h₋ does not fit.

    Source: Elman, "Finding structure in time", 1990.

    >>> cell, h = RNNCell(3, 2, rng=np.random.default_rng(0)), None
    >>> for x in np.ones((4, 5, 3)):  # four steps, five sequences
    ...     h = cell(x, h)
    >>> h.shape
    (5, 2)
    """

    gates = 1

    def forward(self, x: Array | Tensor, h: Array | Tensor | None = None) -> Tensor:
        """Return the new state; the one before is 0 if it is None."""
        x = as_input(x)
        return ops.tanh(self._from_input(x) + self._from_state(self._state(h, x)))


class GRUCell(_Cell):
    """One step of a gated recurrent unit.

    With ``[a_r, a_z, a_n] = W_ih x + b_ih`` and ``[s_r, s_z, s_n] = W_hh h₋ + b_hh``::

        r = σ(a_r + s_r),  z = σ(a_z + s_z),  n = tanh(a_n + r s_n),  h = (1 − z) n + z h₋

    Args:
        in_features: length of x.
        hidden: length of h.
        init: how the matrix of each gate is drawn; Xavier's uniform by default. Biases start at 0.
        rng: generator of the draw.
        dtype: precision of the parameters, float64 by default.

    Shapes: x ``(..., in_features)``; h₋ and h ``(..., hidden)``.

    Raises:
        ShapeError: when called, if x or h₋ does not fit.

    Source: Cho et al., "Learning phrase representations using RNN encoder-decoder", 2014, with the
    reset gate where PyTorch has it.

    >>> GRUCell(3, 2, rng=np.random.default_rng(0))(np.ones((5, 3))).shape
    (5, 2)
    """

    gates = 3

    def forward(self, x: Array | Tensor, h: Array | Tensor | None = None) -> Tensor:
        """Return the new state; the one before is 0 if it is None."""
        x = as_input(x)
        h = self._state(h, x)
        a_r, a_z, a_n = ops.split(self._from_input(x), 3, axis=-1)
        s_r, s_z, s_n = ops.split(self._from_state(h), 3, axis=-1)
        r, z = ops.sigmoid(a_r + s_r), ops.sigmoid(a_z + s_z)
        n = ops.tanh(a_n + r * s_n)
        return (1 - z) * n + z * h


class LSTMCell(_Cell):
    """One step of a network with long short-term memory.

    With ``[a_i, a_f, a_g, a_o] = W_ih x + b_ih + W_hh h₋ + b_hh``::

        c = σ(a_f) c₋ + σ(a_i) tanh(a_g),  h = σ(a_o) tanh(c)

    Args:
        in_features: length of x.
        hidden: length of h and c.
        init: how the matrix of each gate is drawn; Xavier's uniform by default. Biases start at 0.
        rng: generator of the draw.
        dtype: precision of the parameters, float64 by default.

    Shapes: x ``(..., in_features)``; h and c ``(..., hidden)``.

    Raises:
        ShapeError: when called, if x or the state does not fit.

    Source: Hochreiter and Schmidhuber, "Long short-term memory", 1997, with the forget
    gate of Gers, Schmidhuber and Cummins, 2000.

    >>> h, c = LSTMCell(3, 2, rng=np.random.default_rng(0))(np.ones((5, 3)))
    >>> h.shape, c.shape
    ((5, 2), (5, 2))
    """

    gates = 4

    def __call__(self, x: Array | Tensor, state: Pair | None = None) -> Any:
        """Return the new state, the pair h and c."""
        return self.forward(x, state)

    def forward(self, x: Array | Tensor, state: Pair | None = None) -> tuple[Tensor, Tensor]:
        """Return the new state (h, c) of the one before, which is 0 if it is None."""
        x = as_input(x)
        h, c = (self._state(part, x) for part in (state or (None, None)))
        gates = self._from_input(x) + self._from_state(h)
        a_i, a_f, a_g, a_o = ops.split(gates, 4, axis=-1)
        c = ops.sigmoid(a_f) * c + ops.sigmoid(a_i) * ops.tanh(a_g)
        return ops.sigmoid(a_o) * ops.tanh(c), c
