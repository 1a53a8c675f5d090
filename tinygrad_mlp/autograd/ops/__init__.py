"""All operations, one block each. Importing this package fills the registry `OPS`."""

from tinygrad_mlp.autograd.ops import linalg as linalg
from tinygrad_mlp.autograd.ops.activations import *
from tinygrad_mlp.autograd.ops.arithmetic import *
from tinygrad_mlp.autograd.ops.arranging import *
from tinygrad_mlp.autograd.ops.comparison import *
from tinygrad_mlp.autograd.ops.convolution import *
from tinygrad_mlp.autograd.ops.creation import *
from tinygrad_mlp.autograd.ops.diagonals import *
from tinygrad_mlp.autograd.ops.einstein import *
from tinygrad_mlp.autograd.ops.exponential import *
from tinygrad_mlp.autograd.ops.indexing import *
from tinygrad_mlp.autograd.ops.inverses import *
from tinygrad_mlp.autograd.ops.joining import *
from tinygrad_mlp.autograd.ops.logic import *
from tinygrad_mlp.autograd.ops.losses import *
from tinygrad_mlp.autograd.ops.normalisation import *
from tinygrad_mlp.autograd.ops.norms import *
from tinygrad_mlp.autograd.ops.padding import *
from tinygrad_mlp.autograd.ops.products import *
from tinygrad_mlp.autograd.ops.reduction import *
from tinygrad_mlp.autograd.ops.rounding import *
from tinygrad_mlp.autograd.ops.scans import *
from tinygrad_mlp.autograd.ops.shape import *
from tinygrad_mlp.autograd.ops.sorting import *
from tinygrad_mlp.autograd.ops.special import *
from tinygrad_mlp.autograd.ops.spectral import *
from tinygrad_mlp.autograd.ops.statistics import *
from tinygrad_mlp.autograd.ops.tensordots import *
from tinygrad_mlp.autograd.ops.triangular import *
from tinygrad_mlp.autograd.ops.trigonometry import *
