"""Stores: what ``b[i] = v``, ``x += y`` and their like do where gradients flow."""
