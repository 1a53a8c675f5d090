"""`check_grad`: automatic differentiation compared with numbers."""

from tinygrad_mlp.verify.gradients.check import check_grad
from tinygrad_mlp.verify.gradients.report import GradReport, Pair, Problem, WrongGradientError

__all__ = ["GradReport", "Pair", "Problem", "WrongGradientError", "check_grad"]
