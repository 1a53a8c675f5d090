"""Computations as data: what a function does to its arguments, as a list of instructions."""

from tinygrad_mlp.program.compiled import CompiledFunction, compile
from tinygrad_mlp.program.instructions import Instruction, Variable
from tinygrad_mlp.program.program import Program
from tinygrad_mlp.program.trace import Trace, Tracer

__all__ = [
    "CompiledFunction", "Instruction", "Program", "Trace", "Tracer", "Variable", "compile",
]  # fmt: skip
