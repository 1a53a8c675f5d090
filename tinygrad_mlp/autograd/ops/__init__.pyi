from collections.abc import Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from tinygrad_mlp.autograd.argument_types import Axis, Operand, Shape
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import Op
from tinygrad_mlp.autograd.ops.linalg import namespace as linalg
from tinygrad_mlp.autograd.ops.linalg.determinants import SlogdetResult as SlogdetResult
from tinygrad_mlp.autograd.ops.linalg.spectral import EighResult as EighResult
from tinygrad_mlp.autograd.ops.products.fourier import RealSpectrum as RealSpectrum
from tinygrad_mlp.autograd.tensor import Tensor

# Of numbers an operation makes an array, of anything with a Tensor in it a Tensor. The
# signature for numbers is a special case of the one for all operands:
# mypy: disable-error-code="overload-overlap"

Numbers = Array | np.generic | complex | Sequence[Numbers]
Pair = tuple[int, int]
Places = Any

BUILDING_BLOCKS: tuple[str, ...]

class _LikeAbs(Op):
    @overload
    def __call__(self, x: Numbers) -> Array: ...
    @overload
    def __call__(self, x: Operand) -> Tensor: ...

abs: _LikeAbs
absolute: _LikeAbs
acos: _LikeAbs
acosh: _LikeAbs
arccos: _LikeAbs
arccosh: _LikeAbs
arcsin: _LikeAbs
arcsinh: _LikeAbs
arctan: _LikeAbs
arctanh: _LikeAbs
asin: _LikeAbs
asinh: _LikeAbs
atan: _LikeAbs
atanh: _LikeAbs
cbrt: _LikeAbs
ceil: _LikeAbs
cos: _LikeAbs
cosh: _LikeAbs
deg2rad: _LikeAbs
degrees: _LikeAbs
digamma: _LikeAbs
erf: _LikeAbs
erfc: _LikeAbs
erfcinv: _LikeAbs
erfinv: _LikeAbs
exp: _LikeAbs
exp2: _LikeAbs
expit: _LikeAbs
expm1: _LikeAbs
fabs: _LikeAbs
fix: _LikeAbs
floor: _LikeAbs
gamma: _LikeAbs
gammaln: _LikeAbs
gammasgn: _LikeAbs
gelu: _LikeAbs
i0: _LikeAbs
i1: _LikeAbs
j0: _LikeAbs
j1: _LikeAbs
log: _LikeAbs
log10: _LikeAbs
log1p: _LikeAbs
log2: _LikeAbs
log_ndtr: _LikeAbs
logit: _LikeAbs
ndtr: _LikeAbs
negative: _LikeAbs
psi: _LikeAbs
rad2deg: _LikeAbs
radians: _LikeAbs
reciprocal: _LikeAbs
relu: _LikeAbs
rgamma: _LikeAbs
rint: _LikeAbs
sigmoid: _LikeAbs
sign: _LikeAbs
sin: _LikeAbs
sinc: _LikeAbs
sinh: _LikeAbs
softplus: _LikeAbs
sqrt: _LikeAbs
square: _LikeAbs
tan: _LikeAbs
tanh: _LikeAbs
trunc: _LikeAbs
y0: _LikeAbs
y1: _LikeAbs

class _LikeAdd(Op):
    @overload
    def __call__(self, x1: Numbers, x2: Numbers) -> Array: ...
    @overload
    def __call__(self, x1: Operand, x2: Operand) -> Tensor: ...

add: _LikeAdd
arctan2: _LikeAdd
atan2: _LikeAdd
difference: _LikeAdd
divide: _LikeAdd
float_power: _LikeAdd
fmax: _LikeAdd
fmin: _LikeAdd
fmod: _LikeAdd
heaviside: _LikeAdd
hypot: _LikeAdd
logaddexp: _LikeAdd
logaddexp2: _LikeAdd
matmul: _LikeAdd
maximum: _LikeAdd
minimum: _LikeAdd
mod: _LikeAdd
multiply: _LikeAdd
pow: _LikeAdd
power: _LikeAdd
remainder: _LikeAdd
subtract: _LikeAdd
true_divide: _LikeAdd

class _LikeAll(Op):
    def __call__(self, a: Operand, axis: Axis = ..., keepdims: bool = ...) -> Array: ...

all: _LikeAll
any: _LikeAll
count_nonzero: _LikeAll

class _LikeAmax(Op):
    @overload
    def __call__(self, a: Numbers, axis: Axis = ..., keepdims: bool = ...) -> Array: ...
    @overload
    def __call__(self, a: Operand, axis: Axis = ..., keepdims: bool = ...) -> Tensor: ...

amax: _LikeAmax
amin: _LikeAmax
max: _LikeAmax
median: _LikeAmax
min: _LikeAmax
prod: _LikeAmax

class _LikeArgmax(Op):
    def __call__(self, a: Operand, axis: int | None = ..., keepdims: bool = ...) -> Array: ...

argmax: _LikeArgmax
argmin: _LikeArgmax

class _LikeArgpartition(Op):
    def __call__(self, a: Operand, kth: int | Sequence[int], axis: int | None = ...) -> Array: ...

argpartition: _LikeArgpartition

