"""What a `Tensor` shares with an ndarray: operators, methods, Python's and NumPy's protocols.

Everything here is a call of an operation, or of a function composed of them.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.graph import Array, Value
from tinygrad_mlp.autograd.numpy_calls import method, numpy_call
from tinygrad_mlp.autograd.numpy_protocols import (
    cannot_become_an_array,
    numpy_op,
    refuse_options,
    refuse_storing,
    ufunc_method,
)
from tinygrad_mlp.autograd.ops.shapes.indexing import index_parts
from tinygrad_mlp.errors import InvalidArgumentError

if TYPE_CHECKING:
    from tinygrad_mlp.autograd.tensor import Tensor

# Looked up once: the operators are the hottest calls of all.
_add, _subtract, _multiply, _divide = ops.add, ops.subtract, ops.multiply, ops.divide
_power, _matmul = ops.power, ops.matmul


class ArrayBehaviour(Value):
    """A value that computes as an array does."""

    __slots__ = ()

    # -- operators ---------------------------------------------------------------------------

    def __add__(self, other: Any) -> Tensor:
        return cast("Tensor", _add(self, other))

    def __radd__(self, other: Any) -> Tensor:
        return cast("Tensor", _add(other, self))

    def __sub__(self, other: Any) -> Tensor:
        return cast("Tensor", _subtract(self, other))

    def __rsub__(self, other: Any) -> Tensor:
        return cast("Tensor", _subtract(other, self))

    def __mul__(self, other: Any) -> Tensor:
        return cast("Tensor", _multiply(self, other))

    def __rmul__(self, other: Any) -> Tensor:
        return cast("Tensor", _multiply(other, self))

    def __truediv__(self, other: Any) -> Tensor:
        return cast("Tensor", _divide(self, other))

    def __rtruediv__(self, other: Any) -> Tensor:
        return cast("Tensor", _divide(other, self))

    def __pow__(self, other: Any) -> Tensor:
        return cast("Tensor", _power(self, other))

    def __rpow__(self, other: Any) -> Tensor:
        return cast("Tensor", _power(other, self))

    def __matmul__(self, other: Any) -> Tensor:
        return cast("Tensor", _matmul(self, other))

    def __rmatmul__(self, other: Any) -> Tensor:
        return cast("Tensor", _matmul(other, self))

    def __neg__(self) -> Tensor:
        return cast("Tensor", ops.negative(self))

    # What has no operation is found, or refused by name, as NumPy's function of that name is.
    def __mod__(self, other: Any) -> Tensor:
        return cast("Tensor", numpy_op(np.remainder)(self, other))

    def __rmod__(self, other: Any) -> Tensor:
        return cast("Tensor", numpy_op(np.remainder)(other, self))

    def __floordiv__(self, other: Any) -> Any:
        return numpy_op(np.floor_divide)(self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return numpy_op(np.floor_divide)(other, self)

    def __pos__(self) -> Tensor:
        return cast("Tensor", self)

    def __abs__(self) -> Tensor:
        return cast("Tensor", ops.abs(self))

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
        return cast("Tensor", ops.getitem(self, *arrays, template=template))

    def __setitem__(self, index: Any, value: Any) -> None:
        raise InvalidArgumentError(
            "a tensor's elements cannot be assigned: the graph could not tell the old value from "
            "the new one. Use tg.where(...) to choose elements, or assign to a leaf's .data."
        )

    # -- methods of ndarray ------------------------------------------------------------------

    def _by_numpy(self, function: Callable[..., Any], **keywords: Any) -> Tensor:
        """NumPy's function of this tensor, with parameters that its operation does not have."""
        return cast("Tensor", numpy_call(function, (self,), keywords))

    def _reduced(
        self, op: Callable[..., Any], of_numpy: Any, axis: Any, keepdims: bool,
        options: dict[str, Any],
    ) -> Tensor:  # fmt: skip
        if options:
            return self._by_numpy(of_numpy, axis=axis, keepdims=keepdims, **options)
        return cast("Tensor", op(self, axis=axis, keepdims=keepdims))

    def sum(self, axis: Any = None, keepdims: bool = False, **options: Any) -> Tensor:
        """Sum over `axis` (None: over all elements)."""
        return self._reduced(ops.sum, np.sum, axis, keepdims, options)

    def mean(self, axis: Any = None, keepdims: bool = False, **options: Any) -> Tensor:
        """Mean over `axis` (None: over all elements)."""
        return self._reduced(ops.mean, np.mean, axis, keepdims, options)

    def max(self, axis: Any = None, keepdims: bool = False, **options: Any) -> Tensor:
        """Largest element over `axis`; ties share the gradient."""
        return self._reduced(ops.max, np.max, axis, keepdims, options)

    def min(self, axis: Any = None, keepdims: bool = False, **options: Any) -> Tensor:
        """Smallest element over `axis`; ties share the gradient."""
        return self._reduced(ops.min, np.min, axis, keepdims, options)

    def var(self, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> Tensor:
        """Variance over `axis`."""
        return cast("Tensor", ops.var(self, axis=axis, ddof=ddof, keepdims=keepdims))

    def argmax(self, axis: int | None = None) -> Any:
        """Index of the largest element: a plain array, without gradient."""
        return ops.argmax(self, axis=axis)

    def argmin(self, axis: int | None = None) -> Any:
        """Index of the smallest element: a plain array, without gradient."""
        return ops.argmin(self, axis=axis)

    def reshape(self, *shape: Any, **options: Any) -> Tensor:
        """The same elements in another shape, given as one tuple or as several lengths."""
        if options:
            shape = shape[0] if len(shape) == 1 else shape
            return self._by_numpy(np.reshape, shape=shape, **options)
        return cast("Tensor", ops.reshape(self, shape=shape[0] if len(shape) == 1 else shape))

    def flatten(self, order: str = "C") -> Tensor:
        """All elements in one axis."""
        return self._by_numpy(np.ravel, order=order)

    def squeeze(self, axis: Any = None) -> Tensor:
        """Without axes of length 1."""
        return cast("Tensor", ops.squeeze(self, axis))

    def transpose(self, *axes: Any) -> Tensor:
        """Axes in another order (none given: reversed)."""
        several = len(axes) == 1 and (axes[0] is None or isinstance(axes[0], (tuple, list)))
        order = axes[0] if several else (axes or None)
        return cast("Tensor", ops.transpose(self, axes=order))

    def swapaxes(self, axis1: int, axis2: int) -> Tensor:
        """Two axes exchanged."""
        return cast("Tensor", ops.swapaxes(self, axis1=axis1, axis2=axis2))

    def clip(self, min: Any = None, max: Any = None) -> Tensor:
        """Limited to an interval."""
        return cast("Tensor", ops.clip(self, min, max))

    def dot(self, other: Any) -> Tensor:
        """NumPy's `dot`: the matrix product, or a multiple where one is a number."""
        return cast("Tensor", ops.dot(self, other))

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
        if self.requires_grad:
            refuse_storing(1)
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        return operator.index(self.data)

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else str(self)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if self.requires_grad:
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
        return numpy_call(func, args, kwargs)
