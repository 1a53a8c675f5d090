"""Pipelines of scikit-learn as one module: the steps before the estimator, and its network."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.nn import Module
from tinygrad_mlp.saving.onnx.inputs import model_dtype

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from tinygrad_mlp.autograd.argument_types import Operand
    from tinygrad_mlp.autograd.graph import Array
    from tinygrad_mlp.autograd.tensor import Tensor
    from tinygrad_mlp.program.trace import Tracer

Step = Callable[[Any], Any]


class PreprocessedNetwork(Module):
    """A network after the steps that prepare its input."""

    def __init__(self, steps: list[Step], network: Module) -> None:
        self.steps, self.network = steps, network

    def forward(self, x: Operand) -> Tensor:
        """Apply the steps, then the network."""
        for step in self.steps:
            x = step(x)
        return self.network(x)


def is_pipeline(model: object) -> bool:
    """Return whether a model is a pipeline of scikit-learn."""
    if type(model).__module__.partition(".")[0] != "sklearn":
        return False
    from sklearn.pipeline import Pipeline

    return isinstance(model, Pipeline)


def last_step(model: Any) -> Any:
    """Return the estimator at the end of a pipeline; anything else as it is."""
    return last_step(model.steps[-1][1]) if is_pipeline(model) else model


def module_of(pipeline: object) -> tuple[Module, tuple[int, ...]]:
    """Return a fitted pipeline as a module, and the shape of one sample."""
    from sklearn.utils.validation import check_is_fitted

    check_is_fitted(pipeline)
    final = last_step(pipeline)
    if not hasattr(final, "__onnx__"):
        raise InvalidArgumentError(
            f"export_onnx: the last step of a pipeline must be an estimator of this package, or "
            f"have a method __onnx__(). Got {type(final).__name__}: skl2onnx exports others.")
    network, shape = final.__onnx__()
    steps = _steps(pipeline, final, model_dtype(network))
    return (PreprocessedNetwork(steps, network),
            (getattr(pipeline, "n_features_in_", shape[0]),))


def _steps(pipeline: Any, final: object, dtype: DTypeLike) -> list[Step]:
    """Return the steps of a pipeline, and of those in it, but for the `final` estimator."""
    steps: list[Step] = []
    for name, step in pipeline.steps:
        if is_pipeline(step):
            steps += _steps(step, final, dtype)
        elif step is not final and step not in (None, "passthrough"):
            make = STEPS.get(type(step).__name__)
            if make is None or not type(step).__module__.startswith("sklearn."):
                raise InvalidArgumentError(
                    f"export_onnx: the step '{name}', a {type(step).__name__}, cannot be "
                    f"exported. Known are {', '.join(sorted(STEPS))}. skl2onnx knows more, and "
                    f"this package's estimators after register_skl2onnx (docs/export.md).")
            steps.append(make(step, dtype))
    return steps


def _affine(minus: Array | None, over: Array | None, dtype: np.dtype[np.generic],
            times: bool = False, plus: Array | None = None) -> Step:
    """Return ``(x − minus) / over``, or times it, plus a vector; None leaves a part out."""
    minus, over, plus = (None if a is None else np.asarray(a, dtype) for a in (minus, over, plus))

    def step(x: Any) -> Any:
        x = x if minus is None else x - minus
        x = x if over is None else x * over if times else x / over
        return x if plus is None else x + plus

    return step


def _min_max(step: Any, dtype: np.dtype[np.generic]) -> Step:
    scaled = _affine(None, step.scale_, dtype, times=True, plus=step.min_)
    low, high = (float(end) for end in step.feature_range)
    return (lambda x: ops.clip(scaled(x), low, high)) if step.clip else scaled


def _projected(step: Any, dtype: np.dtype[np.generic]) -> Step:
    matrix = np.asarray(step.components_.T, dtype)
    if getattr(step, "whiten", False):
        matrix = matrix / np.sqrt(np.asarray(step.explained_variance_, dtype))
    centred = _affine(getattr(step, "mean_", None), None, dtype)
    return lambda x: ops.matmul(centred(x), matrix)


def _selected(step: Any, dtype: DTypeLike) -> Step:
    places = np.flatnonzero(step.get_support())
    return lambda x: ops.take(x, places, axis=1)


def _imputed(step: Any, dtype: np.dtype[np.generic]) -> Step:
    numbers = np.asarray(step.statistics_, dtype)
    missing = step.missing_values
    if step.add_indicator or np.isnan(numbers).any() or not isinstance(missing, (int, float)):
        raise InvalidArgumentError(
            "export_onnx: a SimpleImputer is exported for missing numbers in columns that have "
            "others, without add_indicator.")
    if np.isnan(missing):
        return lambda x: ops.where(ops.isnan(x), numbers, x)
    return lambda x: ops.where(ops.equal(x, float(missing)), numbers, x)


def _normalised(step: Any, dtype: DTypeLike) -> Step:
    size: dict[str, Step] = {
        "l1": lambda x: ops.sum(ops.abs(x), axis=1, keepdims=True),
        "l2": lambda x: ops.sqrt(ops.sum(x * x, axis=1, keepdims=True)),
        "max": lambda x: ops.max(ops.abs(x), axis=1, keepdims=True)}
    norm = size[step.norm]

    def normalised(x: Tracer) -> Any:
        of = norm(x)
        return x / ops.where(ops.equal(of, 0.0), 1.0, of)

    return normalised


STEPS: dict[str, Callable[[Any, Any], Step]] = {
    "StandardScaler": lambda step, dtype: _affine(
        step.mean_ if step.with_mean else None, step.scale_, dtype),
    "RobustScaler": lambda step, dtype: _affine(
        step.center_ if step.with_centering else None,
        step.scale_ if step.with_scaling else None, dtype),
    "MaxAbsScaler": lambda step, dtype: _affine(None, step.scale_, dtype),
    "MinMaxScaler": _min_max, "PCA": _projected, "TruncatedSVD": _projected,
    **dict.fromkeys(("SelectKBest", "SelectPercentile", "SelectFromModel", "VarianceThreshold",
                     "RFE"), _selected),
    "SimpleImputer": _imputed, "Normalizer": _normalised,
    "Binarizer": lambda step, dtype: lambda x: ops.astype(x > float(step.threshold), dtype=dtype)}
"""The steps that are exported, by the names of their classes in scikit-learn."""