class _LikeArgsort(Op):
    def __call__(self, a: Operand, axis: int | None = ..., kind: Any = ...) -> Array: ...

argsort: _LikeArgsort

class _LikeAround(Op):
    @overload
    def __call__(self, a: Numbers, decimals: int = ...) -> Array: ...
    @overload
    def __call__(self, a: Operand, decimals: int = ...) -> Tensor: ...

around: _LikeAround
round: _LikeAround

class _LikeAssemble(Op):
    @overload
    def __call__(self, *operands: Numbers, places: Places) -> Array: ...
    @overload
    def __call__(self, *operands: Operand, places: Places) -> Tensor: ...

assemble: _LikeAssemble

class _LikeAstype(Op):
    @overload
    def __call__(self, a: Numbers, dtype: DTypeLike | None) -> Array: ...
    @overload
    def __call__(self, a: Operand, dtype: DTypeLike | None) -> Tensor: ...

astype: _LikeAstype

class _LikeBeta(Op):
    @overload
    def __call__(self, a: Numbers, b: Numbers) -> Array: ...
    @overload
    def __call__(self, a: Operand, b: Operand) -> Tensor: ...

beta: _LikeBeta
betaln: _LikeBeta
solve: _LikeBeta

class _LikeBetainc(Op):
    @overload
    def __call__(self, a: Numbers, b: Numbers, x: Numbers) -> Array: ...
    @overload
    def __call__(self, a: Operand, b: Operand, x: Operand) -> Tensor: ...

betainc: _LikeBetainc

class _LikeBroadcastTo(Op):
    @overload
    def __call__(self, a: Numbers, shape: Shape) -> Array: ...
    @overload
    def __call__(self, a: Operand, shape: Shape) -> Tensor: ...

broadcast_to: _LikeBroadcastTo
reshape: _LikeBroadcastTo

class _LikeCholesky(Op):
    @overload
    def __call__(self, a: Numbers, upper: bool = ...) -> Array: ...
    @overload
    def __call__(self, a: Operand, upper: bool = ...) -> Tensor: ...

cholesky: _LikeCholesky

class _LikeClip(Op):
    @overload
    def __call__(self, a: Numbers, a_min: Numbers | None = ..., a_max: Numbers | None = ...) -> Array: ...
    @overload
    def __call__(self, a: Operand, a_min: Operand | None = ..., a_max: Operand | None = ...) -> Tensor: ...

clip: _LikeClip

class _LikeCofactor(Op):
    @overload
    def __call__(self, a: Numbers) -> Array: ...
    @overload
    def __call__(self, a: Operand) -> Tensor: ...

cofactor: _LikeCofactor
det: _LikeCofactor
identity: _LikeCofactor
inv: _LikeCofactor
sqrtm: _LikeCofactor
svdvals: _LikeCofactor

class _LikeCumprod(Op):
    @overload
    def __call__(self, a: Numbers, axis: int | None = ...) -> Array: ...
    @overload
    def __call__(self, a: Operand, axis: int | None = ...) -> Tensor: ...

cumprod: _LikeCumprod
cumsum: _LikeCumprod

class _LikeDiagonal(Op):
    @overload
    def __call__(self, a: Numbers, offset: int = ..., axis1: int = ..., axis2: int = ...) -> Array: ...
    @overload
    def __call__(self, a: Operand, offset: int = ..., axis1: int = ..., axis2: int = ...) -> Tensor: ...

diagonal: _LikeDiagonal
trace: _LikeDiagonal

class _LikeEigvalsh(Op):
    @overload
    def __call__(self, a: Numbers, UPLO: str = ...) -> Array: ...
    @overload
    def __call__(self, a: Operand, UPLO: str = ...) -> Tensor: ...

eigvalsh: _LikeEigvalsh

class _LikeEmbedDiagonal(Op):
    @overload
    def __call__(self, a: Numbers, shape: tuple[int, int], offset: int = ...) -> Array: ...
    @overload
    def __call__(self, a: Operand, shape: tuple[int, int], offset: int = ...) -> Tensor: ...

embed_diagonal: _LikeEmbedDiagonal

class _LikeEqual(Op):
    def __call__(self, x1: Operand, x2: Operand) -> Array: ...

equal: _LikeEqual
floor_divide: _LikeEqual
greater: _LikeEqual
greater_equal: _LikeEqual
less: _LikeEqual
less_equal: _LikeEqual
logical_and: _LikeEqual
logical_or: _LikeEqual
logical_xor: _LikeEqual
not_equal: _LikeEqual

class _LikeFold(Op):
    @overload
    def __call__(self, a: Numbers, shape: Pair, size: Pair, stride: Pair) -> Array: ...
    @overload
    def __call__(self, a: Operand, shape: Pair, size: Pair, stride: Pair) -> Tensor: ...

fold: _LikeFold

class _LikeGammainc(Op):
    @overload
    def __call__(self, a: Numbers, x: Numbers) -> Array: ...
    @overload
    def __call__(self, a: Operand, x: Operand) -> Tensor: ...

gammainc: _LikeGammainc
gammaincc: _LikeGammainc

