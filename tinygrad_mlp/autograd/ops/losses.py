"""Losses as single operations: their joint gradients are simple and do not lose precision.

The first axis counts samples; a vector or a number is one sample. A loss is summed over the
outputs of a sample, then averaged ("mean") or summed ("sum") over samples. With n the number of
samples (1 for "sum"), the gradients at the pre-activation z of an activation g are:

    squared error:    g′(z) (g(z) − t) / n       cross entropy:    (g(z) − t) / n

The rules write y for the loss, p for the prediction, t for the target and z for the logits.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.argument_types import Operand
from tinygrad_mlp.autograd.graph import Array, Value, make_value
from tinygrad_mlp.autograd.mode import MODE
from tinygrad_mlp.autograd.op import Op, Sample, Samples, op
from tinygrad_mlp.autograd.ops.elementwise.comparison import equal
from tinygrad_mlp.autograd.ops.elementwise.exponential import log, log1p
from tinygrad_mlp.autograd.ops.elementwise.selection import where
from tinygrad_mlp.autograd.ops.elementwise.special import sigmoid
from tinygrad_mlp.autograd.ops.reductions.normalisation import log_softmax, softmax
from tinygrad_mlp.autograd.ops.shapes.shape import shape_of
from tinygrad_mlp.autograd.ops.sums import sum as sum_
from tinygrad_mlp.errors import InvalidArgumentError, ShapeError

__all__ = [
    "squared_error", "binary_cross_entropy", "sigmoid_cross_entropy", "categorical_cross_entropy",
    "softmax_cross_entropy"]

REDUCTIONS = ("mean", "sum")


def divisor(prediction: Array, reduction: str) -> int:
    """Return the divisor of the summed loss: the number of samples for "mean", 1 for "sum"."""
    if reduction == "sum" or getattr(prediction, "ndim", 0) < 2:  # a Python number has none
        return 1
    return int(prediction.shape[0])


def check_loss(name: str, prediction: Operand, target: Operand, reduction: str) -> None:
    """Refuse an unknown reduction, and arguments that are empty or would be broadcast."""
    shape, wanted = shape_of(prediction), shape_of(target)
    if shape != wanted:
        raise ShapeError(
            f"{name}() expects prediction and target of the same shape. Got prediction of shape "
            f"{shape} and target of shape {wanted}. Class numbers become rows of 0 and 1 through "
            f"tg.data.one_hot(labels).")
    if 0 in shape:
        raise ShapeError(
            f"{name}() expects at least one sample with one output. Got shape {shape}.")
    if reduction not in REDUCTIONS:
        raise InvalidArgumentError(
            f"{name}() expects reduction to be one of {', '.join(REDUCTIONS)}. Got {reduction!r}.")


def _total(losses: Array, prediction: Array, reduction: str) -> Array:
    return np.add.reduce(losses, axis=None) / divisor(prediction, reduction)


def mean_latex(prediction: Any, reduction: str) -> str:
    """Return the factor 1/n of a mean over samples in LaTeX, or nothing where n is 1."""
    n = divisor(prediction, reduction)
    return rf"\frac{{1}}{{{n}}} " if n > 1 else ""


def _squared_latex(prediction: Any, target: object, reduction: str) -> str:
    n = divisor(prediction, reduction)
    twice = rf"2 \cdot {n}" if n > 1 else "2"
    return rf"\frac{{1}}{{{twice}}} \left\Vert {target} - {prediction} \right\Vert^2"


def _samples(prediction: str = "real", target: str = "real") -> Samples:
    draw = {
        "real": lambda rng, shape: rng.normal(size=shape),
        "probability": lambda rng, shape: rng.uniform(0.1, 0.9, size=shape),
        "distribution": lambda rng, shape: rng.dirichlet(np.ones(shape[-1]), size=shape[:-1])}
    return lambda rng: [
        Sample(draw[prediction](rng, shape), draw[target](rng, shape), reduction=reduction)
        for shape in ((3,), (1, 2), (4, 3))
        for reduction in REDUCTIONS]


@op(rules={"prediction": lambda g, y, p, t, reduction: (p - t) * (g / divisor(p, reduction)),
           "target": lambda g, y, p, t, reduction: (t - p) * (g / divisor(p, reduction))},
    equation="L = ½ Σ (p − t)² / n,  p̄ = g (p − t) / n,  t̄ = g (t − p) / n",
    latex=_squared_latex,
    reference=lambda p, t, reduction: 0.5 * np.linalg.norm(p - t) ** 2 / divisor(p, reduction),
    samples=_samples(), decomposable=True, floating=True)
def squared_error(prediction: Array, target: Array, *, reduction: str = "mean") -> Array:
    """Compute half the sum of squared errors, averaged over samples: ``½ Σⱼ (ŷⱼ − yⱼ)²``.

    Args:
        prediction: ŷ, shape ``(n, outputs)``; a vector is one sample.
        target: y, of the same shape.
        reduction: "mean" or "sum" over samples.

    Raises:
        ShapeError: the shapes differ.

    Source: Bishop, "Pattern Recognition and Machine Learning", 2006, (5.14).

    >>> import numpy as np
    >>> float(squared_error(np.array([[1.0, 0.0], [0.5, 0.5]]), np.array([[1.0, 1.0], [0.5, 0.5]])))
    0.25
    """
    check_loss("squared_error", prediction, target, reduction)
    error = np.subtract(prediction, target).reshape(-1)  # of Python numbers, too, an array
    return 0.5 * (error @ error) / divisor(prediction, reduction)


def _log_or_zero(factor: Array, argument: Array) -> Array:
    """Compute ``factor · ln(argument)``, which is 0 where the factor is 0."""
    return factor * log(where(equal(factor, 0), 1, argument))


def _bce_prediction(g: Array, y: Array, p: Array, t: Array, reduction: str) -> Array:
    # Each quotient only where its numerator is not 0, so that 0/0 does not arise at p = t.
    missed = (1 - t) / where(equal(t, 1), 1, 1 - p)
    hit = t / where(equal(t, 0), 1, p)
    return (missed - hit) * (g / divisor(p, reduction))


@op(name="binary_cross_entropy",
    rules={"prediction": _bce_prediction,
           "target": lambda g, y, p, t, reduction: (log1p(-p) - log(p)) * (
               g / divisor(p, reduction))},
    equation="L = −Σ (t ln p + (1 − t) ln(1 − p)) / n,  p̄ = g ((1 − t) / (1 − p) − t / p) / n,  "
    "t̄ = g (ln(1 − p) − ln p) / n",
    latex=lambda p, t, reduction: rf"-{mean_latex(p, reduction)}\sum "
    rf"\left({t} \odot \ln({p}) + (1 - {t}) \odot \ln(1 - {p})\right)",
    reference=lambda p, t, reduction: -np.log(
        np.prod(p**t * (1 - p) ** (1 - t))) / divisor(p, reduction),
    samples=_samples("probability", "probability"), floating=True)
def binary_cross_entropy_op(prediction: Array, target: Array, *, reduction: str = "mean") -> Array:
    check_loss("binary_cross_entropy", prediction, target, reduction)
    with np.errstate(divide="ignore"):  # ln 0 = −∞ is the loss of a certain wrong answer
        losses = _log_or_zero(target, prediction) + _log_or_zero(1 - target, 1 - prediction)
    return 0 - _total(losses, prediction, reduction)  # -0.0 would be a strange loss


@op(rules={"logits": lambda g, y, z, t, reduction: (sigmoid(z) - t) * (g / divisor(z, reduction)),
           "target": lambda g, y, z, t, reduction: -z * (g / divisor(z, reduction))},
    equation="L = Σ (ln(1 + e^z) − t z) / n,  z̄ = g (σ(z) − t) / n,  t̄ = −g z / n,  z = logits",
    latex=lambda z, t, reduction: rf"{mean_latex(z, reduction)}\sum "
    rf"\left(\ln(1 + e^{{{z}}}) - {t} \odot {z}\right)",
    reference=lambda z, t, reduction: binary_cross_entropy_op(
        1 / (1 + np.exp(-z)), t, reduction=reduction),
    samples=_samples("real", "probability"), decomposable=True, floating=True)
def sigmoid_cross_entropy(logits: Array, target: Array, *, reduction: str = "mean") -> Array:
    """Compute the cross entropy of the sigmoid of `logits`, accurate for any size of them.

    ``−Σⱼ (yⱼ ln σ(zⱼ) + (1 − yⱼ) ln(1 − σ(zⱼ))) = Σⱼ (ln(1 + e^zⱼ) − yⱼ zⱼ)``

    Args:
        logits: pre-activations z, shape ``(n, outputs)``; a vector is one sample.
        target: y between 0 and 1, of the same shape.
        reduction: "mean" or "sum" over samples.

    Raises:
        ShapeError: the shapes differ.

    Source: Bishop, "Pattern Recognition and Machine Learning", 2006, (5.21), with σ written in.

    >>> import numpy as np
    >>> float(sigmoid_cross_entropy(np.array([[-1e4, 1e4]]), np.array([[0.0, 1.0]])))
    0.0
    """
    check_loss("sigmoid_cross_entropy", logits, target, reduction)
    # ln(1 + e^z) − y z, with the larger parts of both taken out so that they cannot cancel:
    # for z > 0 it is ln(1 + e^−z) + (1 − y) z.
    losses = np.log1p(np.exp(-np.abs(logits)))
    losses = losses + np.where(logits > 0, (1 - target) * logits, -target * logits)
    return _total(losses, logits, reduction)


def _cce_prediction(g: Array, y: Array, p: Array, t: Array, reduction: str) -> Array:
    share = where(equal(t, 0), 0, -t / where(equal(t, 0), 1, p))
    return share * (g / divisor(p, reduction))


@op(name="categorical_cross_entropy",
    rules={"prediction": _cce_prediction,
           "target": lambda g, y, p, t, reduction: -log(p) * (g / divisor(p, reduction))},
    equation="L = −Σ t ln p / n,  p̄ = −g t / p / n,  t̄ = −g ln p / n",
    latex=lambda p, t, reduction: rf"-{mean_latex(p, reduction)}\sum {t} \odot \ln({p})",
    reference=lambda p, t, reduction: -np.log(np.prod(p**t)) / divisor(p, reduction),
    samples=_samples("probability", "probability"), floating=True)
def categorical_cross_entropy_op(prediction: Array, target: Array, *,
                                 reduction: str = "mean") -> Array:
    check_loss("categorical_cross_entropy", prediction, target, reduction)
    with np.errstate(divide="ignore"):
        return 0 - _total(_log_or_zero(target, prediction), prediction, reduction)


@op(name="softmax_cross_entropy",
    rules={"logits": lambda g, y, z, t, reduction: (
               softmax(z) * sum_(t, axis=-1, keepdims=True) - t) * (g / divisor(z, reduction)),
           "target": lambda g, y, z, t, reduction: -log_softmax(z) * (g / divisor(z, reduction))},
    equation="L = −Σ t ln q / n,  z̄[i] = g (q[i] Σ t[j] − t[i]) / n,  "
    "t̄ = −g ln q / n,  q[i] = e^z[i] / Σ e^z[j],  z = logits",
    latex=lambda z, t, reduction: rf"-{mean_latex(z, reduction)}\sum "
    rf"{t} \odot \ln(\mathrm{{softmax}}({z}))",
    reference=lambda z, t, reduction: categorical_cross_entropy_op(
        softmax(z), t, reduction=reduction),
    samples=_samples("real", "distribution"), floating=True)
def softmax_cross_entropy_op(logits: Array, target: Array, *, reduction: str = "mean") -> Array:
    check_loss("softmax_cross_entropy", logits, target, reduction)
    return 0 - _total(target * log_softmax(logits), logits, reduction)


def logits_behind(prediction: Any, activation: Op) -> Value | None:
    """Return the input of `activation`, over the last axis, if `prediction` is its output."""
    node = prediction.node if isinstance(prediction, Value) else None
    if not MODE.get().exact_losses:
        return None
    if node is None or node.op is not activation or node.arrays is None:
        return None
    if node.retained is not None:
        return None  # its own gradient was asked for: it must stay on the path
    if node.static.get("axis", -1) not in (-1, node.arrays[0].ndim - 1):
        return None
    parent = node[0]
    if isinstance(parent, Value):
        return parent
    cls = type(prediction).result_class
    return make_value(cls, node.arrays[0], parent, parent is not None)


def binary_cross_entropy(prediction: Operand, target: Operand, reduction: str = "mean") -> Array:
    """Compute the cross entropy of independent yes/no outputs.

    ``−Σⱼ (yⱼ ln ŷⱼ + (1 − yⱼ) ln(1 − ŷⱼ))``, averaged over samples. Where `prediction` is the
    output of `sigmoid`, the loss and its gradient ``g(z) − y`` are computed from z, so that
    neither overflows nor loses digits where ŷ rounds to 0 or 1.

    Args:
        prediction: probabilities ŷ, shape ``(n, outputs)``; a vector is one sample.
        target: y between 0 and 1, of the same shape.
        reduction: "mean" or "sum" over samples.

    Raises:
        ShapeError: the shapes differ.

    Source: Bishop, "Pattern Recognition and Machine Learning", 2006, (5.21).

    >>> import tinygrad_mlp as tg
    >>> z = tg.Tensor([[40.0]], requires_grad=True)
    >>> loss = binary_cross_entropy(tg.sigmoid(z), [[0.0]])
    >>> loss.item()
    40.0
    """
    logits = logits_behind(prediction, sigmoid)
    if logits is not None:
        check_loss("binary_cross_entropy", logits, target, reduction)
        return sigmoid_cross_entropy(logits, target, reduction=reduction)
    return binary_cross_entropy_op(prediction, target, reduction=reduction)


def categorical_cross_entropy(
        prediction: Operand, target: Operand, reduction: str = "mean") -> Array:
    """Compute the cross entropy of one choice among several, from their probabilities.

    ``−Σⱼ yⱼ ln ŷⱼ``, averaged over samples. Where `prediction` is the output of `softmax` over the
    last axis, it is computed from the pre-activations, as `softmax_cross_entropy` does.

    Args:
        prediction: probabilities ŷ, shape ``(n, classes)``; a vector is one sample.
        target: y, rows of probabilities (or a single 1), of the same shape.
        reduction: "mean" or "sum" over samples.

    Raises:
        ShapeError: the shapes differ.

    Source: Bishop, "Pattern Recognition and Machine Learning", 2006, (4.108).

    >>> categorical_cross_entropy([[0.5, 0.5]], [[1.0, 0.0]]).round(4).item()
    0.6931
    """
    logits = logits_behind(prediction, softmax)
    if logits is not None:
        check_loss("categorical_cross_entropy", logits, target, reduction)
        return softmax_cross_entropy_op(logits, target, reduction=reduction)
    return categorical_cross_entropy_op(prediction, target, reduction=reduction)


def softmax_cross_entropy(prediction: Operand, target: Operand, reduction: str = "mean") -> Array:
    """Compute the cross entropy of the softmax of `prediction`, accurately for any size of it.

    ``−Σⱼ yⱼ ln softmax(z)ⱼ``, averaged over samples, with gradient ``(softmax(z) − y) / n``.

    Args:
        prediction: pre-activations z (logits), shape ``(n, classes)``; a vector is one sample.
        target: y, rows of probabilities (or a single 1), of the same shape.
        reduction: "mean" or "sum" over samples.

    Raises:
        ShapeError: the shapes differ.

    Warns:
        UserWarning: `prediction` is the output of `softmax`, which would be applied twice.

    Source: Bishop, "Pattern Recognition and Machine Learning", 2006, (4.108) and (4.109).

    >>> import numpy as np
    >>> round(float(softmax_cross_entropy(np.zeros((1, 10)), np.eye(10)[:1])), 4)  # ln 10
    2.3026
    """
    if logits_behind(prediction, softmax) is not None:
        warnings.warn(
            "softmax_cross_entropy() applies softmax itself, and this prediction is already the "
            "output of softmax. Pass the pre-activations, or use categorical_cross_entropy().",
            UserWarning, stacklevel=2)
    return softmax_cross_entropy_op(prediction, target, reduction=reduction)
