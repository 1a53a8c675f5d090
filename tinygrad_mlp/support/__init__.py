"""Helpers that know nothing of gradients: arguments, files, HTML, BLAS threads, stored arrays."""