class _LikeGetitem(Op):
    @overload
    def __call__(self, *operands: Numbers, template: tuple[object, ...]) -> Array: ...
    @overload
    def __call__(self, *operands: Operand, template: tuple[object, ...]) -> Tensor: ...

getitem: _LikeGetitem
store: _LikeGetitem

class _LikeIsclose(Op):
    def __call__(self, a: Operand, b: Operand, rtol: float = ..., atol: float = ..., equal_nan: bool = ...) -> Array: ...

isclose: _LikeIsclose

class _LikeIsfinite(Op):
    def __call__(self, x: Operand) -> Array: ...

isfinite: _LikeIsfinite
isinf: _LikeIsfinite
isnan: _LikeIsfinite
logical_not: _LikeIsfinite
signbit: _LikeIsfinite

class _LikeIv(Op):
    @overload
    def __call__(self, v: Numbers, z: Numbers) -> Array: ...
    @overload
    def __call__(self, v: Operand, z: Operand) -> Tensor: ...

iv: _LikeIv
ive: _LikeIv
jn: _LikeIv
jv: _LikeIv
yn: _LikeIv
yv: _LikeIv

class _LikeLeakyRelu(Op):
    @overload
    def __call__(self, x: Numbers, slope: float = ...) -> Array: ...
    @overload
    def __call__(self, x: Operand, slope: float = ...) -> Tensor: ...

leaky_relu: _LikeLeakyRelu

class _LikeLinear(Op):
    @overload
    def __call__(self, x: Numbers, weight: Numbers, bias: Numbers | None = ...) -> Array: ...
    @overload
    def __call__(self, x: Operand, weight: Operand, bias: Operand | None = ...) -> Tensor: ...

linear: _LikeLinear

class _LikeLogShare(Op):
    @overload
    def __call__(self, a: Numbers, y: Numbers, axis: Axis) -> Array: ...
    @overload
    def __call__(self, a: Operand, y: Operand, axis: Axis) -> Tensor: ...

log_share: _LikeLogShare

class _LikeLogSoftmax(Op):
    @overload
    def __call__(self, a: Numbers, axis: Axis = ...) -> Array: ...
    @overload
    def __call__(self, a: Operand, axis: Axis = ...) -> Tensor: ...

log_softmax: _LikeLogSoftmax
softmax: _LikeLogSoftmax

class _LikeMean(Op):
    @overload
    def __call__(self, a: Numbers, axis: int | tuple[int, ...] | None = ..., keepdims: bool = ...) -> Array: ...
    @overload
    def __call__(self, a: Operand, axis: int | tuple[int, ...] | None = ..., keepdims: bool = ...) -> Tensor: ...

mean: _LikeMean
sum: _LikeMean

class _LikeNanToNum(Op):
    @overload
    def __call__(self, x: Numbers, copy: bool = ..., nan: float = ..., posinf: float | None = ..., neginf: float | None = ...) -> Array: ...
    @overload
    def __call__(self, x: Operand, copy: bool = ..., nan: float = ..., posinf: float | None = ..., neginf: float | None = ...) -> Tensor: ...

nan_to_num: _LikeNanToNum

class _LikePartition(Op):
    @overload
    def __call__(self, a: Numbers, kth: Any, axis: int | None = ..., kind: Any = ...) -> Array: ...
    @overload
    def __call__(self, a: Operand, kth: Any, axis: int | None = ..., kind: Any = ...) -> Tensor: ...

partition: _LikePartition

class _LikePermuteDims(Op):
    @overload
    def __call__(self, a: Numbers, axes: Sequence[int] | None = ...) -> Array: ...
    @overload
    def __call__(self, a: Operand, axes: Sequence[int] | None = ...) -> Tensor: ...

permute_dims: _LikePermuteDims
transpose: _LikePermuteDims

class _LikePolygamma(Op):
    @overload
    def __call__(self, n: Numbers, x: Numbers) -> Array: ...
    @overload
    def __call__(self, n: Operand, x: Operand) -> Tensor: ...

polygamma: _LikePolygamma

class _LikeProjector(Op):
    @overload
    def __call__(self, a: Numbers, rcond: ArrayLike | None = ...) -> Array: ...
    @overload
    def __call__(self, a: Operand, rcond: ArrayLike | None = ...) -> Tensor: ...

projector: _LikeProjector

class _LikeRecurrence(Op):
    @overload
    def __call__(self, b: Numbers, a: Numbers) -> Array: ...
    @overload
    def __call__(self, b: Operand, a: Operand) -> Tensor: ...

recurrence: _LikeRecurrence

class _LikeRoll(Op):
    @overload
    def __call__(self, a: Numbers, shift: int | Sequence[int], axis: Axis = ...) -> Array: ...
    @overload
    def __call__(self, a: Operand, shift: int | Sequence[int], axis: Axis = ...) -> Tensor: ...

roll: _LikeRoll

class _LikeScatterAdd(Op):
    @overload
    def __call__(self, *operands: Numbers, template: tuple[object, ...], shape: tuple[int, ...]) -> Array: ...
    @overload
    def __call__(self, *operands: Operand, template: tuple[object, ...], shape: tuple[int, ...]) -> Tensor: ...

scatter_add: _LikeScatterAdd

