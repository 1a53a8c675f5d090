"""`check_op`: the promises of an operation's record compared with its behaviour."""

from tinygrad_mlp.verify.operations.check import check_op
from tinygrad_mlp.verify.operations.report import CAUSES, Failure, OpReport, WrongOperationError

__all__ = ["CAUSES", "Failure", "OpReport", "WrongOperationError", "check_op"]
