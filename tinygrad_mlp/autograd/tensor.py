"""`Tensor`: a value that is made, named, differentiated and shown; it computes as arrays do."""

from __future__ import annotations

import weakref
from typing import Any, cast

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.array_behaviour import ArrayBehaviour
from tinygrad_mlp.autograd.backward import backward as run_backward
from tinygrad_mlp.autograd.graph import Array, Value, make_value
from tinygrad_mlp.errors import (
    DTypeError,
    GraphReleasedError,
    InvalidArgumentError,
    NotDifferentiableError,
    ShapeError,
    TinygradError,
)


class Tensor(ArrayBehaviour):
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
        self._requires_grad = False
        if requires_grad:
            self.requires_grad = True

    # -- the array's attributes --------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to it: set by the user on leaves, inherited by results."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, wanted: bool) -> None:
        if self.node is not None and self._requires_grad and not wanted:
            raise InvalidArgumentError(
                "requires_grad can be switched off on leaves only, and this tensor was computed. "
                "Use .detach() for a tensor without history."
            )
        if wanted and self.data.dtype.kind != "f":
            raise DTypeError(
                f"requires_grad=True expects floating-point data: a derivative with respect to "
                f"{self.data.dtype} has no meaning. Write 3.0 for 3, or use .astype(float)."
            )
        if wanted and not self._requires_grad:
            self.node = None  # what it was computed from without recording is not its history
        self._requires_grad = bool(wanted)

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
        if (self.node is not None and self._requires_grad) or isinstance(self.data, Value):
            return self.copy()
        made = cast(Tensor, make_value(type(self), self.data.copy(), None, self._requires_grad))
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
        if not self._requires_grad:
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
        if not self._requires_grad:
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

    # -- shown -----------------------------------------------------------------------------------

    def __repr__(self) -> str:
        array = np.array2string(self.data, separator=", ", prefix="Tensor(")
        shown = [array]
        if self.data.dtype != np.float64:
            shown.append(f"dtype={self.data.dtype}")
        if self.name is not None:
            shown.append(f"name={self.name!r}")
        if self._requires_grad:
            made = self.node
            shown.append("requires_grad=True" if made is None else f"op={made.op.name}")
        return f"Tensor({', '.join(shown)})"

    def _repr_html_(self) -> str:
        from tinygrad_mlp.support.html import listing, table

        made = self.node
        about = {"shape": self.shape, "dtype": self.dtype}
        if self.name is not None:
            about = {"name": self.name, **about}
        if self._requires_grad:
            about["gradient"] = "leaf" if made is None else f"through {made.op.name}"
        shown = table(list(about), [list(about.values())]) + listing(str(self.data))
        return shown if self.grad is None else shown + listing(str(self.grad), "gradient")


Tensor.result_class = Tensor


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
