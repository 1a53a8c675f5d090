"""Sums of products of elements of arrays, in index notation."""
