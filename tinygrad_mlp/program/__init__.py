"""Computations as data: what a function does to its arguments, as a list of instructions."""

from tinygrad_mlp.program.trace import Instruction, Trace, Tracer, Variable

__all__ = ["Instruction", "Trace", "Tracer", "Variable"]
