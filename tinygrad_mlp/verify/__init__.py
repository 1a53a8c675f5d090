"""Checks: gradients held against independent ways to the same numbers."""

from tinygrad_mlp.verify import formulas
from tinygrad_mlp.verify.derivation import DerivationReport, WrongDerivationError, check_derivation
from tinygrad_mlp.verify.diagnosis import Diagnosis
from tinygrad_mlp.verify.gradients import (
    GradReport,
    Pair,
    Problem,
    WrongGradientError,
    check_grad,
)

__all__ = [
    "DerivationReport", "Diagnosis", "GradReport", "Pair", "Problem", "WrongDerivationError",
    "WrongGradientError", "check_derivation", "check_grad", "formulas",
]  # fmt: skip
