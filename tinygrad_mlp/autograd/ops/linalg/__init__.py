"""Linear algebra: solving, triangular and spectral factors, norms."""
