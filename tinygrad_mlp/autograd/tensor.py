"""`Tensor`: a value with NumPy's operators, methods and protocols."""

from __future__ import annotations

import operator
import sys
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, cast

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.backward import backward as run_backward
from tinygrad_mlp.autograd.graph import Array, Value, make_value
from tinygrad_mlp.autograd.numpy_protocols import (
    cannot_become_an_array,
    constant,
    method,
    refuse_options,
    refuse_storing,
    shown,
    ufunc_method,
    without_rule,
)
from tinygrad_mlp.autograd.op import OPS, STANDS_FOR, Op
from tinygrad_mlp.autograd.ops.indexing import index_parts
from tinygrad_mlp.errors import (
    DTypeError,
    GraphReleasedError,
    InvalidArgumentError,
    NotDifferentiableError,
    ShapeError,
    TinygradError,
)


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

    def __init__(
        self,
        data: Any,
        *,
        requires_grad: bool = False,
        dtype: Any = None,
        name: str | None = None,
    ) -> None:
        self.data = numeric_array(data, dtype)
        self.grad = None
        self.own_name = name
        self.node = None
        self.index = 0
        self.tracked = False
        if requires_grad:
            self.requires_grad = True

    # -- the array's attributes --------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to it: set by the user on leaves, inherited by results."""
        return self.tracked

    @requires_grad.setter
    def requires_grad(self, wanted: bool) -> None:
        if self.node is not None and self.tracked and not wanted:
            raise InvalidArgumentError(
                "requires_grad can be switched off on leaves only, and this tensor was computed. "
                "Use .detach() for a tensor without history."
            )
        if wanted and self.data.dtype.kind != "f":
            raise DTypeError(
                f"requires_grad=True expects floating-point data: a derivative with respect to "
                f"{self.data.dtype} has no meaning. Write 3.0 for 3, or use .astype(float)."
            )
        if wanted and not self.tracked:
            self.node = None  # what it was computed from without recording is not its history
        self.tracked = bool(wanted)

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return cast("tuple[int, ...]", self.data.shape)

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
    def T(self) -> Tensor:
        """Transposed: axes reversed."""
        return cast(Tensor, ops.transpose(self, axes=None))

    @property
    def mT(self) -> Tensor:
        """Matrices transposed: the last two axes exchanged.

        Raises:
            ShapeError: there are fewer than two axes.
        """
        if self.data.ndim < 2:
            raise ShapeError(f".mT expects at least two axes. Got shape {self.data.shape}.")
        return cast(Tensor, ops.swapaxes(self, axis1=-1, axis2=-2))

    # -- leaving the graph -------------------------------------------------------------------

    def item(self) -> Any:
        """The single element as a Python number.

        Raises:
            ShapeError: there is not exactly one.
        """
        if self.data.size != 1:
            raise ShapeError(f".item() expects one element. Got shape {self.data.shape}.")
        return self.data.item()

    def numpy(self) -> Array:
        """The data, without history and not copied."""
        return self.data

    def detach(self) -> Tensor:
        """The same data as a tensor without history."""
        return Tensor(self.data, name=self.name)

    def astype(self, dtype: Any) -> Tensor:
        """The same numbers in another dtype; differentiable between floating-point types."""
        dtype = np.dtype(dtype)
        if dtype.kind != "f":
            return Tensor(self.data.astype(dtype))
        return cast(Tensor, ops.astype(self, dtype=dtype))

    def copy(self) -> Tensor:
        """A copy of the data that depends on this tensor."""
        result = cast(Tensor, ops.identity(self))
        result.data = result.data.copy()
        return result

    def __copy__(self) -> Tensor:
        # A copied leaf is a leaf; what was computed stays a function of the same leaves, since
        # a copied graph would send its gradients to copies that nobody looks at.
        if (self.node is not None and self.tracked) or isinstance(self.data, Value):
            return self.copy()
        made = cast(Tensor, make_value(type(self), self.data.copy(), None, self.tracked))
        made.own_name = self.name
        made.grad = None if self.grad is None else self.grad.copy()
        return made

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        return self.__copy__()

    # -- gradients ---------------------------------------------------------------------------

    def backward(self, gradient: Any = None, *, retain_graph: bool = False) -> None:
        """Add the derivative of this tensor to the `.grad` of every leaf it was computed from.

        ``leaf.grad += Σ gradient · ∂self/∂leaf``. The graph is released on the way, unless
        `retain_graph` is set.

        Args:
            gradient: weights of this tensor's elements, of its shape; 1 for a scalar.

        Raises:
            ShapeError: the tensor is not a scalar and no gradient was given, or the gradient is
                of another shape.
            NotDifferentiableError: nothing it was computed from requires a gradient.
            GraphReleasedError: an earlier call has released the graph.
        """
        if not self.tracked:
            raise NotDifferentiableError(
                "backward() expects a tensor computed from one with requires_grad=True, outside "
                "of no_grad(). Nothing this tensor was computed from requires a gradient."
            )
        data = self.data
        if gradient is None:
            if data.size != 1:
                raise ShapeError(
                    f"backward() without a gradient expects a scalar. Got a tensor of shape "
                    f"{data.shape}: reduce it first, e.g. with .sum(), or pass the derivative of "
                    f"the final output with respect to it as backward(gradient)."
                )
            gradient = np.ones(data.shape, data.dtype)
        else:
            gradient = gradient.data if isinstance(gradient, Value) else np.asarray(gradient)
            if gradient.shape != data.shape:
                raise ShapeError(
                    f"backward(gradient) expects a gradient of shape {data.shape}, the shape of "
                    f"the tensor. Got {gradient.shape}."
                )
            gradient = gradient.astype(data.dtype)
        run_backward(self, gradient, retain_graph=retain_graph)

    def retain_grad(self) -> None:
        """Keep the gradient of this computed tensor, too, in the next backward passes.

        Raises:
            NotDifferentiableError: no gradient flows to it.
            GraphReleasedError: its graph was used up by an earlier `backward`.
        """
        if not self.tracked:
            raise NotDifferentiableError(
                "retain_grad() expects a tensor that gradients flow to. This one requires none."
            )
        node = self.node
        if node is None:
            return  # a leaf keeps its gradient anyway
        if node.arrays is None:
            raise GraphReleasedError("retain_grad(): this tensor's graph was released already.")
        if node.retained is None:
            node.retained = []
        if not any(known() is self for known in node.retained):
            node.retained.append(weakref.ref(self))

    # -- operators ---------------------------------------------------------------------------

    def __add__(self, other: Any) -> Tensor:
        return cast(Tensor, _add(self, other))

    def __radd__(self, other: Any) -> Tensor:
        return cast(Tensor, _add(other, self))

    def __sub__(self, other: Any) -> Tensor:
        return cast(Tensor, _subtract(self, other))

    def __rsub__(self, other: Any) -> Tensor:
        return cast(Tensor, _subtract(other, self))

    def __mul__(self, other: Any) -> Tensor:
        return cast(Tensor, _multiply(self, other))

    def __rmul__(self, other: Any) -> Tensor:
        return cast(Tensor, _multiply(other, self))

    def __truediv__(self, other: Any) -> Tensor:
        return cast(Tensor, _divide(self, other))

    def __rtruediv__(self, other: Any) -> Tensor:
        return cast(Tensor, _divide(other, self))

    def __pow__(self, other: Any) -> Tensor:
        return cast(Tensor, _power(self, other))

    def __rpow__(self, other: Any) -> Tensor:
        return cast(Tensor, _power(other, self))

    def __matmul__(self, other: Any) -> Tensor:
        return cast(Tensor, _matmul(self, other))

    def __rmatmul__(self, other: Any) -> Tensor:
        return cast(Tensor, _matmul(other, self))

    def __neg__(self) -> Tensor:
        return cast(Tensor, ops.negative(self))

    # What has no operation is found, or refused by name, as NumPy's function of that name is.
    def __mod__(self, other: Any) -> Tensor:
        return cast(Tensor, numpy_op(np.remainder)(self, other))

    def __rmod__(self, other: Any) -> Tensor:
        return cast(Tensor, numpy_op(np.remainder)(other, self))

    def __floordiv__(self, other: Any) -> Any:
        return numpy_op(np.floor_divide)(self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return numpy_op(np.floor_divide)(other, self)

    def __pos__(self) -> Tensor:
        return self

    def __abs__(self) -> Tensor:
        return cast(Tensor, ops.abs(self))

    # Comparisons give plain arrays: they are constant wherever they have a derivative.
    def __eq__(self, other: object) -> Any:
        return ops.equal(self, other)

    def __ne__(self, other: object) -> Any:
        return ops.not_equal(self, other)

    def __lt__(self, other: Any) -> Any:
        return ops.less(self, other)

    def __le__(self, other: Any) -> Any:
        return ops.less_equal(self, other)

    def __gt__(self, other: Any) -> Any:
        return ops.greater(self, other)

    def __ge__(self, other: Any) -> Any:
        return ops.greater_equal(self, other)

    __hash__ = object.__hash__  # by identity, although == compares elements: usable as a key

    def __getitem__(self, index: Any) -> Tensor:
        template, arrays = index_parts(index)
        return cast(Tensor, ops.getitem(self, *arrays, template=template))

    def __setitem__(self, index: Any, value: Any) -> None:
        raise InvalidArgumentError(
            "a tensor's elements cannot be assigned: the graph could not tell the old value from "
            "the new one. Use tg.where(...) to choose elements, or assign to a leaf's .data."
        )

    # -- methods of ndarray ------------------------------------------------------------------

    def sum(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """Sum over `axis` (None: over all elements)."""
        return cast(Tensor, ops.sum(self, axis=axis, keepdims=keepdims))

    def mean(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """Mean over `axis` (None: over all elements)."""
        return cast(Tensor, ops.mean(self, axis=axis, keepdims=keepdims))

    def max(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """Largest element over `axis`; ties share the gradient."""
        return cast(Tensor, ops.max(self, axis=axis, keepdims=keepdims))

    def min(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """Smallest element over `axis`; ties share the gradient."""
        return cast(Tensor, ops.min(self, axis=axis, keepdims=keepdims))

    def var(self, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> Tensor:
        """Variance over `axis`."""
        return cast(Tensor, ops.var(self, axis=axis, ddof=ddof, keepdims=keepdims))

    def argmax(self, axis: int | None = None) -> Any:
        """Index of the largest element: a plain array, without gradient."""
        return ops.argmax(self, axis=axis)

    def argmin(self, axis: int | None = None) -> Any:
        """Index of the smallest element: a plain array, without gradient."""
        return ops.argmin(self, axis=axis)

    def reshape(self, *shape: Any) -> Tensor:
        """The same elements in another shape, given as one tuple or as several lengths."""
        return cast(Tensor, ops.reshape(self, shape=shape[0] if len(shape) == 1 else shape))

    def ravel(self) -> Tensor:
        """All elements in one axis."""
        return cast(Tensor, ops.ravel(self))

    flatten = ravel

    def squeeze(self, axis: Any = None) -> Tensor:
        """Without axes of length 1."""
        return cast(Tensor, ops.squeeze(self, axis))

    def transpose(self, *axes: Any) -> Tensor:
        """Axes in another order (none given: reversed)."""
        several = len(axes) == 1 and (axes[0] is None or isinstance(axes[0], (tuple, list)))
        order = axes[0] if several else (axes or None)
        return cast(Tensor, ops.transpose(self, axes=order))

    def swapaxes(self, axis1: int, axis2: int) -> Tensor:
        """Two axes exchanged."""
        return cast(Tensor, ops.swapaxes(self, axis1=axis1, axis2=axis2))

    def clip(self, min: Any = None, max: Any = None) -> Tensor:
        """Limited to an interval."""
        return cast(Tensor, ops.clip(self, min, max))

    def dot(self, other: Any) -> Tensor:
        """NumPy's `dot`: the matrix product, or a multiple where one is a number."""
        return cast(Tensor, ops.dot(self, other))

    def tolist(self) -> Any:
        """The numbers as nested lists, without history."""
        return self.data.tolist()

    def __getattr__(self, name: str) -> Any:
        function = method(name)
        if function is not None:
            return partial(function, self)
        raise AttributeError(
            f"'Tensor' object has no attribute '{name}'"
            + (
                f". ndarray has; use a function of tg, or .numpy().{name} if no gradient is needed."
                if hasattr(np.ndarray, name) else ""
            ),
            name=name, obj=self,
        )  # fmt: skip

    # -- Python's and NumPy's protocols --------------------------------------------------------

    def __len__(self) -> int:
        return len(self.data)

    def __contains__(self, element: Any) -> bool:
        return bool(np.any(self == element))

    def __iter__(self) -> Iterator[Tensor]:
        for i in range(len(self.data)):
            yield self[i]

    def __bool__(self) -> bool:
        return bool(self.data)

    def __float__(self) -> float:
        if self.tracked:
            refuse_storing(1)
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        return operator.index(self.data)

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else str(self)

    def __repr__(self) -> str:
        array = np.array2string(self.data, separator=", ", prefix="Tensor(")
        shown = [array]
        if self.data.dtype != np.float64:
            shown.append(f"dtype={self.data.dtype}")
        if self.name is not None:
            shown.append(f"name={self.name!r}")
        if self.tracked:
            made = self.node
            shown.append("requires_grad=True" if made is None else f"op={made.op.name}")
        return f"Tensor({', '.join(shown)})"

    def _repr_html_(self) -> str:
        from tinygrad_mlp.display import listing, table

        made = self.node
        about = {"shape": self.shape, "dtype": self.dtype}
        if self.name is not None:
            about = {"name": self.name, **about}
        if self.tracked:
            about["gradient"] = "leaf" if made is None else f"through {made.op.name}"
        shown = table(list(about), [list(about.values())]) + listing(str(self.data))
        return shown if self.grad is None else shown + listing(str(self.grad), "gradient")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if self.tracked:
            raise cannot_become_an_array()
        return np.array(self.data, dtype=dtype, copy=copy)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method != "__call__":
            return ufunc_method(ufunc, method, inputs, kwargs)
        refuse_options(f"np.{ufunc.__name__}", kwargs)
        if kwargs:
            raise InvalidArgumentError(
                f"np.{ufunc.__name__} cannot take {', '.join(f'{k}=' for k in kwargs)} where a "
                f"Tensor is involved. Use .astype(...) for dtype=, and leave the others out."
            )
        return numpy_op(ufunc)(*inputs)

    def __array_function__(
        self, func: Callable[..., Any], types: Any, args: Any, kwargs: Any
    ) -> Any:
        refuse_options(shown(func), kwargs)
        return numpy_op(func)(*args, **kwargs)


Tensor.result_class = Tensor

# Looked up once: the operators are the hottest calls of all.
_add, _subtract, _multiply, _divide = ops.add, ops.subtract, ops.multiply, ops.divide
_power, _matmul = ops.power, ops.matmul


def numpy_op(function: Callable[..., Any]) -> Callable[..., Any]:
    """The operation that stands for a function of NumPy or SciPy when it is called on a Tensor.

    Raises:
        NotDifferentiableError: there is none.
    """
    known = _NUMPY.get(function)
    if known is None or isinstance(known, Op) and OPS.get(known.name) is not known:
        # The first call, or an operation was defined, redefined or removed since then.
        _NUMPY.clear()
        special = sys.modules.get("scipy.special")  # loaded, if a function of it was called
        for record in OPS.values():
            _NUMPY.update(dict.fromkeys(record.numpy, record))
            if record.scipy and special:
                _NUMPY[getattr(special, record.scipy)] = record
        _NUMPY.update(STANDS_FOR)
        _NUMPY.update({np.shape: lambda a: a.shape, np.ndim: lambda a: a.ndim,
                       np.size: lambda a: a.size})  # fmt: skip
        known = _NUMPY.get(function)
    if known is None:
        known = constant(function)
    if known is None:
        raise without_rule(function)
    return known


_NUMPY: dict[Any, Callable[..., Any]] = {}


def numeric_array(data: Any, dtype: Any = None) -> Array:
    """`data` as a numeric array.

    Raises:
        DTypeError: it is not numeric, or ragged.
    """
    if isinstance(data, Value):
        data = data.data
        if isinstance(data, Value):  # a traced array, which is its own data
            traced: Any = data
            return cast(Array, traced if dtype is None else traced.astype(dtype))
    if type(data) is np.ndarray and dtype is None:
        array = data
    else:
        try:
            array = np.asarray(data, dtype=dtype)
        except TinygradError:
            raise  # a list that holds a tracked tensor
        except (ValueError, TypeError) as error:
            raise DTypeError(
                f"Tensor() expects numbers in a rectangular arrangement. Got {type(data).__name__} "
                f"that NumPy cannot convert: {error}."
            ) from error
    if array.dtype.kind not in "fiub":
        raise DTypeError(
            f"Tensor() expects real numbers. Got data of dtype {array.dtype}. "
            f"Convert it with .astype(float) first."
        )
    return array
