"""Checks of gradients in the shapes that code has: layers, and updates."""
