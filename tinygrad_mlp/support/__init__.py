"""What knows nothing of gradients: arguments, files, HTML, BLAS threads, stored arrays."""
