"""Automatic differentiation: tensors, operations, and functional transforms."""

from tinygrad_mlp.autograd import array_methods as array_methods  # which sets methods
from tinygrad_mlp.autograd import changed_arrays as changed_arrays  # so do these
from tinygrad_mlp.autograd import conversions as conversions
from tinygrad_mlp.autograd import in_place as in_place
from tinygrad_mlp.autograd import numpy_dispatch as numpy_dispatch
from tinygrad_mlp.autograd import pickling as pickling
from tinygrad_mlp.autograd.debug import debug
from tinygrad_mlp.autograd.declaration import op
from tinygrad_mlp.autograd.functional import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp
from tinygrad_mlp.autograd.mode import no_grad
from tinygrad_mlp.autograd.nested_lists import array
from tinygrad_mlp.autograd.op import OPS, Op, Sample
from tinygrad_mlp.autograd.stores import placing as placing
from tinygrad_mlp.autograd.stores.differentiable import differentiable
from tinygrad_mlp.autograd.tensor import Tensor
from tinygrad_mlp.support.memory import keep_freed_memory

__all__ = ["OPS", "Op", "Sample", "Tensor", "array", "debug", "differentiable", "grad", "hessian",
           "hvp", "jacobian", "jvp", "no_grad", "op", "value_and_grad", "vjp"]

keep_freed_memory()
