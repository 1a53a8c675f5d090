"""`check_op`: everything an operation's record promises, held against what it does."""

from tinygrad_mlp.verify.operations.check import check_op
from tinygrad_mlp.verify.operations.report import (
    CAUSES,
    Failure,
    OpReport,
    WrongOperationError,
)

__all__ = ["CAUSES", "Failure", "OpReport", "WrongOperationError", "check_op"]
