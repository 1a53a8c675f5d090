"""Checks that compare gradients with independent ways to the same numbers."""

from tinygrad_mlp.verify import formulas
from tinygrad_mlp.verify.derivations.check import assert_derivation, check_derivation
from tinygrad_mlp.verify.derivations.diagnosis import Diagnosis
from tinygrad_mlp.verify.derivations.report import DerivationReport, WrongDerivationError
from tinygrad_mlp.verify.gradients import GradReport, Pair, Problem, WrongGradientError, check_grad
from tinygrad_mlp.verify.layers.check import check_layer
from tinygrad_mlp.verify.layers.steps import check_step
from tinygrad_mlp.verify.operations import Failure, OpReport, WrongOperationError, check_op

__all__ = ["DerivationReport", "Diagnosis", "Failure", "GradReport", "OpReport", "Pair", "Problem",
           "WrongDerivationError", "WrongGradientError", "WrongOperationError", "assert_derivation",
           "check_derivation", "check_grad", "check_layer", "check_op", "check_step",
           "formulas"]
