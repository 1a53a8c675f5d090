"""Expressions in the person's variables: their pieces, values, and those of a given value."""
