"""Every operation of `tg.OPS`, exported on the samples of its record, or listed as not there."""

from __future__ import annotations

import re
from itertools import islice

import numpy as np
import pytest

import tinygrad_mlp as tg
from tests.saving.onnx.runtime import difference, run_anyhow, tolerance
from tinygrad_mlp import nn
from tinygrad_mlp.autograd.ops.samples import samples_of
from tinygrad_mlp.errors import ExportError, LinAlgError
from tinygrad_mlp.saving.onnx.definitions import DEFINITIONS
from tinygrad_mlp.saving.onnx.nodes import NODES

SAMPLES = 4
"""Of each operation."""

AS_WRITTEN = {
    "binary_cross_entropy", "categorical_cross_entropy", "sigmoid_cross_entropy",
    "sinc_derivative", "softmax_cross_entropy", "squared_error", "sum_to",
}
"""Operations that are exported as what their own forward function consists of."""

EXPORTED = {op.name for op in NODES if tg.OPS.get(op.name) is op} | set(DEFINITIONS) | AS_WRITTEN

NOT_IN_ONNX = [name for name in tg.OPS if name not in EXPORTED]

PARTLY = {"pad": "mode='(symmetric|wrap)'", "getitem": r"IndexSlot\(1\)"}
"""Operations of which ONNX has not all: what is in the repr of the samples that it has not."""


class Of(nn.Module):
    """An operation as a function of its first array of floats."""

    def __init__(self, op, sample):
        self.op = op
        args, self.static = op.bind(sample.args, sample.static)
        self.args = [None if a is None else np.asarray(a) for a in args]
        self.place = next(
            (i for i, a in enumerate(self.args)
             if a is not None and a.dtype.kind == "f" and a.ndim > 0), None,
        )

    def forward(self, x):
        args = list(self.args)
        args[self.place] = x
        return self.op(*args, **self.static)


def cases(name):
    """Modules for samples whose first argument can be a batch."""
    made = (
        Of(tg.OPS[name], s)
        for s in samples_of(tg.OPS[name], np.random.default_rng(1))
        if name not in PARTLY or not re.search(PARTLY[name], repr(s))
    )
    return list(islice((case for case in made if case.place is not None), SAMPLES))


def export(case, path, dtype):
    x = case.args[case.place]
    tg.export_onnx(case, path, input_shape=x.shape[1:], batch_size=len(x), dtype=dtype)
    return x.astype(dtype)


def assert_right(case, path):
    expected = np.asarray(case.op.forward(*case.args, **case.static))
    for dtype in (np.float32, np.float64):
        x = export(case, path, dtype)
        assert difference(run_anyhow(path, x), expected) <= tolerance(path, dtype), case.static


@pytest.mark.parametrize("name", sorted(EXPORTED))
def test_an_exported_operation_computes_what_it_computes(name, tmp_path):
    found = cases(name)
    assert found, "an operation without a sample to try"
    for case in found:
        assert_right(case, tmp_path / "op.onnx")


@pytest.mark.parametrize("name", NOT_IN_ONNX)
def test_an_operation_that_onnx_does_not_have_is_refused_or_right(name, tmp_path):
    path = tmp_path / "op.onnx"
    several = tg.OPS[name].outputs > 1
    for case in cases(name):
        try:
            export(case, path, np.float32)
        except ExportError as error:
            # One that is written in terms of another, as cofactor is of svd, names that.
            expected = "must return one array" if several else "no equivalent of the operation '"
            assert expected in str(error) or f"operation '{name}'" in str(error)
            assert not path.exists()
        except LinAlgError:
            pass  # it refuses the numbers that are recorded with, which belong to no such matrix
        else:
            assert_right(case, path)


def test_most_operations_are_exported():
    assert len(EXPORTED) > len(NOT_IN_ONNX)


@pytest.mark.parametrize(("name", "text"), PARTLY.items())
def test_settings_that_onnx_does_not_have_are_refused(name, text, tmp_path):
    op = tg.OPS[name]
    found = [s for s in samples_of(op, np.random.default_rng(1)) if re.search(text, repr(s))]
    assert found
    for sample in found:
        with pytest.raises(ExportError, match=f"operation '{name}' with "):
            export(Of(op, sample), tmp_path / "op.onnx", np.float32)


EXTREME = np.array([[-800.0, -40, -1e-9, 0, 1e-300, 1e-9, 0.3, 40, 709.7, 1e200]])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", ["softplus", "log1p", "expm1", "sinh", "arcsinh", "logaddexp"])
def test_small_and_large_numbers_keep_their_digits_in_float64(name, tmp_path):
    class Elementwise(nn.Module):
        def forward(self, x):
            return tg.logaddexp(x, 0.0) if name == "logaddexp" else getattr(tg, name)(x)

    x = np.abs(EXTREME) if name == "log1p" else EXTREME
    tg.export_onnx(Elementwise(), tmp_path / "f.onnx", input_shape=(x.size,), dtype=np.float64)
    found = run_anyhow(tmp_path / "f.onnx", x)
    np.testing.assert_allclose(found, Elementwise()(x), rtol=1e-13)


def test_the_sides_of_a_triangle_may_be_tiny_or_huge(tmp_path):
    class Hypotenuse(nn.Module):
        def forward(self, x):
            return tg.hypot(x[:, :5], x[:, 5:])

    x = np.array([[3e200, 0, 3e-300, np.inf, 3, 4e200, 0, 4e-300, np.inf, 4]])
    tg.export_onnx(Hypotenuse(), tmp_path / "f.onnx", input_shape=(10,), dtype=np.float64)
    found = run_anyhow(tmp_path / "f.onnx", x)
    np.testing.assert_allclose(found, [[5e200, 0, 5e-300, np.inf, 5]], rtol=1e-15)
