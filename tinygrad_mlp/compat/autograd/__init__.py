"""The names of HIPS/autograd: ``from tinygrad_mlp.compat.autograd import grad, numpy as np``.

Thin aliases, with that library's signatures (``argnum=``). What is new is written with `tg` itself.

>>> from tinygrad_mlp.compat.autograd import grad, numpy as np
>>> float(grad(lambda x, y: x * np.sin(y), argnum=1)(2.0, 0.0))
2.0
"""

from tinygrad_mlp.compat.autograd.operators import (
    checkpoint,
    deriv,
    elementwise_grad,
    grad,
    grad_and_aux,
    grad_named,
    hessian,
    hessian_tensor_product,
    hessian_vector_product,
    jacobian,
    make_ggnvp,
    make_hvp,
    make_jvp,
    make_vjp,
    multigrad_dict,
    tensor_jacobian_product,
    value_and_grad,
    vector_jacobian_product,
)

__all__ = [
    "checkpoint", "deriv", "elementwise_grad", "grad", "grad_and_aux", "grad_named", "hessian",
    "hessian_tensor_product", "hessian_vector_product", "jacobian", "make_ggnvp", "make_hvp",
    "make_jvp", "make_vjp", "multigrad_dict", "tensor_jacobian_product", "value_and_grad",
    "vector_jacobian_product"]
