"""Code generation: a program as NumPy source code."""