class _LikeSearchsorted(Op):
    def __call__(self, a: Operand, v: Operand, side: Any = ..., sorter: Any = ...) -> Array: ...

searchsorted: _LikeSearchsorted

class _LikeSecondCofactor(Op):
    @overload
    def __call__(self, v: Numbers, a: Numbers) -> Array: ...
    @overload
    def __call__(self, v: Operand, a: Operand) -> Tensor: ...

second_cofactor: _LikeSecondCofactor

class _LikeSigmoidCrossEntropy(Op):
    @overload
    def __call__(self, logits: Numbers, target: Numbers, reduction: str = ...) -> Array: ...
    @overload
    def __call__(self, logits: Operand, target: Operand, reduction: str = ...) -> Tensor: ...

sigmoid_cross_entropy: _LikeSigmoidCrossEntropy

class _LikeSincDerivative(Op):
    @overload
    def __call__(self, x: Numbers, order: int = ...) -> Array: ...
    @overload
    def __call__(self, x: Operand, order: int = ...) -> Tensor: ...

sinc_derivative: _LikeSincDerivative

class _LikeSolveSylvester(Op):
    @overload
    def __call__(self, a: Numbers, b: Numbers, q: Numbers) -> Array: ...
    @overload
    def __call__(self, a: Operand, b: Operand, q: Operand) -> Tensor: ...

solve_sylvester: _LikeSolveSylvester

class _LikeSort(Op):
    @overload
    def __call__(self, a: Numbers, axis: int | None = ..., kind: Any = ...) -> Array: ...
    @overload
    def __call__(self, a: Operand, axis: int | None = ..., kind: Any = ...) -> Tensor: ...

sort: _LikeSort

class _LikeSquaredError(Op):
    @overload
    def __call__(self, prediction: Numbers, target: Numbers, reduction: str = ...) -> Array: ...
    @overload
    def __call__(self, prediction: Operand, target: Operand, reduction: str = ...) -> Tensor: ...

squared_error: _LikeSquaredError

class _LikeStd(Op):
    @overload
    def __call__(self, a: Numbers, axis: Axis = ..., ddof: int = ..., keepdims: bool = ...) -> Array: ...
    @overload
    def __call__(self, a: Operand, axis: Axis = ..., ddof: int = ..., keepdims: bool = ...) -> Tensor: ...

std: _LikeStd
var: _LikeStd

class _LikeSumTo(Op):
    @overload
    def __call__(self, a: Numbers, shape: tuple[int, ...]) -> Array: ...
    @overload
    def __call__(self, a: Operand, shape: tuple[int, ...]) -> Tensor: ...

sum_to: _LikeSumTo

class _LikeSwapaxes(Op):
    @overload
    def __call__(self, a: Numbers, axis1: int, axis2: int) -> Array: ...
    @overload
    def __call__(self, a: Operand, axis1: int, axis2: int) -> Tensor: ...

swapaxes: _LikeSwapaxes

class _LikeTrapezoid(Op):
    @overload
    def __call__(self, y: Numbers, x: Numbers | None = ..., dx: float = ..., axis: int = ...) -> Array: ...
    @overload
    def __call__(self, y: Operand, x: Operand | None = ..., dx: float = ..., axis: int = ...) -> Tensor: ...

trapezoid: _LikeTrapezoid

class _LikeTril(Op):
    @overload
    def __call__(self, m: Numbers, k: int = ...) -> Array: ...
    @overload
    def __call__(self, m: Operand, k: int = ...) -> Tensor: ...

tril: _LikeTril
triu: _LikeTril

class _LikeWeightedLogsumexp(Op):
    @overload
    def __call__(self, a: Numbers, b: Numbers, axis: Axis, keepdims: bool) -> Array: ...
    @overload
    def __call__(self, a: Operand, b: Operand, axis: Axis, keepdims: bool) -> Tensor: ...

weighted_logsumexp: _LikeWeightedLogsumexp

class _LikeWhere(Op):
    @overload
    def __call__(self, condition: Numbers, x: Numbers, y: Numbers) -> Array: ...
    @overload
    def __call__(self, condition: Operand, x: Operand, y: Operand) -> Tensor: ...

where: _LikeWhere

class _LikeWindows(Op):
    @overload
    def __call__(self, a: Numbers, size: Pair, stride: Pair) -> Array: ...
    @overload
    def __call__(self, a: Operand, size: Pair, stride: Pair) -> Tensor: ...

windows: _LikeWindows

class _LikeXlogy(Op):
    @overload
    def __call__(self, x: Numbers, y: Numbers) -> Array: ...
    @overload
    def __call__(self, x: Operand, y: Operand) -> Tensor: ...

xlogy: _LikeXlogy

@overload
def append(arr: Numbers, values: Numbers, axis: int | None = ...) -> Array: ...
@overload
def append(arr: Operand, values: Operand, axis: int | None = ...) -> Tensor: ...

@overload
def array_split(ary: Numbers, indices_or_sections: Any, axis: int = ...) -> list[Array]: ...
@overload
def array_split(ary: Operand, indices_or_sections: Any, axis: int = ...) -> list[Tensor]: ...

