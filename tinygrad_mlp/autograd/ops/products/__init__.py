"""Products of matrices and tensors: matmul, tensordot, einsum, convolution."""
