"""The view of a recorded graph that all its readings share: layers, names, operations' formulas."""