@overload
def atleast_1d(*arrays: Numbers) -> Array: ...
@overload
def atleast_1d(*arrays: Operand) -> Tensor: ...

@overload
def atleast_2d(*arrays: Numbers) -> Array: ...
@overload
def atleast_2d(*arrays: Operand) -> Tensor: ...

@overload
def atleast_3d(*arrays: Numbers) -> Array: ...
@overload
def atleast_3d(*arrays: Operand) -> Tensor: ...

@overload
def average(a: Numbers, axis: Axis = ..., weights: Numbers | None = ..., *, keepdims: bool = ...) -> Array: ...
@overload
def average(a: Operand, axis: Axis = ..., weights: Operand | None = ..., *, keepdims: bool = ...) -> Tensor: ...

@overload
def avg_pool2d(x: Numbers, size: Shape, stride: Shape | None = ...) -> Array: ...
@overload
def avg_pool2d(x: Operand, size: Shape, stride: Shape | None = ...) -> Tensor: ...

@overload
def binary_cross_entropy(prediction: Numbers, target: Numbers, reduction: str = ...) -> Array: ...
@overload
def binary_cross_entropy(prediction: Operand, target: Operand, reduction: str = ...) -> Tensor: ...

@overload
def broadcast_arrays(*arrays: Numbers) -> tuple[Array, ...]: ...
@overload
def broadcast_arrays(*arrays: Operand) -> tuple[Tensor, ...]: ...

@overload
def categorical_cross_entropy(prediction: Numbers, target: Numbers, reduction: str = ...) -> Array: ...
@overload
def categorical_cross_entropy(prediction: Operand, target: Operand, reduction: str = ...) -> Tensor: ...

@overload
def column_stack(tup: Sequence[Numbers]) -> Array: ...
@overload
def column_stack(tup: Sequence[Operand]) -> Tensor: ...

@overload
def concat(arrays: Sequence[Numbers], axis: int | None = ...) -> Array: ...
@overload
def concat(arrays: Sequence[Operand], axis: int | None = ...) -> Tensor: ...

@overload
def concatenate(arrays: Sequence[Numbers], axis: int | None = ...) -> Array: ...
@overload
def concatenate(arrays: Sequence[Operand], axis: int | None = ...) -> Tensor: ...

@overload
def conj(x: Numbers) -> Array: ...
@overload
def conj(x: Operand) -> Tensor: ...

@overload
def conjugate(x: Numbers) -> Array: ...
@overload
def conjugate(x: Operand) -> Tensor: ...

@overload
def conv2d(x: Numbers, weight: Numbers, bias: Numbers | None = ..., stride: Shape = ..., padding: Shape = ...) -> Array: ...
@overload
def conv2d(x: Operand, weight: Operand, bias: Operand | None = ..., stride: Shape = ..., padding: Shape = ...) -> Tensor: ...

@overload
def convolve(a: Numbers, v: Numbers, mode: str = ...) -> Array: ...
@overload
def convolve(a: Operand, v: Operand, mode: str = ...) -> Tensor: ...

@overload
def cross(a: Numbers, b: Numbers, axisa: int = ..., axisb: int = ..., axisc: int = ..., axis: int | None = ...) -> Array: ...
@overload
def cross(a: Operand, b: Operand, axisa: int = ..., axisb: int = ..., axisc: int = ..., axis: int | None = ...) -> Tensor: ...

@overload
def diag(v: Numbers, k: int = ...) -> Array: ...
@overload
def diag(v: Operand, k: int = ...) -> Tensor: ...

@overload
def diagflat(v: Numbers, k: int = ...) -> Array: ...
@overload
def diagflat(v: Operand, k: int = ...) -> Tensor: ...

@overload
def diff(a: Numbers, n: int = ..., axis: int = ..., prepend: Numbers | None = ..., append: Numbers | None = ...) -> Array: ...
@overload
def diff(a: Operand, n: int = ..., axis: int = ..., prepend: Operand | None = ..., append: Operand | None = ...) -> Tensor: ...

@overload
def dot(a: Numbers, b: Numbers) -> Array: ...
@overload
def dot(a: Operand, b: Operand) -> Tensor: ...

@overload
def dsplit(ary: Numbers, indices_or_sections: int | Sequence[int]) -> list[Array]: ...
@overload
def dsplit(ary: Operand, indices_or_sections: int | Sequence[int]) -> list[Tensor]: ...

@overload
def dstack(tup: Sequence[Numbers]) -> Array: ...
@overload
def dstack(tup: Sequence[Operand]) -> Tensor: ...

@overload
def eigh(a: Numbers, UPLO: str = ...) -> EighResult: ...
@overload
def eigh(a: Operand, UPLO: str = ...) -> EighResult: ...

@overload
def einsum(*operands: Numbers, optimize: object = ...) -> Array: ...
@overload
def einsum(*operands: Operand, optimize: object = ...) -> Tensor: ...

@overload
def expand_dims(a: Numbers, axis: Axis) -> Array: ...
@overload
def expand_dims(a: Operand, axis: Axis) -> Tensor: ...

@overload
def fftshift(x: Numbers, axes: Axis = ...) -> Array: ...
@overload
def fftshift(x: Operand, axes: Axis = ...) -> Tensor: ...

