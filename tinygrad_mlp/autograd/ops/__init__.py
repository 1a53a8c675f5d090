"""All operations, one block each. Importing this package fills the registry `OPS`.

Every record has its fields in the same order: name and rules; equation, LaTeX and the function of
NumPy or SciPy; reference, domain and samples; traits.
"""

import types
import typing

from tinygrad_mlp.autograd.ops.elementwise.arithmetic import *
from tinygrad_mlp.autograd.ops.elementwise.bessel import *
from tinygrad_mlp.autograd.ops.elementwise.comparison import *
from tinygrad_mlp.autograd.ops.elementwise.exponential import *
from tinygrad_mlp.autograd.ops.elementwise.gamma import *
from tinygrad_mlp.autograd.ops.elementwise.hyperbolic import *
from tinygrad_mlp.autograd.ops.elementwise.inverse_hyperbolic import *
from tinygrad_mlp.autograd.ops.elementwise.rectifiers import *
from tinygrad_mlp.autograd.ops.elementwise.rounding import *
from tinygrad_mlp.autograd.ops.elementwise.selection import *
from tinygrad_mlp.autograd.ops.elementwise.special import *
from tinygrad_mlp.autograd.ops.elementwise.trigonometry import *
from tinygrad_mlp.autograd.ops.linalg import namespace as linalg
from tinygrad_mlp.autograd.ops.linalg.banded import *
from tinygrad_mlp.autograd.ops.linalg.determinants import *
from tinygrad_mlp.autograd.ops.linalg.norms import *
from tinygrad_mlp.autograd.ops.linalg.solve import *
from tinygrad_mlp.autograd.ops.linalg.spectral import *
from tinygrad_mlp.autograd.ops.linalg.sylvester import *
from tinygrad_mlp.autograd.ops.linalg.triangular import *
from tinygrad_mlp.autograd.ops.losses import *
from tinygrad_mlp.autograd.ops.padding import *
from tinygrad_mlp.autograd.ops.products.convolution import *
from tinygrad_mlp.autograd.ops.products.convolve import *
from tinygrad_mlp.autograd.ops.products.einsum import *
from tinygrad_mlp.autograd.ops.products.fourier import *
from tinygrad_mlp.autograd.ops.products.matmul import *
from tinygrad_mlp.autograd.ops.products.tensordot import *
from tinygrad_mlp.autograd.ops.products.windows import *
from tinygrad_mlp.autograd.ops.reductions.normalisation import *
from tinygrad_mlp.autograd.ops.reductions.reduction import *
from tinygrad_mlp.autograd.ops.reductions.scans import *
from tinygrad_mlp.autograd.ops.reductions.slopes import *
from tinygrad_mlp.autograd.ops.reductions.sorting import *
from tinygrad_mlp.autograd.ops.reductions.statistics import *
from tinygrad_mlp.autograd.ops.shapes.arranging import *
from tinygrad_mlp.autograd.ops.shapes.axes import *
from tinygrad_mlp.autograd.ops.shapes.creation import *
from tinygrad_mlp.autograd.ops.shapes.diagonals import *
from tinygrad_mlp.autograd.ops.shapes.indexing import *
from tinygrad_mlp.autograd.ops.shapes.joining import *
from tinygrad_mlp.autograd.ops.shapes.shape import *
from tinygrad_mlp.autograd.ops.shapes.storing import *
from tinygrad_mlp.autograd.ops.sums import *

BUILDING_BLOCKS = (
    "assemble", "cofactor", "difference", "fold", "getitem", "log_share", "projector",
    "recurrence", "scatter_add", "second_cofactor", "sinc_derivative", "store", "sum_to",
    "weighted_logsumexp", "windows")
"""The operations that only rules and other functions call. ``dir(tg)`` does not show them."""

if not typing.TYPE_CHECKING:  # a type checker follows the star imports; here the modules stay out
    __all__ = [
        name
        for name, value in globals().items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)]
    __all__ += ["linalg"]
