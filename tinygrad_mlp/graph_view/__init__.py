"""A recorded graph as a reader sees it: layers, names, formulas of operations."""
