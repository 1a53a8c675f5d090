from typing import overload

from tinygrad_mlp.autograd.argument_types import Operand
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.ops import Numbers
from tinygrad_mlp.autograd.ops import cholesky as cholesky
from tinygrad_mlp.autograd.ops import cross as cross
from tinygrad_mlp.autograd.ops import det as det
from tinygrad_mlp.autograd.ops import eigh as eigh
from tinygrad_mlp.autograd.ops import eigvalsh as eigvalsh
from tinygrad_mlp.autograd.ops import inv as inv
from tinygrad_mlp.autograd.ops import matmul as matmul
from tinygrad_mlp.autograd.ops import matrix_norm as matrix_norm
from tinygrad_mlp.autograd.ops import matrix_power as matrix_power
from tinygrad_mlp.autograd.ops import multi_dot as multi_dot
from tinygrad_mlp.autograd.ops import norm as norm
from tinygrad_mlp.autograd.ops import outer as outer
from tinygrad_mlp.autograd.ops import pinv as pinv
from tinygrad_mlp.autograd.ops import qr as qr
from tinygrad_mlp.autograd.ops import slogdet as slogdet
from tinygrad_mlp.autograd.ops import solve as solve
from tinygrad_mlp.autograd.ops import svd as svd
from tinygrad_mlp.autograd.ops import svdvals as svdvals
from tinygrad_mlp.autograd.ops import tensordot as tensordot
from tinygrad_mlp.autograd.ops import vector_norm as vector_norm
from tinygrad_mlp.autograd.tensor import Tensor
from tinygrad_mlp.errors import LinAlgError as LinAlgError

# Of numbers an operation makes an array, of anything with a Tensor in it a Tensor. The
# signature for numbers is a special case of the one for all operands:
# mypy: disable-error-code="overload-overlap"

@overload
def diagonal(x: Numbers, *, offset: int = ...) -> Array: ...
@overload
def diagonal(x: Operand, *, offset: int = ...) -> Tensor: ...

@overload
def matrix_transpose(x: Numbers) -> Array: ...
@overload
def matrix_transpose(x: Operand) -> Tensor: ...

@overload
def trace(x: Numbers, *, offset: int = ...) -> Array: ...
@overload
def trace(x: Operand, *, offset: int = ...) -> Tensor: ...
