"""Activations as layers: each applies one operation of the package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.op import Op
from tinygrad_mlp.nn.layers import as_input
from tinygrad_mlp.nn.module import Module

if TYPE_CHECKING:
    from tinygrad_mlp.autograd.argument_types import Operand


class Activation(Module):
    """Base of the activations: the layer form of one operation."""

    op: ClassVar[Op]

    def forward(self, x: Operand) -> Any:
        """Apply the operation to x."""
        return self.op(x)


class Tanh(Activation):
    """``tanh x``, the hidden activation of the classic experiment (docs/tutorial.md).

    >>> Tanh()([0.0, 2.0]).round(4)
    array([0.   , 0.964])
    """

    op = ops.tanh


class Sigmoid(Activation):
    """``1 / (1 + e^−x)``, for outputs between 0 and 1.

    >>> Sigmoid()([0.0, 2.0]).round(4)
    array([0.5   , 0.8808])
    """

    op = ops.sigmoid


class ReLU(Activation):
    """``max(x, 0)``.

    >>> ReLU()([-1.0, 1.0])
    array([0., 1.])
    """

    op = ops.relu


class Softplus(Activation):
    """``ln(1 + e^x)``.

    >>> Softplus()([0.0, 2.0]).round(4)
    array([0.6931, 2.1269])
    """

    op = ops.softplus


class GELU(Activation):
    """``x Φ(x)``.

    >>> GELU()([-1.0, 1.0]).round(4)
    array([-0.1587,  0.8413])
    """

    op = ops.gelu


class Identity(Activation):
    """The input, unchanged.

    >>> Identity()([-1.0, 1.0])
    array([-1.,  1.])
    """

    op = ops.identity


class LeakyReLU(Module):
    """``x`` where x > 0, else ``slope · x``.

    >>> LeakyReLU(0.1)([-1.0, 1.0])
    array([-0.1,  1. ])
    """

    def __init__(self, slope: float = 0.01) -> None:
        self.slope = float(slope)  # a NumPy scalar would raise the precision of float32

    def forward(self, x: Operand) -> Any:
        """Apply the operation to x."""
        return ops.leaky_relu(x, slope=self.slope)

    def describe(self) -> str:
        """Return the slope."""
        return f"{self.slope:g}"


class SiLU(Module):
    """``x σ(x)``, also called swish.

    Source: Elfwing, Uchibe and Doya, 2018.

    >>> SiLU()([-1.0, 1.0]).round(4)
    array([-0.2689,  0.7311])
    """

    def forward(self, x: Any) -> Any:
        """Multiply x by its sigmoid."""
        x = as_input(x)
        return x * ops.sigmoid(x)


class ELU(Module):
    """``x`` where x > 0, else ``α (e^x − 1)``.

    Args:
        alpha: α, the distance of the lower limit from 0.

    Source: Clevert, Unterthiner and Hochreiter, 2016.

    >>> ELU()([-1.0, 1.0]).round(4)
    array([-0.6321,  1.    ])
    """

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = float(alpha)

    def forward(self, x: Any) -> Any:
        """Apply the function to x."""
        x = as_input(x)
        return ops.where(x > 0, x, self.alpha * ops.expm1(ops.minimum(x, 0)))

    def describe(self) -> str:
        """Return α."""
        return f"{self.alpha:g}"


class Softmax(Module):
    """Probabilities ``e^x / Σ e^x`` along an axis.

    Source: Bishop, "Pattern Recognition and Machine Learning", 2006, (4.104).

    >>> Softmax()([0.0, 0.0])
    array([0.5, 0.5])
    """

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Operand) -> Any:
        """Apply the operation to x."""
        return ops.softmax(x, axis=self.axis)

    def describe(self) -> str:
        """Return the axis, unless it is the last."""
        return f"axis={self.axis}" if self.axis != -1 else ""


class LogSoftmax(Softmax):
    """Logarithm of the softmax along an axis.

    >>> LogSoftmax()([0.0, 0.0]).round(4)
    array([-0.6931, -0.6931])
    """

    def forward(self, x: Operand) -> Any:
        """Apply the operation to x."""
        return ops.log_softmax(x, axis=self.axis)
