"""`Parameter` and `Buffer`: the tensors that belong to a module."""

from __future__ import annotations

from numpy.typing import DTypeLike

from tinygrad_mlp.autograd.pickling import copied
from tinygrad_mlp.autograd.tensor import Tensor

STATE = ("data", "grad", "own_name", "place", "_requires_grad", "node", "index")
"""The attributes of a leaf."""


class HeldTensor(Tensor):
    """A tensor that a module holds: a leaf, which is stored as a dict by pickle, and by skops.

    Attributes:
        place: its path from the outermost module that has been given it, such as "query.weight".
    """

    __slots__ = ("place",)
    place: str | None

    def __init__(self, data: object, *, requires_grad: bool = False, dtype: DTypeLike | None = None,
                 name: str | None = None) -> None:
        super().__init__(data, requires_grad=requires_grad, dtype=dtype, name=name)
        self.place = None

    def __getstate__(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in STATE}

    def __setstate__(self, state: dict[str, object]) -> None:
        state = {"place": None, **state}  # which older files do not have
        for name in STATE:
            setattr(self, name, state[name])

    def __deepcopy__(self, memo: dict[int, object] | None = None) -> Tensor:
        made = copied(self, memo)
        if isinstance(made, HeldTensor):
            made.place = self.place
        return made

    __copy__ = __deepcopy__


class Parameter(HeldTensor):
    """A tensor that training changes.

    Args:
        data: floating-point array.
        name: its name in explanations.

    Raises:
        DTypeError: the data is not of floating-point numbers.

    `dtype` is its precision, by default that of the data.

    >>> Parameter([1.0, 2.0], name="b")
    Parameter([1., 2.], name='b')
    """

    __slots__ = ()

    def __init__(self, data: object, *, dtype: DTypeLike | None = None,
                 name: str | None = None) -> None:
        super().__init__(data, requires_grad=True, dtype=dtype, name=name)

    def __repr__(self) -> str:
        return super().__repr__().replace("Tensor(", "Parameter(").replace(
            ", requires_grad=True", "")


class Buffer(HeldTensor):
    """An array that belongs to a module's state but is not trained (a running mean).

    Args:
        data: the array.
        requires_grad: False; a buffer that is trained is a `Parameter`.
        dtype: precision; that of the data by default.
        name: its name in explanations.

    >>> import numpy as np
    >>> Buffer(np.zeros(2), name="running_mean").requires_grad
    False
    """

    __slots__ = ()
