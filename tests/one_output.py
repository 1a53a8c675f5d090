"""Operations with several outputs as rows of the tables: one row for each output."""

from __future__ import annotations

from dataclasses import replace
from typing import Any


class OneOutput:
    """One of the outputs of an operation that has several, as if it were an operation."""

    def __init__(self, op: Any, index: int) -> None:
        self.op = op
        self.index = index
        self.outputs = 1
        self.name = f"{op.name}[{index}]"

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self.op, attribute)

    def __call__(self, *args: Any, **static: Any) -> Any:
        return self.op(*args, **static)[self.index]

    def forward(self, *args: Any, **static: Any) -> Any:
        return self.op.forward(*args, **static)[self.index]

    def reference(self, *args: Any, **static: Any) -> Any:
        return self.op.record.reference(*args, **static)[self.index]

    @property
    def record(self) -> Any:
        return replace(
            self.op.record, forward=self.forward, reference=self.reference, outputs=self.outputs
        )


def each_output(op: Any) -> list[Any]:
    """The operation, or each of its outputs."""
    return [op] if op.outputs == 1 else [OneOutput(op, index) for index in range(op.outputs)]
