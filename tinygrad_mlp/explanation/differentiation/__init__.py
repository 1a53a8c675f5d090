"""A recorded graph as polynomials, and their derivatives."""
