"""Checking a derivation: a person's formulas against the recorded graph."""
