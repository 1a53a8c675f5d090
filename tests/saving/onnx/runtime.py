"""Running ONNX files: with onnxruntime, and with ONNX's own reference where that has no kernel."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
from onnx.reference import ReferenceEvaluator

import tinygrad_mlp as tg
from tinygrad_mlp.saving.onnx.onnx_graph import FLOAT32_ONLY

TOLERANCE = 1e-6
"""Of the largest element, or of 1: what an exported model may differ by from the model itself."""


def tolerance(path, dtype):
    """What a file may differ by: less in float64. (The reference computes erf in float32.)"""
    return TOLERANCE if dtype == np.float32 or "Erf" in kinds(path) else 1e-12


def kinds(path):
    """The operators in a file, in order."""
    return [node.op_type for node in onnx.load(path).graph.node]


def run(path, x):
    """The output of an exported model."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    [given] = session.get_inputs()
    [found] = session.run(None, {given.name: x})
    return found


def run_anyhow(path, x):
    """The same; by the reference implementation where onnxruntime has no such kernel."""
    if x.dtype == np.float64 and FLOAT32_ONLY.intersection(kinds(path)):
        [found] = ReferenceEvaluator(str(path)).run(None, {"input": x})
        return found
    return run(path, x)


def difference(found, expected):
    """The largest difference, as part of the largest element or of 1; the shapes must agree."""
    assert found.shape == expected.shape
    found, expected = found.astype(float), np.asarray(expected, float)
    scale = max(1.0, float(np.abs(expected).max(initial=0)))
    return float(np.abs(found - expected).max(initial=0)) / scale


def exported(model, path, dtype, shape, sizes=(1, 6), **options):
    """Export a model, run it on batches of several sizes, and return the largest difference."""
    tg.export_onnx(model, path, input_shape=shape, dtype=dtype, **options)
    rng = np.random.default_rng(3)
    worst = 0.0
    for n in sizes:
        x = rng.normal(size=(n, *shape)).astype(dtype)
        found = run_anyhow(path, x)
        assert found.dtype == dtype
        worst = max(worst, difference(found, tg.predict(model, x)))
    return worst
