"""All operations, one block each. Importing this package fills the registry `OPS`."""

from tinygrad_mlp.autograd.ops.arithmetic import *
from tinygrad_mlp.autograd.ops.convolution import *
from tinygrad_mlp.autograd.ops.elementwise import *
from tinygrad_mlp.autograd.ops.linalg import *
from tinygrad_mlp.autograd.ops.losses import *
from tinygrad_mlp.autograd.ops.reduction import *
from tinygrad_mlp.autograd.ops.shape import *
