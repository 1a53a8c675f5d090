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
from tinygrad_mlp.autograd.mapping import elementwise_grad, vmap
from tinygrad_mlp.autograd.mode import no_grad
from tinygrad_mlp.autograd.nested_lists import array
from tinygrad_mlp.autograd.ode import odeint
from tinygrad_mlp.autograd.one_node import fixed_point, rematerialize
from tinygrad_mlp.autograd.op import OPS, Op, Sample
from tinygrad_mlp.autograd.stores import placing as placing
from tinygrad_mlp.autograd.stores.differentiable import differentiable
from tinygrad_mlp.autograd.tensor import Tensor
from tinygrad_mlp.support.memory import keep_freed_memory

__all__ = ["OPS", "Op", "Sample", "Tensor", "array", "debug", "differentiable", "elementwise_grad",
           "fixed_point", "grad", "hessian", "hvp", "jacobian", "jvp", "no_grad", "odeint", "op",
           "rematerialize", "value_and_grad", "vjp", "vmap"]

keep_freed_memory()
