"""The names of other libraries, for programs that come from there."""

from tinygrad_mlp.compat import autograd

__all__ = ["autograd"]
