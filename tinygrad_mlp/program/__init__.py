"""Computations recorded as programs: lists of instructions that can be read, improved and run."""

from tinygrad_mlp.program.compiled import CompiledFunction, compile
from tinygrad_mlp.program.instructions import Instruction, Variable
from tinygrad_mlp.program.program import Program
from tinygrad_mlp.program.trace import Trace, Tracer

__all__ = ["CompiledFunction", "Instruction", "Program", "Trace", "Tracer", "Variable", "compile"]
