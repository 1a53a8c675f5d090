"""Flattening, and minimisers of functions of nested arrays, under autograd's names."""

from tinygrad_mlp.compat.autograd.misc.flatten import flatten

__all__ = ["flatten"]
