"""Mistakes in a user's program, one a line, of which each is an error to a type checker."""

import tinygrad_mlp as tg

tg.no_such_name(1)
tg.tanh(1.0, 2.0)
tg.sum([1.0], axes=0)
tg.Tensor([1.0], requires_gradient=True)
tg.grad(lambda w: w)(1.0, 2.0)
