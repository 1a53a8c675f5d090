"""Checks: gradients held against independent ways to the same numbers."""

from tinygrad_mlp.verify import formulas
from tinygrad_mlp.verify.derivation import DerivationReport, WrongDerivationError, check_derivation
from tinygrad_mlp.verify.diagnosis import Diagnosis

__all__ = [
    "DerivationReport", "Diagnosis", "WrongDerivationError", "check_derivation", "formulas",
]  # fmt: skip
