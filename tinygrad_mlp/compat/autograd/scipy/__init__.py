"""SciPy's functions that can be differentiated, under autograd's names."""

from tinygrad_mlp.compat.autograd.scipy import integrate, linalg, signal, special, stats

__all__ = ["integrate", "linalg", "signal", "special", "stats"]
