"""Code generation: from a program to NumPy source."""
