"""Passes: programs that compute the same with less work."""