@overload
def flip(m: Numbers, axis: Axis = ...) -> Array: ...
@overload
def flip(m: Operand, axis: Axis = ...) -> Tensor: ...

@overload
def fliplr(m: Numbers) -> Array: ...
@overload
def fliplr(m: Operand) -> Tensor: ...

@overload
def flipud(m: Numbers) -> Array: ...
@overload
def flipud(m: Operand) -> Tensor: ...

@overload
def full(shape: Any, fill_value: Numbers, dtype: DTypeLike | None = ...) -> Array: ...
@overload
def full(shape: Any, fill_value: Operand, dtype: DTypeLike | None = ...) -> Tensor: ...

@overload
def full_like(a: Numbers, fill_value: Numbers, dtype: DTypeLike | None = ..., *, shape: Shape | None = ...) -> Array: ...
@overload
def full_like(a: Operand, fill_value: Operand, dtype: DTypeLike | None = ..., *, shape: Shape | None = ...) -> Tensor: ...

@overload
def gradient(f: Numbers, *varargs: object, axis: Axis = ..., edge_order: int = ...) -> Array: ...
@overload
def gradient(f: Operand, *varargs: object, axis: Axis = ..., edge_order: int = ...) -> Tensor: ...

@overload
def hsplit(ary: Numbers, indices_or_sections: int | Sequence[int]) -> list[Array]: ...
@overload
def hsplit(ary: Operand, indices_or_sections: int | Sequence[int]) -> list[Tensor]: ...

@overload
def hstack(tup: Sequence[Numbers]) -> Array: ...
@overload
def hstack(tup: Sequence[Operand]) -> Tensor: ...

@overload
def ifftshift(x: Numbers, axes: Axis = ...) -> Array: ...
@overload
def ifftshift(x: Operand, axes: Axis = ...) -> Tensor: ...

@overload
def imag(val: Numbers) -> Array: ...
@overload
def imag(val: Operand) -> Tensor: ...

@overload
def inner(a: Numbers, b: Numbers) -> Array: ...
@overload
def inner(a: Operand, b: Operand) -> Tensor: ...

@overload
def irfft(real: Numbers, imag: Numbers, n: int | None = ..., axis: int = ...) -> Array: ...
@overload
def irfft(real: Operand, imag: Operand, n: int | None = ..., axis: int = ...) -> Tensor: ...

@overload
def kron(a: Numbers, b: Numbers) -> Array: ...
@overload
def kron(a: Operand, b: Operand) -> Tensor: ...

@overload
def linspace(start: Numbers, stop: Numbers, num: int = ..., endpoint: bool = ..., retstep: bool = ..., dtype: DTypeLike | None = ..., axis: int = ...) -> Array: ...
@overload
def linspace(start: Operand, stop: Operand, num: int = ..., endpoint: bool = ..., retstep: bool = ..., dtype: DTypeLike | None = ..., axis: int = ...) -> Tensor: ...

@overload
def logsumexp(a: Numbers, axis: Axis = ..., b: Numbers | None = ..., keepdims: bool = ...) -> Array: ...
@overload
def logsumexp(a: Operand, axis: Axis = ..., b: Operand | None = ..., keepdims: bool = ...) -> Tensor: ...

@overload
def matrix_norm(x: Numbers, *, keepdims: bool = ..., ord: float | str = ...) -> Array: ...
@overload
def matrix_norm(x: Operand, *, keepdims: bool = ..., ord: float | str = ...) -> Tensor: ...

@overload
def matrix_power(a: Numbers, n: int) -> Array: ...
@overload
def matrix_power(a: Operand, n: int) -> Tensor: ...

@overload
def max_pool2d(x: Numbers, size: Shape, stride: Shape | None = ...) -> Array: ...
@overload
def max_pool2d(x: Operand, size: Shape, stride: Shape | None = ...) -> Tensor: ...

@overload
def meshgrid(*xi: Numbers, sparse: bool = ..., indexing: str = ...) -> tuple[Array, ...]: ...
@overload
def meshgrid(*xi: Operand, sparse: bool = ..., indexing: str = ...) -> tuple[Tensor, ...]: ...

@overload
def moveaxis(a: Numbers, source: Shape, destination: Shape) -> Array: ...
@overload
def moveaxis(a: Operand, source: Shape, destination: Shape) -> Tensor: ...

@overload
def multi_dot(arrays: Sequence[Numbers]) -> Array: ...
@overload
def multi_dot(arrays: Sequence[Operand]) -> Tensor: ...

@overload
def multigammaln(a: Numbers, d: int) -> Array: ...
@overload
def multigammaln(a: Operand, d: int) -> Tensor: ...

@overload
def norm(x: Numbers, ord: Any = ..., axis: Axis = ..., keepdims: bool = ...) -> Array: ...
@overload
def norm(x: Operand, ord: Any = ..., axis: Axis = ..., keepdims: bool = ...) -> Tensor: ...

@overload
def ones_like(a: Numbers, dtype: DTypeLike | None = ..., *, shape: Shape | None = ...) -> Array: ...
@overload
def ones_like(a: Operand, dtype: DTypeLike | None = ..., *, shape: Shape | None = ...) -> Tensor: ...

