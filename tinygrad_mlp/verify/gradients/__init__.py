"""`check_grad`: automatic differentiation held against numbers."""

from tinygrad_mlp.verify.gradients.check import check_grad
from tinygrad_mlp.verify.gradients.contract import Problem
from tinygrad_mlp.verify.gradients.report import GradReport, Pair, WrongGradientError

__all__ = ["GradReport", "Pair", "Problem", "WrongGradientError", "check_grad"]
