"""`Tensor`: an array with a history. It computes as ndarrays do, and is differentiated.

Operators and methods call operations by their names in `OPS`: this module imports none of them, so
that what it takes to understand one operation does not include all others.
"""

from __future__ import annotations

import operator
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from tinygrad_mlp import errors
from tinygrad_mlp.autograd.backward import backward as run_backward
from tinygrad_mlp.autograd.graph import Array, Value
from tinygrad_mlp.autograd.mode import CHANGES
from tinygrad_mlp.autograd.op import IMPLEMENTED_BY, OPS

if TYPE_CHECKING:
    from tinygrad_mlp.autograd.argument_types import Axis

OPERATIONS: Mapping[str, Callable[..., Tensor]] = OPS


class Tensor(Value):
    """An array with a history: compute with it as with an ndarray, then ask for gradients.

    Args:
        data: anything `numpy.asarray` takes, or a Tensor. Arrays are not copied.
        requires_grad: whether gradients are wanted with respect to it.
        dtype: converted to this where given.
        name: used in explanations and messages.

    Raises:
        DTypeError: `data` is not numeric, or is of integers and `requires_grad` is set.

    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> y = (x * x).sum()
    >>> y.backward()
    >>> x.grad  # dy/dx = 2x
    array([2., 4.])
    """

    __slots__ = ()

    # Set by the modules that can do this, which import this one: numpy_dispatch, describe,
    # conversions, in_place and pickling (copies).
    __array_ufunc__: ClassVar[Callable[..., Any]]
    __array_function__: ClassVar[Callable[..., Any]]
    __setitem__: ClassVar[Callable[..., None]]
    _repr_html_: ClassVar[Callable[[Tensor], str]]
    _leave_graph: ClassVar[Callable[..., None]]

    def __init__(self, data: object, *, requires_grad: bool = False, dtype: DTypeLike | None = None,
                 name: str | None = None) -> None:
        self.data = numeric_array(data, dtype)
        self.grad = self.node = None
        self.own_name = name
        self.index = 0
        self._requires_grad = False
        if requires_grad:
            self.requires_grad = True

    # -- gradients ---------------------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        """True if gradients flow to it: set by the user on leaves, inherited by results."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, wanted: bool) -> None:
        if self.node is not None and self._requires_grad and not wanted:
            raise errors.InvalidArgumentError(
                "requires_grad can be switched off on leaves only, and this tensor was computed. "
                "Use .detach() for a tensor without history.")
        if wanted and self.data.dtype.kind != "f":
            raise errors.DTypeError(
                f"requires_grad=True expects floating-point data. Got {self.data.dtype}, with "
                f"respect to which there is no derivative. Write 3.0 for 3, or use .astype(float).")
        if wanted and not self._requires_grad:
            self.node = None  # what it was computed from without recording is not its history
        CHANGES.count += 1
        self._requires_grad = bool(wanted)

    def backward(self, gradient: ArrayLike | None = None, *, retain_graph: bool = False) -> None:
        """Add the derivative of this tensor to the `.grad` of every leaf it was computed from.

        ``leaf.grad += Σ gradient · ∂self/∂leaf``. The graph is released on the way, unless
        `retain_graph` is set.

        Args:
            gradient: weights of this tensor's elements, of its shape; 1 for a scalar.
            retain_graph: keep the graph for another backward pass.

        Raises:
            ShapeError: the tensor is not a scalar and no gradient was given, or the gradient is
                of another shape.
            DTypeError: the gradient is not of floating-point numbers.
            NotDifferentiableError: nothing it was computed from requires a gradient.
            GraphReleasedError: an earlier call has released the graph.
        """
        if not self._requires_grad:
            raise errors.NotDifferentiableError(
                "backward() expects a tensor computed from one with requires_grad=True, outside "
                "of no_grad(). Nothing this tensor was computed from requires a gradient.")
        data = self.data
        if gradient is None:
            if data.size != 1:
                raise errors.ShapeError(
                    f"backward() without a gradient expects a scalar. Got a tensor of shape "
                    f"{data.shape}: reduce it first, e.g. with .sum(), or pass the derivative of "
                    f"the final output with respect to it as backward(gradient).")
            gradient = np.array(1, data.dtype, ndmin=data.ndim)  # a third of np.ones
        else:
            gradient = direction(gradient, "backward()", "gradient")
            if gradient.shape != data.shape:
                raise errors.ShapeError(
                    f"backward(gradient) expects a gradient of shape {data.shape}, the shape of "
                    f"the tensor. Got {gradient.shape}.")
            gradient = gradient.astype(data.dtype)
        run_backward(self, gradient, retain_graph=retain_graph)

    def retain_grad(self) -> None:
        """Keep the gradient of this computed tensor, too, in the next backward passes.

        Raises:
            NotDifferentiableError: no gradient flows to it.
            GraphReleasedError: its graph was released by an earlier `backward`.
        """
        if not self._requires_grad:
            raise errors.NotDifferentiableError(
                "retain_grad() expects a tensor that gradients flow to. This one requires none.")
        node = self.node
        if node is None:
            return  # a leaf keeps its gradient anyway
        if node.arrays is None:
            raise errors.GraphReleasedError(
                "retain_grad(): this tensor's graph was released already.")
        node.retained = node.retained or []
        if not any(known() is self for known in node.retained):
            node.retained.append(weakref.ref(self))

    # -- the array's attributes --------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return self.data.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.data.ndim

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.data.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements."""
        return self.data.dtype

    @property
    def layout(self) -> Any:
        """An array that lies in memory as the data does; a traced value has one, too."""
        data = self.data
        return data if isinstance(data, np.ndarray) else getattr(data, "layout", None)

    @property
    def T(self) -> Tensor:
        """The transposed array: axes reversed."""
        return OPERATIONS["transpose"](self, axes=None)

    @property
    def mT(self) -> Tensor:
        """The transposed matrices: the last two axes exchanged.

        Raises:
            ShapeError: there are fewer than two axes.
        """
        if self.data.ndim < 2:
            raise errors.ShapeError(f".mT expects at least two axes. Got shape {self.data.shape}.")
        return OPERATIONS["swapaxes"](self, axis1=-1, axis2=-2)

    # -- copies and conversions --------------------------------------------------------------

    def item(self) -> Any:
        """Return the single element as a Python number.

        Raises:
            ShapeError: there is not exactly one.
        """
        if self.data.size != 1:
            raise errors.ShapeError(f".item() expects one element. Got shape {self.data.shape}.")
        return self.data.item()

    def numpy(self) -> Array:
        """Return the data, without history and not copied."""
        return self.data

    def tolist(self) -> Any:
        """Return the numbers as nested lists, without history."""
        return self.data.tolist()

    def detach(self) -> Tensor:
        """Return the same data as a tensor without history."""
        return Tensor(self.data, name=self.name)

    def astype(self, dtype: DTypeLike) -> Tensor:
        """Convert to another dtype; differentiable between floating-point types."""
        dtype = np.dtype(dtype)
        if dtype.kind != "f":
            return Tensor(self.data.astype(dtype))
        return OPERATIONS["astype"](self, dtype=dtype)

    def copy(self) -> Tensor:
        """Return a copy of the data that depends on this tensor."""
        result = OPERATIONS["identity"](self)
        result.data = result.data.copy()
        return result

    # -- operators: a line each, so that they read as a table ----------------------------------

    def __add__(self, other: ArrayLike) -> Tensor: return OPERATIONS["add"](self, other)
    def __radd__(self, other: ArrayLike) -> Tensor: return OPERATIONS["add"](other, self)
    def __sub__(self, other: ArrayLike) -> Tensor: return OPERATIONS["subtract"](self, other)
    def __rsub__(self, other: ArrayLike) -> Tensor: return OPERATIONS["subtract"](other, self)
    def __mul__(self, other: ArrayLike) -> Tensor: return OPERATIONS["multiply"](self, other)
    def __rmul__(self, other: ArrayLike) -> Tensor: return OPERATIONS["multiply"](other, self)
    def __truediv__(self, other: ArrayLike) -> Tensor: return OPERATIONS["divide"](self, other)
    def __rtruediv__(self, other: ArrayLike) -> Tensor: return OPERATIONS["divide"](other, self)
    def __pow__(self, other: ArrayLike) -> Tensor: return OPERATIONS["power"](self, other)
    def __rpow__(self, other: ArrayLike) -> Tensor: return OPERATIONS["power"](other, self)
    def __matmul__(self, other: ArrayLike) -> Tensor: return OPERATIONS["matmul"](self, other)
    def __rmatmul__(self, other: ArrayLike) -> Tensor: return OPERATIONS["matmul"](other, self)
    def __neg__(self) -> Tensor: return OPERATIONS["negative"](self)
    def __abs__(self) -> Tensor: return OPERATIONS["abs"](self)
    def __pos__(self) -> Tensor: return self.copy()
    def __mod__(self, other: ArrayLike) -> Tensor: return OPERATIONS["mod"](self, other)
    def __rmod__(self, other: ArrayLike) -> Tensor: return OPERATIONS["mod"](other, self)

    # These give plain arrays: they are constant wherever they have a derivative.
    def __floordiv__(self, other: ArrayLike) -> Any: return OPERATIONS["floor_divide"](self, other)
    def __rfloordiv__(self, other: ArrayLike) -> Any: return OPERATIONS["floor_divide"](other, self)
    def __eq__(self, other: object) -> Any: return OPERATIONS["equal"](self, other)
    def __ne__(self, other: object) -> Any: return OPERATIONS["not_equal"](self, other)
    def __lt__(self, other: ArrayLike) -> Any: return OPERATIONS["less"](self, other)
    def __le__(self, other: ArrayLike) -> Any: return OPERATIONS["less_equal"](self, other)
    def __gt__(self, other: ArrayLike) -> Any: return OPERATIONS["greater"](self, other)
    def __ge__(self, other: ArrayLike) -> Any: return OPERATIONS["greater_equal"](self, other)

    __hash__ = object.__hash__  # by identity, although == compares elements: usable as a key

    def __getitem__(self, index: object) -> Tensor:
        return IMPLEMENTED_BY[operator.getitem](self, index)

    # -- methods of ndarray ------------------------------------------------------------------

    def _by_numpy(self, name: str, *args: object, **options: object) -> Tensor:
        return getattr(np, name)(self, *args, **options)

    def _reduced(self, name: str, axis: Axis, keepdims: bool, options: dict[str, object]) -> Tensor:
        if options:  # parameters that NumPy's function has and the operation has not
            return self._by_numpy(name, axis=axis, keepdims=keepdims, **options)
        return OPERATIONS[name](self, axis=axis, keepdims=keepdims)

    def sum(self, axis: Axis = None, keepdims: bool = False, **options: object) -> Tensor:
        """Sum over `axis` (None: over all elements)."""
        return self._reduced("sum", axis, keepdims, options)

    def mean(self, axis: Axis = None, keepdims: bool = False, **options: object) -> Tensor:
        """Average over `axis` (None: over all elements)."""
        return self._reduced("mean", axis, keepdims, options)

    def max(self, axis: Axis = None, keepdims: bool = False, **options: object) -> Tensor:
        """Return the largest element over `axis`; ties share the gradient."""
        return self._reduced("max", axis, keepdims, options)

    def min(self, axis: Axis = None, keepdims: bool = False, **options: object) -> Tensor:
        """Return the smallest element over `axis`; ties share the gradient."""
        return self._reduced("min", axis, keepdims, options)

    def reshape(self, *shape: Any, **options: object) -> Tensor:
        """Return the same elements in another shape, given as one tuple or several lengths."""
        if len(shape) == 1:
            (shape,) = shape
        if options:
            return self._by_numpy("reshape", shape, **options)
        return OPERATIONS["reshape"](self, shape=shape)

    def flatten(self, order: str = "C") -> Tensor:
        """Return a copy of all elements in one axis."""
        return self._by_numpy("ravel", order=order).copy()

    def transpose(self, *axes: object) -> Tensor:
        """Reorder the axes (none given: reverse them)."""
        several = len(axes) == 1 and (axes[0] is None or isinstance(axes[0], (tuple, list)))
        order = axes[0] if several else (axes or None)
        return OPERATIONS["transpose"](self, axes=order)

    if TYPE_CHECKING:  # further methods of ndarray: array_methods.py

        def __getattr__(self, name: str) -> Any: ...

    # -- Python's protocols ------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.data)

    def __contains__(self, element: object) -> bool:
        return bool(np.any(self == element))

    def __iter__(self) -> Iterator[Tensor]:
        for i in range(len(self.data)):
            yield self[i]

    def __bool__(self) -> bool:
        return bool(self.data)

    def __float__(self) -> float:
        if self._requires_grad:
            self._leave_graph()
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        return operator.index(self.data)

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else str(self)

    # (Not Array: type checkers would take X @ tensor for an array.)
    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[np.generic]:
        if self._requires_grad:
            self._leave_graph(as_array=True)
        return np.array(self.data, dtype=dtype, copy=copy)


Tensor.result_class = Tensor


def numeric_array(data: object, dtype: DTypeLike | None = None) -> Array:
    """Return `data` as a numeric array; raise `DTypeError` where it is not numeric, or ragged."""
    if isinstance(data, Value):
        data = data.data
        if isinstance(data, Value):  # a traced array, which is its own data
            traced: Any = data
            return traced if dtype is None else traced.astype(dtype)
    try:
        errors.refuse_more_than_numbers(data, "Tensor()")
        array = np.asarray(data, dtype=dtype)
    except errors.TinygradError:
        raise  # a list that holds a tensor which requires a gradient
    except (ValueError, TypeError) as error:
        raise errors.DTypeError(
            f"Tensor() expects numbers in a rectangular arrangement. Got {type(data).__name__} "
            f"that NumPy cannot convert: {error}.") from error
    errors.refuse_unreal(array, "Tensor()")
    return array


def direction(a: object, who: str, what: str) -> Array:
    """Return a tangent or cotangent as an array of floats; nothing of another kind is cast.

    Python's numbers, and lists of them, are taken, as they are among the arguments of functions.
    """
    errors.refuse_more_than_numbers(a, who)
    array: Array = a.data if isinstance(a, Value) else np.asarray(a)
    if isinstance(a, (int, float, list, tuple)) and array.dtype.kind == "i":
        array = array.astype(float)
    if array.dtype.kind != "f":
        raise errors.DTypeError(
            f"{who} expects a {what} of floating-point numbers, as what it belongs to. Got "
            f"{array.dtype}. Convert it with .astype(float).")
    return array