@overload
def outer(a: Numbers, b: Numbers) -> Array: ...
@overload
def outer(a: Operand, b: Operand) -> Tensor: ...

@overload
def pad(array: Numbers, pad_width: object, mode: str = ..., *, constant_values: ArrayLike = ..., stat_length: object = ..., end_values: object = ..., reflect_type: str = ...) -> Array: ...
@overload
def pad(array: Operand, pad_width: object, mode: str = ..., *, constant_values: ArrayLike = ..., stat_length: object = ..., end_values: object = ..., reflect_type: str = ...) -> Tensor: ...

def pinv(a: Any, rcond: Array | float | None = ..., hermitian: bool = ..., *, rtol: Any = ...) -> Any: ...

@overload
def qr(a: Numbers, mode: str = ...) -> Array: ...
@overload
def qr(a: Operand, mode: str = ...) -> Tensor: ...

@overload
def ravel(a: Numbers) -> Array: ...
@overload
def ravel(a: Operand) -> Tensor: ...

@overload
def real(val: Numbers) -> Array: ...
@overload
def real(val: Operand) -> Tensor: ...

@overload
def repeat(a: Numbers, repeats: Any, axis: int | None = ...) -> Array: ...
@overload
def repeat(a: Operand, repeats: Any, axis: int | None = ...) -> Tensor: ...

@overload
def rfft(x: Numbers, axis: int = ...) -> RealSpectrum: ...
@overload
def rfft(x: Operand, axis: int = ...) -> RealSpectrum: ...

@overload
def rollaxis(a: Numbers, axis: int, start: int = ...) -> Array: ...
@overload
def rollaxis(a: Operand, axis: int, start: int = ...) -> Tensor: ...

@overload
def rot90(m: Numbers, k: int = ..., axes: tuple[int, int] = ...) -> Array: ...
@overload
def rot90(m: Operand, k: int = ..., axes: tuple[int, int] = ...) -> Tensor: ...

@overload
def select(condlist: Sequence[Numbers], choicelist: Sequence[Numbers], default: Numbers = ...) -> Array: ...
@overload
def select(condlist: Sequence[Operand], choicelist: Sequence[Operand], default: Operand = ...) -> Tensor: ...

@overload
def slogdet(a: Numbers) -> SlogdetResult: ...
@overload
def slogdet(a: Operand) -> SlogdetResult: ...

@overload
def softmax_cross_entropy(prediction: Numbers, target: Numbers, reduction: str = ...) -> Array: ...
@overload
def softmax_cross_entropy(prediction: Operand, target: Operand, reduction: str = ...) -> Tensor: ...

@overload
def solve_banded(l_and_u: tuple[int, int], a: Numbers, b: Numbers) -> Array: ...
@overload
def solve_banded(l_and_u: tuple[int, int], a: Operand, b: Operand) -> Tensor: ...

@overload
def split(ary: Numbers, indices_or_sections: Any, axis: int = ...) -> list[Array]: ...
@overload
def split(ary: Operand, indices_or_sections: Any, axis: int = ...) -> list[Tensor]: ...

@overload
def squeeze(a: Numbers, axis: Axis = ...) -> Array: ...
@overload
def squeeze(a: Operand, axis: Axis = ...) -> Tensor: ...

@overload
def stack(arrays: Sequence[Numbers], axis: int = ...) -> Array: ...
@overload
def stack(arrays: Sequence[Operand], axis: int = ...) -> Tensor: ...

@overload
def svd(a: Numbers, full_matrices: bool = ..., compute_uv: bool = ...) -> Array: ...
@overload
def svd(a: Operand, full_matrices: bool = ..., compute_uv: bool = ...) -> Tensor: ...

@overload
def take(a: Numbers, indices: ArrayLike, axis: int | None = ..., mode: str = ...) -> Array: ...
@overload
def take(a: Operand, indices: ArrayLike, axis: int | None = ..., mode: str = ...) -> Tensor: ...

@overload
def take_along_axis(arr: Numbers, indices: ArrayLike, axis: int | None = ...) -> Array: ...
@overload
def take_along_axis(arr: Operand, indices: ArrayLike, axis: int | None = ...) -> Tensor: ...

@overload
def tensordot(a: Numbers, b: Numbers, axes: int | Sequence[int | Sequence[int]] = ...) -> Array: ...
@overload
def tensordot(a: Operand, b: Operand, axes: int | Sequence[int | Sequence[int]] = ...) -> Tensor: ...

@overload
def tile(A: Numbers, reps: Any) -> Array: ...
@overload
def tile(A: Operand, reps: Any) -> Tensor: ...

@overload
def vdot(a: Numbers, b: Numbers) -> Array: ...
@overload
def vdot(a: Operand, b: Operand) -> Tensor: ...

@overload
def vector_norm(x: Numbers, *, axis: Axis = ..., keepdims: bool = ..., ord: float = ...) -> Array: ...
@overload
def vector_norm(x: Operand, *, axis: Axis = ..., keepdims: bool = ..., ord: float = ...) -> Tensor: ...

@overload
def vsplit(ary: Numbers, indices_or_sections: int | Sequence[int]) -> list[Array]: ...
@overload
def vsplit(ary: Operand, indices_or_sections: int | Sequence[int]) -> list[Tensor]: ...

@overload
def vstack(tup: Sequence[Numbers]) -> Array: ...
@overload
def vstack(tup: Sequence[Operand]) -> Tensor: ...

@overload
def zeros_like(a: Numbers, dtype: DTypeLike | None = ..., *, shape: Shape | None = ...) -> Array: ...
@overload
def zeros_like(a: Operand, dtype: DTypeLike | None = ..., *, shape: Shape | None = ...) -> Tensor: ...

__all__ = [
    "BUILDING_BLOCKS",
    "abs",
    "absolute",
    "acos",
    "acosh",
    "add",
    "all",
    "amax",
    "amin",
    "any",
    "append",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "argmax",
    "argmin",
    "argpartition",
    "argsort",
    "around",
    "array_split",
    "asin",
    "asinh",
    "assemble",
    "astype",
    "atan",
    "atan2",
    "atanh",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "average",
    "avg_pool2d",
    "beta",
    "betainc",
    "betaln",
    "binary_cross_entropy",
    "broadcast_arrays",
    "broadcast_to",
    "categorical_cross_entropy",
    "cbrt",
    "ceil",
    "cholesky",
    "clip",
    "cofactor",
    "column_stack",
    "concat",
    "concatenate",
    "conj",
    "conjugate",
    "conv2d",
    "convolve",
    "cos",
    "cosh",
    "count_nonzero",
    "cross",
    "cumprod",
    "cumsum",
    "deg2rad",
    "degrees",
    "det",
    "diag",
    "diagflat",
    "diagonal",
    "diff",
    "difference",
    "digamma",
    "divide",
    "dot",
    "dsplit",
    "dstack",
    "eigh",
    "eigvalsh",
    "einsum",
    "embed_diagonal",
    "equal",
    "erf",
    "erfc",
    "erfcinv",
    "erfinv",
    "exp",
    "exp2",
    "expand_dims",
    "expit",
    "expm1",
    "fabs",
    "fftshift",
    "fix",
    "flip",
    "fliplr",
    "flipud",
    "float_power",
    "floor",
    "floor_divide",
    "fmax",
    "fmin",
    "fmod",
    "fold",
    "full",
    "full_like",
    "gamma",
    "gammainc",
    "gammaincc",
    "gammaln",
    "gammasgn",
    "gelu",
    "getitem",
    "gradient",
    "greater",
    "greater_equal",
    "heaviside",
    "hsplit",
    "hstack",
    "hypot",
    "i0",
    "i1",
    "identity",
    "ifftshift",
    "imag",
    "inner",
    "inv",
    "irfft",
    "isclose",
    "isfinite",
    "isinf",
    "isnan",
    "iv",
    "ive",
    "j0",
    "j1",
    "jn",
    "jv",
    "kron",
    "leaky_relu",
    "less",
    "less_equal",
    "linalg",
    "linear",
    "linspace",
    "log",
    "log10",
    "log1p",
    "log2",
    "log_ndtr",
    "log_share",
    "log_softmax",
    "logaddexp",
    "logaddexp2",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "logit",
    "logsumexp",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "max",
    "max_pool2d",
    "maximum",
    "mean",
    "median",
    "meshgrid",
    "min",
    "minimum",
    "mod",
    "moveaxis",
    "multi_dot",
    "multigammaln",
    "multiply",
    "nan_to_num",
    "ndtr",
    "negative",
    "norm",
    "not_equal",
    "ones_like",
    "outer",
    "pad",
    "partition",
    "permute_dims",
    "pinv",
    "polygamma",
    "pow",
    "power",
    "prod",
    "projector",
    "psi",
    "qr",
    "rad2deg",
    "radians",
    "ravel",
    "real",
    "reciprocal",
    "recurrence",
    "relu",
    "remainder",
    "repeat",
    "reshape",
    "rfft",
    "rgamma",
    "rint",
    "roll",
    "rollaxis",
    "rot90",
    "round",
    "scatter_add",
    "searchsorted",
    "second_cofactor",
    "select",
    "sigmoid",
    "sigmoid_cross_entropy",
    "sign",
    "signbit",
    "sin",
    "sinc",
    "sinc_derivative",
    "sinh",
    "slogdet",
    "softmax",
    "softmax_cross_entropy",
    "softplus",
    "solve",
    "solve_banded",
    "solve_sylvester",
    "sort",
    "split",
    "sqrt",
    "sqrtm",
    "square",
    "squared_error",
    "squeeze",
    "stack",
    "std",
    "store",
    "subtract",
    "sum",
    "sum_to",
    "svd",
    "svdvals",
    "swapaxes",
    "take",
    "take_along_axis",
    "tan",
    "tanh",
    "tensordot",
    "tile",
    "trace",
    "transpose",
    "trapezoid",
    "tril",
    "triu",
    "true_divide",
    "trunc",
    "var",
    "vdot",
    "vector_norm",
    "vsplit",
    "vstack",
    "weighted_logsumexp",
    "where",
    "windows",
    "xlogy",
    "y0",
    "y1",
    "yn",
    "yv",
    "zeros_like"]
